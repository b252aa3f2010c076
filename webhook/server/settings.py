"""What the server runs by, beside the admission settings: one frozen object."""

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
from webhook.server.certificates.tls_settings import TlsError, parse_cipher_suites, parse_min_version

# In seconds. Below, there is no time for all replicas to see what one of them wrote.
MIN_LIFETIME: Final = 10.0
MAX_LIFETIME: Final = 876_000 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """The server's settings, named as the flags are; durations in seconds, ports 0 for any free one.

    Raises SettingsError, naming every flag at fault, when constructed from values that make no sense.
    """

    bind_address: str = ""
    port: int = 443
    metrics_port: int = 9999
    drain_period: float = 10.0
    enable_debugging_handlers: bool = False
    service_accounts: Path | None = None
    tls_cert: Path = Path("/etc/webhook/certs/tls.crt")
    tls_key: Path = Path("/etc/webhook/certs/tls.key")
    ephemeral_certificate: Path | None = None
    certificate_names: tuple[str, ...] = ()
    tls_ca: Path | None = None
    client_ca: Path | None = None
    self_managed: bool = False
    tls_secret: str = "pod-identity-webhook"
    webhook_configuration: str = "pod-identity-webhook"
    ca_lifetime: float = CA_LIFETIME.total_seconds()
    certificate_lifetime: float = LEAF_LIFETIME.total_seconds()
    ca_settle: float = Policy().settle.total_seconds()
    tls_min_version: str = "1.2"
    tls_cipher_suites: str = ""
    namespace: str = "eks"
    service_name: str = "pod-identity-webhook"
    kubeconfig: str = ""
    kube_api: str = ""
    service_account_lookup_timeout: float = 1.0
    service_account_lookup_grace_period: float = 0.0
    watch_config_map: bool = False
    config_map_name: str = CONFIG_MAP_NAME
    watch_container_credentials_config: Path | None = None

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise SettingsError(problems)

    def _problems(self) -> Iterator[str]:
        if self.port and self.port == self.metrics_port:
            yield f"--metrics-port: {self.metrics_port} is the HTTPS port already"
        if self.kube_api and not self.kube_api.startswith(("https://", "http://")):
            yield f"--kube-api: {self.kube_api!r} is not a URL"
        if not 0 < self.service_account_lookup_timeout <= 10:
            yield "--service-account-lookup-timeout: the API server waits for 10 s at most"
        if not is_dns_label(self.namespace):
            yield f"--namespace: {self.namespace!r} is not a namespace's name (DNS label)"
        for flag, name in (
            ("--service-name", self.service_name),
            ("--config-map-name", self.config_map_name),
            ("--tls-secret", self.tls_secret),
            ("--webhook-configuration", self.webhook_configuration),
        ):
            if not is_dns_subdomain(name):
                yield f"{flag}: {name!r} is not an object's name (DNS subdomain)"
        for flag, text, parse in (
            ("--tls-min-version", self.tls_min_version, parse_min_version),
            ("--tls-cipher-suites", self.tls_cipher_suites, parse_cipher_suites),
        ):
            try:
                parse(text)
            except TlsError as error:
                yield f"{flag}: {error}"
        yield from self._certificate_problems()

    def _certificate_problems(self) -> Iterator[str]:
        if self.self_managed and self.ephemeral_certificate is not None:
            yield "--ephemeral-certificate: --in-cluster=true asks for certificates that look after themselves"
        if self.self_managed and self.service_accounts is not None:
            yield "--service-accounts: without a cluster (--in-cluster=true) no certificate can look after itself"
        if self.tls_ca is not None and (
            self.self_managed or self.ephemeral_certificate is not None or self.service_accounts is not None
        ):
            yield "--tls-ca: only for the certificate in --tls-cert, in a cluster"
        if self.certificate_names and self.ephemeral_certificate is None and not self.self_managed:
            yield "--certificate-names: the certificate in --tls-cert has the names that it has"
        try:
            Names.parse(self.certificate_names or ["localhost"])
        except InvalidName as error:
            yield f"--certificate-names: {error}"
        if not MIN_LIFETIME <= self.certificate_lifetime <= self.ca_lifetime <= MAX_LIFETIME:
            yield "--certificate-lifetime, --ca-lifetime: 10s at least, the CA's no shorter, 876000h at most"
        # Until the new CA signs, the old one must live: it is replaced when a third of its life is left.
        if not 0 <= self.ca_settle <= self.ca_lifetime / 4:
            yield "--ca-settle: a quarter of --ca-lifetime at most"
