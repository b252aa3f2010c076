"""The metrics of the webhook's state, computed at each scrape: connections, certificate, files, cache, watches.

`requests.py` has the metrics of requests and decisions.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

from certs.keeper import Keeper
from webhook.cluster.accounts import ClusterAccounts
from webhook.cluster.config_map import MappingConfigMap
from webhook.cluster.watch import REASONS
from webhook.manifests.accounts import ManifestAccounts
from webhook.manifests.credentials_file import CredentialsFile
from webhook.server.certificates.client_ca import ClientCaFile
from webhook.server.certificates.files import CertificateFiles
from webhook.server.certificates.published_files import PublishedFiles
from webhook.server.certificates.self_managed import SelfManagedCertificate
from webhook.server.certificates.sources import CertificateSource
from webhook.server.http.listener import Listener
from webhook.server.metrics.exposition import ComputedBy
from webhook.server.metrics.loop_pauses import LoopPauses
from webhook.server.metrics.requests import Metrics

# Kind, name without our prefix, help, and a function from the source to the value; None leaves the sample out.
_Row: TypeAlias = tuple[str, str, str, Callable[[Any], float | None]]
# The same with a label; the function returns the values by label.
_LabelledRow: TypeAlias = tuple[str, str, str, str, Callable[[Any], Mapping[str, float]]]

# We expose these from the start, so that an alert on an increase sees the first one.
_CHANGES: Final = ("CA", "next CA", "previous CAs", "leaf")
_FAILURES: Final = ("secret", "bundle", "issue", "serve", "conflict", "unexpected")


def _ends(certificate: CertificateSource) -> dict[str, float]:
    served = certificate.serving.not_after
    times = {"serving": served} if served is not None else {}
    if isinstance(certificate, SelfManagedCertificate | PublishedFiles):
        times |= certificate.ends()
    return {kind: time.timestamp() for kind, time in times.items()}


def _sums(counts: Iterable[tuple[str, int]]) -> dict[str, float]:
    sums: Counter[str] = Counter(dict.fromkeys(_CHANGES, 0))
    for what, count in counts:
        sums[what] += count
    return dict(sums)


_LISTENER: Final[tuple[_Row, ...]] = (
    ("gauge", "connections", "Open connections.", lambda one: one.open_connections),
    (
        "counter",
        "refused_connections_total",
        "Connections closed on arrival because there were too many.",
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
        "Requests refused because unfinished bodies filled the memory for them, and theirs made no progress.",
        lambda one: one.occupancy.refused_bodies,
    ),
    (
        "gauge",
        "body_memory_bytes",
        "Memory held by request bodies that are not answered yet.",
        lambda one: one.occupancy.body_memory,
    ),
)
_HTTPS: Final[tuple[_Row, ...]] = (
    (
        "counter",
        "failed_tls_handshakes_total",
        "Connections to the HTTPS port that ended in their TLS handshake.",
        lambda https: https.failed_handshakes,
    ),
)
_LOOP: Final[tuple[_Row, ...]] = (
    (
        "gauge",
        "event_loop_longest_pause_seconds",
        "The longest time in the last five minutes in which the webhook answered nothing.",
        lambda pauses: pauses.longest(),
    ),
)
_CERTIFICATE: Final[tuple[_LabelledRow, ...]] = (
    (
        "gauge",
        "certificate_expiry_timestamp_seconds",
        "When a certificate ends, in seconds since 1970: the one served, the newest leaf and its CA.",
        "kind",
        _ends,
    ),
)
_AUTHORITY: Final[tuple[_Row | _LabelledRow, ...]] = (
    (
        "gauge",
        "ca_bundle_in_sync",
        "Whether the caBundle of our entries was right when the webhook last looked.",
        lambda authority: int(authority.in_sync),
    ),
    (
        "gauge",
        "certificate_write_contention",
        "Whether somebody else keeps undoing what the webhook writes to the Secret or the caBundle.",
        lambda authority: int(authority.is_contended),
    ),
    (
        "counter",
        "certificate_renewals_total",
        "Changes that this replica wrote to the Secret, by what it changed.",
        "what",
        lambda authority: _sums((change.what, count) for change, count in authority.renewals.items()),
    ),
    (
        "counter",
        "certificate_failures_total",
        "Failures in keeping certificates fresh; a conflict is another replica that was faster.",
        "what",
        lambda authority: {what: authority.failures[what] for what in _FAILURES},
    ),
)
_CERTIFICATE_FILES: Final[tuple[_Row, ...]] = (
    ("counter", "certificate_reloads_total", "Changed certificates that were loaded.", lambda files: files.reloads),
    (
        "counter",
        "certificate_reload_failures_total",
        "Changed certificates that could not be used.",
        lambda files: files.failures,
    ),
)
_CLIENT_CA: Final[tuple[_Row, ...]] = (
    (
        "counter",
        "client_ca_failures_total",
        "Changes of the file with the CAs for clients that could not be used.",
        lambda client_ca: client_ca.failures,
    ),
)
_CREDENTIALS_FILE: Final[tuple[_Row, ...]] = (
    (
        "gauge",
        "container_credentials_identities",
        "ServiceAccounts with container credentials.",
        lambda credentials: len(credentials.identities),
    ),
    (
        "counter",
        "container_credentials_failures_total",
        "Changes of the container credentials file that could not be used.",
        lambda credentials: credentials.failures,
    ),
)
_MANIFESTS: Final[tuple[_Row, ...]] = (
    ("gauge", "cache_service_accounts", "ServiceAccounts known.", lambda store: store.account_count),
    ("counter", "manifest_reloads_total", "Changes of the manifests that were loaded.", lambda store: store.reloads),
    (
        "counter",
        "manifest_failures_total",
        "Changes of the manifests that could not be used.",
        lambda store: store.failures,
    ),
)
_ACCOUNTS: Final[tuple[_Row, ...]] = (
    ("gauge", "cache_service_accounts", "ServiceAccounts known.", len),
    (
        "counter",
        "cache_left_out_total",
        "ServiceAccounts listed, added or changed that are too large to keep: the webhook reads them live.",
        lambda store: store.left_out,
    ),
)
_WATCHES: Final[tuple[_LabelledRow, ...]] = (
    (
        "gauge",
        "cache_synced",
        "Whether a watch has once known all of what it follows.",
        "watch",
        lambda watches: {name: int(watch.is_synced) for name, watch in watches.items()},
    ),
    (
        "gauge",
        "cache_age_seconds",
        "Time since the API server last said anything about what a watch follows (once a minute at rest).",
        "watch",
        lambda watches: {name: age for name, watch in watches.items() if (age := watch.age) is not None},
    ),
    (
        "counter",
        "watch_restarts_total",
        "Restarts of the watches by reason; ended is how each watch ends in time.",
        "reason",
        lambda watches: {reason: sum(watch.restarts[reason] for watch in watches.values()) for reason in REASONS},
    ),
)
_LOOKUPS: Final[tuple[_Row, ...]] = (
    ("gauge", "lookups_waiting", "Live reads of ServiceAccounts that have not started.", lambda one: one.waiting),
    ("gauge", "lookups_in_flight", "Live reads in flight.", lambda one: one.in_flight),
    ("counter", "lookups_rejected_total", "Live reads refused because too many waited.", lambda one: one.rejected),
)
_MAPPINGS: Final[tuple[_Row, ...]] = (
    ("gauge", "role_mappings", "Role mappings in force.", lambda mappings: len(mappings.mapping)),
    (
        "gauge",
        "role_mapping_bad_entries",
        "Entries of the ConfigMap that are left out.",
        lambda mappings: mappings.bad_entries,
    ),
    (
        "counter",
        "role_mapping_bad_documents_total",
        "Changes of the ConfigMap that could not be used.",
        lambda mappings: mappings.bad_documents,
    ),
)


def add_listeners(metrics: Metrics, listeners: Mapping[str, Listener]) -> None:
    """Adds the metrics of each port's connections."""
    for kind, name, help_text, value in _LISTENER:
        _add(metrics, [(kind, name, help_text, "port", partial(_each, value))], listeners)
    _add(metrics, _HTTPS, listeners["https"])


def add_loop_pauses(metrics: Metrics, pauses: LoopPauses) -> None:
    """Adds the longest pause of the event loop."""
    _add(metrics, _LOOP, pauses)


def add_certificate(metrics: Metrics, certificate: CertificateSource) -> None:
    """Adds the metrics of the served certificate and its renewals."""
    _add(metrics, _CERTIFICATE, certificate)
    if isinstance(certificate, SelfManagedCertificate | PublishedFiles):
        add_authority(metrics, certificate.authority)
    if isinstance(certificate, CertificateFiles):
        _add(metrics, _CERTIFICATE_FILES, certificate)


def add_authority(metrics: Metrics, authority: Keeper) -> None:
    """Adds the metrics of the caBundle, and of the Secret if the certificate is self-managed."""
    _add(metrics, _AUTHORITY, authority)


def add_client_ca(metrics: Metrics, client_ca: ClientCaFile) -> None:
    """Adds the metrics of the file with the CAs for clients."""
    _add(metrics, _CLIENT_CA, client_ca)


def add_credentials_file(metrics: Metrics, credentials: CredentialsFile) -> None:
    """Adds the metrics of the container credentials file."""
    _add(metrics, _CREDENTIALS_FILE, credentials)


def add_manifests(metrics: Metrics, store: ManifestAccounts) -> None:
    """Adds the metrics of the manifests in standalone mode."""
    _add(metrics, _MANIFESTS, store)


def add_cluster(metrics: Metrics, store: ClusterAccounts, mappings: MappingConfigMap | None) -> None:
    """Adds the metrics of a cluster's watches, caches and live reads."""
    watches = {"serviceaccounts": store.watch} | ({"configmap": mappings.watch} if mappings is not None else {})
    _add(metrics, _ACCOUNTS, store)
    _add(metrics, _WATCHES, watches)
    _add(metrics, _LOOKUPS, store.lookups)
    if mappings is not None:
        _add(metrics, _MAPPINGS, mappings)


def _add(metrics: Metrics, rows: Iterable[_Row | _LabelledRow], source: object) -> None:
    for row in rows:
        if len(row) == 5:
            kind, name, help_text, label, values = row
            metrics.add(ComputedBy(kind, f"pod_identity_webhook_{name}", help_text, label, partial(values, source)))
        else:
            kind, name, help_text, value = row
            metrics.add_computed(name, help_text, partial(value, source), kind=kind)


def _each(value: Callable[[Any], float | None], sources: Mapping[str, Any]) -> dict[str, float]:
    return {name: found for name, source in sources.items() if (found := value(source)) is not None}
