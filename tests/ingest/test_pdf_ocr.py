"""Pages whose text is a picture, or whose fonts do not say what their glyphs mean."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pdf_files import PROSE, assembled, drawn, lines, mapped, source
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.utils import ImageReader

from ingest.errors import MissingExtraError, NoTextError
from ingest.isolate import Loaded, LoaderPool, LoadRequest
from ingest.loaders.pdf import load_pdf
from ingest.loaders.pdf.legibility import is_legible
from ingest.loaders.pdf.pdfium_reader import read_with_pdfium
from ingest.structure import faults
from ragkit import KnowledgeBase
from ragkit.testing import HashEmbedder

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas


def _scanned(canvas: Canvas) -> None:
    """Draw the prose as a picture that fills the page, at 150 dpi."""
    picture = Image.new("L", (1275, 1650), 255)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(24)
    for number, text in enumerate(PROSE):
        draw.text((120, 200 + 40 * number), text, fill=0, font=font)
    canvas.drawImage(ImageReader(picture), 0, 0, 612, 792)


def _letters(text: str) -> str:
    return re.sub(r"\W", "", text)


def test_scanned_pages_are_recognised_when_asked_to(tmp_path: Path) -> None:
    path = tmp_path / "scan.pdf"
    path.write_bytes(drawn(lines(PROSE[:1]), _scanned))
    with LoaderPool(workers=1, ocr=True) as pool:
        [(_, outcome)] = pool.load_all([LoadRequest(path)])
    assert isinstance(outcome, Loaded), outcome
    document = outcome.document
    assert not faults(document)
    recognised = document.text[document.pages[1].start : document.pages[1].end]
    assert _letters(recognised) == _letters("".join(PROSE))
    [warning] = document.warnings
    assert warning.startswith("page 2: text recognised from the picture (OCR)")


def test_a_scan_that_failed_is_read_once_recognition_is_on(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "scan.pdf").write_bytes(drawn(_scanned))
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as kb:
        [failure] = kb.ingest(folder).failed
        assert failure.reason.startswith("no text on its only page")
        assert "--ocr" in failure.reason
        assert kb.ingest(folder, ocr=True).added == ("scan.pdf",)
        [hit] = kb.search("who pays for the repairs?", k=1)
        assert hit.page == 1


def test_a_picture_without_text_is_not_tried_again(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(drawn(lambda canvas: canvas.rect(72, 72, 400, 600, fill=1)))
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as kb:
        [failure] = kb.ingest(tmp_path / "a.pdf", ocr=True).failed
    assert failure.reason.startswith("nothing to read on its only page")
    assert not failure.reason.startswith(NoTextError.SCANNED)


def test_recognition_without_its_package_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from ingest.loaders.pdf import ocr

    monkeypatch.setitem(sys.modules, "rapidocr", None)
    ocr._engine.cache_clear()
    scan = replace(source(drawn(_scanned)), ocr=True)
    with pytest.raises(MissingExtraError, match=r"pip install 'ragkit\[ocr\]'"):
        load_pdf(scan)


def test_pages_with_text_are_not_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    document = load_pdf(replace(source(drawn(lines(PROSE))), ocr=True))
    assert document.text == " ".join(PROSE)
    assert not document.warnings


def test_an_empty_page_is_not_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    with pytest.raises(NoTextError):
        load_pdf(replace(source(drawn(lambda canvas: None)), ocr=True))


def test_fonts_that_map_to_nothing_are_reported() -> None:
    private = "".join(chr(0xE000 + ord(character)) for character in "the warranty lasts")
    document = load_pdf(source(mapped([private, "ends"])))
    assert not faults(document)
    assert document.warnings == (
        "page 1: embedded fonts map to nothing, so that the text cannot be read",
    )


def test_a_page_that_pdfium_cannot_map_is_read_with_pypdf() -> None:
    # Codes without meaning, but glyph names that pypdf goes by.
    names = "/W /a /r /n /t /y"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 300] /Contents 4 0 R"
        " /Resources << /Font << /F1 5 0 R >> >> >>",
        "<< /Length 50 >>\nstream\nBT /F1 10 Tf 20 200 Td <0102030302040506> Tj ET\nendstream",
        "<< /Type /Font /Subtype /Type3 /FontBBox [0 0 9 9] /FontMatrix [0.1 0 0 0.1 0 0]"
        " /FirstChar 1 /LastChar 6 /Widths [9 9 9 9 9 9] /CharProcs << >>"
        f" /Encoding << /Type /Encoding /Differences [1 {names}] >> >>",
    ]
    file = source(assembled(objects))
    assert read_with_pdfium(file).unmapped == [0]
    document = load_pdf(file)
    assert document.text == "Warranty"
    assert not document.warnings


@pytest.mark.parametrize(
    ("text", "legible"),
    [
        ("", True),
        ("A warranty of 24 months • from delivery", True),
        ("Гарантия 保証 ضمان", True),
        ("\x01\x02\x03\x04 \x05\x06", False),
        ("\ue001\ue002\ue003 ab", False),
        ("/G43/G24/G14/G44 /G13/G22", False),
        ("see /etc/hosts and /usr/lib", True),
        ("\ufffd\ufffd\ufffd ok", False),
    ],
)
def test_what_is_legible(text: str, legible: bool) -> None:
    assert is_legible(text) is legible
