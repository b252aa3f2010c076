"""The metrics whose values are asked for at each scrape: connections, certificate, cache, watches."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from certs.keeper import Keeper
from webhook.cluster.accounts import ClusterAccounts
from webhook.cluster.config_map import MappingConfigMap
from webhook.manifests.accounts import ManifestAccounts
from webhook.manifests.credentials_file import CredentialsFile
from webhook.server.certificates.client_ca import ClientCaFile
from webhook.server.certificates.files import CertificateFiles
from webhook.server.certificates.published_files import PublishedFiles
from webhook.server.certificates.self_managed import SelfManagedCertificate
from webhook.server.certificates.sources import CertificateSource
from webhook.server.http.listener import Listener
from webhook.server.metrics.exposition import ComputedBy
from webhook.server.metrics.families import Metrics
from webhook.server.metrics.loop_pauses import LoopPauses

_PREFIX: Final = "pod_identity_webhook_"
# Shown from the start, so that an alert on an increase sees the first one.
_CHANGES: Final = ("CA", "next CA", "previous CAs", "leaf")
_FAILURES: Final = ("secret", "bundle", "issue", "serve", "conflict", "unexpected")


def add_listeners(metrics: Metrics, listeners: Mapping[str, Listener]) -> None:
    """The connections of each port, and who had to give way."""
    tables: tuple[tuple[str, str, str, Callable[[Listener], float]], ...] = (
        ("gauge", "connections", "Open connections.", lambda one: one.open_connections),
        (
            "counter",
            "refused_connections_total",
            "Connections closed at once because there were too many.",
            lambda one: one.occupancy.refused_connections,
        ),
        (
            "counter",
            "evicted_connections_total",
            "Quiet connections closed to make room for new ones.",
            lambda one: one.occupancy.evicted_connections,
        ),
        (
            "counter",
            "refused_bodies_total",
            "Requests refused because bodies under way filled the memory for them, and theirs made no progress.",
            lambda one: one.occupancy.refused_bodies,
        ),
        (
            "gauge",
            "body_memory_bytes",
            "Memory held by request bodies that are not answered yet.",
            lambda one: one.occupancy.body_memory,
        ),
    )
    for kind, name, help_text, value in tables:
        metrics.add(ComputedBy(kind, _PREFIX + name, help_text, "port", _by_port(listeners, value)))
    metrics.add_computed(
        "failed_tls_handshakes_total",
        "Connections to the HTTPS port that ended in their TLS handshake.",
        lambda: listeners["https"].failed_handshakes,
        kind="counter",
    )


def _by_port(
    listeners: Mapping[str, Listener], value: Callable[[Listener], float]
) -> Callable[[], Mapping[str, float]]:
    return lambda: {port: value(listener) for port, listener in listeners.items()}


def add_loop_pauses(metrics: Metrics, pauses: LoopPauses) -> None:
    """Whether the event loop stands still at times."""
    metrics.add_computed(
        "event_loop_longest_pause_seconds",
        "The longest time of the last five minutes in which nothing was answered.",
        pauses.longest,
    )


def add_certificate(metrics: Metrics, certificate: CertificateSource) -> None:
    """The certificate that is served, and what becomes of it."""

    def ends() -> dict[str, float]:
        served = certificate.serving.not_after
        times = {"serving": served} if served is not None else {}
        if isinstance(certificate, SelfManagedCertificate | PublishedFiles):
            times |= certificate.ends()
        return {kind: time.timestamp() for kind, time in times.items()}

    metrics.add(
        ComputedBy(
            "gauge",
            f"{_PREFIX}certificate_expiry_timestamp_seconds",
            "When a certificate ends, in seconds since 1970: the one served, the newest leaf and its CA.",
            "kind",
            ends,
        )
    )
    if isinstance(certificate, SelfManagedCertificate | PublishedFiles):
        _add_authority(metrics, certificate.authority)
    if isinstance(certificate, CertificateFiles):
        _add_certificate_files(metrics, certificate)


def _add_authority(metrics: Metrics, authority: Keeper) -> None:
    metrics.add_computed(
        "ca_bundle_in_sync",
        "Whether the caBundle of our entries was right when it was last looked at.",
        lambda: int(authority.in_sync),
    )
    metrics.add_computed(
        "certificate_write_contention",
        "Whether somebody else keeps undoing what we write to the Secret or the caBundle.",
        lambda: int(authority.is_contended),
    )
    metrics.add(
        ComputedBy(
            "counter",
            f"{_PREFIX}certificate_renewals_total",
            "Changes that this replica wrote to the Secret, by what was changed.",
            "what",
            lambda: _sums((change.what, count) for change, count in authority.renewals.items()),
        )
    )
    metrics.add(
        ComputedBy(
            "counter",
            f"{_PREFIX}certificate_failures_total",
            "What went wrong with looking after certificates; a conflict is another replica that was faster.",
            "what",
            lambda: {what: authority.failures[what] for what in _FAILURES},
        )
    )


def _sums(counts: Iterable[tuple[str, int]]) -> dict[str, float]:
    sums: Counter[str] = Counter(dict.fromkeys(_CHANGES, 0))
    for what, count in counts:
        sums[what] += count
    return dict(sums)


def add_client_ca(metrics: Metrics, client_ca: ClientCaFile) -> None:
    """The CAs for clients."""
    metrics.add_computed(
        "client_ca_failures_total",
        "Changes of the file with the CAs for clients that could not be used.",
        lambda: client_ca.failures,
        kind="counter",
    )


def _add_certificate_files(metrics: Metrics, certificate: CertificateFiles) -> None:
    metrics.add_computed(
        "certificate_reloads_total", "Changed certificates taken up.", lambda: certificate.reloads, kind="counter"
    )
    metrics.add_computed(
        "certificate_reload_failures_total",
        "Changed certificates that could not be used.",
        lambda: certificate.failures,
        kind="counter",
    )


def add_credentials_file(metrics: Metrics, credentials: CredentialsFile) -> None:
    """The container credentials file."""
    metrics.add_computed(
        "container_credentials_identities",
        "ServiceAccounts with container credentials.",
        lambda: len(credentials.identities),
    )
    metrics.add_computed(
        "container_credentials_failures_total",
        "Changes of the container credentials file that could not be used.",
        lambda: credentials.failures,
        kind="counter",
    )


def add_manifests(metrics: Metrics, store: ManifestAccounts) -> None:
    """The manifests of the standalone mode."""
    metrics.add_computed("cache_service_accounts", "ServiceAccounts known.", lambda: store.account_count)
    metrics.add_computed(
        "manifest_reloads_total", "Changes of the manifests taken up.", lambda: store.reloads, kind="counter"
    )
    metrics.add_computed(
        "manifest_failures_total",
        "Changes of the manifests that could not be used.",
        lambda: store.failures,
        kind="counter",
    )


def add_cluster(metrics: Metrics, store: ClusterAccounts, mappings: MappingConfigMap | None) -> None:
    """The watches of a cluster and what they know."""
    watches = {"serviceaccounts": store.watch} | ({"configmap": mappings.watch} if mappings is not None else {})
    metrics.add_computed("cache_service_accounts", "ServiceAccounts known.", lambda: len(store))
    metrics.add_computed(
        "cache_left_out_total",
        "Times that a ServiceAccount was listed, added or changed that is too large to be kept: it is read live.",
        lambda: store.left_out,
        kind="counter",
    )
    metrics.add(
        ComputedBy(
            "gauge",
            f"{_PREFIX}cache_synced",
            "Whether all of what a watch follows was known once.",
            "watch",
            lambda: {name: int(watch.is_synced) for name, watch in watches.items()},
        )
    )
    metrics.add(
        ComputedBy(
            "gauge",
            f"{_PREFIX}cache_age_seconds",
            "Time since the API server last said anything about what a watch follows (once a minute at rest).",
            "watch",
            lambda: {name: age for name, watch in watches.items() if (age := watch.age) is not None},
        )
    )
    metrics.add(
        ComputedBy(
            "counter",
            f"{_PREFIX}watch_restarts_total",
            "Restarts of the watches by reason; ended is how each watch ends in time.",
            "reason",
            lambda: {
                reason: sum(watch.restarts[reason] for watch in watches.values()) for reason in store.watch.restarts
            },
        )
    )
    metrics.add_computed(
        "lookups_waiting", "Live reads of ServiceAccounts that have not started.", lambda: store.lookups.waiting
    )
    metrics.add_computed("lookups_in_flight", "Live reads under way.", lambda: store.lookups.in_flight)
    metrics.add_computed(
        "lookups_rejected_total",
        "Live reads refused because too many waited.",
        lambda: store.lookups.rejected,
        kind="counter",
    )
    if mappings is not None:
        metrics.add_computed("role_mappings", "Role mappings in force.", lambda: len(mappings.mapping))
        metrics.add_computed(
            "role_mapping_bad_entries", "Entries of the ConfigMap that are left out.", lambda: mappings.bad_entries
        )
        metrics.add_computed(
            "role_mapping_bad_documents_total",
            "Changes of the ConfigMap that could not be used.",
            lambda: mappings.bad_documents,
            kind="counter",
        )
