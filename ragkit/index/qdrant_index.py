"""A vector index on a Qdrant server, which many machines may search.

A base has one collection. A point is a passage: its id, its vector, and its id again as payload, by
which ranges are filtered. Point 0 is no passage; it notes how far the collection has come, and is
written after what it speaks of, so that what is interrupted is simply done again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ragkit.errors import UsageError
from ragkit.index.ordering import best, candidates, in_order
from ragkit.index.protocols import DamagedIndexError, IndexState, UnreachableIndexError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from qdrant_client import QdrantClient

    from ragkit.index.protocols import VectorIndex, VectorIndexFactory
    from ragkit.store.allowed import Allowed
    from ragkit.store.feed import VectorChanges
    from ragkit.store.records import Scored

API_KEY = "QDRANT_API_KEY"  # environment variable
_NOTE = 0
_FORMAT = 1
_BATCH = 500  # points a request: about 2 MB of JSON
_ATTEMPTS = 4
_FIRST_PAUSE = 0.25  # seconds, then twice that, and so on
_SECONDS = 60  # for one request
_BUSY = frozenset((429, 502, 503, 504))
_NAMED = 10_000  # stale ones up to which each is named
_FEW = 64  # allowed passages up to which they are named one by one
_Result = TypeVar("_Result")


def qdrant_at(location: str) -> VectorIndexFactory:
    """Return what makes an index on a Qdrant server; it is not asked yet.

    Args:
        location: ``http://host:6333``; where the server wants an API key, ``QDRANT_API_KEY`` has it.

    Raises:
        UsageError: that is no address, or a package is missing (``pip install 'ragkit[qdrant]'``).
    """
    if not location.startswith(("http://", "https://")):
        raise UsageError(
            f"vector_index='qdrant:{location}' lacks the server's address; write"
            " 'qdrant:http://localhost:6333'"
        )
    try:
        import qdrant_client
    except ImportError as error:
        raise UsageError("Qdrant needs its client: pip install 'ragkit[qdrant]'") from error
    connect = partial(
        qdrant_client.QdrantClient,
        url=location,
        api_key=os.environ.get(API_KEY) or None,
        timeout=_SECONDS,
        check_compatibility=False,  # would ask the server before it is needed
    )

    def make(_directory: Path, base: str) -> VectorIndex:
        return QdrantIndex(connect, base, location=location)

    return make


class QdrantIndex:
    """The collection of one base. Searches are approximate where Qdrant has built a graph."""

    def __init__(
        self, connect: Callable[[], QdrantClient], base: str, *, location: str = "Qdrant"
    ) -> None:
        """Nothing is asked of Qdrant until it is needed.

        Args:
            connect: Makes the client; a forked process makes its own.
            base: Identifier of the base, which names its collection.
            location: For messages.
        """
        self._connect = connect
        self._collection = f"ragkit-{base}"
        self._location = location

    @cached_property
    def _client(self) -> QdrantClient:
        return _asked(self._location, self._connect)

    def sequence(self) -> int | None:
        """See :class:`ragkit.index.protocols.Index`."""
        reader = self.reader()
        return None if reader is None else reader.sequence

    def reader(self) -> QdrantReader | None:
        """See :class:`ragkit.index.protocols.VectorIndex`.

        Raises:
            UnreachableIndexError: the server does not answer, or refuses.
        """
        try:
            found = self._ask("retrieve", [_NOTE], with_payload=True)
        except DamagedIndexError:
            return None
        note = (found[0].payload or {}) if found else {}
        numbers = [note.get(key) for key in ("format", "sequence", "dimension", "count")]
        if not all(isinstance(number, int) for number in numbers) or numbers[0] != _FORMAT:
            return None
        return QdrantReader(self._ask, note["sequence"], note["dimension"], note["count"])

    def apply(self, changes: VectorChanges, *, final: bool) -> int:
        """See :class:`ragkit.index.protocols.VectorIndex`.

        Raises:
            UnreachableIndexError: the server does not answer, or refuses; what it was given by then
                is given again the next time.
        """
        del final  # nothing is ever put off
        from qdrant_client import models

        before = None if changes.whole else self.reader()
        if before is not None and not changes.ranges:
            return before.sequence
        if before is None or before.dimension != changes.dimension:
            self._begin(changes.dimension)
            batches = changes.everything()
        else:
            for stale in _stale(changes):
                self._ask("delete", stale)
            batches = changes.added()
        for ids, rows in batches:
            for first in range(0, len(ids), _BATCH):
                few = ids[first : first + _BATCH].tolist()
                points = models.Batch(
                    ids=few,
                    vectors=rows[first : first + _BATCH].tolist(),
                    payloads=[{"chunk": number} for number in few],
                )
                self._ask("upsert", points)
        self._note(changes)
        return changes.sequence

    def check(self) -> IndexState | None:
        """See :class:`ragkit.index.protocols.Index`."""
        reader = self.reader()
        if reader is None:
            return None
        there = self._ask("count", exact=True).count - 1
        damage = "" if there == reader.count else f"{there:,} of {reader.count:,} vectors are there"
        return IndexState(reader.sequence, there, about="in Qdrant", damage=damage)

    def drop(self) -> None:
        """See :class:`ragkit.index.protocols.Index`."""
        self._ask("delete_collection")

    def close(self) -> None:
        """Nothing is kept that others would wait for."""

    def _begin(self, dimension: int) -> None:
        from qdrant_client import models

        self.drop()
        vectors = models.VectorParams(size=max(1, dimension), distance=models.Distance.DOT)
        self._ask("create_collection", vectors_config=vectors)
        self._ask("create_payload_index", "chunk", models.PayloadSchemaType.INTEGER)

    def _note(self, changes: VectorChanges) -> None:
        from qdrant_client import models

        note = {
            "format": _FORMAT,
            "sequence": changes.sequence,
            "dimension": changes.dimension,
            "count": changes.total,
        }
        zeros = [0.0] * max(1, changes.dimension)
        point = models.PointStruct(id=_NOTE, vector=zeros, payload=note)
        self._ask("upsert", [point])

    def _ask(self, call: str, *given: Any, **named: Any) -> Any:
        """Make a call of the client about the collection."""
        return _asked(
            self._location, lambda: getattr(self._client, call)(self._collection, *given, **named)
        )


@dataclass(frozen=True, slots=True)
class QdrantReader:
    """The collection as it was noted to be; what came since may be found as well."""

    ask: Callable[..., Any]
    sequence: int
    dimension: int
    count: int

    def search(self, query: NDArray[np.float32], k: int, allowed: Allowed | None) -> list[Scored]:
        """See :class:`ragkit.index.protocols.VectorReader`."""
        from qdrant_client import models

        total = self.count if allowed is None else min(self.count, allowed.chunks)
        everything = models.Filter(must_not=[models.HasIdCondition(has_id=[_NOTE])])
        wanted = everything if allowed is None else _allowing(allowed)

        def nearest(count: int) -> list[Scored]:
            found = self.ask(
                "query_points",
                query=query.tolist(),
                query_filter=wanted,
                limit=count,
                with_payload=False,
            ).points
            ids = np.asarray([point.id for point in found], dtype=np.int64)
            scores = np.asarray([point.score for point in found], dtype=np.float64)
            return in_order(candidates(ids, scores, len(ids)), len(ids))

        return best(nearest, k, total)[:k]

    def vectors(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Give none: the base's own are nearer than a server's."""
        return ids[:0], np.empty((0, self.dimension), dtype=np.float32)


def _allowing(allowed: Allowed) -> Any:
    from qdrant_client import models

    if allowed.chunks <= _FEW:
        return models.Filter(must=[models.HasIdCondition(has_id=list(allowed.ids()))])
    return _within([(first, last) for first, last in allowed.ranges.tolist()])


def _within(ranges: Any) -> Any:
    """The filter of what lies in ranges of ids, the first and last of each."""
    from qdrant_client import models

    return models.Filter(
        should=[
            models.FieldCondition(key="chunk", range=models.Range(gte=first, lte=last))
            for first, last in ranges
        ]
    )


def _stale(changes: VectorChanges) -> Iterator[Any]:
    """What to delete: points by their ids, or where these are many by ranges of them."""
    from qdrant_client import models

    if changes.touched <= _NAMED:
        ids: list[Any] = [
            number for first, last in changes.ranges for number in range(first, last + 1)
        ]
        yield models.PointIdsList(points=ids)
    else:
        for start in range(0, len(changes.ranges), _BATCH):
            some = changes.ranges[start : start + _BATCH]
            yield models.FilterSelector(filter=_within(some))


def _asked(location: str, request: Callable[[], _Result]) -> _Result:
    """Ask Qdrant, again after a while where it is away or busy: each request may be repeated.

    Raises:
        UnreachableIndexError: it does not answer, or refuses.
        DamagedIndexError: there is no such collection, or another one than was left there.
    """
    from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

    for attempt in range(_ATTEMPTS):
        try:
            return request()
        except UnexpectedResponse as error:
            status, reason = error.status_code, f"it answered {error.status_code}: {_said(error)}"
            if status in (400, 404, 409):
                raise DamagedIndexError(
                    f"the vectors in Qdrant at {location!r}: {reason}"
                ) from error
            if status in (401, 403):
                raise UnreachableIndexError(
                    f"Qdrant at {location!r} refused the API key ({status}); set {API_KEY}"
                ) from error
            if status not in _BUSY or attempt == _ATTEMPTS - 1:
                raise UnreachableIndexError(f"Qdrant at {location!r}: {reason}") from error
        except (ApiException, ConnectionError, TimeoutError) as error:
            if attempt == _ATTEMPTS - 1:
                raise UnreachableIndexError(
                    f"Qdrant at {location!r} cannot be reached ({error}); start it, or open the base "
                    "without vector_index"
                ) from error
        time.sleep(_FIRST_PAUSE * 2**attempt)
    raise AssertionError("unreachable")


def _said(error: Any) -> str:
    content = error.content.decode("utf-8", "replace") if error.content else ""
    return content[:300] or str(error.reason_phrase)
