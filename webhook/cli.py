"""The command `pod-identity-webhook`: runs the verb, and converts our errors to one line and an exit code.

Exit codes: 0 fine, 1 a finding or a failure, 2 usage.
"""

import importlib
import io
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from webhook import __version__
from webhook.commands.group import run_group
from webhook.commands.table import ANSWER, COMMANDS
from webhook.errors import SettingsError, UnusableInput, WebhookError
from webhook.terminal import escaping, one_line

_HELP: Final = ("-h", "--help", "help")
_VERSION: Final = frozenset({"-V", "--version", "--version=true"})


def main(argv: Sequence[str], environ: Mapping[str, str], *, is_plugin: bool = False) -> int:
    """Runs the command line `argv` (without the program's name); returns the exit code.

    As a plugin of kubectl, flags alone do not run `serve`.
    """
    with escaping(sys.stdout, sys.stderr):
        return _main(argv, environ, is_plugin=is_plugin)


def _main(argv: Sequence[str], environ: Mapping[str, str], *, is_plugin: bool) -> int:
    if len(argv) > 1 and argv[0] == "help":
        # `help certs show` is `certs show --help`. A flag without its value would take that for the value.
        argv = [*(word for word in argv[1:] if not word.startswith("-")), "--help"]
    if argv and argv[0].startswith("-") and argv[0] not in _HELP and not is_plugin:
        # The Go webhook has no commands: accept a container's arguments for it as those of `serve`.
        argv = ["serve", *argv]
    verb = argv[0] if argv else ""
    name = " ".join(["pod-identity-webhook", *COMMANDS.path(argv)])
    try:
        code = _run(verb, argv, environ)
        # Flush here: if the reader is gone, a flush at the interpreter's exit would print a traceback.
        sys.stdout.flush()
    except SettingsError as error:
        for problem in error.problems:
            print(f"{name}: {one_line(problem)}", file=sys.stderr)  # noqa: T201
        print(f"See '{name} --help'.", file=sys.stderr)  # noqa: T201
        return 2
    except UnusableInput as error:
        print(f"{name}: {one_line(str(error))}", file=sys.stderr)  # noqa: T201
        return 2
    except WebhookError as error:
        print(f"{name}: {one_line(str(error))}", file=sys.stderr)  # noqa: T201
        return 1
    except BrokenPipeError:
        # The reader (such as `| head`) has closed the pipe.
        _drop_output()
        return 1
    except OSError as error:
        _drop_output()
        print(f"{name}: {error.strerror or error}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        return 130
    return code


def run() -> None:
    """The entry point of the console script."""
    _replace_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A character that the terminal's encoding lacks must not stop the command.
            stream.reconfigure(errors="backslashreplace")
    # kubectl runs its plugins by these names: `kubectl pod-identity`, and to complete its words.
    # https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/
    program, words = Path(sys.argv[0]).name, sys.argv[1:]
    if program == "kubectl_complete-pod_identity":
        words = [ANSWER.name, *words]
    sys.exit(main(words, os.environ, is_plugin=program == "kubectl-pod_identity"))


def _replace_closed_streams() -> None:
    """Replaces the output streams that the caller has closed (`>&-`), which Python represents as None.

    Writing to standard output then fails as for other programs; messages on standard error are lost.
    """
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


def _run(verb: str, argv: Sequence[str], environ: Mapping[str, str]) -> int:
    if verb in _HELP:
        print(_usage())  # noqa: T201 - what a command prints
        return 0
    if verb == "version" or (verb != ANSWER.name and not _VERSION.isdisjoint(argv)):
        print(f"pod-identity-webhook {__version__}")  # noqa: T201
        return 0
    # Completion scripts ask this; people do not.
    command = ANSWER if verb == ANSWER.name else COMMANDS.named(verb)
    if command is None:
        problem = f"{verb!r} is not a command" if verb else "a command is missing"
        print(f"pod-identity-webhook: {problem}\n\n{_usage()}", file=sys.stderr)  # noqa: T201
        return 2
    if command.commands:
        return run_group(command, argv[1:], environ)
    code: int = importlib.import_module(command.module).main(argv[1:], environ)
    return code


def _drop_output() -> None:
    """Discards buffered output, so that it does not fail again at the interpreter's exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _usage() -> str:
    width = max(len(command.name) for command in COMMANDS.commands) + 1
    verbs = "\n".join(f"  {command.name:<{width}} {command.what}" for command in COMMANDS.commands)
    return (
        "Usage: pod-identity-webhook COMMAND [flags]\n\n"
        f"{COMMANDS.about}\n\n"
        f"Commands:\n{verbs}\n\n"
        "'pod-identity-webhook help COMMAND' lists a command's flags; 'version' prints the version."
    )
