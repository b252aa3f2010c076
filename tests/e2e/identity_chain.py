"""IRSA's chain from a pod to STS, for one test, with every link whole. A test may break one."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.aws.programs import AwsPrograms, Outcome
from tests.e2e.api import Object
from tests.e2e.issuing_cluster import HOST, ISSUER, IssuingCluster
from tests.e2e.own_command import run_as_admin
from tests.sts.accounts import Account, Role
from tests.sts.bounded_fetch import Fetcher
from tests.sts.policies import trust_policy
from tests.sts.server import Sts
from tests.sts.static_host import StaticHost
from webhook.issuer.trust_policy.provider import ProviderArn

ACCOUNT_NUMBER: Final = "111122223333"
SERVICE_ACCOUNT: Final = "reports"
PROVIDER: Final = ProviderArn("aws", ACCOUNT_NUMBER, ISSUER.removeprefix("https://"))


@dataclass
class Chain:
    """The links. `container` is the environment of the container that the AWS programs run in.

    `documents` is the folder of the published documents on `host`; `account` is the role's account in `sts`.
    """

    cluster: IssuingCluster
    namespace: str
    container: dict[str, str]
    host: StaticHost
    documents: Path
    account: Account
    sts: Sts
    aws: AwsPrograms
    pod: Object

    @property
    def asked_namespace(self) -> str:
        """The namespace of the pod that the test is about."""
        return str(self.pod["metadata"]["namespace"])

    @property
    def pod_name(self) -> str:
        return str(self.pod["metadata"]["name"])

    @property
    def subject(self) -> str:
        return f"system:serviceaccount:{self.namespace}:{SERVICE_ACCOUNT}"

    def trust(self, policy: str) -> None:
        """Gives the role another trust policy."""
        self.account.roles["s3-reader"] = Role(policy)

    def cli(self) -> Outcome:
        """Asks with the AWS CLI who it is."""
        return self.aws.cli(self.container)

    def trust_rendered(self) -> None:
        """Gives the role the trust policy that `trust-policy render` writes for the ServiceAccount."""
        account = f"--service-account={self.namespace}/{SERVICE_ACCOUNT}"
        words = (f"--issuer={ISSUER}", f"--account={ACCOUNT_NUMBER}", account)
        self.trust(run_as_admin(self.cluster.cluster, "trust-policy", "render", *words))

    def verify(self, *, code: int) -> str:
        """Runs `issuer verify` on the issuer and the container's token; it must end with `code`."""
        ca = self._file("ca.crt", self.host.ca)
        address = "{}:{}".format(*self.host.address)
        words = (self._token, f"--ca-file={ca}", f"--connect-to={address}")
        return run_as_admin(self.cluster.cluster, "issuer", "verify", ISSUER, *words, code=code)

    def explain(self, *, code: int) -> str:
        """Runs `trust-policy explain` on the role's policy and the container's token; it must end with `code`."""
        policy = self._file("policy.json", self.account.roles["s3-reader"].trust_policy.encode())
        return run_as_admin(self.cluster.cluster, "trust-policy", "explain", str(policy), self._token, code=code)

    @property
    def _token(self) -> str:
        return f"--token={self.container['AWS_WEB_IDENTITY_TOKEN_FILE']}"

    def _file(self, name: str, content: bytes) -> Path:
        path = self.documents.parent / name
        path.write_bytes(content)
        return path


def whole_chain(cluster: IssuingCluster, directory: Path, purpose: str, aws: Path) -> Chain:
    """Creates a namespace, a ServiceAccount and a pod, publishes the documents, and creates provider and role.

    `aws` is the environment of the AWS programs. The caller must `end` the chain.
    """
    namespace = cluster.namespace(purpose, SERVICE_ACCOUNT, role_session_name="pod-name")
    host = StaticHost(directory / "host", HOST)
    documents = host.files / "clusters/one"
    shutil.copytree(cluster.rendered, documents)
    account = Account({PROVIDER.path: {"sts.amazonaws.com"}})
    sts = Sts(Fetcher(host.ca, {HOST: host.address}), {ACCOUNT_NUMBER: account})
    pod = cluster.pod(namespace, SERVICE_ACCOUNT)
    container = cluster.container(pod)
    chain = Chain(cluster, namespace, container, host, documents, account, sts, AwsPrograms(aws, sts.url), pod)
    chain.trust(trust_policy(PROVIDER, chain.subject))
    return chain


def end(chain: Chain) -> None:
    chain.sts.close()
    chain.host.close()
