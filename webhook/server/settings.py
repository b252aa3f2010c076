"""The server's settings, except those of admission."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from certs.errors import InvalidName
from certs.issue import CA_LIFETIME, LEAF_LIFETIME, Names
from certs.memory import Policy
from webhook.admission.mapping import CONFIG_MAP_NAME
from webhook.admission.names import is_dns_label, is_dns_subdomain
from webhook.errors import SettingsError
from webhook.flag_field import flag
from webhook.server.certificates.tls_settings import TlsError, parse_cipher_suites, parse_min_version

# In seconds. With a shorter lifetime, replicas would not have the time to see what another replica wrote.
MIN_LIFETIME: Final = 10.0
MAX_LIFETIME: Final = 876_000 * 3600.0


_SOURCES: Final = "Where roles come from"
_LISTEN: Final = "Listening"
_TLS: Final = "Certificates"
_CLUSTER: Final = "The cluster"
_LOG: Final = "Logging"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """The sources of roles besides ServiceAccounts. The server and `replay` share these flags."""

    watch_config_map: bool = flag(False, "takes role mappings from a ConfigMap too", _SOURCES)
    config_map_name: str = flag(CONFIG_MAP_NAME, "name of that ConfigMap", _SOURCES)
    watch_container_credentials_config: Path | None = flag(
        None, "JSON file that lists the ServiceAccounts with container credentials", _SOURCES, metavar="FILE"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings(SourceSettings):
    """The server's settings, each with its flag. Durations are in seconds; port 0 means any free port.

    `self_managed` has no flag of its own: `serve` derives it from --in-cluster and other flags. The constructor raises
    SettingsError if values are invalid or contradict each other; the error names every flag at fault.
    """

    service_accounts: Path | None = flag(
        None,
        "standalone, without a cluster: file or folder of manifests with the ServiceAccounts (and the ConfigMap)",
        _SOURCES,
        metavar="PATH",
    )
    bind_address: str = flag("", "address of all listeners; if empty, every address, IPv4 and IPv6", _LISTEN)
    port: int = flag(443, "HTTPS: /mutate, /healthz", _LISTEN, kind="port")
    metrics_port: int = flag(9999, "HTTP: /metrics, /healthz, /readyz", _LISTEN, kind="port")
    drain_period: float = flag(
        10.0, "on SIGTERM: how long answers ask clients to close their connections before we close them", _LISTEN
    )
    enable_debugging_handlers: bool = flag(False, "serves /debug/alpha/cache on the metrics port", _LISTEN)
    tls_cert: Path = flag(
        Path("/etc/webhook/certs/tls.crt"), "certificate (PEM), read again when it changes", _TLS, metavar="FILE"
    )
    tls_key: Path = flag(Path("/etc/webhook/certs/tls.key"), "private key (PEM)", _TLS, metavar="FILE")
    tls_ca: Path | None = flag(
        None,
        "CA certificates (PEM) that verify --tls-cert; we keep them in the caBundle and read them again when they "
        "change",
        _TLS,
        metavar="FILE",
    )
    ephemeral_certificate: Path | None = flag(
        None,
        "makes a CA and a certificate for localhost at start, and writes ca.crt, tls.crt and tls.key to this folder",
        _TLS,
        metavar="DIR",
    )
    certificate_names: tuple[str, ...] = flag(
        (), "more DNS names and IP addresses for the certificates that we make, separated by commas", _TLS
    )
    self_managed: bool = False
    tls_secret: str = flag("pod-identity-webhook", "name of the Secret in which replicas share CA and leaf", _TLS)
    webhook_configuration: str = flag(
        "pod-identity-webhook", "name of the MutatingWebhookConfiguration whose caBundle we keep up to date", _TLS
    )
    ca_lifetime: float = flag(
        CA_LIFETIME.total_seconds(), "how long our CA is valid; we replace it after two thirds of that", _TLS
    )
    certificate_lifetime: float = flag(
        LEAF_LIFETIME.total_seconds(), "how long a leaf is valid; we replace it after two thirds of that", _TLS
    )
    ca_settle: float = flag(
        Policy().settle.total_seconds(),
        "how long a new CA stays in the caBundle before it signs: every API server must have seen it",
        _TLS,
    )
    client_ca: Path | None = flag(
        None,
        "CA certificates (PEM), read again when they change: only clients with a certificate from one of them may call",
        _TLS,
        metavar="FILE",
    )
    tls_min_version: str = flag("1.2", "minimum TLS version: 1.2 or 1.3, also as VersionTLS12 or VersionTLS13", _TLS)
    tls_cipher_suites: str = flag("", "TLS 1.2 cipher suites by the names of Go or OpenSSL, separated by commas", _TLS)
    namespace: str = flag("eks", "namespace of the webhook", _CLUSTER, short="n")
    service_name: str = flag("pod-identity-webhook", "name of the webhook's Service", _CLUSTER)
    kubeconfig: str = flag("", "kubeconfig file, if the webhook runs outside the cluster", _CLUSTER, metavar="FILE")
    kube_api: str = flag("", "URL of the API server; overrides the kubeconfig's", _CLUSTER, metavar="URL")
    service_account_lookup_timeout: float = flag(
        1.0, "how long a pod waits for a ServiceAccount that the webhook does not know yet", _CLUSTER
    )
    service_account_lookup_grace_period: float = flag(
        0.0, "how much longer it waits for one that the API server does not know yet either", _CLUSTER
    )
    log_injections: bool = flag(False, "logs each injected pod: one line, with its fields", _LOG)

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise SettingsError(problems)

    def _problems(self) -> Iterator[str]:
        if self.port and self.port == self.metrics_port:
            yield f"--metrics-port: {self.metrics_port} is already the HTTPS port"
        if self.kube_api and not self.kube_api.startswith(("https://", "http://")):
            yield f"--kube-api: {self.kube_api!r} is not a URL"
        if not 0 < self.service_account_lookup_timeout <= 10:
            yield "--service-account-lookup-timeout: must be above 0s and at most 10s; the API server waits no longer"
        if not is_dns_label(self.namespace):
            yield f"--namespace: {self.namespace!r} is not a namespace's name (DNS label)"
        for spelling, name in (
            ("--service-name", self.service_name),
            ("--config-map-name", self.config_map_name),
            ("--tls-secret", self.tls_secret),
            ("--webhook-configuration", self.webhook_configuration),
        ):
            if not is_dns_subdomain(name):
                yield f"{spelling}: {name!r} is not an object's name (DNS subdomain)"
        for spelling, text, parse in (
            ("--tls-min-version", self.tls_min_version, parse_min_version),
            ("--tls-cipher-suites", self.tls_cipher_suites, parse_cipher_suites),
        ):
            try:
                parse(text)
            except TlsError as error:
                yield f"{spelling}: {error}"
        yield from self._certificate_problems()

    def _certificate_problems(self) -> Iterator[str]:
        if self.self_managed and self.ephemeral_certificate is not None:
            yield "--ephemeral-certificate: cannot be used with --in-cluster=true (self-managed certificates)"
        if self.self_managed and self.service_accounts is not None:
            yield "--service-accounts: cannot be used with --in-cluster=true: self-managed certificates need a cluster"
        if self.tls_ca is not None and (
            self.self_managed or self.ephemeral_certificate is not None or self.service_accounts is not None
        ):
            yield "--tls-ca: can be used only with --tls-cert and a cluster"
        if self.certificate_names and self.ephemeral_certificate is None and not self.self_managed:
            yield "--certificate-names: has no effect with --tls-cert"
        try:
            Names.parse(self.certificate_names or ["localhost"])
        except InvalidName as error:
            yield f"--certificate-names: {error}"
        if not MIN_LIFETIME <= self.certificate_lifetime <= self.ca_lifetime <= MAX_LIFETIME:
            yield "--certificate-lifetime, --ca-lifetime: must be 10s to 876000h, and the CA's not shorter"
        # The old CA must stay valid until the new one signs; we replace it when a third of its lifetime is left.
        if not 0 <= self.ca_settle <= self.ca_lifetime / 4:
            yield "--ca-settle: must be at most a quarter of --ca-lifetime"
