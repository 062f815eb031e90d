"""Progress bars on stderr, driven by ragkit's events; only notices where nobody is watching."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from ragkit.cli.output import console, is_terminal, note, printable, printable_path
from ragkit.events import Event, Notice, Progress, Stage

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import ProgressColumn, TaskID
    from rich.table import Column

_LABELS: dict[Stage, str] = {
    "scan": "Looking for files",
    "load": "Reading",
    "index": "Indexing words",
    "compile": "Preparing the model (only once)",
    "embed": "Computing vectors",
}
_DETAIL_WIDTH = 40


class ProgressDisplay(AbstractContextManager["ProgressDisplay"]):
    """A listener that shows each stage as a bar with count, rate, time left and current file.

    Use it as a context manager; it may be called from several threads. Away from a terminal it
    prints notices and nothing else.
    """

    def __init__(self) -> None:
        self._bars: Bars | None = None
        self._tasks: dict[Stage, TaskID] = {}
        self._lock = Lock()
        self.latest: dict[Stage, Progress] = {}

    def __enter__(self) -> ProgressDisplay:
        """Start showing."""
        if is_terminal(sys.stderr):
            self._bars = _make_bars()
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Clear the bars; the command prints what came of it."""
        if self._bars is not None:
            self._bars.stop()

    def __call__(self, event: Event) -> None:
        """Take in an event."""
        if isinstance(event, Notice):
            self._show_notice(event)
            return
        self.latest[event.stage] = event
        if self._bars is not None:
            with self._lock:
                self._show_progress(self._bars, event)

    def is_idle(self) -> bool:
        """Whether every stage that began has come to its end."""
        return all(event.done == event.total for event in self.latest.values())

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Take the bars away while something is asked or printed; what is there then stays."""
        if self._bars is None:
            yield
            return
        self._bars.stop()
        try:
            yield
        finally:
            with self._lock:  # bars that start again would be drawn over what stands there now
                self._bars, self._tasks = _make_bars(), {}
                self._bars.start()

    def _show_notice(self, notice: Notice) -> None:
        if self._bars is None:
            note(f"Note: {printable(notice.message)}")
        else:
            self._bars.console.print(f"Note: {printable(notice.message)}", style="warn")

    def _show_progress(self, bars: Bars, event: Progress) -> None:
        task = self._tasks.get(event.stage)
        if task is not None and event.done < bars.tasks[bars.task_ids.index(task)].completed:
            bars.remove_task(task)  # the stage begins again, for the next folder
            task = None
        if task is None:
            task = bars.add_task(
                _LABELS[event.stage], total=event.total, unit=event.unit, detail=""
            )
            self._tasks[event.stage] = task
        bars.update(
            task,
            total=event.total,
            completed=event.done,
            unit=event.unit,
            detail=_shorten(printable_path(event.detail)),
        )


def _make_bars() -> Bars:
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars
    from rich.table import Column

    columns: list[ProgressColumn] = [
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description}", table_column=Column(no_wrap=True)),
        BarColumn(bar_width=16),
        _counts_column(Column(no_wrap=True)),
        TimeRemainingColumn(
            compact=True, elapsed_when_finished=True, table_column=Column(no_wrap=True)
        ),
        TextColumn(
            "{task.fields[detail]}",
            style="faint",
            table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
        ),
    ]
    return Bars(*columns, console=console(sys.stderr), transient=True, expand=True)


def _counts_column(table_column: Column) -> ProgressColumn:
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    class CountsColumn(ProgressColumn):
        """Done of total, with unit and rate."""

        def render(self, task: Task) -> Text:
            done = f"{int(task.completed):,}"
            if task.total is not None:
                done += f"/{int(task.total):,}"
            speed = task.finished_speed or task.speed
            rate = f" ({speed:,.0f}/s)" if speed and speed >= 1 else ""
            return Text(f"{done} {task.fields['unit']}{rate}")

    return CountsColumn(table_column)


def _shorten(path: str) -> str:
    """Return the file's name, for there is no room for more; its end tells most."""
    name = path.rpartition("/")[2]
    return name if len(name) <= _DETAIL_WIDTH else "…" + name[1 - _DETAIL_WIDTH :]
