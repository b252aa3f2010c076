"""An issuer with one key, an account that trusts it, and the stand-in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.issuer.keys import rsa_key
from tests.sts.accounts import Account, Role
from tests.sts.bounded_fetch import Fetcher
from tests.sts.policies import trust_policy
from tests.sts.published import publish
from tests.sts.requests import ISSUER, SUBJECT
from tests.sts.server import Sts
from tests.sts.static_host import StaticHost
from webhook.issuer.jwks import jwk_of
from webhook.issuer.trust_policy.provider import ProviderArn

_NUMBER = "111122223333"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[StaticHost]:
    own = StaticHost(tmp_path, "oidc.example.test")
    publish(own, ISSUER, [jwk_of(rsa_key().public_key())])
    yield own
    own.close()


@pytest.fixture
def account() -> Account:
    provider = ProviderArn("aws", _NUMBER, ISSUER.removeprefix("https://"))
    role = Role(trust_policy(provider, SUBJECT))
    return Account({provider.path: {"sts.amazonaws.com"}}, {"s3-reader": role, "teams/shop/s3-writer": role})


@pytest.fixture
def sts(host: StaticHost, account: Account) -> Iterator[Sts]:
    own = Sts(Fetcher(host.ca, {host.name: host.address}), {_NUMBER: account})
    yield own
    own.close()
