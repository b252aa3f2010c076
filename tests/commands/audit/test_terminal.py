"""`audit` on a terminal: a progress bar, and a question before the first eviction."""

import json
import os
import pty
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.api_server import Answer, ApiServer, Request, failure, hang
from tests.commands.outcome import COMMAND, ROOT, without_settings
from tests.commands.replay.installed import installed
from tests.commands.replay.live import api_server, kubeconfig, on_a_thread

_SHOP = "/api/v1/namespaces/shop"
_OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "u1", "controller": True}


def _objects() -> dict[str, Any]:
    """Returns the objects of a cluster with one pod that was missed, of a ReplicaSet."""
    spec = {"serviceAccountName": "web", "containers": [{"name": "app"}]}
    metadata = {"namespace": "shop", "name": "web-1", "uid": "u2", "creationTimestamp": "2026-02-01T00:00:00Z"}
    annotations = {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/reader"}
    account = {"metadata": {"namespace": "shop", "name": "web", "annotations": annotations}}
    listed = {"resourceVersion": "1"}
    return {
        **installed(),
        f"{_SHOP}/serviceaccounts": {"metadata": listed, "items": [account]},
        f"{_SHOP}/pods": {
            "metadata": listed,
            "items": [{"metadata": {**metadata, "ownerReferences": [_OWNER]}, "spec": spec}],
        },
        "/apis/apps/v1/namespaces/shop/replicasets/web": {
            "metadata": {"uid": "u1"},
            "spec": {"replicas": 2, "template": {"spec": spec}},
        },
    }


@pytest.mark.parametrize(("typed", "goes_on"), [("n\n", False), ("\n", False), ("y\n", True)])
def test_it_asks_before_the_first_eviction(tmp_path: Path, typed: str, goes_on: bool) -> None:
    master, slave = pty.openpty()
    with api_server(_objects()) as server:
        config = kubeconfig(tmp_path / "config", production=server.url)
        os.write(master, typed.encode())
        done = subprocess.run(
            [*COMMAND, "audit", "-n", "shop", "--evict", f"--kubeconfig={config}", "-o", "json"],
            stdin=slave,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=without_settings(),
            timeout=60,
            check=False,
        )
        asked = {request.path for request in server.requests}
    for end in (master, slave):
        os.close(end)
    assert [each["pod"] for each in json.loads(done.stdout)] == ["web-1"]
    assert "Evict 1 pod of 1 owner? [y/N] " in done.stderr
    # If it goes on, it looks for the pod first: in this cluster, that is gone meanwhile, so that nothing is left.
    assert done.returncode == (0 if goes_on else 1)
    assert ("nothing evicted" in done.stderr) is not goes_on
    assert (f"{_SHOP}/pods/web-1" in asked) is goes_on


def test_ctrl_c_at_the_question_ends_it(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    with (
        api_server(_objects()) as server,
        subprocess.Popen(
            [*COMMAND, "audit", "-n", "shop", "--evict", "-o=json"],
            stdin=slave,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env={**without_settings(), "KUBECONFIG": str(kubeconfig(tmp_path / "config", production=server.url))},
        ) as process,
    ):
        assert process.stderr is not None
        said = b""
        while not said.endswith(b"[y/N] ") and (read := os.read(process.stderr.fileno(), 4096)):
            said += read
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(20) == 130, said
        finally:
            process.kill()
    for end in (master, slave):
        os.close(end)


def test_ctrl_c_between_evictions_says_what_is_left(tmp_path: Path) -> None:
    objects, is_asked = _objects(), threading.Event()

    async def answers(request: Request, answer: Answer) -> None:
        if request.path == f"{_SHOP}/pods/web-1":
            is_asked.set()
            await hang(request, answer)
        elif request.path in objects:
            await answer.json(200, objects[request.path])
        else:
            await answer.json(404, failure(404, "NotFound"))

    with (
        on_a_thread(ApiServer(every=answers)) as server,
        subprocess.Popen(
            [*COMMAND, "audit", "-n", "shop", "--evict", "--yes", "-o=json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**without_settings(), "KUBECONFIG": str(kubeconfig(tmp_path / "config", production=server.url))},
        ) as process,
    ):
        assert is_asked.wait(20)
        process.send_signal(signal.SIGINT)
        try:
            _, said = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 130
    assert [line.removeprefix("pod-identity-webhook audit: ") for line in said.splitlines()[-3:]] == [
        "stopped: interrupted",
        "left: ReplicaSet shop/web: web-1: the evictions stopped before it",
        "0 evicted, 1 left",
    ]


def test_a_progress_bar_is_on_standard_error_and_only_if_that_is_a_terminal(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    with api_server(_objects()) as server:
        config = kubeconfig(tmp_path / "config", production=server.url)
        done = subprocess.run(
            [*COMMAND, "audit", "-n", "shop", f"--kubeconfig={config}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=slave,
            cwd=ROOT,
            env={**without_settings(), "TERM": "xterm"},
            timeout=60,
            check=False,
        )
    os.close(slave)
    said = os.read(master, 65536).decode()
    os.close(master)
    assert "1/1" in said
    assert b"1/1" not in done.stdout
    assert "1 pod read: 1 not injected" in said
