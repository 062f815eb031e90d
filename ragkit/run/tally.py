"""What a run did to which file, as it happens, and the report that comes of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ragkit.results import FileNote, IngestReport
from ragkit.store.paths import shown

if TYPE_CHECKING:
    from ragkit.run.targets import Survey
    from ragkit.store import Store

SKIPPED = "skipped: "
Place = tuple[int | None, str]


@dataclass(slots=True)
class Tally:
    """What was done to which file: paths as they are in a root, whose id comes before them."""

    root_id: int | None = None
    added: list[Place] = field(default_factory=list)
    changed: list[Place] = field(default_factory=list)
    moved: list[Place] = field(default_factory=list)
    removed: list[Place] = field(default_factory=list)
    failed: list[tuple[Place, str]] = field(default_factory=list)
    warnings: list[tuple[Place, str]] = field(default_factory=list)
    same: int = 0

    def begin(self, look: Survey) -> None:
        """Go on to another target, and count what there is nothing to do about."""
        self.root_id = look.root.id if look.root is not None else None
        for note in look.notes:
            self.warn(note.path, note.reason)
        self.same += len(look.plan.same) + len(look.plan.touched)
        for file in look.plan.still_failing:
            self.fail(file.relative_path, look.known[file.relative_path].failure or "")
        for path in look.plan.unseen:
            self.fail(path, "it cannot be looked at; its last version is kept")

    def place(self, path: str) -> Place:
        """Name a file of the present target."""
        return self.root_id, path

    def warn(self, path: str, reason: str) -> None:
        """Say something of a file that was ingested, or skipped."""
        self.warnings.append((self.place(path), reason))

    def fail(self, path: str, reason: str) -> None:
        """Count a file that could not be loaded, or that was skipped."""
        skipped = reason.startswith(SKIPPED)
        (self.warnings if skipped else self.failed).append((self.place(path), reason))

    def report(
        self, store: Store | None, started: float, expected_seconds: float | None = None
    ) -> IngestReport:
        """Sum up; ``started`` is what :func:`time.perf_counter` said at the beginning."""
        counts = store.counts() if store is not None else None
        names = store.unusual_paths() if store is not None else {}

        def shown_path(place: Place) -> str:
            return names.get(place) or shown(place[1])

        def shown_paths(places: Sequence[Place]) -> tuple[str, ...]:
            return tuple(sorted(map(shown_path, places)))

        def notes(entries: Sequence[tuple[Place, str]]) -> tuple[FileNote, ...]:
            found = [FileNote(shown_path(place), reason) for place, reason in entries]
            return tuple(sorted(found, key=lambda note: note.path))

        return IngestReport(
            added=shown_paths(self.added),
            changed=shown_paths(self.changed),
            moved=shown_paths(self.moved),
            removed=shown_paths(self.removed),
            same=self.same,
            failed=notes(self.failed),
            warnings=notes(self.warnings),
            chunks=counts.chunks if counts else 0,
            vectors=counts.vectors if counts else 0,
            seconds=round(time.perf_counter() - started, 3),
            expected_seconds=expected_seconds,
        )
