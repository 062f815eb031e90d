"""The shell: its commands, what it survives, and how it behaves at a real terminal."""

import contextlib
import io
import json
import os
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

import ragkit.llm
from ragkit import Chat, KnowledgeBase
from ragkit.cli.line_editor import ShellCompleter, run
from ragkit.cli.repl import COMMANDS, Shell, questions_from
from ragkit.cli.terminal import console
from ragkit.errors import ModelError
from ragkit.testing import HashEmbedder, ScriptedModel

REPOSITORY = Path(__file__).resolve().parents[2]
QUESTION = "How long does the warranty last?"


@pytest.fixture(scope="session")
def shell_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shell")
    docs = folder / "docs"
    docs.mkdir()
    (docs / "warranty.txt").write_text(
        "The warranty of the pump lasts 24 months from the day of purchase.\n", encoding="utf-8"
    )
    (docs / "setup.md").write_text(
        "# Setup\n\nFasten the axle with a torque of 40 Nm.\n", encoding="utf-8"
    )
    with KnowledgeBase(folder / "base", embedder=HashEmbedder()) as kb:
        kb.ingest(docs)
    return folder / "base"


@pytest.fixture
def base(shell_base: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(shell_base, tmp_path / "base"))


@pytest.fixture
def kb(base: Path) -> Iterator[KnowledgeBase]:
    with KnowledgeBase(base, embedder=HashEmbedder()) as kb:
        yield kb


class Talk:
    """A shell, and what it has said since it was last asked."""

    def __init__(self, kb: KnowledgeBase, *, interactive: bool = True) -> None:
        self.screen = io.StringIO()
        out = console(self.screen)
        self.shell = Shell(kb, out, session="default", model="extractive", interactive=interactive)

    def say(self, line: str) -> str:
        assert self.shell.handle(line)
        said = self.screen.getvalue()
        self.screen.seek(0)
        self.screen.truncate()
        return said


@pytest.fixture
def talk(kb: KnowledgeBase) -> Talk:
    return Talk(kb)


# -- questions ------------------------------------------------------------------------------------


def test_a_question_is_answered_and_kept(talk: Talk, kb: KnowledgeBase) -> None:
    said = talk.say(QUESTION)
    assert "24 months" in said
    assert "[1] warranty.txt" in said
    assert kb.chat("default").history[0]["content"] == QUESTION


def test_blank_lines_are_nothing(talk: Talk, kb: KnowledgeBase) -> None:
    assert talk.say("") == talk.say("  \t ") == ""
    assert kb.sessions() == []


def test_a_model_that_fails_does_not_end_the_shell(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_arguments: object, **_options: object) -> Iterator[None]:
        raise ModelError("the server did not answer")
        yield

    with monkeypatch.context() as patch:
        patch.setattr(Chat, "stream", fail)
        talk.say(QUESTION)
    assert capsys.readouterr().err == "Error: the server did not answer\n"
    assert talk.shell.errors == 1
    assert "24 months" in talk.say(QUESTION)


def test_an_unexpected_error_does_not_end_it_either(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise ZeroDivisionError("of all things")

    with monkeypatch.context() as patch:
        patch.setattr(Chat, "stream", fail)
        talk.say(QUESTION)
    assert "unexpected error: ZeroDivisionError: of all things" in capsys.readouterr().err
    assert "24 months" in talk.say(QUESTION)


def test_ctrl_c_ends_an_answer_but_not_the_shell(
    kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    talk = Talk(kb)
    piped = Talk(kb, interactive=False)
    with monkeypatch.context() as patch:
        patch.setattr(Chat, "stream", stop)
        assert talk.say(QUESTION) == "(stopped)\n"
        with pytest.raises(KeyboardInterrupt):
            piped.say(QUESTION)
    assert kb.chat("default").history == []


# -- commands -------------------------------------------------------------------------------------


def test_help_names_every_command(talk: Talk) -> None:
    said = talk.say("/help")
    for name, entry in COMMANDS.items():
        assert name in said
        assert entry.help in said


@pytest.mark.parametrize(
    ("typed", "meant"), [("/sorces", "/sources"), ("/so", "/sources"), ("/WHYY", "/why")]
)
def test_an_unknown_command_suggests_the_nearest(
    talk: Talk, capsys: pytest.CaptureFixture[str], typed: str, meant: str
) -> None:
    talk.say(typed)
    assert f"did you mean {meant}?" in capsys.readouterr().err


def test_sources_are_whole_and_numbered(talk: Talk, capsys: pytest.CaptureFixture[str]) -> None:
    talk.say("/sources")
    assert "nothing was asked yet" in capsys.readouterr().err
    talk.say(QUESTION)
    assert talk.shell.last is not None
    quote = talk.shell.last.citations[0].quote
    said = talk.say("/sources 1")
    assert quote in said
    assert said == talk.say("/sources")
    talk.say("/sources 9")
    assert "there is no source '9'" in capsys.readouterr().err


def test_why_shows_stages_ranks_and_scores(talk: Talk) -> None:
    talk.say(QUESTION)
    said = talk.say("/why")
    assert f"question: {QUESTION}" in said
    assert re.search(r"\d+\.\d ms", said)
    assert re.search(r"0\.\d{3}  \(.*lexical 1.*\)  warranty.txt", said)


def test_sessions_are_listed_changed_and_forgotten(talk: Talk, kb: KnowledgeBase) -> None:
    talk.say(QUESTION)
    assert talk.say("/session alice") == "Conversation 'alice' begins.\n"
    talk.say(QUESTION)
    assert talk.say("/session") == "* alice  2 turns\n  default  2 turns\n"
    assert talk.say("/session default") == "Conversation 'default' goes on, 2 turns so far.\n"
    assert talk.say("/clear") == "Forgot 2 turns of 'default'.\n"
    assert [info.name for info in kb.sessions()] == ["alice"]


def test_where_narrows_until_it_is_switched_off(
    talk: Talk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert talk.say("/where") == "All documents.\n"
    assert talk.say("/where path=*.md") == "1 document matches.\nOnly where path=*.md.\n"
    assert "warranty.txt" not in talk.say(QUESTION)
    talk.say("/where colour=red")
    assert "colour" in capsys.readouterr().err
    assert talk.say("/where") == "Only where path=*.md.\n"
    assert talk.say("/where 'date>=2000'") == "2 documents match.\nOnly where date>=2000.\n"
    assert talk.say("/where off") == "All documents.\n"
    assert "24 months" in talk.say(QUESTION)


def test_ls_lists_documents(talk: Talk) -> None:
    rows = [line.split("\t") for line in talk.say("/ls").splitlines()]
    assert [row[0] for row in rows] == ["setup.md", "warranty.txt"]
    assert talk.say("/ls *.pdf") == "No document matches.\n"


def test_model_is_checked_changed_and_used(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert talk.say("/model") == "Answers by extractive.\n"
    talk.say("/model oracle")
    assert "unknown model 'oracle'" in capsys.readouterr().err
    model = ScriptedModel("It lasts 24 months [1].", name="openai:scripted")
    monkeypatch.setattr(ragkit.llm, "load_model", lambda *_names, **_options: model)
    assert talk.say("/model openai:scripted") == "Answers by openai:scripted.\n"
    assert "It lasts 24 months [1]." in talk.say(QUESTION)
    assert talk.shell.last is not None
    assert talk.shell.last.model == "openai:scripted"
    model.assert_done()
    assert talk.say("/model extractive") == "Answers by extractive.\n"
    assert "24 months" in talk.say(QUESTION)


@pytest.mark.parametrize("line", ["/quit", "/QUIT "])
def test_quit_leaves(talk: Talk, line: str) -> None:
    assert not talk.shell.handle(line)


# -- lines from a pipe ----------------------------------------------------------------------------


def test_lines_from_a_pipe() -> None:
    lines = [
        b"\xef\xbb\xbfone\r\n",
        b"two \\\n",
        b"halves\n",
        "drei ß\n".encode(),
        b"\xff\n",
        b"end\\",
    ]
    assert list(questions_from(lines)) == ["one", "two \nhalves", "drei ß", "\ufffd", "end\n"]


RUNNER = """
import sys, time
import ragkit.embed, ragkit.llm
from ragkit.llm import Delta
from ragkit.testing import HashEmbedder

class Slow:
    name = "openai:slow"
    context_window = 8192
    def stream(self, messages, *, max_tokens, temperature=0.0):
        for number in range(400):
            yield Delta(text=f"The warranty lasts 24 months, says sentence {number} [1]. ")
            time.sleep(0.1)

ragkit.embed.load_embedder = lambda *names, **options: HashEmbedder()
ragkit.llm.load_model = lambda *names, **options: Slow()
if __name__ == "__main__":
    from ragkit.cli import main
    main()
"""


@pytest.fixture
def command(base: Path, tmp_path: Path) -> list[str]:
    script = tmp_path / "runner.py"
    script.write_text(RUNNER, encoding="utf-8")
    return [sys.executable, str(script), "shell", "--kb", str(base)]


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAGKIT_")}
    return {**kept, "PYTHONPATH": str(REPOSITORY), "TERM": "xterm-256color"}


def test_questions_from_a_pipe(command: list[str]) -> None:
    lines = f"{QUESTION}\n/session alice\n/nonsense\n{QUESTION}\n"
    done = subprocess.run(
        command,
        input=lines.encode(),
        capture_output=True,
        env=environment(),
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stderr  # one line was no command
    assert done.stdout.decode().count("24 months") >= 2
    assert b"there is no command '/nonsense'" in done.stderr
    assert b"\x1b" not in done.stdout


def test_questions_from_a_pipe_as_json(command: list[str]) -> None:
    done = subprocess.run(
        [*command, "--json"],
        input=f"{QUESTION}\n\n/ls\n/quit\nnever asked\n".encode(),
        capture_output=True,
        env=environment(),
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (answer,) = json.loads(done.stdout)["answers"]
    assert answer["question"] == QUESTION
    assert "24 months" in answer["answer"]
    assert answer["citations"][0]["path"] == "warranty.txt"


# -- line editing ---------------------------------------------------------------------------------


def typed(shell: Shell, keys: str) -> None:
    """Run the shell on a terminal that is not there, with these keys, then Ctrl-D."""
    with create_pipe_input() as source:
        source.send_text(keys + "\x04")
        run(shell, source=source, output=DummyOutput())


@pytest.fixture
def asked(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the shell was given, line by line."""
    lines: list[str] = []

    def handle(line: str) -> bool:
        lines.append(line)
        return line != "/quit"

    monkeypatch.setattr(talk.shell, "handle", handle)
    return lines


@pytest.mark.parametrize(
    ("keys", "lines"),
    [
        ("one\rtwo\r", ["one", "two"]),
        ("one\\\rmore\r", ["one\nmore"]),
        ("one\x1b\rmore\r", ["one\nmore"]),
        ("\x1b[200~pasted\ntext\x1b[201~\r", ["pasted\ntext"]),
        ("half\x03whole\r", ["whole"]),
        ("/quit\rnever\r", ["/quit"]),
        ("back\\slash\r", ["back\\slash"]),
        ("ß в 日本\r", ["ß в 日本"]),
    ],
)
def test_keys(talk: Talk, asked: list[str], keys: str, lines: list[str]) -> None:
    typed(talk.shell, keys)
    assert asked == lines


def test_history_is_kept_for_the_next_shell(
    talk: Talk, asked: list[str], kb: KnowledgeBase
) -> None:
    typed(talk.shell, "first question\r")
    typed(talk.shell, "\x1b[A\r")
    assert asked == ["first question", "first question"]
    (history,) = kb.directory.glob("shell-history.*")
    assert "+first question" in history.read_text(encoding="utf-8")
    if os.name != "nt":
        assert history.stat().st_mode & 0o077 == 0


def test_a_base_without_a_place_for_history(
    talk: Talk,
    asked: list[str],
    kb: KnowledgeBase,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "someone")
    (kb.directory / "shell-history.someone").mkdir()
    typed(talk.shell, "question\r")
    assert asked == ["question"]
    assert "not remembered" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "completions"),
    [
        ("/so", ["/sources"]),
        ("/w", ["/why", "/where"]),
        ("/session a", ["alice"]),
        ("/where p", ["path="]),
        ("/where path=w", ["path=warranty.txt"]),
        ("/where type=m", ["type=markdown"]),
        ("/ls se", ["setup.md"]),
        ("/model ex", ["extractive"]),
        ("what does warr", ["warranty.txt"]),
        ("what does ", []),
        ("/why x", []),
    ],
)
def test_completion(talk: Talk, kb: KnowledgeBase, text: str, completions: list[str]) -> None:
    kb.chat("alice").ask(QUESTION)
    completer = ShellCompleter(talk.shell)
    found = completer.get_completions(Document(text), CompleteEvent(completion_requested=True))
    assert [completion.text for completion in found] == completions


# -- a real terminal ------------------------------------------------------------------------------


# What prompt_toolkit sends at the start of each prompt: "tell me what is pasted".
NEW_PROMPT = "\x1b[?2004h"


class RealTerminal:
    """A process on a pseudo-terminal."""

    def __init__(self, command: list[str]) -> None:
        import fcntl
        import pty
        import struct
        import termios

        self.seen = ""
        self._mark = 0
        self._main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.process = subprocess.Popen(
            command,
            stdin=side,
            stdout=side,
            stderr=side,
            env=environment() | {"PROMPT_TOOLKIT_NO_CPR": "1"},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(side)

    def press(self, keys: str) -> None:
        self._mark = len(self.seen)
        os.write(self._main, keys.encode())

    def wait_for(self, text: str) -> None:
        """Read until ``text`` has come since the last key press."""
        deadline = time.monotonic() + 30
        while text not in self.seen[self._mark :]:
            over = time.monotonic() > deadline or self.process.poll() is not None
            assert not over, f"{text!r} never came:\n{self.seen[self._mark :]}"
            self._read()

    def wait(self) -> int:
        """Wait for the end of the process and return its exit code."""
        deadline = time.monotonic() + 30
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it never ended:\n{self.seen[self._mark :]}"
            self._read()
        return self.process.returncode

    def _read(self) -> None:
        if select.select([self._main], [], [], 0.2)[0]:
            with contextlib.suppress(OSError):  # the other side is closed
                self.seen += os.read(self._main, 65_536).decode("utf-8", "replace")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._main)


@pytest.fixture
def real_terminal(command: list[str]) -> Iterator[Callable[..., RealTerminal]]:
    opened: list[RealTerminal] = []

    def start(*options: str) -> RealTerminal:
        opened.append(RealTerminal([*command, *options]))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.close()


@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals are a POSIX thing")
def test_at_a_real_terminal(real_terminal: Callable[..., RealTerminal]) -> None:
    terminal = real_terminal("--model", "openai:slow")
    terminal.wait_for("Ask a question, or /help.")
    terminal.wait_for(NEW_PROMPT)
    terminal.press(f"{QUESTION}\r")
    terminal.wait_for("24 months")
    terminal.press("\x03")
    terminal.wait_for("(stopped)")
    terminal.wait_for(NEW_PROMPT)
    terminal.press("half a line")
    terminal.wait_for("half a line")
    terminal.press("\x03")
    terminal.wait_for("(Ctrl-D or /quit leaves)")
    terminal.wait_for(NEW_PROMPT)
    terminal.press("/model extractive\r")
    terminal.wait_for("Answers by extractive.")
    terminal.wait_for(NEW_PROMPT)
    terminal.press(f"{QUESTION}\r")
    terminal.wait_for("warranty.txt")
    terminal.wait_for(NEW_PROMPT)
    terminal.press("\x04")
    assert terminal.wait() == 0
    assert "Traceback" not in terminal.seen


@pytest.mark.parametrize("line", ["exit", "quit", "Quit ", "/quit"])
def test_what_ends_other_shells_ends_this_one(kb: KnowledgeBase, line: str) -> None:
    out = console(io.StringIO())
    shell = Shell(kb, out, session="default", model="extractive", interactive=False)
    assert shell.handle("exit strategy?")
    assert shell.handle(" exit")
    assert len(shell.chat.history) == 4
    assert not shell.handle(line)
    assert len(shell.chat.history) == 4
