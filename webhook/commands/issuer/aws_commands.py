"""Runs the aws commands of `issuer publish`, one after the other, until one fails."""

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from webhook.errors import WebhookError
from webhook.issuer.publication import Step


@dataclass(frozen=True)
class Result:
    """What one command answered."""

    argv: tuple[str, ...]
    code: int
    out: str
    err: str

    def as_json(self) -> dict[str, Any]:
        """Returns the result for scripts."""
        return {"argv": list(self.argv), "code": self.code, "out": self.out, "err": self.err}


def find_aws(environ: Mapping[str, str]) -> str:
    """Returns the path of the AWS CLI. Raises WebhookError."""
    path = shutil.which("aws", path=environ.get("PATH", ""))
    if path is None:
        raise WebhookError("there is no aws on the PATH: install the AWS CLI, or run the commands elsewhere")
    return path


def is_confirmed(count: int, stream: TextIO) -> bool:
    """Asks on `stream` whether to run the commands; anything but yes is no."""
    print(f"Run these {count} commands? [y/N] ", end="", file=stream, flush=True)
    answer = sys.stdin.readline().strip().lower()
    if answer in {"y", "yes"}:
        return True
    print("Nothing was run." if answer else "\nNothing was run: --yes runs without a question.", file=stream)
    return False


def run_steps(aws: str, steps: Sequence[Step], environ: Mapping[str, str], stream: TextIO) -> list[Result]:
    """Runs the steps in their order and reports on `stream`; returns the results up to the first failure."""
    results: list[Result] = []
    variables: dict[str, str] = {}
    for number, step in enumerate(steps, 1):
        print(f"[{number}/{len(steps)}] {step.what}", file=stream, flush=True)
        result = _run(aws, step.resolved(variables), environ)
        results.append(result)
        for text in (result.out, result.err):
            if text.strip():
                print(text.rstrip(), file=stream)
        if result.code == 0 and step.sets and not result.out.strip():
            result = Result(result.argv, 1, result.out, "the command succeeded but printed no value")
            results[-1] = result
            print(result.err, file=stream)
        if result.code:
            rest = len(steps) - number
            print(f"Command {number} failed with code {result.code}; {rest} after it did not run.", file=stream)
            return results
        if step.sets:
            variables[step.sets] = result.out.strip()
    print(f"All {len(steps)} commands succeeded.", file=stream)
    return results


def _run(aws: str, argv: tuple[str, ...], environ: Mapping[str, str]) -> Result:
    try:
        done = subprocess.run(  # noqa: S603 - the admin asked for it, and argv is no shell's
            [aws, *argv[1:]],
            # A pager would wait for a key.
            env={**environ, "AWS_PAGER": ""},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            check=False,
        )
    except OSError as error:
        raise WebhookError(f"{aws}: {error.strerror or error}") from error
    return Result(argv, done.returncode, done.stdout, done.stderr)
