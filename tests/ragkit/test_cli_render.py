"""How text reaches a terminal: wrapped, coloured, and unable to drive it."""

import contextlib
import io
import itertools
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from ragkit.cli.bars import ProgressDisplay
from ragkit.cli.ls import print_documents
from ragkit.cli.output import human_seconds, human_size, plural, printable, printable_path
from ragkit.cli.render import AnswerWriter, stream_answer
from ragkit.cli.terminal import TerminalConsole, console
from ragkit.events import Progress
from ragkit.results import Answer, Sources, TextDelta, Usage
from ragkit.store.records import StoredDocument

REPOSITORY = Path(__file__).resolve().parents[2]
BUSY = """
import signal, threading
from ragkit.cli.bars import ProgressDisplay
from ragkit.cli.stopping import prompt_stop
from ragkit.events import Progress

signal.signal(signal.SIGINT, lambda *_: None)  # as if it were deep in a library
with ProgressDisplay() as bars, prompt_stop(lambda: "Stopped. All is kept.", clear=bars.close):
    bars(Progress("embed", 1, 9, "passages"))
    threading.Event().wait(60)
"""


def screen(width: int = 40) -> TerminalConsole:
    out = console(io.StringIO())
    out.width = width
    return out


class Screen(io.StringIO):
    """A terminal that remembers what was sent to it."""

    def isatty(self) -> bool:
        return True

    def lines(self) -> list[str]:
        """Return what is to be seen."""
        lines, row = [""], 0
        for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\n|\r|[^\x1b\n\r]+", self.getvalue()):
            if part == "\n":
                row += 1
                lines += [""] * (row >= len(lines))
            elif part.endswith("A") and part[0] == "\x1b":
                row = max(0, row - int(part[2:-1] or 1))
            elif part == "\x1b[2K":
                lines[row] = ""
            elif part[0] not in "\x1b\r":
                lines[row] += part
        return lines


def shown(out: TerminalConsole) -> str:
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def write(pieces: list[str], width: int = 40) -> str:
    out = screen(width)
    writer = AnswerWriter(out)
    for piece in pieces:
        writer.write(piece)
    writer.finish()
    return shown(out)


def test_an_answer_is_wrapped_between_words() -> None:
    text = "The warranty of the pump lasts 24 months from the day of purchase [1]."
    written = write(re.findall(r"\S+\s*", text))
    assert written.endswith("\n")
    assert all(cell_len(line) <= 40 for line in written.splitlines())
    assert " ".join(written.split()) == text


def test_lines_of_the_answer_are_kept() -> None:
    assert write(["- one\n", "- two\n\nend"]) == "- one\n- two\n\nend\n"


def test_wide_characters_count_twice() -> None:
    written = write(["保証は 二十四 か月 です " * 5], width=20)
    assert all(cell_len(line) <= 20 for line in written.splitlines())


@given(st.text(max_size=300), st.data())
def test_nothing_is_lost_or_added_however_it_is_cut(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    edges = [0, *cuts, len(text)]
    pieces = [text[start:end] for start, end in itertools.pairwise(edges)]
    assert "".join(write(pieces).split()) == "".join(printable(text).split())


def test_a_script_without_spaces_streams_too() -> None:
    out = screen()
    writer = AnswerWriter(out)
    writer.write("保" * 60)
    assert "保" in shown(out)


def answer(text: str) -> Answer:
    return Answer(text, False, None, (), (), (), "openai:m", Usage(), 0.1, "t")


def test_a_stream_is_printed_once() -> None:
    out = screen()
    events = [
        Sources(()),
        TextDelta("It lasts "),
        TextDelta("two years."),
        answer("It lasts two years."),
    ]
    assert stream_answer(out, events, waiting=True).text == "It lasts two years."
    assert shown(out) == "It lasts two years.\n"


def test_an_answer_that_replaces_what_was_streamed_is_printed() -> None:
    out = screen()
    stream_answer(out, [TextDelta("It la"), answer("Two years.")], waiting=False)
    assert shown(out) == "It la\nThis takes the place of the above:\nTwo years.\n"


def test_a_stream_that_breaks_off_ends_its_line() -> None:
    out = screen()

    def events() -> object:
        yield TextDelta("It lasts ")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stream_answer(out, events(), waiting=False)  # type: ignore[arg-type]
    assert shown(out) == "It lasts\n"


@given(st.text())
def test_printable_text_cannot_drive_a_terminal(text: str) -> None:
    safe = printable(text)
    assert len(safe) == len(text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", safe)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", printable_path(text))


def test_numbers_for_people() -> None:
    assert [plural(1, "file"), plural(1234, "file")] == ["1 file", "1,234 files"]
    assert [human_size(n) for n in (0, 999, 1000, 8_512_345, 999_960, 5e12)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "8.5 MB",
        "1.0 MB",
        "5.0 TB",
    ]
    assert [human_seconds(n) for n in (0.012, 0.9996, 1.23, 59.97, 125, 3661)] == [
        "12 ms",
        "1.0 s",
        "1.2 s",
        "1 min 0 s",
        "2 min 5 s",
        "1 h 1 min",
    ]


def listed(path: str) -> StoredDocument:
    return StoredDocument(
        id=1,
        root_id=1,
        relative_path=path,
        path=path,
        format="text",
        title=None,
        pages=0,
        chunks=6,
        vectors=6,
        characters=2100,
        size=2100,
        mtime_ns=0,
        sha256="",
        encoding="utf-8",
        added_at=0.0,
        metadata={},
        warnings=(),
    )


@pytest.mark.parametrize("width", [64, 100])
def test_a_list_of_documents_keeps_room_for_paths(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    path = "notes/2025-05-12-product-meeting.txt"
    stream = Screen()
    print_documents([listed(path)], stream)
    assert path in stream.getvalue()
    assert ("Date" in stream.getvalue()) is (width == 100)


def test_what_is_printed_between_bars_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    with ProgressDisplay() as display:
        for number in range(3):
            for stage in ("scan", "load", "embed"):
                display(Progress(stage, 1, 1, "files"))  # type: ignore[arg-type]
            with display.paused():
                screen.write(f"report {number}\n")
    assert [line for line in screen.lines() if line] == ["report 0", "report 1", "report 2"]


def test_a_narrow_screen_breaks_no_path_of_ls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    terminal = Screen()
    path = "handbooks/of the pumps/maintenance-and-repair-of-the-large-ones.pdf"
    print_documents([listed(path)], terminal)
    assert any(line.strip() == path for line in terminal.lines())


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals and terminals")
def test_ctrl_c_is_answered_below_no_bars_while_a_library_is_busy() -> None:
    import pty

    main, other = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", BUSY],
        stdin=other,
        stdout=other,
        stderr=other,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "TERM": "xterm", "COLUMNS": "80"},
    )
    os.close(other)
    said = b""
    try:
        while b"Computing vectors" not in said:
            said += os.read(main, 4096)
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):  # the other end is closed
            while data := os.read(main, 4096):
                said += data
        assert process.wait(30) == 130
    finally:
        process.kill()
        process.wait()
        os.close(main)
    drawn = Screen()
    drawn.write(said.decode().replace("\r\n", "\n"))
    seen = [line.strip() for line in drawn.lines() if line.strip()]
    assert seen == ["Stopped. All is kept."]
