import json
import logging
import re
from collections.abc import Callable
from typing import Literal

import pytest

from webhook.server.logs import FIELDS, configure_logs

INJECTED = "2026-01-01T00:00:00.000Z ERROR webhook.server forged\x1b[31m\u2028"


@pytest.fixture
def stderr(logging_restored: None, capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:  # noqa: ARG001 - a fixture with a side effect
    """Returns a function that returns the text on standard error since its last call."""
    return lambda: capsys.readouterr().err


def test_a_text_line_has_time_level_logger_and_message(stderr: Callable[[], str]) -> None:
    configure_logs(0, "text")
    logging.getLogger("webhook.server").warning("%d things", 3)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING webhook\.server 3 things\n", stderr())


def test_a_json_line_has_the_same_and_a_bugs_traceback(stderr: Callable[[], str]) -> None:
    configure_logs(0, "json")
    bug = ValueError("oh\nno")
    logging.getLogger("webhook.server").error("a bug: %s", "ünï\ncode", exc_info=bug)
    (line,) = stderr().splitlines()
    entry = json.loads(line)
    assert (entry["level"], entry["logger"], entry["message"]) == ("ERROR", "webhook.server", "a bug: ünï\ncode")
    assert entry["traceback"].endswith("ValueError: oh\nno")
    assert set(entry) == {"time", "level", "logger", "message", "traceback"}


@pytest.mark.parametrize("style", ["text", "json"])
def test_every_message_is_one_line(stderr: Callable[[], str], style: Literal["text", "json"]) -> None:
    configure_logs(0, style)
    logging.getLogger("webhook").info("%s", f"a\r\n{INJECTED} ü")
    written = stderr()
    assert len(written.splitlines()) == 1
    assert "\x1b" not in written
    if style == "text":
        assert written.endswith(
            " INFO webhook a\\r\\n2026-01-01T00:00:00.000Z ERROR webhook.server forged\\x1b[31m\\u2028 ü\n"
        )


def test_traceback_lines_are_indented_so_that_they_do_not_look_like_entries(stderr: Callable[[], str]) -> None:
    configure_logs(0, "text")
    logging.getLogger("webhook").error("a bug", exc_info=ValueError(f"a\n{INJECTED}"))
    first, *others = stderr().rstrip("\n").split("\n")
    assert first.endswith(" ERROR webhook a bug")
    assert all(line.startswith("    ") for line in others)
    assert others[-1] == f"    {INJECTED[:-6]}\\x1b[31m\\u2028"


def test_lines_above_the_rate_are_dropped_and_the_next_second_reports_how_many(
    stderr: Callable[[], str],
) -> None:
    configure_logs(0, "text")
    logger = logging.getLogger("webhook")

    def log(second: int, text: str) -> None:
        record = logger.makeRecord("webhook", logging.INFO, "", 0, "%s", (text,), None)
        record.created = second
        logger.handle(record)

    for number in range(250):
        log(1000, str(number))
    log(1001, "100%")
    log(1001, "more")
    lines = stderr().splitlines()
    assert len(lines) == 202
    assert lines[199].endswith(" 199")
    assert lines[200].endswith(" webhook 100% (50 lines before this one were dropped)")
    assert lines[201].endswith(" webhook more")


@pytest.mark.parametrize(
    ("verbosity", "shown"),
    [
        (0, ["webhook INFO", "other INFO"]),
        (3, ["webhook DEBUG", "webhook INFO", "other INFO"]),
        (5, ["webhook DEBUG", "webhook INFO", "other DEBUG", "other INFO"]),
    ],
)
def test_verbosity_is_klogs(stderr: Callable[[], str], verbosity: int, shown: list[str]) -> None:
    configure_logs(verbosity, "text")
    for name in ("webhook", "other"):
        for level in (logging.DEBUG, logging.INFO):
            logging.getLogger(name).log(level, "%s %s", name, logging.getLevelName(level))
    assert [" ".join(line.split(" ")[3:]) for line in stderr().splitlines()] == shown


def test_fields_are_members_in_json_and_follow_the_message_in_text(stderr: Callable[[], str]) -> None:
    fields = {"pod": f"p\r\n{INJECTED} ü", "warnings": ["a", 'b"'], "dry_run": False, "left_out": 2}
    configure_logs(0, "json")
    logging.getLogger("webhook").info("%s", "done", extra={FIELDS: fields})
    in_json = stderr()
    configure_logs(0, "text")
    logging.getLogger("webhook").info("%s", "done", extra={FIELDS: fields})
    in_text = stderr()

    (line,) = in_json.splitlines()
    assert {name: value for name, value in json.loads(line).items() if name in fields} == fields
    assert len(in_text.splitlines()) == 1
    assert in_text.endswith(
        r' INFO webhook done pod="p\r\n2026-01-01T00:00:00.000Z ERROR webhook.server forged\u001b[31m\u2028 \u00fc"'
        r' warnings=["a", "b\""] dry_run=false left_out=2' + "\n"
    )


def test_a_line_that_says_how_many_were_dropped_keeps_its_fields(stderr: Callable[[], str]) -> None:
    configure_logs(0, "json")
    logger = logging.getLogger("webhook")
    for second, count in ((1000, 201), (1001, 1)):
        for _ in range(count):
            record = logger.makeRecord("webhook", logging.INFO, "", 0, "done", (), None, extra={FIELDS: {"pod": "p"}})
            record.created = second
            logger.handle(record)

    last = json.loads(stderr().splitlines()[-1])
    assert (last["message"], last["pod"]) == ("done (1 lines before this one were dropped)", "p")
