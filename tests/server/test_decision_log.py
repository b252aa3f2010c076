"""The log lines about decisions: their fields in JSON and in text, which decisions have one, and what bounds them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.reviews import JSON, ROLE, encoded, review_of
from tests.server.webhook_process import MANIFESTS, WebhookProcess, serving

FORGED = "p\n2026-01-01T00:00:00.000Z ERROR webhook.server forged\x1b[31m\u2028"
LONG_ROLE = f"arn:aws:iam::111122223333:role/{'r' * 3000}"
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (.*)")


def pod(account: str = "builder", *, dry_run: bool = False, env: Any = (), **metadata: Any) -> dict[str, Any]:
    review = review_of(account, **metadata)
    review["request"]["dryRun"] = dry_run
    review["request"]["object"]["spec"]["containers"][0]["env"] = list(env)
    return review


QUIET = pod()
GENERATED = pod(name=None, generateName="build-", namespace=None)
WARNED = pod(env=[{"name": "AWS_ROLE_ARN", "value": "mine"}], dry_run=True)
REFUSED = pod("absent", labels={"eks.amazonaws.com/require-pod-identity": "true"})
NO_ROLE = pod("plain")

INJECTED = {"reason": "injected", "namespace": "ci", "pod": "build", "service_account": "builder", "role": ROLE}
WARNING = (
    "no credentials, as AWS_ROLE_ARN is set and AWS_WEB_IDENTITY_TOKEN_FILE is not, so the webhook added neither: "
    "container main"
)


def logged(process: WebhookProcess, *reviews: dict[str, Any]) -> list[str]:
    """The lines that the reviews left."""
    before = len(process.log.splitlines())
    with process.client() as client:
        answers = [client.post("/mutate", content=encoded(review), headers=JSON) for review in reviews]
    assert [answer.status_code for answer in answers] == [200] * len(reviews)
    return process.log.splitlines()[before:]


def without_times(entry: dict[str, Any]) -> dict[str, Any]:
    """The entry without what differs each time."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry.pop("time"))
    assert 0 < entry.pop("duration_ms") < 10_000
    return entry


@pytest.fixture(scope="module", name="json_process")
def _json_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebhookProcess]:
    folder = tmp_path_factory.mktemp("json")
    account = MANIFESTS.replace("builder", "{name}").replace("arn:aws:iam::111122223333:role/{name}", "{role}")
    accounts = [account.format(name=name, role=role) for name, role in (("builder", ROLE), ("long", LONG_ROLE))]
    (folder / "manifests.yaml").write_text("---\n".join(accounts))
    with serving(folder, "--log-format=json", "--log-injections", "--drain-period=0s") as process:
        yield process


@pytest.mark.parametrize(
    ("review", "entry"),
    [
        pytest.param(
            QUIET,
            {"level": "INFO", "message": "admitted", **INJECTED, "operations": 6, "dry_run": False},
            id="an injection",
        ),
        pytest.param(
            GENERATED,
            {"level": "INFO", "message": "admitted", **INJECTED, "pod": "build-", "operations": 6, "dry_run": False},
            id="an injection into a pod whose name is not made yet",
        ),
        pytest.param(
            WARNED,
            {
                "level": "INFO",
                "message": "admitted",
                **INJECTED,
                "warnings": [WARNING],
                "operations": 4,
                "dry_run": True,
            },
            id="a dry run with a warning",
        ),
        pytest.param(
            REFUSED,
            {
                "level": "WARNING",
                "message": "refused",
                "reason": "identity_required",
                "namespace": "ci",
                "pod": "build",
                "service_account": "absent",
                "denied": "pod-identity-webhook: the pod is labelled eks.amazonaws.com/require-pod-identity but would"
                " lack its credentials: ServiceAccount ci/absent not found",
                "dry_run": False,
            },
            id="a refusal",
        ),
    ],
)
def test_a_json_line_has_the_fields_of_the_decision(
    json_process: WebhookProcess, review: dict[str, Any], entry: dict[str, Any]
) -> None:
    (line,) = logged(json_process, review)

    assert without_times(json.loads(line)) == {**entry, "logger": "webhook.server.decision_log", "uid": "the-uid"}


def test_with_log_injections_a_pod_without_a_role_leaves_no_line(json_process: WebhookProcess) -> None:
    (line,) = logged(json_process, NO_ROLE, QUIET)

    assert json.loads(line)["reason"] == "injected"


def test_what_authors_write_is_cut_and_stays_one_value_of_one_line(json_process: WebhookProcess) -> None:
    (line,) = logged(json_process, pod("long", name=FORGED + "x" * 10_000))

    entry = json.loads(line)
    assert entry["pod"] == (FORGED + "x" * 10_000)[:250] + "..."
    assert entry["role"] == LONG_ROLE[:2045] + "..."
    assert "\x1b" not in line
    assert len(line) < 4000


def test_of_many_warnings_the_line_has_a_few(json_process: WebhookProcess) -> None:
    many = pod(env=[{"name": "AWS_ROLE_ARN", "value": "mine"}])
    spec = many["request"]["object"]["spec"]
    spec["containers"] = [{**spec["containers"][0], "name": f"c{number}"} for number in range(20)]
    (line,) = logged(json_process, many)

    entry = json.loads(line)
    assert entry["warnings"] == [WARNING.replace("main", name) for name in ("c0", "c1", "c2")]
    assert entry["more_warnings"] == 17


def test_a_text_line_has_the_same_fields_readably_and_escaped(tmp_path: Path) -> None:
    with serving(tmp_path, "--log-injections", "--drain-period=0s") as process:
        lines = logged(process, {**pod(env=WARNED["request"]["object"]["spec"]["containers"][0]["env"], name=FORGED)})

    (found,) = [LINE.fullmatch(line) for line in lines]
    assert found is not None
    assert re.sub(r"duration_ms=[0-9.]+$", "duration_ms=1", found[1]) == (
        'INFO webhook.server.decision_log admitted reason="injected" namespace="ci"'
        r' pod="p\n2026-01-01T00:00:00.000Z ERROR webhook.server forged\u001b[31m\u2028"'
        f' service_account="builder" uid="the-uid" role="{ROLE}" warnings={json.dumps([WARNING])} operations=4'
        " dry_run=false duration_ms=1"
    )


def test_without_the_flag_only_what_needs_attention_leaves_a_line(tmp_path: Path) -> None:
    with serving(tmp_path, "--log-format=json", "--drain-period=0s") as process:
        lines = logged(process, QUIET, NO_ROLE, WARNED, QUIET, REFUSED)

    assert [json.loads(line)["reason"] for line in lines] == ["injected", "identity_required"]


def test_at_v_3_every_decision_leaves_a_line(tmp_path: Path) -> None:
    with serving(tmp_path, "--log-format=json", "-v=3", "--drain-period=0s") as process:
        lines = logged(process, QUIET, NO_ROLE, REFUSED)

    assert [(json.loads(line)["level"], json.loads(line)["reason"]) for line in lines] == [
        ("DEBUG", "injected"),
        ("DEBUG", "service_account_not_found"),
        ("WARNING", "identity_required"),
    ]


def test_a_request_without_a_review_leaves_no_decision(json_process: WebhookProcess) -> None:
    before = json_process.log
    with json_process.client() as client:
        answer = client.post("/mutate", content=b"{}", headers=JSON)

    assert answer.status_code == 400
    assert json_process.log == before


def test_the_length_of_a_line_is_about_what_the_docs_say(json_process: WebhookProcess, tmp_path: Path) -> None:
    usual = pod(name=None, generateName="checkout-reports-7d4b9c6f5d-", namespace=None)
    usual["request"]["uid"] = "0df28fbd-5f5f-11e8-bc74-36e6bb280816"
    (as_json,) = logged(json_process, usual)
    with serving(tmp_path, "--log-injections", "--drain-period=0s") as process:
        (as_text,) = logged(process, usual)

    page = (Path(__file__).parents[2] / "docs/operation.md").read_text()
    (said,) = re.findall(r"about (\d+) bytes as text and (\d+) as JSON", page)
    assert [len(as_text) + 1, len(as_json) + 1] == pytest.approx([int(number) for number in said], abs=15)
