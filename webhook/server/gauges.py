"""The metrics whose values are asked for at each scrape: connections, certificate, cache, watches."""

from typing import Final

from webhook.cluster.accounts import ClusterAccounts
from webhook.cluster.config_map import MappingConfigMap
from webhook.cluster.credentials_file import CredentialsFile
from webhook.cluster.manifests import ManifestAccounts
from webhook.server.exposition import ComputedBy
from webhook.server.listener import Listener
from webhook.server.metrics import Metrics
from webhook.server.tls import CertificateFiles

_PREFIX: Final = "pod_identity_webhook_"


def add_listener(metrics: Metrics, listener: Listener) -> None:
    """The HTTPS port's connections."""
    metrics.add_computed("connections", "Open connections to the HTTPS port.", lambda: listener.open_connections)
    metrics.add_computed(
        "refused_connections_total",
        "Connections closed at once because there were too many.",
        lambda: listener.refused_connections,
        kind="counter",
    )
    metrics.add_computed(
        "failed_tls_handshakes_total",
        "Connections to the HTTPS port that ended in their TLS handshake.",
        lambda: listener.failed_handshakes,
        kind="counter",
    )


def add_certificate(metrics: Metrics, certificate: CertificateFiles) -> None:
    """The certificate that is served."""
    metrics.add(
        ComputedBy(
            "gauge",
            f"{_PREFIX}certificate_expiry_timestamp_seconds",
            "When a certificate ends, in seconds since 1970.",
            "kind",
            lambda: {"serving": certificate.not_after.timestamp()},
        )
    )
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
