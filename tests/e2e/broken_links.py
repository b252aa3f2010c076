"""The ways in which a link of IRSA's chain breaks, and what the AWS CLI then prints."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Literal

from tests.e2e.api import Object
from tests.e2e.identity_chain import PROVIDER, SERVICE_ACCOUNT, Chain
from tests.e2e.issuing_cluster import ISSUER
from tests.e2e.objects import ROLE, service_accounts
from tests.issuer.keys import rsa_key
from tests.sts.accounts import Account
from tests.sts.policies import trust_policy
from webhook.issuer.jwks import jwk_of, jwks_document

_DISCOVERY: Final = ".well-known/openid-configuration"
_JWKS: Final = "openid/v1/jwks"
_NO_KEY: Final = (
    "Couldn't retrieve verification key from your identity provider, "
    "please reference AssumeRoleWithWebIdentity documentation for requirements"
)
_NO_PROVIDER: Final = f"No OpenIDConnect provider found in your account for {ISSUER}"
_DENIED: Final = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
FoundBy = Literal["issuer verify", "trust-policy explain"]


@dataclass(frozen=True)
class Broken:
    """`damage` breaks the chain; STS then refuses with this code and message, in which TIME is a time in seconds."""

    damage: Callable[[Chain], object]
    code: str
    message: str
    calls: int = 1
    """How often the CLI asks STS: it tries again if the issuer could not be reached."""
    found_by: FoundBy | None = None
    """Which command of ours finds it."""

    @property
    def printed(self) -> str:
        """What the AWS CLI prints."""
        tried = f" (reached max retries: {self.calls - 1})" if self.calls > 1 else ""
        operation = f"the AssumeRoleWithWebIdentity operation{tried}"
        return f"An error occurred ({self.code}) when calling {operation}: {self.message}"


def _refused(damage: Callable[[Chain], object], message: str, code: str = "InvalidIdentityToken") -> Broken:
    return Broken(damage, code, message)


def _no_key(damage: Callable[[Chain], object]) -> Broken:
    """Returns a damage of the published documents."""
    return Broken(damage, "InvalidIdentityToken", _NO_KEY, found_by="issuer verify")


def _denied(policy: Callable[[Chain], str]) -> Broken:
    return Broken(lambda chain: chain.trust(policy(chain)), "AccessDenied", _DENIED, found_by="trust-policy explain")


def _document(path: str, body: bytes) -> Callable[[Chain], object]:
    return lambda chain: (chain.documents / path).write_bytes(body)


def _audience_annotated(chain: Chain) -> None:
    namespace = chain.cluster.namespace("other-audience", SERVICE_ACCOUNT, audience="other.example.test")
    chain.pod = chain.cluster.pod(namespace, SERVICE_ACCOUNT)
    chain.container = chain.cluster.container(chain.pod)


def _other_account(chain: Chain) -> None:
    """The provider is in another account than the role."""
    provider = dict(chain.account.providers)
    chain.account.providers.clear()
    chain.sts.accounts["444455556666"] = Account(provider)


def _private_bucket(chain: Chain) -> None:
    xml = b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'
    answer = b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\n\r\n" + xml
    chain.host.answers[f"/clusters/one/{_DISCOVERY}"] = [answer]


def _slash_in_discovery(chain: Chain) -> None:
    document = chain.documents / _DISCOVERY
    text = document.read_text()
    assert f'"{ISSUER}"' in text
    document.write_text(text.replace(f'"{ISSUER}"', f'"{ISSUER}/"'))


def _policy_of(issuer: str) -> Callable[[Chain], str]:
    """Returns a policy for the provider of another issuer."""
    return lambda chain: trust_policy(replace(PROVIDER, path=issuer), chain.subject)


BROKEN_LINKS: Final[dict[str, Broken]] = {
    "the provider lacks the audience": _refused(
        lambda chain: chain.account.providers.update({PROVIDER.path: {"other"}}), "Incorrect token audience"
    ),
    "the annotation asks for another audience": Broken(
        _audience_annotated, "InvalidIdentityToken", "Incorrect token audience", found_by="issuer verify"
    ),
    "only the policy wants another audience": _denied(
        lambda chain: trust_policy(PROVIDER, chain.subject, audience="other")
    ),
    "the provider is that of another issuer": _refused(
        lambda chain: chain.account.providers.update(
            {"oidc.example.test/clusters/two": chain.account.providers.pop(PROVIDER.path)}
        ),
        _NO_PROVIDER,
    ),
    "the provider has a trailing slash": _refused(
        lambda chain: chain.account.providers.update({f"{PROVIDER.path}/": chain.account.providers.pop(PROVIDER.path)}),
        _NO_PROVIDER,
    ),
    "there is no provider": _refused(lambda chain: chain.account.providers.clear(), _NO_PROVIDER),
    "the provider is in another account": _refused(_other_account, _NO_PROVIDER),
    "the JWKS has no keys": _no_key(_document(_JWKS, b'{"keys": []}')),
    "the JWKS has 0 bytes": _no_key(_document(_JWKS, b"")),
    "the JWKS is not there": _no_key(lambda chain: (chain.documents / _JWKS).unlink()),
    "the bucket is private": _no_key(_private_bucket),
    "the JWKS has the keys of another cluster": _no_key(
        _document(_JWKS, jwks_document([jwk_of(rsa_key().public_key())]))
    ),
    "the discovery document has a trailing slash in its issuer": _no_key(_slash_in_discovery),
    "the issuer's host is down": Broken(
        lambda chain: chain.host.stop(),
        "IDPCommunicationError",
        "The identity provider could not be reached",
        calls=5,
        found_by="issuer verify",
    ),
    "the token has expired": _refused(
        lambda chain: chain.sts.clock.advance(timedelta(hours=24, minutes=6)),
        "Token expired: current date/time TIME must be before the expiration date/time TIME",
        "ExpiredTokenException",
    ),
    "the policy is for another ServiceAccount": _denied(
        lambda chain: trust_policy(PROVIDER, f"system:serviceaccount:{chain.namespace}:other")
    ),
    "the policy is for the same name in another namespace": _denied(
        lambda chain: trust_policy(PROVIDER, chain.subject.replace(chain.namespace, "other"))
    ),
    "the policy has a wildcard under StringEquals": _denied(
        lambda chain: trust_policy(PROVIDER, f"system:serviceaccount:{chain.namespace}:*")
    ),
    "the policy trusts the provider of another issuer": _denied(_policy_of("oidc.example.test/clusters/two")),
    "the policy's condition keys have a trailing slash": _denied(
        lambda chain: trust_policy(PROVIDER, chain.subject, prefix=f"{PROVIDER.path}/")
    ),
    "the policy allows another action": _denied(
        lambda chain: trust_policy(PROVIDER, chain.subject, action="sts:AssumeRole")
    ),
    "there is no such role": Broken(lambda chain: chain.account.roles.clear(), "AccessDenied", _DENIED),
}


def created_before_annotation(chain: Chain) -> Object:
    """Takes a pod that is older than the annotation of its ServiceAccount, and returns it."""
    admin = chain.cluster.cluster.admin
    namespace = chain.cluster.cluster.namespace("too-late")
    admin.create(service_accounts(namespace), {"metadata": {"name": SERVICE_ACCOUNT}})
    chain.pod = chain.cluster.pod(namespace, SERVICE_ACCOUNT, labels={})
    annotated = {"metadata": {"annotations": {"eks.amazonaws.com/role-arn": ROLE}}}
    admin.patch(f"{service_accounts(namespace)}/{SERVICE_ACCOUNT}", annotated)
    chain.container = chain.cluster.container(chain.pod)
    return chain.pod
