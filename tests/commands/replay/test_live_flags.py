"""`replay --live`: the flags of the running webhook."""

from pathlib import Path
from typing import Any

import pytest

from tests.commands.manifests import config_map, pod, service_account, stream
from tests.commands.outcome import Outcome, run
from tests.commands.replay.installed import (
    CONFIGURATION,
    DEPLOYMENTS,
    REPLICA_SETS,
    SERVICE,
    deployment,
    entry,
    installed,
    replica_set,
)
from tests.commands.replay.live import api_server, kubeconfig

Object = dict[str, Any]
WEB = service_account()
START = "pod-identity-webhook replay:"
OF_DEPLOYMENT = "of Deployment eks/pod-identity-webhook"
DEFAULTS = "replay uses its own flags and their defaults"


def replayed(folder: Path, objects: Object, *flags: str) -> Outcome:
    with api_server(objects) as server:
        config = kubeconfig(folder / "config", here=server.url)
        return run("replay", "-", "--live", f"--kubeconfig={config}", "--output=patch", *flags, stdin=stream(pod()))


def test_the_running_webhooks_flags_are_taken_over_and_named(tmp_path: Path) -> None:
    args = (
        "--sts-regional-endpoint",
        "--aws-default-region=eu-west-1",
        "--token-audience=sts.amazonaws.com",
        "--port=1",
    )
    done = replayed(tmp_path, installed(WEB, args=args))

    assert (done.code, done.err) == (
        0,
        f"{START} flags {OF_DEPLOYMENT}: --aws-default-region=eu-west-1 --sts-regional-endpoint=true\n",
    )
    assert '"name": "AWS_REGION", "value": "eu-west-1"' in done.out
    assert '"name": "AWS_STS_REGIONAL_ENDPOINTS", "value": "regional"' in done.out


def test_a_prefix_that_is_taken_over_is_the_prefix_of_annotations(tmp_path: Path) -> None:
    account = service_account()
    account["metadata"]["annotations"] = {"irsa.example.com/role-arn": "arn:aws:iam::111122223333:role/web"}
    done = replayed(tmp_path, installed(account, args=("--annotation-prefix=irsa.example.com",)))

    assert "role/web" in done.out


def test_own_flags_win_and_the_running_webhooks_are_named(tmp_path: Path) -> None:
    args = ("--token-expiration=7200", "--aws-default-region=eu-west-1", "--token-audience=example.com")
    done = replayed(tmp_path, installed(WEB, args=args), "--token-expiration=3600", "--token-audience=example.com")

    assert '"expirationSeconds": 3600' in done.out
    assert done.err.splitlines() == [
        f"{START} flags {OF_DEPLOYMENT}: --aws-default-region=eu-west-1",
        f"{START} your own flags win over those {OF_DEPLOYMENT}: --token-expiration=7200",
    ]


def test_mappings_are_read_where_the_running_webhook_reads_them(tmp_path: Path) -> None:
    mapped = config_map('{"shop/web": {"RoleARN": "arn:aws:iam::111122223333:role/mapped"}}')
    objects = {
        **installed(
            service_account(role=""), args=("--watch-config-map", "--config-map-name=roles", "--namespace=hooks")
        ),
        "/api/v1/namespaces/hooks/configmaps/roles": mapped,
    }

    assert "role/mapped" in replayed(tmp_path, objects).out


def test_a_file_in_the_webhooks_container_is_said_not_to_be_read(tmp_path: Path) -> None:
    args = ("--watch-container-credentials-config=/etc/x/identities.json",)
    (tmp_path / "identities.json").write_text('{"identities": [{"namespace": "shop", "serviceAccount": "web"}]}')
    copy = f"--watch-container-credentials-config={tmp_path}/identities.json"
    without = replayed(tmp_path, installed(WEB, args=args))
    with_a_copy = replayed(tmp_path, installed(WEB, args=args), copy)

    assert (without.code, without.err) == (
        0,
        (
            f"{START} Deployment eks/pod-identity-webhook runs with {args[0]}, a file in its container: replay does "
            "not read it; set --watch-container-credentials-config to a copy\n"
        ),
    )
    assert "AWS_CONTAINER_CREDENTIALS_FULL_URI" in with_a_copy.out


def test_while_a_rollout_changes_flags_the_pods_that_run_with_others_are_named(tmp_path: Path) -> None:
    sets = [
        replica_set("old", "--token-expiration=3600"),
        replica_set("new", "--token-expiration=7200", "--port=2"),
        replica_set("scaled-down", replicas=0),
        replica_set("of-another", owner="another"),
        replica_set("unreadable", "--from-the-future"),
    ]
    objects = installed(WEB, args=("--token-expiration=7200",))
    done = replayed(tmp_path, {**objects, REPLICA_SETS: {"items": sets}})

    assert done.err.splitlines() == [
        f"{START} flags {OF_DEPLOYMENT}: --token-expiration=7200",
        (
            f"{START} Deployment eks/pod-identity-webhook is not rolled out: pods of old, unreadable run with other "
            "flags; replay uses those of the Deployment"
        ),
    ]


URL: Object = {**entry(), "clientConfig": {"url": "https://127.0.0.1:23443/mutate"}}
UNREADABLE: dict[str, tuple[Object, list[str]]] = {
    "a webhook outside the cluster": (
        {CONFIGURATION: {"webhooks": [URL]}},
        ["MutatingWebhookConfiguration pod-identity-webhook names no Service, so no Deployment can be found"],
    ),
    "a Service without a selector": ({SERVICE: {"spec": {}}}, ["Service eks/pod-identity-webhook selects no pods"]),
    "a Service of other pods": (
        {SERVICE: {"spec": {"selector": {"app": "other"}}}},
        ["Service eks/pod-identity-webhook selects the pods of no Deployment"],
    ),
    "a Service and a Deployment that do not exist": (
        {SERVICE: 404},
        [
            "services pod-identity-webhook in namespace eks does not exist",
            "deployments pod-identity-webhook in namespace eks does not exist",
        ],
    ),
}


@pytest.mark.parametrize(("objects", "why"), UNREADABLE.values(), ids=UNREADABLE)
def test_flags_that_cannot_be_read_are_said_to_be_the_defaults(objects: Object, why: list[str], tmp_path: Path) -> None:
    done = replayed(tmp_path, {**installed(WEB), **objects})

    said = [*why, f"the flags of the running webhook cannot be read: {DEFAULTS}"]
    assert (done.code, done.err.splitlines()) == (0, [f"{START} {line}" for line in said])
    assert "role/web" in done.out


def test_flags_of_another_version_are_said_not_to_be_understood(tmp_path: Path) -> None:
    done = replayed(tmp_path, installed(WEB, args=("--from-the-future",)))

    assert (done.code, done.err) == (
        0,
        (
            f"{START} Deployment eks/pod-identity-webhook: this version does not understand its flags: "
            f"--from-the-future: no such flag: {DEFAULTS}\n"
        ),
    )


def test_without_the_right_to_list_the_deployment_of_the_services_name_is_read(tmp_path: Path) -> None:
    args = ("--token-expiration=7200",)
    path = f"{DEPLOYMENTS}/pod-identity-webhook"
    done = replayed(tmp_path, {**installed(WEB), DEPLOYMENTS: 403, REPLICA_SETS: 403, path: deployment(*args)})

    first, last, *flags = done.err.splitlines()
    assert "list deployments in namespace eks: 403: " in first
    assert 'resources: ["deployments"], verbs: ["list"] in a Role in namespace eks' in first
    assert "list replicasets in namespace eks: 403: " in last
    assert flags == [f"{START} flags {OF_DEPLOYMENT}: --token-expiration=7200"]


def test_several_deployments_behind_the_service_are_named(tmp_path: Path) -> None:
    items = [deployment("--token-expiration=7200", name="blue"), deployment(name="green")]
    done = replayed(tmp_path, {**installed(WEB), DEPLOYMENTS: {"items": items}})

    assert done.err.splitlines() == [
        f"{START} Service eks/pod-identity-webhook has several Deployments: blue, green",
        f"{START} flags of Deployment eks/blue: --token-expiration=7200",
    ]
