"""Progress bars as rich draws them: count, rate, time left and what is being worked on."""

from __future__ import annotations

import sys

from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from ragkit.cli.terminal import console


class CountsColumn(ProgressColumn):
    """Done of total, with unit and rate."""

    def render(self, task: Task) -> Text:
        """Return them as text."""
        done = f"{int(task.completed):,}"
        if task.total is not None:
            done += f"/{int(task.total):,}"
        speed = task.finished_speed or task.speed
        rate = f" ({speed:,.0f}/s)" if speed and speed >= 1 else ""
        return Text(f"{done} {task.fields['unit']}{rate}")


def make_bars() -> Progress:
    """Return bars on stderr that vanish when they are stopped."""
    columns: list[ProgressColumn] = [
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description}", table_column=Column(no_wrap=True)),
        BarColumn(bar_width=16),
        CountsColumn(Column(no_wrap=True)),
        TimeRemainingColumn(
            compact=True, elapsed_when_finished=True, table_column=Column(no_wrap=True)
        ),
        TextColumn(
            "{task.fields[detail]}",
            style="faint",
            table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
        ),
    ]
    return Progress(*columns, console=console(sys.stderr), transient=True, expand=True)
