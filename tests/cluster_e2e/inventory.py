"""Lists all objects of a cluster by name: comparing two lists shows what an uninstall leaves behind."""

from collections.abc import Iterator

from tests.e2e.api import Api, ApiError, Object

# The cluster itself writes these objects at any time.
_PASSING = frozenset({"events", "leases", "componentstatuses", "nodes", "pods.metrics.k8s.io", "nodes.metrics.k8s.io"})


def inventory(api: Api) -> set[str]:
    """Returns every object that can be listed, once, as `resource namespace/name`, by the group's preferred version."""
    return {
        f"{kind} {item['metadata'].get('namespace', '')}/{item['metadata']['name']}"
        for kind, path in _lists(api)
        for item in _items(api, path)
    }


def mentioning(api: Api, label: str, value: str) -> set[str]:
    """Returns every object with this label, in the same form."""
    return {
        f"{kind} {item['metadata'].get('namespace', '')}/{item['metadata']['name']}"
        for kind, path in _lists(api)
        for item in _items(api, path)
        if item["metadata"].get("labels", {}).get(label) == value
    }


def _lists(api: Api) -> Iterator[tuple[str, str]]:
    groups = api.get("/apis")["groups"]
    versions = [("", "/api/v1"), *((f".{g['name']}", f"/apis/{g['preferredVersion']['groupVersion']}") for g in groups)]
    for group, path in versions:
        for resource in api.get(path)["resources"]:
            kind = resource["name"] + group
            if "list" in resource["verbs"] and not {kind, resource["name"]} & _PASSING:
                yield kind, f"{path}/{resource['name']}"


def _items(api: Api, path: str) -> list[Object]:
    try:
        items: list[Object] = api.get(path)["items"]
    except ApiError as error:
        if error.code in {404, 405}:
            return []
        raise
    return items
