"""What other packages add by entry points: found by name, and told of plainly where it fails."""

from importlib import import_module
from pathlib import Path

import pytest

from ragkit import KnowledgeBase
from ragkit.cli.agents import AgentDesk
from ragkit.errors import UsageError
from ragkit.events.plug_ins import plug_in, plug_in_names

ELSEWHERE = """
from ragkit.agent import tool

SPANS = []

def make():
    return 'made'

def make_sink(rest):
    return lambda span: SPANS.append((rest, span.name))

@tool
def double(number: int) -> int:
    "Double a number."
    return 2 * number

def adder(setting):
    @tool
    def add(number: int) -> int:
        "Add to a number."
        return number + int(setting)
    return [add]
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path in which a package with entry points is installed."""
    (tmp_path / "made_elsewhere.py").write_text(ELSEWHERE)
    (tmp_path / "made_broken.py").write_text("import not_there_at_all\n")
    metadata = tmp_path / "made_elsewhere-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: made-elsewhere\nVersion: 1.0\n"
    )
    (metadata / "entry_points.txt").write_text(
        "[ragkit.tried]\nworks = made_elsewhere:make\nbroken = made_broken:make\n"
        "missing = made_elsewhere:nothing\n"
        "[ragkit.trace_sinks]\nlisted = made_elsewhere:make_sink\n"
        "[ragkit.tools]\ndouble = made_elsewhere:double\nadder = made_elsewhere:adder\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_what_is_named_is_imported(installed: Path) -> None:
    found = plug_in("ragkit.tried", "works")
    assert found is not None and found() == "made"
    assert plug_in("ragkit.tried", "unheard_of") is None
    assert plug_in("ragkit.another", "works") is None
    assert plug_in_names("ragkit.tried") == ["broken", "missing", "works"]


def test_what_cannot_be_imported_says_which_and_why(installed: Path) -> None:
    with pytest.raises(UsageError, match=r"'broken' in 'ragkit.tried' \('made_broken:make'\)"):
        plug_in("ragkit.tried", "broken")
    with pytest.raises(UsageError, match=r"'made_elsewhere:nothing'.*AttributeError"):
        plug_in("ragkit.tried", "missing")


def test_two_packages_with_one_name_are_not_guessed_between(installed: Path) -> None:
    other = installed / "another_one-1.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: another-one\nVersion: 1.0\n")
    (other / "entry_points.txt").write_text("[ragkit.tried]\nworks = another_one:make\n")
    with pytest.raises(UsageError, match=r"several packages: 'another_one:make', 'made_elsewhere"):
        plug_in("ragkit.tried", "works")


def test_trace_sinks_by_name(
    installed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("The warranty lasts two years.", encoding="utf-8")
    with KnowledgeBase(tmp_path / "kb", sinks=["listed:here", "console"]) as kb:
        kb.ingest(tmp_path / "docs")
        kb.ask("How long does the warranty last?")
    made = import_module("made_elsewhere")
    assert ("here", "ask") in made.SPANS
    assert "  ask  " in capsys.readouterr().err
    with pytest.raises(UsageError, match="no trace sink 'unheard'"):
        KnowledgeBase(tmp_path / "kb", sinks=["unheard"])


def test_tools_by_name(installed: Path, tmp_path: Path) -> None:
    desk = AgentDesk(KnowledgeBase(tmp_path / "kb"))
    double, add = desk.tools(["double", "adder:3"])
    assert double.call({"number": 4}).text == "8"
    assert add.call({"number": 4}).text == "7"
    with pytest.raises(UsageError, match="no tool 'unheard'"):
        desk.tools(["unheard"])
