"""Write the golden sets of ``tests/data`` from their sources in ``tools/sample_sources``.

``sample_docs_golden.jsonl`` is what weights are fitted on (``bench/fit_answers.py``);
``sample_docs_unfitted.jsonl`` is never fitted on, and tells how other questions fare.

Run ``python tools/make_sample_golden.py`` after changing a document or a question. In the source
each question names its evidence by a quote; here a quote becomes a page (PDF), a span of code
points (plain text, Markdown) or the bare path (HTML).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest import load

if TYPE_CHECKING:
    from ingest.document import Document

HERE = Path(__file__).resolve().parent
SAMPLE_DOCS = HERE.parent / "sample_docs"
SOURCES = HERE / "sample_sources"
GOLDEN = HERE.parent / "tests" / "data"
SETS = (
    (SOURCES / "golden.jsonl", GOLDEN / "sample_docs_golden.jsonl"),
    (SOURCES / "golden_unfitted.jsonl", GOLDEN / "sample_docs_unfitted.jsonl"),
)


def squash(text: str) -> str:
    """Text without what only lays a table out: cell separators and white space."""
    return " ".join(text.replace("|", " ").split())


def places(document: Document, path: str, quote: str) -> list[dict[str, Any]]:
    """Where a quote stands.

    Raises:
        ValueError: if the quote is not there, or stands more than once where a span is wanted.
    """
    if document.pages:
        wanted = squash(quote)
        pages = [
            page.number
            for page in document.pages
            if wanted in squash(document.text[page.start : page.end])
        ]
        if not pages:
            raise ValueError(f"{quote!r} is on no page of {path!r}")
        return [{"path": path, "page": page} for page in pages]
    if document.format == "html":
        if squash(quote) not in squash(document.text):
            raise ValueError(f"{quote!r} is not in {path!r}")
        return [{"path": path}]
    if document.text.count(quote) != 1:
        raise ValueError(f"{quote!r} stands {document.text.count(quote)} times in {path!r}")
    start = document.text.index(quote)
    return [{"path": path, "start": start, "end": start + len(quote)}]


def golden(item: dict[str, Any], documents: dict[str, Document]) -> dict[str, Any]:
    """One line of the golden set from one line of its source."""
    relevant: list[dict[str, Any]] = []
    for evidence in item["evidence"]:
        for place in places(documents[evidence["path"]], evidence["path"], evidence["quote"]):
            if place not in relevant:
                relevant.append(place)
    kept = {key: item[key] for key in ("id", "question", "history", "rewrite") if key in item}
    return kept | {
        "answerable": bool(relevant),
        "answer": item.get("answer"),
        "relevant": relevant,
    }


def make(source: Path) -> str:
    """The text of the golden set made from a source."""
    items = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    paths = sorted({evidence["path"] for item in items for evidence in item["evidence"]})
    documents = {path: load(SAMPLE_DOCS / path) for path in paths}
    lines = (json.dumps(golden(item, documents), ensure_ascii=False) for item in items)
    return "".join(f"{line}\n" for line in lines)


def main() -> None:
    """Write the golden sets, or with ``--check`` only say whether they are up to date."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if out of date")
    options = parser.parse_args()
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for source, target in SETS:
        text = make(source)
        if not options.check:
            target.write_text(text, encoding="utf-8", newline="\n")
            print(f"{target}: {len(text.splitlines())} questions")
        elif target.read_text(encoding="utf-8") != text:
            raise SystemExit(f"{target} is out of date: run tools/make_sample_golden.py")


if __name__ == "__main__":
    main()
