"""Progress bars on stderr, driven by ragkit's events; only notices where nobody is watching."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from ragkit.cli.output import is_terminal, note, printable, printable_path
from ragkit.events import Event, Notice, Progress, Stage

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

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
            self._bars = self._make()
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Clear the bars; the command prints what came of it."""
        self.close()

    def close(self) -> None:
        """Clear the bars for good."""
        bars, self._bars = self._bars, None
        if bars is not None:
            bars.stop()

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
                self._bars, self._tasks = self._make(), {}
                self._bars.start()

    def _make(self) -> Bars:
        from ragkit.cli.rich_bars import make_bars

        return make_bars()

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


def _shorten(path: str) -> str:
    """Return the file's name, for there is no room for more; its end tells most."""
    name = path.rpartition("/")[2]
    return name if len(name) <= _DETAIL_WIDTH else "…" + name[1 - _DETAIL_WIDTH :]
