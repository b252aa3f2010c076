"""How the process ends under load."""

import signal
import threading
import time
from pathlib import Path

import httpx

from tests.server.reviews import GOOD, JSON, assert_answers_a_good_review
from tests.server.webhook_process import WITHIN, WebhookProcess, serving, wait_until

CLIENTS = 8


class Load(threading.Thread):
    """Posts without pause over one verified connection; opens the next one when the server asks to close it.

    It ends when it cannot connect any more; in a cluster, it would then get another replica. `failures` holds each
    request that it sent and that got no answer.
    """

    def __init__(self, webhook: WebhookProcess) -> None:
        super().__init__()
        self.webhook = webhook
        self.answered = 0
        self.told_to_close = 0
        self.failures: list[str] = []
        self.start()

    def run(self) -> None:
        with self.webhook.client() as client:
            while True:
                try:
                    answer = client.post("/mutate", content=GOOD, headers=JSON)
                except httpx.ConnectError:
                    return
                except httpx.HTTPError as error:
                    self.failures.append(repr(error))
                    return
                if answer.status_code != 200 or "patch" not in answer.json()["response"]:
                    self.failures.append(answer.text)
                self.answered += 1
                self.told_to_close += answer.headers.get("connection") == "close"


def test_sigterm_under_constant_load_loses_no_request(tmp_path: Path) -> None:
    with serving(tmp_path, "--drain-period=1s") as webhook:
        load = [Load(webhook) for _ in range(CLIENTS)]
        wait_until(lambda: all(client.answered > 20 for client in load), "the load")
        started = time.monotonic()
        code = webhook.stop(signal.SIGTERM)
        took = time.monotonic() - started
        for client in load:
            client.join()
        assert [client.failures for client in load] == [[]] * CLIENTS
        assert code == 0
        assert 1 <= took < 1 + 15 + 2
        assert all(client.told_to_close for client in load)
        assert "stopping: draining for 1 s" in webhook.log
        assert webhook.log.endswith(" stopped\n")
        assert "Traceback" not in webhook.log


def test_while_draining_new_connections_are_answered_and_readyz_fails(tmp_path: Path) -> None:
    with serving(tmp_path, "--drain-period=60s") as webhook, webhook.client() as idle:
        assert webhook.get("/readyz").text == "ok\n"
        assert_answers_a_good_review(idle)
        webhook.process.send_signal(signal.SIGTERM)
        webhook.wait_for_log("stopping: draining for 60 s")
        with webhook.client() as new:
            answer = new.post("/mutate", content=GOOD, headers=JSON)
            assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        answer = webhook.get("/readyz")
        assert (answer.status_code, answer.text) == (503, "not ready: stopping\n")
        assert webhook.get("/healthz").status_code == 200
        assert_answers_a_good_review(idle)
        # A second signal ends the drain.
        assert webhook.stop(signal.SIGTERM) == 0


def test_sigint_does_not_drain(tmp_path: Path) -> None:
    with serving(tmp_path, "--drain-period=1h") as webhook, webhook.client() as idle:
        assert_answers_a_good_review(idle)
        assert webhook.stop(signal.SIGINT) == 0
        assert "draining" not in webhook.log
        assert webhook.log.endswith(" stopped\n")


def test_idle_connections_are_closed_when_the_process_ends(tmp_path: Path) -> None:
    with serving(tmp_path, "--drain-period=0s") as webhook, webhook.connection() as conn:
        conn.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while not answer.endswith(b"ok\n"):
            answer += conn.recv(4096)
        webhook.process.send_signal(signal.SIGTERM)
        assert conn.recv(4096) == b""
        assert webhook.process.wait(WITHIN) == 0
