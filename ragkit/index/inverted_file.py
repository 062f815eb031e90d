"""The approximate dense index: an inverted file, its lists laid out and its recall measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ragkit.index.quantized import library

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Batches = Callable[[], Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]]

_RECALL_AT = 10
_RECALL_WANTED = 0.98
_RECALL_QUERIES = 128
_SAMPLE_PER_LIST = 64  # FAISS wants 39 to 256 training points for each list
_TRAINING_ROUNDS = 10
_SEED = 20_240_229


def centres(dimension: int, count: int, batches: Batches) -> NDArray[np.float32]:
    """Find the centres of the lists by spherical k-means on a sample.

    Args:
        dimension: Length of the vectors.
        count: About how many there are.
        batches: Iterates over ids and vectors.

    Returns:
        Shape (lists, dimension); twice as many lists as the square root of ``count``, or as many as
        there are vectors.
    """
    faiss = library()
    lists = max(1, int(2 * count**0.5))
    sample = _sample(batches, count, _SAMPLE_PER_LIST * lists)
    lists = max(1, min(lists, len(sample)))
    clustering = faiss.Clustering(dimension, lists)
    clustering.niter = _TRAINING_ROUNDS
    clustering.seed = _SEED
    clustering.spherical = True
    clustering.min_points_per_centroid = 1
    clustering.train(sample, faiss.IndexFlatIP(dimension))
    found: NDArray[np.float32] = faiss.vector_to_array(clustering.centroids)
    return found.reshape(lists, dimension)


def empty(centres: NDArray[np.float32]) -> Any:
    """Make an inverted file with these lists, and nothing in them."""
    faiss = library()
    lists, dimension = centres.shape
    quantizer = faiss.IndexFlatIP(dimension)
    quantizer.add(centres)
    # Stored float16 values as they are (not residuals), so that scores are exact.
    index = faiss.IndexIVFScalarQuantizer(
        quantizer,
        dimension,
        lists,
        faiss.ScalarQuantizer.QT_fp16,
        faiss.METRIC_INNER_PRODUCT,
        False,
    )
    index.is_trained = True
    return index


def measure(index: Any, count: int, batches: Batches) -> tuple[int, float]:
    """Find how many lists must be looked at; return that number and the recall it gives.

    Looking at all lists is the exact search. A question does not lie where passages lie, so each
    query is the middle between two stored vectors, which is harder to search for than either.
    """
    faiss = library()
    queries = _sample(batches, count, _RECALL_QUERIES)
    if not len(queries):
        return int(index.nlist), 1.0
    queries = queries + np.roll(queries, 1, axis=0)
    queries /= np.maximum(np.linalg.norm(queries, axis=1, keepdims=True), 1e-12)
    wanted = min(_RECALL_AT, int(index.ntotal))
    exact = _nearest(index, queries, wanted, faiss.SearchParametersIVF(nprobe=index.nlist))
    probes = 1
    while True:
        found = _nearest(index, queries, wanted, faiss.SearchParametersIVF(nprobe=probes))
        shared = sum(len(want & got) for want, got in zip(exact, found, strict=True))
        recall = shared / max(1, len(queries) * wanted)
        if recall >= _RECALL_WANTED or probes >= index.nlist:
            return probes, round(recall, 4)
        probes = min(int(index.nlist), max(probes + 1, probes * 5 // 4))


def _sample(batches: Batches, count: int, wanted: int) -> NDArray[np.float32]:
    """A random sample, each vector with the same chance, always the same one."""
    random = np.random.default_rng(_SEED)
    share = min(1.0, wanted / max(1, count))
    parts = [rows[random.random(len(rows)) < share] for _ids, rows in batches()]
    return np.ascontiguousarray(np.concatenate(parts))


def _nearest(
    index: Any, queries: NDArray[np.float32], count: int, parameters: Any
) -> list[set[int]]:
    _scores, ids = index.search(queries, count, params=parameters)
    return [set(row) for row in ids.tolist()]
