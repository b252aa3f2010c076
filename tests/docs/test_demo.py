import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from examples.demo import COMMAND, NEXT
from tests.commands.outcome import ROOT, assert_golden, without_settings

MASKS = (
    (re.escape(str(ROOT)), "ROOT"),
    (r"=/\S+/certificate\b", "=TEMPORARY/certificate"),
    (r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "TIME"),
    (r"(port |localhost:)\d+", r"\1PORT"),
    (r"pod-identity-webhook \d\S+ serves", "pod-identity-webhook VERSION serves"),
)


def test_the_demonstration_shows_the_main_job(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples/demo.py")],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=tmp_path,
        env=without_settings() | {"PYTHONPATH": str(ROOT)},
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    shown = done.stdout
    for pattern, mask in MASKS:
        shown = re.sub(pattern, mask, shown)
    assert_golden("demo.txt", shown)


@pytest.mark.parametrize("command", NEXT)
def test_each_command_of_the_last_screen_works_in_the_checkout(command: str) -> None:
    done = subprocess.run(
        [*COMMAND, *shlex.split(command)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=without_settings(),
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert command in (ROOT / "tests/commands/golden/demo.txt").read_text(encoding="utf-8")
