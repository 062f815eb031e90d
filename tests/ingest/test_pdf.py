from __future__ import annotations

import io
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pypdf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pdf_files import PROSE, assembled, drawn, lines, mapped, source, table, together
from reportlab.lib.pdfencrypt import StandardEncryption

from ingest.document import Block, Document
from ingest.errors import EncryptedError, NoTextError, WrongFormatError
from ingest.loaders.pdf import load_pdf

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

STATEMENT = [
    ["", "2023", "2022"],
    ["Net revenue", "$ 46,298", "$ 51,761"],
    ["Cost of sales", "36,386", "40,121"],
    ["Other income (expense):"],
    ["Interest expense", "(35)", "(25)"],
    ["Gain on sale of investments, net of all taxes", "—", "4"],
    ["Net earnings", "$ 1,419", "$ 2,454"],
]


def blocks(document: Document, kind: str | None = None) -> list[str]:
    return [
        document.text[block.start : block.end]
        for block in document.blocks
        if kind in (None, block.kind)
    ]


def check_invariants(document: Document) -> None:
    """Blocks are in order and cover all but white space; pages and sections likewise."""
    position = 0
    for block in document.blocks:
        assert position <= block.start < block.end
        assert not document.text[position : block.start].strip()
        text = document.text[block.start : block.end]
        assert text == text.strip()
        if block.header_end is not None:
            assert block.kind == "table"
            assert block.start < block.header_end <= block.end
        position = block.end
    assert position == len(document.text)

    assert [page.number for page in document.pages] == list(range(1, len(document.pages) + 1))
    position = 0
    for page in document.pages:
        assert position <= page.start <= page.end
        assert not document.text[position : page.start].strip()
        position = page.end
    assert not document.text[position:].strip()

    for one, other in zip(document.sections, document.sections[1:], strict=False):
        assert one.end <= other.start
    for section in document.sections:
        assert section.start < section.end <= len(document.text)
        assert len(section.path) == section.level >= 1
        assert all(title and "\n" not in title for title in section.path)


# -- pages and running text -----------------------------------------------------------------------


def test_pages_are_located_and_empty_ones_counted() -> None:
    document = load_pdf(source(drawn(lines(PROSE[:2]), lambda _: None, lines(PROSE[2:]))))
    check_invariants(document)
    assert document.format == "pdf"
    assert document.encoding is None
    assert len(document.pages) == 3
    first, second, third = document.pages
    assert document.text[first.start : first.end].startswith("The warranty covers")
    assert second.start == second.end
    assert document.text[third.start : third.end].startswith("Repairs are made")
    assert document.warnings == ("page 2 holds no text (scanned or empty?)",)
    assert document.text[first.end : third.start] == "\n\n"


def test_lines_of_a_paragraph_are_joined_and_paragraphs_kept_apart() -> None:
    page = together(lines(PROSE[:2], top=700), lines(PROSE[2:], top=640))
    document = load_pdf(source(drawn(page)))
    assert blocks(document) == [" ".join(PROSE[:2]), " ".join(PROSE[2:])]


def test_a_paragraph_does_not_run_across_a_page() -> None:
    document = load_pdf(source(drawn(lines(["It goes on and"]), lines(["on without an end."]))))
    assert blocks(document) == ["It goes on and", "on without an end."]


def test_divided_words_are_joined_and_compounds_keep_their_hyphen() -> None:
    text = [
        "Every machine is inspected by the manu-",
        "facturer, who keeps state-of-the-",
        "art tools for it, and a well-known long-",
        "term plan. A long-term plan is Anglo-",
        "American.",
    ]
    document = load_pdf(source(drawn(lines(text))))
    assert document.text == (
        "Every machine is inspected by the manufacturer, who keeps state-of-the-art tools for it, "
        "and a well-known long-term plan. A long-term plan is Anglo-American."
    )


def test_list_items_are_blocks_of_their_own() -> None:
    page = together(
        lines(["Before the first use:"], top=700),
        lines(
            ["• Fill the tank with cold water, and close the lid until", "   it clicks."], top=680
        ),
        lines(["• Press the button twice."], top=656),
        lines(["1. Wait for the green light."], top=640),
    )
    document = load_pdf(source(drawn(page)))
    assert blocks(document, "list_item") == [
        "• Fill the tank with cold water, and close the lid until it clicks.",
        "• Press the button twice.",
        "1. Wait for the green light.",
    ]


COLUMN_LEFT = [
    f"Left column line number {word} of the text"
    for word in ["one", "two", "three", "four", "five", "six", "seven", "eight"]
]
COLUMN_RIGHT = [
    f"Right column line number {word} of it all"
    for word in ["one", "two", "three", "four", "five", "six", "seven", "eight"]
]


@pytest.mark.parametrize("row_wise", [True, False])
def test_two_columns_are_read_one_after_the_other(row_wise: bool) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 10)
        canvas.drawString(
            72, 740, "A line that runs across both of the columns, from one margin to the other"
        )
        places = [(72, 700 - 12 * n, t) for n, t in enumerate(COLUMN_LEFT)]
        places += [(320, 700 - 12 * n, t) for n, t in enumerate(COLUMN_RIGHT)]
        if row_wise:
            places.sort(key=lambda place: (-place[1], place[0]))
        for x, y, text in places:
            canvas.drawString(x, y, text)

    document = load_pdf(source(drawn(draw)))
    check_invariants(document)
    assert document.text.startswith("A line that runs")
    assert " ".join(COLUMN_LEFT) in document.text
    assert " ".join(COLUMN_RIGHT) in document.text
    assert document.text.index("Left column") < document.text.index("Right column")
    assert not blocks(document, "table")


def test_what_is_drawn_last_but_stands_on_top_is_read_first() -> None:
    page = together(
        lines(["17"], top=30),
        lines(PROSE, top=700),
        lines(["Warranty terms"], top=760, font="Helvetica-Bold", size=16),
    )
    document = load_pdf(source(drawn(page)))
    assert blocks(document) == ["Warranty terms", " ".join(PROSE), "17"]


@pytest.mark.parametrize("shown", [0, 90, 180, 270])
@pytest.mark.parametrize("turned", [0, 90, 180, 270])
def test_turned_pages_are_read_like_upright_ones(turned: int, shown: int) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.translate(*{0: (0, 0), 90: (612, 0), 180: (612, 792), 270: (0, 792)}[turned])
        canvas.rotate(turned)
        lines(PROSE, top=560)(canvas)
        lines(["A line on its own."], top=490)(canvas)
        table(STATEMENT, top=450)(canvas)

    upright = drawn(
        together(lines(PROSE), lines(["A line on its own."], top=630), table(STATEMENT))
    )
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(drawn(draw)))
    writer.pages[0].rotation = shown
    buffer = io.BytesIO()
    writer.write(buffer)
    document = load_pdf(source(buffer.getvalue()))
    assert document == load_pdf(source(upright))
    assert "Net revenue | $46,298 | $51,761" in document.text


# -- tables ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_column", [False, True])
def test_table_rows_stay_whole(by_column: bool) -> None:
    page = together(lines(PROSE[:2], top=700), table(STATEMENT, by_column=by_column))
    document = load_pdf(source(drawn(page)))
    check_invariants(document)
    (text,) = blocks(document, "table")
    rows = text.split("\n")
    assert "Net revenue | $46,298 | $51,761" in rows
    assert "Cost of sales | 36,386 | 40,121" in rows
    assert "Other income (expense):" in rows
    assert "Interest expense | (35) | (25)" in rows
    assert "Gain on sale of investments, net of all taxes | — | 4" in rows
    assert "Net earnings | $1,419 | $2,454" in rows
    assert " ".join(PROSE[:2]) in blocks(document, "paragraph")


def test_table_header_is_told_from_its_values() -> None:
    document = load_pdf(source(drawn(table(STATEMENT))))
    (block,) = document.blocks
    assert block.header_end is not None
    assert document.text[block.start : block.header_end] == "2023 | 2022"


def test_column_names_of_several_lines_drawn_one_after_the_other() -> None:
    def draw(canvas: Canvas) -> None:
        for column, year in enumerate(["2023", "2022*"], start=1):
            canvas.drawRightString(300 + 80 * column, 628, "Restated")
            canvas.drawRightString(300 + 80 * column, 614, year)
        table(STATEMENT[1:])(canvas)

    document = load_pdf(source(drawn(draw)))
    (block,) = document.blocks
    assert document.text[block.start : block.header_end] == "Restated 2023 | Restated 2022*"


def test_a_table_without_header_has_none() -> None:
    document = load_pdf(source(drawn(table(STATEMENT[1:]))))
    (block,) = document.blocks
    assert block.kind == "table"
    assert block.header_end is None


def test_a_label_that_wraps_stays_with_its_values() -> None:
    rows = [
        ["Revenue", "100", "90"],
        ["Change in unrealized gains on securities, net of"],
        ["taxes of all kinds", "(975)", "(253)"],
        ["Total", "7", "8"],
    ]
    document = load_pdf(source(drawn(table(rows))))
    assert (
        "Change in unrealized gains on securities, net of taxes of all kinds | (975) | (253)"
        in document.text.split("\n")
    )


def test_dot_leaders_become_cell_borders() -> None:
    page = lines(
        [
            "Introduction ........................................ 1",
            "Safety first . . . . . . . . . . . . . . . . . . . . . . . 17",
            "Wait... and see.",
        ]
    )
    document = load_pdf(source(drawn(page)))
    assert "Introduction | 1\nSafety first | 17" in document.text
    assert "Wait... and see." in document.text


# -- characters -----------------------------------------------------------------------------------


def test_text_is_normalised() -> None:
    document = load_pdf(
        source(
            mapped(
                [
                    "The o\ufb03ce of\u00a0the \ufb01rst \ufb02oor",
                    "e\u0301clair co\u00adoperate zero\u200bwidth",
                    "bell\u0007 and\u0085next",
                ]
            )
        )
    )
    assert document.text == (
        "The office of the first floor éclair cooperate zerowidth bell and next"
    )


@pytest.mark.parametrize(
    "text",
    [
        "株式会社は二〇二四年に設立された",
        "Größe, naïve, Łódź, Ελλάδα, Москва",
        "math 𝒜𝔅 and emoji 😀 here",
    ],
)
def test_unicode_text_survives(text: str) -> None:
    assert load_pdf(source(mapped([text]))).text == text


def test_lines_of_a_script_without_spaces_are_joined_without() -> None:
    document = load_pdf(source(mapped(["株式会社は二〇二四年に", "設立されたのである"])))
    assert document.text == "株式会社は二〇二四年に設立されたのである"


def test_right_to_left_text_keeps_its_characters() -> None:
    text = "שלום עולם"
    document = load_pdf(source(mapped([text])))
    check_invariants(document)
    assert Counter(document.text) == Counter(text)


# -- headings -------------------------------------------------------------------------------------


def _chapter(heading: str, size: float = 10, font: str = "Helvetica") -> object:
    return together(
        lines([heading], top=740, font=font, size=size),
        lines(PROSE, top=700),
        lines(["Acme Ltd. Confidential"], top=40),
    )


def test_the_outline_makes_sections() -> None:
    def first(canvas: Canvas) -> None:
        _chapter("1 Safety")(canvas)
        canvas.bookmarkPage("a")
        canvas.addOutlineEntry("Safety", "a", 0)

    def second(canvas: Canvas) -> None:
        _chapter("1.1 Burns")(canvas)
        canvas.bookmarkPage("b")
        canvas.addOutlineEntry("Burns", "b", 1)

    def third(canvas: Canvas) -> None:
        _chapter("2 Cleaning")(canvas)
        canvas.bookmarkPage("c")
        canvas.addOutlineEntry("Cleaning", "c", 0)

    document = load_pdf(source(drawn(first, second, third)))
    check_invariants(document)
    assert [section.path for section in document.sections] == [
        ("Safety",),
        ("Safety", "Burns"),
        ("Cleaning",),
    ]
    assert [document.text[section.start :][:6] for section in document.sections] == [
        "1 Safe",
        "1.1 Bu",
        "2 Clea",
    ]
    assert blocks(document, "heading") == ["1 Safety", "1.1 Burns", "2 Cleaning"]


def test_larger_and_bold_type_makes_sections() -> None:
    document = load_pdf(
        source(
            drawn(
                together(
                    lines(["The Complete Handbook"], top=740, size=24),
                    lines(["Safety"], top=700, size=14),
                    lines(PROSE, top=680),
                    lines(["Burns and scalds"], top=610, font="Helvetica-Bold"),
                    lines(PROSE, top=590),
                ),
                _chapter("Cleaning", 14),
                _chapter("Repair", 14),
            )
        )
    )
    check_invariants(document)
    assert document.title == "The Complete Handbook"
    assert [section.path for section in document.sections] == [
        ("Safety",),
        ("Safety", "Burns and scalds"),
        ("Cleaning",),
        ("Repair",),
    ]


def test_running_headers_are_no_headings() -> None:
    page = together(
        lines(["Annual Report"], top=760, font="Helvetica-Bold", size=14), lines(PROSE, top=700)
    )
    document = load_pdf(source(drawn(page, page, page, page)))
    assert not document.sections
    assert blocks(document).count("Annual Report") == 4


def test_an_endless_outline_ends() -> None:
    objects = [
        "<< /Type /Catalog /Pages 2 0 R /Outlines 6 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
        " /Resources << /Font << /F1 5 0 R >> >> >>",
        "<< /Length 41 >>\nstream\nBT /F1 10 Tf 72 700 Td (Some text.) Tj ET\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        "<< /Type /Outlines /First 7 0 R /Last 7 0 R >>",
        "<< /Title (Loop) /Parent 6 0 R /First 7 0 R /Next 7 0 R /Dest [3 0 R /Fit] >>",
    ]
    document = load_pdf(source(assembled(objects)))
    assert document.text == "Some text."
    assert len(document.sections) <= 1


# -- metadata -------------------------------------------------------------------------------------


def _with_metadata(**entries: str) -> bytes:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(drawn(lines(PROSE))))
    writer.add_metadata({f"/{key}": value for key, value in entries.items()})
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def test_metadata() -> None:
    document = load_pdf(
        source(
            _with_metadata(
                Title="Warranty terms",
                Author="Ada Lovelace",
                CreationDate="D:20240131120000+02'00'",
            )
        )
    )
    assert document.title == "Warranty terms"
    assert document.metadata["author"] == "Ada Lovelace"
    assert document.metadata["created"] == "2024-01-31T12:00:00+02:00"


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("D:20240131", "2024-01-31"),
        ("D:20200826170457Z00'00'", "2020-08-26T17:04:57+00:00"),
        ("2015-03-01", "2015-03-01T00:00:00"),
        ("D:20241331", None),
        ("yesterday", None),
    ],
)
def test_dates(date: str, expected: str | None) -> None:
    document = load_pdf(source(_with_metadata(CreationDate=date)))
    assert document.metadata.get("created") == expected


@pytest.mark.parametrize(
    "title",
    [
        "untitled",
        "Microsoft Word - terms final.docx",
        "terms_v2.indd",
        "0000764478-23-000006",
        "  ",
    ],
)
def test_titles_that_say_nothing_are_dropped(title: str) -> None:
    assert load_pdf(source(_with_metadata(Title=title))).title is None


def test_a_title_that_is_the_file_name_is_dropped() -> None:
    data = _with_metadata(Title="scan_0042")
    assert load_pdf(source(data, name="scan_0042.pdf")).title is None


# -- encryption -----------------------------------------------------------------------------------


def _encrypted(user: str, owner: str = "owner") -> bytes:
    return drawn(lines(PROSE), encrypt=StandardEncryption(user, owner, strength=128))


def test_a_needed_password_is_asked_for() -> None:
    with pytest.raises(EncryptedError, match="a password is needed"):
        load_pdf(source(_encrypted("secret")))


def test_a_wrong_password_is_told_from_a_missing_one() -> None:
    with pytest.raises(EncryptedError, match="the given password does not open it"):
        load_pdf(source(_encrypted("secret"), password="guess"))


@pytest.mark.parametrize("password", ["secret", "owner"])
def test_the_right_password_opens(password: str) -> None:
    document = load_pdf(source(_encrypted("secret"), password=password))
    assert document.text == " ".join(PROSE)


@pytest.mark.parametrize("password", [None, "not needed"])
def test_restrictions_alone_need_no_password(password: str | None) -> None:
    assert load_pdf(source(_encrypted(""), password=password)).text == " ".join(PROSE)


# -- no text, damage ------------------------------------------------------------------------------


def _scan(canvas: Canvas) -> None:
    canvas.rect(72, 72, 400, 600, fill=1)


def test_a_scan_has_no_text() -> None:
    with pytest.raises(NoTextError, match="no text on any of its 12 pages: a scan"):
        load_pdf(source(drawn(*[_scan] * 12)))
    with pytest.raises(NoTextError, match="its only page"):
        load_pdf(source(drawn(_scan)))


def test_scanned_pages_are_named() -> None:
    pages = [lines(PROSE), _scan, _scan, _scan, lines(PROSE), _scan]
    document = load_pdf(source(drawn(*pages)))
    assert document.warnings == ("pages 2-4, 6 hold no text (scanned or empty?)",)


@pytest.mark.parametrize(
    "data", [b"", b"<html><body>Not a PDF</body></html>", b"PK\x03\x04" + bytes(3000)]
)
def test_what_is_no_pdf(data: bytes) -> None:
    with pytest.raises(WrongFormatError, match="not a PDF"):
        load_pdf(source(data))


def test_a_pdf_that_holds_nothing() -> None:
    with pytest.raises(WrongFormatError, match="damaged PDF"):
        load_pdf(source(b"%PDF-1.7\n" + bytes(range(256)) * 20))


def test_a_truncated_file_is_repaired() -> None:
    data = drawn(lines(PROSE), pageCompression=0)
    document = load_pdf(source(data[: data.rindex(b"startxref")]))
    assert document.text == " ".join(PROSE)


def test_the_second_reader_opens_what_the_first_cannot() -> None:
    document = load_pdf(source(b"junk before the header " * 100 + drawn(lines(PROSE))))
    check_invariants(document)
    assert document.text == " ".join(PROSE)
    assert any("pypdf" in warning for warning in document.warnings)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_damage_never_gives_anything_but_a_document_or_a_load_error(data: st.DataObject) -> None:
    original = bytearray(drawn(together(lines(PROSE), table(STATEMENT)), pageCompression=0))
    for _ in range(data.draw(st.integers(1, 12))):
        position = data.draw(st.integers(0, len(original) - 1))
        original[position] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(len(original) // 2, len(original)))
    try:
        document = load_pdf(source(bytes(original[:end])))
    except (EncryptedError, NoTextError, WrongFormatError) as error:
        assert str(error)
    else:
        check_invariants(document)


def test_filled_forms_are_read() -> None:
    def form(canvas: Canvas) -> None:
        canvas.drawString(72, 700, "Name:")
        canvas.acroForm.textfield(
            name="n", value="Ada Lovelace", x=160, y=690, width=200, height=24
        )

    document = load_pdf(source(drawn(form)))
    assert "Ada Lovelace" in document.text


# -- invariants -----------------------------------------------------------------------------------

_WORDS = st.text("abcdefghij ABC 0123456789 $%().,-", min_size=1, max_size=40)
_PLACES = st.tuples(
    st.integers(20, 560), st.integers(20, 760), st.sampled_from([6, 9, 10, 18]), _WORDS
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pages=st.lists(st.lists(_PLACES, max_size=25), min_size=1, max_size=3))
def test_text_at_any_place_is_neither_lost_nor_doubled(
    pages: list[list[tuple[int, int, int, str]]],
) -> None:
    def page(places: list[tuple[int, int, int, str]]) -> object:
        def draw(canvas: Canvas) -> None:
            for x, y, size, text in places:
                canvas.setFont("Helvetica", size)
                canvas.drawString(x, y, text)

        return draw

    data = drawn(*[page(places) for places in pages])
    try:
        document = load_pdf(source(data))
    except NoTextError:
        return
    check_invariants(document)
    assert len(document.pages) == len(pages)
    # Dots may be leaders, hyphens may be line ends, "|" stands between cells.
    uncounted = set(".-| \n")
    reader = pypdf.PdfReader(io.BytesIO(data))
    for located, original in zip(document.pages, reader.pages, strict=True):
        found = Counter(document.text[located.start : located.end])
        drawn_text = Counter(original.extract_text())
        for character in set(found) | set(drawn_text) - uncounted:
            if character not in uncounted:
                assert found[character] <= drawn_text[character]


def test_loading_is_the_same_from_many_threads() -> None:
    data = drawn(together(lines(PROSE), table(STATEMENT)), lines(PROSE))
    expected = load_pdf(source(data))
    with ThreadPoolExecutor(4) as pool:
        assert all(document == expected for document in pool.map(load_pdf, [source(data)] * 12))


def test_blocks_are_plain_data() -> None:
    document = load_pdf(source(drawn(lines(["One line."]))))
    assert document.blocks == (Block("paragraph", 0, 9),)
