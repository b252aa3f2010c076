"""Creates a pod's volumes as folders, as kubelet does: files are links through `..data`, which it swaps atomically."""

import itertools
from base64 import b64decode
from pathlib import Path

from tests.e2e.api import Api, ApiError, Object

Files = dict[str, bytes]


class Folder:
    """The folder that a mount shows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._content: Files | None = None
        self._generations = itertools.count(1)
        path.mkdir(parents=True)

    def put(self, content: Files) -> None:
        """Replaces all files atomically; does nothing if they are the same."""
        if content == self._content:
            return
        generation = self.path / f"..generation-{next(self._generations)}"
        generation.mkdir()
        for name, data in content.items():
            (generation / name).write_bytes(data)
        link = self.path / "..data_tmp"
        link.symlink_to(generation.name)
        link.replace(self.path / "..data")
        for name in content.keys() - (self._content or {}).keys():
            (self.path / name).symlink_to(f"..data/{name}")
        for name in (self._content or {}).keys() - content.keys():
            (self.path / name).unlink()
        self._content = content


def files_of(api: Api, namespace: str, volume: Object) -> Files | None:
    """Returns the current files of a volume; None while an object or key is missing for which a pod would wait."""
    if "emptyDir" in volume:
        return {}
    sources = volume["projected"]["sources"] if "projected" in volume else [volume]
    result: Files = {}
    for source in sources:
        found = _files_of_source(api, namespace, source)
        if found is None:
            return None
        result |= found
    return result


def _files_of_source(api: Api, namespace: str, source: Object) -> Files | None:
    kind = "secret" if "secret" in source else "configMap"
    spec = source[kind]
    name = spec.get("secretName") or spec["name"]
    try:
        stored = api.get(f"/api/v1/namespaces/{namespace}/{kind.lower()}s/{name}")
    except ApiError as error:
        if error.code == 404:
            return None
        raise
    encoded = stored if kind == "secret" else {"data": stored.get("binaryData")}
    data = {key: b64decode(value) for key, value in (encoded.get("data") or {}).items()}
    if kind == "configMap":
        data |= {key: value.encode() for key, value in (stored.get("data") or {}).items()}
    if "items" not in spec:
        return data
    if any(item["key"] not in data for item in spec["items"]):
        return None
    return {item["path"]: data[item["key"]] for item in spec["items"]}
