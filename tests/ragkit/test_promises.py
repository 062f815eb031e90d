"""Promises that hold whatever is rebuilt behind them; each test fails when its promise is broken."""

import json
import math
import os
import shutil
import threading
import zipfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from reportlab.pdfgen.canvas import Canvas

from ingest import Block, Document, Page, Section
from ragkit import (
    Budget,
    CorruptError,
    KnowledgeBase,
    KnowledgeBaseError,
    LockedError,
    UsageError,
    import_base,
)
from ragkit.answer.abstain import SURE
from ragkit.answer.calibration import Calibration
from ragkit.embed.embedder import TextKind
from ragkit.errors import EmbeddingError
from ragkit.llm import Delta, Message
from ragkit.results import Considered
from ragkit.retrieve.fusion import LISTED
from ragkit.store import Store
from ragkit.testing import HashEmbedder

REPOSITORY = Path(__file__).resolve().parents[2]
QUESTION = "How long is the warranty of the kettle?"
FILES = {
    "kettle.md": "# Kettle\n\nThe warranty of the kettle lasts three years.\n",
    "tea.txt": "Let the tea steep for four minutes.\n",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    (folder / "docs").mkdir()
    for name, text in FILES.items():
        (folder / "docs" / name).write_text(text, encoding="utf-8")
    with KnowledgeBase(folder / "kb", embedder=HashEmbedder()) as kb:
        kb.ingest(folder / "docs")
    return folder


@pytest.fixture
def kb(made: Path, tmp_path: Path) -> Iterator[KnowledgeBase]:
    shutil.copytree(made / "kb", tmp_path / "kb")
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as base:
        yield base


class Recorder(HashEmbedder):
    """An embedder that remembers what it was given, and fails on texts that hold a word."""

    def __init__(self, *, fails_on: str | None = None) -> None:
        super().__init__()
        self.fails_on = fails_on
        self.questions: list[str] = []

    def embed(self, texts: Sequence[str], *, kind: TextKind) -> NDArray[np.float32]:
        if self.fails_on is not None and any(self.fails_on in text for text in texts):
            raise EmbeddingError("the model is out of order")
        if kind == "query":
            self.questions += texts
        return super().embed(texts, kind=kind)


# -- what people asked ------------------------------------------------------------------------


@pytest.mark.parametrize("traces", ["full", "facts"])
def test_a_deleted_session_leaves_no_vector_of_its_questions(
    kb: KnowledgeBase, traces: Any
) -> None:
    embedder = Recorder()
    with KnowledgeBase(kb.directory, embedder=embedder, traces=traces) as base:
        base.chat("alice").ask(QUESTION)
        asked = embedder.questions.count(QUESTION)
        base.search(QUESTION)
        kept = embedder.questions.count(QUESTION) == asked
        assert kept is (traces == "full"), "where content is not recorded, no vector is kept"
        base.delete_session("alice")
        before = embedder.questions.count(QUESTION)
        base.search(QUESTION)
        assert embedder.questions.count(QUESTION) > before


def test_a_deleted_cache_leaves_no_vector_of_a_question(kb: KnowledgeBase) -> None:
    embedder = Recorder()
    with KnowledgeBase(kb.directory, embedder=embedder) as base:
        base.search(QUESTION)
        base.search(QUESTION)
        assert embedder.questions.count(QUESTION) == 1
        base.delete_cache()
        base.search(QUESTION)
        assert embedder.questions.count(QUESTION) == 2


def test_a_deleted_session_is_in_no_file_though_the_base_stays_open(kb: KnowledgeBase) -> None:
    def mentions() -> list[str]:
        files = [path for path in kb.directory.iterdir() if path.is_file()]
        return [path.name for path in files if QUESTION.encode() in path.read_bytes()]

    kb.chat("alice").ask(QUESTION)
    assert mentions()
    kb.delete_session("alice")
    assert mentions() == []


# -- knowing when not to answer ---------------------------------------------------------------


def test_what_is_rather_not_there_is_refused_and_what_rather_is_answered(
    kb: KnowledgeBase,
) -> None:
    plain = kb.ask(QUESTION, cache=False).answerable
    assert plain is not None
    for wanted, refused in ((0.1, True), (0.2, True), (0.33, True), (0.37, False), (0.9, False)):
        shift = math.log(wanted / (1 - wanted)) - math.log(plain / (1 - plain))
        kb.calibrate(Calibration(intercept=shift))
        answer = kb.ask(QUESTION, cache=False)
        assert answer.answerable == pytest.approx(wanted, abs=0.001)
        assert answer.refused is refused, f"at a chance of {wanted}"
        assert answer.confidence is not None
        assert answer.confidence <= wanted
        assert not (answer.sure and wanted < SURE)


def test_near_misses_over_real_documents_are_not_said_as_answers(tmp_path: Path) -> None:
    lines = (REPOSITORY / "tests/data/sample_docs_golden.jsonl").read_text("utf-8").splitlines()
    items = [item for item in map(json.loads, lines) if not item["answerable"]]
    with KnowledgeBase(tmp_path / "kb") as base:
        base.ingest(REPOSITORY / "sample_docs")
        answers = [base.ask(item["question"]) for item in items]
    near = [answer for answer in answers if 0.25 <= (answer.answerable or 0.0) < 0.43]
    assert len(near) >= 2, "some questions of the set are near misses"
    assert not any(answer.sure for answer in near)
    assert all(answer.reason for answer in near)
    assert sum(not answer.sure for answer in answers) >= 0.9 * len(items)
    assert sum(answer.refused for answer in answers) >= 0.2 * len(items)


# -- budgets ----------------------------------------------------------------------------------


class Untold:
    """A chat model whose server does not say what it used."""

    name = "untold"
    context_window = 8_192
    native_tools = False

    def __init__(self, reply: str) -> None:
        self.reply = reply
        self.calls = 0

    def stream(self, messages: Sequence[Message], **_: Any) -> Iterator[Delta]:
        self.calls += 1
        yield Delta(text=self.reply)
        yield Delta(finish_reason="stop")


def test_a_budget_holds_where_the_server_tells_no_usage(kb: KnowledgeBase) -> None:
    model = Untold("Whales sing under the northern ice.")  # so that the next one is asked
    answer = kb.ask(QUESTION, model=[model, model, model], budget=Budget(tokens=600))
    assert 0 < answer.usage.input_tokens <= 600, "what was not told is estimated"
    assert model.calls == 1
    assert any("this answer may use 600 tokens" in note for note in answer.degraded)


def test_a_budget_of_a_session_does_so_from_answer_to_answer(kb: KnowledgeBase) -> None:
    model = Untold("The warranty of the kettle lasts three years [1].")
    for _ in range(20):
        answer = kb.ask(
            QUESTION, model=model, session="alice", session_budget=Budget(tokens=3_000), cache=False
        )
        if answer.model != "untold":
            break
    assert 1 < model.calls < 20
    assert any("session 'alice' may use 3,000 tokens" in note for note in answer.degraded)


# -- one file for a whole base ----------------------------------------------------------------


def test_a_base_that_was_changed_on_its_way_is_refused(kb: KnowledgeBase, tmp_path: Path) -> None:
    kb.export(tmp_path / "moved.ragkit")
    with zipfile.ZipFile(tmp_path / "moved.ragkit") as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    (name,) = (name for name in entries if name != "manifest.json")
    assert b"three years" in entries[name]
    entries[name] = entries[name].replace(b"three years", b"seven years")
    with zipfile.ZipFile(tmp_path / "changed.ragkit", "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, data in entries.items():
            archive.writestr(entry, data)
    with pytest.raises(CorruptError, match="checksum"):
        import_base(tmp_path / "changed.ragkit", tmp_path / "there")
    assert not list((tmp_path / "there").glob("*.sqlite3"))


def test_a_base_for_which_there_is_no_room_is_not_unpacked(
    kb: KnowledgeBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kb.export(tmp_path / "moved.ragkit")
    used = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: used._replace(free=1_000_000))
    with pytest.raises(KnowledgeBaseError, match="but only 1 MB are free"):
        import_base(tmp_path / "moved.ragkit", tmp_path / "there")
    assert not list((tmp_path / "there").glob("knowledge*"))


# -- one writer -------------------------------------------------------------------------------


def in_another_thread(call: Any) -> BaseException | None:
    """Call; return what was raised."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)
    return raised[0] if raised else None


def test_the_lock_is_held_by_a_thread_not_by_its_process(tmp_path: Path) -> None:
    with Store.open(tmp_path / "kb", create=True) as store, store.writing("the first's work"):
        store.remove_documents([])  # whoever holds it may
        error = in_another_thread(lambda: store.remove_documents([]))
    assert isinstance(error, UsageError)


def test_a_second_thread_is_kept_out_of_the_same_base(kb: KnowledgeBase, made: Path) -> None:
    errors: list[BaseException | None] = []

    def listener(_event: object) -> None:
        if not errors:
            errors.append(None)
            errors[0] = in_another_thread(lambda: kb.delete("tea.txt"))

    (made / "docs" / "more.txt").write_text("More.\n", encoding="utf-8")
    kb.ingest(made / "docs", listener=listener)
    assert isinstance(errors[0], LockedError)
    assert "tea.txt" in [document.path for document in kb.documents()]


# -- filters and hints ------------------------------------------------------------------------


def sheets(folder: Path) -> Path:
    canvas = Canvas(str(folder / "sheets.pdf"), invariant=True)
    for number in range(1, 10):
        canvas.drawString(72, 700, f"Sheet{number} is about thing{number}.")
        canvas.showPage()
    canvas.save()
    return folder / "sheets.pdf"


def test_a_page_that_is_named_comes_first(tmp_path: Path) -> None:
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as base:
        base.ingest(sheets(tmp_path))
        for page in (2, 5, 9):
            assert base.search(f"What is the thing about on page {page}?", k=3)[0].page == page


def test_a_page_that_is_named_is_looked_up_and_no_other(tmp_path: Path) -> None:
    with KnowledgeBase(tmp_path / "kb", embedder=Recorder(fails_on="Sheet")) as base:
        with pytest.raises(EmbeddingError):
            base.ingest(sheets(tmp_path))  # without vectors, only what holds the words is found
        hits = base.search("Where is thing4, on page 7?")
        assert {hit.page for hit in hits} == {4, 7}
        assert {hit.page for hit in base.search("Where is thing4?")} == {4}


@pytest.mark.parametrize(
    ("condition", "moments"),
    [
        (">={0}", {"at", "after"}),
        (">{0}", {"after"}),
        ("<={0}", {"before", "at"}),
        ("<{0}", {"before"}),
        ("{0}", {"at"}),
        ("{0}..{1}", {"at", "after"}),
    ],
)
def test_bounds_of_dates_are_those_that_were_written(
    tmp_path: Path, condition: str, moments: set[str]
) -> None:
    day = int(datetime(2024, 5, 31).timestamp()) * 10**9
    length = int(datetime(2024, 6, 1).timestamp()) * 10**9 - day
    docs = tmp_path / "docs"
    docs.mkdir()
    # The last moment of the day before, the first and the last of the day, the first after it.
    times = {"before": [day - 1], "at": [day, day + length - 1], "after": [day + length]}
    for name, when in times.items():
        for number, nanoseconds in enumerate(when):
            path = docs / f"{name}{number}.txt"
            path.write_text("The kettle.\n", encoding="utf-8")
            os.utime(path, ns=(nanoseconds, nanoseconds))
    expected = {f"{name}{number}.txt" for name in moments for number in range(len(times[name]))}
    where = {"date": condition.format("2024-05-31", "2024-06-01")}
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as base:
        base.ingest(docs)
        assert {document.path for document in base.documents(where)} == expected
        assert {hit.path for hit in base.search("kettle", where=where)} == expected


def test_no_page_or_document_that_is_named_gets_past_a_filter(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    sheets(docs)
    for name in ("alpha-report.md", "beta-report.md"):
        (docs / name).write_text(f"# Part\n\n{name} tells of things.\n", encoding="utf-8")
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as base:
        base.ingest(docs)
        for where in ({"path": "alpha-report.md"}, {"heading": "Part", "path": "alpha*"}):
            for question in (
                "What does the beta report tell of?",
                "What is in beta-report.md?",
                "What is in sheets.pdf on page 7?",
                "What is on page 7?",
            ):
                hits = base.search(question, k=50, where=where)
                assert {hit.path for hit in hits} <= {"alpha-report.md"}, (question, where)


def test_a_page_that_is_named_is_not_looked_up_where_a_filter_leaves_it_out(tmp_path: Path) -> None:
    text = "Kept words.\n\nLeft out words.\n"
    document = Document(
        text=text,
        format="made",
        pages=(Page(1, 0, 13), Page(2, 13, len(text))),
        sections=(Section(("Kept",), 1, 0, 13), Section(("Left out",), 1, 13, len(text))),
        blocks=(Block("paragraph", 0, 11), Block("paragraph", 13, 28)),
    )
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as base:
        base.add(document, path="made.pdf")
        assert {hit.page for hit in base.search("What words are on page 2?")} == {1, 2}
        hits = base.search("What words are on page 2?", where={"heading": "Kept"})
        assert {hit.page for hit in hits} == {1}


# -- merging what two searches found ----------------------------------------------------------


def test_a_passage_without_a_vector_counts_as_the_least_similar_of_those_that_have_one(
    tmp_path: Path,
) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.txt").write_text("Copper kettle for boiling.\n", encoding="utf-8")
    (docs / "b.txt").write_text("Copper roofs of the old town turn green.\n", encoding="utf-8")
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as base:
        base.ingest(docs)
        scores = {hit.path: hit.score for hit in base.search("copper kettle lid", mode="dense")}
    (docs / "c.txt").write_text("Copper kettle lid, unmade.\n", encoding="utf-8")
    with KnowledgeBase(tmp_path / "kb", embedder=Recorder(fails_on="unmade")) as base:
        with pytest.raises(EmbeddingError):
            base.ingest(docs)
        result = base.retrieve("copper kettle lid", explain=True)
        assert any("no vector yet" in note for note in result.degraded)
        assert result.hits[0].path == "c.txt", "it alone holds all words"
        found = {passage.path: passage for passage in result.considered}
    # The share of meaning in a score, from a passage of which both scores are known.
    other, unmade = found["a.txt"], found["c.txt"]
    assert unmade.dense_score is None
    assert other.dense_score is not None
    assert other.lexical_score is not None
    assert unmade.lexical_score is not None
    merged = {path: _merged(passage) for path, passage in found.items()}
    share = (merged["a.txt"] - other.lexical_score) / (other.dense_score - other.lexical_score)
    assert 0 < share < 1
    assert 0.05 < min(scores.values()) < max(scores.values()) - 0.1
    expected = share * min(scores.values()) + (1 - share) * unmade.lexical_score
    assert merged["c.txt"] == pytest.approx(expected, abs=0.002)


def _merged(passage: Considered) -> float:
    """The score of a document's only passage, without what it gained by its place and rank."""
    gained = LISTED.nearest / passage.dense_rank if passage.dense_rank else 0.0
    whole = 1 + LISTED.document + LISTED.nearest
    return (passage.fused_score * whole - gained) / (1 + LISTED.document)
