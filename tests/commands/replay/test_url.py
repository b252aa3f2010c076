import base64
import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from certs.files import ephemeral
from tests.commands.manifests import pod, review, service_account, stream
from tests.commands.outcome import ROOT, Outcome, run
from tests.commands.servers import Fake, fake_webhook, serving
from webhook.terminal import one_line


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fake")
    ephemeral(folder, (), datetime.now(UTC))
    return folder


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Fake]:
    with fake_webhook(folder / "tls.crt", folder / "tls.key") as fake:
        yield fake


@pytest.fixture
def fake(running: Fake) -> Fake:
    running.status, running.answer = 200, b""
    return running


def ask(fake: Fake, folder: Path, *argv: str, stdin: str = "") -> Outcome:
    url = f"https://localhost:{fake.port}/mutate"
    return run("replay", "-", "--url", url, "--ca", str(folder / "ca.crt"), *argv, stdin=stdin or stream(pod()))


def answer(**response: Any) -> bytes:
    """Returns an AdmissionReview with this response."""
    head = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
    return json.dumps(head | {"response": {"uid": "u", "allowed": True} | response}).encode()


def encoded(patch: Any) -> str:
    return base64.b64encode(json.dumps(patch).encode()).decode()


def test_a_running_webhook_gives_the_same_answers_as_replay_itself(tmp_path: Path) -> None:
    reviews, accounts = str(ROOT / "examples/reviews"), str(ROOT / "examples/service-accounts.yaml")
    flags = [f"--service-accounts={accounts}", f"--ephemeral-certificate={tmp_path}", "--port=0", "--metrics-port=0"]
    with serving([*flags, "--bind-address=127.0.0.1"]) as (port, _):
        url = ["--url", f"https://localhost:{port}/mutate", "--ca", str(tmp_path / "ca.crt")]
        there = {output: run("replay", reviews, "-o", output, *url) for output in ("diff", "patch", "pod", "review")}
        missing = run("replay", reviews, *url[:2])
        empty = run("replay", "-", *url, stdin=stream(review(pod(), uid="")))

    for output, outcome in there.items():
        here = run("replay", reviews, "-o", output, "--service-accounts", accounts)
        assert (outcome.code, outcome.err) == (0, "")
        # Over HTTPS, the reason comes from the audit annotations.
        assert outcome.out == here.out.replace(
            ", ServiceAccount shop/default has no eks.amazonaws.com/role-arn annotation", ""
        )
    assert (missing.code, missing.out) == (1, "")
    assert "certificate verify failed" in missing.err
    assert missing.err.count("\n") == 1
    assert empty.code == 1
    assert "\n# error: HTTP 400: " in empty.out


def test_the_webhook_is_posted_the_review_as_json(fake: Fake, folder: Path) -> None:
    given = review(pod())
    fake.answer = answer()

    outcome = ask(fake, folder, stdin=stream(service_account(), given))

    assert outcome == Outcome(0, "# AdmissionReview of Pod shop/app (standard input, line 2)\n# unchanged\n\n", "")
    assert json.loads(fake.asked) == given
    assert (fake.content_type, fake.path) == ("application/json", "/mutate")


def test_a_pods_review_is_the_creation_of_that_pod_as_a_dry_run(fake: Fake, folder: Path) -> None:
    fake.answer = answer()
    bodies = []
    for _ in range(2):
        ask(fake, folder)
        bodies.append(json.loads(fake.asked))

    request = bodies[0]["request"]
    assert bodies[0] == bodies[1]
    assert request.pop("uid")
    assert request == {
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": "shop",
        "operation": "CREATE",
        "object": pod(),
        "dryRun": True,
    }


def test_the_answer_of_the_webhook_is_shown(fake: Fake, folder: Path) -> None:
    fake.answer = answer(
        warnings=["one", "two\nlines\x1b[31m"],
        auditAnnotations={"decision": "its reason"},
        patch=encoded([{"op": "replace", "path": "/metadata/name", "value": "other"}]),
    )

    outcome = ask(fake, folder)

    assert outcome.code == 0
    assert outcome.out.splitlines()[1:6] == [
        "# patched: its reason",
        "# warning: one",
        "# warning: two\\nlines\\x1b[31m",
        "--- before",
        "+++ after",
    ]
    assert "-  name: app\n+  name: other\n" in outcome.out


def test_a_denial_exits_1(fake: Fake, folder: Path) -> None:
    fake.answer = answer(allowed=False, status={"code": 403, "message": "not today"})

    outcome = ask(fake, folder)

    assert (outcome.code, outcome.err) == (1, "")
    assert outcome.out.splitlines()[1] == "# denied: not today"


def test_an_http_error_exits_1_and_the_other_answers_are_shown(fake: Fake, folder: Path) -> None:
    fake.status, fake.answer = 500, b"the API server\nis down\n"

    outcome = ask(fake, folder, stdin=stream(pod(), pod(name="second")))

    assert outcome.code == 1
    error = "# error: HTTP 500: the API server\\nis down\n\n"
    assert outcome.out == (
        f"# Pod shop/app (standard input, line 1)\n{error}# Pod shop/second (standard input, line 2)\n{error}"
    )


NO_ANSWERS: dict[str, bytes] = {
    "nothing": b"",
    "HTML": b"<html>",
    "not UTF-8": b'"\xff"',
    "null": b"null",
    "a list": b"[]",
    "no response": b'{"kind":"AdmissionReview"}',
    "a response that is a list": b'{"response":[]}',
    "a response without allowed": b'{"response":{"uid":"u"}}',
    "allowed that is not a booleanean": answer(allowed="false"),
    "a status that is a text": answer(status="no"),
    "warnings that are a number": answer(warnings=1),
    "audit annotations that are a list": answer(auditAnnotations=["decision"]),
    "a patch that is not base64": answer(patch="???"),
    "a patch in other letters": answer(patch="é"),
    "a patch that is an object": answer(patch={} | {"op": "add"}),
    "a patch of something else": answer(patch=base64.b64encode(b"pod").decode()),
    "a patch that is not a list": answer(patch=encoded({"op": "add"})),
    "a patch of numbers": answer(patch=encoded([1])),
    "a very deep answer": b'{"response":' + b"[" * 100_000,
}


@pytest.mark.parametrize("body", NO_ANSWERS.values(), ids=NO_ANSWERS)
def test_an_answer_that_is_not_an_admission_review_exits_1(fake: Fake, folder: Path, body: bytes) -> None:
    fake.answer = body

    outcome = ask(fake, folder)

    assert (outcome.code, outcome.err) == (1, "")
    assert outcome.out.splitlines()[1].startswith("# error: the answer is not an AdmissionReview with a response (")
    assert outcome.out.count("\n") == 3


NOT_APPLICABLE: dict[str, Any] = {
    "to a member that is not there": {"op": "add", "path": "/spec/nowhere/x", "value": 1},
    "to an item that is not there": {"op": "add", "path": "/spec/containers/7", "value": 1},
    "to an item that is not a number": {"op": "add", "path": "/spec/containers/x", "value": 1},
    "to a member of a text": {"op": "add", "path": "/metadata/name/x", "value": 1},
    "with a path that is not a pointer": {"op": "add", "path": "spec", "value": 1},
    "with a path that is not a text": {"op": "add", "path": 1, "value": 1},
    "without a path": {"op": "add", "value": 1},
    "without a value": {"op": "add", "path": "/spec/x"},
    "without an operation": {"path": "/spec/x", "value": 1},
    "with an operation that is none": {"op": "put", "path": "/spec/x", "value": 1},
    "with an operation that is not a text": {"op": [], "path": "/spec/x", "value": 1},
    "that removes what is not there": {"op": "remove", "path": "/spec/x"},
    "whose test fails": {"op": "test", "path": "/metadata/name", "value": "other"},
}


@pytest.mark.parametrize("operation", NOT_APPLICABLE.values(), ids=NOT_APPLICABLE)
@pytest.mark.parametrize("output", ["diff", "patch"])
def test_a_patch_does_not_apply(fake: Fake, folder: Path, operation: Any, output: str) -> None:
    fake.answer = answer(patch=encoded([operation]))

    outcome = ask(fake, folder, "-o", output)

    said = outcome.out.splitlines()[1] if output == "diff" else outcome.err
    assert outcome.code == 1
    assert "error: the patch does not apply: " in said
    assert (outcome.out + outcome.err).count("\n") == (3 if output == "diff" else 2)


def test_a_closed_port_exits_1(folder: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        outcome = ask(Fake(port), folder)

    assert outcome == Outcome(
        1, "", f"pod-identity-webhook replay: https://localhost:{port}/mutate: [Errno 111] Connection refused\n"
    )


def test_a_wrong_ca_exits_1(fake: Fake, tmp_path: Path) -> None:
    ephemeral(tmp_path, (), datetime.now(UTC))

    outcome = ask(fake, tmp_path)

    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (1, "", 1)
    assert "certificate verify failed" in outcome.err


def test_a_name_that_the_certificate_lacks_exits_1(folder: Path) -> None:
    with fake_webhook(folder / "tls.crt", folder / "tls.key", "127.0.0.2") as fake:
        url = f"https://127.0.0.2:{fake.port}/mutate"
        outcome = run("replay", "-", "--url", url, "--ca", str(folder / "ca.crt"), stdin=stream(pod()))

    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (1, "", 1)
    assert "certificate verify failed: IP address mismatch" in outcome.err
    assert outcome.err.endswith(" (is the host of --url one of the names in its certificate?)\n")


def test_the_error_says_if_a_server_does_not_speak_https(folder: Path) -> None:
    def greet(listening: socket.socket) -> None:
        conn, _ = listening.accept()
        with conn:
            conn.recv(65536)
            conn.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=greet, args=(listening,))
        thread.start()
        outcome = ask(Fake(listening.getsockname()[1]), folder)
        thread.join()

    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (1, "", 1)
    assert outcome.err.endswith(" (the server does not speak HTTPS: is it the metrics port?)\n")


def test_the_error_for_a_wrong_path_names_the_webhooks_path(fake: Fake, folder: Path) -> None:
    fake.status, fake.answer = 404, b"no such page\n"

    outcome = ask(fake, folder)

    assert (outcome.code, outcome.err) == (1, "")
    assert outcome.out.splitlines()[1] == "# error: HTTP 404: no such page (the webhook's path is /mutate)"


def test_a_notice_names_the_flags_that_a_running_webhook_ignores(fake: Fake, folder: Path) -> None:
    fake.answer = answer()

    flags = ("--token-expiration=900", "--sts-regional-endpoint", "--annotation-prefix=irsa.example.com")
    outcome = ask(fake, folder, *flags)

    ignored = "--token-expiration, --sts-regional-endpoint"
    assert (outcome.code, outcome.err) == (
        0,
        f"pod-identity-webhook replay: the running webhook (--url) has its own, so these are ignored: {ignored}\n",
    )


@pytest.mark.parametrize(
    "url", ["https://[::1/mutate", "https://localhost:x/mutate", "https://127.0.0.1:1/\x7f", "https://a..b/mutate"]
)
def test_an_invalid_url_is_an_error_of_one_line(url: str) -> None:
    outcome = run("replay", "-", "--url", url, stdin=stream(pod()))

    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (1, "", 1)
    assert outcome.err.startswith(f"pod-identity-webhook replay: {one_line(url)}: ")


def test_wrong_usage_of_url_and_ca_is_reported(tmp_path: Path) -> None:
    plain = run("replay", "-", "--url", "http://localhost/mutate", stdin=stream(pod()))
    alone = run("replay", "-", "--ca", "ca.crt", stdin=stream(pod()))
    (tmp_path / "empty.crt").write_text("")
    empty = run(
        "replay", "-", "--url", "https://localhost/mutate", "--ca", str(tmp_path / "empty.crt"), stdin=stream(pod())
    )
    missing = run("replay", "-", "--url", "https://localhost/mutate", "--ca", str(tmp_path / "x"), stdin=stream(pod()))

    rootless = run("replay", "-", "--url", "https://localhost:8443", stdin=stream(pod()))
    local = run("replay", "-", "--url", "https://localhost/mutate", "--service-accounts", "x", stdin=stream(pod()))

    outcomes = (plain, alone, empty, missing, rootless, local)
    assert [outcome.code for outcome in outcomes] == [2, 2, 2, 2, 2, 2]
    start = "pod-identity-webhook replay:"
    assert plain.err.startswith(
        f"{start} --url: 'http://localhost/mutate' is not of the form https://HOST:PORT/mutate\n"
    )
    assert alone.err.startswith(f"{start} --ca: can be used only with --url\n")
    unreadable = "holds no certificate in PEM"
    assert empty.err.startswith(f"{start} --ca: '{tmp_path}/empty.crt': {unreadable}\n")
    assert missing.err.startswith(f"{start} --ca: '{tmp_path}/x': No such file or directory\n")
    assert rootless.err.startswith(
        f"{start} --url: 'https://localhost:8443' is not of the form https://HOST:PORT/mutate\n"
    )
    assert local.err.startswith(f"{start} --service-accounts: cannot be used with --url, whose webhook has its own\n")
