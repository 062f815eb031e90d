"""A base that version 0.1.0 wrote opens, is brought up to date, and finds the same passages."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from ragkit import KnowledgeBase

DATA = Path(__file__).parents[1] / "data"
FOUND = json.loads((DATA / "base-0.1.0-found.json").read_text(encoding="utf-8"))


@pytest.fixture
def old_base(tmp_path: Path) -> Path:
    with zipfile.ZipFile(DATA / "base-0.1.0.zip") as archive:
        archive.extractall(tmp_path / "kb")
    return tmp_path / "kb"


def passages(kb: KnowledgeBase, question: str) -> list[list[object]]:
    return [[hit.path, hit.start, hit.end, hit.text] for hit in kb.search(question, k=5)]


@pytest.mark.parametrize("lost", [(), ("dense",), ("lexical",), ("dense", "lexical")])
def test_it_finds_the_same_passages(old_base: Path, lost: tuple[str, ...]) -> None:
    for folder in lost:
        shutil.rmtree(old_base / folder)
    with KnowledgeBase(old_base, create=False) as kb:
        for question, expected in FOUND.items():
            found = passages(kb, question)
            assert found == expected, question
        checks = {check.name: check.status for check in kb.check()}
        assert checks["lexical view"] == "ok"  # caught up by the first search
        assert "fail" not in checks.values()
        if lost:
            kb.repair()
        assert {c.status for c in kb.check() if c.name.endswith(" view")} == {"ok"}


def test_what_was_said_and_done_is_still_there(old_base: Path) -> None:
    with KnowledgeBase(old_base, create=False) as kb:
        (session,) = kb.sessions()
        turns = kb.turns(session.name)
        assert [turn.role for turn in turns] == ["user", "assistant"] * (len(turns) // 2)
        assert turns
        traces = kb.traces()
        assert traces
        assert all(trace.spans for trace in traces)
        assert kb.trace(traces[0].id) == traces[0]
        assert [document.path for document in kb.documents()] == [
            "harbour.md",
            "prices.html",
            "tides/kran.txt",
        ]
