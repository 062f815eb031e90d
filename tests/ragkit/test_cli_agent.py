"""`ragkit agent` and the shell's commands about agents, traces and costs."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import ragkit.embed
from ragkit import KnowledgeBase, ModelError
from ragkit.cli import cli
from ragkit.cli.repl import Shell
from ragkit.cli.terminal import console
from ragkit.llm import ToolCall
from ragkit.testing import HashEmbedder, ScriptedModel

Run = Callable[..., Result]
SUM = ToolCall("c1", "calculator", '{"expression": "1 + 2"}')


@pytest.fixture
def base(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "heron.md").write_text("# Heron\n\nThe warranty of the heron is two years.\n")
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as kb:
        kb.ingest(docs)
    return tmp_path / "kb"


@pytest.fixture
def run(base: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    for name in [name for name in os.environ if name.startswith("RAGKIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(ragkit.embed, "load_embedder", lambda *_names, **_options: HashEmbedder())
    models: list[ScriptedModel] = []

    def run(*arguments: str, replies: Any = (), **options: Any) -> Result:
        model = ScriptedModel(*replies, name="scripted:test")
        models.append(model)
        monkeypatch.setattr("ragkit.cli.agents.load_model", lambda *_names, **_options: model)
        given = ["agent", *arguments, "--kb", str(base), "--model", "openai:scripted"]
        return CliRunner().invoke(cli, given, **options)

    yield run
    for model in models:
        model.assert_done()


def test_one_task_shows_its_steps_and_keeps_a_trace(run: Run, base: Path) -> None:
    search = ToolCall("c0", "search_kb", '{"query": "warranty"}')
    result = run("How long?", replies=[search, SUM, "Two years (heron.md)."])
    assert result.exit_code == 0
    assert result.stdout == "Two years (heron.md).\n"
    assert '→ search_kb {"query": "warranty"}' in result.stderr
    assert "← [heron.md] (Heron)" in result.stderr
    assert "← 3" in result.stderr
    assert "3 steps" in result.stderr
    with KnowledgeBase(base, embedder=HashEmbedder()) as kb:
        trace = kb.traces()[0]
    assert (trace.kind, trace.question) == ("agent", "How long?")
    assert {"search_kb", "calculator", "scripted:test"} <= {span.name for span in trace.spans}


def test_json_has_the_whole_run(run: Run) -> None:
    result = run("1 + 2?", "--json", replies=[SUM, "3"])
    document = json.loads(result.stdout)
    assert (document["answer"], document["stopped"]) == ("3", "answer")
    assert document["steps"][0]["calls"][0]["result"] == "3"
    assert document["usage"]["input_tokens"] > 0
    assert document["trace"]


def test_limits_and_failures_have_their_exit_codes(run: Run) -> None:
    limited = run("1 + 2?", "--steps", "1", replies=[SUM, "Perhaps 3."])
    assert limited.exit_code == 1
    assert "the limit of 1 steps is reached" in limited.stderr
    assert "stopped: steps" in limited.stderr
    failed = run("1 + 2?", replies=[ModelError("no such key")])
    assert failed.exit_code == 3
    assert "no such key" in failed.stderr
    assert run("--json").exit_code == 2


def test_tools_by_name(run: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("buy milk", encoding="utf-8")
    read = ToolCall("c1", "read_file", '{"path": "notes.txt"}')
    result = run("What to buy?", "--tool", f"files:{tmp_path}", replies=[read, "Milk."])
    assert "buy milk" in result.stderr
    for wrong in ("magic", "files", "sql:", "openapi:x", "mcp:"):
        refused = run("x", "--tool", wrong)
        assert refused.exit_code == 2
        assert "there is no tool" in refused.stderr


def test_an_agent_needs_a_language_model(base: Path) -> None:
    result = CliRunner().invoke(cli, ["agent", "hello", "--kb", str(base)])
    assert result.exit_code == 2
    assert "an agent needs a language model" in result.stderr


def test_calls_that_change_something_are_refused_where_nobody_can_be_asked(
    run: Run, tmp_path: Path
) -> None:
    document = {
        "openapi": "3.0.0",
        "info": {"title": "t", "version": "1"},
        "paths": {"/things": {"post": {"operationId": "create", "responses": {}}}},
    }
    path = tmp_path / "api.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    create = ToolCall("c1", "create", "{}")
    result = run(
        "Create.", "--tool", f"openapi:http://127.0.0.1:9={path}", replies=[create, "Not done."]
    )
    assert "did not allow this call: calls that need consent" in result.stderr


def test_lines_from_a_pipe_are_one_conversation(run: Run, base: Path) -> None:
    result = run(input="1 + 2?\nand again?\n", replies=[SUM, "3", "Still 3."])
    assert result.exit_code == 0
    assert "3\n" in result.stdout
    assert "Still 3." in result.stdout
    with KnowledgeBase(base, embedder=HashEmbedder()) as kb:
        history = kb.chat("default").history
    assert [turn["content"] for turn in history] == ["1 + 2?", "3", "and again?", "Still 3."]


def test_the_shell_turns_agents_on_and_off_shows_traces_and_costs(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ScriptedModel(SUM, "It is 3.", name="scripted:test")
    monkeypatch.setattr("ragkit.cli.agents.load_model", lambda *_names, **_options: model)
    text = io.StringIO()
    with KnowledgeBase(base, embedder=HashEmbedder()) as kb, model:
        shell = Shell(kb, console(text), session="s", model="extractive")

        def say(line: str) -> str:
            text.seek(0)
            text.truncate()
            shell.handle(line)
            return text.getvalue()

        assert "No language model was used yet" in say("/cost")
        say("/trace")
        assert shell.errors == 1
        assert "No agent" in say("/agent")
        say("/agent on")
        assert shell.errors == 2  # extractive answers are no agent
        shell.model = "openai:scripted"
        assert "with search_kb, calculator" in say("/agent on")
        assert "agent with search_kb, calculator" in shell.summary()
        assert "It is 3." in say("1 + 2?")
        assert "calculator" in say("/trace")
        assert "calculator" in say("/why")
        assert "For the last question: 0 turns as they were." in say("/memory")
        assert "scripted:test: 1 answer, 2 calls" in say("/cost")
        assert "with calculator" in say("/agent calculator")
        say("/agent magic")
        assert shell.errors == 3
        assert "No agent" in say("/agent off")
        shell.model = "extractive"
        shell.chat = kb.chat("s", model="extractive")
        assert "two years" in say("How long is the warranty of the heron?")
        assert "search" in say("/trace")
