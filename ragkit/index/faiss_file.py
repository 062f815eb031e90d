"""The files of the dense view: built from the truth, written whole, loaded by memory-mapping.

One holds the vectors as they are stored. Many of them have a second one for a first pass, see
:mod:`ragkit.index.quantized`. The note beside them is written last, and makes them count.
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ragkit.errors import KnowledgeBaseError
from ragkit.index import inverted_file, quantized
from ragkit.index.quantized import library
from ragkit.store.database import sync_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragkit.index.inverted_file import Batches

_FORMAT = 2
_READABLE = (1, 2)  # 1: without a first pass
_CHECKED_BYTES = 64 * 2**20  # larger files are checked by ``ragkit doctor``, not at each start


@dataclass(frozen=True, slots=True)
class Note:
    """What the JSON beside a FAISS file says of it.

    Attributes:
        base: Identifier of the base it was built from.
        sequence: Number of the last change it holds.
        count: Number of its vectors; their ids are at most ``last_chunk``.
        kind: ``"flat"`` compares with every vector, ``"ivf"`` with the nearest lists.
        lists: Number of lists, and ``probes`` how many of them a search looks at.
        trained_on: Number of vectors there were when the lists were laid out.
        format: Of this note; one with an older number is used until the file is written again.
        recall: Share of the exact ten nearest that were found; see
            :func:`ragkit.index.inverted_file.measure`.
        rounded: Size and CRC-32 of the file of rounded vectors, if there is one.
        rounding: How they were rounded: scale, error and length; see
            :class:`ragkit.index.quantized.Rounding`.
    """

    format: int
    base: str
    sequence: int
    dimension: int
    count: int
    last_chunk: int
    size: int
    crc32: int
    kind: Literal["flat", "ivf"] = "flat"
    lists: int = 0
    probes: int = 0
    trained_on: int = 0
    recall: float = 1.0
    rounded: tuple[int, int] | None = None
    rounding: tuple[float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """A FAISS index in memory (mapped), its note, and what a first pass needs, if there is one.

    Of a flat index, ``ids`` are the chunks' ids, ascending, and ``rows`` their vectors as stored.
    """

    note: Note
    index: Any
    ids: NDArray[np.int64] | None = None
    rows: NDArray[np.float16] | None = None
    first_pass: quantized.FirstPass | None = None


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Keep OpenMP from waking other threads for a single query, in the calling thread only.

    They would have nothing to do but to be waited for, which takes longer than the search when
    the cores are busy; and in a forked child they do not exist.
    """
    faiss = library()
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def file_of(folder: Path, note: Note) -> Path:
    """Where the FAISS file of a note is."""
    return folder / f"{_stem(note.base, note.sequence)}.faiss"


def is_outdated(note: Note) -> bool:
    """Whether an older ragkit wrote the file."""
    return note.format != _FORMAT


def _rounded_of(folder: Path, note: Note) -> Path:
    return folder / f"{_stem(note.base, note.sequence)}.rounded.faiss"


def damaged(folder: Path, note: Note) -> bool:
    """Whether the files of a note are not what they were, by their content."""
    if checksum(file_of(folder, note)) != note.crc32:
        return True
    return note.rounded is not None and checksum(_rounded_of(folder, note)) != note.rounded[1]


def newest(folder: Path, base: str) -> Note | None:
    """The newest note of this base whose files have the sizes they should have."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for path in sorted(folder.glob(f"{base}-*.json"), reverse=True):
            note = _read_note(path, base)
            if note is not None:
                return note
    return None


def load(folder: Path, base: str) -> Loaded | None:
    """Load the newest file, or ``None`` if there is none or it is damaged."""
    faiss = library()
    for _attempt in range(3):  # a writer may replace the file between finding and opening it
        note = newest(folder, base)
        if note is None:
            return None
        path = file_of(folder, note)
        try:
            size = note.size + (note.rounded[0] if note.rounded else 0)
            if size <= _CHECKED_BYTES and damaged(folder, note):
                return None
            index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
            loaded = _loaded(folder, note, index)
        except FileNotFoundError:
            continue
        except (OSError, RuntimeError):  # FAISS reports all failures as RuntimeError
            if path.exists():
                return None
            continue
        return loaded if index.ntotal == note.count else None
    return None


def _loaded(folder: Path, note: Note, index: Any) -> Loaded:
    faiss = library()
    if note.kind != "flat":
        return Loaded(note, index)
    ids, rows = faiss.vector_to_array(index.id_map), _stored_rows(index)
    if note.rounding is None:
        return Loaded(note, index, ids, rows)
    rounded = faiss.read_index(str(_rounded_of(folder, note)), faiss.IO_FLAG_MMAP_IFC)
    rounding = quantized.Rounding(*note.rounding)
    return Loaded(note, index, ids, rows, quantized.FirstPass(rounded, rounding, rows))


def _stored_rows(index: Any) -> NDArray[np.float16]:
    """View the float16 values of a flat index, which must outlive the view."""
    faiss = library()
    inner = faiss.downcast_index(index.index)
    codes = faiss.rev_swig_ptr(inner.codes.data(), inner.codes.size())
    return codes.view("<f2").reshape(-1, index.d)  # type: ignore[no-any-return]


def write(folder: Path, **what: Any) -> Note:
    """Build an index from the truth and put it in the place of older ones; see :func:`_write`.

    Raises:
        KnowledgeBaseError: the folder cannot be written to.
    """
    try:
        return _write(folder, **what)
    except (OSError, RuntimeError) as error:  # FAISS reports all failures as RuntimeError
        raise KnowledgeBaseError(
            f"the vector index in {str(folder)!r} cannot be written ({error}); check the disk and "
            "your rights; nothing is lost, searches read the vectors from the database meanwhile"
        ) from error


def _write(
    folder: Path,
    *,
    base: str,
    sequence: int,
    dimension: int,
    count: int,
    last_chunk: int,
    batches: Batches,
    flat_limit: int,
    before: Note | None,
) -> Note:
    """Build an index and put it in place.

    Args:
        folder: Made if needed.
        base: Identifier of the base.
        sequence: Number of the last change that ``batches`` include.
        dimension: Length of the vectors.
        count: About how many vectors will come.
        last_chunk: No id is larger.
        batches: Iterates over ids and vectors; called up to three times.
        flat_limit: With more vectors than this, the index is approximate.
        before: The present file: its lists are kept while the number of vectors has not doubled.
    """
    faiss = library()
    if folder.is_file():  # nothing of ragkit's, and it cannot stay
        folder.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    extra: dict[str, Any] = {}
    rounded: tuple[Any, quantized.Rounding] | None = None
    if count <= flat_limit:
        kind = faiss.ScalarQuantizer.QT_fp16
        index: Any = faiss.IndexIDMap(
            faiss.IndexScalarQuantizer(dimension, kind, faiss.METRIC_INNER_PRODUCT)
        )
        for ids, rows in batches():
            index.add_with_ids(rows, ids)
        rounded = quantized.build(_stored_rows(index)) if index.ntotal else None
    else:
        kept = _present_lists(folder, dimension, count, before)
        centres, trained_on = kept or (inverted_file.centres(dimension, count, batches), count)
        index = inverted_file.empty(centres)
        for ids, rows in batches():
            index.add_with_ids(rows, ids)
        probes, recall = inverted_file.measure(index, count, batches)
        extra = {
            "kind": "ivf",
            "lists": int(index.nlist),
            "probes": probes,
            "trained_on": trained_on,
            "recall": recall,
        }
    stem = _stem(base, sequence)
    if rounded is not None:
        extra["rounding"] = astuple(rounded[1])
        extra["rounded"] = _write_index(rounded[0], folder / f"{stem}.rounded.faiss")
    size, crc32 = _write_index(index, folder / f"{stem}.faiss")
    note = Note(
        format=_FORMAT,
        base=base,
        sequence=sequence,
        dimension=dimension,
        count=int(index.ntotal),
        last_chunk=last_chunk,
        size=size,
        crc32=crc32,
        **extra,
    )
    temporary_note = folder / f"{stem}.json.new"
    temporary_note.write_text(json.dumps(asdict(note), indent=1), encoding="utf-8")
    _sync_file(temporary_note)
    temporary_note.replace(folder / f"{stem}.json")
    sync_folder(folder)
    remove_others(folder, keep=note)
    return note


def _write_index(index: Any, path: Path) -> tuple[int, int]:
    """Write a FAISS file, and return its size and CRC-32."""
    temporary = path.with_name(path.name + ".new")
    library().write_index(index, str(temporary))
    _sync_file(temporary)
    written = temporary.stat().st_size, checksum(temporary)
    temporary.replace(path)
    return written


def remove_others(folder: Path, *, keep: Note | None) -> None:
    """Remove all files but those of ``keep``; what somebody has open stays until the next time."""
    kept = _stem(keep.base, keep.sequence) if keep else None
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        # A note goes before its files.
        for path in sorted(folder.iterdir(), key=lambda path: path.suffix != ".json"):
            if path.name not in (f"{kept}.faiss", f"{kept}.rounded.faiss", f"{kept}.json"):
                with contextlib.suppress(OSError):
                    path.unlink()


def checksum(path: Path) -> int:
    """CRC-32 of a file's bytes."""
    crc = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            crc = zlib.crc32(block, crc)
    return crc


def _stem(base: str, sequence: int) -> str:
    return f"{base}-{sequence:016d}"


def _sync_file(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _read_note(path: Path, base: str) -> Note | None:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        for key in ("rounded", "rounding"):
            values[key] = tuple(values[key]) if values.get(key) else None
        note = Note(**values)
        folder = path.parent
        whole = file_of(folder, note).stat().st_size == note.size and (
            note.rounded is None or _rounded_of(folder, note).stat().st_size == note.rounded[0]
        )
        return note if whole and note.format in _READABLE and note.base == base else None
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def _present_lists(
    folder: Path, dimension: int, count: int, before: Note | None
) -> tuple[NDArray[np.float32], int] | None:
    """The lists of the present file, and on how many vectors they were laid out, if they still do."""
    if (
        before is None
        or before.kind != "ivf"
        or before.dimension != dimension
        or not before.trained_on / 2 <= count <= before.trained_on * 2
    ):
        return None
    old = load(folder, before.base)
    if old is None or old.note != before:
        return None
    quantizer = library().downcast_index(old.index.quantizer)
    return quantizer.reconstruct_n(0, quantizer.ntotal), before.trained_on
