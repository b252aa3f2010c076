"""AWS's side of the cluster's issuer: its published documents on a host of the test, and a stand-in for STS."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.cluster_e2e.connection import ProxiedApi
from tests.cluster_e2e.workloads import ACCOUNT
from tests.sts.accounts import Account, Role
from tests.sts.bounded_fetch import Fetcher
from tests.sts.policies import trust_policy
from tests.sts.server import Sts
from tests.sts.static_host import StaticHost
from webhook.issuer.trust_policy.provider import ProviderArn


@pytest.fixture
def issuer(api: ProxiedApi) -> str:
    """The issuer that the cluster's API server has."""
    return str(api.get("/.well-known/openid-configuration")["issuer"])


@pytest.fixture
def host(issuer: str, tmp_path: Path) -> Iterator[StaticHost]:
    """The issuer's documents, as `issuer render` takes them from the cluster."""
    parts = urlsplit(issuer)
    assert parts.scheme == "https", issuer
    assert parts.hostname is not None, issuer
    own = StaticHost(tmp_path / "host", parts.hostname)
    folder = own.files / parts.path.strip("/")
    subprocess.run(
        [sys.executable, "-m", "webhook", "issuer", "render", "--live", f"--issuer={issuer}", f"--output-dir={folder}"],
        cwd=Path(__file__).parents[2],
        check=True,
        timeout=60,
    )
    yield own
    own.close()


@pytest.fixture
def sts(host: StaticHost, issuer: str, namespace: str) -> Iterator[Sts]:
    provider = ProviderArn("aws", "111122223333", issuer.removeprefix("https://"))
    role = Role(trust_policy(provider, f"system:serviceaccount:{namespace}:{ACCOUNT}"))
    account = Account({provider.path: {"sts.amazonaws.com"}}, {"s3-reader": role})
    own = Sts(Fetcher(host.ca, {host.name: host.address}), {provider.account: account})
    yield own
    own.close()
