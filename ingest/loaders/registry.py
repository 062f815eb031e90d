"""Which loader takes which file.

Another package adds a format, or replaces a built-in one, with an entry point in the group
``ingest.loaders`` that names a :class:`LoaderSpec`::

    # pyproject.toml:  [project.entry-points."ingest.loaders"]
    #                  epub = "my_package:EPUB"
    EPUB = LoaderSpec("epub", (".epub",), "my_package.epub:load_epub")

An application without packaging calls :func:`register`. A loader may leave the blocks of its
document out: they are found as in plain text then.
"""

from __future__ import annotations

import functools
import os
import re
import stat
import warnings
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from ingest.decode import wide_encoding
from ingest.document import Document
from ingest.embedded_files import LEFT_OUT, without_embedded_files
from ingest.errors import (
    LoadError,
    NoTextError,
    TooLargeError,
    UnreadableError,
    UnsupportedFormatError,
    WrongFormatError,
)
from ingest.invisible import invisible_warning
from ingest.loader_spec import LoaderSpec, Source
from ingest.loaders.plain_text import find_blocks
from ingest.structure import faults, with_short_names

ENTRY_POINT_GROUP = "ingest.loaders"
DEFAULT_MAX_BYTES = 256_000_000

_PDF_MAGIC = b"%PDF-"
_PDF_HEADER_WITHIN = 1024  # what viewers accept: junk may stand before the header
_HTML_START = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html)[\s>]", re.IGNORECASE)
_SNIFFED = 1 << 16
_LONGEST_DETAIL = 300
_CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\f\r\x1b")
_TEXT_FORMATS = frozenset(["text", "markdown", "html", "csv", "json", "jsonl", "notebook", "code"])
_NEWER = {".doc": ".docx", ".xls": ".xlsx", ".ppt": ".pptx"}
_BINARY_SUFFIXES = frozenset(
    """
    .7z .avi .avif .bin .bmp .bz2 .class .db .dll .dmg .doc .docx .ds_store .eot .epub .exe .flac
    .gif .gz .heic .ico .iso .jar .jpeg .jpg .m4a .mkv .mov .mp3 .mp4 .o .odp .ods .odt .ogg .otf
    .parquet .png .ppt .pptx .psd .pyc .rar .so .sqlite .sqlite3 .tar .tif .tiff .ttf .wasm .wav
    .webm .webp .woff .woff2 .xls .xlsx .xz .zip .zst
    """.split()  # noqa: SIM905 a list of strings would be unreadable
)


PDF = LoaderSpec("pdf", (".pdf",), "ingest.loaders.pdf:load_pdf")
HTML = LoaderSpec("html", (".html", ".htm", ".xhtml", ".xht"), "ingest.loaders.html:load_html")
MARKDOWN = LoaderSpec(
    "markdown", (".md", ".markdown", ".mdown", ".mkd"), "ingest.loaders.markdown:load_markdown"
)
TEXT = LoaderSpec("text", (".txt", ".text", ".log", ".rst"), "ingest.loaders.plain_text:load_text")
DOCX = LoaderSpec("docx", (".docx", ".docm"), "ingest.loaders.office.docx:load_docx")
PPTX = LoaderSpec("pptx", (".pptx", ".pptm"), "ingest.loaders.office.pptx:load_pptx")
XLSX = LoaderSpec("xlsx", (".xlsx", ".xlsm"), "ingest.loaders.office.xlsx:load_xlsx")
_OPENDOCUMENT = "ingest.loaders.office.opendocument:load_opendocument"
ODT = LoaderSpec("odt", (".odt",), _OPENDOCUMENT)
ODS = LoaderSpec("ods", (".ods",), _OPENDOCUMENT)
ODP = LoaderSpec("odp", (".odp",), _OPENDOCUMENT)
RTF = LoaderSpec("rtf", (".rtf",), "ingest.loaders.office.rtf:load_rtf")
EPUB = LoaderSpec("epub", (".epub",), "ingest.loaders.epub:load_epub")
EMAIL = LoaderSpec("email", (".eml",), "ingest.loaders.mail:load_email")
CSV = LoaderSpec("csv", (".csv", ".tsv"), "ingest.loaders.tabular:load_csv")
JSON = LoaderSpec("json", (".json",), "ingest.loaders.json_records:load_json")
JSON_LINES = LoaderSpec(
    "jsonl", (".jsonl", ".ndjson"), "ingest.loaders.json_records:load_json_lines"
)
NOTEBOOK = LoaderSpec("notebook", (".ipynb",), "ingest.loaders.json_records:load_notebook")
CODE = LoaderSpec(
    "code",
    tuple(
        """
        .bash .c .cc .cjs .clj .cpp .cs .cxx .d .dart .erl .ex .exs .f90 .fs .go .groovy .h .hh .hpp
        .hs .java .jl .js .jsx .kt .kts .lua .m .mjs .ml .mm .nim .php .pl .pm .ps1 .py .pyi .pyw .r
        .rb .rs .scala .sh .sql .swift .ts .tsx .v .vb .vue .zig .zsh
        """.split()  # noqa: SIM905 as above
    ),
    "ingest.loaders.code:load_code",
)
_BUILT_IN = (
    *(PDF, HTML, MARKDOWN, TEXT, DOCX, PPTX, XLSX, ODT, ODS, ODP, RTF, EPUB, EMAIL, CSV, JSON),
    *(JSON_LINES, NOTEBOOK, CODE),
)

_registered: dict[str, LoaderSpec] = {}


def register(spec: LoaderSpec) -> None:
    """Add a loader, or replace the one for the same format.

    Files of a base are loaded in processes of their own; they import the loader anew. One that
    cannot be imported there (a lambda, a nested function, one of the program that was started)
    serves :func:`load` only, and :class:`~ingest.isolate.LoaderPool` refuses it, as it does a
    module that cannot be imported.
    """
    _registered[spec.format] = spec


def registered() -> tuple[LoaderSpec, ...]:
    """Return the loaders that this process registered."""
    return tuple(_registered.values())


def loaders() -> dict[str, LoaderSpec]:
    """Return all loaders by format: the built-in ones, then plug-ins, then registered ones."""
    return {**_installed(), **_registered}


def is_supported(path: Path) -> bool:
    """Whether a file may be loaded, judged by its name alone; unknown endings may hold text."""
    suffix = path.suffix.lower()
    return suffix not in _BINARY_SUFFIXES or _by_suffix(suffix) is not None


def unsupported(suffix: str) -> str:
    """Say that no loader takes files with an ending, and what to do about it if that is plain."""
    if not suffix:
        return "no loader for this kind of file"
    newer = _NEWER.get(suffix.lower())
    return f"no loader for {suffix!r} files" + (f"; save it as {newer!r}" if newer else "")


def load(
    path: str | os.PathLike[str],
    *,
    password: str | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
    ocr: bool = False,
) -> Document:
    """Load a file into a located document.

    The loader is chosen by content where that is certain (a PDF under any name), else by the
    file name's ending; a file with an unknown ending is loaded as plain text if it is text.

    Args:
        path: The file.
        password: Opens it if it is encrypted.
        max_bytes: A larger file is not read.
        ocr: Recognise the text of PDF pages that hold none but pictures (the extra ``ocr``).

    Raises:
        LoadError: one of its kinds, saying why the file cannot be loaded.
    """
    file = Path(path)
    return load_bytes(file, read_file(file, max_bytes=max_bytes), password=password, ocr=ocr)


def read_file(path: Path, *, max_bytes: int = DEFAULT_MAX_BYTES) -> bytes:
    """Read a file's bytes.

    Raises:
        UnreadableError: the operating system refuses.
        TooLargeError: it has more than ``max_bytes``.
        NoTextError: it is empty.
    """
    try:
        found = path.stat()
        # A pipe would wait for ever, a device may never end.
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            raise UnreadableError("cannot be read: not a regular file")
        size = found.st_size
        data = b""
        if size <= max_bytes:
            with path.open("rb") as stream:
                data = stream.read(max_bytes + 1)  # it may be growing
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UnreadableError(f"cannot be read: {reason}") from error
    except ValueError as error:  # a name that no file can have
        raise UnreadableError(f"cannot be read: {error}") from error
    if max(size, len(data)) > max_bytes:
        raise TooLargeError(
            f"it has {_megabytes(size)}; the limit is {_megabytes(max_bytes)} (--max-file-size)"
        )
    if not data:
        raise NoTextError("the file is empty")
    return data


def load_bytes(
    path: Path, data: bytes, *, password: str | None = None, ocr: bool = False
) -> Document:
    """Load a file that has been read already; see :func:`load`."""
    spec, warning = _choose(path, data)
    try:
        document = spec.resolve()(Source(path, data, password, ocr))
        document = document if spec in _BUILT_IN else checked(document)
    except (LoadError, MemoryError):
        raise
    except RecursionError as error:
        raise WrongFormatError("nested too deeply to be read") from error
    except Exception as error:  # a parser or a plug-in may raise anything on damaged input
        raise WrongFormatError(
            f"the {spec.format} loader failed: {type(error).__name__}: {str(error)[:_LONGEST_DETAIL]}"
        ) from error
    if not document.text.strip():
        raise NoTextError("it holds no text")
    document = without_embedded_files(document)
    if not document.text.strip().strip(LEFT_OUT):
        raise NoTextError("it holds no text but an embedded file in base64")
    more = [one for one in (warning, invisible_warning(document.text)) if one]
    return with_short_names(replace(document, warnings=(*more, *document.warnings)))


def is_text(data: bytes) -> bool:
    """Whether the first 64 KB look like text in some encoding: hardly any control characters."""
    sample = data[:_SNIFFED]
    encoding = wide_encoding(sample[: len(sample) & ~3])
    if sample.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    if encoding is not None:
        text = sample.decode(encoding, errors="replace")
        controls = sum(character < " " and character not in "\t\n\f\r" for character in text)
        return (controls + text.count("\ufffd")) * 50 <= len(text)
    return (len(sample) - len(sample.translate(None, _CONTROLS))) * 50 <= len(sample)


def _choose(path: Path, data: bytes) -> tuple[LoaderSpec, str | None]:
    """Return the loader for a file, and a warning if that is not what its name says."""
    suffix = path.suffix.lower()
    ending = f"the ending {suffix!r}" if suffix else "a name without an ending"
    spec = _by_suffix(suffix)
    if spec is not None and spec.format == "pdf":
        if _PDF_MAGIC not in data[:_PDF_HEADER_WITHIN]:
            raise WrongFormatError(f"not a PDF: it begins with {data[:8]!r}")
        return spec, None
    if spec is None or spec.format in _TEXT_FORMATS:
        if data.lstrip()[: len(_PDF_MAGIC)] == _PDF_MAGIC:
            return loaders()["pdf"], f"a PDF, in spite of {ending}"
        if not is_text(data):
            if spec is not None:
                raise WrongFormatError(f"not text, in spite of {ending}: it holds binary data")
            raise UnsupportedFormatError(unsupported(suffix))
    if spec is not None:
        return spec, None
    if suffix in _BINARY_SUFFIXES:
        raise UnsupportedFormatError(unsupported(suffix))
    return loaders()["html" if _HTML_START.match(data) else "text"], None


def checked(document: object) -> Document:
    """Hold a plug-in's document to what :class:`Document` promises; find its blocks if need be."""
    if not isinstance(document, Document):
        raise TypeError(f"it returned {type(document).__name__}, not a Document")
    if not document.blocks:
        document = replace(document, blocks=find_blocks(document.text)[0])
    for fault in faults(document):
        raise ValueError(fault)
    return with_short_names(document)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB" if size >= 10e6 else f"{size:,} bytes"


def _by_suffix(suffix: str) -> LoaderSpec | None:
    matching = [spec for spec in loaders().values() if suffix in spec.suffixes]
    return matching[-1] if matching else None


@functools.cache
def _installed() -> dict[str, LoaderSpec]:
    found = {spec.format: spec for spec in _BUILT_IN}
    for point in entry_points(group=ENTRY_POINT_GROUP):
        # Our own are named there for tools that list plug-ins, and known without being installed.
        if not point.value.startswith("ingest.loaders.") and (spec := _plug_in(point)):
            found[spec.format] = spec
    return found


def _plug_in(point: EntryPoint) -> LoaderSpec | None:
    owner = f" of the package {point.dist.name!r}" if point.dist is not None else ""
    loader = f"the loader {point.name!r}{owner} ({point.value})"
    try:
        spec = point.load()
    except Exception as error:  # another package's code; the other formats must still load
        warnings.warn(f"{loader} cannot be imported: {error}", stacklevel=2)
        return None
    if not isinstance(spec, LoaderSpec):
        warnings.warn(f"{loader} is no LoaderSpec: {spec!r}", stacklevel=2)
        return None
    return spec
