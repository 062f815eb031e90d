from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pdf_files import PROSE, drawn, lines, source, table, together
from reportlab.pdfbase.pdfmetrics import stringWidth

from ingest.loaders.pdf import load_pdf

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

RULES = [f"Rule {number} of the house: {number}{number}0 kg" for number in range(1, 13)]
STOCK = [["Part", "Old", "New"], ["Bolt", "1", "11"], ["Nut", "11", "1"], ["Pin", "1", "1"]]


@pytest.mark.parametrize("moved", [(0, 0), (0.4, 0), (0, 0.5), (1.2, -1.2)])
@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("by_word", [True, False])
def test_text_drawn_twice_is_read_once(
    moved: tuple[float, float], at_once: bool, by_word: bool
) -> None:
    def again(text: str, top: float) -> None:
        left = 72 + moved[0]
        for piece in text.split(" ") if by_word else [text]:
            canvas.drawString(left, top + moved[1], piece)
            left += stringWidth(piece + " ", "Helvetica", 10)

    canvas: Canvas

    def draw(given: Canvas) -> None:
        nonlocal canvas
        canvas = given
        places = [(text, 700 - 12 * number) for number, text in enumerate(RULES)]
        for text, top in places:
            canvas.drawString(72, top, text)
            if at_once:
                again(text, top)
        for text, top in () if at_once else places:
            again(text, top)

    assert load_pdf(source(drawn(draw))).text == " ".join(RULES)


def test_a_word_drawn_again_after_its_lines_is_read_once() -> None:
    before = PROSE[0][: PROSE[0].index("warranty")]

    def again(canvas: Canvas) -> None:
        left = 72 + stringWidth(before, "Helvetica", 10)
        canvas.drawString(left + 0.4, 700, "warranty")

    assert load_pdf(source(drawn(together(lines(PROSE), again)))).text == " ".join(PROSE)


def test_a_table_drawn_twice_is_read_once_and_equal_values_stay() -> None:
    page = together(table(STOCK), table(STOCK, by_column=True))
    assert load_pdf(source(drawn(page))).text == (
        "Part | Old | New\nBolt | 1 | 11\nNut | 11 | 1\nPin | 1 | 1"
    )
