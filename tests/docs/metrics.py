"""Compares the documented metrics with those that the code exposes."""

import re
from collections import Counter
from types import SimpleNamespace
from typing import Any

from tests.docs.pages import ROOT, quoted, table
from webhook.server.metrics.requests import Metrics
from webhook.server.metrics.state import add_authority, add_client_ca, add_cluster


def assert_documented(standalone: str) -> None:
    """Asserts that the documentation lists all metrics and labels of the page `standalone` and of a cluster."""
    section = (ROOT / "docs/operation.md").read_text(encoding="utf-8").partition("\n## Metrics\n")[2]
    go = [name for name in quoted(section.partition("Ours:")[0]) if name.startswith(("http_", "pod_"))]
    ours = [name for row in table("operation.md", "Metrics") for name in quoted(row[0])]
    pages = standalone + _page_of_a_cluster()

    exposed = set(re.findall(r"^# TYPE (\S+) ", pages, re.MULTILINE))
    assert sorted(name.partition("{")[0] for name in [*go, *ours]) == sorted(exposed)
    for documented in ours:
        name, _, labels = documented.rstrip("}").partition("{")
        samples = re.findall(rf"^{name}(?:_sum)?(?:{{(.*)}})? ", pages, re.MULTILINE)
        assert {",".join(re.findall(r'(\w+)="', sample)) for sample in samples} == {labels}, name


def _page_of_a_cluster() -> str:
    """Returns the metrics of a cluster's watches, with any values."""
    watch = SimpleNamespace(is_synced=True, age=1.0, restarts=Counter())
    lookups = SimpleNamespace(waiting=0, in_flight=0, rejected=0)
    metrics = Metrics()
    store: Any = _Store(watch=watch, lookups=lookups, left_out=0)
    mappings: Any = SimpleNamespace(watch=watch, mapping={}, bad_entries=0, bad_documents=0)
    add_cluster(metrics, store, mappings)
    client_ca: Any = SimpleNamespace(failures=0)
    add_client_ca(metrics, client_ca)
    authority: Any = SimpleNamespace(in_sync=True, is_contended=False, renewals={}, failures=Counter())
    add_authority(metrics, authority)
    return metrics.expose()


class _Store(SimpleNamespace):
    def __len__(self) -> int:
        return 0
