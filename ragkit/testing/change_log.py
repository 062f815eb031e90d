"""What the checks of both kinds of index share: a log of changes in memory, in place of a store's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from ragkit.store.changes import Range, merge, ranges_of

Reader = TypeVar("Reader")


class ChangeLog:
    """Which ids changed, and when."""

    def __init__(self) -> None:
        self.last_id = 0
        self._entries: list[tuple[int, Range]] = []
        self._sequence = self._pruned = 0

    def note(self, ids: Iterable[int]) -> None:
        """Note that some ids were set or taken away."""
        numbers = list(ids)
        self.last_id = max(self.last_id, *numbers)
        for span in ranges_of(numbers):
            self._sequence += 1
            self._entries.append((self._sequence, span))

    def prune(self) -> None:
        """Forget the log."""
        self._entries, self._pruned = [], self._sequence

    def sequence(self) -> int:
        """Return the number of the newest change, as of :class:`ragkit.store.Store`."""
        return self._sequence

    def since(self, after: int | None) -> tuple[bool, tuple[Range, ...]]:
        """Return what changed after a change, and before that whether all is to be given anew."""
        if after is not None and self._pruned <= after <= self._sequence:
            return False, tuple(merge([span for n, span in self._entries if n > after]))
        return True, ((1, self.last_id),) if self.last_id else ()

    def in_order_of_place(self, ids: Sequence[int]) -> list[int]:
        """Return ids in the order of where they stand, which is theirs here."""
        return sorted(ids)


def inside(number: int, ranges: Iterable[Range]) -> bool:
    """Whether a number is in some of the ranges."""
    return any(first <= number <= last for first, last in ranges)


def require(holds: bool, what: str, found: object = None) -> None:
    """Raise an ``AssertionError`` that says ``what`` is wrong, and what was found instead."""
    if not holds:
        raise AssertionError(f"{what}: {found!r}" if found is not None else what)


def opened(reader: Reader | None) -> Reader:
    """Return the reader of an index to which something was applied, so that there must be one."""
    if reader is None:
        raise AssertionError("there is no reader of what was applied")
    return reader
