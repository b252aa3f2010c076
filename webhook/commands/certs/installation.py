"""Reads what a cluster, or the pod that we run in, tells about an installation and its certificates."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from certs.bundle import Service
from certs.stores import StoredSecret
from webhook.cluster.access import AccessSettings
from webhook.cluster.api_errors import ApiError
from webhook.cluster.client import KubernetesClient
from webhook.cluster.resource import Resource
from webhook.commands.certs.cluster import Denied, decoded, found, secret_store
from webhook.commands.certs.facts import What, has_own_keys
from webhook.commands.certs.kind import Evidence, Kind, kind_of
from webhook.commands.certs.serving import Serving, serving_of_deployment, serving_of_process
from webhook.commands.flags.parsing import Parsed
from webhook.server.certificates.pem_file import read_pem
from webhook.server.certificates.tls_settings import TlsError

_KIND_VARIABLE: Final = "PIW_CERTIFICATE_KIND"
_SECRET_VARIABLE: Final = "PIW_CERTIFICATE_SECRET"
_FIRST_PROCESS: Final = Path("/proc/1/cmdline")


@dataclass(frozen=True, kw_only=True)
class Pod:
    """The pod that the command runs in. `serving` is None if its first process is not the webhook."""

    serving: Serving | None
    namespace: str


@dataclass(frozen=True)
class Certificate:
    """A certificate that the webhook does not make.

    `data` has `tls.crt`, `tls.key` and `ca.crt`, or None if there is no such object. `place` is where we read it.
    """

    place: str
    data: Mapping[str, bytes] | None


@dataclass(frozen=True)
class Installation:
    """What we read. None means that an object does not exist, or that `unread` has the reason.

    `shared` is the Secret of --tls-secret. `certificate` is None if the webhook makes the certificate, or we do not
    know where it is.
    """

    service: Service
    kind: Kind
    serving: Serving | None
    shared: StoredSecret | None
    certificate: Certificate | None
    unread: Mapping[What, str]


def pod_of(access: AccessSettings, environ: Mapping[str, str], *, process: Path = _FIRST_PROCESS) -> Pod | None:
    """Returns the pod that we run in; None outside of a cluster, or if the flags choose another access.

    `kubectl exec` runs us beside the webhook, which is the container's first process.
    """
    if access.kubeconfig or access.context or not environ.get("KUBERNETES_SERVICE_HOST"):
        return None
    command_line = _content(process)
    namespace = _content(access.in_cluster_files / "namespace").decode(errors="replace").strip()
    return Pod(serving=serving_of_process(command_line, environ), namespace=namespace)


def use_names_of(pod: Pod | None, parsed: Parsed) -> None:
    """Replaces the defaults of the flags with the names that the webhook in this pod uses."""
    if pod is not None and pod.serving is not None:
        _use(pod.serving.names, parsed)
    elif pod is not None and pod.namespace:
        _use({"namespace": pod.namespace}, parsed)


async def read_installation(client: KubernetesClient, parsed: Parsed, pod: Pod | None) -> Installation:
    """Reads the Deployment, unless the process tells the same, and the Secrets. Raises WebhookError.

    Replaces the defaults of the flags with the names in the Deployment. Records in `unread` what RBAC denies.
    """
    service = Service(parsed.values["service_name"], parsed.values["namespace"])
    serving, doubt = _process(pod, service), ""
    is_here = serving is not None
    if serving is None:
        serving, doubt = await _deployment(client, service)
    if serving is not None:
        # The namespace and the Service are those by which we found it.
        _use({name: serving.names[name] for name in ("tls_secret", "webhook_configuration")}, parsed)
    reader = _Reader(client, parsed)
    shared = await reader.secret(parsed.values["tls_secret"], "shared") if parsed.values["tls_secret"] else None
    variables = serving.variables if serving is not None else {}
    hint = parsed.values["certificate_kind"]
    evidence = Evidence(
        service.namespace,
        parsed.values["tls_secret"],
        serving,
        hint if hint != "auto" else variables.get(_KIND_VARIABLE, hint),
        shared is not None and has_own_keys(shared.data),
        parsed.values["certificate_secret"] or variables.get(_SECRET_VARIABLE, ""),
        doubt=doubt,
    )
    certificate = None
    if kind_of(evidence).name != "self-managed":
        evidence, shared, certificate = await _external(reader, evidence, shared, is_here=is_here)
    return Installation(service, kind_of(evidence), serving, shared, certificate, reader.unread)


async def _external(
    reader: "_Reader", evidence: Evidence, shared: StoredSecret | None, *, is_here: bool
) -> tuple[Evidence, StoredSecret | None, Certificate | None]:
    """Finds the certificate of others; returns what we know then, the shared Secret, and the certificate."""
    serving = evidence.serving
    name = evidence.certificate_secret
    if not name and serving is not None and serving.certificate is not None and serving.certificate.kind == "secret":
        name = serving.certificate.name
    stored = None
    if name:
        stored = await reader.secret(name, "secret")
    elif serving is None and shared is not None and shared.data.get("tls.crt"):
        name, stored, shared = evidence.shared_secret, shared, None
    elif serving is None:
        # What the chart calls it.
        name = f"{reader.service_name}-tls"
        stored = await reader.secret(name, "secret")
        if stored is None:
            reader.unread.pop("secret", None)
            return evidence, shared, None
    annotations = stored.annotations if stored is not None else None
    evidence = replace(evidence, certificate_secret=name, annotations=annotations)
    files = _files(serving) if is_here and serving is not None else {}
    if name and "secret" not in reader.unread:
        data = await _data(reader, stored, serving, files) if stored is not None else None
        return evidence, shared, Certificate(f"Secret {evidence.of(name)}", data)
    if "tls.crt" in files:
        assert serving is not None  # noqa: S101 - the files are those that it names
        reader.unread.pop("secret", None)
        return evidence, shared, Certificate(f"file {serving.certificate_file} in this pod", files)
    return evidence, shared, Certificate(f"Secret {evidence.of(name)}", None) if name else None


async def _data(
    reader: "_Reader", stored: StoredSecret, serving: Serving | None, files: Mapping[str, bytes]
) -> Mapping[str, bytes]:
    """Returns `tls.crt`, `tls.key` and `ca.crt`, whatever the Deployment calls them and wherever the last one is.

    An empty one is missing in its object. One that is left out is not known.
    """
    data = {name: stored.data.get(name, b"") for name in ("tls.crt", "tls.key")}
    if "ca.crt" in stored.data:
        data["ca.crt"] = stored.data["ca.crt"]
    if serving is None:
        return data
    if serving.certificate is not None and serving.certificate.key != "tls.crt":
        data = {"tls.crt": stored.data.get(serving.certificate.key, b"")}
    ca = serving.ca
    # While kubelet has not renewed the files yet, their CA may not be that of the Secret's new leaf.
    are_current = files.get("tls.crt") == data["tls.crt"]
    if "ca.crt" in files and (are_current or "ca.crt" not in stored.data):
        data["ca.crt"] = files["ca.crt"]
    elif ca is not None and ca.kind == "configMap":
        data.pop("ca.crt", None)
        if (content := await reader.config_map(ca.name, ca.key)) is not None:
            data["ca.crt"] = content
    elif serving.ca_file:
        data["ca.crt"] = stored.data.get(ca.key if ca is not None else "ca.crt", b"")
    return data


class _Reader:
    """Reads objects in the namespace of the webhook, and records in `unread` what RBAC denies."""

    def __init__(self, client: KubernetesClient, parsed: Parsed) -> None:
        self._client = client
        self._namespace = parsed.values["namespace"]
        self.service_name = parsed.values["service_name"]
        self.unread: dict[What, str] = {}

    async def secret(self, name: str, what: What) -> StoredSecret | None:
        try:
            return await found(secret_store(self._client, self._namespace, name).read())
        except Denied as error:
            self.unread[what] = str(error)
            return None

    async def config_map(self, name: str, key: str) -> bytes | None:
        try:
            body = await self._client.get(Resource("configmaps", self._namespace, name))
        except ApiError as error:
            if error.status in {403, 404}:
                return None
            raise
        stored = decoded(body, _ConfigMap)
        text = (stored.data or {}).get(key)
        return text.encode() if text is not None else (stored.binaryData or {}).get(key)


class _ConfigMap(msgspec.Struct):
    data: dict[str, str] | None = None
    binaryData: dict[str, bytes] | None = None


def _use(names: Mapping[str, str], parsed: Parsed) -> None:
    for name, value in names.items():
        if name in parsed.values and name not in parsed.given:
            parsed.values[name] = value


def _process(pod: Pod | None, service: Service) -> Serving | None:
    serving = pod.serving if pod is not None else None
    if serving is None or Service(serving.names["service_name"], serving.names["namespace"]) != service:
        return None
    return serving


async def _deployment(client: KubernetesClient, service: Service) -> tuple[Serving | None, str]:
    """Returns how the Deployment serves, or why we do not know. The chart gives it the name of the Service."""
    name = f"Deployment {service.namespace}/{service.name}"
    resource = Resource("deployments", service.namespace, service.name, "apps/v1")
    try:
        body = await client.get(resource)
    except ApiError as error:
        if error.status == 404:
            return None, f"there is no {name}"
        if error.status == 403:
            return None, f"the {name} could not be read: {' '.join(str(error).split())}"
        raise
    serving = serving_of_deployment(decoded(body, dict[str, Any]))
    return serving, "" if serving is not None else f"the {name} does not run `serve`"


def _files(serving: Serving) -> dict[str, bytes]:
    """Returns the certificate and the CAs that this pod has as files; leaves out what it has not."""
    paths = {"tls.crt": serving.certificate_file, "ca.crt": serving.ca_file}
    found_files = {}
    for name, path in paths.items():
        with suppress(TlsError):
            if path:
                found_files[name] = read_pem(Path(path))
    return found_files


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
