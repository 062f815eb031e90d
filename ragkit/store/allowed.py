"""What a filter lets through, in the form that all indexes take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragkit.store.changes import Range


@dataclass(frozen=True, slots=True)
class Allowed:
    """Chunks that may be found: as ranges, as a list (:meth:`ids`), or by asking (:meth:`holds`).

    Attributes:
        ranges: First and last id, both included, shape (n, 2): ascending and disjoint.
        documents: Ids of the documents whose chunks these are, shape (m,), ascending; ``None``
            where of some documents only a part is allowed.
    """

    ranges: NDArray[np.int64]
    documents: NDArray[np.int64] | None = None
    _mask: list[NDArray[np.bool_]] = field(default_factory=list, repr=False, compare=False)

    @classmethod
    def where(cls, mask: NDArray[np.bool_]) -> Allowed:
        """Allow the ids for which a mask, from id 0 on, is true."""
        return cls(ranges_where(mask), None, [mask])

    @property
    def is_empty(self) -> bool:
        """Whether nothing is allowed, not even a document that has no chunk."""
        return not len(self.ranges) and (self.documents is None or not len(self.documents))

    @property
    def chunks(self) -> int:
        """How many chunks there are."""
        return int((self.ranges[:, 1] - self.ranges[:, 0] + 1).sum())

    def without(self, other: Allowed) -> Allowed:
        """What is allowed here and not there."""
        import numpy as np

        last = int(max(self.ranges[:, 1].max(initial=0), other.ranges[:, 1].max(initial=0)))
        mask = covered(self.ranges, last) & ~covered(other.ranges, last)
        documents = None
        if self.documents is not None and other.documents is not None:
            documents = np.setdiff1d(self.documents, other.documents)
        return Allowed(ranges_where(mask), documents)

    def ids(self) -> list[int]:
        """List the chunks' ids, ascending."""
        found: list[int] = []
        for first, last in self.ranges.tolist():
            found.extend(range(first, last + 1))
        return found

    def holds(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each of some chunk ids is among them."""
        return inside(ids, self.ranges)

    def mask(self, last_id: int) -> NDArray[np.bool_]:
        """Whether each id from 0 to ``last_id`` is among them; it is kept for the next call."""
        for kept in self._mask:
            if len(kept) > last_id:
                return kept[: last_id + 1]
        mask = covered(self.ranges, last_id)
        self._mask[:] = [mask]
        return mask


def as_array(ranges: Sequence[Range]) -> NDArray[np.int64]:
    """Write ranges as an array of shape (n, 2)."""
    import numpy as np

    return np.asarray(ranges, dtype=np.int64).reshape(-1, 2)


def covered(ranges: NDArray[np.int64], last_id: int) -> NDArray[np.bool_]:
    """Whether each id from 0 to ``last_id`` lies in ranges, which may overlap."""
    import numpy as np

    steps = np.bincount(np.minimum(ranges[:, 0], last_id + 1), minlength=last_id + 2)
    steps -= np.bincount(np.minimum(ranges[:, 1] + 1, last_id + 1), minlength=last_id + 2)
    return np.cumsum(steps)[: last_id + 1] > 0


def ranges_where(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """List the ranges of ids for which a mask, from id 0 on, is true: shape (n, 2)."""
    import numpy as np

    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    return np.stack([edges[::2], edges[1::2] - 1], axis=1)


def inside(ids: NDArray[np.int64], ranges: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each id lies in ranges, which are ascending and disjoint."""
    import numpy as np

    if not len(ranges):
        return np.zeros(len(ids), dtype=bool)
    nearest = np.searchsorted(ranges[:, 0], ids, side="right") - 1
    return np.asarray((nearest >= 0) & (ids <= ranges[np.maximum(nearest, 0), 1]))
