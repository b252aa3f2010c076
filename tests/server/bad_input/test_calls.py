"""Bad calls over real HTTPS: the answer, that the process lives on, and that it keeps nothing of it."""

import socket
import sys

import httpx
import pytest

from tests.server.bad_input.wrong_calls import CASES, MAX_BODY, Case
from tests.server.reviews import GOOD, assert_answers_a_good_review
from tests.server.webhook_process import WebhookProcess, wait_until


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_wrong_call_gets_its_status_and_one_line_and_the_next_review_its_answer(
    webhook: WebhookProcess, case: Case
) -> None:
    with webhook.client() as same:
        answer = case.send(same)
        assert (answer.status_code, answer.text[: len(case.reason)]) == (case.status, case.reason)
        assert len(answer.text.splitlines()) == 1
        assert len(answer.text) < 300
        if case.path == "/mutate":
            assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        if case.status == 405:
            assert answer.headers["allow"] == "POST"
        assert_answers_a_good_review(same)
    with webhook.client() as new:
        assert_answers_a_good_review(new)


def test_head_is_answered_405_without_a_body(client: httpx.Client) -> None:
    answer = client.head("/mutate")
    assert (answer.status_code, answer.content, answer.headers["allow"]) == (405, b"", "POST")
    assert_answers_a_good_review(client)


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/mutate?timeout=10s", "application/json"),
        ("/%6dutate", "application/json"),
        ("/mutate", "application/json; charset=utf-8"),
        ("/mutate", "Application/JSON"),
        ("/mutate", "application/json;"),
    ],
)
def test_a_query_and_parameters_of_the_content_type_are_fine(
    client: httpx.Client, path: str, content_type: str
) -> None:
    answer = client.post(path, content=GOOD, headers={"content-type": content_type})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json()["response"]["uid"] == "the-uid"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_just_the_limit_is_answered(client: httpx.Client, chunked: bool) -> None:
    largest = Case("", 200, "", GOOD + b" " * (MAX_BODY - len(GOOD)), chunked=chunked)
    assert largest.send(client).json()["response"]["allowed"] is True


HEAD = b"POST /mutate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        HEAD.replace(b"/mutate", b"/%6dutate") + b"Content-Length: 2 2\r\n\r\n{}",
        b"\x00\x01garbage\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01" + bytes(100),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        HEAD + b"Content-Length: -1\r\n\r\n{}",
        HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nnot a size\r\n",
    ],
    ids=[
        "two lengths in one",
        "bytes",
        "TLS in TLS",
        "HTTP/2",
        "two lengths",
        "two equal lengths",
        "negative length",
        "length beyond 64 bits",
        "length and chunks",
        "chunk without a size",
    ],
)
def test_what_is_not_http_is_answered_400_and_a_close(
    webhook: WebhookProcess, client: httpx.Client, sent: bytes
) -> None:
    with webhook.connection() as conn:
        conn.sendall(sent)
        answer = b""
        while not answer.endswith(b"\r\n\r\nInvalid HTTP request received."):
            part = conn.recv(4096)
            assert part, answer
            answer += part
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"\r\nconnection: close\r\n" in answer
    assert answer.count(b"HTTP/1.1") == 1
    assert_answers_a_good_review(client)


@pytest.mark.parametrize("path", [b"/mutate", b"/%6dutate"])
def test_a_blank_behind_a_length_is_no_part_of_it(webhook: WebhookProcess, client: httpx.Client, path: bytes) -> None:
    with webhook.connection() as conn:
        conn.sendall(HEAD.replace(b"/mutate", path) + b"Content-Length: 0 \r\n\r\n")
        answer = b""
        while not answer.endswith(b"truncated\n"):
            part = conn.recv(4096)
            assert part, answer
            answer += part
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"the body is not JSON: Input data was truncated" in answer
    assert_answers_a_good_review(client)


def test_http_where_tls_is_spoken_is_cut(webhook: WebhookProcess, client: httpx.Client) -> None:
    with socket.create_connection(("127.0.0.1", webhook.port), timeout=20) as conn:
        conn.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")
        answer = conn.recv(4096)
        assert not answer.startswith(b"HTTP/")
    assert_answers_a_good_review(client)


@pytest.mark.only_ours("counts connections")
def test_connections_cut_in_the_midst_of_a_request_leave_nothing_behind(
    webhook: WebhookProcess, client: httpx.Client
) -> None:
    for part in (
        b"",
        HEAD[:10],
        HEAD,
        HEAD + b"Content-Length: 100\r\n\r\n{",
        HEAD + b"Content-Length: 999999\r\n\r\n{",
    ):
        with webhook.connection() as conn:
            conn.sendall(part)
    assert_answers_a_good_review(client)
    connections = 'pod_identity_webhook_connections{port="https"}'
    wait_until(lambda: f"\n{connections} 1\n" in webhook.get("/metrics").text, "all connections but one to be gone")


@pytest.mark.only_ours("bounds memory")
@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory in /proc")
def test_bad_input_leaves_no_memory_behind(webhook: WebhookProcess, client: httpx.Client) -> None:
    # Each body is 256 KiB at least: if a single case kept its bodies, 12 of them would show, each time. What the
    # allocator takes more of, it takes once.
    padded = [(case, case.body + b" " * max(0, (1 << 18) - len(case.body))) for case in CASES]
    small = [(case, body) for case, body in padded if len(body) < 1 << 20]
    large = [(case, body) for case, body in padded if len(body) >= 1 << 20]

    def run(rounds: int) -> int:
        for case, body in small * rounds + large * 2:
            assert case.send(client, body).status_code == case.status
        return webhook.resident_kib

    resident = [run(4)]
    for _ in range(5):
        resident.append(run(12))
        if resident[-1] - resident[-2] < 1024:
            break
    else:
        pytest.fail(f"it grows and grows, KiB: {resident}")
    assert_answers_a_good_review(client)
