"""EPUB: the chapters of a book in reading order, each read as an HTML page without chrome."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from ingest.errors import EncryptedError, LoadError, WrongFormatError
from ingest.loaders.archive import open_archive, parse_xml, read_member
from ingest.loaders.building import DocumentBuilder
from ingest.loaders.html.page import write_page

if TYPE_CHECKING:
    from zipfile import ZipFile

    from ingest.document import Document
    from ingest.loader_spec import Source

_CONTAINER: Final = "META-INF/container.xml"
_ENCRYPTION: Final = "META-INF/encryption.xml"
_PAGE_TYPES: Final = frozenset(["application/xhtml+xml", "text/html", "application/xml"])
_FACTS: Final = {
    "creator": "author",
    "date": "created",
    "language": "language",
    "publisher": "publisher",
    "subject": "subject",
}


def load_epub(source: Source) -> Document:
    """Load an EPUB book. It has no pages: where they end depends on the reader's screen.

    Raises:
        WrongFormatError: Not an EPUB, or damaged.
        TooLargeError: It unpacks to too much.
        EncryptedError: Its chapters are protected (DRM).
    """
    with open_archive(source.data, "EPUB") as archive:
        package_name, package = _package(archive)
        protected = _protected(archive)
        builder = DocumentBuilder("epub")
        title = _read_facts(package, builder.metadata)
        unread: list[str] = []
        # Made where case does not matter, references may differ in it from the names.
        names = {name.casefold(): name for name in archive.namelist()}
        chapters = list(_chapters(package, posixpath.dirname(package_name)))
        for name in chapters:
            if name in protected:
                raise EncryptedError("encrypted: the chapters are protected (DRM)")
            try:
                data = read_member(archive, names.get(name.casefold(), name))
            except LoadError:
                data = None
            if data is None:
                unread.append(name)
            else:
                write_page(builder, data)
        if unread:
            what = "chapter" if len(unread) == 1 else "chapters"
            builder.warnings.append(f"{len(unread)} {what} missing or damaged: {unread[0]!r}")
        return builder.build(title=title)


def _package(archive: ZipFile) -> tuple[str, Any]:
    """Return the name of the package document, and its root."""
    container = read_member(archive, _CONTAINER)
    root = parse_xml(container) if container else None
    if root is None:
        raise WrongFormatError(f"not an EPUB: it has no {_CONTAINER}")
    for element in _named(root, "rootfile"):
        name = _joined("", element.get("full-path", ""))
        data = read_member(archive, name)
        package = parse_xml(data) if data else None
        if package is not None:
            return name, package
    raise WrongFormatError("not an EPUB: it has no package document")


def _protected(archive: ZipFile) -> frozenset[str]:
    """Return the names of what is encrypted; fonts may be, which matters to nobody here."""
    data = read_member(archive, _ENCRYPTION)
    root = parse_xml(data) if data else None
    if root is None:
        return frozenset()
    return frozenset(
        _joined("", element.get("URI", "")) for element in _named(root, "CipherReference")
    )


def _read_facts(package: Any, metadata: dict[str, str]) -> str:
    title = ""
    for element in _named(package, "metadata"):
        for child in element:
            name = _local(child)
            text = "".join(child.itertext()) if name else ""
            if name == "title":
                title = title or text
            elif name in _FACTS and text.strip():
                key = _FACTS[name]
                metadata[key] = f"{metadata[key]}, {text}" if metadata.get(key) else text
    return title


def _chapters(package: Any, folder: str) -> Iterator[str]:
    """Yield the names of the pages in reading order, each once."""
    pages = {
        item.get("id"): _joined(folder, item.get("href", ""))
        for item in _named(package, "item")
        if item.get("media-type") in _PAGE_TYPES and "nav" not in item.get("properties", "").split()
    }
    order = dict.fromkeys(item.get("idref") for item in _named(package, "itemref"))
    yield from (pages[name] for name in order if name in pages)


def _joined(folder: str, reference: str) -> str:
    """Return the name in the archive that a reference means."""
    path = unquote(reference.partition("#")[0])
    return posixpath.normpath(posixpath.join(folder, path)).lstrip("/")


def _named(root: Any, name: str) -> Iterator[Any]:
    return (element for element in root.iter() if _local(element) == name)


def _local(element: Any) -> str:
    """Return an element's name without its namespace; empty for comments and the like."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
