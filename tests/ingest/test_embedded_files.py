"""Files that stand in a text as base64 are left out of it, whatever the format, and told."""

import base64
import json
import random
from pathlib import Path

import pytest

from ingest import NoTextError
from ingest.loaders.registry import load_bytes
from ingest.structure import faults

PICTURE = random.Random(7).randbytes(6_000)
BASE64 = base64.b64encode(PICTURE).decode()
WRAPPED = base64.encodebytes(PICTURE).decode()
URI = f"data:image/png;base64,{BASE64}"
LINES = "".join(f'    "{line}"\n' for line in WRAPPED.split())
CELL = {"cell_type": "markdown", "metadata": {}, "source": [f"The pump ![it]({URI}) runs.\n"]}
FILES = {
    "a.html": (f"<p>The pump {URI} runs.</p>", "The pump data:image/png;base64,… runs."),
    "a.md": (
        f"# Pump\n\nIt ![is]({URI}) here.\n\n## Next\n\n{WRAPPED}\nDone.\n",
        "# Pump\n\nIt ![is](data:image/png;base64,…) here.\n\n## Next\n\n…\n\nDone.\n",
    ),
    "a.txt": (f"The pump\n{WRAPPED}\nruns.\n", "The pump\n…\n\nruns.\n"),
    "a.py": (f"ICON = (\n{LINES})\nSPEED = 3\n", 'ICON = (\n    "…"\n)\nSPEED = 3\n'),
    "a.json": (
        json.dumps({"icon": URI, "end": "runs"}),
        "icon: data:image/png;base64,…\nend: runs",
    ),
    "a.csv": (f"name,icon\npump,{BASE64}\n", "name,icon\npump,…\n"),
    "a.ipynb": (
        json.dumps({"cells": [CELL], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}),
        "The pump ![it](data:image/png;base64,…) runs.",
    ),
    "svg.md": (f"Sun: data:image/svg+xml,{'%3Cpath%20d' * 20}\n", "Sun: data:image/svg+xml,…\n"),
    "hex.txt": (f"Dump: {PICTURE.hex()}.\n", "Dump: ….\n"),
}


@pytest.mark.parametrize("name", FILES)
def test_an_embedded_file_is_left_out_and_told(name: str) -> None:
    source, text = FILES[name]
    document = load_bytes(Path(name), source.encode())
    assert document.text == text
    assert faults(document) == []
    assert any("left out of the text (" in warning for warning in document.warnings)


def test_what_comes_after_it_is_where_it_was() -> None:
    document = load_bytes(Path("a.md"), FILES["a.md"][0].encode())
    assert document.warnings == (
        f"2 embedded files left out of the text ({len(BASE64) + len(WRAPPED) - 1:,} characters of"
        " base64 or the like)",
    )
    headings = [document.text[one.start :].split("\n")[0] for one in document.sections]
    assert headings == ["# Pump", "## Next"]
    assert [document.text[one.start : one.end] for one in document.blocks if one.kind != "heading"]
    assert document.text[document.blocks[-1].start :].strip() == "Done."


@pytest.mark.parametrize(
    "text",
    [
        "ACGT" * 2_000,
        "14159265358979" * 300,
        "x" * 5_000,
        "a/path/of/many/steps-and_words " * 200,
        f"ssh-rsa {BASE64[:1_500]} somebody@example.com",
        "data:image/png;base64,iVBORw0KGgo=",
        "word1word2 " * 1_000,
    ],
)
def test_what_somebody_may_read_stays(text: str) -> None:
    document = load_bytes(Path("a.txt"), f"Start. {text}\n".encode())
    assert document.text == f"Start. {text}\n"
    assert document.warnings == ()


def test_a_file_that_is_nothing_else_holds_no_text() -> None:
    with pytest.raises(NoTextError, match="no text but an embedded file in base64"):
        load_bytes(Path("a.txt"), WRAPPED.encode())
