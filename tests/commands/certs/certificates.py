"""A cluster with the webhook's certificates for the tests of `certs`, and a server that presents them."""

import contextlib
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from certs.issue import Names, Pair, issue_ca, issue_leaf, service_names
from certs.state import State
from tests.cluster.api_server import Answer, failure
from tests.commands.replay.live import on_a_thread
from tests.commands.servers import fake_webhook
from tests.server.object_server import ObjectServer

NAME = "pod-identity-webhook"
NAMESPACE = "pod-identity-webhook"
SECRET = f"/api/v1/namespaces/{NAMESPACE}/secrets/{NAME}"
CONFIGURATION = f"/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{NAME}"
NAMES = Names.parse(service_names(NAME, NAMESPACE))
ENTRY = "pod-identity-webhook.amazonaws.com"


def secret(state: State, **annotations: str) -> dict[str, Any]:
    """Returns the Secret as the webhook writes it."""
    return stored(state.data(), **annotations)


def stored(data: Mapping[str, bytes], **annotations: str) -> dict[str, Any]:
    """Returns a Secret with any content, as others write it."""
    encoded = {key: b64encode(value).decode() for key, value in data.items()}
    return {"metadata": {"annotations": annotations}, "data": encoded}


def configuration(bundles: Mapping[str, bytes | None], service: str = NAME) -> dict[str, Any]:
    """Returns a webhook configuration with these caBundles by the entries' names."""
    entries = []
    for name, bundle in bundles.items():
        client: dict[str, Any] = {"service": {"name": service, "namespace": NAMESPACE, "path": "/mutate", "port": 443}}
        entries.append({"name": name, "clientConfig": client})
        if bundle is not None:
            client["caBundle"] = b64encode(bundle).decode()
    return {"metadata": {}, "webhooks": entries}


class Cluster(ObjectServer):
    """An API server that accepts patches of annotations, and denies the paths in `denied`."""

    def __init__(self) -> None:
        super().__init__()
        self.denied: set[str] = set()

    async def _answer(self, request: Any, answer: Answer) -> None:
        if request.path in self.denied:
            await answer.json(403, failure(403, "Forbidden", f"no: {request.path}"))
        else:
            await super()._answer(request, answer)

    async def _patch(self, path: str, body: Any, answer: Answer) -> None:
        if path not in self.objects:
            await answer.json(404, failure(404, "NotFound"))
            return
        metadata = self.objects[path]["metadata"]
        metadata["annotations"] = {**metadata.get("annotations", {}), **body["metadata"]["annotations"]}
        await answer.json(200, self.objects[path])


@dataclass
class Installation:
    """A CA and its leaf, and the cluster that holds them."""

    cluster: Cluster
    ca: Pair
    leaf: Pair

    @property
    def state(self) -> State:
        return State(ca=self.ca, leaf=self.leaf)

    @property
    def flags(self) -> tuple[str, ...]:
        return ("--kubeconfig=", f"--kube-api={self.cluster.url}")


@contextlib.contextmanager
def installation(age: timedelta = timedelta(), names: Names = NAMES) -> Iterator[Installation]:
    """Yields an installation whose certificates match, issued `age` ago."""
    issued = datetime.now(UTC) - age
    ca = issue_ca(issued, common_name="pod-identity-webhook CA")
    with on_a_thread(Cluster()) as cluster:
        made = Installation(cluster, ca, issue_leaf(ca, names, issued))
        cluster.put(SECRET, secret(made.state))
        cluster.put(CONFIGURATION, configuration({ENTRY: ca.certificate}))
        yield made


@contextlib.contextmanager
def served(leaf: Pair, directory: Path, chain: bytes = b"") -> Iterator[str]:
    """Serves a leaf, and yields the address."""
    certificate, key = directory / "served.crt", directory / "served.key"
    certificate.write_bytes(leaf.certificate + chain)
    key.write_bytes(leaf.private_key)
    with fake_webhook(certificate, key) as webhook:
        yield f"127.0.0.1:{webhook.port}"
