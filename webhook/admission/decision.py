"""The whole decision: takes a review and its ServiceAccount, and returns the answer with its reason."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final

import msgspec

from webhook.admission import jsonpatch
from webhook.admission.annotations import ONLY_CONTAINERS, ONLY_OF_SERVICE_ACCOUNTS, SKIP_CONTAINERS
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
from webhook.admission.mutate import mutate
from webhook.admission.pod import Pod
from webhook.admission.requirement import Requirement, missing_credentials_reason, refusal, requirement_of
from webhook.admission.review import Response, Review, Status, encode, encode_response, encode_shared
from webhook.admission.settings import DEFAULT_TOKEN_EXPIRATION, Settings
from webhook.admission.shape import Shape, pod_of, shape_of
from webhook.admission.skipped_containers import skipping
from webhook.admission.warning import bounded, quoted

_JITTERED_FROM: Final = 79200
# The limit in characters for the annotations and mapping of a cached decision. Most ServiceAccounts have 100 to 200.
_MAX_CACHED: Final = 1024
# A namespace that requires identity still admits pods without a role, which have one of these reasons.
_ROLELESS: Final = ("no_role", "service_account_not_found")
_INJECTED: Final = {"decision": "injected"}

# By default, etcd stores at most 1.5 MiB for an object.
MAX_PATCH: Final = 3 * 1024 * 1024

# All reasons of decisions; the metric counts each separately.
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

    `operations` holds encoded JSON Patch operations; one item may hold several, separated by commas. `reason` is one
    word; `why` explains it in a sentence, or is empty. `denied` is the text of a refusal, `code` its HTTP status.
    `method` is set if the pod has an identity. If pods of one shape share the decision, `encoded` is the answer after
    its uid.
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
        """The number of JSON Patch operations."""
        return sum(operations.count(jsonpatch.BEGINNING) for operations in self.operations)

    @property
    def allowed(self) -> bool:
        """Whether we admit the pod."""
        return not self.denied


def needs_account(review: Review, settings: Settings, *, namespace_requires: bool = False) -> bool:
    """Whether a decision on `review` needs its ServiceAccount."""
    pod = review.pod
    if pod is None or not review.service_account:
        return False
    return not _has_skip_label(pod, settings) or requirement_of(pod, settings, namespace_requires) in {
        "pod",
        "namespace",
    }


def decide(
    review: Review,
    account: ServiceAccount | None,
    sources: Sources,
    settings: Settings,
    *,
    namespace_requires: bool = False,
) -> Decision:
    """Decides on `review`. `account` is its ServiceAccount, or None if it does not exist.

    `namespace_requires`: a label of the pod's namespace requires that its pods get the credentials of their role.
    """
    pod = review.pod
    if pod is None:
        if review.invalid:
            return Decision("invalid_pod", denied=review.invalid, code=400)
        return Decision(review.not_ours)
    requirement = requirement_of(pod, settings, namespace_requires)
    if requirement == "unclear":
        value = pod.meta.labels[settings.require_label] if pod.meta.labels else ""
        return _refused(
            Decision(""), f"the pod's label {settings.require_label} is {quoted(value)}, which is not a boolean"
        )
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
    # A namespace's label does not concern pods without a role.
    if missing and (requirement == "pod" or (requirement == "namespace" and decision.reason not in _ROLELESS)):
        return _refused(decision, refusal(requirement, missing, settings))
    return _skipped(settings) if is_skipped and decision.method is None and not decision.denied else decision


def _skipped(settings: Settings) -> Decision:
    return Decision("skip_label", why=f"its label {settings.skip_label} keeps the webhook away")


def _without_account(pod: Pod, requirement: Requirement, settings: Settings) -> Decision:
    why = "it is the mirror of a static pod" if pod.is_mirror else "it names no ServiceAccount"
    decision = Decision("no_service_account", audit={"decision": "no_service_account"}, why=why)
    return _refused(decision, refusal(requirement, why, settings)) if requirement == "pod" else decision


class _Outcome(msgspec.Struct, frozen=True, gc=False):
    """A decision, and why the pod would run without credentials (empty if it has them)."""

    decision: Decision
    missing_credentials_reason: str = ""


# The cache of decisions: most pods have one of a few shapes and one of a few ServiceAccounts. A decision that depends
# on more of a pod is not cached. An entry takes at most 30 kB, so a hostile tenant can make the cache grow to 30 MB.
@lru_cache(maxsize=1024)
def _on_shape(
    account: ServiceAccount | None, key: tuple[str, str], others: OtherSources, settings: Settings, shape: Shape
) -> _Outcome:
    outcome = _on_pod(pod_of(shape), account, key, others, settings, uid="", raw_volumes=list)
    encoded = encode_response(_response("", outcome.decision))
    return _Outcome(msgspec.structs.replace(outcome.decision, encoded=encoded), outcome.missing_credentials_reason)


def _may_be_kept(account: ServiceAccount | None, others: OtherSources) -> bool:
    """Whether to cache: container names must not matter, and annotation authors must not be able to exhaust memory."""
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
        denied = f"spec.containers: {count} need a patch of more than {MAX_PATCH} bytes, which a cluster cannot store"
        return _Outcome(Decision("invalid_pod", denied=denied, code=400))
    is_skipped = skipping(of_pod, of_account)
    mutation = mutate(pod, injection, _jittered(identity, uid), is_skipped=is_skipped, raw_volumes=raw_volumes)
    if mutation.injected:
        # This describes the pod after the patch, not the patch: a reinvocation must report the same.
        audit |= _INJECTED
    warnings += _without_effect(pod.meta.annotations or {}, of_pod, settings)
    # If all containers are skipped, we inject nothing, so warnings about the identity do not apply.
    said = bounded([*(warnings if mutation.considered else ()), *mutation.warnings])
    decision = Decision(mutation.reason, mutation.operations, said, audit, method=identity.method)
    return _Outcome(decision, missing_credentials_reason(mutation))


def _without_effect(annotations: Mapping[str, str], ours: Mapping[str, str], settings: Settings) -> list[str]:
    """Returns warnings about a pod's annotations that have no effect but look as if they had."""
    prefix = settings.own_prefix
    said = [
        f"without effect: Pod annotation {prefix}{name}, which belongs on the ServiceAccount"
        for name in ONLY_OF_SERVICE_ACCOUNTS
        if name in ours
    ]
    meant = settings.annotation_keys.meant(annotations)
    if meant is not None:
        said.append(unlike("Pod", *meant, settings))
    return said


def answer(review: Review, decision: Decision) -> bytes:
    """Returns the HTTP body for `decision`: an AdmissionReview with the uid and apiVersion of `review`."""
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
    """Returns the token's lifetime in seconds.

    Varies the default lifetime of container credentials by `uid`: otherwise all pods of a cluster could renew their
    tokens at the same time.
    """
    if identity.method != "container_credentials" or identity.expiration != DEFAULT_TOKEN_EXPIRATION:
        return identity.expiration
    # Deterministic, not random: a replayed review gets the same answer.
    return _JITTERED_FROM + zlib.crc32(uid.encode()) % (DEFAULT_TOKEN_EXPIRATION - _JITTERED_FROM + 1)


def _has_skip_label(pod: Pod, settings: Settings) -> bool:
    # Hot path: `Pod.meta` is inlined.
    labels = pod.metadata.labels if pod.metadata is not None else None
    return labels is not None and settings.skip_label in labels


def _refused(decision: Decision, why: str) -> Decision:
    """Returns the decision that replaces `decision`: it refuses a pod that must not run without its role."""
    return Decision(
        "identity_required",
        warnings=decision.warnings,
        audit={**decision.audit, "decision": "identity_required"},
        denied=f"pod-identity-webhook: {why}",
        code=403,
    )
