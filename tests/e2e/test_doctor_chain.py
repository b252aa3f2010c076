"""`doctor serviceaccount` and `doctor pod`: each broken link of the chain is named as that, by one step.

Real are the API server, the webhook as Helm installs it, the published documents and the AWS CLI; tests/sts stands in
for STS and IAM.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.api import Object
from tests.e2e.broken_links import BROKEN_LINKS, Broken, created_before_annotation
from tests.e2e.doctor_command import Said, doctor
from tests.e2e.identity_chain import ACCOUNT_NUMBER, SERVICE_ACCOUNT, Chain
from tests.e2e.issuing_cluster import IssuingCluster
from tests.e2e.objects import pod, pod_spec, pods
from tests.e2e.replica_objects import publish_replicas
from tests.sts.iam import Iam

# The step that names each broken link, and words of what it found.
_NAMED = {
    "the provider lacks the audience": ("audience", "the token is for sts.amazonaws.com; the provider has other"),
    "the annotation asks for another audience": ("audience", "the token is for other.example.test; the provider has "),
    "only the policy wants another audience": ("trust-policy", ":aud: the policy has other, the token sts.amazonaws"),
    "the provider is that of another issuer": ("provider", "; it has oidc.example.test/clusters/two"),
    "the provider has a trailing slash": ("provider", "which differs in the slash at the end"),
    "there is no provider": ("provider", "account 111122223333 has no provider oidc.example.test/clusters/one"),
    "the provider is in another account": ("provider", "account 111122223333 has no provider"),
    "the JWKS has no keys": ("keys", "it is empty"),
    "the JWKS has 0 bytes": ("keys", "it is empty (0 bytes)"),
    "the JWKS is not there": ("keys", "HTTP 404"),
    "the bucket is private": ("discovery", "HTTP 403"),
    "the JWKS has the keys of another cluster": ("keys", "is none of"),
    "the discovery document has a trailing slash in its issuer": ("issuer", "the document says"),
    "the issuer's host is down": ("discovery", "refuses the connection"),
    "the policy is for another ServiceAccount": ("trust-policy", ":other, the token system:serviceaccount:"),
    "the policy is for the same name in another namespace": ("trust-policy", "system:serviceaccount:other:reports, "),
    "the policy has a wildcard under StringEquals": ("trust-policy", ":*, the token system:serviceaccount:"),
    "the policy trusts the provider of another issuer": ("trust-policy", "none of its principals is the token's"),
    "the policy's condition keys have a trailing slash": ("trust-policy", "oidc.example.test/clusters/one/:sub: "),
    "the policy allows another action": ("trust-policy", "Action names other actions only: sts:AssumeRole"),
    "there is no such role": ("trust-policy", "there is no role arn:aws:iam::111122223333:role/s3-reader"),
    "the token has expired": ("assume-role", "ExpiredTokenException: Token expired"),
}

# Where the message of STS points, if that is another step than the one at fault: it says only that it has no key.
_POINTED = {
    "the bucket is private": "keys",
    "the discovery document has a trailing slash in its issuer": "keys",
    "the token has expired": "pod-token",
}


@pytest.fixture(scope="module")
def issuing_cluster(issuing_cluster: IssuingCluster) -> IssuingCluster:
    """The cluster, with what the webhook's replicas publish of themselves."""
    assert issuing_cluster.release is not None
    publish_replicas(issuing_cluster.release)
    return issuing_cluster


@pytest.fixture
def ask(chain: Chain, aws: Path) -> Iterator[Callable[..., Said]]:
    """Returns a function that runs `doctor` with all that it can see of the chain."""
    iam = Iam(ACCOUNT_NUMBER, chain.account)
    environ = {
        "PATH": f"{aws / 'bin'}:/usr/bin:/bin",
        "AWS_ENDPOINT_URL_STS": chain.sts.url,
        "AWS_ENDPOINT_URL_IAM": iam.url,
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "not-used-by-anyone",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    ca = chain.documents.parent / "ca.crt"
    ca.write_bytes(chain.host.ca)
    address = "{}:{}".format(*chain.host.address)
    words = (f"--ca-file={ca}", f"--connect-to={address}", "--role-from-aws", "--assume-role")

    def run(*target: str, flags: tuple[str, ...] = words, symptom: str = "") -> Said:
        pasted = (f"--symptom={symptom}",) if symptom else ()
        return doctor(chain.cluster.cluster.kubeconfig, *target, *flags, *pasted, environ=environ)

    yield run
    iam.close()


def test_on_a_whole_chain_every_step_is_fine(chain: Chain, ask: Callable[..., Said]) -> None:
    said = ask("serviceaccount", f"{chain.namespace}/{SERVICE_ACCOUNT}")

    assert (said.code, said.failed, said.error) == (0, [], ""), said.lines()
    assert set(said.statuses.values()) == {"ok"}, said.statuses
    assert said.step("assume-role")["found"] == (
        "arn:aws:sts::111122223333:assumed-role/s3-reader/pod-identity-webhook-doctor"
    )


def test_of_a_pod_its_variables_volume_and_mount_are_checked_too(chain: Chain, ask: Callable[..., Said]) -> None:
    said = ask("pod", f"{chain.namespace}/{chain.pod_name}")

    assert (said.code, said.failed) == (0, []), said.lines()
    assert {name: said.statuses[name] for name in ("pod-variables", "pod-volume", "pod-mount")} == dict.fromkeys(
        ("pod-variables", "pod-volume", "pod-mount"), "ok"
    )


@pytest.mark.any_version
@pytest.mark.parametrize(("name", "broken"), BROKEN_LINKS.items(), ids=BROKEN_LINKS)
def test_a_broken_link_is_named_as_that(
    chain: Chain, ask: Callable[..., Said], name: str, broken: Broken, measured: Callable[[str], None]
) -> None:
    broken.damage(chain)
    step, words = _NAMED[name]

    said = ask("serviceaccount", f"{chain.asked_namespace}/{SERVICE_ACCOUNT}", symptom=broken.printed)

    measured(f"{name} → {said.failed}: {said.step(said.failed[0])['found']} | {said.step(said.failed[0])['next']}")
    assert said.code == 1
    assert said.failed[0] == step, said.lines()
    assert words in said.step(step)["found"], said.lines()
    assert said.document["symptom"]["step"] == _POINTED.get(name, step)


def test_a_pod_older_than_the_annotation_is_named_as_that(chain: Chain, ask: Callable[..., Said]) -> None:
    created_before_annotation(chain)

    said = ask("pod", f"{chain.asked_namespace}/{chain.pod_name}", flags=())

    assert [step for step in said.failed if step.startswith("pod-")] == ["pod-variables", "pod-volume"], said.lines()
    assert (
        "has neither AWS_ROLE_ARN nor AWS_WEB_IDENTITY_TOKEN_FILE: the pod is of "
        in (said.step("pod-variables")["found"])
    )
    assert said.step("dry-run")["status"] == "ok"


def test_of_a_deployment_the_newest_pod_is_taken_and_its_template_is_tried(
    chain: Chain, ask: Callable[..., Said]
) -> None:
    """There is no controller here, so the test creates what the controllers would."""
    admin, namespace = chain.cluster.cluster.admin, chain.namespace
    labels = {"app": "web", "eks.amazonaws.com/skip-pod-identity-webhook": "true"}
    template = {"metadata": {"labels": labels}, "spec": pod_spec(SERVICE_ACCOUNT)}
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
    apps = f"/apis/apps/v1/namespaces/{namespace}"
    deployment = admin.create(f"{apps}/deployments", {"metadata": {"name": "web"}, "spec": spec})
    owned = {"name": "web-1", "labels": labels, "ownerReferences": [_owner("Deployment", deployment)]}
    replica_set = admin.create(f"{apps}/replicasets", {"metadata": owned, "spec": spec})
    made = pod("web-1-a", SERVICE_ACCOUNT, labels=labels)
    made["metadata"]["ownerReferences"] = [_owner("ReplicaSet", replica_set)]
    admin.create(pods(namespace), made)

    said = ask("deployment/web", f"--namespace={namespace}", flags=(), symptom="Unable to locate credentials")

    assert said.document["subject"] == f"Pod {namespace}/web-1-a, which runs as ServiceAccount {SERVICE_ACCOUNT}"
    # The pod was not injected: what would not inject a new one either comes first.
    assert said.failed[:3] == ["called", "dry-run", "pod-variables"], said.lines()
    assert "eks.amazonaws.com/skip-pod-identity-webhook" in said.step("called")["found"]
    assert said.step("pod-variables")["next"] == f"kubectl -n {namespace} rollout restart deployment/web"


def _owner(kind: str, owner: Object) -> Object:
    metadata = owner["metadata"]
    named = {"name": metadata["name"], "uid": metadata["uid"], "controller": True}
    return {"apiVersion": "apps/v1", "kind": kind, **named}
