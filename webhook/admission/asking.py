"""Whether the API server would ask the webhook about a request: the entries of a MutatingWebhookConfiguration.

Pure: takes objects as the API server stores them.
https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#matching-requests-rules
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Labels: TypeAlias = Mapping[str, str]
# Returns the value of a match condition's expression (CEL) for the request, or None if it is not known.
Evaluate: TypeAlias = Callable[[str], bool | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the API server compares with an entry; by default the creation of a pod.

    `namespace_labels` is None if they are unknown: then every namespaceSelector counts as one that matches.
    """

    namespace: str
    namespace_labels: Labels | None
    labels: Labels
    operation: str = "CREATE"
    group: str = ""
    version: str = "v1"
    resource: str = "pods"
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the webhook: the entry's name, the path of its URL, and the names of its unknown match conditions.

    If there are any, the API server may not make this call.
    """

    entry: str
    path: str
    conditions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asking:
    """The calls that the API server makes, in its order; if it makes none, `why_not` says what prevents them."""

    calls: tuple[Call, ...] = ()
    why_not: str = ""


def _unknown(_: str) -> None:
    return None


def asking(entries: Sequence[Mapping[str, Any]], request: Request, evaluate: Evaluate = _unknown) -> Asking:
    """Returns the calls for `request` of the `entries` of a MutatingWebhookConfiguration.

    `why_not` is about the entry that comes closest: the one that the fewest of its requirements keep from matching.
    """
    calls = []
    closest: list[str] = []
    for entry in entries:
        name = str(entry.get("name", ""))
        obstacles = list(_obstacles(entry, request))
        conditions = {} if obstacles else _conditions(entry, evaluate)
        obstacles += [f"matchCondition {each} is false" for each, value in conditions.items() if value is False]
        if not obstacles:
            unknown = tuple(each for each, value in conditions.items() if value is None)
            calls.append(Call(name, _path(entry), unknown))
        elif not closest or len(obstacles) < len(closest):
            closest = [f"{obstacle}, in entry {name}" for obstacle in obstacles]
    if calls:
        return Asking(tuple(calls))
    return Asking(why_not=closest[0] if closest else "the configuration has no entry")


def _obstacles(entry: Mapping[str, Any], request: Request) -> Iterator[str]:
    """Yields each requirement of an entry that `request` does not meet."""
    if not any(_is_matched(rule, request) for rule in _maps(entry.get("rules"))):
        subresource = f"/{request.subresource}" if request.subresource else ""
        yield f"no rule covers {request.operation} of {request.resource}{subresource}"
    if request.namespace_labels is not None:
        for requirement in _unmet(entry.get("namespaceSelector"), request.namespace_labels):
            yield f"namespaceSelector of namespace {request.namespace}: {requirement}"
    for requirement in _unmet(entry.get("objectSelector"), request.labels):
        yield f"objectSelector of the pod: {requirement}"


def _is_matched(rule: Mapping[str, Any], request: Request) -> bool:
    """Whether a RuleWithOperations matches."""
    return (
        _has(rule.get("operations"), request.operation)
        and _has(rule.get("apiGroups"), request.group)
        and _has(rule.get("apiVersions"), request.version)
        and any(_covers(str(resource), request) for resource in _items(rule.get("resources")))
        # Pods are namespaced. Without a scope, a rule has the scope "*".
        and rule.get("scope", "*") in ("*", "Namespaced")
    )


def _has(values: object, value: str) -> bool:
    return any(each in ("*", value) for each in _items(values))


def _covers(pattern: str, request: Request) -> bool:
    """Whether a rule's resource covers the request's. `pods` covers no subresource; `pods/*` covers the pod, too."""
    resource, _, subresource = pattern.partition("/")
    return resource in ("*", request.resource) and subresource in {"*", request.subresource}


def _unmet(selector: object, labels: Labels) -> Iterator[str]:
    """Yields the requirements of a LabelSelector that `labels` do not meet. A selector of null has none.

    As in the API, a missing label meets NotIn and DoesNotExist, and no other operator.
    """
    if not isinstance(selector, Mapping):
        return
    wanted = selector.get("matchLabels")
    for key, value in (wanted if isinstance(wanted, Mapping) else {}).items():
        if labels.get(key) != value:
            yield f"it wants the label {key}={value}, but {_actual(labels, key)}"
    for expression in _maps(selector.get("matchExpressions")):
        key, operator = str(expression.get("key")), expression.get("operator")
        values = [str(value) for value in _items(expression.get("values"))]
        is_met = {
            "In": labels.get(key) in values,
            "NotIn": key not in labels or labels[key] not in values,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }.get(str(operator), False)
        if not is_met and operator == "DoesNotExist":
            # Another value would not help either.
            yield f"it wants no label {key}, but there is one: {labels[key]!r}"
        elif not is_met:
            listed = f" ({', '.join(values)})" if values else ""
            yield f"it wants {key} {operator}{listed}, but {_actual(labels, key)}"


def _actual(labels: Labels, key: str) -> str:
    return f"the label is {labels[key]!r}" if key in labels else "there is no such label"


def _path(entry: Mapping[str, Any]) -> str:
    """Returns the path that the API server calls: a Service's, which may be missing, or that of a URL."""
    config = entry.get("clientConfig")
    config = config if isinstance(config, Mapping) else {}
    service = config.get("service")
    if isinstance(service, Mapping):
        return str(service.get("path") or "/")
    # The API server refuses a URL with a query or a fragment.
    return "/" + str(config.get("url", "")).partition("://")[2].partition("/")[2]


def _conditions(entry: Mapping[str, Any], evaluate: Evaluate) -> dict[str, bool | None]:
    """Returns the match conditions by name, which the API server requires to be unique, and their values."""
    return {
        str(condition.get("name", "")): evaluate(str(condition.get("expression", "")))
        for condition in _maps(entry.get("matchConditions"))
    }


def _items(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _maps(value: object) -> Iterator[Mapping[str, Any]]:
    return (item for item in _items(value) if isinstance(item, Mapping))
