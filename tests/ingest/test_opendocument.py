"""OpenDocument and rich text, written by hand."""

from __future__ import annotations

import pytest
from loading import blocks, headers, headings, loaded, zipped

from ingest.errors import EncryptedError, UnsupportedFormatError, WrongFormatError

SPACES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{space}:1.0"'
    for name, space in (
        ("office", "office"),
        ("text", "text"),
        ("table", "table"),
        ("draw", "drawing"),
        ("presentation", "presentation"),
        ("meta", "meta"),
    )
)


def written(body: str, **members: str) -> bytes:
    content = (
        f"<office:document-content {SPACES}><office:body>{body}</office:body>"
        "</office:document-content>"
    )
    return zipped({"content.xml": content, **members})


def cell(text: str, **attributes: str) -> str:
    named = "".join(f' table:{key.replace("_", "-")}="{v}"' for key, v in attributes.items())
    return f"<table:table-cell{named}><text:p>{text}</text:p></table:table-cell>"


def row(*cells: str) -> str:
    return f"<table:table-row>{''.join(cells)}</table:table-row>"


def test_a_text_keeps_headings_lists_notes_and_tables() -> None:
    table = row(cell("Part"), cell("Months")) + row(cell("Pump"), cell("24"))
    document = loaded(
        "a.odt",
        written(
            '<office:text><text:h text:outline-level="1">Warranty</text:h>'
            "<text:p>It lasts<text:s/>24<text:note><text:note-citation>1</text:note-citation>"
            "<text:note-body><text:p>Or more.</text:p></text:note-body></text:note> months.</text:p>"
            "<text:list><text:list-item><text:p>seals</text:p></text:list-item></text:list>"
            f"<table:table>{table}</table:table></office:text>"
        ),
    )
    assert blocks(document) == [
        "Warranty",
        "It lasts 24\nOr more. months.",
        "- seals",
        "Part | Months\nPump | 24",
    ]
    assert headings(document) == [("Warranty",)]
    assert headers(document) == ["Part | Months"]


def test_a_sheet_is_read_as_it_is_shown_and_its_empty_million_costs_nothing() -> None:
    document = loaded(
        "a.ods",
        written(
            '<office:spreadsheet><table:table table:name="Stock">'
            + row(cell("Item"), cell("Share"))
            + row(cell("Nut"), cell("50 %"))
            + '<table:table-row table:number-rows-repeated="1048574">'
            '<table:table-cell table:number-columns-repeated="16384"/></table:table-row>'
            "</table:table></office:spreadsheet>"
        ),
    )
    assert document.text == "Stock\n\nItem | Share\nNut | 50 %"
    assert headers(document) == ["Item | Share"]


def test_slides_are_pages() -> None:
    frame = "<draw:frame{}><draw:text-box><text:p>{}</text:p></draw:text-box></draw:frame>"
    title = frame.format(' presentation:class="title"', "Ferry")
    first = f"<draw:page>{title}{frame.format('', 'It leaves at 23:40.')}</draw:page>"
    second = f"<draw:page>{frame.format('', 'Bring a ticket.')}</draw:page>"
    document = loaded(
        "a.odp", written(f"<office:presentation>{first}{second}</office:presentation>")
    )
    pages = [document.text[page.start : page.end] for page in document.pages]
    assert pages == ["Ferry\n\nIt leaves at 23:40.", "Bring a ticket."]
    assert document.title == "Ferry"


def test_protected_and_damaged_files_say_so() -> None:
    body = "<office:text><text:p>x</text:p></office:text>"
    with pytest.raises(EncryptedError):
        loaded("a.odt", written(body, **{"META-INF/manifest.xml": "<m:encryption-data/>"}))
    with pytest.raises(WrongFormatError):
        loaded("a.odt", zipped({"other.xml": "<a/>"}))


def test_deep_nesting_is_read() -> None:
    depth = 200
    body = (
        f"<office:text>{'<text:section>' * depth}<text:p>deep</text:p>{'</text:section>' * depth}"
    )
    assert loaded("a.odt", written(f"{body}</office:text>")).text == "deep"


def test_rich_text_is_read_without_its_codes() -> None:
    data = (
        rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}\f0 The \b pump\b0  costs 5\'80.\par Next.}"
    )
    assert loaded("a.rtf", data).text == "The pump costs 5€.\nNext."
    with pytest.raises(WrongFormatError):
        loaded("a.rtf", b"plain words")


@pytest.mark.parametrize(("name", "newer"), [("a.doc", ".docx"), ("a.xls", ".xlsx")])
def test_older_kinds_come_with_what_to_do(name: str, newer: str) -> None:
    with pytest.raises(UnsupportedFormatError, match=f"save it as '{newer}'"):
        loaded(name, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00")


def sheet(*rows: str) -> bytes:
    return written(
        f'<office:spreadsheet><table:table table:name="S">{"".join(rows)}</table:table>'
        "</office:spreadsheet>"
    )


def test_a_merged_cell_stands_in_all_its_rows_and_columns() -> None:
    covered = "<table:covered-table-cell/>"
    document = loaded(
        "a.ods",
        sheet(
            row(cell("Line"), cell("City"), cell("Fare", number_columns_spanned="2"), covered),
            row(cell("A"), cell("Ulm", number_rows_spanned="2"), cell("3"), cell("4")),
            row(cell("B"), covered, cell("5"), cell("6")),
            row(cell("C"), cell("Bonn"), cell("7"), cell("8")),
        ),
    )
    assert document.text.splitlines()[2:] == [
        "Line | City | Fare | Fare",
        "A | Ulm | 3 | 4",
        "B | Ulm | 5 | 6",
        "C | Bonn | 7 | 8",
    ]


def test_a_merged_cell_ends_where_it_says_though_its_rows_are_written_as_one() -> None:
    covered = "<table:covered-table-cell/>"
    same = row(cell("B"), covered).replace(
        "<table:table-row>", '<table:table-row table:number-rows-repeated="2">'
    )
    document = loaded(
        "a.ods",
        sheet(
            row(cell("Line"), cell("City")),
            row(cell("A"), cell("Ulm", number_rows_spanned="3")),
            same,
            row(cell("both", number_columns_spanned="2"), covered),
        ),
    )
    assert document.text.splitlines()[2:] == [
        "Line | City",
        "A | Ulm",
        "B | Ulm",
        "B | Ulm",
        "both | both",
    ]


def test_what_a_table_is_cut_by_is_counted() -> None:
    many = row(cell("Ulm"), cell("3")).replace(
        "<table:table-row>", '<table:table-row table:number-rows-repeated="500">'
    )
    gap = '<table:table-cell table:number-columns-repeated="1498"/>'
    document = loaded("a.ods", sheet(row(cell("City"), cell("Fare")), many))
    assert document.warnings == ("table 'S': 400 rows equal to the one before left out",)
    document = loaded("a.ods", sheet(row(cell("City")), row(cell("Ulm"), gap, cell("far"))))
    assert document.warnings == ("table 'S': cells past column 1,000 left out (rows: 1)",)


def test_comments_are_not_values_and_text_in_boxes_is_read_once() -> None:
    comment = "<office:annotation><text:p>ask</text:p></office:annotation>"
    boxed = "<draw:frame><draw:text-box><text:p>boxed</text:p></draw:text-box></draw:frame>"
    document = loaded(
        "a.ods",
        sheet(
            row(cell("Price"), cell("Part")),
            row(
                f"<table:table-cell>{comment}<text:p>5</text:p></table:table-cell>",
                f"<table:table-cell><text:p>pump{boxed}</text:p></table:table-cell>",
            ),
        ),
    )
    assert document.text.splitlines()[-1] == "5 | pump boxed"
