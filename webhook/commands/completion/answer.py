"""`__complete WORD...`: answers a completion script.

A word a line, with a tab before its explanation, and last a colon and a number: 4 if names of files do not fit, 0 if
they do. That is how kubectl's plugins (kubectl_complete-...) and cobra's programs answer.
`candidates.py` finds the words.
"""

from collections.abc import Mapping, Sequence

from webhook.commands.completion.candidates import candidates
from webhook.terminal import one_line, print_styled


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:  # noqa: ARG001 - every command takes the environment
    """Prints the words that fit in place of the last of `argv`. Returns the exit code."""
    found = candidates(argv)
    for word, what in found.words:
        # Escape the parts only: the tab between them stays.
        print_styled(f"{one_line(word)}\t{what}\n" if what else f"{one_line(word)}\n")
    print(":0" if found.files else ":4")
    return 0
