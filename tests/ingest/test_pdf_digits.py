"""Numbers of PDFs: raised digits, and dates that are no names of glyphs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pdf_files import drawn, lines, source

from ingest.loaders.pdf import load_pdf

if TYPE_CHECKING:
    from collections.abc import Callable

    from reportlab.pdfgen.canvas import Canvas


def _raised(*parts: tuple[str, str]) -> Callable[[Canvas], None]:
    def draw(canvas: Canvas) -> None:
        left = 72.0
        for text, mark in parts:
            canvas.setFont("Helvetica", 11)
            canvas.drawString(left, 700, text)
            left += canvas.stringWidth(text, "Helvetica", 11)
            canvas.setFont("Helvetica", 6)
            canvas.drawString(left, 704, mark)
            left += canvas.stringWidth(mark, "Helvetica", 6)
        canvas.setFont("Helvetica", 7)
        canvas.drawString(72, 80, "1 Counted in spring.")

    return draw


def test_exponents_stay_raised_and_the_marks_of_notes_apart() -> None:
    page = _raised(
        ("The weir lets through 480", "1"), (" litres, or 10", "3"), (" pails, a day.", "")
    )
    text = load_pdf(source(drawn(page))).text
    assert text.startswith("The weir lets through 480 ¹ litres, or 10³ pails, a day.")


def test_numbers_of_one_size_stay_as_they_are() -> None:
    text = load_pdf(source(drawn(lines(["Order 2501 of 103 pails, H2O at 1,250.75 a load."])))).text
    assert text == "Order 2501 of 103 pails, H2O at 1,250.75 a load."


def test_a_page_full_of_dates_is_read_without_a_warning() -> None:
    dates = [f"{day:02}/10/2025 {day:02}/11/2025" for day in range(1, 15)]
    document = load_pdf(source(drawn(lines(dates))))
    assert document.warnings == ()
    assert "03/10/2025 03/11/2025" in document.text
