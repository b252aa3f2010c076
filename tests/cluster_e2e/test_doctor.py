"""`doctor` on a cluster with nodes: what it reads in real pods, and what it sees from outside of the pods' network."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster_e2e.connection import ProxiedApi
from tests.cluster_e2e.release import Release
from tests.cluster_e2e.workloads import REQUIRED, restricted_pod, wait_until_pods_are_older
from tests.e2e.api import Object
from tests.e2e.doctor_command import Said, doctor
from tests.e2e.objects import ROLE, pods, service_account, service_accounts
from tests.e2e.waiting import wait_until
from tests.sts.server import Sts
from tests.sts.static_host import StaticHost

# It is in no other test and in no source of the command.
_KEY = "AKIADOCTORSECRETKEY0"


@pytest.fixture
def ask(release: Release, host: StaticHost, sts: Sts, tmp_path: Path) -> Callable[..., Said]:
    """A function that runs `doctor` on this machine, with the issuer's host and STS of the test."""
    ca = tmp_path / "issuer-ca.crt"
    ca.write_bytes(host.ca)
    address = "{}:{}".format(*host.address)
    flags = [f"--webhook-configuration={release.name}", f"--ca-file={ca}", f"--connect-to={address}"]

    def run(*words: str) -> Said:
        kubeconfig = Path(os.environ["KUBECONFIG"].split(os.pathsep)[0])
        return doctor(kubeconfig, *words, *flags, environ={"AWS_ENDPOINT_URL_STS": sts.url})

    return run


def test_from_outside_it_sees_the_whole_installation(
    namespace: str, ask: Callable[..., Said], measured: Callable[[str], None]
) -> None:
    assert namespace

    said = ask()

    measured(f"doctor, from outside: {said.step('certificate')['found']}; {said.step('cache')['found']}")
    assert set(_but_for_issuer(said).values()) == {"ok"}, said.lines()
    # No metrics can be read except through the API server, and the counter rose.
    assert "(metrics)" in said.step("certificate")["found"]
    assert said.step("dry-run")["found"].endswith(f"every container has {ROLE}")


def test_of_a_running_pod_every_link_holds_and_the_tokens_age_is_known(
    api: ProxiedApi, namespace: str, image: str, ask: Callable[..., Said], measured: Callable[[str], None]
) -> None:
    _run(api, namespace, restricted_pod("reports-0", image, labels=REQUIRED))

    said = ask("pod", f"{namespace}/reports-0", "--assume-role")

    measured(f"doctor pod: {said.step('pod-token')['found']}")
    unseen = {"provider": "unknown", "audience": "unknown", "trust-policy": "unknown", "pod-region": "skipped"}
    assert {name: status for name, status in _but_for_issuer(said).items() if status != "ok"} == unseen, said.lines()
    assert said.step("pod-token")["found"].startswith("0 minutes old, until 20")
    assert said.step("assume-role")["found"].endswith(":assumed-role/s3-reader/pod-identity-webhook-doctor")


def test_static_keys_of_a_secret_and_a_region_of_a_config_map_count_and_are_not_shown(
    api: ProxiedApi, namespace: str, image: str, ask: Callable[..., Said]
) -> None:
    core = f"/api/v1/namespaces/{namespace}"
    keys = {"AWS_ACCESS_KEY_ID": _KEY, "AWS_SECRET_ACCESS_KEY": _KEY, "OTHER": _KEY}
    api.create(f"{core}/secrets", {"metadata": {"name": "aws"}, "stringData": keys})
    api.create(f"{core}/configmaps", {"metadata": {"name": "aws"}, "data": {"AWS_DEFAULT_REGION": "eu-west-1"}})
    body = restricted_pod("keys", image, labels=REQUIRED)
    body["spec"]["containers"][0]["envFrom"] = [{"secretRef": {"name": "aws"}}, {"configMapRef": {"name": "aws"}}]
    _run(api, namespace, body)

    said = ask("pod", f"{namespace}/keys")

    assert _failed(said) == ["pod-variables"], said.lines()
    assert said.step("pod-variables")["found"] == (
        "container app: AWS_ACCESS_KEY_ID (from envFrom or the image) goes before the role"
    )
    assert said.step("pod-region")["status"] == "ok"
    assert _KEY not in f"{said.document}{said.error}"


def test_of_a_deployment_whose_pod_is_older_than_the_annotation_it_says_so(
    api: ProxiedApi, namespace: str, image: str, ask: Callable[..., Said]
) -> None:
    # Kubernetes records who wrote an annotation, and when, only if the object was created with some field.
    account = service_account("late")
    account["metadata"]["labels"] = {"app": "web"}
    api.create(service_accounts(namespace), account)
    spec = {**restricted_pod("web", image)["spec"], "serviceAccountName": "late", "restartPolicy": "Always"}
    # A selector that only expressions make up.
    selector = {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "other"]}]}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": spec}
    body = {"metadata": {"name": "web"}, "spec": {"selector": selector, "template": template}}
    api.create(f"/apis/apps/v1/namespaces/{namespace}/deployments", body)
    pod = wait_until(lambda: _running(api, namespace), "the pod to run", within=120)
    wait_until_pods_are_older(api, namespace)
    annotations = {"eks.amazonaws.com/role-arn": ROLE}
    api.patch(f"{service_accounts(namespace)}/late", {"metadata": {"annotations": annotations}})

    said = ask("deployment/web", f"--namespace={namespace}")

    assert said.document["subject"] == f"Pod {namespace}/{pod}, which runs as ServiceAccount late"
    assert _failed(said) == ["pod-variables", "pod-volume"], said.lines()
    assert "the role's annotation of " in said.step("pod-variables")["found"]
    assert said.step("pod-variables")["next"] == f"kubectl -n {namespace} rollout restart deployment/web"
    assert said.step("dry-run")["found"] == f"a pod of its template: every container has {ROLE}"


def _but_for_issuer(said: Said) -> dict[str, str]:
    """Returns the statuses. Most clusters of tests have an issuer that AWS could not reach, and doctor says so."""
    inner = {step["name"] for step in said.document["steps"] if "which AWS cannot resolve" in step["found"]}
    assert inner <= {"issuer", "discovery"}
    return {name: status for name, status in said.statuses.items() if name not in inner}


def _failed(said: Said) -> list[str]:
    return [name for name, status in _but_for_issuer(said).items() if status == "failed"]


def _run(api: ProxiedApi, namespace: str, body: Object) -> None:
    """Creates a pod and waits until it runs."""
    api.create(pods(namespace), body)
    wait_until(
        lambda: _running(api, namespace),
        "the pod to run",
        within=120,
        last_seen=lambda: str(api.get(f"{pods(namespace)}/{body['metadata']['name']}")["status"]),
    )


def _running(api: ProxiedApi, namespace: str) -> str:
    """Returns the name of a pod that runs, or ""."""
    found = api.get(pods(namespace), fieldSelector="status.phase=Running")["items"]
    return str(found[0]["metadata"]["name"]) if found else ""
