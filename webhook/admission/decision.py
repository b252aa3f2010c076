"""The whole decision: from a review and what is known of its ServiceAccount to the answer, and the reason for it."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final, Literal, TypeAlias

import msgspec

from webhook.admission import jsonpatch
from webhook.admission.annotations import ONLY_CONTAINERS, ONLY_OF_SERVICE_ACCOUNTS, SKIP_CONTAINERS
from webhook.admission.golang import parse_bool
from webhook.admission.identity import (
    Identity,
    Method,
    NoIdentity,
    OtherSources,
    ServiceAccount,
    Sources,
    own_annotations,
    resolve,
    unlike,
)
from webhook.admission.injection import SESSION_NAME_MAX, injection_of, session_name_of
from webhook.admission.mutate import Mutation, mutate
from webhook.admission.pod import Pod
from webhook.admission.review import Response, Review, Status, encode, encode_response, encode_shared
from webhook.admission.settings import DEFAULT_TOKEN_EXPIRATION, Settings
from webhook.admission.shape import Shape, pod_of, shape_of
from webhook.admission.warning import bounded, quoted, short

_JITTERED_FROM: Final = 79200
# Characters of annotations and mappings: those of nearly all ServiceAccounts have a hundred or two.
_MAX_CACHED: Final = 1024
# Of a namespace that requires identity, pods without a role are admitted.
_ROLELESS: Final = ("no_role", "service_account_not_found")
# So many containers that lack credentials are named in a refusal.
_NAMED: Final = 3
_INJECTED: Final = {"decision": "injected"}

# Etcd takes objects of 1.5 MiB by default.
MAX_PATCH: Final = 3 * 1024 * 1024

# Every reason that a decision can have; the metric counts them apart.
REASONS: Final = (
    "injected",
    "already_injected",
    "containers_left_alone",
    "all_containers_skipped",
    "skip_label",
    "no_service_account",
    "no_role",
    "service_account_not_found",
    "invalid_role_arn",
    "identity_required",
    "not_a_pod",
    "subresource",
    "not_create",
    "invalid_pod",
)


class Decision(msgspec.Struct, gc=False, frozen=True):
    """What to answer, and why.

    `operations` are encoded, some with commas between; `why` says in a sentence what `reason` says in a word, if there
    is more to say. `denied` is the text of a refusal, with `code` its status; `method` is set if an identity was found.
    `encoded` is the answer behind its uid, if pods alike share the decision.
    """

    reason: str
    operations: list[bytes] = []
    warnings: list[str] = []
    audit: dict[str, str] = {}
    denied: str = ""
    code: int = 200
    method: Method | None = None
    why: str = ""
    encoded: bytes = b""

    @property
    def operation_count(self) -> int:
        """How many operations there are."""
        return sum(operations.count(jsonpatch.BEGINNING) for operations in self.operations)

    @property
    def allowed(self) -> bool:
        """Whether the pod is admitted."""
        return not self.denied


def needs_account(review: Review, settings: Settings, *, namespace_requires: bool = False) -> bool:
    """Whether deciding on `review` takes its ServiceAccount."""
    pod = review.pod
    if pod is None or not review.service_account:
        return False
    return not _has_skip_label(pod, settings) or _requirement(pod, settings, namespace_requires) in {"pod", "namespace"}


def decide(
    review: Review,
    account: ServiceAccount | None,
    sources: Sources,
    settings: Settings,
    *,
    namespace_requires: bool = False,
) -> Decision:
    """The decision on `review`, whose ServiceAccount is `account` (None: there is none).

    `namespace_requires`: the pod's namespace is labelled as one whose pods do not run without their role.
    """
    pod = review.pod
    if pod is None:
        if review.invalid:
            return Decision("invalid_pod", denied=review.invalid, code=400)
        return Decision(review.not_ours)
    requirement = _requirement(pod, settings, namespace_requires)
    if requirement == "unclear":
        value = pod.meta.labels[settings.require_label] if pod.meta.labels else ""
        return _refused(Decision(""), f"the pod's label {settings.require_label} is {quoted(value)}, which is no bool")
    is_skipped = _has_skip_label(pod, settings)
    if is_skipped and (requirement == "none" or (requirement == "namespace" and not review.service_account)):
        return _skipped(settings)
    if not review.service_account:
        return _without_account(pod, requirement, settings)

    key = (review.namespace, review.service_account)
    others = sources.beside(account, key)
    shape = None
    if not others.container_credentials and _may_be_kept(account, others):
        shape = shape_of(pod, settings)
    if shape is not None and len(pod.meta.name or "") <= SESSION_NAME_MAX:
        outcome = _on_shape(account, key, others, settings, shape)
    else:
        outcome = _on_pod(pod, account, key, others, settings, uid=review.uid, raw_volumes=review.raw_volumes)
    decision, missing = outcome.decision, outcome.missing_credentials_reason
    # A namespace promises nothing to a pod without a role.
    if missing and (requirement == "pod" or (requirement == "namespace" and decision.reason not in _ROLELESS)):
        return _refused(decision, _lacks(requirement, missing, settings))
    return _skipped(settings) if is_skipped and decision.method is None and not decision.denied else decision


def _skipped(settings: Settings) -> Decision:
    return Decision("skip_label", why=f"its label {settings.skip_label} keeps the webhook away")


def _without_account(pod: Pod, requirement: "_Requirement", settings: Settings) -> Decision:
    why = "it is the mirror of a static pod" if pod.is_mirror else "it names no ServiceAccount"
    decision = Decision("no_service_account", audit={"decision": "no_service_account"}, why=why)
    return _refused(decision, _lacks(requirement, why, settings)) if requirement == "pod" else decision


class _Outcome(msgspec.Struct, frozen=True, gc=False):
    """A decision, and why the pod would run without credentials; empty if it has them."""

    decision: Decision
    missing_credentials_reason: str = ""


# The one cache of the room: most pods are of few shapes, and run as few ServiceAccounts. What depends on more of a pod
# is decided anew each time. An entry takes 30 kB at most, so that all take 30 MB if a tenant does his worst.
@lru_cache(maxsize=1024)
def _on_shape(
    account: ServiceAccount | None, key: tuple[str, str], others: OtherSources, settings: Settings, shape: Shape
) -> _Outcome:
    outcome = _on_pod(pod_of(shape), account, key, others, settings, uid="", raw_volumes=list)
    encoded = encode_response(_response("", outcome.decision))
    return _Outcome(msgspec.structs.replace(outcome.decision, encoded=encoded), outcome.missing_credentials_reason)


def _may_be_kept(account: ServiceAccount | None, others: OtherSources) -> bool:
    """Whether a decision with these may be kept: it goes by no names of containers, and is not as large as any text."""
    size = 0
    if account is not None:
        annotations = account.annotations
        if SKIP_CONTAINERS in annotations or ONLY_CONTAINERS in annotations:
            return False
        size = sum(map(len, annotations.values()))
    if others.mapped is not None:
        size += len(others.mapped.role_arn) + len(others.mapped.audience or "")
    return size <= _MAX_CACHED


def _on_pod(
    pod: Pod,
    account: ServiceAccount | None,
    key: tuple[str, str],
    others: OtherSources,
    settings: Settings,
    *,
    uid: str,
    raw_volumes: Callable[[], Sequence[msgspec.Raw]],
) -> _Outcome:
    of_account = account.annotations if account is not None else {}
    of_pod = own_annotations(pod.meta.annotations, settings)
    identity, warnings = resolve(account, key, of_pod, others, settings)
    audit = {"service-account": f"{key[0]}/{key[1]}"}
    if isinstance(identity, NoIdentity):
        audit["decision"] = identity.reason
        warnings += _without_effect(pod.meta.annotations or {}, of_pod, settings)
        return _Outcome(
            Decision(identity.reason, warnings=bounded(warnings), audit=audit, why=identity.message), identity.message
        )
    if identity.role_arn:
        audit["role-arn"] = identity.role_arn
    session_name = session_name_of(of_pod, of_account, pod.meta.name or "", settings, warnings)
    injection = injection_of(identity, settings, windows=pod.is_windows, session_name=session_name)
    count = len(pod.spec.containers or ()) + len(pod.spec.initContainers or ())
    if count * injection.size > MAX_PATCH:
        denied = f"spec.containers: {count} take a patch of more than {MAX_PATCH} bytes: more than a cluster stores"
        return _Outcome(Decision("invalid_pod", denied=denied, code=400))
    is_skipped = _skipping(of_pod, of_account)
    mutation = mutate(pod, injection, _jittered(identity, uid), is_skipped=is_skipped, raw_volumes=raw_volumes)
    if mutation.injected:
        # Said of what the pod has in the end, not of this patch: a reinvocation must not say otherwise.
        audit |= _INJECTED
    warnings += _without_effect(pod.meta.annotations or {}, of_pod, settings)
    # Where all containers are skipped, nothing is done that a warning could be about.
    said = bounded([*(warnings if mutation.considered else ()), *mutation.warnings])
    decision = Decision(mutation.reason, mutation.operations, said, audit, method=identity.method)
    return _Outcome(decision, _missing_credentials_reason(mutation))


def _without_effect(annotations: Mapping[str, str], ours: Mapping[str, str], settings: Settings) -> list[str]:
    """What is to be said of a pod's annotations that look as if they did something."""
    prefix = settings.own_prefix
    said = [
        f"without effect: Pod annotation {prefix}{name}, which belongs on the ServiceAccount"
        for name in ONLY_OF_SERVICE_ACCOUNTS
        if name in ours
    ]
    meant = settings.own_keys.meant(annotations)
    if meant is not None:
        said.append(unlike("Pod", *meant, settings))
    return said


def _skipping(of_pod: Mapping[str, str], of_account: Mapping[str, str]) -> Callable[[str], bool] | None:
    """What says of a container's name whether the container is left alone; None where none is."""
    skipped, only = _names(SKIP_CONTAINERS, of_pod, of_account), _names(ONLY_CONTAINERS, of_pod, of_account)
    if not skipped and not only:
        return None
    return lambda name: name in skipped or (bool(only) and name not in only)


def answer(review: Review, decision: Decision) -> bytes:
    """The HTTP body that carries `decision`: an AdmissionReview with the review's own uid and apiVersion."""
    if decision.encoded:
        return encode_shared(review, decision.encoded)
    return encode(review, _response(review.uid, decision))


def _response(uid: str, decision: Decision) -> Response:
    response = Response(uid, decision.allowed)
    if decision.denied:
        reason = "Forbidden" if decision.code == 403 else "BadRequest"
        response.status = Status(decision.code, decision.denied, reason, "Failure")
    elif decision.operations:
        response.patch = msgspec.Raw(msgspec.json.encode(jsonpatch.document(decision.operations)))
        response.patchType = "JSONPatch"
    if decision.warnings:
        response.warnings = decision.warnings
    if decision.audit:
        response.auditAnnotations = decision.audit
    return response


def _jittered(identity: Identity, uid: str) -> int:
    """The token's lifetime in seconds; the uid spreads it where all of a cluster's would be renewed at one time."""
    if identity.method != "container_credentials" or identity.expiration != DEFAULT_TOKEN_EXPIRATION:
        return identity.expiration
    # Not at random: a review that is replayed gets the same answer.
    return _JITTERED_FROM + zlib.crc32(uid.encode()) % (DEFAULT_TOKEN_EXPIRATION - _JITTERED_FROM + 1)


def _names(annotation: str, pod: Mapping[str, str], account: Mapping[str, str]) -> frozenset[str]:
    """The container names in a list, the Pod's where it has one (even an empty one, which lifts the other)."""
    text = pod.get(annotation)
    if text is None:
        text = account.get(annotation)
    return frozenset(name for part in text.split(",") if (name := part.strip())) if text else frozenset()


def _has_skip_label(pod: Pod, settings: Settings) -> bool:
    # Asked twice of every pod: without a call.
    labels = pod.metadata.labels if pod.metadata is not None else None
    return labels is not None and settings.skip_label in labels


def _missing_credentials_reason(mutation: Mutation) -> str:
    """Why the pod would run without credentials; empty where it has them."""
    if not mutation.considered:
        return "all its containers are skipped"
    if mutation.without_credentials:
        each = ", ".join(f"{short(name)} ({bounded([why])[0]})" for name, why in mutation.without_credentials[:_NAMED])
        return f"container {each}" + (", ..." if len(mutation.without_credentials) > _NAMED else "")
    return ""


# Who says that a pod must not run without its role; `unclear`: its own label says neither true nor false.
_Requirement: TypeAlias = Literal["none", "pod", "namespace", "unclear"]


def _requirement(pod: Pod, settings: Settings, namespace_requires: bool) -> _Requirement:
    # Hot path: most pods end here.
    metadata = pod.metadata
    labels = metadata.labels if metadata is not None else None
    value = labels.get(settings.require_label) if labels is not None else None
    if value is None and not namespace_requires:
        return "none"
    if pod.is_mirror:
        return "none"
    requires = parse_bool(value) if value is not None else False
    if requires is None:
        return "unclear"
    if requires:
        return "pod"
    return "namespace" if namespace_requires else "none"


def _lacks(requirement: _Requirement, reason: str, settings: Settings) -> str:
    if requirement == "pod":
        return f"the pod is labelled {settings.require_label} but would lack its credentials: {reason}"
    return f"the namespace is labelled {settings.require_label} but the pod would lack its credentials: {reason}"


def _refused(decision: Decision, why: str) -> Decision:
    """The refusal of a pod that must not run without its role, in place of `decision`."""
    return Decision(
        "identity_required",
        warnings=decision.warnings,
        audit={**decision.audit, "decision": "identity_required"},
        denied=f"pod-identity-webhook: {why}",
        code=403,
    )
