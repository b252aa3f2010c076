"""The address of the API server and our credentials; the official client reads them from kubeconfig or from the pod."""

import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import yaml

from webhook.cluster.api_errors import ClusterConfigError

_IN_CLUSTER: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")

# Reading YAML takes about a second for each megabyte. The kubeconfig of a thousand clusters has about 3 MB.
_MAX_KUBECONFIG: Final = 16 * 1024 * 1024

# What the official loader raises for malformed kubeconfigs, besides its own error.
_MALFORMED: Final = (yaml.YAMLError, OSError, ValueError, TypeError, KeyError, AttributeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessSettings:
    """The cluster to use, with the names of the flags.

    If `kubeconfig` or `context` is set, we use it. If not, and we run in a cluster, we use the pod's ServiceAccount.
    Otherwise we use the same kubeconfig as kubectl. `kube_api` overrides the URL; if there is no kubeconfig either, we
    send no credentials.
    """

    kubeconfig: str = ""
    context: str = ""
    kube_api: str = ""
    in_cluster_files: Path = _IN_CLUSTER


class Access:
    """The official client's configuration as we read it, and the time when its credentials expire.

    `expires_at` is None if the time is unknown. `namespace` is the kubeconfig context's, or the pod's; it may be empty.
    The repr shows no secret.
    """

    def __init__(self, configuration: Any, host: str, expires_at: datetime | None = None, namespace: str = "") -> None:
        self.configuration = configuration
        self.host = host
        self.expires_at = expires_at
        self.namespace = namespace

    @property
    def transport(self) -> bytes:
        """A digest that changes if connections need to be made anew: for other certificates or another proxy."""
        configuration = self.configuration
        digest = hashlib.sha256(
            repr((self.host, configuration.proxy, configuration.tls_server_name, configuration.verify_ssl)).encode()
        )
        for file in (configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file):
            digest.update(hashlib.sha256(_content(file)).digest() if file else b"none")
        return digest.digest()

    async def authorization(self) -> str | None:
        """Returns the Authorization header. The client reads the pod's token again every minute, because it rotates.

        Raises ClusterConfigError if the token cannot be read.
        """
        from kubernetes.aio.config import ConfigException  # noqa: PLC0415 - costs 20 MB if imported without need

        try:
            header = await self.configuration.get_api_key_with_prefix("BearerToken")
        except (ConfigException, OSError, ValueError) as error:
            raise ClusterConfigError(f"the token cannot be read: {error}") from error
        return header.strip() if header else None


async def load_access(settings: AccessSettings) -> Access:
    """Reads the configuration and credentials. Runs the exec plugin if the kubeconfig names one.

    Raises ClusterConfigError.
    """
    from kubernetes.aio.client import Configuration  # noqa: PLC0415 - as above

    configuration = Configuration()
    # Go's clients do the same: certificates of older clusters lack extensions that Python 3.13 requires by default.
    configuration.disable_strict_ssl_verification = True
    kubeconfig = settings.kubeconfig
    if not kubeconfig and not settings.context and os.environ.get("KUBERNETES_SERVICE_HOST"):
        _load_in_cluster(configuration, settings.in_cluster_files)
        namespace = _namespace_of_pod(settings.in_cluster_files)
        return Access(configuration, settings.kube_api or configuration.host, namespace=namespace)
    kubeconfig = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    if _is_there(kubeconfig):
        expires_at, namespace = await _load_kubeconfig(configuration, kubeconfig, settings.context)
        return Access(configuration, settings.kube_api or configuration.host, expires_at, namespace)
    if settings.kubeconfig or settings.context or not settings.kube_api:
        hint = "" if settings.kubeconfig else ": we do not run in a pod, so set --kubeconfig or KUBECONFIG"
        raise ClusterConfigError(f"{kubeconfig}: no such kubeconfig{hint}")
    return Access(configuration, settings.kube_api)


def _is_there(kubeconfig: str) -> bool:
    """Whether at least one of the files exists: KUBECONFIG may name several."""
    try:
        files = [Path(path).expanduser() for path in kubeconfig.split(os.pathsep) if path]
        there = [file for file in files if file.exists()]
        too_large = next((file for file in there if file.stat().st_size > _MAX_KUBECONFIG), None)
    except (OSError, ValueError, RuntimeError) as error:
        # RuntimeError: there is no home to expand ~ to.
        raise ClusterConfigError(f"{kubeconfig[:200]}: {getattr(error, 'strerror', None) or error}") from error
    if too_large is not None:
        raise ClusterConfigError(f"{too_large}: not a usable kubeconfig: it is larger than {_MAX_KUBECONFIG} bytes")
    return bool(there)


def _load_in_cluster(configuration: Any, files: Path) -> None:
    from kubernetes.aio.config import ConfigException  # noqa: PLC0415 - as above
    from kubernetes.aio.config.incluster_config import InClusterConfigLoader  # noqa: PLC0415 - as above

    try:
        loader: Any = InClusterConfigLoader
        loader(str(files / "token"), str(files / "ca.crt")).load_and_set(configuration)
    except (ConfigException, OSError, ValueError) as error:
        hint = "is automountServiceAccountToken false?"
        raise ClusterConfigError(f"{files}: the pod's credentials cannot be read: {error} ({hint})") from error


def _namespace_of_pod(files: Path) -> str:
    """Returns the namespace of the pod that we run in; "" if it cannot be read: most commands do not need it."""
    try:
        return (files / "namespace").read_text().strip()
    except (OSError, ValueError):
        return ""


async def _load_kubeconfig(configuration: Any, kubeconfig: str, context: str) -> tuple[datetime | None, str]:
    """Returns when the credentials expire, and the context's namespace."""
    from kubernetes.aio.config import ConfigException, load_kube_config  # noqa: PLC0415 - as above

    load: Any = load_kube_config
    try:
        loader = await load(
            config_file=kubeconfig,
            context=context or None,
            client_configuration=configuration,
            # We must never change a user's file.
            persist_config=False,
        )
        user = loader.current_context["context"].get("user", "")
        namespace = loader.current_context["context"].get("namespace") or ""
    except ConfigException as error:
        raise ClusterConfigError(f"{kubeconfig}: {error}") from error
    except _MALFORMED as error:
        raise ClusterConfigError(f"{kubeconfig}: not a usable kubeconfig: {_fault(error)}") from error
    # The loader only logs a failure of the plugin.
    if not (configuration.api_key or configuration.cert_file) and _has_plugin(kubeconfig, user):
        raise ClusterConfigError(f"{kubeconfig}: the exec plugin of user {user!r} gave no credentials")
    expiry: datetime | None = getattr(loader, "exec_plugin_expiry", None)
    return expiry.astimezone(UTC) if expiry is not None else None, str(namespace)


def _has_plugin(kubeconfig: str, user: str) -> bool:
    from kubernetes.aio.config.kube_config import KubeConfigMerger  # noqa: PLC0415 - as above

    merge: Any = KubeConfigMerger
    found = merge(kubeconfig).config["users"].get_with_name(user, safe=True) if user else None
    return found is not None and "exec" in found["user"]


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ClusterConfigError(f"{path}: {error.strerror or error}") from error


def _fault(error: Exception) -> str:
    """Returns what is wrong with a kubeconfig, in the words of an admin if the error has Python's."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    if isinstance(error, yaml.YAMLError | UnicodeDecodeError):
        return "it is not YAML in UTF-8"
    if isinstance(error, TypeError | AttributeError):
        return "it, or a part of it, is not the YAML mapping that it should be"
    return repr(error)
