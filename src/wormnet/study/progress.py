"""How far a study is, on stderr."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Bar", "shown_while"]


class Bar:
    """Progress over everything, and the lines that are told beside it."""

    def __init__(self, shown: bool):
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
        from rich.progress import TimeRemainingColumn as Remaining

        columns = (TextColumn("{task.description:>9}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        console = Console(stderr=True, soft_wrap=True, markup=False, emoji=False, highlight=False)
        self.progress = Progress(*columns, TextColumn("left"), Remaining(), console=console, disable=not shown)
        self.task: Any = None

    def start(self, what: str, total: int) -> None:
        """Begin another phase."""
        if total:
            self.task = self.progress.add_task(what, total=total)

    def tick(self) -> None:
        """One more is done."""
        if self.task is not None:
            self.progress.advance(self.task)

    def tell(self, line: str) -> None:
        """A line that stays, also where no bar is shown."""
        self.progress.console.print(f"wormnet: {line}")


@contextmanager
def shown_while(shown: bool) -> Iterator[Bar]:
    """A bar for as long as the block runs."""
    bar = Bar(shown)
    with bar.progress:
        yield bar
