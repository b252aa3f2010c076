"""The CronJob of `audit.enabled`, run as a Job: its findings, its Events and its rights are those of the cluster."""

import time
from collections.abc import Callable, Iterator

import pytest

from tests.cluster_e2e.connection import ProxiedApi
from tests.cluster_e2e.release import Release
from tests.cluster_e2e.workloads import restricted_pod, wait_until_pods_are_older
from tests.e2e.api import Object
from tests.e2e.objects import ROLE, pods, role_of, service_account, service_accounts
from tests.e2e.waiting import wait_until

_PATIENCE = 150.0


@pytest.fixture
def audited(release: Release) -> Iterator[Release]:
    release.upgrade({"audit": {"enabled": True}})
    yield release
    release.upgrade({})


@pytest.fixture
def missed(api: ProxiedApi, namespace: str, image: str) -> str:
    """The namespace, with a Deployment `web` whose two pods are older than their role."""
    # Kubernetes records who wrote an annotation, and when, only if the object was created with some field.
    account = service_account("late")
    account["metadata"]["labels"] = {"app": "web"}
    api.create(service_accounts(namespace), account)
    spec = {**restricted_pod("web", image)["spec"], "serviceAccountName": "late", "restartPolicy": "Always"}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": spec}
    body = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    api.create(f"/apis/apps/v1/namespaces/{namespace}/deployments", {"metadata": {"name": "web"}, "spec": body})
    wait_until(lambda: len(_ready(api, namespace)) == 2, "two pods to be ready", within=_PATIENCE)
    wait_until_pods_are_older(api, namespace)
    annotations = {"eks.amazonaws.com/role-arn": ROLE}
    api.patch(f"{service_accounts(namespace)}/late", {"metadata": {"annotations": annotations}})
    return namespace


def test_its_job_fails_for_a_finding_and_reports_it_as_an_event_on_the_owner(
    api: ProxiedApi, audited: Release, missed: str, measured: Callable[[str], None]
) -> None:
    outcome, log = _run_job(audited)

    measured(f"the audit's Job: {log.splitlines()[-1]}")
    assert outcome == "Failed", log
    assert f"Deployment {missed}/web\n  not injected: container app would get {ROLE}\n  older-than-role: " in log
    # With the rights of the chart, it reads all that it needs.
    assert "forbidden" not in log.lower(), log
    assert "grant " not in log, log
    events = api.get(f"/api/v1/namespaces/{missed}/events", fieldSelector="reason=PodIdentityMissing")["items"]
    deployment = api.get(f"/apis/apps/v1/namespaces/{missed}/deployments/web")
    (event,) = events
    assert event["involvedObject"]["uid"] == deployment["metadata"]["uid"]
    assert event["message"].startswith("2 of its pods lack their AWS role (web-")
    assert event["message"].endswith(f"): older-than-role; a new pod gets {ROLE}")


def test_with_a_value_of_its_own_it_heals_and_its_job_succeeds(
    api: ProxiedApi, audited: Release, missed: str, measured: Callable[[str], None]
) -> None:
    audited.upgrade({"audit": {"enabled": True, "evict": True}})

    outcome, log = _run_job(audited)

    measured(f"the audit's Job, with evict: {log.splitlines()[-1]}")
    assert outcome == "Complete", log
    assert log.splitlines()[-1] == "pod-identity-webhook audit: 2 evicted, 0 left", log
    assert "forbidden" not in log.lower(), log
    assert [role_of(pod) for pod in _ready(api, missed)] == [ROLE, ROLE]


def _run_job(release: Release) -> tuple[str, str]:
    """Runs the CronJob once, as `kubectl create job --from` does; returns how the Job ended, and its log."""
    api, namespace = release.api, release.namespace
    batch = f"/apis/batch/v1/namespaces/{namespace}"
    (cron_job,) = api.get(f"{batch}/cronjobs")["items"]
    name = f"audit-{time.time_ns()}"
    api.create(f"{batch}/jobs", {"metadata": {"name": name}, "spec": cron_job["spec"]["jobTemplate"]["spec"]})
    outcome = wait_until(
        lambda: _outcome(api.get(f"{batch}/jobs/{name}")),
        "the end of the Job",
        within=_PATIENCE,
        last_seen=lambda: str(api.get(f"{batch}/jobs/{name}")["status"]),
    )
    (pod,) = api.get(pods(namespace), labelSelector=f"job-name={name}")["items"]
    log = api.log(namespace, pod["metadata"]["name"])
    api.delete(f"{batch}/jobs/{name}?propagationPolicy=Background")
    return outcome, log


def _outcome(job: Object) -> str:
    conditions = job.get("status", {}).get("conditions", [])
    done = [each["type"] for each in conditions if each["status"] == "True"]
    return next((kind for kind in done if kind in ("Complete", "Failed")), "")


def _ready(api: ProxiedApi, namespace: str) -> list[Object]:
    """Returns the pods that are ready and not ending."""
    found = api.get(pods(namespace))["items"]
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"] and _is_ready(pod)]


def _is_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
