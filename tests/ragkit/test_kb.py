"""The knowledge base through its public API, on real files."""

import asyncio
import inspect
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest import Document, LoaderSpec, register
from ingest.loaders import registry
from ragkit import (
    Answer,
    EmbeddingError,
    FingerprintError,
    KnowledgeBase,
    KnowledgeBaseError,
    LockedError,
    NotFoundError,
    Progress,
    Sources,
    TextDelta,
    Usage,
    UsageError,
)
from ragkit.embed.embedder import TextKind
from ragkit.events.traces import TraceLevel
from ragkit.testing import HashEmbedder, ScriptedModel

FILES = {
    "warranty.md": (
        "# Warranty\n\nThe warranty for the kettle is three years.\n\n"
        "# Returns\n\nReturns are accepted within 30 days of delivery.\n"
    ),
    "notes/meeting.txt": "Notes\n=====\n\nZora Okonkwo leads the Lisbon office since March.\n",
    "notes/recipe.txt": "Boil the water for two minutes, then let the tea steep for four.\n",
}


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        os.utime(path, ns=(10**18, 10**18))
    return folder


@pytest.fixture
def kb(tmp_path: Path) -> Iterator[KnowledgeBase]:
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as base:
        yield base


def state(kb: KnowledgeBase) -> list[tuple[str, str, list[str]]]:
    return [
        (document.path, kb.text(document.path), sorted(hit_texts(kb, document.path)))
        for document in kb.documents()
    ]


def hit_texts(kb: KnowledgeBase, path: str) -> list[str]:
    words = kb.text(path)
    return [hit.text for hit in kb.search(words, k=50, where={"path": path})]


def edit(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(2 * 10**18, 2 * 10**18))


def test_ingest_search_and_ask(kb: KnowledgeBase, docs: Path) -> None:
    report = kb.ingest(docs)
    assert report.added == ("notes/meeting.txt", "notes/recipe.txt", "warranty.md")
    assert (report.failed, report.warnings, report.removed) == ((), (), ())
    assert report.chunks == report.vectors > 0

    for mode in ("hybrid", "dense", "lexical"):
        hits = kb.search("Who leads the Lisbon office?", k=2, mode=mode)  # type: ignore[arg-type]
        assert hits[0].path == "notes/meeting.txt"
        assert hits[0].page is None
        assert hits[0].heading == "Notes"
        assert 0 <= hits[-1].score <= hits[0].score <= 1
        assert kb.text(hits[0].path)[hits[0].start : hits[0].end] == hits[0].text
        assert FILES[hits[0].path][hits[0].start : hits[0].end] == hits[0].text

    answer = kb.ask("How long is the warranty for the kettle?")
    assert not answer.refused
    assert "three years" in answer.text
    for citation in answer.citations:
        assert kb.text(citation.path)[citation.start : citation.end] == citation.quote


def test_an_unchanged_folder_is_not_read_again(
    kb: KnowledgeBase, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kb.ingest(docs)
    before = state(kb)

    opened: list[str] = []
    sys.addaudithook(lambda name, args: opened.append(str(args[0])) if name == "open" else None)

    def no_process(*_args: object, **_options: object) -> None:
        raise AssertionError("a process was started to load files")

    monkeypatch.setattr(subprocess, "Popen", no_process)
    report = kb.ingest(docs)
    assert (report.same, report.added, report.changed) == (3, (), ())
    assert not [path for path in opened if path.startswith(str(docs)) and Path(path).is_file()]
    assert state(kb) == before


def test_changes_moves_and_removals_are_followed(kb: KnowledgeBase, docs: Path) -> None:
    kb.ingest(docs)
    edit(docs / "warranty.md", "# Warranty\n\nThe warranty for the kettle is five years.\n")
    (docs / "notes/meeting.txt").rename(docs / "minutes.txt")
    (docs / "notes/recipe.txt").unlink()
    report = kb.ingest(docs)
    assert report.changed == ("warranty.md",)
    assert report.moved == ("minutes.txt",)
    assert report.removed == ("notes/recipe.txt",)
    assert [document.path for document in kb.documents()] == ["minutes.txt", "warranty.md"]
    assert "five years" in kb.ask("How long is the warranty for the kettle?").text
    assert not any("three years" in hit.text for hit in kb.search("warranty kettle three years"))
    assert kb.search("steep the tea")[0].path != "notes/recipe.txt"
    assert kb.search("Lisbon office")[0].path == "minutes.txt"


def test_a_moved_file_is_not_embedded_again(tmp_path: Path, docs: Path) -> None:
    class Counting(HashEmbedder):
        embedded = 0

        def embed(self, texts, *, kind):  # type: ignore[no-untyped-def]
            if kind == "passage":
                self.embedded += len(texts)
            return super().embed(texts, kind=kind)

    embedder = Counting()
    with KnowledgeBase(tmp_path / "kb", embedder=embedder) as kb:
        kb.ingest(docs)
        once = embedder.embedded
        assert once > 0
        (docs / "notes/meeting.txt").rename(docs / "elsewhere.txt")
        kb.ingest(docs)
        assert embedder.embedded == once
        assert kb.search("Lisbon office", mode="dense")[0].path == "elsewhere.txt"


def test_an_incremental_run_ends_as_a_fresh_one_would(
    tmp_path: Path, kb: KnowledgeBase, docs: Path
) -> None:
    kb.ingest(docs)
    edit(docs / "warranty.md", FILES["warranty.md"] + "\n# Care\n\nWipe with a damp cloth.\n")
    edit(docs / "new.md", "# New\n\nSomething new.\n")
    kb.ingest(docs)
    with KnowledgeBase(tmp_path / "fresh", embedder=HashEmbedder()) as fresh:
        fresh.ingest(docs)
        assert state(kb) == state(fresh)
        assert kb.status().chunks == fresh.status().chunks
        assert kb.status().vectors == fresh.status().vectors


def test_dry_run_changes_nothing(tmp_path: Path, docs: Path) -> None:
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as kb:
        report = kb.ingest(docs, dry_run=True)
        assert len(report.added) == 3
        assert not (tmp_path / "kb").exists()
        kb.ingest(docs)
        (docs / "warranty.md").unlink()
        report = kb.ingest(docs, dry_run=True)
        assert (report.removed, report.same) == (("warranty.md",), 2)
        assert len(kb.documents()) == 3


def test_every_file_is_accounted_for(kb: KnowledgeBase, docs: Path) -> None:
    (docs / "empty.txt").touch()
    (docs / "white.txt").write_text(" \n\t\n", encoding="utf-8")
    (docs / "fake.pdf").write_text("not a pdf at all", encoding="utf-8")
    (docs / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    (docs / "unknown.xyz").write_bytes(bytes(range(256)) * 10)
    for path in docs.iterdir():
        os.utime(path, ns=(10**18, 10**18))
    first = kb.ingest(docs)
    assert len(first.added) == 3
    reasons = {note.path: note.reason for note in first.failed}
    assert set(reasons) == {"empty.txt", "white.txt", "fake.pdf"}
    assert "empty" in reasons["empty.txt"]
    assert "not a PDF" in reasons["fake.pdf"]
    assert {note.path for note in first.warnings} == {"photo.png", "unknown.xyz"}
    again = kb.ingest(docs)
    assert (again.added, again.same) == ((), 3)
    assert again.failed == first.failed
    assert again.warnings == first.warnings
    edit(docs / "empty.txt", "no longer empty")
    assert kb.ingest(docs).added == ("empty.txt",)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read anything")
def test_an_unreadable_file_keeps_its_last_version(kb: KnowledgeBase, docs: Path) -> None:
    kb.ingest(docs)
    edit(docs / "warranty.md", "changed")
    (docs / "warranty.md").chmod(0)
    report = kb.ingest(docs)
    assert "permission denied" in report.failed[0].reason
    assert "three years" in kb.text("warranty.md")


def encrypted_pdf(path: Path) -> Path:
    from pypdf import PdfWriter
    from reportlab.pdfgen.canvas import Canvas

    plain = path.with_suffix(".plain")
    canvas = Canvas(str(plain))
    canvas.drawString(72, 720, "The secret ingredient is cardamom.")
    canvas.save()
    writer = PdfWriter(clone_from=plain)
    plain.unlink()
    writer.encrypt("open sesame", algorithm="AES-256")
    writer.write(path)
    os.utime(path, ns=(10**18, 10**18))
    return path


def test_encrypted_files_are_tried_again_once_a_password_is_given(
    kb: KnowledgeBase, docs: Path
) -> None:
    encrypted_pdf(docs / "secret.pdf")
    report = kb.ingest(docs)
    assert [(note.path, "password" in note.reason) for note in report.failed] == [
        ("secret.pdf", True)
    ]
    assert [note.path for note in kb.ingest(docs, password="wrong").failed] == ["secret.pdf"]
    asked: list[str] = []

    def ask(path: str) -> str | None:
        asked.append(path)
        return "open sesame" if len(asked) == 2 else "wrong again"

    assert kb.ingest(docs, password=ask).added == ("secret.pdf",)
    assert asked == ["secret.pdf"] * 2
    assert kb.ingest(docs).same == 4
    assert kb.search("cardamom")[0].page == 1
    data = (docs / "secret.pdf").read_bytes()
    with pytest.raises(UsageError, match=r"'sent.pdf': .*password"):
        kb.add(data, path="sent.pdf")
    assert kb.add(data, path="sent.pdf", password="open sesame").pages == 1


def test_single_files_are_added_and_updated(kb: KnowledgeBase, docs: Path) -> None:
    assert kb.ingest(docs / "warranty.md").added == ("warranty.md",)
    assert kb.ingest(docs / "notes/recipe.txt").added == ("recipe.txt",)
    assert [document.path for document in kb.documents()] == ["recipe.txt", "warranty.md"]
    edit(docs / "warranty.md", "The warranty is ten years.")
    assert kb.ingest([docs / "warranty.md"]).changed == ("warranty.md",)
    report = kb.ingest(docs)
    assert report.same == 2
    assert len(kb.documents()) == 3


def test_folders_inside_folders_are_not_held_twice(kb: KnowledgeBase, docs: Path) -> None:
    kb.ingest(docs / "notes")
    assert [document.path for document in kb.documents()] == ["meeting.txt", "recipe.txt"]
    report = kb.ingest(docs)
    assert (report.added, report.same) == (("warranty.md",), 2)
    assert len(kb.documents()) == 3
    (docs / "notes/recipe.txt").unlink()
    (docs / "warranty.md").unlink()
    report = kb.ingest(docs / "notes")
    assert report.removed == ("notes/recipe.txt",)
    assert [document.path for document in kb.documents()] == ["notes/meeting.txt", "warranty.md"]


def test_other_folders_are_left_alone_and_paths_stay_unique(
    tmp_path: Path, kb: KnowledgeBase, docs: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "warranty.md").write_text("Another warranty altogether.", encoding="utf-8")
    kb.ingest(docs)
    kb.ingest(other)
    paths = [document.path for document in kb.documents()]
    assert len(paths) == len(set(paths)) == 4
    assert {"docs/warranty.md", "other/warranty.md"} <= set(paths)
    hits = kb.search("warranty", where={"path": "other/*"})
    assert {hit.path for hit in hits} == {"other/warranty.md"}


def test_the_base_inside_the_folder_is_not_ingested(docs: Path) -> None:
    with KnowledgeBase(docs / "kb", embedder=HashEmbedder()) as kb:
        kb.ingest(docs)
        assert kb.ingest(docs).same == 3
        assert len(kb.documents()) == 3


def test_filters_are_exact(kb: KnowledgeBase, docs: Path) -> None:
    kb.ingest(docs)
    for where, expected in (
        ({"path": "notes/*"}, {"notes/meeting.txt", "notes/recipe.txt"}),
        ({"type": "md"}, {"warranty.md"}),
        ({"date": "<2002"}, {"notes/meeting.txt", "notes/recipe.txt", "warranty.md"}),
        ({"date": ">=2002"}, set()),
        ({"path": "absent*"}, set()),
    ):
        hits = kb.search("the warranty, the office and the tea", k=50, where=where)
        assert {hit.path for hit in hits} == expected
    refusal = kb.ask("How long is the warranty?", where={"path": "absent*"})
    assert refusal.refused
    assert refusal.reason
    assert refusal.citations == ()
    with pytest.raises(UsageError, match="pth"):
        kb.search("x", where={"pth": "*"})


@pytest.mark.parametrize("question", ["", "  \n", "x" * 100_001])
def test_questions_that_cannot_be_taken(kb: KnowledgeBase, docs: Path, question: str) -> None:
    kb.ingest(docs)
    with pytest.raises(UsageError, match="question"):
        kb.search(question)
    with pytest.raises(UsageError, match="question"):
        kb.ask(question)


@pytest.mark.parametrize(
    "question", ["?!", "the of and", "日本語", 'a "b:c* (AND', "word " * 20_000]
)
def test_odd_questions_are_answered_or_refused(
    kb: KnowledgeBase, docs: Path, question: str
) -> None:
    kb.ingest(docs)
    assert isinstance(kb.search(question), list)
    answer = kb.ask(question)
    assert answer.text
    assert answer.refused == (answer.reason is not None)


def test_an_empty_base_refuses(kb: KnowledgeBase, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    kb.ingest(tmp_path / "nothing")
    assert kb.search("anything") == []
    answer = kb.ask("anything?")
    assert answer.refused
    assert answer.citations == ()


def test_a_stream_begins_with_sources_and_ends_with_the_answer(
    kb: KnowledgeBase, docs: Path
) -> None:
    kb.ingest(docs)
    events = list(kb.stream("How long is the warranty for the kettle?"))
    assert isinstance(events[0], Sources)
    assert isinstance(events[-1], Answer)
    assert all(isinstance(event, TextDelta) for event in events[1:-1])
    trace = kb.trace(events[-1].trace)
    assert trace.question == "How long is the warranty for the kettle?"
    assert "answer" in trace.spans[-1].outputs


def test_a_language_model_answers_from_the_sources(tmp_path: Path, docs: Path) -> None:
    with ScriptedModel("The kettle has a warranty of three years [1].") as model:
        with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder(), model=model) as kb:
            kb.ingest(docs)
            answer = kb.ask("How long is the warranty for the kettle?")
        assert "three years" in answer.text
        assert answer.model == "scripted"
        assert [citation.path for citation in answer.citations] == ["warranty.md"]
        assert "three years" in "".join(message.content for message in model.calls[0])


def test_a_conversation_is_kept(tmp_path: Path, kb: KnowledgeBase, docs: Path) -> None:
    kb.ingest(docs)
    chat = kb.chat("alice")
    chat.ask("How long is the warranty for the kettle?")
    chat.ask("and the returns?")
    kb.close()
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as again:
        history = again.chat("alice").history
        assert [turn["role"] for turn in history] == ["user", "assistant"] * 2
        assert history[2]["content"] == "and the returns?"
        assert [session.name for session in again.sessions()] == ["alice"]
        again.chat("alice").delete()
        assert again.chat("alice").history == []
        for gone in (again.chat("alice").delete, lambda: again.turns("alice")):
            with pytest.raises(NotFoundError, match="alice"):
                gone()


def test_async_calls(kb: KnowledgeBase, docs: Path) -> None:
    kb.ingest(docs)

    async def run() -> tuple[int, bool, list[object]]:
        hits, answer = await asyncio.gather(
            kb.asearch("kettle", k=2), kb.aask("How long is the kettle's warranty?")
        )
        events = [event async for event in kb.astream("How long is the kettle's warranty?")]
        return len(hits), answer.refused, list(events)

    hits, refused, events = asyncio.run(run())
    assert hits == 2
    assert not refused
    assert isinstance(events[-1], Answer)


def test_delete(kb: KnowledgeBase, docs: Path) -> None:
    kb.ingest(docs)
    assert kb.delete("notes/*") == ("notes/meeting.txt", "notes/recipe.txt")
    assert kb.search("Lisbon office", where={"path": "notes/*"}) == []
    with pytest.raises(NotFoundError, match="absent"):
        kb.delete(["warranty.md", "absent.txt"])
    assert len(kb.documents()) == 1


def test_a_missing_base_and_missing_paths(tmp_path: Path, kb: KnowledgeBase) -> None:
    with pytest.raises(NotFoundError, match="absent"):
        KnowledgeBase(tmp_path / "absent", create=False)
    with pytest.raises(UsageError, match="no such file"):
        kb.ingest(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()
    with pytest.raises(UsageError, match="is empty"):  # not the current folder
        kb.ingest("")


# What each public call is called with, where it needs something.
CALLS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "ingest": ((".",), {}),
    "watch": ((".",), {}),
    "add": (("words",), {"path": "a.txt"}),
    "delete": (("a.txt",), {}),
    "export": (("export.zip",), {}),
    "document": (("a.txt",), {}),
    "text": (("a.txt",), {}),
    "locate": (("a.txt",), {}),
    "memory": (("alice",), {}),
    "turns": (("alice",), {}),
    "delete_session": (("alice",), {}),
    "trace": (("abcd",), {}),
    "recording": (("run",), {}),
    "note_usage": (("extractive", Usage()), {}),
    "calibrate": ((None,), {}),
} | {name: (("What?",), {}) for name in ("search", "retrieve", "ask", "stream", "asearch", "aask")}
CALLS["astream"] = CALLS["aask"]


def every_call(kb: KnowledgeBase) -> Iterator[tuple[str, Callable[[], object]]]:
    for name, member in vars(KnowledgeBase).items():
        if name.startswith("_") or name in ("close", "directory"):
            continue
        arguments, options = CALLS.get(name, ((), {}))
        if isinstance(member, property):
            yield name, partial(getattr, kb, name)
        else:
            yield name, partial(finished, getattr(kb, name), *arguments, **options)


def finished(call: Callable[..., Any], *arguments: Any, **options: Any) -> object:
    """Call, and see to it that what is only begun by the call is done."""

    async def gathered(events: Any) -> list[Any]:
        return [event async for event in events]

    result = call(*arguments, **options)
    if inspect.isasyncgen(result):
        return asyncio.run(gathered(result))
    if inspect.iscoroutine(result):
        return asyncio.run(result)
    if isinstance(result, AbstractContextManager):
        with result:
            return None
    return result


def test_a_closed_base_refuses_every_call(kb: KnowledgeBase, docs: Path) -> None:
    kb.ingest(docs)
    chat = kb.chat("alice")
    kb.close()
    kb.close()
    chats = [partial(chat.ask, "What?"), partial(chat.stream, "What?"), chat.delete]
    calls = [*every_call(kb), *(("chat", call) for call in chats), ("with", kb.__enter__)]
    calls.append(("history", lambda: chat.history))
    for name, call in calls:
        with pytest.raises(KnowledgeBaseError, match="closed"):
            print(name, call())


def test_what_reads_a_base_that_is_not_there_finds_none_and_leaves_nothing(tmp_path: Path) -> None:
    with KnowledgeBase(tmp_path / "typo", embedder=HashEmbedder()) as kb:
        for name, call in every_call(kb):
            if name not in ("ingest", "watch", "add"):
                with pytest.raises(NotFoundError, match="typo"):
                    print(name, call())
    assert not (tmp_path / "typo").exists()


def test_a_model_that_cannot_be_loaded_makes_no_base(tmp_path: Path, docs: Path) -> None:
    with KnowledgeBase(tmp_path / "kb", embedder="no/such-model") as kb:
        with pytest.raises(EmbeddingError):
            kb.ingest(docs)
        with pytest.raises(EmbeddingError):
            kb.add("words", path="a.txt")
    assert not (tmp_path / "kb").exists()


def test_what_is_not_in_the_base_is_not_found(kb: KnowledgeBase, docs: Path) -> None:
    kb.ingest(docs)
    absent: dict[str, Callable[[], object]] = {
        "a document": lambda: kb.document("absent"),
        "its text": lambda: kb.text("absent"),
        "its file": lambda: kb.locate("absent"),
        "to delete": lambda: kb.delete("absent*"),
        "turns": lambda: kb.turns("absent"),
        "a session": lambda: kb.delete_session("absent"),
        "a trace": lambda: kb.trace("absent"),
        "traces": lambda: kb.delete_traces(["absent"]),
    }
    for what, call in absent.items():
        with pytest.raises(NotFoundError, match="absent") as caught:
            print(what, call())
        assert isinstance(caught.value, UsageError)
        assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "call", ["ingest", "watch", "add", "search", "retrieve", "ask", "stream", "chat", "asearch"]
)
def test_errors_of_arguments_name_the_public_class(
    kb: KnowledgeBase, docs: Path, call: str
) -> None:
    kb.ingest(docs)
    arguments, options = CALLS.get(call, (("alice",), {}))
    with pytest.raises(
        (UsageError, TypeError), match=r"KnowledgeBase\.\w+\(\) got an unexpected.*'wher"
    ):
        finished(getattr(kb, call), *arguments, **options, wher={})
    with pytest.raises(
        UsageError, match=r"KnowledgeBase\(\) got .*'modell' \(did you mean 'model'"
    ):
        KnowledgeBase(kb.directory, modell="extractive")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": 3}, r"KnowledgeBase\(\) got model=3; .*'stream'"),
        ({"model": ["extractive", 3]}, r"KnowledgeBase\(\) got model=3; .*'stream'"),
        ({"embedder": 3}, r"KnowledgeBase\(\) got embedder=3; .*'embed'"),
        ({"sinks": [3]}, "a sink must be a function"),
    ],
)
def test_an_object_that_cannot_stand_for_a_name_is_refused_on_opening(
    tmp_path: Path, options: Any, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        KnowledgeBase(tmp_path / "kb", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("question", ["", " \n", None, b"warranty"])
def test_what_is_no_question(kb: KnowledgeBase, docs: Path, question: Any) -> None:
    kb.ingest(docs)
    with pytest.raises(UsageError, match="the question"):
        kb.ask(question)
    with pytest.raises(UsageError, match="the question"):
        kb.search(question)


@pytest.mark.parametrize("k", [0, -1, "5", 2.5, None])
def test_what_is_no_number_of_hits(kb: KnowledgeBase, docs: Path, k: Any) -> None:
    kb.ingest(docs)
    with pytest.raises(UsageError, match="k must be"):
        kb.search("warranty", k=k)


def test_another_embedding_model_is_refused_until_rebuilt(tmp_path: Path, docs: Path) -> None:
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder(dimension=64)) as kb:
        kb.ingest(docs)
        before = state(kb)
    other = HashEmbedder(dimension=32)
    with pytest.raises(FingerprintError, match="rebuild"):
        KnowledgeBase(tmp_path / "kb", embedder=other)
    with KnowledgeBase(tmp_path / "kb") as kb:
        kb.rebuild(embedder=other)
        assert state(kb) == before
    with KnowledgeBase(tmp_path / "kb", embedder=other) as kb:
        assert kb.status().vectors == kb.status().chunks
        assert kb.search("Lisbon office", mode="dense")[0].path == "notes/meeting.txt"


def test_only_one_process_writes(tmp_path: Path, kb: KnowledgeBase, docs: Path) -> None:
    kb.ingest(docs)
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from ragkit.store import Store\n"
        "store = Store.open(Path(sys.argv[1]))\n"
        "with store.writing('a long job'):\n"
        "    print('locked', flush=True)\n"
        "    sys.stdin.read()\n"
        "store.close()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "kb")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(LockedError, match="a long job"):
            kb.ingest(docs)
        assert kb.search("Lisbon office")[0].path == "notes/meeting.txt"
        other.kill()
    assert kb.ingest(docs).same == 3


def test_progress_is_told(kb: KnowledgeBase, docs: Path) -> None:
    events: list[object] = []
    kb.ingest(docs, listener=events.append)
    progress = [event for event in events if isinstance(event, Progress)]
    for stage in ("scan", "load", "embed"):
        last = [event for event in progress if event.stage == stage][-1]
        assert last.done == last.total


def test_an_interrupted_run_is_finished_by_the_next(tmp_path: Path, docs: Path) -> None:
    class Interrupted(HashEmbedder):
        def embed(self, texts, *, kind):  # type: ignore[no-untyped-def]
            raise KeyboardInterrupt

    with KnowledgeBase(tmp_path / "kb", embedder=Interrupted()) as kb:
        with pytest.raises(KeyboardInterrupt):
            kb.ingest(docs)
        assert kb.status().chunks > kb.status().vectors == 0
        result = kb.retrieve("Lisbon office", mode="lexical")
        assert result.hits[0].path == "notes/meeting.txt"
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as kb:
        assert "no vector" in kb.retrieve("Lisbon office").degraded[0]
        report = kb.ingest(docs)
        assert report.same == 3
        assert report.vectors == report.chunks
        assert kb.retrieve("Lisbon office").degraded == ()


def test_the_check_finds_a_healthy_base_healthy(kb: KnowledgeBase, docs: Path) -> None:
    kb.ingest(docs)
    assert {check.status for check in kb.check() if check.name != "sandbox"} == {"ok"}


def test_status(kb: KnowledgeBase, docs: Path) -> None:
    report = kb.ingest(docs)
    status = kb.status()
    assert (status.documents, status.failures) == (3, 0)
    assert (status.chunks, status.vectors) == (report.chunks, report.vectors)
    assert status.characters == sum(map(len, FILES.values()))
    assert status.size_bytes > 0
    assert status.last_ingest
    assert status.fingerprint["embedding"]["dimension"] == HashEmbedder().fingerprint.dimension


@pytest.mark.parametrize("wrong", [{"k": 0}, {"mode": "psychic"}])
def test_wrong_options_are_refused(kb: KnowledgeBase, docs: Path, wrong: dict[str, object]) -> None:
    kb.ingest(docs)
    with pytest.raises(UsageError):
        kb.search("x", **wrong)  # type: ignore[arg-type]


USER = {"role": "user", "content": "Hello"}


@pytest.mark.parametrize(
    ("history", "message"),
    [
        ("Hello", "must be a list of turns"),
        (USER, "must be a list of turns"),
        (7, "must be a list of turns"),
        (["Hello"], r"history\[0\] must be"),
        ([USER, ("user", "Hello")], r"history\[1\] must be"),
        ([USER, {"content": "Hello"}], r"history\[1\] has no 'role'"),
        ([{"role": "user", "text": "Hello"}], r"history\[0\] has no 'content'.*'text'"),
        ([USER, USER, {"role": "system", "content": "x"}], r"history\[2\]\['role'\].*'system'"),
        ([{"role": ["user"], "content": "x"}], r"history\[0\]\['role'\]"),
        ([{"role": "user", "content": None}], r"history\[0\]\['content'\] must be text"),
        ([{"role": "user", "content": [{"type": "text"}]}], "must be text, not 'list'"),
    ],
)
def test_a_malformed_history_is_refused_by_its_entry(
    kb: KnowledgeBase, docs: Path, history: Any, message: str
) -> None:
    kb.ingest(docs)
    for ask in (kb.search, kb.retrieve, kb.ask, kb.stream):
        with pytest.raises(UsageError, match=message):
            ask("And the kettle?", history=history)


def test_a_well_formed_history_is_taken(kb: KnowledgeBase, docs: Path) -> None:
    kb.ingest(docs)
    history = (USER, {"role": "assistant", "content": "", "name": "more is allowed"})
    for turns in (history, list(history), [], None):
        assert kb.search("How long is the warranty?", history=turns)
        assert "three years" in kb.ask("How long is the warranty?", history=turns).text


def test_a_search_loads_nothing_that_only_answers_need(kb: KnowledgeBase, docs: Path) -> None:
    kb.ingest(docs)
    kb.close()
    script = (
        "import sys; from ragkit import KnowledgeBase\n"
        "with KnowledgeBase(sys.argv[1]) as kb:\n"
        "    assert kb.search('kettle', mode='lexical')\n"
        "unneeded = {'ragkit.answer.chain', 'ragkit.agent', 'openai', 'onnxruntime'}\n"
        "assert not unneeded & set(sys.modules), unneeded & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(kb.directory)], check=True)


def test_a_loader_that_is_refused_leaves_the_base_as_it_was(
    tmp_path: Path, kb: KnowledgeBase, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_registered", {})
    kb.ingest(docs)
    before = state(kb)
    (docs / "warranty.md").unlink()
    register(LoaderSpec("shout", (".shout",), lambda source: Document(source.path.name, "shout")))
    with pytest.raises(UsageError, match="the loader of 'shout' files cannot be handed to"):
        kb.ingest(docs)
    assert state(kb) == before
    with KnowledgeBase(tmp_path / "new", embedder=HashEmbedder()) as new:
        for call in (lambda: new.ingest(docs), lambda: new.add(b"Some words.", path="a.txt")):
            with pytest.raises(UsageError, match="the loader of 'shout' files cannot be handed to"):
                call()
    assert not (tmp_path / "new").exists()


class NoVectors(HashEmbedder):
    """An embedder of one's own whose question vectors are none, in the way its name says."""

    def embed(self, texts: Sequence[str], *, kind: TextKind) -> Any:
        rows = super().embed(texts, kind=kind)
        if kind == "passage" or self.name == "right":
            return rows
        return {
            "not finite": np.full_like(rows, np.nan),
            "too short": rows[:, :8],
            "too many": np.concatenate([rows, rows]),
            "texts": [["a", "b"]] * len(texts),
        }[self.name]


@pytest.mark.parametrize("name", ["not finite", "too short", "too many", "texts"])
@pytest.mark.parametrize("traces", ["full", "off"])
def test_an_embedder_that_gives_no_vectors_is_told_of(
    tmp_path: Path, name: str, traces: TraceLevel
) -> None:
    with KnowledgeBase(tmp_path / "kb", embedder=NoVectors(name=name), traces=traces) as kb:
        kb.add("The kettle is guaranteed for three years.", path="kettle.txt")
        found = kb.retrieve("kettle")
        assert [hit.path for hit in found.hits] == ["kettle.txt"]
        assert f"searched by words only: the embedder {name!r} gave" in found.degraded[0]
        with pytest.raises(EmbeddingError, match="check_embedder"):
            kb.search("kettle", mode="dense")


def test_an_embedder_that_gives_a_list_of_another_length_is_right(tmp_path: Path) -> None:
    class Doubled(HashEmbedder):
        def embed(self, texts: Sequence[str], *, kind: TextKind) -> Any:
            return (2 * super().embed(texts, kind=kind)).tolist()

    hits = []
    for embedder in (HashEmbedder(), Doubled()):
        with KnowledgeBase(tmp_path / type(embedder).__name__, embedder=embedder) as kb:
            kb.add("The kettle is guaranteed for three years.", path="kettle.txt")
            hits.append(kb.search("guaranteed kettle", mode="dense"))
    assert hits[0] == hits[1] != []


@pytest.mark.parametrize("options", [{"answers": 5}, {"listener": 5}])
def test_what_is_no_option_is_refused_on_opening(tmp_path: Path, options: Any) -> None:
    with pytest.raises(UsageError, match=r"^KnowledgeBase\(\) got .*=5; it must be"):
        KnowledgeBase(tmp_path / "kb", **options)


def test_a_session_is_named_by_a_text(kb: KnowledgeBase) -> None:
    kb.add("Some words.", path="a.txt")
    with pytest.raises(UsageError, match="a session needs a name, such as 'alice', not 5"):
        kb.chat(5)  # type: ignore[arg-type]
