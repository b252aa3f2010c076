import json
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.commands.manifests import config_map, pod, service_account, stream
from tests.commands.outcome import Outcome, run
from tests.commands.replay.installed import CONFIGURATION, DEPLOYMENTS, REPLICA_SETS, SERVICE, installed
from tests.commands.replay.live import api_server, kubeconfig, path_of

CONFIG_MAP = "/api/v1/namespaces/eks/configmaps/pod-identity-webhook"
WEB = service_account(role="of-the-cluster")
MAPPED = config_map(json.dumps({"shop/web": {"RoleARN": "arn:aws:iam::111122223333:role/mapped"}}))


def replayed(config: str, *flags: str, stdin: str) -> Outcome:
    return run("replay", "-", "--live", f"--kubeconfig={config}", "--output=patch", *flags, stdin=stdin)


def test_the_clusters_service_account_wins_over_that_of_the_input(tmp_path: Path) -> None:
    with api_server(installed(WEB)) as server:
        done = replayed(
            kubeconfig(tmp_path / "config", here=server.url), stdin=stream(service_account(role="mine"), pod())
        )

    assert (done.code, done.err) == (0, "")
    assert "role/of-the-cluster" in done.out
    assert "role/mine" not in done.out


def test_a_service_account_that_the_cluster_does_not_have_is_that_of_the_input(tmp_path: Path) -> None:
    with api_server(installed()) as server:
        done = replayed(
            kubeconfig(tmp_path / "config", here=server.url), stdin=stream(service_account(role="mine"), pod())
        )

    assert (done.code, done.err) == (0, "")
    assert "role/mine" in done.out


def test_each_object_is_asked_for_once_and_nothing_else_is(tmp_path: Path) -> None:
    with api_server(installed(WEB, namespaces={"shop": {}, "other": {}})) as server:
        replayed(kubeconfig(tmp_path / "config", here=server.url), stdin=stream(pod(), pod(), pod("other")))

    assert [request.path for request in server.requests] == [
        CONFIGURATION,
        SERVICE,
        DEPLOYMENTS,
        REPLICA_SETS,
        "/api/v1/namespaces/other/serviceaccounts/web",
        "/api/v1/namespaces/shop/serviceaccounts/web",
        "/api/v1/namespaces/other",
        "/api/v1/namespaces/shop",
    ]


def test_another_context_is_another_server(tmp_path: Path) -> None:
    with api_server({}) as first, api_server(installed(WEB)) as second:
        config = kubeconfig(tmp_path / "config", first=first.url, second=second.url)
        done = replayed(config, "--context=second", stdin=stream(pod()))

    assert "role/of-the-cluster" in done.out
    assert first.requests == []


def test_role_mappings_are_the_clusters_where_they_are_asked_for(tmp_path: Path) -> None:
    objects: dict[str, Any] = {**installed(service_account(role="")), CONFIG_MAP: MAPPED}
    with api_server(objects) as server:
        config = kubeconfig(tmp_path / "config", here=server.url)
        without = replayed(config, stdin=stream(pod()))
        mapped = replayed(config, "--watch-config-map", stdin=stream(pod()))
        elsewhere = replayed(config, "--watch-config-map", "--config-map-namespace=other", stdin=stream(pod(), MAPPED))

    assert (without.out, elsewhere.out) == ("[]\n", "[]\n")
    assert "role/mapped" in mapped.out
    assert "ConfigMap other/pod-identity-webhook does not exist: no role mappings" in elsewhere.err
    assert [outcome.code for outcome in (without, mapped, elsewhere)] == [0, 0, 0]


@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_cluster_that_says_no_is_an_error_of_one_line(status: int, tmp_path: Path) -> None:
    with api_server({**installed(), path_of(WEB): status}) as server:
        done = replayed(kubeconfig(tmp_path / "config", here=server.url), stdin=stream(service_account(), pod()))

    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert str(status) in done.err
    rule = 'grant apiGroups: [""], resources: ["serviceaccounts"], verbs: ["get"] in a ClusterRole'
    assert (rule in done.err) == (status == 403)


def test_an_unreachable_cluster_is_an_error_of_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        done = replayed(kubeconfig(tmp_path / "config", here=url), stdin=stream(service_account(), pod()))

    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert f"the API server at {url} cannot be reached" in done.err


def test_a_missing_kubeconfig_is_an_error_of_one_line(tmp_path: Path) -> None:
    done = replayed(str(tmp_path / "none"), stdin=stream(service_account(), pod()))

    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert f"{tmp_path / 'none'}: no such kubeconfig" in done.err
