"""Whose certificate answers at a pod's address: outside of the cluster's network, another machine may have it."""

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from certs.issue import Names, issue_ca, issue_leaf
from certs.renewal import ends_at
from webhook.cluster.installation import ServiceName
from webhook.commands.certs.facts import Served
from webhook.commands.doctor.gathering import certificate
from webhook.diagnosis.doctor.facts import Replica
from webhook.diagnosis.doctor.read import Read

_NOW = datetime.now(UTC)
_FOREIGN = issue_leaf(issue_ca(_NOW, common_name="CA"), Names(("other",)), _NOW).certificate
_END = 'pod_identity_webhook_certificate_expiry_timestamp_seconds{kind="serving"}'
_POD = {"metadata": {"name": "one"}, "status": {"podIP": "10.0.0.1"}}


@pytest.mark.parametrize(
    ("end", "environ", "refusal", "is_seen"),
    [
        pytest.param(4102444800.0, {}, "no CA has signed it", False, id="another machine"),
        pytest.param(ends_at(_FOREIGN).timestamp(), {}, "no CA has signed it", True, id="the metrics know it"),
        pytest.param(4102444800.0, {}, "", True, id="the caBundle verifies it"),
        pytest.param(4102444800.0, {"KUBERNETES_SERVICE_HOST": "10.0.0.2"}, "no CA", True, id="in the network"),
    ],
)
def test_what_answers_counts_only_if_it_is_the_replica(
    monkeypatch: pytest.MonkeyPatch, end: float, environ: dict[str, str], refusal: str, *, is_seen: bool
) -> None:
    facts: Any = SimpleNamespace(
        entries=(), secret=None, service=ServiceName("eks", "x"), unread={}, served=None, kind=SimpleNamespace(
            name="external", instead="renew it"), bundle_writer="",
    )  # fmt: skip

    async def read_facts(*_: object) -> Any:
        return facts

    monkeypatch.setattr(certificate, "read_facts", read_facts)
    monkeypatch.setattr(certificate, "replace", lambda facts, **_: facts)
    monkeypatch.setattr(certificate, "findings", lambda *_: [])
    monkeypatch.setattr(certificate, "ask", lambda *_: Served(_FOREIGN, {(b"ca",): refusal}))
    parsed: Any = SimpleNamespace(
        values={"webhook_configuration": "x", "kubeconfig": "", "context": "", "kube_api": ""}
    )
    replica = Replica(name="one", is_ready=True, metrics=Read({_END: end}))
    reading = certificate.read_certificate(ServiceName("eks", "x"), parsed, environ, [_POD], [replica], _NOW)
    read = asyncio.run(reading)

    assert any("metrics" not in text and "serves a leaf until" in text for text in read.seen) is is_seen
    assert any("something else answers at 10.0.0.1" in text for text in read.unseen) is not is_seen
