"""A progress bar on standard error, if that is a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


@contextmanager
def pods_progress(*, colours: bool) -> Iterator[Callable[[int, int], None]]:
    """Yields a function that takes the number of pods so far, and about how many follow."""
    if not sys.stderr.isatty():
        yield lambda _seen, _remaining: None
        return
    # Not our escaping stream: the bar has nothing but numbers and our own words.
    console = Console(file=sys.__stderr__, no_color=not colours, highlight=False)
    columns = (TextColumn("pods"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("pods", total=None)
        yield lambda seen, remaining: bar.update(task, completed=seen, total=seen + remaining)
