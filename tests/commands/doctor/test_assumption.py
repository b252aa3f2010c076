"""The call of STS, at the stand-in of tests/sts; time is the test's."""

import threading
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs

import pytest

from tests.cluster.api_server import Answer, ApiServer, Request, Step, watches
from tests.sts.requests import ROLE, token
from tests.sts.server import Sts
from webhook.commands.doctor.gathering import assumption
from webhook.commands.doctor.gathering.assumption import Pace, assume, endpoint_of
from webhook.diagnosis.doctor.facts import Assumption
from webhook.issuer.token import read_token

_DENIED = "Not authorized to perform sts:AssumeRoleWithWebIdentity"


@dataclass
class _Time:
    """A clock that stands still unless somebody sleeps."""

    now: float = 0.0
    naps: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds

    @property
    def pace(self) -> Pace:
        return Pace(lambda: self.now, self.sleep)


def _nothing(_said: str) -> None:
    pass


async def _assume(sts: Sts, time: _Time, *, patiently: bool = True) -> Assumption:
    environ = {"AWS_ENDPOINT_URL_STS": sts.url}
    return await assume(ROLE, read_token(token()), environ, patiently=patiently, say=time.said.append, pace=time.pace)


async def test_sts_gives_the_role_and_the_call_is_not_signed(sts: Sts) -> None:
    answer = await _assume(sts, _Time())

    session = "arn:aws:sts::111122223333:assumed-role/s3-reader/pod-identity-webhook-doctor"
    assert answer == Assumption(endpoint=sts.url, arn=session)
    (call,) = sts.calls
    assert (call.action, call.signed_by, call.parameters["DurationSeconds"]) == ("AssumeRoleWithWebIdentity", "", "900")


async def test_access_denied_is_tried_again_for_a_minute(sts: Sts) -> None:
    sts.accounts["111122223333"].roles.clear()
    time = _Time()

    answer = await _assume(sts, time)

    assert (answer.code, answer.message, answer.seconds) == ("AccessDenied", _DENIED, 60.0)
    assert time.naps == [5.0] * 12
    assert time.said == ["STS answers AccessDenied: asking again for up to 60 s, since IAM sees changes late"]


async def test_access_denied_is_final_if_the_policy_is_known_to_deny(sts: Sts) -> None:
    sts.accounts["111122223333"].roles.clear()
    time = _Time()

    answer = await _assume(sts, time, patiently=False)

    assert (answer.code, time.naps, time.said) == ("AccessDenied", [], [])


async def test_a_change_that_iam_sees_late_is_waited_for(sts: Sts) -> None:
    roles = sts.accounts["111122223333"].roles
    policy = roles.pop("s3-reader")

    @dataclass
    class _Late(_Time):
        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds)
            if self.now >= 20:
                roles["s3-reader"] = policy

    time = _Late()

    assert (await _assume(sts, time)).arn.endswith("/pod-identity-webhook-doctor")
    assert time.naps == [5.0] * 4


async def test_without_an_answer_the_problem_has_no_token() -> None:
    environ = {"AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9"}
    answer = await assume(ROLE, read_token(token()), environ, patiently=True, say=_nothing, pace=_Time().pace)

    assert answer == Assumption(endpoint="http://127.0.0.1:9", problem="no answer: All connection attempts failed")


class _Echo(BaseHTTPRequestHandler):
    """Sends the form back, in each member of an answer of STS."""

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        echo = form["WebIdentityToken"][0]
        parts = f"<Arn>{echo}</Arn>" if self.path == "/ok" else f"<Code>C</Code><Message>{echo}</Message>"
        self.send_response(200 if self.path == "/ok" else 400)
        self.end_headers()
        self.wfile.write(parts.encode())

    def log_message(self, *_: object) -> None:
        """Is quiet."""


@pytest.mark.parametrize("path", ["ok", "refused"])
async def test_neither_a_token_that_comes_back_nor_a_password_in_the_url_is_shown(path: str) -> None:
    with HTTPServer(("127.0.0.1", 0), _Echo) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        host = f"127.0.0.1:{server.server_port}"
        environ = {"AWS_ENDPOINT_URL_STS": f"http://user:hunter2@{host}/{path}"}
        answer = await assume(ROLE, read_token(token()), environ, patiently=False, say=_nothing, pace=_Time().pace)
        thread.join(10)

    assert replace(answer, seconds=0) == (
        Assumption(endpoint=f"http://{host}/ok", arn="…")
        if path == "ok"
        else Assumption(endpoint=f"http://{host}/refused", code="C", message="…")
    )


@pytest.mark.parametrize(
    ("partition", "environ", "endpoint"),
    [
        pytest.param("aws", {}, "https://sts.amazonaws.com", id="no region"),
        pytest.param("aws", {"AWS_REGION": "eu-west-1"}, "https://sts.eu-west-1.amazonaws.com", id="a region"),
        pytest.param("aws", {"AWS_DEFAULT_REGION": "eu-west-1"}, "https://sts.eu-west-1.amazonaws.com", id="the other"),
        pytest.param("aws-cn", {}, "https://sts.cn-north-1.amazonaws.com.cn", id="China"),
        pytest.param(
            "aws-cn", {"AWS_REGION": "cn-northwest-1"}, "https://sts.cn-northwest-1.amazonaws.com.cn", id="there"
        ),
        pytest.param("aws-iso", {}, "", id="a partition without a default"),
        pytest.param("aws", {"AWS_ENDPOINT_URL": "http://a", "AWS_REGION": "eu-west-1"}, "http://a", id="an endpoint"),
        pytest.param(
            "aws", {"AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_STS": "http://b"}, "http://b", id="of STS"
        ),
        pytest.param(
            "aws",
            {"AWS_ENDPOINT_URL": "http://a", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
            "https://sts.amazonaws.com",
            id="endpoints are ignored",
        ),
    ],
)
def test_the_endpoint_is_that_of_the_sdks(partition: str, environ: dict[str, str], endpoint: str) -> None:
    assert endpoint_of(partition, environ) == endpoint


async def _answered(every: Step, text: str = "") -> Assumption:
    async with ApiServer(every=every).running() as server:
        environ = {"AWS_ENDPOINT_URL_STS": server.url.replace("http://", "http://user:secret@")}
        return await assume(
            ROLE, read_token(text or token()), environ, patiently=False, say=_nothing, pace=_Time().pace
        )


async def _answer(body: bytes, content_type: str = "text/xml", *, status: int = 400, sent: str = "") -> Assumption:
    async def answers(_request: Request, answer: Answer) -> None:
        await answer.page(status, body, {"Content-Type": content_type})

    return await _answered(answers, sent)


@pytest.mark.parametrize(
    ("body", "content_type", "code", "problem"),
    [
        pytest.param(b"", "text/xml", "", "HTTP 400, and no answer of STS", id="nothing"),
        pytest.param(b"<Code>\xff</Code>", "text/xml", "\ufffd", "", id="not UTF-8"),
        pytest.param(b"<Code>A</Code>", "text/xml; charset=none", "A", "", id="no such charset"),
        pytest.param(b'<!DOCTYPE x [<!ENTITY a "b">]><Code>&a;</Code>', "text/xml", "&a;", "", id="an entity"),
    ],
)
async def test_an_odd_answer_is_not_taken_apart(body: bytes, content_type: str, code: str, problem: str) -> None:
    answer = await _answer(body, content_type)

    assert (answer.code, answer.problem) == (code, problem)
    assert "secret" not in answer.endpoint


@pytest.mark.parametrize(
    ("endpoint", "problem"),
    [
        ("x", "no answer: Request URL is missing"),
        ("http://127.0.0.1:99999", "a port is at most 65535"),
        ("http://[::1", "no answer: Invalid port"),
        ("http://\ud800", "no answer: Invalid IDNA hostname"),
    ],
)
async def test_an_endpoint_that_is_no_url_is_a_problem(endpoint: str, problem: str) -> None:
    environ = {"AWS_ENDPOINT_URL_STS": endpoint}
    answer = await assume(ROLE, read_token(token()), environ, patiently=False, say=_nothing, pace=_Time().pace)

    assert answer.problem.startswith(problem)


async def test_an_answer_without_an_end_is_read_in_part() -> None:
    async def endless(_request: Request, answer: Answer) -> None:
        await answer.watch()
        while True:
            await answer.raw(b"x" * 50_000)

    assert (await _answered(endless)).problem == "HTTP 200, and no answer of STS"


async def test_an_answer_that_only_drips_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assumption, "_TIMEOUT", 0.3)

    assert (await _answered(watches("<Error>"))).problem == "no whole answer within 0.3 s"


@pytest.mark.parametrize(("status", "body"), [(200, "<Arn>{}</Arn>"), (400, "<Code>A</Code><Message>{}</Message>")])
async def test_a_token_that_comes_back_is_not_shown(status: int, body: str) -> None:
    sent = token()
    answer = await _answer(body.replace("{}", sent).encode(), status=status, sent=sent)

    assert answer.arn == ("…" if status == 200 else "")
    assert answer.message == ("…" if status == 400 else "")
