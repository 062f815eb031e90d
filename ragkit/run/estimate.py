"""About how long an ingest will take: told by what this base has seen, else by measured figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ingest.loaders.registry import loaders

if TYPE_CHECKING:
    from ingest.folder import FoundFile
    from ragkit.store import Store

_SETTING = "passages_per_second"
_FEWEST_PASSAGES = 200  # with fewer, starting up is most of what is measured

# Measured on two cores that had other work as well: the default model, 28 reports and brochures
# (PDF, 26 MB), 181 web pages (31 MB), Markdown (0.9 MB). A file costs its part of a transaction and
# of the indexing, whatever its size.
_PASSAGES_PER_SECOND = 70.0
_FILES_PER_SECOND = 500.0
_BYTES_PER_PASSAGE = {"pdf": 3_500.0, "html": 13_500.0}
_BYTES_PER_SECOND = {"pdf": 850_000.0, "html": 1_400_000.0}
_TEXT_BYTES_PER_PASSAGE = 490.0
_TEXT_BYTES_PER_SECOND = 400_000.0
_FEWEST_BYTES = 50_000


def expected_seconds(store: Store | None, files: Sequence[FoundFile]) -> float:
    """Estimate the wall time of reading and embedding ``files``, in seconds.

    Passages that wait for a vector already are counted in. Of files that gave nothing to measure
    by, such as those of an unknown format, the estimate may be wrong by a factor of a few.
    """
    rate = float((store and store.get_setting(_SETTING)) or _PASSAGES_PER_SECOND)
    seen = store.yield_by_format() if store is not None else {}
    passages = 0.0
    if store is not None:
        counts = store.counts()
        passages += counts.chunks - counts.vectors
    reading = len(files) / _FILES_PER_SECOND
    for kind, size in _sizes(files).items():
        seen_bytes, seen_passages = seen.get(kind, (0, 0))
        if seen_passages and seen_bytes >= _FEWEST_BYTES:
            passages += size * seen_passages / seen_bytes
        else:
            passages += size / _BYTES_PER_PASSAGE.get(kind, _TEXT_BYTES_PER_PASSAGE)
        reading += size / _BYTES_PER_SECOND.get(kind, _TEXT_BYTES_PER_SECOND)
    return round(reading + passages / rate, 1)


def note_embedding_speed(store: Store, passages: int, seconds: float) -> None:
    """Remember how fast this base's model is here, for the next estimate."""
    if passages >= _FEWEST_PASSAGES and seconds > 0:
        store.set_setting(_SETTING, f"{passages / seconds:.1f}")


def _sizes(files: Sequence[FoundFile]) -> dict[str, int]:
    formats = {suffix: spec.format for spec in loaders().values() for suffix in spec.suffixes}
    sizes: dict[str, int] = {}
    for file in files:
        kind = formats.get(PurePosixPath(file.relative_path).suffix.lower(), "")
        sizes[kind] = sizes.get(kind, 0) + file.size
    return sizes
