"""Runs the command line for tests, in this process or in a separate one."""

import contextlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from webhook.cli import main

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"
_COUNT = re.compile(r"(?:\A|(?<=\n))pod-identity-webhook replay: (\d+ replayed: .*)\n\Z")
COMMAND = (sys.executable, "-m", "webhook")


@dataclass(frozen=True)
class Outcome:
    """The exit code and the output of a command. `count` is the last line of `replay`; `err` is without it."""

    code: int
    out: str
    err: str
    count: str = field(default="", compare=False)


def _outcome(code: int, out: str, err: str) -> Outcome:
    counted = _COUNT.search(err)
    return Outcome(code, out, err[: counted.start()], counted[1]) if counted else Outcome(code, out, err)


def run(*argv: str, stdin: str = "", environ: Mapping[str, str] | None = None) -> Outcome:
    """Runs the command in this process."""
    out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
    before = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(stdin.encode()))
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(argv, environ or {})
    finally:
        sys.stdin = before
    out.seek(0)
    return _outcome(code, out.read(), err.getvalue())


def run_process(*argv: str, environ: Mapping[str, str] | None = None, cwd: Path = ROOT) -> Outcome:
    """Runs the command as a process."""
    done = subprocess.run(
        [*COMMAND, *argv],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=without_settings() | {"PYTHONPATH": str(ROOT)} | dict(environ or {}),
        cwd=cwd,
        timeout=60,
        check=False,
    )
    return _outcome(done.returncode, done.stdout, done.stderr)


def without_settings() -> dict[str, str]:
    """Returns our environment without the variables that would change the command's output."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PIW_", "NO_COLOR", "PYTHONUNBUFFERED"))
    }


def assert_golden(name: str, text: str) -> None:
    """Asserts that `text` equals the golden file `name`; with UPDATE_GOLDEN=1 in the environment, writes it instead."""
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"differs from {path}; UPDATE_GOLDEN=1 writes it"
