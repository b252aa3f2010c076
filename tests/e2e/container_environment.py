"""What kubelet gives a container of a created pod: its variables, and the token files of its projected volumes.

There is no kubelet here. The tokens are those of the real API server, bound to the real pod. The one difference is the
place: the mount is a folder of the test, so each variable's value that begins with the mount path names that folder.
"""

from pathlib import Path

from tests.e2e.api import Api, Object
from tests.e2e.kubelet_volumes import Folder
from tests.e2e.objects import service_accounts


def container_environment(api: Api, pod: Object, directory: Path) -> dict[str, str]:
    """Returns the variables of the pod's only container, whose token files it writes below `directory`."""
    (container,) = pod["spec"]["containers"]
    volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", [])}
    environ = {variable["name"]: _value(pod, variable) for variable in container.get("env", [])}
    for mount in container.get("volumeMounts", []):
        folder = Folder(directory / mount["name"])
        folder.put(_tokens(api, pod, volumes[mount["name"]]))
        environ = {name: _moved(value, mount["mountPath"], folder.path) for name, value in environ.items()}
    return environ


def _value(pod: Object, variable: Object) -> str:
    """Returns the variable's value, also if that is the pod's name from the downward API."""
    if "valueFrom" not in variable:
        return str(variable["value"])
    assert variable["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
    return str(pod["metadata"]["name"])


def bound_token(api: Api, pod: Object, source: Object) -> str:
    """Asks the API server for the token that a `serviceAccountToken` source describes, as kubelet does."""
    metadata = pod["metadata"]
    spec = {
        "audiences": [source["audience"]],
        "expirationSeconds": source["expirationSeconds"],
        "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": metadata["name"], "uid": metadata["uid"]},
    }
    account = pod["spec"]["serviceAccountName"]
    path = f"{service_accounts(metadata['namespace'])}/{account}/token"
    return str(api.create(path, {"spec": spec})["status"]["token"])


def _tokens(api: Api, pod: Object, volume: Object) -> dict[str, bytes]:
    sources = [source["serviceAccountToken"] for source in volume["projected"]["sources"]]
    return {source["path"]: bound_token(api, pod, source).encode() for source in sources}


def _moved(value: str, mount_path: str, folder: Path) -> str:
    inside = value == mount_path or value.startswith(f"{mount_path}/")
    return str(folder) + value.removeprefix(mount_path) if inside else value
