"""Word, PowerPoint and Excel files, written by the libraries that also read them."""

from __future__ import annotations

import io
import re
import sys
import zipfile
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import docx
import openpyxl
import pptx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from loading import blocks, headers, headings, loaded, rezipped
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from ingest.document import Page
from ingest.errors import MissingExtraError, NoTextError, WrongFormatError


def saved(file: Any) -> bytes:
    buffer = io.BytesIO()
    file.save(buffer)
    return buffer.getvalue()


def word() -> Any:
    file = docx.Document()
    file.core_properties.title = "Pump manual"
    file.core_properties.author = "Ada"
    file.core_properties.created = datetime(2024, 5, 6, 7, 8)
    file.add_heading("Warranty", 1)
    file.add_paragraph("It lasts 24 months,\nfrom delivery.")
    file.add_paragraph("seals", style="List Bullet")
    file.add_heading("Terms", 2)
    table = file.add_table(rows=2, cols=2)
    for cell, text in zip(
        [*table.rows[0].cells, *table.rows[1].cells], ["Part", "Months", "Pump", "24"], strict=True
    ):
        cell.text = text
    file.add_paragraph("After the table.")
    return file


# -- Word -----------------------------------------------------------------------------------------


def test_word() -> None:
    document = loaded("manual.docx", saved(word()))
    assert blocks(document) == [
        "Warranty",
        "It lasts 24 months,\nfrom delivery.",
        "- seals",
        "Terms",
        "Part | Months\nPump | 24",
        "After the table.",
    ]
    assert [block.kind for block in document.blocks] == [
        "heading",
        "paragraph",
        "list_item",
        "heading",
        "table",
        "paragraph",
    ]
    assert headings(document) == [("Warranty",), ("Warranty", "Terms")]
    assert headers(document) == ["Part | Months"]
    assert (document.format, document.title, document.pages) == ("docx", "Pump manual", ())
    assert document.metadata["author"] == "Ada"
    assert document.metadata["created"].startswith("2024-05-06T07:08")


def test_word_text_that_its_library_leaves_out() -> None:
    file = docx.Document()
    inserted = (
        "<w:p {w}><w:r><w:t>kept </w:t></w:r>"
        "<w:ins w:id='1' w:author='a'><w:r><w:t>inserted</w:t></w:r></w:ins>"
        "<w:del w:id='2' w:author='a'><w:r><w:delText>deleted</w:delText></w:r></w:del></w:p>"
    )
    control = (
        "<w:sdt {w}><w:sdtContent><w:p><w:r><w:t>filled in</w:t></w:r></w:p></w:sdtContent></w:sdt>"
    )
    box = (
        "<w:p {w}><w:r><w:t>Beside</w:t></w:r><w:r><w:pict><w:txbxContent><w:p><w:r>"
        "<w:t>in a box</w:t></w:r></w:p></w:txbxContent></w:pict></w:r></w:p>"
    )
    for position, xml in enumerate((inserted, control, box)):
        file.element.body.insert(position, parse_xml(xml.replace("{w}", nsdecls("w"))))
    assert blocks(loaded("a.docx", saved(file))) == [
        "kept inserted",
        "filled in",
        "Beside\nin a box",
    ]


def test_word_code_paragraphs_are_one_block() -> None:
    file = docx.Document()
    file.styles.add_style("Source Code", 1)
    for line in ("def f():", "    return 1"):
        file.add_paragraph(line, style="Source Code")
    file.add_paragraph("after")
    assert blocks(loaded("a.docx", saved(file)), "code") == ["def f():\n    return 1"]


def test_word_tables_in_tables_are_read_once() -> None:
    file = docx.Document()
    outer = file.add_table(rows=1, cols=2)
    outer.rows[0].cells[0].text = "left"
    inner = outer.rows[0].cells[1].add_table(rows=1, cols=1)
    inner.rows[0].cells[0].text = "inner"
    assert loaded("a.docx", saved(file)).text == "left | inner"


def test_word_with_nothing_in_it() -> None:
    with pytest.raises(NoTextError):
        loaded("a.docx", saved(docx.Document()))


# -- PowerPoint -----------------------------------------------------------------------------------


def slides() -> Any:
    file = pptx.Presentation()
    file.core_properties.title = "Results"
    first = file.slides.add_slide(file.slide_layouts[1])
    first.shapes.title.text = "Sales"
    first.placeholders[1].text = "up in May\ndown in June"
    first.notes_slide.notes_text_frame.text = "mention the fair"
    file.slides.add_slide(file.slide_layouts[6])
    third = file.slides.add_slide(file.slide_layouts[5])
    third.shapes.title.text = "Numbers"
    grid = third.shapes.add_table(2, 2, 0, 0, Inches(3), Inches(1)).table
    for row, texts in enumerate([["Month", "Sales"], ["May", "12"]]):
        for column, text in enumerate(texts):
            grid.cell(row, column).text = text
    group = third.shapes.add_group_shape()
    group.shapes.add_textbox(0, 0, Inches(1), Inches(1)).text_frame.text = "in a group"
    return file


def test_powerpoint() -> None:
    document = loaded("a.pptx", saved(slides()))
    assert blocks(document) == [
        "Sales",
        "- up in May",
        "- down in June",
        "Notes: mention the fair",
        "Numbers",
        "Month | Sales\nMay | 12",
        "in a group",
    ]
    assert headings(document) == [("Sales",), ("Numbers",)]
    assert headers(document) == ["Month | Sales"]
    assert document.title == "Results"
    pages = [document.text[page.start : page.end] for page in document.pages]
    assert pages[0].startswith("Sales") and pages[0].endswith("the fair")
    assert pages[1] == ""
    assert pages[2].startswith("Numbers") and pages[2].endswith("in a group")
    assert [page.number for page in document.pages] == [1, 2, 3]
    assert document.warnings == ("slide 2 holds no text (pictures?)",)


def test_powerpoint_charts_are_read_as_tables() -> None:
    file = pptx.Presentation()
    slide = file.slides.add_slide(file.slide_layouts[6])
    data = CategoryChartData()
    data.categories = ["May", "June"]
    data.add_series("Pumps", (12, 7.5))
    slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, 0, 0, Inches(4), Inches(3), data)
    document = loaded("a.pptx", saved(file))
    assert blocks(document, "table") == ["| Pumps\nMay | 12\nJune | 7.5"]


def test_a_single_slide_is_a_single_page() -> None:
    file = pptx.Presentation()
    file.slides.add_slide(file.slide_layouts[5]).shapes.title.text = "Only"
    assert loaded("a.pptx", saved(file)).pages == (Page(1, 0, 4),)


# -- Excel ----------------------------------------------------------------------------------------


def test_excel() -> None:
    book = openpyxl.Workbook()
    book.properties.creator = "Ada"
    book.active.title = "Prices"
    for row in [["Part", "Price", "Since"], ["Pump", 12.5, date(2024, 5, 6)], ["Seal", 3, None]]:
        book.active.append(row)
    book.active.append([])
    book.active.append(["in euro", True])
    other = book.create_sheet("Notes")
    other["B2"] = "far from the corner"
    document = loaded("a.xlsx", saved(book))
    assert blocks(document) == [
        "Prices",
        "Part | Price | Since\nPump | 12.5 | 2024-05-06\nSeal | 3",
        "in euro | TRUE",
        "Notes",
        "far from the corner",
    ]
    assert headings(document) == [("Prices",), ("Notes",)]
    assert headers(document) == ["Part | Price | Since", None, None]
    assert (document.pages, document.metadata["author"]) == ((), "Ada")


def test_excel_tables_without_names_have_no_header() -> None:
    book = openpyxl.Workbook()
    for row in ([1, 2], [3, 4]):
        book.active.append(row)
    assert headers(loaded("a.xlsx", saved(book))) == [None]


# -- all three ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "module"), [("a.docx", "docx"), ("a.pptx", "pptx"), ("a.xlsx", "openpyxl")]
)
def test_without_the_extra_a_file_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, name: str, module: str
) -> None:
    data = {"docx": word, "pptx": slides, "openpyxl": openpyxl.Workbook}[module]()
    content = saved(data)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'ragkit\[office\]'"):
        loaded(name, content)


@pytest.mark.parametrize("name", ["a.docx", "a.pptx", "a.xlsx", "a.epub"])
@pytest.mark.parametrize("data", [b"PK\x03\x04 cut off", b"plain words", b"%PDF-1.7"])
def test_what_is_no_archive_is_refused(name: str, data: bytes) -> None:
    with pytest.raises(WrongFormatError, match=f"not an? {name[2:].upper()}"):
        loaded(name, data)


@pytest.mark.parametrize("name", ["a.docx", "a.pptx", "a.xlsx"])
def test_old_and_protected_files_say_so(name: str) -> None:
    with pytest.raises(WrongFormatError, match="protected by a password, or saved in the format"):
        loaded(name, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000))


def test_a_file_of_another_kind_is_refused() -> None:
    with pytest.raises(WrongFormatError, match="not a PPTX"):
        loaded("a.pptx", saved(word()))


@pytest.mark.parametrize(
    ("name", "part"), [("a.docx", "word/document.xml"), ("a.pptx", "ppt/presentation.xml")]
)
def test_a_damaged_part_costs_the_file_only(name: str, part: str) -> None:
    data = saved(word() if name == "a.docx" else slides())
    with pytest.raises(WrongFormatError, match="damaged"):
        loaded(name, rezipped(data, {part: b"<w:document"}))


def test_a_sheet_is_read_as_its_rows_come_whatever_it_says_of_its_size() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (("Part", "Shelf"), ("Shackle", "B3"), ("Rope", "A7")):
        sheet.append(row)
    sheet["XFD1048576"] = "far away"
    data = io.BytesIO()
    book.save(data)
    lying = io.BytesIO()
    with zipfile.ZipFile(data) as whole, zipfile.ZipFile(lying, "w") as changed:
        for name in whole.namelist():
            part = whole.read(name)
            if name.endswith("sheet1.xml"):
                part = re.sub(rb'<dimension ref="[^"]*"', b'<dimension ref="A1"', part)
            changed.writestr(name, part)
    for file in (data, lying):
        document = loaded("stock.xlsx", file.getvalue())
        assert "Part | Shelf\nShackle | B3\nRope | A7\n\nfar away" in document.text


def test_columns_beyond_the_first_thousand_are_told() -> None:
    book = openpyxl.Workbook()
    book.active.append([f"c{number}" for number in range(1, 1_003)])
    data = io.BytesIO()
    book.save(data)
    document = loaded("wide.xlsx", data.getvalue())
    assert "c1000" in document.text
    assert "c1001" not in document.text
    assert ["only the first 1,000 columns" in warning for warning in document.warnings] == [True]


@pytest.mark.parametrize("name, what", [("a.xlsx", "an XLSX"), ("a.docx", "a DOCX")])
def test_formats_are_named_with_their_article(name: str, what: str) -> None:
    with pytest.raises(WrongFormatError, match=f"not {what}"):
        loaded(name, b"PK\x03\x04 and nothing else")


def test_merged_word_cells_stand_in_all_their_columns_and_rows() -> None:
    file = docx.Document()
    table = file.add_table(rows=4, cols=4)
    rows = ["Route Weekday x Weekend", "x Adult Child Adult", "Loop 12 6 15", "x none x 31"]
    for row, text in zip(table.rows, rows, strict=True):
        for cell, word in zip(row.cells, text.split(), strict=True):
            cell.text = "" if word == "x" else word
    table.cell(0, 1).merge(table.cell(0, 2))
    table.cell(3, 1).merge(table.cell(3, 2))
    table.cell(2, 0).merge(table.cell(3, 0))
    document = loaded("a.docx", saved(file))
    assert document.text.split("\n") == [
        "Route | Weekday | Weekday | Weekend",
        " | Adult | Child | Adult",
        "Loop | 12 | 6 | 15",
        "Loop | none | none | 31",
    ]
    assert headers(document) == ["Route | Weekday | Weekday | Weekend\n | Adult | Child | Adult"]


def test_word_equations_stand_in_their_sentence() -> None:
    file = docx.Document()
    paragraph = file.add_paragraph("The loss is ")
    space = 'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
    paragraph._p.append(
        parse_xml(
            f"<m:oMath {space}><m:r><m:t>h=</m:t></m:r><m:f><m:num><m:r><m:t>a+b</m:t></m:r></m:num>"
            "<m:den><m:r><m:t>D</m:t></m:r></m:den></m:f><m:sSup><m:e><m:r><m:t>x</m:t></m:r></m:e>"
            "<m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup></m:oMath>"
        )
    )
    paragraph.add_run(" for pipes.")
    assert loaded("a.docx", saved(file)).text == "The loss is h= (a+b)/D x^2 for pipes."


def test_word_headers_footers_and_comments_are_read_once() -> None:
    file = word()
    for section in (file.sections[0], file.add_section()):
        section.header.is_linked_to_previous = False
        section.header.paragraphs[0].text = "Draft of May"
    file.sections[0].footer.paragraphs[0].text = "Order 4711"
    comment = file.add_comment(file.paragraphs[0].runs, text="Check the months.", author="Ada")
    assert comment.text == "Check the months."
    text = loaded("a.docx", saved(file)).text
    for said in ("Header: Draft of May", "Footer: Order 4711", "Comment: Check the months."):
        assert text.count(said) == 1


def book() -> Any:
    book = openpyxl.Workbook()
    book.active.append(["Item", "Net"])
    book.active.append(["Lamp", 100])
    return book


@pytest.mark.parametrize(("name", "make"), [("a.docx", word), ("a.pptx", slides), ("a.xlsx", book)])
def test_strict_files_are_read(name: str, make: Callable[[], Any]) -> None:
    data = saved(make())
    usual = re.compile(rb"http://schemas\.openxmlformats\.org/(\w+ml|officeDocument)/2006/")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        changes = {
            member: usual.sub(rb"http://purl.oclc.org/ooxml/\1/", archive.read(member))
            for member in archive.namelist()
        }
    assert changes != {}
    assert loaded(name, rezipped(data, changes)).text == loaded(name, data).text


def test_breaks_within_a_powerpoint_paragraph_part_words() -> None:
    file = pptx.Presentation()
    slide = file.slides.add_slide(file.slide_layouts[5])
    slide.shapes.title.text = "Contact"
    box = slide.shapes.add_textbox(0, 0, Inches(3), Inches(2))
    box.text_frame.text = "Quay office\vPhone 5512"
    assert "Quay office\nPhone 5512" in loaded("a.pptx", saved(file)).text


def test_an_unknown_chart_costs_itself_and_alternate_content_is_read() -> None:
    file = slides()
    data = saved(file)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        first = archive.read("ppt/slides/slide1.xml").decode()
    box = (
        '<mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006">'
        '<mc:Choice Requires="a14"><p:sp><p:nvSpPr><p:cNvPr id="90" name="T"/><p:cNvSpPr txBox="1"/>'
        "<p:nvPr/></p:nvSpPr><p:spPr/><p:txBody><a:bodyPr/><a:p><a:r><a:t>Add 40 ml.</a:t></a:r></a:p>"
        "</p:txBody></p:sp></mc:Choice><mc:Fallback/></mc:AlternateContent></p:spTree>"
    )
    changed = rezipped(data, {"ppt/slides/slide1.xml": first.replace("</p:spTree>", box)})
    assert "Add 40 ml." in loaded("a.pptx", changed).text
    assert names
    charts = pptx.Presentation()
    slide = charts.slides.add_slide(charts.slide_layouts[5])
    slide.shapes.title.text = "Ferry at 23:40"
    series = CategoryChartData()
    series.categories = ["May"]
    series.add_series("Cars", (5,))
    size = (0, 0, Inches(3), Inches(3))
    slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *size, series)
    data = saved(charts)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        name = next(n for n in archive.namelist() if n.startswith("ppt/charts/chart"))
        chart = archive.read(name).replace(b"barChart>", b"bar3DChart>")
    document = loaded("a.pptx", rezipped(data, {name: chart}))
    assert "Ferry at 23:40" in document.text
    assert any("slide 1: a chart could not be read" in warning for warning in document.warnings)


def test_excel_values_stand_as_they_are_shown() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["Code", "Share", "Time", "Net"])
    sheet.append([417, 0.125, timedelta(hours=26, minutes=5), 100])
    for cell, shape in zip("ABC", ("00000", "0.0%", "[h]:mm"), strict=True):
        sheet[f"{cell}2"].number_format = shape
    assert "00417 | 12.5% | 26:05 | 100" in loaded("a.xlsx", saved(book)).text


def test_excel_formulas_without_a_value_are_shown_and_told() -> None:
    book = openpyxl.Workbook()
    book.active.append(["Item", "Net", "Gross"])
    book.active.append(["Lamp", 100, "=B2*1.25"])
    document = loaded("a.xlsx", saved(book))
    assert "Lamp | 100 | =B2*1.25" in document.text
    assert "formulas without a saved value" in document.warnings[0]


def test_excel_merged_cells_and_names_above_a_blank_row() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (
        ["Report of May", None, None, None],
        [],
        ["Place", "2023", None, "2024"],
        [None, "Sold", "Left", "Sold"],
        ["Oslo", 5, 6, 7],
        [None, 8, 9, 10],
    ):
        sheet.append(row)
    for merged in ("A1:D1", "B3:C3", "A5:A6"):
        sheet.merge_cells(merged)
    split = book.create_sheet("Split")
    for row in (["Year", "Sum"], [], ["2023", 4], ["2024", 5]):
        split.append(row)
    document = loaded("a.xlsx", saved(book))
    assert "Report of May\n" in document.text
    assert (
        "Place | 2023 | 2023 | 2024\n | Sold | Left | Sold\nOslo | 5 | 6 | 7\nOslo | 8"
        in document.text
    )
    assert headers(document)[-1] == "Year | Sum"
    assert "Place | 2023 | 2023 | 2024\n | Sold | Left | Sold" in headers(document)
