"""Rich text (RTF): its paragraphs, without what is only for the eye."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.errors import MissingExtraError, WrongFormatError
from ingest.loaders.building import DocumentBuilder
from ingest.loaders.plain_text import find_blocks

if TYPE_CHECKING:
    from ingest.document import Document
    from ingest.loader_spec import Source


def load_rtf(source: Source) -> Document:
    """Load rich text.

    Raises:
        MissingExtraError: striprtf is not installed.
        WrongFormatError: It does not begin as rich text does, or is damaged.
    """
    if not source.data.lstrip().startswith(b"{\\rtf"):
        raise WrongFormatError("not an RTF: it does not begin with {\\rtf")
    try:
        from striprtf.striprtf import rtf_to_text
    except ImportError as error:
        raise MissingExtraError("reading RTF", "office") from error
    try:
        # Its own letters are ASCII; others are written as escapes in the code page that it names.
        text = str(rtf_to_text(source.data.decode("latin-1"), errors="replace"))
    except MemoryError:
        raise
    except Exception as error:  # the library raises nearly anything on a damaged file
        raise WrongFormatError(
            f"not an RTF, or damaged: {type(error).__name__}: {error}"
        ) from error
    builder = DocumentBuilder("rtf")
    for block in find_blocks(text)[0]:
        kind = "paragraph" if block.kind == "heading" else block.kind
        builder.add(kind, text[block.start : block.end])
    return builder.build()
