"""What the server runs by, beside the admission settings: one frozen object."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from webhook.admission.names import is_dns_label, is_dns_subdomain
from webhook.errors import SettingsError
from webhook.server.tls import TlsError, parse_cipher_suites, parse_min_version


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
    tls_min_version: str = "1.2"
    tls_cipher_suites: str = ""
    namespace: str = "eks"
    service_name: str = "pod-identity-webhook"
    kubeconfig: str = ""
    kube_api: str = ""
    service_account_lookup_timeout: float = 1.0
    service_account_lookup_grace_period: float = 0.0
    watch_config_map: bool = False
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
        if not is_dns_subdomain(self.service_name):
            yield f"--service-name: {self.service_name!r} is not a Service's name"
        for flag, text, parse in (
            ("--tls-min-version", self.tls_min_version, parse_min_version),
            ("--tls-cipher-suites", self.tls_cipher_suites, parse_cipher_suites),
        ):
            try:
                parse(text)
            except TlsError as error:
                yield f"{flag}: {error}"
        if self.certificate_names and self.ephemeral_certificate is None:
            yield "--certificate-names: only --ephemeral-certificate takes names"
