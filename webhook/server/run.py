"""The process: wires store, endpoint and listeners together, keeps what comes from files fresh, and stops in order."""

import asyncio
import gc
import logging
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import uvloop

from certs.errors import CertificateError
from certs.files import ephemeral
from webhook import __version__
from webhook.admission.container_credentials import ContainerCredentials
from webhook.admission.mapping import CONFIG_MAP_NAME
from webhook.admission.settings import Settings
from webhook.cluster.credentials_file import CredentialsFile
from webhook.cluster.manifests import ManifestAccounts
from webhook.errors import SettingsError, WebhookError
from webhook.server.app import WebhookApplication, metrics_application
from webhook.server.debug_cache import debug_cache
from webhook.server.listener import Listener
from webhook.server.metrics import Metrics
from webhook.server.mutate_endpoint import MutateEndpoint
from webhook.server.settings import ServerSettings
from webhook.server.tls import CertificateFiles, TlsError, TlsSettings, parse_cipher_suites, parse_min_version

# Requests take milliseconds; the longest wait for a lookup.
_GRACE: Final = 15.0
_FILES_CHECKED_EVERY: Final = 1.0

logger = logging.getLogger(__name__)


def run(settings: ServerSettings, admission: Settings) -> None:
    """Serves until SIGTERM or SIGINT. Raises WebhookError where it cannot start."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, admission))


async def _serve(settings: ServerSettings, admission: Settings) -> None:
    certificate = _certificate(settings)
    store = _store(settings, admission)
    credentials_path = settings.watch_container_credentials_config
    credentials = CredentialsFile(credentials_path) if credentials_path is not None else None

    def identities() -> ContainerCredentials:
        return credentials.identities if credentials is not None else frozenset()

    metrics = Metrics()
    stopping = _Stopping()
    endpoint = MutateEndpoint(store, identities, admission, metrics)
    webhook = Listener(
        WebhookApplication(endpoint), address=settings.bind_address, port=settings.port, tls=certificate.serving.outer
    )
    monitoring = Listener(
        metrics_application(
            metrics,
            lambda: "stopping" if stopping.asked else "",
            (lambda: debug_cache(store.accounts(), admission)) if settings.enable_debugging_handlers else None,
        ),
        address=settings.bind_address,
        port=settings.metrics_port,
        tls=None,
    )
    _add_metrics(metrics, webhook, certificate, store, credentials)

    checks: list[Callable[[], Any]] = [certificate.check, store.check]
    if credentials is not None:
        checks.append(credentials.check)
    files = asyncio.create_task(_watch_files(checks))
    try:
        ports = await webhook.start(), await monitoring.start()
        # What is alive now lives as long as the process: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        logger.info("pod-identity-webhook %s serves: https port %d, metrics port %d", __version__, *ports)
        await stopping.wait()
        webhook.drain()
        if stopping.drains:
            logger.info("stopping: draining for %g s", settings.drain_period)
            await stopping.wait_again(settings.drain_period)
        await webhook.stop(_GRACE)
    finally:
        files.cancel()
        await monitoring.stop(1.0)
    logger.info("stopped")


class _Stopping:
    """The signals that end the process. SIGTERM drains; SIGINT, from somebody at a desk, does not."""

    def __init__(self) -> None:
        self.asked = False
        self.drains = False
        self._first, self._second = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)

    async def wait(self) -> None:
        """Waits for the first signal."""
        await self._first.wait()

    async def wait_again(self, seconds: float) -> None:
        """Waits for a second signal, for so long."""
        try:
            await asyncio.wait_for(self._second.wait(), seconds)
        except TimeoutError:
            return

    def _on_signal(self, number: int) -> None:
        if self.asked:
            self._second.set()
        self.asked = True
        self.drains = number == signal.SIGTERM
        self._first.set()


def _tls_settings(settings: ServerSettings) -> TlsSettings:
    problems: list[str] = []
    try:
        min_version, notice = parse_min_version(settings.tls_min_version)
        if notice:
            logger.warning(notice)
    except TlsError as error:
        problems.append(f"--tls-min-version: {error}")
    try:
        suites, notice = parse_cipher_suites(settings.tls_cipher_suites)
        if notice:
            logger.warning(notice)
    except TlsError as error:
        problems.append(f"--tls-cipher-suites: {error}")
    if problems:
        raise SettingsError(problems)
    return TlsSettings(min_version, suites)


def _certificate(settings: ServerSettings) -> CertificateFiles:
    tls = _tls_settings(settings)
    cert, key = settings.tls_cert, settings.tls_key
    if settings.ephemeral_certificate is not None:
        try:
            files = ephemeral(settings.ephemeral_certificate, settings.certificate_names, datetime.now(UTC))
        except CertificateError as error:
            raise WebhookError(f"--ephemeral-certificate: {error}") from error
        cert, key = files.certificate, files.private_key
    return CertificateFiles(cert, key, tls)


def _store(settings: ServerSettings, admission: Settings) -> ManifestAccounts:
    if settings.service_accounts is None:
        raise SettingsError(["--service-accounts: give a file or folder of manifests to serve from"])
    config_map = (settings.namespace, CONFIG_MAP_NAME) if settings.watch_config_map else None
    return ManifestAccounts(settings.service_accounts, admission, config_map)


def _add_metrics(
    metrics: Metrics,
    webhook: Listener,
    certificate: CertificateFiles,
    store: ManifestAccounts,
    credentials: CredentialsFile | None,
) -> None:
    metrics.add_computed("connections", "Open connections to the HTTPS port.", lambda: webhook.open_connections)
    metrics.add_computed(
        "refused_connections_total",
        "Connections closed at once because there were too many.",
        lambda: webhook.refused_connections,
        kind="counter",
    )
    metrics.add_computed(
        "certificate_expiry_timestamp_seconds",
        "When the certificate that is served ends.",
        lambda: certificate.not_after.timestamp(),  # noqa: PLW0108 - it is another object after a reload
    )
    metrics.add_computed("cache_service_accounts", "ServiceAccounts known.", lambda: store.account_count)
    if credentials is not None:
        metrics.add_computed(
            "container_credentials_failures_total",
            "Changes of the container credentials file that could not be used.",
            lambda: credentials.failures,
            kind="counter",
        )


async def _watch_files(checks: list[Callable[[], Any]]) -> None:
    while True:
        await asyncio.sleep(_FILES_CHECKED_EVERY)
        for check in checks:
            try:
                # On a thread: a disk that hangs must not hang the answers.
                await asyncio.to_thread(check)
            except Exception:
                logger.exception("a bug while looking for changed files")
