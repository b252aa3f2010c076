"""The MutatingWebhookConfiguration: whether it is there, and for which pods the API server calls the webhook."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from webhook.admission.annotations import REQUIRE_LABEL
from webhook.admission.asking import Asking, Request, asking
from webhook.cluster.installation import entries_of
from webhook.cluster.namespaces import Namespace
from webhook.diagnosis.doctor import sections
from webhook.diagnosis.doctor.facts import Installation, Object
from webhook.diagnosis.doctor.questions import CALLED, CONFIGURATION, ENTRIES, NAMESPACES, OTHER_WEBHOOKS
from webhook.diagnosis.doctor.read import Read
from webhook.diagnosis.doctor.step import Step

_PATHS: Final = ("/mutate", "/mutate/require")
_UPGRADE: Final = "run helm upgrade with the same values: it restores the configuration"
_WAIT: Final = (
    "raise mutatingWebhook.timeoutSeconds of the chart, or lower --service-account-lookup-timeout and "
    "--service-account-lookup-grace-period"
)
_UNREAD: Final = "the MutatingWebhookConfiguration could not be read"
_MISSING: Final = "there is no MutatingWebhookConfiguration"
# The step that asks the API server itself.
_TRY: Final = "the step of the dry run shows what the API server does"
_NAMED: Final = 5
_NAME_LABEL: Final = "kubernetes.io/metadata.name"


def configuration_step(facts: Installation) -> Step:
    """Checks that the configuration exists, and calls a Service that exists at the webhook's paths, for long enough."""
    name = f"MutatingWebhookConfiguration {facts.name}"
    if facts.configuration.problem:
        return CONFIGURATION.unknown(facts.configuration.problem)
    if facts.configuration.value is None:
        other = f"install the webhook with helm install; if it is installed, {_UPGRADE}; if it has another name, set "
        other += "--webhook-configuration"
        return CONFIGURATION.failed(f"{name} does not exist: the API server does not call the webhook", other)
    entries, service, _ = entries_of(facts.configuration.value)
    if not entries:
        return CONFIGURATION.failed(f"{name} has no entry", _UPGRADE)
    if service is None:
        return CONFIGURATION.ok(f"{name} calls a URL, not a Service; doctor cannot look behind it")
    paths = sorted({_path(entry) for entry in entries} - set(_PATHS))
    if paths:
        return CONFIGURATION.failed(f"{name} calls the path {paths[0]}, which the webhook does not serve", _UPGRADE)
    if facts.service_object.is_missing:
        found = f"{name} calls the Service {facts.service}, which does not exist"
        return CONFIGURATION.failed(found, _UPGRADE, sections.NO_SERVICE)
    ours = [entry.get("name") for entry in entries]
    others = [str(one.get("name")) for one in facts.configuration.value["webhooks"] if one.get("name") not in ours]
    if others:
        found = f"{name} has entries that call another Service than {facts.service}: {', '.join(others)}"
        return CONFIGURATION.failed(found, _UPGRADE)
    policies = sorted({str(entry.get("failurePolicy", "Fail")) for entry in entries})
    seconds = sorted({int(entry.get("timeoutSeconds", 10)) for entry in entries})
    if seconds[0] <= facts.lookup_seconds:
        found = (
            f"the API server waits {seconds[0]} s (timeoutSeconds), and the webhook {facts.lookup_seconds:g} s for a "
        )
        return CONFIGURATION.failed(
            f"{found}ServiceAccount that it does not know yet", _WAIT, sections.NO_ANSWER_IN_TIME
        )
    return CONFIGURATION.ok(
        f"{len(entries)} {'entry' if len(entries) == 1 else 'entries'} of {name}, to Service {facts.service}, "
        f"failurePolicy {' and '.join(policies)}, timeout {', '.join(map(str, seconds))} s"
    )


def entries_step(facts: Installation) -> Step:
    """Checks that each kind of pod has an entry, and that pods that require a role have one that fails closed."""
    entries = _entries(facts)
    if entries is None:
        return ENTRIES.skipped(_unread(facts))
    label = facts.settings.own_prefix + REQUIRE_LABEL
    namespace = _usual_namespace(entries, label)
    plain = _calls(entries, {}, namespace)
    required = _calls(entries, {label: "true"}, namespace)
    namespaces = [entry for entry in entries if _path(entry) == _PATHS[1]]
    lacking = []
    if not plain:
        lacking.append("for pods without labels")
    if not _fails_closed(entries, required):
        lacking.append(f"with failurePolicy Fail for pods with the label {label}")
    if not any(entry.get("failurePolicy", "Fail") == "Fail" for entry in namespaces):
        lacking.append(f"with failurePolicy Fail for namespaces with the label {label}")
    if lacking:
        return ENTRIES.failed(
            f"MutatingWebhookConfiguration {facts.name} has no entry {'; nor '.join(lacking)}", _UPGRADE
        )
    found = "for pods without labels, pods that require a role, and namespaces that do"
    conditions = match_conditions(facts)
    return ENTRIES.unknown(f"{found}, but {_unevaluated(conditions)}", _TRY) if conditions else ENTRIES.ok(found)


def namespaces_step(facts: Installation, roles: Read[Mapping[str, Namespace]]) -> Step:
    """Checks that the API server calls the webhook in each namespace that has a ServiceAccount with a role.

    `roles` has those namespaces by name.
    """
    entries = _entries(facts)
    if entries is None:
        return NAMESPACES.skipped(_unread(facts))
    if roles.value is None:
        return NAMESPACES.unknown(roles.problem or "it is not known which ServiceAccounts have a role")
    if not roles.value:
        return NAMESPACES.ok("no ServiceAccount has the annotation")
    missed = {}
    conditions = set()
    for name, namespace in roles.value.items():
        asked = asking(entries, Request(namespace=name, namespace_labels=namespace.labels, labels={}))
        if asked.why_not:
            missed[name] = asked.why_not
        elif all(call.conditions for call in asked.calls):
            conditions |= {condition for call in asked.calls for condition in call.conditions}
    if missed:
        names = ", ".join(sorted(missed)[:_NAMED]) + (
            f" and {len(missed) - _NAMED} more" if len(missed) > _NAMED else ""
        )
        return NAMESPACES.failed(
            f"not for pods in {names}: {missed[min(missed)]}",
            _remedy(missed[min(missed)]),
        )
    count = len(roles.value)
    found = f"in {'the namespace' if count == 1 else f'all {count} namespaces'} with such a ServiceAccount"
    if conditions:
        return NAMESPACES.unknown(f"{found}, but {_unevaluated(conditions)}", _TRY)
    return NAMESPACES.ok(found)


def called_step(facts: Installation, namespace: Read[Namespace], name: str, labels: Mapping[str, str]) -> Step:
    """Checks that the API server would call the webhook for a pod with these labels in the namespace `name`."""
    entries = _entries(facts)
    if entries is None:
        return CALLED.skipped(_unread(facts))
    if namespace.is_missing:
        return CALLED.failed(f"there is no namespace {name}", f"kubectl create namespace {name}")
    asked = _asked(entries, namespace, name, labels)
    if asked.why_not:
        return CALLED.failed(f"it does not: {asked.why_not}", _remedy(asked.why_not))
    conditions = {condition for call in asked.calls for condition in call.conditions}
    doubts = [f"namespaceSelectors were not compared: {namespace.problem}"] if namespace.problem else []
    if conditions:
        doubts.append(_unevaluated(conditions))
    found = f"by {', '.join(call.entry for call in asked.calls)}"
    if not doubts:
        return CALLED.ok(found)
    return CALLED.unknown(f"{found}, but {'; '.join(doubts)}", _TRY if conditions else "")


def match_conditions(facts: Installation) -> list[str]:
    """Returns the names of all entries' matchConditions. They are CEL, and only the API server evaluates them."""
    entries = _entries(facts) or ()
    return sorted({str(each.get("name")) for entry in entries for each in entry.get("matchConditions") or []})


def other_webhooks_step(facts: Installation) -> Step:
    """Checks that containers of webhooks that come after ours get the role: ours must then be called once more."""
    entries = _entries(facts)
    if entries is None:
        return OTHER_WEBHOOKS.skipped(_unread(facts))
    if facts.configurations.value is None:
        return OTHER_WEBHOOKS.unknown(facts.configurations.problem or "other configurations were not read")
    later = list(later_webhooks(facts.name, facts.configurations.value))
    if not later:
        return OTHER_WEBHOOKS.ok("no webhook for pods comes later")
    never = [str(entry.get("name")) for entry in entries if entry.get("reinvocationPolicy", "Never") == "Never"]
    if never:
        found = f"{', '.join(later)} may add containers later, and {never[0]} has reinvocationPolicy Never"
        return OTHER_WEBHOOKS.failed(found, "set reinvocationPolicy: IfNeeded, as the chart does")
    return OTHER_WEBHOOKS.ok(f"later come {', '.join(later)}; the API server calls ours again after them")


def later_webhooks(ours: str, configurations: Sequence[Object]) -> Iterator[str]:
    """Yields the configurations with an entry for new pods that the API server calls after ours.

    It calls webhooks in the order of their configurations' names.
    """
    for configuration in sorted(configurations, key=_name):
        entries = [entry for entry in configuration.get("webhooks") or [] if isinstance(entry, Mapping)]
        if _name(configuration) > ours and _calls(entries, {}):
            yield _name(configuration)


def _remedy(why_not: str) -> str:
    """Returns what to do about the requirement that keeps the API server from calling."""
    if why_not.startswith("namespaceSelector"):
        return "label the namespace as the selector wants, or change mutatingWebhook.namespaceSelector of the chart"
    if "it wants no label" in why_not:
        return "take that label off the pod, in its owner's template or its manifest, and create the pod again"
    if why_not.startswith("objectSelector"):
        return (
            "label the pod as the selector wants, in its owner's template or its manifest, or change "
            "mutatingWebhook.objectSelector of the chart"
        )
    return _UPGRADE


def _asked(entries: Sequence[Object], namespace: Read[Namespace], name: str, labels: Mapping[str, str]) -> Asking:
    known = namespace.value.labels if namespace.value is not None else None
    return asking(entries, Request(namespace=name, namespace_labels=known, labels=labels))


def _calls(
    entries: Sequence[Object], labels: Mapping[str, str], namespace: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """Returns the names of the entries for such pods; without a namespace's labels, in any namespace."""
    asked = asking(entries, Request(namespace="", namespace_labels=namespace, labels=labels))
    return tuple(call.entry for call in asked.calls)


def _usual_namespace(entries: Sequence[Object], label: str) -> dict[str, str]:
    """Returns the labels of a namespace that requires nothing, and that has whatever other labels entries want."""
    labels = {_NAME_LABEL: "usual"}
    for entry in entries:
        selector = entry.get("namespaceSelector") or {}
        wanted = dict(selector.get("matchLabels") or {})
        for each in selector.get("matchExpressions") or []:
            if each.get("operator") in ("In", "Exists"):
                wanted[str(each.get("key"))] = str((each.get("values") or [""])[0])
        labels = {**{key: value for key, value in wanted.items() if key != label}, **labels}
    return labels


def _fails_closed(entries: Sequence[Object], names: Sequence[str]) -> bool:
    return any(entry.get("name") in names and entry.get("failurePolicy", "Fail") == "Fail" for entry in entries)


def _entries(facts: Installation) -> Sequence[Object] | None:
    return entries_of(facts.configuration.value)[0] if facts.configuration.value is not None else None


def _unevaluated(conditions: Collection[str]) -> str:
    return f"only if matchConditions {', '.join(sorted(conditions))} are true, which is not evaluated here"


def _unread(facts: Installation) -> str:
    return _UNREAD if facts.configuration.problem else _MISSING


def _path(entry: Object) -> str:
    service = (entry.get("clientConfig") or {}).get("service") or {}
    return str(service.get("path") or "/")


def _name(configuration: Object) -> str:
    return str((configuration.get("metadata") or {}).get("name", ""))
