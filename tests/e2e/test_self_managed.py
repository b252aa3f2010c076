"""docs/self-managed.md on a real API server that has exactly the page's flags, from nothing to get-caller-identity.

The page's commands run in a shell, in their order. Three things are not real: the bucket is a local HTTPS server of
its name, STS is the stand-in of tests/sts, and aws commands for other services are recorded, not sent.
tests/docs/test_self_managed.py checks their parameters.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.aws.programs import AwsPrograms
from tests.docs.self_managed import (
    DOCUMENTS,
    FLAGS,
    HARDENING,
    ISSUER,
    KEYS,
    POD,
    PUBLISH,
    ROLE,
    ROTATION,
    WEBHOOK,
    blocks,
    flags,
    shown,
)
from tests.e2e.api import Object
from tests.e2e.cluster import Cluster
from tests.e2e.container_environment import container_environment
from tests.e2e.guide_walk import Walk, set_flags
from tests.e2e.helm_release import HelmRelease
from tests.e2e.issuing_cluster import wait_until_injected
from tests.e2e.objects import pods, service_account, service_accounts
from tests.helm_command import helm_command

ARN = "arn:aws:iam::111122223333:role/shop-reports"
SESSION = "arn:aws:sts::111122223333:assumed-role/shop-reports/"
JWKS = "openid/v1/jwks"
RBAC = "/apis/rbac.authorization.k8s.io/v1"


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory, aws: Path) -> Iterator[Walk]:
    """The cluster after steps 1 and 2: its API server has the page's key pair and flags."""
    directory = tmp_path_factory.mktemp("self-managed")
    cluster = Cluster(directory, issuer=ISSUER)
    walk = Walk(cluster, directory, aws)
    try:
        for command in shown(KEYS):
            walk.run(command)
        set_flags(cluster, flags(FLAGS, 0, str(walk.folder)))
        cluster.start()
        yield walk
    finally:
        walk.close()
        cluster.remove()


@pytest.fixture(scope="module")
def release(walk: Walk) -> Iterator[HelmRelease]:
    """The webhook as the page's helm command installs it."""
    release = HelmRelease(walk.cluster, walk.cluster.directory)
    try:
        release.install(helm_command(shown(WEBHOOK, "helm install ")[0]).values)
        yield release
    finally:
        release.close()


@pytest.fixture(scope="module")
def identity(walk: Walk, release: HelmRelease) -> Object:
    """Steps 3 to 7; returns what the pod's container prints."""
    for command in [*shown(DOCUMENTS, "pod-identity-webhook "), *shown(PUBLISH, "aws "), *shown(ROLE)]:
        walk.run(command)
    walk.apply_recorded()
    for command in shown(WEBHOOK, "kubectl "):
        walk.run(command.replace("--namespace pod-identity-webhook", f"--namespace {release.namespace}"))
    *before, apply, get, logs = shown(POD)
    for command in before:
        walk.run(command)
    wait_until_injected(walk.cluster, "shop", "reports", ARN)
    (walk.folder / "pod.yaml").write_text(blocks(POD, "yaml")[0])
    walk.run(apply)
    created = yaml.safe_load(walk.run(get))
    # Without a kubelet, the container does not run, so it has no log yet.
    assert walk.run(logs) == ""
    container = container_environment(walk.cluster.admin, created, walk.folder / "mounts")
    arguments = created["spec"]["containers"][0]["args"]
    return AwsPrograms(walk.aws, walk.sts.url).cli(container, *arguments).identity()


def test_the_guide_leads_to_the_role(identity: Object, walk: Walk) -> None:
    assert identity["Arn"].startswith(SESSION)
    assert identity["Account"] == "111122223333"
    # By hand with the plain token, and then the pod, which asked who it is.
    assert [(call.action, call.code) for call in walk.sts.calls] == [
        ("AssumeRoleWithWebIdentity", ""),
        ("AssumeRoleWithWebIdentity", ""),
        ("GetCallerIdentity", ""),
    ]
    documented = json.loads(blocks(POD, "json")[0])
    assert documented.keys() == identity.keys()


def test_the_api_server_has_the_issuer_of_the_flags(walk: Walk) -> None:
    (look,) = shown(FLAGS)

    assert json.loads(walk.run(look))["issuer"] == ISSUER


@pytest.mark.usefixtures("identity")
def test_each_step_shows_that_it_worked(walk: Walk) -> None:
    (verify,) = shown(PUBLISH, "pod-identity-webhook issuer verify ")
    (live,) = shown(POD, "pod-identity-webhook ")
    discovery, jwks = shown(PUBLISH, "curl ")

    assert "✗" not in walk.run(verify)
    assert "✗" not in walk.run(live)
    assert json.loads(walk.run(discovery))["issuer"] == ISSUER
    assert walk.run(jwks).encode() == walk.published(JWKS)


@pytest.mark.usefixtures("identity")
def test_plain_tools_make_the_same_documents(walk: Walk) -> None:
    ours = json.loads(walk.published(JWKS))
    for command in shown(DOCUMENTS):
        if not command.startswith("pod-identity-webhook "):
            walk.run(command)

    plain = json.loads((walk.folder / "issuer" / JWKS).read_text())
    assert plain == ours
    walk.run(shown(DOCUMENTS, "pod-identity-webhook ")[0])


def test_a_token_for_aws_opens_the_api_server_only_if_its_audience_is_listed(walk: Walk) -> None:
    token = token_of(walk.cluster, "audience", audiences=["sts.amazonaws.com"])
    assert not is_accepted(walk.cluster, token)

    walk.cluster.restart_api_server(f"--api-audiences={ISSUER},sts.amazonaws.com")
    assert is_accepted(walk.cluster, token)
    walk.cluster.restart_api_server()


@pytest.mark.usefixtures("identity")
def test_who_may_create_pods_uses_any_service_account_and_the_verb_use_changes_nothing(walk: Walk) -> None:
    questions = shown(HARDENING, "kubectl ")
    assert [walk.run(question, code=1).strip() for question in questions] == ["no"] * 3
    walk.run("kubectl --namespace shop create role makes-pods --verb create --resource pods")
    walk.run("kubectl --namespace shop create rolebinding makes-pods --role makes-pods --user alice")
    # kubectl create role refuses the verb, because the resource has no such one; the API server stores it.
    rule = {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["use"]}
    walk.cluster.admin.create(f"{RBAC}/namespaces/shop/roles", {"metadata": {"name": "uses"}, "rules": [rule]})
    walk.run("kubectl --namespace shop create rolebinding uses --role uses --user bob")
    body = blocks(POD, "yaml")[0]
    (walk.folder / "of-alice.yaml").write_text(body.replace("whoami", "of-alice"))

    assert walk.run(questions[0]).strip() == "yes"
    walk.run("kubectl create --filename of-alice.yaml --as alice")
    made = walk.cluster.admin.get(f"{pods('shop')}/of-alice")
    assert {"name": "AWS_ROLE_ARN", "value": ARN} in made["spec"]["containers"][0]["env"]
    walk.run("kubectl create --filename of-alice.yaml --as bob", code=1)


@pytest.mark.usefixtures("identity")
def test_the_rotation_in_its_order_leaves_every_new_token_valid(walk: Walk) -> None:
    keys, merge_and_publish = shown(ROTATION)[:2], shown(ROTATION)[2:4]
    listed, put, live, render, publish = shown(ROTATION)[4:]
    (old,) = kids(walk.published(JWKS))
    for command in [*keys, *merge_and_publish]:
        walk.run(command)
    both = kids(walk.published(JWKS))
    assert len(both) == 2

    walk.restart_with(ROTATION, 0)
    walk.run(listed)
    walk.run(put)
    assert kids(walk.published(JWKS)) == both
    assert "✗" not in walk.run(live)

    walk.restart_with(ROTATION, 1)
    assert "✗" not in walk.run(live)

    walk.run(render)
    walk.run(publish)
    assert kids(walk.published(JWKS)) == both - {old}
    assert "✗" not in walk.run(live)


def kids(jwks: bytes) -> set[str]:
    return {key["kid"] for key in json.loads(jwks)["keys"]}


def token_of(cluster: Cluster, purpose: str, *, audiences: list[str] | None = None) -> str:
    """Returns a token of a new ServiceAccount, for the API server or these audiences."""
    namespace = cluster.namespace(purpose)
    cluster.admin.create(service_accounts(namespace), service_account("reports"))
    spec = {} if audiences is None else {"audiences": audiences}
    return str(cluster.admin.create(f"{service_accounts(namespace)}/reports/token", {"spec": spec})["status"]["token"])


def is_accepted(cluster: Cluster, token: str) -> bool:
    """Whether the API server takes the token for one of its own."""
    answer = cluster.admin.create("/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": token}})
    return bool(answer["status"].get("authenticated"))
