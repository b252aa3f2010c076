"""A rotation of the key that signs tokens: the API server, the published documents, and two STS that look at them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from tests.e2e.cluster import Cluster
from tests.e2e.identity_chain import PROVIDER
from tests.e2e.issuing_cluster import HOST, ISSUER
from tests.e2e.objects import service_account, service_accounts
from tests.e2e.own_command import run_as_admin
from tests.e2e.signing_keys import SigningKey, new_signing_key
from tests.sts.accounts import Account, Role
from tests.sts.bounded_fetch import Fetcher
from tests.sts.clock import Clock
from tests.sts.policies import trust_policy
from tests.sts.requests import assume
from tests.sts.server import Sts
from tests.sts.static_host import StaticHost

AUDIENCE: Final = "sts.amazonaws.com"
LIFETIME: Final = timedelta(hours=24)
CACHED_FOR: Final = timedelta(hours=1)


@dataclass(frozen=True)
class _Token:
    text: str
    expires: datetime


class Rotation:
    """Begins with the old key only; `tokens` are those that the API server signed so far.

    AWS has many STS servers, so there are two: `cached` keeps the keys for an hour, and `fresh` has just started.
    """

    def __init__(self, cluster: Cluster, directory: Path) -> None:
        self.cluster = cluster
        self.new: SigningKey = new_signing_key(directory)
        self._namespace = cluster.namespace("rotation")
        cluster.admin.create(service_accounts(self._namespace), service_account("reports"))
        self.host = StaticHost(directory / "host", HOST)
        self._documents = self.host.files / "clusters/one"
        subject = f"system:serviceaccount:{self._namespace}:reports"
        account = Account({PROVIDER.path: {AUDIENCE}}, {"s3-reader": Role(trust_policy(PROVIDER, subject))})
        self.clock = Clock()
        self.cached, self.fresh = (
            Sts(
                Fetcher(self.host.ca, {HOST: self.host.address}),
                {PROVIDER.account: account},
                keep_keys=keep,
                clock=self.clock,
            )
            for keep in (CACHED_FOR, timedelta())
        )
        self.tokens: list[_Token] = []
        run_as_admin(cluster, "issuer", "render", f"--issuer={ISSUER}", "--live", f"--output-dir={self._documents}")
        self.old_jwks = self.jwks.read_bytes()

    def close(self) -> None:
        self.cached.close()
        self.fresh.close()
        self.host.close()

    @property
    def jwks(self) -> Path:
        """The published JWKS."""
        return self._documents / "openid/v1/jwks"

    def publish_merged(self) -> str:
        """Publishes the old and the new key; returns the report of `issuer merge`."""
        return run_as_admin(
            self.cluster, "issuer", "merge", str(self.jwks), str(self.new.public), f"--output-file={self.jwks}"
        )

    def drop_old(self) -> None:
        """Publishes the new key alone."""
        words = (f"--issuer={ISSUER}", f"--public-key={self.new.public}", f"--output-dir={self._documents}")
        run_as_admin(self.cluster, "issuer", "render", *words)

    def sign(self) -> str:
        """Lets the API server sign a token that is valid for the longest lifetime from the clock's time on.

        Its own clock does not move, so it signs one that is as much longer as the clock is ahead.
        """
        expires = self.clock.now() + LIFETIME
        ahead = self.clock.now() - datetime.now(expires.tzinfo)
        spec = {"audiences": [AUDIENCE], "expirationSeconds": round((ahead + LIFETIME).total_seconds())}
        path = f"{service_accounts(self._namespace)}/reports/token"
        token = _Token(str(self.cluster.admin.create(path, {"spec": spec})["status"]["token"]), expires)
        self.tokens.append(token)
        return token.text

    def refusals(self) -> list[tuple[str, int, str]]:
        """Returns who refuses which valid token, by its number, and how: the API server, or one of the two STS."""
        found = []
        for number, token in enumerate(self.tokens):
            if not self._is_accepted_by_api_server(token):
                found.append(("API server", number, "not authenticated"))
            if self.clock.now() < token.expires:
                for name, sts in (("cached", self.cached), ("fresh", self.fresh)):
                    answer = assume(sts, WebIdentityToken=token.text)
                    if answer.status != 200:
                        found.append((name, number, answer.texts["Code"]))
        return found

    def _is_accepted_by_api_server(self, token: _Token) -> bool:
        review = {"spec": {"token": token.text, "audiences": [AUDIENCE]}}
        answer = self.cluster.admin.create("/apis/authentication.k8s.io/v1/tokenreviews", review)
        return bool(answer["status"].get("authenticated"))
