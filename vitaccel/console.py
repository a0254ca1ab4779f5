"""What the command line shows: results to stdout, progress and logs to stderr."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

__all__ = ["Steps", "note", "show", "show_table", "steps"]

out = Console()
err = Console(stderr=True)


class Steps(Protocol):
    """Told the name of the present step and its share done, None while unknown."""

    def __call__(self, name: str, share: float | None = None) -> None: ...


@contextmanager
def steps() -> Iterator[Steps]:
    """One progress bar per step, on stderr; a line per finished step where that is no terminal."""
    columns = (
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("{task.description:<10}"),
        BarColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err) as bars:
        tasks: dict[str, Any] = {}

        def step(name: str, share: float | None = None) -> None:
            for other, task in tasks.items():
                if other != name and not bars.tasks[task].finished:
                    bars.update(task, completed=1, total=1)
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=None)
            if share is not None:
                bars.update(tasks[name], completed=share, total=1)

        yield step


def note(line: str) -> None:
    """Print a line to stderr, above the progress bars if there are any."""
    err.print(line, highlight=False, markup=False, soft_wrap=True)


def show(result: Mapping[str, Any], as_json: bool, lines: Sequence[str] = ()) -> None:
    """Print ``result`` as JSON, or ``lines``."""
    if as_json:
        sys.stdout.write(json.dumps(result, indent=1) + "\n")
    else:
        for line in lines:
            out.print(line, highlight=False, markup=False, soft_wrap=True)


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; wide cells wrap but in the first column."""
    table = Table(title=title, title_justify="left", title_style="bold", pad_edge=False, box=None)
    for n, column in enumerate(columns):
        justify = "right" if n in (1, 2) else "left"
        table.add_column(column, justify=justify, no_wrap=n == 0)
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    out.print(table)
