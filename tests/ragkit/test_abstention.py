"""Confidence that the documents hold an answer, its calibration, and refusals with their reason."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from answer_samples import Library

from ragkit import KnowledgeBase
from ragkit.answer.calibration import BUILT_IN, Calibration, load_calibration, save_calibration
from ragkit.embed import load_embedder
from ragkit.errors import UsageError
from ragkit.question import read_question
from ragkit.store import Store

if TYPE_CHECKING:
    from ragkit.embed.embedder import Embedder

LIBRARY = Library()
QUESTION = "How long is the warranty?"


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return load_embedder()


def test_confidence_is_told_with_answers_and_refusals(embedder: Embedder) -> None:
    answered = LIBRARY.ask(QUESTION, embedder=embedder)
    refused = LIBRARY.ask("Which football club won the cup?", embedder=embedder)
    assert answered.confidence is not None
    assert refused.confidence is not None
    assert 0.0 <= refused.confidence < answered.confidence <= 1.0
    assert answered.reason_code is None
    assert refused.reason_code == "low_confidence"


def test_a_calibration_moves_the_confidence_and_the_threshold(embedder: Embedder) -> None:
    plain = LIBRARY.ask(QUESTION, embedder=embedder)
    lowered = LIBRARY.ask(
        QUESTION, embedder=embedder, calibration=Calibration(intercept=-2.0, threshold=0.0)
    )
    strict = LIBRARY.ask(QUESTION, embedder=embedder, calibration=Calibration(threshold=1.0))
    assert lowered.confidence is not None
    assert plain.confidence is not None
    assert lowered.confidence < plain.confidence
    assert not lowered.refused
    assert strict.refused


def test_a_base_keeps_its_own_calibration(tmp_path: Path) -> None:
    with Store.open(tmp_path / "kb", create=True) as store:
        store.set_setting("embedder", "one")
        assert load_calibration(store) == (BUILT_IN, "")
        save_calibration(store, Calibration(slope=2.0, threshold=0.7, questions=40))
        kept, outdated = load_calibration(store)
        assert (kept.slope, kept.threshold, kept.questions, kept.embedder) == (2.0, 0.7, 40, "one")
        assert outdated == ""
        store.set_setting("embedder", "another")
        found, outdated = load_calibration(store)
        assert found == BUILT_IN
        assert "'one'" in outdated
        assert "--calibrate" in outdated
        save_calibration(store, None)
        assert load_calibration(store) == (BUILT_IN, "")
        store.set_setting("calibration", '{"slope": "steep"}')
        assert "cannot be read" in load_calibration(store)[1]
        with pytest.raises(UsageError):
            save_calibration(store, Calibration(slope=-1.0))


def test_a_refusal_lists_no_sources_but_its_trace_shows_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text(
        "# Gate\n\nThe gate opens at seven in the morning.", encoding="utf-8"
    )
    with KnowledgeBase(tmp_path / "kb") as kb:
        kb.ingest(tmp_path / "docs")
        answer = kb.ask("What do penguins eat in winter?")
        assert answer.refused
        assert answer.citations == ()
        trace = kb.trace(answer.trace)
        (search,) = [span for span in trace.spans if span.name == "search"]
        assert isinstance(search.outputs, dict)
        assert search.outputs["hits"][0]["path"] == "a.md"


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("Does the Osprey CV-900 come with GPS?", {"osprey", "cv-900", "gps"}),
        ("Wie hoch ist der Rabatt für Firmen mit UID?", {"uid"}),
        ("What was it in 2018?", {"2018"}),
        ("how long is the warranty", set()),
        ("which signal is on terminal 8 of the block?", {"8"}),
        ("error numbers 288 and 388", {"288", "388"}),
        ("what does a 12 kg parcel cost after 8 days?", set()),
        ("does it read 100% on dry days?", set()),
        ("does it do 5GHz", set()),
        ("WHAT IS THE NEXT STEP OF THE PLAN?", set()),
        ("Is it broken? Check the second page.", set()),
    ],
)
def test_names_of_a_question(question: str, names: set[str]) -> None:
    found = read_question(question).names
    assert names <= found
    assert names or not found


def test_a_name_that_no_document_has_lowers_the_confidence(embedder: Embedder) -> None:
    known = LIBRARY.ask("How long is the warranty of the Volto X?", embedder=embedder)
    unknown = LIBRARY.ask("How long is the warranty of the Osprey CV-900?", embedder=embedder)
    assert known.confidence is not None
    assert unknown.confidence is not None
    assert unknown.confidence < known.confidence - 0.1
