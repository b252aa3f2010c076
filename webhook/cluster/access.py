"""Where the API server is and who we are to it, as the official client reads it from kubeconfig or from the pod."""

import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import yaml

from webhook.cluster.api_errors import ClusterConfigError

_IN_CLUSTER: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")

# What malformed kubeconfigs make the official loader raise, beside its own error.
_MALFORMED: Final = (yaml.YAMLError, OSError, ValueError, TypeError, KeyError, AttributeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessSettings:
    """Which cluster to talk to, named as the flags are.

    A kubeconfig or a context that is given is used; else the pod's own ServiceAccount where we run in a cluster; else
    the kubeconfig that kubectl would take; `kube_api` overrides the URL, and alone means a server that asks for no
    credentials.
    """

    kubeconfig: str = ""
    context: str = ""
    kube_api: str = ""
    in_cluster_files: Path = _IN_CLUSTER


class Access:
    """What was read at one time: the official client's configuration, and until when its credentials are good.

    `expires_at` is None where nothing says so. Its repr tells no secret.
    """

    def __init__(self, configuration: Any, host: str, expires_at: datetime | None = None) -> None:
        self.configuration = configuration
        self.host = host
        self.expires_at = expires_at

    @property
    def transport(self) -> bytes:
        """Another value where connections have to be made otherwise: other certificates, another proxy."""
        configuration = self.configuration
        digest = hashlib.sha256(
            repr((self.host, configuration.proxy, configuration.tls_server_name, configuration.verify_ssl)).encode()
        )
        for file in (configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file):
            digest.update(hashlib.sha256(_content(file)).digest() if file else b"none")
        return digest.digest()

    async def authorization(self) -> str | None:
        """The Authorization header; the pod's token is read again once a minute, for it rotates.

        Raises ClusterConfigError where it cannot be read.
        """
        from kubernetes.aio.config import ConfigException  # noqa: PLC0415 - costs 20 MB where nobody needs it

        try:
            header = await self.configuration.get_api_key_with_prefix("BearerToken")
        except (ConfigException, OSError, ValueError) as error:
            raise ClusterConfigError(f"the token cannot be read: {error}") from error
        return header.strip() if header else None


async def load_access(settings: AccessSettings) -> Access:
    """Reads configuration and credentials, running the exec plugin where kubeconfig names one.

    Raises ClusterConfigError.
    """
    from kubernetes.aio.client import Configuration  # noqa: PLC0415 - as above

    configuration = Configuration()
    # As Go's clients: the certificates of older clusters lack extensions that Python 3.13 asks for by default.
    configuration.disable_strict_ssl_verification = True
    kubeconfig = settings.kubeconfig
    if not kubeconfig and not settings.context and os.environ.get("KUBERNETES_SERVICE_HOST"):
        _load_in_cluster(configuration, settings.in_cluster_files)
        return Access(configuration, settings.kube_api or configuration.host)
    kubeconfig = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    if _is_there(kubeconfig):
        expires_at = await _load_kubeconfig(configuration, kubeconfig, settings.context)
        return Access(configuration, settings.kube_api or configuration.host, expires_at)
    if settings.kubeconfig or settings.context or not settings.kube_api:
        hint = "" if settings.kubeconfig else ": this is no pod, so give --kubeconfig or set KUBECONFIG"
        raise ClusterConfigError(f"{kubeconfig}: no such kubeconfig{hint}")
    return Access(configuration, settings.kube_api)


def _is_there(kubeconfig: str) -> bool:
    """Whether any of the files is there: KUBECONFIG may name several."""
    return any(Path(path).expanduser().exists() for path in kubeconfig.split(os.pathsep) if path)


def _load_in_cluster(configuration: Any, files: Path) -> None:
    from kubernetes.aio.config import ConfigException  # noqa: PLC0415 - as above
    from kubernetes.aio.config.incluster_config import InClusterConfigLoader  # noqa: PLC0415 - as above

    try:
        loader: Any = InClusterConfigLoader
        loader(str(files / "token"), str(files / "ca.crt")).load_and_set(configuration)
    except (ConfigException, OSError, ValueError) as error:
        hint = "is automountServiceAccountToken false?"
        raise ClusterConfigError(f"{files}: the pod's credentials cannot be read: {error} ({hint})") from error


async def _load_kubeconfig(configuration: Any, kubeconfig: str, context: str) -> datetime | None:
    from kubernetes.aio.config import ConfigException, load_kube_config  # noqa: PLC0415 - as above

    load: Any = load_kube_config
    try:
        loader = await load(
            config_file=kubeconfig,
            context=context or None,
            client_configuration=configuration,
            # Nothing that we do should change a user's file.
            persist_config=False,
        )
        user = loader.current_context["context"].get("user", "")
    except ConfigException as error:
        raise ClusterConfigError(f"{kubeconfig}: {error}") from error
    except _MALFORMED as error:
        raise ClusterConfigError(f"{kubeconfig}: not a kubeconfig that can be used: {error!r}") from error
    if _has_plugin(loader) and not (configuration.api_key or configuration.cert_file):
        raise ClusterConfigError(f"{kubeconfig}: the exec plugin of user {user!r} gave no credentials")
    expiry: datetime | None = getattr(loader, "exec_plugin_expiry", None)
    return expiry.astimezone(UTC) if expiry is not None else None


def _has_plugin(loader: Any) -> bool:
    user = loader._user  # noqa: SLF001 - it logs the plugin's failure, and tells nobody
    return user is not None and "exec" in user


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ClusterConfigError(f"{path}: {error.strerror or error}") from error
