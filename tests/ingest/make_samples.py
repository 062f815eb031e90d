"""A small file of each format, and what must hold for whatever a loader makes of any bytes."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import docx
import openpyxl
import pptx
from loading import zipped
from pdf_files import PROSE, drawn, lines
from test_epub import BOOK

from ingest.chunker import ChunkerOptions, chunk_document
from ingest.errors import LoadError
from ingest.loaders.registry import load_bytes
from ingest.structure import faults
from ragkit.testing import HashEmbedder

HTML = """<!DOCTYPE html><html><head><title>Pumps</title><meta charset="utf-8"></head><body>
<nav><a href="/">Home</a></nav><main><h1>Pumps</h1><p>They move water, day and night.</p>
<h2>Parts</h2><ul><li>seal</li><li>rotor</li></ul><table><tr><th>Part</th><th>Months</th></tr>
<tr><td>Pump</td><td>24</td></tr></table><pre>start --now</pre></main></body></html>"""
MARKDOWN = """---
title: Pumps
---
# Pumps

They move *water*.

| Part | Months |
|---|---|
| Pump | 24 |

```sh
start --now
```

- seal
  1. rotor
"""
TEXT = "PUMPS\n=====\n\nThey move water.\n\n1. SEALS AND ROTORS\n\n- one\n- two\n\n2. OTHER PARTS\n\nEnd.\n"
PYTHON = "@cache\nclass Pump:\n    def start(self): ...\n\n\ndef stop(x):\n    return x\n"
C = "// Adds.\nstatic int add(int a,\n    int b)\n{\n    return a + b;\n}\n"


def _saved(file: object) -> bytes:
    buffer = io.BytesIO()
    file.save(buffer)  # type: ignore[attr-defined]
    return buffer.getvalue()


def all_samples() -> Iterator[tuple[str, bytes]]:
    """Yield an ending and a small valid file for each format."""
    word, slides, book = docx.Document(), pptx.Presentation(), openpyxl.Workbook()
    word.add_heading("Pumps", 1)
    word.add_paragraph("They move water.", style="List Bullet")
    word.add_table(rows=2, cols=2).rows[0].cells[0].text = "Part"
    slides.slides.add_slide(slides.slide_layouts[1]).shapes.title.text = "Pumps"
    for row in (["Part", "Months"], ["Pump", 24]):
        book.active.append(row)
    mail = EmailMessage()
    mail["Subject"], mail["From"] = "Größe", "ada@example.org"
    mail.set_content("They move water.\n")
    mail.add_alternative("<p>They move water.</p>", subtype="html")
    cells = [
        {"cell_type": "markdown", "source": ["# Pumps\n"]},
        {"cell_type": "code", "source": "a"},
    ]
    yield from (
        (".pdf", drawn(lines(PROSE), lines(PROSE), pageCompression=0)),
        (".html", HTML.encode()),
        (".md", MARKDOWN.encode()),
        (".txt", TEXT.encode()),
        (".docx", _saved(word)),
        (".pptx", _saved(slides)),
        (".xlsx", _saved(book)),
        (".epub", zipped(BOOK)),
        (".eml", mail.as_bytes()),
        (".csv", b"Part;Months\nPump;24\nSeal;3\n"),
        (".json", json.dumps({"title": "Pumps", "parts": [{"name": "seal"}]}).encode()),
        (".jsonl", b'{"a": 1}\n{"b": [1, {"c": null}]}\n'),
        (".ipynb", json.dumps({"cells": cells}).encode()),
        (".py", PYTHON.encode()),
        (".c", C.encode()),
        (".js", b"export default async function* f(a) {}\nconst g = (x) => x;\n"),
    )


def check_promises(name: str, data: bytes) -> None:
    """Raise unless loading gives a :class:`LoadError` that says why, or a whole document.

    Raises:
        AssertionError: A promise of documents or chunks is broken.
        Exception: What the loader let through.
    """
    try:
        document = load_bytes(Path(name), data)
    except LoadError as error:
        reason = str(error)
        assert reason and len(reason) < 1000, reason[:1000]
        # A loader that fails in a way it does not know of has a fault, though it costs one file.
        assert "loader failed" not in reason, reason
        return
    assert not faults(document), faults(document)
    assert document.text.strip()
    chunks = chunk_document(
        document, tokenizer=HashEmbedder().tokenizer, options=ChunkerOptions(), name=name
    )
    assert chunks
    for chunk in chunks:
        assert document.text[chunk.start : chunk.end] == chunk.text
