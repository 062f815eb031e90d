"""JSON, JSON Lines, notebooks, and rows of cells."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loading import blocks, headers, headings, loaded

from ingest.errors import NoTextError, WrongFormatError

# -- JSON -----------------------------------------------------------------------------------------


def test_records_are_lines_of_names_and_values() -> None:
    value = [
        {"question": 'How "long"?\nTell', "tags": ["a", "b"], "by": {"name": "Ada", "age": 36}},
        {"question": "Größe", "price": 1.50, "paid": True, "note": None},
    ]
    document = loaded("a.json", json.dumps(value))
    assert blocks(document) == [
        'question: How "long"?\nTell\ntags: a, b\nby.name: Ada\nby.age: 36',
        "question: Größe\nprice: 1.5\npaid: true\nnote: null",
    ]
    assert (document.format, document.encoding) == ("json", "utf-8")


def test_lists_of_records_in_an_object_have_headings() -> None:
    document = loaded("a.json", '{"title": "Prices", "items": [{"a": 1}, {"a": 2}], "n": 2}')
    assert blocks(document) == ["title: Prices\nn: 2", "items", "a: 1", "a: 2"]
    assert (document.title, headings(document)) == ("Prices", [("items",)])


def test_numbers_stay_as_they_are_written() -> None:
    digits = "9" * 10_000
    assert blocks(loaded("a.json", f'{{"a": {digits}, "b": 1.10}}')) == [f"a: {digits}\nb: 1.10"]


def test_json_lines_under_either_name() -> None:
    lines = '{"a": "one"}\n\n["x", "y"]\n"two"\n'
    assert blocks(loaded("a.jsonl", lines)) == ["a: one", "x, y", "two"]
    assert blocks(loaded("a.json", lines)) == ["a: one", "x, y", "two"]


def test_lines_that_are_not_json_are_kept_and_named() -> None:
    document = loaded("a.jsonl", '{"a": 1}\n{"a": \n{"a": 3}\noops')
    assert blocks(document) == ["a: 1", '{"a":', "a: 3", "oops"]
    assert document.warnings == ("line 2 and 1 more not JSON: kept as text",)


def test_json_with_comments_is_text() -> None:
    text = '// settings\n{"a": 1}'
    document = loaded("a.json", text)
    assert document.text == text
    assert document.warnings[0].startswith("not JSON (Expecting value: line 1 column 1")


def test_deeply_nested_json_is_refused() -> None:
    with pytest.raises(WrongFormatError, match="nested too deeply"):
        loaded("a.json", "[" * 200_000 + "]" * 200_000)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
        max_leaves=12,
    )
)
def test_any_json_loads(value: object) -> None:
    try:
        loaded("a.json", json.dumps(value))
    except NoTextError:
        pass


def test_a_notebook_is_its_text_and_code() -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Pumps\n", "\n", "They move *water*.\n", "- a"]},
        {"cell_type": "code", "source": "def f():\n    return 1\n", "outputs": [{"text": "noise"}]},
        {"cell_type": "markdown", "source": "## Seals"},
        {"cell_type": "raw", "source": "raw"},
    ]
    document = loaded("a.ipynb", json.dumps({"cells": cells, "nbformat": 4}))
    assert blocks(document) == [
        "Pumps",
        "They move *water*.",
        "- a",
        "def f():\n    return 1",
        "Seals",
        "raw",
    ]
    assert headings(document) == [("Pumps",), ("Pumps", "Seals")]
    assert document.title == "Pumps"


@pytest.mark.parametrize("text", ["{}", "[]", "nonsense", '{"cells": 1}', '{"cells": [1]}'])
def test_what_is_no_notebook_is_refused(text: str) -> None:
    with pytest.raises(WrongFormatError, match="not a notebook"):
        loaded("a.ipynb", text)


# -- rows of cells --------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_rows_are_the_lines_of_the_file(delimiter: str) -> None:
    rows = [["Part", "Price", "Note"], ["Pump", "12.50", "in stock"], ["Seal", "3", ""]]
    text = "\n".join(delimiter.join(row) for row in rows) + "\n"
    document = loaded("a.csv", text)
    assert document.text == text
    assert blocks(document) == [text.strip()]
    assert headers(document) == [text.split("\n")[0]]
    assert not document.warnings


def test_a_header_may_hold_quoted_line_feeds() -> None:
    text = 'Part,"Price\nin euro"\nPump,"12,50"\n'
    assert headers(loaded("a.csv", text)) == ['Part,"Price\nin euro"']


def test_rows_of_numbers_have_no_header() -> None:
    assert headers(loaded("a.csv", "1,2\n3,4\n")) == [None]


def test_irregular_lines_are_plain_text() -> None:
    document = loaded("a.csv", "Some words, with a comma.\n\nAnd more\nwithout\nany; or one\n")
    assert {block.kind for block in document.blocks} == {"paragraph"}
    assert document.warnings == ("its lines are no regular rows of cells: read as plain text",)


@given(st.text(max_size=200))
def test_any_text_loads_as_rows(text: str) -> None:
    data = text.encode("utf-8", "replace")
    try:
        loaded("a.csv", data)
    except (NoTextError, WrongFormatError):
        pass


def test_a_line_that_tells_the_separator_is_no_row() -> None:
    document = loaded("a.csv", "sep=;\nArtikel;Preis;Menge\nMutter M8;0,12;500\nScheibe;0,05;900\n")
    assert headers(document) == ["Artikel;Preis;Menge"]
    assert blocks(document, "table") == [
        "Artikel;Preis;Menge\nMutter M8;0,12;500\nScheibe;0,05;900"
    ]


def test_what_stands_above_the_rows_is_text() -> None:
    document = loaded("a.csv", "Stock of the yard\nas of May\n\nPart;Count\nNut;5\nBolt;6\nPin;7\n")
    assert blocks(document, "paragraph") == ["Stock of the yard\nas of May"]
    assert headers(document) == ["Part;Count"]
