"""A first pass over the vectors in 8 bits, from which the nearest are taken with proof.

Comparing a question with every vector is reading them all from memory. Rounded to 8 bits they are
half as many bytes, and the rounding is bounded: with the question ``q`` and a vector ``x`` rounded
to ``q'`` and ``x'``,

    q·x - q'·x' = q·(x - x') + (q - q')·x',  so  |q·x - q'·x'| <= |q| |x - x'| + |q - q'| |x'|

(Cauchy-Schwarz). The best of the first pass are scored again as they are stored. Once the last
of the ``k`` best scores more than any vector that was left out could, the result is that of the
exact search. Where that cannot be shown, the exact search is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST = 20_000  # fewer vectors are compared as they are, in less than a millisecond
_LARGEST = 127.0
_WORST_ERROR = 0.05  # beyond, too many vectors would have to be looked at again
_PER_RESULT, _SPARE = 4, 100  # candidates
_MOST = 4_096  # candidates; scoring more again takes longer than the exact search
SPARSE = 0.25  # share of vectors allowed by a filter; with fewer, these alone are compared
_MARGIN = 1e-5  # what float32 sums may differ by, and what rounds to the same score
_BLOCK = 8_192


@dataclass(frozen=True, slots=True)
class Rounding:
    """How vectors were rounded: ``x'`` is a vector of whole numbers divided by ``scale``.

    Attributes:
        scale: What numbers were multiplied by, so that the largest is 127.
        error: Length of the longest ``x - x'``.
        longest: Length of the longest ``x'``.
    """

    scale: float
    error: float
    longest: float


@dataclass(frozen=True, slots=True)
class FirstPass:
    """What a search needs.

    Attributes:
        index: FAISS index of the rounded vectors, in the order of ``rows``.
        rounding: How they were rounded.
        rows: The vectors as they are stored, shape (n, dimension), float16.
    """

    index: Any
    rounding: Rounding
    rows: NDArray[np.float16]


def library() -> Any:
    """Import FAISS, untyped: its stubs leave out what its Python wrapper adds."""
    import faiss

    return faiss


def build(rows: NDArray[np.float16]) -> tuple[Any, Rounding] | None:
    """Round all vectors; ``None`` where there are few of them, or rounding costs too much.

    Args:
        rows: Shape (n, dimension), of unit length.
    """
    if len(rows) < FEWEST:
        return None
    greatest = max(float(np.abs(block).max()) for block in _blocks(rows))
    if not greatest > 0.0:
        return None
    scale = _LARGEST / greatest
    faiss = library()
    kind = faiss.ScalarQuantizer.QT_8bit_direct_signed
    index: Any = faiss.IndexScalarQuantizer(rows.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
    error = longest = 0.0
    for block in _blocks(rows):
        whole = np.round(block * scale)
        index.add(whole)
        error = max(error, float(np.linalg.norm(block - whole / scale, axis=1).max()))
        longest = max(longest, float(np.linalg.norm(whole / scale, axis=1).max()))
    return (index, Rounding(scale, error, longest)) if error <= _WORST_ERROR else None


def nearest(
    first: FirstPass, query: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None
) -> tuple[NDArray[np.int64], NDArray[np.float32]] | None:
    """Find the ``k`` vectors of highest product with ``query``, and all that tie with the last.

    Args:
        first: What to search.
        query: Of unit length.
        k: How many, at least 1.
        allowed: Which of the vectors may be found, shape (n,); ``None``: all.

    Returns:
        Their positions and scores, in no order, perhaps with some that come after them; ``None``
        if it cannot be shown that nothing is missing: the exact search then has to be done.
    """
    total = len(first.rows)
    wanted = _PER_RESULT * k + _SPARE
    if allowed is not None:
        left = int(np.count_nonzero(allowed))
        if left < SPARSE * total:
            return None
        # Passing over vectors one by one takes longer than comparing them all.
        wanted = wanted * total // left
    greatest = float(np.abs(query).max())
    if not greatest > 0.0:
        return None
    query_scale = _LARGEST / greatest
    whole = np.round(query * query_scale)
    error = (
        first.rounding.error
        + float(np.linalg.norm(query - whole / query_scale)) * first.rounding.longest
        + _MARGIN
    )
    unit = 1.0 / (query_scale * first.rounding.scale)
    while wanted <= _MOST:
        found, positions = (part[0] for part in first.index.search(whole[np.newaxis], wanted))
        is_all = wanted >= total or positions[-1] < 0
        bound = float(found[-1]) * unit + error  # what was left out scores at most this
        there = positions >= 0 if allowed is None else (positions >= 0) & allowed[positions]
        found, positions = found[there] * unit, positions[there]
        if len(found) > k:  # the k-th score is not below that of the first pass by more than this
            positions = positions[found >= found[k - 1] - 2 * error]
        positions.sort()  # neighbours in memory are read together
        scores = first.rows[positions].astype(np.float32) @ query
        if is_all or (len(scores) >= k and float(np.partition(scores, -k)[-k]) > bound):
            return positions, scores
        wanted *= 4
    return None


def _blocks(rows: NDArray[np.float16]) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(rows), _BLOCK):
        yield rows[start : start + _BLOCK].astype(np.float32)
