"""PDF files for the tests, made on the spot."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from reportlab.lib.pagesizes import letter
from reportlab.pdfgen.canvas import Canvas

from ingest.loader_spec import Source

PROSE = (
    "The warranty covers every part of the machine for two years from the day of purchase.",
    "It does not cover filters, seals and other parts that wear out in normal use.",
    "Repairs are made within ten working days, or the machine is replaced at no charge.",
    "Send the machine in its box, with the receipt and a short description of the fault.",
)


def source(data: bytes, *, name: str = "file.pdf", password: str | None = None) -> Source:
    """Wrap a file's bytes as the loaders take them."""
    return Source(path=Path(name), data=data, password=password)


def drawn(*pages: Callable[[Canvas], Any], **options: Any) -> bytes:
    """Return a PDF with one page for each function, which draws on it."""
    buffer = io.BytesIO()
    setup = options.pop("setup", None)
    canvas = Canvas(buffer, pagesize=letter, invariant=True, **options)
    if setup is not None:
        setup(canvas)
    for draw in pages:
        canvas.setFont("Helvetica", 10)
        draw(canvas)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def lines(
    texts: Sequence[str],
    *,
    left: float = 72,
    top: float = 700,
    pitch: float = 12,
    font: str = "Helvetica",
    size: float = 10,
) -> Callable[[Canvas], None]:
    """Return a function that draws lines of text below each other."""

    def draw(canvas: Canvas) -> None:
        canvas.setFont(font, size)
        for number, text in enumerate(texts):
            canvas.drawString(left, top - number * pitch, text)

    return draw


def together(*parts: Callable[[Canvas], Any]) -> Callable[[Canvas], None]:
    """Return a function that draws several things on one page, in order."""

    def draw(canvas: Canvas) -> None:
        for part in parts:
            part(canvas)

    return draw


def table(
    rows: Sequence[Sequence[str]], *, top: float = 600, by_column: bool = False
) -> Callable[[Canvas], None]:
    """Return a function that draws a label column and right-aligned columns of values."""

    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 10)
        cells = [
            (column, number, text)
            for number, row in enumerate(rows)
            for column, text in enumerate(row)
            if text
        ]
        if by_column:
            cells.sort(key=lambda cell: cell[0])
        for column, number, text in cells:
            y = top - 14 * number
            if column == 0:
                canvas.drawString(72, y, text)
            else:
                canvas.drawRightString(300 + 80 * column, y, text)

    return draw


def mapped(texts: Sequence[str], *, stream_filter: str = "") -> bytes:
    """Return a one-page PDF whose lines have arbitrary Unicode text, through a ToUnicode map."""
    characters = sorted({character for text in texts for character in text})
    if len(characters) > 200:
        raise ValueError("too many different characters for a one-byte font")
    codes = {character: 33 + index for index, character in enumerate(characters)}
    entries = "\n".join(
        f"<{code:02x}> <{character.encode('utf-16-be').hex()}>" for character, code in codes.items()
    )
    to_unicode = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap\n"
        "/CMapName /Test def /CMapType 2 def\n"
        "1 begincodespacerange <00> <ff> endcodespacerange\n"
        f"{len(codes)} beginbfchar\n{entries}\nendbfchar\nendcmap end end"
    )
    shown = "\n".join(
        f"1 0 0 1 72 {700 - 14 * number} Tm <{bytes(codes[c] for c in text).hex()}> Tj"
        for number, text in enumerate(texts)
    )
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
        " /Resources << /Font << /F1 5 0 R >> >> >>",
        _stream(f"BT /F1 10 Tf {shown} ET", stream_filter),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /FirstChar 33 /LastChar 255"
        f" /Widths [{' '.join(['550'] * 223)}] /ToUnicode 6 0 R >>",
        _stream(to_unicode),
    ]
    return assembled(objects)


def assembled(objects: Sequence[str]) -> bytes:
    """Return a PDF of the given objects, numbered from 1; the first is the catalog."""
    data = b"%PDF-1.7\n"
    offsets: list[int] = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(data))
        data += f"{number} 0 obj\n{body}\nendobj\n".encode("latin-1")
    start = len(data)
    data += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    data += b"".join(f"{offset:010d} 00000 n \n".encode() for offset in offsets)
    data += f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\n".encode()
    return data + f"startxref\n{start}\n%%EOF\n".encode()


def _stream(content: str, stream_filter: str = "") -> str:
    return f"<< /Length {len(content)} {stream_filter} >>\nstream\n{content}\nendstream"
