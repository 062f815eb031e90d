"""Chinese and Japanese in columns, and in fonts that are neither in the file nor on the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pdf_files import PROSE, drawn, lines, source, together
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont

from ingest.loaders.pdf import load_pdf

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reportlab.pdfgen.canvas import Canvas

JAPANESE = [
    "保証は購入の日から二年間有効です。",
    "濾過器や消耗品は対象に含まれません",
    "修理は十日以内に終わります。詳しい",
    "説明書と領収書を箱に入れて送る事。",
]
CHINESE = ["保修期自购买之日起两年。", "滤芯和密封件不在保修范围", "维修在十个工作日内完成。"]


def _columns(
    texts: Sequence[str], font: str, *, top: float = 700, indent: float = 0
) -> Callable[[Canvas], None]:
    vertical = UnicodeCIDFont(font, isVertical=True)
    pdfmetrics.registerFont(vertical)

    def draw(canvas: Canvas) -> None:
        canvas.setFont(vertical.fontName, 12)
        for number, text in enumerate(texts):
            canvas.drawString(500 - 18 * number, top - (0 if number else indent), text)

    return draw


@pytest.mark.parametrize(("texts", "font"), [(JAPANESE, "HeiseiMin-W3"), (CHINESE, "STSong-Light")])
@pytest.mark.parametrize("indent", [0, 12])
def test_columns_are_read_from_right_to_left(texts: list[str], font: str, indent: float) -> None:
    document = load_pdf(source(drawn(_columns(texts, font, indent=indent))))
    assert "".join(document.text.split()) == "".join(texts)


def test_columns_beside_lines_of_another_script_are_whole() -> None:
    page = together(lines(PROSE, top=740), _columns(JAPANESE, "HeiseiMin-W3", top=600))
    text = load_pdf(source(drawn(page))).text
    assert " ".join(PROSE) in text
    assert all(column in text for column in JAPANESE)


def test_single_characters_of_a_font_that_is_not_there_are_not_lost() -> None:
    pdfmetrics.registerFont(UnicodeCIDFont("HeiseiMin-W3"))

    def draw(canvas: Canvas) -> None:
        canvas.setFont("HeiseiMin-W3", 12)
        canvas.drawString(72, 700, "在庫の一覧表")
        for number, text in enumerate("甲乙丙丁"):
            canvas.drawString(72, 660 - 20 * number, text)

    document = load_pdf(source(drawn(draw)))
    assert "".join(document.text.split()) == "在庫の一覧表甲乙丙丁"
    assert document.warnings == (
        "page 1: read with pypdf, because pdfium leaves out text in fonts not in the file",
    )


def test_a_word_written_downwards_in_letters_stays_a_word() -> None:
    text = load_pdf(source(drawn(_columns(["abc", "あいう"], "HeiseiMin-W3")))).text
    assert sorted(text.split()) == ["abc", "あいう"]


def test_columns_below_a_text_in_another_script_are_not_lost() -> None:
    columns = [column.rstrip("。").replace("。", "") for column in JAPANESE]
    page = together(lines(PROSE, top=740), _columns(columns, "HeiseiMin-W3", top=600))
    text = load_pdf(source(drawn(page))).text
    assert text.startswith(" ".join(PROSE))
    assert all(column in text for column in columns)
