"""Where text stands on a page: what pdfium has under the boxes is the text that was asked for.

The judge is that of ``bench/highlights.py``, which goes by the middle of each character.
"""

import importlib
import io
import random
import sys
from collections import Counter
from pathlib import Path

import pytest
from pypdf import PdfWriter
from reportlab.pdfgen.canvas import Canvas

from ingest import LoadError, load
from ingest.loaders.pdf.boxes import PageBoxes
from ingest.page_reader import PageReader
from tests.ingest.pdf_files import PROSE, drawn, lines, table, together

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLES = sorted((REPOSITORY / "sample_docs").rglob("*.pdf"))

sys.path.append(str(REPOSITORY / "bench"))
highlights = importlib.import_module("highlights")


@pytest.fixture(scope="module")
def reader():
    with PageReader() as pages:
        yield pages


def test_every_stretch_of_the_sample_documents_is_under_its_boxes(reader: PageReader) -> None:
    chance = random.Random(7)
    checked = 0
    for file in SAMPLES:
        document = load(file)
        for page in document.pages:
            for _ in range(4):
                start = chance.randint(page.start, page.end - 1)
                end = min(page.end, start + chance.choice((6, 40, 250)))
                found = reader.boxes(file, document, page.number, start=start, end=end)
                assert_under(found, file, page.number, document.text[start:end])
                checked += 1
    assert checked > 60


def assert_under(found: PageBoxes, file: Path, page: int, wanted: str) -> None:
    there = highlights.under(found, highlights.middles_of(file, page, (found.width, found.height)))
    assert Counter(highlights.letters(there)) == Counter(highlights.letters(wanted)), wanted


def heading_over_columns(canvas: Canvas) -> None:
    rows = [["", "2024", "2023", "2024"], ["Sales", "10", "11", "10"], ["Costs", "10", "10", "11"]]
    table(rows, top=500)(canvas)
    canvas.drawString(390, 514, "Germany")
    canvas.drawString(510, 514, "France")


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_turned_pages_and_equal_values(reader: PageReader, tmp_path: Path, turn: int) -> None:
    file = tmp_path / "table.pdf"

    writer = PdfWriter(clone_from=io.BytesIO(drawn(heading_over_columns)))
    writer.pages[0].rotate(turn)
    writer.write(file)
    document = load(file)
    whole = reader.boxes(file, document, 1)
    assert (whole.width > whole.height) == (turn in (90, 270))
    assert whole.found == 1
    for start, letter in enumerate(document.text):
        if letter.isalnum():
            found = reader.boxes(file, document, 1, start=start, end=start + 1)
            assert_under(found, file, 1, letter)
    # Each of the equal numbers has a place of its own.
    body = document.text.index("Sales")
    tens = [at for at in range(body, len(document.text)) if document.text.startswith("10", at)]
    places = [reader.boxes(file, document, 1, start=at, end=at + 2).boxes[0] for at in tens]
    assert len({(round(box.left), round(box.top)) for box in places}) == len(tens) == 4


def test_words_that_a_line_break_divides_and_ligatures(reader: PageReader, tmp_path: Path) -> None:
    file = tmp_path / "divided.pdf"
    text = ["The warranty of the ma-", "chine covers the gear and its", "price is 5² francs here."]
    file.write_bytes(drawn(together(lines(text), lines(PROSE, top=500))))
    document = load(file)
    start = document.text.index("machine")
    found = reader.boxes(file, document, 1, start=start, end=start + len("machine"))
    assert [box.bottom - box.top > 5 for box in found.boxes] == [True, True]
    assert found.boxes[0].top < found.boxes[1].top
    assert_under(found, file, 1, "machine")


def test_a_picture_and_what_cannot_be_drawn(reader: PageReader, tmp_path: Path) -> None:
    file = tmp_path / "one.pdf"
    file.write_bytes(drawn(lines(PROSE)))
    picture = reader.picture(file, 1, scale=2.0)
    assert picture.startswith(b"\x89PNG") and picture[16:24] == bytes.fromhex("000004c800000630")
    with pytest.raises(LoadError, match="no page 2"):
        reader.picture(file, 2)
    (broken := tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 nothing")
    with pytest.raises(LoadError, match="damaged"):
        reader.picture(broken, 1)
    assert reader.picture(file, 1)  # the process goes on


def test_a_page_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    file = tmp_path / "one.pdf"
    file.write_bytes(drawn(lines(PROSE)))
    with (
        PageReader(seconds=0.001) as pages,
        pytest.raises(LoadError, match=r"took more than 0\.001"),
    ):
        pages.picture(file, 1)
