"""Which loader takes which file.

Another package adds a format with an entry point in the group ``ingest.loaders`` that names a
:class:`LoaderSpec`; an application without packaging calls :func:`register`.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import cast

from ingest.document import Document
from ingest.errors import (
    LoadError,
    NoTextError,
    TooLargeError,
    UnreadableError,
    UnsupportedFormatError,
    WrongFormatError,
)

ENTRY_POINT_GROUP = "ingest.loaders"
DEFAULT_MAX_BYTES = 256 << 20

_PDF_MAGIC = b"%PDF-"
_SNIFFED = 1 << 16
_BINARY_SUFFIXES = frozenset(
    """
    .7z .avi .avif .bin .bmp .bz2 .class .db .dll .dmg .doc .docx .ds_store .eot .epub .exe .flac
    .gif .gz .heic .ico .iso .jar .jpeg .jpg .m4a .mkv .mov .mp3 .mp4 .o .odp .ods .odt .ogg .otf
    .parquet .png .ppt .pptx .psd .pyc .rar .so .sqlite .sqlite3 .tar .tif .tiff .ttf .wasm .wav
    .webm .webp .woff .woff2 .xls .xlsx .xz .zip .zst
    """.split()  # noqa: SIM905 a list of strings would be unreadable
)


@dataclass(frozen=True, slots=True)
class Source:
    """A file's content, for a loader: where it is from, its bytes, and a password if one is given."""

    path: Path
    data: bytes
    password: str | None = None


Loader = Callable[[Source], Document]


@dataclass(frozen=True, slots=True)
class LoaderSpec:
    """A format and what loads it.

    Attributes:
        format: Its name, as in :attr:`Document.format`.
        suffixes: File name endings in lower case, with the dot.
        loader: The loader, or where it is: ``"package.module:function"``, imported on first use.
    """

    format: str
    suffixes: tuple[str, ...]
    loader: Loader | str


PDF = LoaderSpec("pdf", (".pdf",), "ingest.loaders.pdf:load_pdf")
HTML = LoaderSpec("html", (".html", ".htm", ".xhtml"), "ingest.loaders.html:load_html")
MARKDOWN = LoaderSpec(
    "markdown", (".md", ".markdown", ".mdown", ".mkd"), "ingest.loaders.markdown:load_markdown"
)
TEXT = LoaderSpec("text", (".txt", ".text", ".log", ".rst"), "ingest.loaders.text:load_text")

_registered: dict[str, LoaderSpec] = {}


def register(spec: LoaderSpec) -> None:
    """Add a loader to this process, or replace the one for the same format.

    Files are parsed in worker processes when a folder is ingested; a loader that is to work there
    too is named by an entry point instead.
    """
    _registered[spec.format] = spec


def loaders() -> dict[str, LoaderSpec]:
    """Return all loaders by format: the built-in ones, then plug-ins, then registered ones."""
    return {**_installed(), **_registered}


def is_supported(path: Path) -> bool:
    """Whether a file may be loaded, judged by its name alone; unknown endings may hold text."""
    suffix = path.suffix.lower()
    return suffix not in _BINARY_SUFFIXES or _by_suffix(suffix) is not None


def load(
    path: str | os.PathLike[str],
    *,
    password: str | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> Document:
    """Load a file into a located document.

    The loader is chosen by content where that is certain (a PDF under any name), else by the
    file name's ending; a file with an unknown ending is loaded as plain text if it is text.

    Args:
        path: The file.
        password: Opens it if it is encrypted.
        max_bytes: A larger file is not read.

    Raises:
        LoadError: one of its kinds, saying why the file cannot be loaded.
    """
    file = Path(path)
    return load_bytes(file, read_file(file, max_bytes=max_bytes), password=password)


def read_file(path: Path, *, max_bytes: int = DEFAULT_MAX_BYTES) -> bytes:
    """Read a file's bytes.

    Raises:
        UnreadableError: the operating system refuses.
        TooLargeError: it has more than ``max_bytes``.
        NoTextError: it is empty.
    """
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise TooLargeError(
                f"it has {size / 1e6:,.0f} MB; files of up to {max_bytes / 1e6:,.0f} MB are read"
            )
        data = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UnreadableError(f"cannot be read: {reason}") from error
    if not data:
        raise NoTextError("the file is empty")
    return data


def load_bytes(path: Path, data: bytes, *, password: str | None = None) -> Document:
    """Load a file that has been read already; see :func:`load`."""
    spec, warning = _choose(path, data)
    try:
        document = _resolve(spec)(Source(path, data, password))
    except (LoadError, MemoryError):
        raise
    except RecursionError as error:
        raise WrongFormatError("nested too deeply to be read") from error
    except Exception as error:  # a parser or a plug-in may raise anything on damaged input
        raise WrongFormatError(
            f"the {spec.format} loader failed: {type(error).__name__}: {error}"
        ) from error
    if not document.text.strip():
        raise NoTextError("it holds no text")
    if warning:
        document = replace(document, warnings=(warning, *document.warnings))
    return document


def _choose(path: Path, data: bytes) -> tuple[LoaderSpec, str | None]:
    suffix = path.suffix.lower()
    spec = _by_suffix(suffix)
    if _PDF_MAGIC in data[:1024] and (spec is None or spec.format in {"pdf", "text"}):
        named = spec is not None and spec.format == "pdf"
        return loaders()["pdf"], None if named else f"a PDF in spite of its ending {suffix!r}"
    if spec is not None and spec.format == "pdf":
        raise WrongFormatError(f"not a PDF: it begins with {data[:8]!r}")
    if spec is not None and (spec.format not in {"text", "markdown", "html"} or is_text(data)):
        return spec, None
    if spec is None and suffix not in _BINARY_SUFFIXES and is_text(data):
        return loaders()["text"], None
    if spec is not None:
        raise WrongFormatError(f"not text, in spite of its ending {suffix!r}: it holds binary data")
    raise UnsupportedFormatError(f"no loader for {suffix!r} files")


def is_text(data: bytes) -> bool:
    """Whether the first 64 KB look like text in some encoding: hardly any control characters."""
    sample = data[:_SNIFFED]
    if sample.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    zeros = sample.count(0)
    if zeros > len(sample) // 5:  # UTF-16 or UTF-32 of mostly Latin letters
        return sample[0::2].count(0) * 20 < zeros or sample[1::2].count(0) * 20 < zeros
    controls = sum(map(sample.count, _CONTROLS))
    return controls * 50 <= len(sample)


_CONTROLS = tuple(bytes([code]) for code in range(32) if code not in b"\t\n\f\r\x1b")


def _by_suffix(suffix: str) -> LoaderSpec | None:
    matching = [spec for spec in loaders().values() if suffix in spec.suffixes]
    return matching[-1] if matching else None


@functools.cache
def _installed() -> dict[str, LoaderSpec]:
    found = {spec.format: spec for spec in (PDF, HTML, MARKDOWN, TEXT)}
    for point in entry_points(group=ENTRY_POINT_GROUP):
        if point.name in found:
            continue  # our own, named there as an example and for tools that list plug-ins
        spec = cast("LoaderSpec", point.load())
        found[point.name] = spec
    return found


def _resolve(spec: LoaderSpec) -> Loader:
    if not isinstance(spec.loader, str):
        return spec.loader
    module, _, function = spec.loader.partition(":")
    return cast("Loader", getattr(import_module(module), function))
