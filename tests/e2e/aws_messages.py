"""What AWS programs print in a pod whose identity is broken, by the entries of docs/troubleshooting.md."""

import json
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import httpx

from tests.aws.instance_metadata import NODE_ROLE, InstanceMetadata
from tests.e2e.api import Object
from tests.e2e.broken_links import BROKEN_LINKS, created_before_annotation
from tests.e2e.identity_chain import ACCOUNT_NUMBER, SERVICE_ACCOUNT, Chain
from tests.e2e.objects import ROLE, pods, service_account, service_accounts
from tests.sts.accounts import Role

_INSTANCE: Final = "i-0123456789abcdef0"
_MOUNT: Final = "/var/run/secrets/eks.amazonaws.com/serviceaccount"
_SKIPPED: Final = {"eks.amazonaws.com/skip-pod-identity-webhook": "true"}
_STS: Final = "{https://sts.amazonaws.com/doc/2011-06-15/}"


@dataclass(frozen=True)
class Broken:
    """What the program printed, and the pod that it printed it in."""

    printed: str
    namespace: str
    pod: str


def _link(name: str) -> Callable[[Chain], Broken]:
    def broken(chain: Chain) -> Broken:
        BROKEN_LINKS[name].damage(chain)
        return _in_its_pod(chain, chain.cli().error)

    return broken


def _in_its_pod(chain: Chain, printed: str) -> Broken:
    return Broken(printed, chain.namespace, chain.container["AWS_ROLE_SESSION_NAME"])


def _in_pod(created: Object, printed: str) -> Broken:
    return Broken(printed, created["metadata"]["namespace"], created["metadata"]["name"])


def _without_a_role(chain: Chain) -> Broken:
    created = created_before_annotation(chain)
    return _in_pod(created, chain.cli().error)


def _on_the_role_of_the_node(chain: Chain) -> Broken:
    """The container has nothing, and the SDK gets the credentials of the instance."""
    chain.account.roles[NODE_ROLE] = Role(chain.account.roles["s3-reader"].trust_policy)
    metadata = InstanceMetadata(_credentials_of_the_node(chain))
    try:
        created = created_before_annotation(chain)
        found = {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata.url}
        return _in_pod(created, chain.aws.cli(chain.container | found).output)
    finally:
        metadata.close()


def _credentials_of_the_node(chain: Chain) -> dict[str, str]:
    """Returns credentials of the role `node`. In AWS, the instance has them from EC2."""
    parameters = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": f"arn:aws:iam::{ACCOUNT_NUMBER}:role/{NODE_ROLE}",
        "RoleSessionName": _INSTANCE,
        "WebIdentityToken": Path(chain.container["AWS_WEB_IDENTITY_TOKEN_FILE"]).read_text(),
    }
    answer = httpx.post(chain.sts.url, data=parameters, trust_env=False).raise_for_status().text
    (given,) = ET.fromstring(answer).iter(f"{_STS}Credentials")
    members = {member.tag.removeprefix(_STS): str(member.text) for member in given}
    return {"Token": members.pop("SessionToken"), **members}


def _without_a_region(chain: Chain) -> Broken:
    done = subprocess.run(
        [chain.aws.folder / "bin/aws", "ec2", "describe-instances"],
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true", **chain.container},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return _in_its_pod(chain, done.stderr.strip())


def _without_the_volume(chain: Chain) -> Broken:
    """The variables are in the manifest, and the API server does not ask the webhook about the pod."""
    variables = {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": f"{_MOUNT}/token"}
    admin = chain.cluster.cluster.admin
    namespace = chain.cluster.cluster.namespace("own-variables")
    admin.create(service_accounts(namespace), service_account(SERVICE_ACCOUNT, ROLE))
    env = [{"name": name, "value": value} for name, value in variables.items()]
    container = {"name": "app", "image": "example.invalid/app", "env": env}
    spec = {"serviceAccountName": SERVICE_ACCOUNT, "automountServiceAccountToken": False, "containers": [container]}
    created = admin.create(pods(namespace), {"metadata": {"name": "copied", "labels": _SKIPPED}, "spec": spec})
    return _in_pod(created, chain.aws.cli(chain.cluster.container(created)).error)


def _without_the_service_account(chain: Chain) -> Broken:
    """Kubelet's message needs a kubelet: see tests/cluster_e2e. Here is what its proof shows."""
    broken = _in_its_pod(chain, "")
    chain.cluster.cluster.admin.delete(f"{service_accounts(chain.namespace)}/{SERVICE_ACCOUNT}")
    return broken


def role_of_iam(chain: Chain) -> str:
    """Returns the output of `aws iam get-role`."""
    policy = json.loads(chain.account.roles["s3-reader"].trust_policy)
    role = {"Path": "/", "RoleName": "s3-reader", "Arn": ROLE, "AssumeRolePolicyDocument": policy}
    return json.dumps({"Role": role}, indent=4)


MESSAGES: Final[dict[str, Callable[[Chain], Broken]]] = {
    "no AWS_ROLE_ARN": lambda chain: replace(_without_a_role(chain), printed=""),
    "Unable to locate credentials": _without_a_role,
    "the node's role instead of the pod's": _on_the_role_of_the_node,
    "You must specify a region": _without_a_region,
    "No such file or directory: …/token": _without_the_volume,
    "AccessDenied": _link("the policy is for another ServiceAccount"),
    "No OpenIDConnect provider found": _link("there is no provider"),
    "Couldn't retrieve verification key": _link("the JWKS has the keys of another cluster"),
    "Incorrect token audience": _link("the provider lacks the audience"),
    "ExpiredTokenException": _link("the token has expired"),
    "IDPCommunicationError": _link("the issuer's host is down"),
    'MountVolume.SetUp failed for volume "aws-iam-token"': _without_the_service_account,
    # tests/programs makes its message; here is what its proof shows.
    "could not get token": lambda chain: _in_its_pod(chain, ""),
}
