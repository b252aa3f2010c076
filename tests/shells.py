"""Types keys into interactive shells on a real pseudo-terminal."""

import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCRIPT = Path(sys.executable).with_name("pod-identity-webhook")
# Within this time (seconds), a shell must answer.
_WITHIN = 60

_BASH = (
    "PS1='$ '; bind 'set enable-bracketed-paste off'",
    f". <({SCRIPT} completion bash)",
    # Ctrl-G shows what is on the command line in place of running it.
    "show() { printf '\\nLINE:%s:END\\n' \"$READLINE_LINE\"; }; bind -x '\"\\C-g\": show'; echo RE''ADY",
)
_ZSH = (
    "autoload -U compinit; compinit -u -D",
    f"source <({SCRIPT} completion zsh)",
    "show() { print; print -r -- \"LINE:$BUFFER:END\" }; zle -N show; bindkey '^G' show; echo RE''ADY",
)


def typed_in_bash(keys: str) -> str:
    """Returns the command line of a bash with our completion after these keys."""
    return _typed(["bash", "--norc", "--noprofile", "-i"], _BASH, keys)


def typed_in_zsh(keys: str) -> str:
    """Returns the command line of a zsh with our completion after these keys."""
    return _typed(["zsh", "-f", "-i"], _ZSH, keys)


def offered_by_fish(line: str) -> list[str]:
    """Returns the words that fish with our completion offers at the end of `line`."""
    script = f"{SCRIPT} completion fish | source; complete --do-complete $argv[1]"
    shown = subprocess.run(
        ["fish", "--no-config", "-c", script, line],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=_environ(),
        timeout=_WITHIN,
    )
    assert shown.stderr == ""
    return [word.partition("\t")[0] for word in shown.stdout.splitlines()]


def _typed(shell: Sequence[str], lines: Sequence[str], keys: str) -> str:
    terminal, other_end = pty.openpty()
    with subprocess.Popen(
        shell, stdin=other_end, stdout=other_end, stderr=other_end, cwd=ROOT, env=_environ(), start_new_session=True
    ) as process:
        os.close(other_end)
        try:
            for line in lines:
                os.write(terminal, f"{line}\n".encode())
            _read_until(terminal, r"\nREADY")
            os.write(terminal, f"{keys}\x07".encode())
            return _read_until(terminal, r"LINE:(.*):END")[1]
        finally:
            process.kill()
            os.close(terminal)


def _environ() -> dict[str, str]:
    return {"PATH": f"{SCRIPT.parent}:{os.environ['PATH']}", "TERM": "dumb", "HOME": "/nonexistent"}


def _read_until(terminal: int, pattern: str) -> re.Match[str]:
    seen = ""
    while not (found := re.search(pattern, seen)):
        assert select.select([terminal], [], [], _WITHIN)[0], seen
        seen += os.read(terminal, 4096).decode(errors="replace")
    return found
