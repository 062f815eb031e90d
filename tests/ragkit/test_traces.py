"""Traces: what is kept of each question, how it is shown, exported and compared."""

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner

from ragkit import Agent, Answer, KnowledgeBase, ModelError, NotFoundError, UsageError
from ragkit.cli import cli
from ragkit.errors import KnowledgeBaseError
from ragkit.events import ConsoleLines, Event, JsonLines, Notice, Span, recording, span, tree
from ragkit.events.span_documents import span_document, span_from_document
from ragkit.events.traces import MAX_SPANS, Trace, TraceLevel, total_usage
from ragkit.testing import HashEmbedder, ScriptedModel

SECRET = "The vault opens with the word cardamom."


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "vault.md").write_text(f"# Vault\n\n{SECRET}\n", encoding="utf-8")
    return folder


@pytest.fixture
def kb(tmp_path: Path, docs: Path) -> Iterator[KnowledgeBase]:
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as base:
        base.ingest(docs)
        yield base


def names(trace: Trace) -> list[tuple[int, str]]:
    return [(depth, step.name) for depth, step in tree(trace.spans)]


def test_a_question_leaves_a_trace_with_every_stage(kb: KnowledgeBase) -> None:
    with ScriptedModel("The word is cardamom [1].") as model:
        answer = kb.ask("Which word opens the vault?", model=model)
    trace = kb.trace(answer.trace)
    assert trace.question == "Which word opens the vault?"
    steps = names(trace)
    assert steps[0] == (0, "ask")
    assert (1, "retrieve") in steps
    assert (2, "search") in steps
    stages = [name for depth, name in steps if depth == 3]
    assert {"embed", "dense", "lexical"} <= set(stages)
    search = next(step for step in trace.spans if step.name == "search")
    assert SECRET in search.outputs["hits"][0]["text"]
    [root] = [step for step in trace.spans if step.parent is None]
    assert root.outputs["answer"]["text"] == answer.text


def test_a_trace_is_found_by_the_beginning_of_its_id(kb: KnowledgeBase) -> None:
    answer = kb.ask("Which word opens the vault?")
    assert kb.trace(answer.trace[:8]).id == answer.trace
    for absent in ("no-digits", answer.trace[:3]):
        with pytest.raises(NotFoundError, match=absent):
            kb.trace(absent)


def test_an_ambiguous_beginning_is_refused(kb: KnowledgeBase) -> None:
    store = kb._base.store()
    for end in "ab":
        store.put_trace(f"feed{end}", "ask", 1.0, 0.1, '{"question": "", "spans": []}')
    with pytest.raises(UsageError, match="several traces begin with 'feed'"):
        kb.trace("feed")


def test_content_can_be_kept_out(tmp_path: Path, docs: Path) -> None:
    with KnowledgeBase(tmp_path / "facts", embedder=HashEmbedder(), traces="facts") as base:
        base.ingest(docs)
        answer = base.ask("Which word opens the vault?")
        trace = base.trace(answer.trace)
    assert trace.question == ""
    assert "cardamom" not in json.dumps([span_document(step) for step in trace.spans])
    assert trace.seconds > 0


def test_traces_can_be_switched_off(tmp_path: Path, docs: Path) -> None:
    with KnowledgeBase(tmp_path / "off", embedder=HashEmbedder(), traces="off") as base:
        base.ingest(docs)
        answer = base.ask("Which word opens the vault?")
        with pytest.raises(NotFoundError, match=answer.trace):
            base.trace(answer.trace)
        assert base.traces() == []
    with pytest.raises(UsageError, match="not 'loud'"):
        KnowledgeBase(tmp_path / "off", traces="loud")  # type: ignore[arg-type]


def test_sinks_are_told_as_things_happen(tmp_path: Path, docs: Path) -> None:
    spans: list[Span] = []
    with KnowledgeBase(tmp_path / "s", embedder=HashEmbedder(), sinks=[spans.append]) as base:
        base.ingest(docs)
        events = base.stream("Which word opens the vault?")
        next(events)
        assert "search" in [step.name for step in spans]
        assert "ask" not in [step.name for step in spans]
        list(events)
    assert spans[-1].name == "ask"


@pytest.mark.parametrize("level", ["full", "facts", "off"])
def test_a_search_by_itself_tells_sinks_and_is_not_kept(
    tmp_path: Path, docs: Path, level: TraceLevel
) -> None:
    spans: list[Span] = []
    where = tmp_path / "kb"
    with KnowledgeBase(where, embedder=HashEmbedder(), sinks=[spans.append], traces=level) as base:
        base.ingest(docs)
        hits = base.search("Which word opens the vault?", k=2)
        base.ask("Which word opens the vault?")
        assert len(base.traces()) == (level != "off")
    search = [step for step in spans if step.name == "search"]
    assert [step.parent is None for step in search] == [True, False]
    assert (search[0].kind, search[0].attributes["k"], search[0].attributes["hits"]) == (
        "retrieval",
        2,
        len(hits),
    )
    content = None if level == "facts" else {"question": "Which word opens the vault?"}
    assert search[0].inputs == content
    assert search[0].trace != search[1].trace


def test_a_run_is_one_trace_and_questions_are_part_of_it(kb: KnowledgeBase) -> None:
    with kb.recording("research", inputs={"question": "all of it"}):
        answers = [kb.ask("Which word opens the vault?"), kb.ask("Where is the vault?")]
    [trace] = kb.traces()
    assert trace.kind == "research"
    assert {answer.trace for answer in answers} == {trace.id}
    assert [name for depth, name in names(trace) if depth == 1] == ["ask", "ask"]


def test_a_stream_given_up_is_kept_as_cancelled(kb: KnowledgeBase) -> None:
    events = kb.stream("Which word opens the vault?")
    next(events)
    del events
    [trace] = kb.traces()
    [root] = [step for step in trace.spans if step.parent is None]
    assert root.status == "cancelled"


def test_very_long_runs_keep_their_root(kb: KnowledgeBase) -> None:
    with kb.recording("long"):
        for _ in range(MAX_SPANS + 10):
            with span("step", "chain"):
                pass
    [trace] = kb.traces()
    assert trace.dropped == 11
    assert trace.spans[-1].name == "long"
    assert len(trace.spans) == MAX_SPANS


def test_an_answer_does_not_fail_for_its_trace(
    tmp_path: Path, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Event] = []
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder(), listener=told.append) as base:
        base.ingest(docs)

        def full(*_: object, **__: object) -> None:
            raise KnowledgeBaseError("the disk is full")

        monkeypatch.setattr(base._base.store(), "put_trace", full, raising=False)
        assert "cardamom" in base.ask("Which word opens the vault?").text
    assert "the trace could not be kept: the disk is full" in [
        event.message for event in told if isinstance(event, Notice)
    ]


def test_json_lines_hold_every_span_and_come_back(tmp_path: Path) -> None:
    spans: list[Span] = []
    path = tmp_path / "spans.jsonl"
    with JsonLines(path) as sink, recording(sink, spans.append):
        with (
            span("outer", "agent", inputs={"text": "naïve \ud800 \n"}, tool=len),
            span("inner", "tool") as step,
        ):
            step.fail("no such file")
        with span("long", "model", inputs="x" * 100_000):
            pass
    lines = path.read_text(encoding="ascii").splitlines()
    back = [span_from_document(json.loads(line)) for line in lines]
    assert [item.name for item in back] == ["inner", "outer", "long"]
    assert (back[0].status, back[0].error, back[0].parent) == ("error", "no such file", spans[1].id)
    assert back[1].inputs == {"text": "naïve \ud800 \n"}
    assert back[2].inputs.endswith("… (cut; 100,000 characters in all)")


class TestCommand:
    @pytest.fixture
    def base(self, kb: KnowledgeBase) -> str:
        for question in ("Which word opens the vault?", "What <b>opens</b> the vault?"):
            kb.ask(question)
        return str(kb.directory)

    def run(self, *arguments: str) -> str:
        result = CliRunner().invoke(cli, ["trace", *arguments])
        assert result.exit_code == 0, result.stderr
        return result.stdout

    def ids(self, base: str) -> list[str]:
        rows = json.loads(self.run("--kb", base, "--json"))["traces"]
        assert [row["question"] for row in rows] == [
            "What <b>opens</b> the vault?",
            "Which word opens the vault?",
        ]
        return [row["id"] for row in rows]

    def test_a_tree_with_times(self, base: str) -> None:
        shown = self.run(self.ids(base)[1][:10], "--kb", base)
        assert "question: Which word opens the vault?" in shown
        assert "vault.md" in shown
        assert "lexical" in shown

    def test_comparison(self, base: str) -> None:
        first, second = self.ids(base)
        shown = self.run(first, "--compare", second, "--kb", base)
        assert first[:12] in shown
        assert "  search" in shown
        steps = json.loads(self.run(first, "--compare", second, "--kb", base, "--json"))["steps"]
        assert [row["step"] for row in steps if row["depth"] < 2] == [
            "ask",
            "cache",
            "retrieve",
            "decide",
        ]
        assert all(row["first"]["seconds"] >= 0 <= row["second"]["seconds"] for row in steps)

    def test_export(self, base: str, tmp_path: Path) -> None:
        page, lines = tmp_path / "t.html", tmp_path / "t.jsonl"
        self.run("--kb", base, "--export", str(page))
        text = page.read_text(encoding="utf-8")
        assert "What &lt;b&gt;opens&lt;/b&gt; the vault?" in text
        assert "<b>" not in text
        assert "<script" not in text
        self.run("--kb", base, "--export", str(lines))
        names = [json.loads(line)["name"] for line in lines.read_text("utf-8").splitlines()]
        assert names.count("ask") == 2

    def test_delete(self, base: str) -> None:
        first, second = self.ids(base)
        assert json.loads(self.run(first[:12], "--delete", "--kb", base, "--json")) == {
            "deleted": 1
        }
        rows = json.loads(self.run("--kb", base, "--json"))["traces"]
        assert [row["id"] for row in rows] == [second]
        self.run("--delete", "--kb", base)
        assert self.run("--kb", base) == ""
        with KnowledgeBase(base, embedder=HashEmbedder()) as kb:
            assert kb.delete_traces() == 0

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--compare", "abcd"], "--compare needs two traces"),
            (["--delete", "--export", "t.html"], "--delete goes with neither"),
            (["--export", "traces.pdf"], "must end in .jsonl or .html"),
            (["beefbeefbeef"], "there is no trace 'beefbeefbeef'"),
        ],
    )
    def test_misuse(self, base: str, arguments: list[str], message: str) -> None:
        result = CliRunner().invoke(cli, ["trace", *arguments, "--kb", base])
        assert result.exit_code == 2
        assert message in result.stderr


def test_an_answer_that_was_read_to_its_end_is_not_cancelled(kb: KnowledgeBase) -> None:
    chat = kb.chat("alice")
    for ask in (kb.ask, chat.ask):
        answer = ask("Which word opens the vault?")
        trace = kb.trace(answer.trace)
        assert {step.status for step in trace.spans} == {"ok"}
        [root] = [step for step in trace.spans if step.parent is None]
        assert root.outputs["answer"]["text"] == answer.text


def test_the_trace_is_kept_before_the_answer_is_handed_out(kb: KnowledgeBase) -> None:
    for events in (kb.stream("Which word opens?"), kb.chat("bob").stream("Which word opens?")):
        answer = next(event for event in events if isinstance(event, Answer))
        assert kb.trace(answer.trace) is not None  # while the stream is still held open


def test_questions_without_an_answer_go_with_their_session(kb: KnowledgeBase) -> None:
    chat = kb.chat("alice")
    given_up = chat.stream("Is plutonium in the vault?")
    next(given_up)
    del given_up
    with pytest.raises(UsageError):
        chat.ask("polonium " * 20_000)
    agent = Agent(ScriptedModel(ModelError("out of order")), memory=kb.memory("alice"))
    with kb.recording("agent", inputs={"question": "radium?"}), pytest.raises(ModelError):
        agent.run("radium?")
    kb.ask("Which word opens the vault?")
    assert [trace.kind for trace in kb.traces()] == ["ask", "agent", "chat", "chat"]
    with pytest.raises(NotFoundError, match="alice"):
        kb.turns("alice")
    kb.delete_session("alice")
    assert [trace.kind for trace in kb.traces()] == ["ask"]
    with pytest.raises(NotFoundError, match="alice"):
        kb.delete_session("alice")
    kb.close()
    for file in kb.directory.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert not any(word in content for word in (b"plutonium", b"polonium", b"radium"))


def test_console_lines_say_what_is_done_as_it_is_done() -> None:
    told = StringIO()
    with recording(ConsoleLines(told)), span("task", "agent"):
        with span("m\x1b[2J\nx", "model", model="m") as step:
            step.set(input_tokens=1200, output_tokens=3, cost=0.5, finish_reason="stop")
        with span("look", "tool", inputs={"word": "cardamom"}) as step:
            step.fail("no\nsuch file")
        assert len(told.getvalue().splitlines()) == 2
    model, tool, task = told.getvalue().splitlines()
    assert "1,200 tokens read, 3 written, cost 0.5000  finish reason stop" in model
    assert "\x1b" not in model
    assert tool.endswith("error: no\ufffdsuch file")
    assert "cardamom" not in told.getvalue()
    assert " s  task  " in task


def test_retries_and_failures_do_not_hide_what_a_trace_cost() -> None:
    spans: list[Span] = []
    with recording(spans.append), span("task", "agent"):
        with span("m", "model", model="m") as step:
            step.fail("connection refused")
        with span("retry", "model", reason="connection refused"):
            pass
        with span("m", "model", model="m") as step:
            step.set(input_tokens=10, output_tokens=5, cost=0.25)
    assert total_usage(spans) == {
        "calls": 2,
        "input_tokens": 10,
        "output_tokens": 5,
        "cost": 0.25,
    }
