"""Zip archives that may be bombs: what they unpack to is bounded before anything is read.

Nothing is ever unpacked to disk, and names in an archive are only compared with each other, so
that a name such as ``../../etc/passwd`` leads nowhere.
"""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any, Final

from lxml import etree

from ingest.errors import EncryptedError, TooLargeError, WrongFormatError

if TYPE_CHECKING:
    from lxml.etree import _Element

MAX_UNPACKED: Final = 400_000_000
MAX_ENTRIES: Final = 20_000
_OLE_MAGIC: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED: Final = 1  # of a member's flags


def article(kind: str) -> str:
    """Return "a" or "an", as the name of a format is said.

    >>> article("DOCX"), article("XLSX"), article("EPUB")
    ('a', 'an', 'an')
    """
    return "an" if kind[0] in "AEFHILMNORSX" else "a"


def open_archive(data: bytes, what: str) -> zipfile.ZipFile:
    """Open a zip archive whose members may be read whole.

    Args:
        data: The file.
        what: What it should be, for messages, such as ``"DOCX"``.

    Raises:
        WrongFormatError: Not a zip archive, or damaged.
        TooLargeError: It unpacks to more than :data:`MAX_UNPACKED` bytes.
        EncryptedError: A member is encrypted.
    """
    if data.startswith(_OLE_MAGIC):
        raise WrongFormatError(
            f"not {article(what)} {what} that can be read: protected by a password, or saved in the format of"
            " Office 97; save it anew without"
        )
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        members = archive.infolist()
    # A damaged directory makes zipfile raise many things: struct.error, UnicodeDecodeError, ...
    except Exception as error:
        raise WrongFormatError(f"not {article(what)} {what}: {error}") from error
    if len(members) > MAX_ENTRIES:
        raise TooLargeError(f"an archive of {len(members):,} members; the limit is {MAX_ENTRIES:,}")
    # Reading ends at the size that is declared, so a false declaration gains nothing.
    unpacked = sum(member.file_size for member in members)
    if unpacked > MAX_UNPACKED:
        raise TooLargeError(
            f"it unpacks to {unpacked / 1e6:,.0f} MB; the limit is {MAX_UNPACKED / 1e6:,.0f} MB"
        )
    if any(member.flag_bits & _ENCRYPTED for member in members):
        raise EncryptedError("a member of the archive is encrypted")
    return archive


def read_member(archive: zipfile.ZipFile, name: str) -> bytes | None:
    """Read a member; ``None`` if there is none of that name.

    Raises:
        WrongFormatError: It is damaged, or packed in a way that is not known.
    """
    try:
        return archive.read(name)
    except KeyError:
        return None
    except MemoryError:
        raise
    # zipfile raises many things here, too: of zlib's, EOFError, ValueError for odd offsets, ...
    except Exception as error:
        raise WrongFormatError(f"damaged: {name!r} cannot be unpacked: {error}") from error


def parse_xml(data: bytes) -> _Element | None:
    """Parse XML from an archive; ``None`` if there is nothing in it.

    Entities are not expanded, nothing is fetched, and the depth is bounded by the parser.
    """
    options: dict[str, Any] = {
        "resolve_entities": False,
        "no_network": True,
        "load_dtd": False,
        "recover": True,
        "huge_tree": False,
    }
    parsed: _Element | None = etree.fromstring(data, etree.XMLParser(**options))
    return parsed
