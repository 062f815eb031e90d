"""``ragkit session`` and the shell's ``/memory``."""

import json
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from prompt_toolkit.history import FileHistory

import ragkit.embed
from ragkit import KnowledgeBase
from ragkit.cli import cli
from ragkit.cli.repl import Shell
from ragkit.cli.terminal import console
from ragkit.cli.typed_lines import history_file
from ragkit.testing import HashEmbedder


@pytest.fixture
def base(tmp_path: Path) -> str:
    (tmp_path / "a.txt").write_text("The kettle holds two litres.", encoding="utf-8")
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as kb:
        kb.ingest(tmp_path / "a.txt")
        kb.chat("alice").ask("How much does the kettle hold?")
        kb.chat("bob").memory.remember("Hello\x1b[2J!", "Good day.")
    return str(tmp_path / "kb")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["session", *arguments])


def test_conversations_are_listed_and_shown(base: str) -> None:
    listed = run("--kb", base)
    assert "2 turns  alice" in listed.stdout
    assert {
        item["name"] for item in json.loads(run("--kb", base, "--json").stdout)["sessions"]
    } == {
        "alice",
        "bob",
    }
    shown = run("alice", "--kb", base).stdout
    assert "assistant: " in shown
    assert "The kettle holds two litres. [1]" in shown
    assert "\x1b" not in run("bob", "--kb", base).stdout


def test_export_holds_turns_with_their_citations(base: str, tmp_path: Path) -> None:
    target = tmp_path / "alice.json"
    assert run("alice", "--kb", base, "--export", str(target)).exit_code == 0
    document = json.loads(target.read_text(encoding="utf-8"))
    assert [turn["role"] for turn in document["turns"]] == ["user", "assistant"]
    [citation] = document["turns"][1]["citations"]
    assert citation["quote"] == "The kettle holds two litres."


def test_delete_means_delete(base: str) -> None:
    done = run("alice", "--kb", base, "--delete")
    assert done.exit_code == 0
    assert "2 turns of 'alice' deleted" in done.stderr
    again = run("alice", "--kb", base)
    assert again.exit_code == 2
    assert "there is no conversation 'alice'" in again.stderr


@pytest.mark.parametrize("option", [["--delete"], ["--export", "x.json"]])
def test_a_name_is_needed(base: str, option: list[str]) -> None:
    done = run("--kb", base, *option)
    assert done.exit_code == 2
    assert "name the conversation" in done.stderr


def test_the_shell_shows_what_was_remembered_and_why(base: str) -> None:
    out = StringIO()
    with KnowledgeBase(base, embedder=HashEmbedder()) as kb:
        shell = Shell(kb, console(out), session="alice", model="extractive")
        shell.handle("/memory entities graph")
        shell.chat.memory.remember("Bo Larsen broke the kettle.", "Noted.")
        shell.handle("What did Bo Larsen do to the kettle?")
        shell.handle("/memory")
        shell.handle("/memory dreams")
    said = out.getvalue()
    assert "Remembers entities, graph (there is also window, summary, turns)." in said
    assert "Bo Larsen broke the kettle.  (entity: it is said of Bo Larsen)" in said
    assert shell.errors == 1
    assert shell.remembers == ("entities", "graph")


def test_memory_is_chosen_where_a_session_is_named(
    base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ragkit.embed, "load_embedder", lambda *_names, **_options: HashEmbedder())
    arguments = ["ask", "And the kettle?", "--kb", base, "--session", "alice", "-v"]
    asked = CliRunner().invoke(cli, [*arguments, "--memory", "window, entities"])
    assert asked.exit_code == 0
    steps = [line.split()[2] for line in asked.stderr.splitlines() if line.startswith("  ")]
    assert steps[:2] == ["window", "entities"]
    assert steps[-2:] == ["ask", "chat"]
    shell = CliRunner().invoke(
        cli, ["shell", "--kb", base, "--memory", "summary,turns"], input="/memory\n"
    )
    assert "Remembers summary, turns (there is also window, entities, graph)." in shell.stdout
    quiet = CliRunner().invoke(cli, arguments[:-1])
    assert quiet.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ask", "Why?", "--memory", "window"], "name one with --session"),
        (["agent", "Why?", "--memory", "window"], "name one with --session"),
        (["ask", "Why?", "--session", "alice", "--memory", "dreams"], "no memory 'dreams'"),
        (["shell", "--memory", ","], "no memory without a name"),
    ],
)
def test_a_memory_that_is_none_is_refused(base: str, arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(cli, [*arguments, "--kb", base])
    assert done.exit_code == 2
    assert message in done.stderr


def test_what_was_typed_in_the_shell_goes_with_its_conversation(base: str) -> None:
    history = FileHistory(str(history_file(Path(base))))
    for typed in ("How much does the\nkettle hold?  ", "Where is Bo?", "/session bob"):
        history.store_string(typed)
    before = history_file(Path(base)).read_bytes()
    with KnowledgeBase(base, embedder=HashEmbedder()) as kb:
        kb.chat("carol").memory.remember("How much does the\nkettle hold?", "Two litres.")
    assert run("carol", "--kb", base, "--delete").exit_code == 0
    assert list(history.load_history_strings()) == ["/session bob", "Where is Bo?"]
    assert history_file(Path(base)).read_bytes() in before
    with KnowledgeBase(base, embedder=HashEmbedder()) as kb:
        shell = Shell(kb, console(StringIO()), session="bob", model="extractive")
        shell.chat.memory.remember("Where is Bo?", "There.")
        shell.handle("/clear")
    assert list(history.load_history_strings()) == ["/session bob"]
