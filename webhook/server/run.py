"""The server process: wires store, endpoints and listeners, reloads changed files, and stops everything in order."""

import asyncio
import gc
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import uvloop

from webhook import __version__
from webhook.admission.container_credentials import ContainerCredentials
from webhook.admission.settings import Settings
from webhook.cluster.access import AccessSettings
from webhook.cluster.accounts import ClusterAccounts
from webhook.cluster.api_errors import ClusterConfigError
from webhook.cluster.background import running
from webhook.cluster.client import KubernetesClient
from webhook.cluster.config_map import MappingConfigMap
from webhook.errors import WebhookError
from webhook.manifests.accounts import ManifestAccounts
from webhook.manifests.credentials_file import CredentialsFile
from webhook.manifests.file_watch import watch_files
from webhook.server.app import metrics_application, webhook_application
from webhook.server.certificates.client_ca import ClientCaFile
from webhook.server.certificates.files import CertificateFiles
from webhook.server.certificates.sources import CertificateSource, certificate_of
from webhook.server.debug_cache import debug_cache
from webhook.server.http.limits import Limits
from webhook.server.http.listener import Listener
from webhook.server.http.request_reader import Refusal
from webhook.server.metrics import state
from webhook.server.metrics.loop_pauses import LoopPauses
from webhook.server.metrics.requests import Metrics
from webhook.server.mutate_endpoint import PATH, REQUIRE_PATH, MutateEndpoint
from webhook.server.settings import ServerSettings
from webhook.server.stop_signals import StopSignals

# Time to answer the last requests. Most take milliseconds; one that needs a live read takes longest.
_GRACE: Final = 15.0
# After SIGINT, do not wait long for idle clients to end TLS.
_GRACE_AT_ONCE: Final = 1.0
# The metrics port has its own limits, so that reviews cannot starve probes and scrapes. They are few and have no body.
_MONITORING_LIMITS: Final = Limits(max_connections=128, header_bytes=16384, body_bytes=4096)

logger = logging.getLogger(__name__)


def run(settings: ServerSettings, admission: Settings) -> None:
    """Serves until SIGTERM or SIGINT. Raises WebhookError if it cannot start."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, admission))


@dataclass(frozen=True, slots=True)
class _IdentitySources:
    """The sources of decisions, and the checks that reload those from files."""

    store: ManifestAccounts | ClusterAccounts
    container_credentials: Callable[[], ContainerCredentials]
    checks: list[Callable[[], Any]]

    def not_ready_reason(self) -> str:
        """Returns which source is not complete yet, or "" once all have been complete."""
        if isinstance(self.store, ClusterAccounts) and not self.store.is_synced:
            return "the cluster's ServiceAccounts and role mappings are not known yet"
        return ""


async def _serve(settings: ServerSettings, admission: Settings) -> None:
    metrics = Metrics()
    stopping = StopSignals()
    async with AsyncExitStack() as stack:
        client = await _client(settings, stack)
        certificate = certificate_of(settings, client)
        identities = await _identity_sources(settings, admission, client, metrics, stack)
        webhook = _webhook_listener(settings, admission, certificate, identities, metrics)
        application = metrics_application(
            metrics,
            lambda: "stopping" if stopping.asked else certificate.not_ready_reason() or identities.not_ready_reason(),
            (lambda: debug_cache(identities.store.accounts(), admission))
            if settings.enable_debugging_handlers
            else None,
        )
        monitoring = Listener(
            application, address=settings.bind_address, port=settings.metrics_port, tls=None, limits=_MONITORING_LIMITS
        )
        state.add_listeners(metrics, {"https": webhook, "metrics": monitoring})
        await _start_background(settings, certificate, identities, metrics, stack)

        # Register both before the first starts: if the metrics port is in use, the HTTPS listener must still stop.
        stack.push_async_callback(monitoring.stop, 1.0)
        stack.push_async_callback(webhook.stop, 0.0)
        ports = await webhook.start(), await monitoring.start()
        # The objects that exist now live as long as the process: exclude them from garbage collection.
        gc.collect()
        gc.freeze()
        logger.info("pod-identity-webhook %s serves: https port %d, metrics port %d", __version__, *ports)
        await stopping.wait()
        webhook.drain()
        if stopping.drains:
            logger.info("stopping: draining for %g s", settings.drain_period)
            await stopping.wait_again(settings.drain_period)
        await webhook.stop(_GRACE if stopping.drains else _GRACE_AT_ONCE)
    logger.info("stopped")


def _webhook_listener(
    settings: ServerSettings,
    admission: Settings,
    certificate: CertificateSource,
    identities: _IdentitySources,
    metrics: Metrics,
) -> Listener:
    endpoints = [
        MutateEndpoint(
            identities.store,
            identities.container_credentials,
            admission,
            metrics,
            path,
            log_injections=settings.log_injections,
        )
        for path in (PATH, REQUIRE_PATH)
    ]
    return Listener(
        webhook_application(endpoints),
        address=settings.bind_address,
        port=settings.port,
        tls=certificate.serving.outer,
        handlers={endpoint.path.encode(): endpoint.answer for endpoint in endpoints},
        on_refusal=partial(_count_refusal, metrics),
    )


async def _start_background(
    settings: ServerSettings,
    certificate: CertificateSource,
    identities: _IdentitySources,
    metrics: Metrics,
    stack: AsyncExitStack,
) -> None:
    """Starts what runs beside the listeners: the certificate, the watcher of files, and the watch over the loop."""
    pauses = LoopPauses()
    state.add_loop_pauses(metrics, pauses)
    state.add_certificate(metrics, certificate)
    checks = list(identities.checks)
    if isinstance(certificate, CertificateFiles):
        checks.append(certificate.check)
    if settings.client_ca is not None:
        client_ca = ClientCaFile(settings.client_ca, certificate.serving)
        state.add_client_ca(metrics, client_ca)
        checks.append(client_ca.check)
    for work in (pauses.run(), certificate.run(), watch_files(checks)):
        await stack.enter_async_context(running(work))


def _count_refusal(metrics: Metrics, refusal: Refusal) -> None:
    """Counts a review that the listener refused."""
    path = refusal.path.decode("ascii")
    if path in {PATH, REQUIRE_PATH}:
        metrics.answered(path, refusal.method, refusal.code, 0.0)


async def _identity_sources(
    settings: ServerSettings,
    admission: Settings,
    client: KubernetesClient | None,
    metrics: Metrics,
    stack: AsyncExitStack,
) -> _IdentitySources:
    checks: list[Callable[[], Any]] = []
    store: ManifestAccounts | ClusterAccounts
    if settings.service_accounts is not None:
        config_map = (settings.namespace, settings.config_map_name) if settings.watch_config_map else None
        store = ManifestAccounts(settings.service_accounts, admission, config_map)
        checks.append(store.check)
        state.add_manifests(metrics, store)
    else:
        assert client is not None  # noqa: S101 - it is None only with --service-accounts
        store = await _cluster(settings, admission, client, metrics, stack)

    path = settings.watch_container_credentials_config
    if path is None:
        return _IdentitySources(store, frozenset, checks)
    credentials = CredentialsFile(path)
    checks.append(credentials.check)
    state.add_credentials_file(metrics, credentials)
    return _IdentitySources(store, lambda: credentials.identities, checks)


async def _client(settings: ServerSettings, stack: AsyncExitStack) -> KubernetesClient | None:
    if settings.service_accounts is not None:
        return None
    access = AccessSettings(kubeconfig=settings.kubeconfig, kube_api=settings.kube_api)
    try:
        return await stack.enter_async_context(KubernetesClient(access))
    except ClusterConfigError as error:
        raise WebhookError(f"{error}; if you have no cluster, set --service-accounts") from error


async def _cluster(
    settings: ServerSettings, admission: Settings, client: KubernetesClient, metrics: Metrics, stack: AsyncExitStack
) -> ClusterAccounts:
    mappings = None
    if settings.watch_config_map:
        mappings = MappingConfigMap(client, settings.namespace, settings.config_map_name)
    store = ClusterAccounts(
        client,
        admission,
        mappings,
        lookup_seconds=settings.service_account_lookup_timeout,
        grace_seconds=settings.service_account_lookup_grace_period,
    )
    state.add_cluster(metrics, store, mappings)
    return await stack.enter_async_context(store)
