"""The golden set of sample_docs says the truth about the documents, and the PDFs their sources."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ingest import load
from ingest.document import Document

REPOSITORY = Path(__file__).resolve().parents[1]
SAMPLE_DOCS = REPOSITORY / "sample_docs"
GOLDEN = REPOSITORY / "tests" / "data" / "sample_docs_golden.jsonl"
ITEMS: list[dict[str, Any]] = [
    json.loads(line) for line in GOLDEN.read_text(encoding="utf-8").splitlines()
]
UNFITTED: list[dict[str, Any]] = [
    json.loads(line)
    for line in (GOLDEN.parent / "sample_docs_unfitted.jsonl").read_text("utf-8").splitlines()
]
ANSWERABLE = [item for item in ITEMS if item["answerable"]]
WITHOUT_PAGES = {".md", ".txt"}


def squash(text: str) -> str:
    return " ".join(text.replace("|", " ").split())


def kind(item: dict[str, Any]) -> str:
    return str(item["id"]).rpartition("-")[0]


@pytest.fixture(scope="module")
def documents() -> dict[str, Document]:
    files = sorted(path for path in SAMPLE_DOCS.rglob("*") if path.is_file())
    return {path.relative_to(SAMPLE_DOCS).as_posix(): load(path) for path in files}


def evidence_text(documents: dict[str, Document], place: dict[str, Any]) -> str:
    """The text a place names: its page, its span, or the whole document."""
    document = documents[place["path"]]
    if "page" in place:
        page = document.pages[place["page"] - 1]
        assert page.number == place["page"]
        return document.text[page.start : page.end]
    if "start" in place:
        return document.text[place["start"] : place["end"]]
    return document.text


def test_ids_and_questions_are_unique() -> None:
    assert len({item["id"] for item in ITEMS}) == len(ITEMS)
    asked = [(item["question"], json.dumps(item.get("history"))) for item in ITEMS]
    assert len(set(asked)) == len(asked)


def test_every_kind_is_represented() -> None:
    counts = Counter(map(kind, ITEMS))
    least = {"fact": 25, "table": 10, "multi": 6, "followup": 8, "lang": 6, "none": 14}
    assert counts.keys() == least.keys()
    assert all(counts[name] >= number for name, number in least.items()), counts


def test_only_questions_of_kind_none_are_unanswerable() -> None:
    for item in ITEMS:
        assert item["answerable"] is (kind(item) != "none")
        assert bool(item["relevant"]) is item["answerable"]
        assert bool(item["answer"]) is item["answerable"]


def test_conversations_alternate_and_end_with_the_assistant() -> None:
    for item in ITEMS:
        roles = [turn["role"] for turn in item.get("history", [])]
        assert roles == ["user", "assistant"] * (len(roles) // 2)
        assert bool(roles) is ("rewrite" in item)
        assert bool(roles) or kind(item) != "followup"


def test_multi_document_questions_name_several_documents() -> None:
    for item in ITEMS:
        if kind(item) == "multi":
            assert len({place["path"] for place in item["relevant"]}) >= 2, item["id"]


def test_every_document_is_asked_about(documents: dict[str, Document]) -> None:
    asked = {place["path"] for item in ITEMS for place in item["relevant"]}
    assert asked == documents.keys()


@pytest.mark.parametrize("item", ANSWERABLE, ids=lambda item: item["id"])
def test_answer_stands_in_the_evidence(
    item: dict[str, Any], documents: dict[str, Document]
) -> None:
    texts = [squash(evidence_text(documents, place)) for place in item["relevant"]]
    assert any(squash(item["answer"]) in text for text in texts)


@pytest.mark.parametrize("item", ANSWERABLE, ids=lambda item: item["id"])
def test_places_have_the_form_of_their_format(
    item: dict[str, Any], documents: dict[str, Document]
) -> None:
    for place in item["relevant"]:
        suffix = Path(place["path"]).suffix
        if suffix in WITHOUT_PAGES:
            assert place.keys() == {"path", "start", "end"}
            decoded = (SAMPLE_DOCS / place["path"]).read_text(encoding="utf-8")
            assert 0 <= place["start"] < place["end"] <= len(decoded)
            # Offsets count code points of the file itself, not only of the loaded text.
            assert decoded == documents[place["path"]].text
        elif suffix == ".pdf":
            assert place.keys() == {"path", "page"}
            assert 1 <= place["page"] <= len(documents[place["path"]].pages)
        else:
            assert place.keys() == {"path"}


def test_questions_never_fitted_on_are_others_and_have_their_answers_in_the_evidence(
    documents: dict[str, Document],
) -> None:
    assert len({item["id"] for item in UNFITTED}) == len(UNFITTED)
    assert not {item["question"] for item in UNFITTED} & {item["question"] for item in ITEMS}
    for item in UNFITTED:
        assert bool(item["relevant"]) is item["answerable"] is (kind(item) != "none")
        texts = " ".join(squash(evidence_text(documents, place)) for place in item["relevant"])
        gold = item["answer"] or ""
        listed = gold[2:-2].split("', '") if gold.startswith("['") else [gold]
        assert all(squash(part) in texts for part in listed), item["id"]


def test_unanswerable_near_misses_name_what_no_document_has(
    documents: dict[str, Document],
) -> None:
    everything = squash(" ".join(document.text for document in documents.values()))
    absent = [
        "Osprey",
        "E15",
        "firmware 4.3",
        "Enterprise plan",
        "Alexa",
        "Apple Watch",
        "Australia",
    ]
    assert [name for name in absent if name in everything] == []


def run_tool(name: str, *arguments: str | Path) -> None:
    subprocess.run(
        [sys.executable, REPOSITORY / "tools" / name, *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )


def test_golden_set_follows_from_its_source() -> None:
    run_tool("make_sample_golden.py", "--check")


def test_sample_docs_are_small_and_of_every_format(documents: dict[str, Document]) -> None:
    assert sum(path.stat().st_size for path in SAMPLE_DOCS.rglob("*")) < 1_500_000
    formats = Counter(document.format for document in documents.values())
    assert formats == {"pdf": 4, "html": 3, "markdown": 5, "text": 4}
    assert [path for path, document in documents.items() if document.warnings] == []


def test_pdfs_follow_from_their_sources(tmp_path: Path, documents: dict[str, Document]) -> None:
    pytest.importorskip("reportlab", reason="reportlab, of the dev extra, is not installed")
    for run in ("one", "two"):
        run_tool("make_sample_docs.py", "--folder", tmp_path / run)
    made = sorted((tmp_path / "one").rglob("*.pdf"))
    assert len(made) == 4
    for path in made:
        name = path.relative_to(tmp_path / "one")
        assert path.read_bytes() == (tmp_path / "two" / name).read_bytes()
        assert load(path).text == documents[name.as_posix()].text
