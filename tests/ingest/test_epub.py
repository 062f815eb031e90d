"""EPUB books, made of the few files that every book has."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from loading import blocks, headers, headings, loaded, zipped

from ingest.errors import EncryptedError, NoTextError, WrongFormatError

CONTAINER = """<?xml version="1.0"?>
<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0">
<rootfiles><rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles>
</container>"""
PACKAGE = """<?xml version="1.0"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Pumps</dc:title>
<dc:creator>Ada</dc:creator><dc:creator>Bob</dc:creator><dc:language>en</dc:language>
<dc:date>2024-05-06</dc:date></metadata>
<manifest>
<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="two" href="text/two%20b.xhtml" media-type="application/xhtml+xml"/>
<item id="one" href="text/one.xhtml" media-type="application/xhtml+xml"/>
<item id="css" href="style.css" media-type="text/css"/>
</manifest>
<spine><itemref idref="one"/><itemref idref="nav"/><itemref idref="two"/><itemref idref="one"/></spine>
</package>"""
ONE = """<html xmlns="http://www.w3.org/1999/xhtml"><head><title>x</title></head><body>
<h1>First</h1><p>Pumps move water.</p><h2>Parts</h2><ul><li>seal</li></ul>
<table><tr><th>Part</th><th>Months</th></tr><tr><td>Pump</td><td>24</td></tr></table></body></html>"""
TWO = """<html><body><section class="comments"><h1>Second</h1><pre>a = 1
  b</pre><p>Für immer.</p></section></body></html>"""
BOOK: Mapping[str, str | bytes] = {
    "mimetype": "application/epub+zip",
    "META-INF/container.xml": CONTAINER,
    "OEBPS/book.opf": PACKAGE,
    "OEBPS/nav.xhtml": "<html><body><nav><a href='x'>Contents</a></nav></body></html>",
    "OEBPS/text/one.xhtml": ONE,
    "OEBPS/text/two b.xhtml": TWO,
}


def test_chapters_come_in_reading_order() -> None:
    document = loaded("pumps.epub", zipped(BOOK))
    assert blocks(document) == [
        "First",
        "Pumps move water.",
        "Parts",
        "- seal",
        "Part | Months\nPump | 24",
        "Second",
        "a = 1\n  b",
        "Für immer.",
    ]
    assert headings(document) == [("First",), ("First", "Parts"), ("Second",)]
    assert headers(document) == ["Part | Months"]
    assert (document.title, document.pages, document.warnings) == ("Pumps", (), ())
    assert document.metadata == {"author": "Ada, Bob", "created": "2024-05-06", "language": "en"}


def test_a_missing_chapter_is_reported() -> None:
    members = {name: text for name, text in BOOK.items() if "two" not in name}
    document = loaded("a.epub", zipped(members))
    assert document.warnings == ("1 chapter missing or damaged: 'OEBPS/text/two b.xhtml'",)


def test_protected_chapters_are_told_from_protected_fonts() -> None:
    reference = '<e xmlns="urn:x"><CipherData><CipherReference URI="{}"/></CipherData></e>'
    fonts = {**BOOK, "META-INF/encryption.xml": reference.format("OEBPS/font.otf")}
    assert loaded("a.epub", zipped(fonts)).title == "Pumps"
    chapters = {**BOOK, "META-INF/encryption.xml": reference.format("OEBPS/text/one.xhtml")}
    with pytest.raises(EncryptedError, match="DRM"):
        loaded("a.epub", zipped(chapters))


@pytest.mark.parametrize("missing", ["META-INF/container.xml", "OEBPS/book.opf"])
def test_an_archive_without_a_book_is_refused(missing: str) -> None:
    members = {name: text for name, text in BOOK.items() if name != missing}
    with pytest.raises(WrongFormatError, match="not an EPUB"):
        loaded("a.epub", zipped(members))


def test_a_book_without_chapters_holds_no_text() -> None:
    with pytest.raises(NoTextError):
        loaded("a.epub", zipped({**BOOK, "OEBPS/book.opf": "<package/>"}))


def test_a_book_whose_first_byte_is_lost_says_so() -> None:
    with pytest.raises(WrongFormatError, match="damaged"):
        loaded("a.epub", zipped({n: text for n, text in BOOK.items() if n != "mimetype"})[1:])


def test_names_may_differ_in_case() -> None:
    members = {name.replace("one.xhtml", "ONE.xhtml"): text for name, text in BOOK.items()}
    assert loaded("a.epub", zipped(members)).text == loaded("a.epub", zipped(BOOK)).text
