"""The whole decision: from a review and what is known of its ServiceAccount to the answer, and the reason for it."""

import zlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, Literal, TypeAlias

import msgspec

from webhook.admission import jsonpatch
from webhook.admission.annotations import ONLY_CONTAINERS, ONLY_OF_SERVICE_ACCOUNTS, SKIP_CONTAINERS
from webhook.admission.golang import parse_bool
from webhook.admission.identity import (
    Granted,
    Identity,
    Method,
    NoIdentity,
    ServiceAccount,
    Sources,
    own_annotations,
    resolve,
    unlike,
)
from webhook.admission.injection import SESSION_NAME_MAX, Injection, injection_of, session_name_of
from webhook.admission.mutate import Mutation, mutate
from webhook.admission.pod import Pod
from webhook.admission.review import Response, Review, Status, encode, encode_response, encode_shared
from webhook.admission.settings import DEFAULT_TOKEN_EXPIRATION, Settings
from webhook.admission.warning import bounded, quoted, short

_JITTERED_FROM: Final = 79200
_MAX_CACHED: Final = 4096
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

    `operations` are encoded; `why` says in a sentence what `reason` says in a word, where there is more to say.
    `denied` is the text of a refusal, with `code` its status; `method` is set where an identity was found. `encoded` is
    the answer behind its uid, where pods alike share the decision.
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
    skipped = Decision("skip_label", why=f"its label {settings.skip_label} keeps the webhook away")
    if is_skipped and requirement == "none":
        return skipped

    if not review.service_account:
        return skipped if is_skipped and requirement != "pod" else _without_account(pod, requirement, settings)

    plan = _plan_for(pod, review, account, sources, settings)
    identity = plan.identity
    if isinstance(identity, NoIdentity):
        decision = Decision(identity.reason, warnings=bounded(plan.warnings), audit=plan.audit, why=identity.message)
        if requirement == "pod" or (requirement == "namespace" and identity.reason == "invalid_role_arn"):
            return _refused(decision, _lacks(requirement, identity.message, settings))
        # Its namespace promised nothing to a pod without a role.
        return skipped if is_skipped else decision

    assert plan.injection is not None  # noqa: S101 - each identity has one
    count = len(pod.spec.containers or ()) + len(pod.spec.initContainers or ())
    if count * plan.injection.size > MAX_PATCH:
        denied = f"spec.containers: {count} take a patch of more than {MAX_PATCH} bytes: more than a cluster stores"
        return Decision("invalid_pod", denied=denied, code=400)
    expiration = _jittered(identity, review.uid)
    mutation = mutate(pod, plan.injection, expiration, is_skipped=plan.is_skipped, raw_volumes=review.raw_volumes)
    if plan.is_shared and mutation.is_shared:
        return _shared_decision(plan, mutation, identity.method)
    decision = _decided(plan, mutation, identity.method)
    if requirement != "none" and (lacking := _lacking(mutation)):
        return _refused(decision, _lacks(requirement, lacking, settings))
    return decision


def _without_account(pod: Pod, requirement: "_Requirement", settings: Settings) -> Decision:
    why = "it is the mirror of a static pod" if pod.is_mirror else "it names no ServiceAccount"
    decision = Decision("no_service_account", audit={"decision": "no_service_account"}, why=why)
    return _refused(decision, _lacks(requirement, why, settings)) if requirement == "pod" else decision


# Both are cached where they were made, and their identity is the key: nothing of a pod is looked at again.
@lru_cache(maxsize=1024)
def _shared_decision(plan: "_Plan", mutation: Mutation, method: Method) -> Decision:
    """The decision on pods that get the same by the same plan: none of their containers lacks credentials then."""
    decision = _decided(plan, mutation, method)
    if sum(map(len, decision.operations)) > _MAX_CACHED:
        return decision
    return msgspec.structs.replace(decision, encoded=encode_response(_response("", decision)))


def _decided(plan: "_Plan", mutation: Mutation, method: Method) -> Decision:
    audit = plan.audit
    if mutation.injected:
        # Said of what the pod has in the end, not of this patch: a reinvocation must not say otherwise.
        audit = audit | _INJECTED
    # Where all containers are skipped, nothing is done that a warning could be about.
    said = plan.warnings if mutation.considered else ()
    warnings = bounded([*said, *mutation.warnings]) if said or mutation.warnings else []
    return Decision(mutation.reason, mutation.operations, warnings, audit, method=method)


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


class _Plan(msgspec.Struct, frozen=True, eq=False):
    """What a pod gets by its ServiceAccount and its annotations, before its containers are looked at.

    `injection` is there where `identity` is one; `is_skipped` says of a container's name whether it is left alone
    (None: none is); `is_shared`: all pods without annotations of ours that run as it have this very one.
    """

    identity: Identity | NoIdentity
    warnings: tuple[str, ...]
    audit: dict[str, str]
    injection: Injection | None = None
    is_skipped: Callable[[str], bool] | None = None
    is_shared: bool = False


def _plan_for(pod: Pod, review: Review, account: ServiceAccount | None, sources: Sources, settings: Settings) -> _Plan:
    key = (review.namespace, review.service_account)
    granted = sources.granted(account, key)
    meta = pod.meta
    annotations, name = meta.annotations, meta.name or ""
    is_plain = annotations is None or settings.own_keys.concern_none(annotations)
    if is_plain and not pod.is_windows and len(name) <= SESSION_NAME_MAX and _is_small(account, granted):
        return _plain_plan(account, key, granted, settings)
    of_pod = own_annotations(annotations, settings)
    plan = _plan(account, key, granted, settings, of_pod, name, windows=pod.is_windows)
    said = _without_effect(annotations or {}, of_pod, settings)
    return msgspec.structs.replace(plan, warnings=(*plan.warnings, *said)) if said else plan


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


def _is_small(account: ServiceAccount | None, granted: Granted) -> bool:
    """Whether these may be kept here after the cluster has changed them: not whatever their authors wrote."""
    size = sum(map(len, account.annotations.values())) if account is not None else 0
    if granted.mapped is not None:
        size += len(granted.mapped.role_arn) + len(granted.mapped.audience or "")
    return size <= _MAX_CACHED


# Most pods have no annotations of ours, and run as few ServiceAccounts, over and over.
@lru_cache(maxsize=2048)
def _plain_plan(account: ServiceAccount | None, key: tuple[str, str], granted: Granted, settings: Settings) -> _Plan:
    return msgspec.structs.replace(_plan(account, key, granted, settings, {}, "", windows=False), is_shared=True)


def _plan(
    account: ServiceAccount | None,
    key: tuple[str, str],
    granted: Granted,
    settings: Settings,
    pod_annotations: Mapping[str, str],
    pod_name: str,
    *,
    windows: bool,
) -> _Plan:
    identity, warnings = resolve(account, key, pod_annotations, granted, settings)
    audit = {"service-account": f"{key[0]}/{key[1]}"}
    if isinstance(identity, NoIdentity):
        return _Plan(identity, tuple(warnings), {**audit, "decision": identity.reason})
    if identity.role_arn:
        audit["role-arn"] = identity.role_arn
    account_annotations = account.annotations if account is not None else {}
    session_name = session_name_of(pod_annotations, account_annotations, pod_name, settings, warnings)
    injection = injection_of(identity, settings, windows=windows, session_name=session_name)
    skipped = _names(SKIP_CONTAINERS, pod_annotations, account_annotations)
    only = _names(ONLY_CONTAINERS, pod_annotations, account_annotations)
    is_skipped = None
    if skipped or only:

        def is_skipped(name: str) -> bool:
            return name in skipped or (bool(only) and name not in only)

    return _Plan(identity, tuple(warnings), audit, injection, is_skipped)


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


def _lacking(mutation: Mutation) -> str:
    """Why the pod would run without credentials; empty where it has them."""
    if not mutation.considered:
        return "all its containers are skipped"
    if mutation.lacking:
        each = ", ".join(f"{short(name)} ({bounded([why])[0]})" for name, why in mutation.lacking[:_NAMED])
        return f"container {each}" + (", ..." if len(mutation.lacking) > _NAMED else "")
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


def _lacks(requirement: _Requirement, lacking: str, settings: Settings) -> str:
    if requirement == "pod":
        return f"the pod is labelled {settings.require_label} but would lack its credentials: {lacking}"
    return f"the namespace is labelled {settings.require_label} but the pod would lack its credentials: {lacking}"


def _refused(decision: Decision, why: str) -> Decision:
    """The refusal of a pod that must not run without its role, in place of `decision`."""
    return Decision(
        "identity_required",
        warnings=decision.warnings,
        audit={**decision.audit, "decision": "identity_required"},
        denied=f"pod-identity-webhook: {why}",
        code=403,
    )
