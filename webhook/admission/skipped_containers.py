"""Which containers of a pod get no credentials, by the annotations of the Pod and its ServiceAccount."""

from collections.abc import Callable, Mapping

from webhook.admission.annotations import ONLY_CONTAINERS, SKIP_CONTAINERS


def skipping(of_pod: Mapping[str, str], of_account: Mapping[str, str]) -> Callable[[str], bool] | None:
    """Returns a predicate that tells, by name, whether to skip a container; None if no container is skipped."""
    skipped, only = _names(SKIP_CONTAINERS, of_pod, of_account), _names(ONLY_CONTAINERS, of_pod, of_account)
    if not skipped and not only:
        return None
    return lambda name: name in skipped or (bool(only) and name not in only)


def _names(annotation: str, pod: Mapping[str, str], account: Mapping[str, str]) -> frozenset[str]:
    """Returns the container names in an annotation. A Pod's list, even an empty one, overrides the ServiceAccount's."""
    text = pod.get(annotation)
    if text is None:
        text = account.get(annotation)
    return frozenset(name for part in text.split(",") if (name := part.strip())) if text else frozenset()
