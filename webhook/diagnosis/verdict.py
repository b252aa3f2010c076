"""The verdict on a running pod: whether it carries the credentials that it would get if it were created now. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

import msgspec

from webhook.admission.annotations import ROLE_ARN
from webhook.admission.asking import Labels, Request, asking
from webhook.admission.golang import parse_bool
from webhook.admission.identity import ServiceAccount, Sources
from webhook.admission.settings import DEFAULT_TOKEN_EXPIRATION, Settings
from webhook.cluster.dated_accounts import DatedAccount
from webhook.cluster.namespaces import Namespace
from webhook.diagnosis.answers import Answer, answer_here, applied
from webhook.diagnosis.as_created import as_created
from webhook.diagnosis.carried import EXPIRATION, OPTIONAL, URI, Carried, carried_by, is_whole
from webhook.diagnosis.own_values import OwnValues

# The path of the entries that serve namespaces that require identity; webhook/server/mutate_endpoint.py serves it.
REQUIRE_PATH: Final = "/mutate/require"
# The webhook varies the default expiration of container credentials in this range (seconds).
_JITTERED: Final = frozenset(f"{seconds} s" for seconds in range(79200, DEFAULT_TOKEN_EXPIRATION + 1))

Reason: TypeAlias = Literal[
    "older-than-role",
    "older-than-webhook",
    "skipped",
    "namespace-exempt",
    "not-called",
    "refused",
    "container-left-out",
    "settings-changed",
    "webhook-away",
    "not-told",
]
REASONS: Final[tuple[Reason, ...]] = Reason.__args__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Known:
    """What decides about pods now: settings, sources of roles, and the entries of the MutatingWebhookConfiguration.

    `accounts` has the ServiceAccounts with our annotations. `namespaces` is None if Namespaces are unknown; `entries`
    is None if the configuration is. `configured_at` is when the configuration was created (RFC 3339), or "".
    """

    settings: Settings
    sources: Sources
    accounts: Mapping[tuple[str, str], DatedAccount] = field(default_factory=dict)
    namespaces: Mapping[str, Namespace] | None = None
    entries: Sequence[Mapping[str, Any]] | None = None
    configured_at: str = ""

    def has_role(self, namespace: str, account: str) -> bool:
        """Whether some source has an identity for a ServiceAccount."""
        known = self.accounts.get((namespace, account))
        others = self.sources.beside(known.account if known else None, (namespace, account))
        is_annotated = known is not None and ROLE_ARN in known.account.annotations
        return is_annotated or others.mapped is not None or others.container_credentials


@dataclass(frozen=True, slots=True)
class Difference:
    """One value of a container that would be another now; "" if it has none, or would get none."""

    container: str
    what: str
    has: str
    would_have: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with a pod.

    `kind`: `missing` if a container lacks credentials that it would get, `changed` if it carries others. `why` says the
    reason in a sentence. `role` is the one that the pod would get, or "" (none, or container credentials). `heals`:
    a pod created now in its place would be right. `doubts` say what is uncertain.
    """

    kind: Literal["missing", "changed"]
    reason: Reason
    why: str
    role: str
    differences: tuple[Difference, ...]
    heals: bool
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Calls:
    """Whether the API server would call the webhook: if not, `reason` and `why`.

    If it does so only if match conditions are true, `conditions` has their names.
    """

    reason: Reason | None = None
    why: str = ""
    requires: bool = False
    conditions: tuple[str, ...] = ()

    @property
    def doubts(self) -> tuple[str, ...]:
        """A line about the match conditions, if there are any."""
        names = ", ".join(self.conditions)
        return (f"the API server may not ask: matchConditions {names} are not evaluated here",) if names else ()


def judge(pod: Mapping[str, Any], created_at: str, known: Known, own: OwnValues) -> Verdict | None:
    """Returns what is wrong with `pod` (its metadata and spec); None if it is as it would be if created now.

    `created_at` is its creationTimestamp; `own` says which of its values are its author's.
    """
    labels: Labels = pod["metadata"].get("labels") or {}
    namespace = pod["metadata"]["namespace"]
    calls = _calls(known, namespace, labels)
    stripped = as_created(pod, own)
    if calls.reason == "skipped":
        # What it would get without the label.
        others = {key: value for key, value in labels.items() if key != known.settings.skip_label}
        stripped = {**stripped, "metadata": {**stripped["metadata"], "labels": others}}
    answer = answer_to(stripped, known, requires=calls.requires)
    has = carried_by(pod)
    has_any = any(map(is_whole, has.values()))
    role = (answer.review.get("response", {}).get("auditAnnotations") or {}).get("role-arn", "")
    if answer.reason == "identity_required":
        why = answer.message.removeprefix("pod-identity-webhook: ")
        return Verdict("changed" if has_any else "missing", calls.reason or "refused", why, role, (), heals=False)
    if answer.error or not answer.allowed or answer.after is None:
        return None
    if answer.reason == "all_containers_skipped" and not has_any:
        return Verdict("missing", "skipped", "an annotation skips all its containers", role, (), heals=False)
    would_have = carried_by(answer.after)
    differences = _differences(has, would_have)
    if not differences or (not own.is_complete and not own.variables and not any(map(is_whole, would_have.values()))):
        # Nobody knows who set what, and the webhook would set nothing: the values are the author's.
        return None
    lacking = [name for name, carried in would_have.items() if is_whole(carried) and not is_whole(has.get(name, {}))]
    kind: Literal["missing", "changed"] = "missing" if lacking else "changed"
    reason, why = _reason(pod, created_at, known, calls, (kind, has_any))
    doubts = calls.doubts
    if kind == "changed" and not own.is_complete and not own.variables:
        doubts += ("its author may have set these values: there is no template to compare with",)
    return Verdict(kind, reason, why, role, differences, heals=calls.reason is None, doubts=doubts)


def answer_to(pod: dict[str, Any], known: Known, *, requires: bool) -> Answer:
    """Returns the webhook's answer to the creation of `pod`."""
    request = {
        "uid": "audit",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "namespace": pod["metadata"]["namespace"],
        "operation": "CREATE",
        "object": pod,
    }

    def find_account(namespace: str, name: str) -> ServiceAccount:
        found = known.accounts.get((namespace, name))
        # The pod runs, so its ServiceAccount exists or existed.
        return found.account if found is not None else ServiceAccount(namespace, name)

    body = msgspec.json.encode({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
    answered = answer_here(body, find_account, known.sources, known.settings, namespace_requires=requires)
    return applied(answered, pod)


def _calls(known: Known, namespace: str, labels: Labels) -> _Calls:
    settings = known.settings
    if settings.skip_label in labels and parse_bool(labels.get(settings.require_label, "false")) is False:
        return _Calls("skipped", f"its label {settings.skip_label} keeps the webhook away")
    if known.entries is None:
        return _Calls()
    of_namespace = (known.namespaces or {}).get(namespace)
    request = Request(
        namespace=namespace, namespace_labels=of_namespace.labels if of_namespace else None, labels=labels
    )
    asked = asking(known.entries, request)
    if asked.calls:
        conditions = sorted({condition for call in asked.calls for condition in call.conditions})
        requires = any(call.path == REQUIRE_PATH for call in asked.calls)
        return _Calls(requires=requires, conditions=tuple(conditions))
    anywhere = Request(namespace=namespace, namespace_labels=None, labels=labels)
    exempt = bool(asking(known.entries, anywhere).calls)
    return _Calls("namespace-exempt" if exempt else "not-called", f"the API server would not ask: {asked.why_not}")


def _differences(has: Mapping[str, Carried], would_have: Mapping[str, Carried]) -> tuple[Difference, ...]:
    found = []
    for container, after in would_have.items():
        before = has.get(container, {})
        for what in dict.fromkeys((*after, *before)):
            one, other = before.get(what, ""), after.get(what, "")
            if one == other or (what in OPTIONAL and not other):
                continue
            if what == EXPIRATION and URI in after and {one, other} <= _JITTERED:
                continue
            found.append(Difference(container, what, one, other))
    return tuple(found)


def _reason(
    pod: Mapping[str, Any], created_at: str, known: Known, calls: _Calls, found: tuple[str, bool]
) -> tuple[Reason, str]:
    """Returns the reason that can be told; `found` has the kind, and whether some container has whole credentials."""
    kind, has_any = found
    if calls.reason is not None:
        return calls.reason, calls.why
    namespace, spec = pod["metadata"]["namespace"], pod["spec"]
    account = spec.get("serviceAccountName") or spec.get("serviceAccount") or ""
    dated = known.accounts.get((namespace, account))
    # Times have seconds; in the same second, nobody can tell which was first.
    if dated is not None and dated.changed_at > created_at:
        return "older-than-role", f"the pod is older than the last change of ServiceAccount {namespace}/{account}"
    if kind == "changed":
        return "settings-changed", "the pod is older than a change of the webhook's flags, mappings or ServiceAccount"
    if has_any:
        return "container-left-out", "a container was added after the webhook's answer, or was skipped then"
    if known.configured_at > created_at:
        return "older-than-webhook", "the pod is older than the MutatingWebhookConfiguration"
    if calls.conditions:
        names = ", ".join(calls.conditions)
        silent = "the webhook did not answer when the pod was created"
        return "not-told", f"{silent}, or matchConditions {names} are not true"
    if dated is None or ROLE_ARN not in dated.account.annotations:
        return "not-told", "the webhook did not answer when the pod was created, or the role was not there yet"
    if not dated.is_recorded:
        unrecorded = f"the cluster has no record of when ServiceAccount {namespace}/{account} was annotated"
        return "not-told", f"the webhook did not answer when the pod was created, or the pod is older: {unrecorded}"
    return "webhook-away", "the webhook did not answer when the pod was created, or was not to be asked then"
