"""What Office files say about themselves, and the guards that all three loaders need."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import PurePath
from typing import Any, Final
from zipfile import ZIP_DEFLATED, ZipFile

from ingest.errors import LoadError, MissingExtraError, WrongFormatError
from ingest.loaders.archive import article, open_archive, read_member
from ingest.loaders.building import tidy_line
from ingest.loaders.pdf.info import usable_title

_STRICT: Final = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w+)/")


@contextmanager
def reading(data: bytes, what: str) -> Iterator[bytes]:
    """Bound what the file unpacks to, and turn whatever a library raises into a reason.

    Gives the file as the libraries know it: of Strict Open XML with the usual names.

    Raises:
        MissingExtraError: The library is not installed.
        LoadError: One of its kinds, for a damaged, encrypted or too large file.
    """
    try:
        with open_archive(data, what) as archive:
            is_strict = _STRICT.search(read_member(archive, "_rels/.rels") or b"") is not None
            usual = _with_usual_names(archive) if is_strict else data
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles that a file leaves out, and the like
            yield usual
    except (LoadError, MemoryError, RecursionError):
        raise
    except ImportError as error:
        raise MissingExtraError(f"reading {what}", "office") from error
    # The libraries raise nearly anything on a damaged file.
    except Exception as error:
        raise WrongFormatError(
            f"not {article(what)} {what}, or damaged: {type(error).__name__}: {error}"
        ) from error


def _with_usual_names(archive: ZipFile) -> bytes:
    renamed = io.BytesIO()
    with ZipFile(renamed, "w", ZIP_DEFLATED) as written:
        for name in archive.namelist():
            content = read_member(archive, name) or b""
            if name.endswith((".xml", ".rels")):
                content = _STRICT.sub(rb"http://schemas.openxmlformats.org/\1/2006/", content)
            written.writestr(name, content)
    return renamed.getvalue()


def read_properties(properties: Any, path: PurePath) -> tuple[str | None, dict[str, str]]:
    """Return the title and the other facts of a file's core properties."""

    def text(name: str) -> str:
        value = getattr(properties, name, None)
        if isinstance(value, datetime):
            return value.isoformat()
        return value if isinstance(value, str) else ""

    metadata = {
        "author": text("author") or text("creator"),
        "subject": text("subject"),
        "keywords": text("keywords"),
        "created": text("created"),
        "modified": text("modified"),
    }
    return usable_title(tidy_line(text("title")), path), metadata
