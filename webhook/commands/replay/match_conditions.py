"""Evaluates matchConditions, which are expressions in CEL, if the library for them is installed (the extra `cel`).

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#matching-requests-matchconditions
What a review does not show stays unknown: of a pod from a manifest, who creates it and what the API server fills in.
"""

import importlib.util
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import msgspec

# What a review made from a manifest does not have, or only with a made-up value.
_MADE_UP: Final = {"dryRun", "options", "requestKind", "requestResource", "uid", "userInfo"}
# What the API server, a controller or another plugin sets in a pod before webhooks see it, if a manifest does not.
_FILLED_IN: Final = {
    *("controller-revision-hash", "creationTimestamp", "dnsPolicy", "enableServiceLinks", "generateName"),
    *("imagePullSecrets", "nodeSelector", "ownerReferences", "pod-template-hash", "preemptionPolicy", "priority"),
    *("priorityClassName", "restartPolicy", "runtimeClassName", "schedulerName", "securityContext", "serviceAccount"),
    *("serviceAccountName", "terminationGracePeriodSeconds", "tolerations", "volumes"),
}
# The same of each container.
_FILLED_IN_CONTAINERS: Final = {
    *("imagePullPolicy", "protocol", "resources", "terminationMessagePath", "terminationMessagePolicy", "volumeMounts"),
}
_WORD: Final = re.compile(r"[A-Za-z][\w-]*")
_POD_NAME: Final = re.compile(r"\b(request|metadata)\s*\.\s*\??name\b")


def is_available() -> bool:
    """Whether the library for CEL is installed."""
    return importlib.util.find_spec("cel_expr_python") is not None


class Conditions:
    """The match conditions of entries, for the review `body` of a pod's creation."""

    def __init__(self, body: bytes) -> None:
        request = msgspec.json.decode(body, type=dict[str, Any])["request"]
        self._object = request.get("object")
        # Only the API server says who creates the pod.
        self._is_made_up = "userInfo" not in request
        self._request = {k: v for k, v in request.items() if not (self._is_made_up and k in _MADE_UP)}

    def value(self, expression: str) -> bool | None:
        """Returns the value of `expression`, or None if it is not known, or the API server would get an error."""
        if not is_available():
            return None
        variables = {"object": self._object, "oldObject": self._request.get("oldObject"), "request": self._request}
        if self._is_made_up:
            words = set(_WORD.findall(expression))
            set_here = set(_keys(self._object))
            pod_name = None if "name" in set_here else _POD_NAME.search(expression)
            if pod_name or words & (_FILLED_IN_CONTAINERS | (_FILLED_IN - set_here)):
                return None
            if words & _MADE_UP:
                # CEL has the notion of a variable that is not known: `unknown || true` is true.
                del variables["request"]
        return _evaluated(expression, variables)


def _keys(pod: Any) -> Iterator[str]:
    """Yields the names of what a manifest sets in metadata and spec, and of labels."""
    for part in ("metadata", "spec"):
        yield from pod.get(part) or ()
    yield from (pod.get("metadata") or {}).get("labels") or ()


def _evaluated(expression: str, variables: dict[str, Any]) -> bool | None:
    compiled = _compiled(expression)
    if compiled is None:
        return None
    try:
        value = compiled.eval(data=variables).value()
    except (RuntimeError, TypeError, ValueError, OverflowError):
        # Most errors of CEL are values. A map with a key twice and an optional result are not, for example.
        return None
    return value if isinstance(value, bool) else None


@lru_cache(maxsize=64)
def _compiled(expression: str) -> Any:
    """Returns the expression, ready to be evaluated; None if it needs what only the API server has (`authorizer`)."""
    from cel_expr_python import cel  # noqa: PLC0415 - may not be installed
    from cel_expr_python.ext import ext_optional, ext_strings  # noqa: PLC0415 - as above

    environment = cel.NewEnv(
        variables=dict.fromkeys(("object", "oldObject", "request"), cel.Type.DYN),
        extensions=[ext_optional.ExtOptional(), ext_strings.ExtStrings()],
    )
    try:
        return environment.compile(expression)
    except RuntimeError:
        return None
