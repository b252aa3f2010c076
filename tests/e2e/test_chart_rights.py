"""With the rights that the chart grants for each kind of certificates, the API server refuses the webhook nothing."""

from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from certs.issue import Pair, issue_ca
from tests.charts.matrix import CA_INJECTOR, CERT_MANAGER, MATRIX, OWN_SECRET
from tests.charts.rendering import Values, merged
from tests.e2e.api import Object
from tests.e2e.cluster import Cluster
from tests.e2e.foreign_kinds import define_foreign_kinds
from tests.e2e.helm_release import HelmRelease
from tests.e2e.objects import ROLE, pod, pods, role_of, service_account, service_accounts
from tests.e2e.waiting import wait_until

# The values, and the Secret that somebody else makes for them.
KINDS: Final[dict[str, tuple[Values, str]]] = {
    "self-managed, with role mappings": (MATRIX["role mappings"], ""),
    "cert-manager": (CERT_MANAGER, "pod-identity-webhook-tls"),
    "an admin's Secret": (OWN_SECRET, "mine"),
    "cainjector": (CA_INJECTOR, "pod-identity-webhook-tls"),
    "cainjector, with role mappings": (merged(CA_INJECTOR, MATRIX["role mappings"]), "pod-identity-webhook-tls"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_rights_suffice(kind: str, cluster: Cluster, tmp_path: Path) -> None:
    values, secret = KINDS[kind]
    define_foreign_kinds(cluster)
    release = HelmRelease(cluster, tmp_path)
    try:
        ca = issue_ca(datetime.now(UTC), common_name="CA of somebody else")
        if secret:
            release.admin.create(release.secrets, _certificate(secret, ca, release.leaf(ca)))
        release.install(merged(values, {"config": {"verbosity": 1}}))
        if kind.startswith("cainjector"):
            _inject(release, ca)
        release.deployment.wait_rolled_out()
        users = cluster.namespace("users")
        cluster.admin.create(service_accounts(users), service_account("app", ROLE))
        wait_until(
            lambda: role_of(cluster.admin.create(pods(users), pod("app", "app"), dryRun="All")) == ROLE,
            "a pod to get its role",
            within=30,
            last_seen=release.deployment.last_lines,
        )
        assert release.deployment.trouble == []
        assert "apiGroups:" not in release.deployment.log_text(), "this is how the log names a missing rule"
    finally:
        release.close()


def _inject(release: HelmRelease, ca: Pair) -> None:
    """Writes the caBundle, as cainjector does."""
    entries = release.admin.get(release.configuration)["webhooks"]
    for entry in entries:
        entry["clientConfig"]["caBundle"] = b64encode(ca.certificate).decode()
    release.admin.patch(release.configuration, {"webhooks": entries})


def _certificate(name: str, ca: Pair, leaf: Pair) -> Object:
    data = {"ca.crt": ca.certificate, "tls.crt": leaf.certificate, "tls.key": leaf.private_key}
    encoded = {key: b64encode(value).decode() for key, value in data.items()}
    return {"metadata": {"name": name}, "type": "kubernetes.io/tls", "data": encoded}
