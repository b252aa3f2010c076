"""`completion SHELL`: prints a completion script."""

from collections.abc import Mapping, Sequence
from typing import Final

from webhook.commands.completion.scripts import SCRIPTS
from webhook.errors import SettingsError

_HELP: Final = """Usage: pod-identity-webhook completion bash|zsh|fish

Prints a script that completes commands, flags and their values. To load it in the shell that runs:

  bash: . <(pod-identity-webhook completion bash)
  zsh:  source <(pod-identity-webhook completion zsh)
  fish: pod-identity-webhook completion fish | source

To load it in every shell, write this line to ~/.bashrc, ~/.zshrc (after compinit) or ~/.config/fish/config.fish."""


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:  # noqa: ARG001 - every command takes the environment
    """Prints the script of the shell in `argv`; returns the exit code. Raises SettingsError."""
    if not {"-h", "--help"}.isdisjoint(argv):
        print(_HELP)
        return 0
    shell = argv[0] if argv else ""
    if shell not in SCRIPTS or len(argv) > 1:
        problem = f"{' '.join(argv)!r} is not one of the shells" if argv else "a shell is missing"
        raise SettingsError([f"{problem}: {', '.join(SCRIPTS)}"])
    print(SCRIPTS[shell], end="")
    return 0
