"""Whose certificate answers at a pod's address: outside of the cluster's network, another machine may have it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from certs.issue import issue_ca, issue_leaf
from certs.renewal import ends_at
from tests.commands.certs.certificates import NAME, NAMES, NAMESPACE, installation, served
from webhook.cluster.installation import ServiceName
from webhook.commands.doctor.flags import DOCTOR_FLAGS
from webhook.commands.doctor.gathering.certificate import read_certificate
from webhook.commands.flags.parsing import parse
from webhook.diagnosis.doctor.facts import Replica
from webhook.diagnosis.doctor.read import Read

_NOW = datetime.now(UTC)
_FOREIGN = issue_leaf(issue_ca(_NOW, common_name="another CA"), NAMES, _NOW)
_FOREIGN_END = ends_at(_FOREIGN.certificate).timestamp()
_END = 'pod_identity_webhook_certificate_expiry_timestamp_seconds{kind="serving"}'
_OTHER_END = 4102444800.0


@pytest.mark.parametrize(
    ("end", "environ", "is_foreign", "is_seen"),
    [
        pytest.param(_OTHER_END, {}, True, False, id="another machine"),
        pytest.param(_FOREIGN_END, {}, True, True, id="the metrics know it"),
        pytest.param(_OTHER_END, {}, False, True, id="the caBundle verifies it"),
        pytest.param(_OTHER_END, {"KUBERNETES_SERVICE_HOST": "10.0.0.2"}, True, True, id="in the network"),
    ],
)
async def test_what_answers_counts_only_if_it_is_the_replica(
    tmp_path: Path, end: float, environ: dict[str, str], *, is_foreign: bool, is_seen: bool
) -> None:
    replica = Replica(name="one", is_ready=True, metrics=Read({_END: end}))
    with installation() as here, served(_FOREIGN if is_foreign else here.leaf, tmp_path) as address:
        host, port = address.split(":")
        ports = [{"name": "https", "containerPort": int(port)}]
        pod = {
            "metadata": {"name": "one"},
            "spec": {"containers": [{"name": "webhook", "ports": ports}]},
            "status": {"podIP": host},
        }
        parsed = parse(DOCTOR_FLAGS, [*here.flags, f"--webhook-configuration={NAME}"], {})
        read = await read_certificate(ServiceName(NAMESPACE, NAME), parsed, environ, [pod], [replica], _NOW)

    assert any(text.startswith("replica one serves a leaf until") for text in read.seen) is is_seen
    assert any("something else answers at 127.0.0.1" in text for text in read.unseen) is not is_seen
