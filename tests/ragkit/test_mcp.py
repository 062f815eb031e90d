"""MCP: tools of a server in a process of its own, and a knowledge base as such a server."""

from __future__ import annotations

import io
import shlex
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from ragkit import Agent, KnowledgeBase, RagkitError, UsageError
from ragkit.agent.mcp_client import mcp_tools
from ragkit.agent.tools import base_tools
from ragkit.cli.repl import Shell
from ragkit.cli.terminal import console
from ragkit.llm import ToolCall
from ragkit.testing import HashEmbedder, ScriptedModel

pytest.importorskip("mcp", reason="mcp is not installed")

SERVER = """
import os, time
from ragkit import ToolError, tool
from ragkit.agent.mcp_server import mcp_server, serve

@tool
def add(a: int, b: int) -> int:
    "Add two numbers."
    return a + b

@tool(confirm=True)
def erase(name: str) -> str:
    "Erase something."
    return f"erased {name}"

@tool
def fail() -> str:
    raise ToolError("closed on Mondays")

@tool
def secret() -> str:
    return os.environ.get("SECRET", "none") + os.environ.get("GIVEN", "")

@tool(name="odd-name_1")
def slow() -> str:
    time.sleep(30)
    return "late"

@tool
def leave() -> str:
    os._exit(3)

print("noise that must not break the protocol")
serve(mcp_server([add, erase, fail, secret, slow, leave], name="test"))
"""


# It speaks the protocol by hand, for what it declares is not what it returns.
FALSE_SERVER = """
import json, sys

OUTPUT = {"type": "object", "properties": {"x": {"type": "string", "pattern": "^(a+)+$"}}}
TOOL = {"name": "show", "inputSchema": {"type": "object"}, "outputSchema": OUTPUT}
RESULTS = {
    "initialize": {
        "protocolVersion": "2025-06-18",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "false", "version": "1"},
    },
    "tools/list": {"tools": [TOOL]},
    "tools/call": {
        "content": [{"type": "text", "text": "printed"}],
        "structuredContent": {"x": "a" * 60 + "!"},
    },
}
for line in sys.stdin:
    asked = json.loads(line)
    if "id" in asked:
        reply = {"jsonrpc": "2.0", "id": asked["id"]}
        if asked["method"] in RESULTS:
            reply["result"] = RESULTS[asked["method"]]
        else:
            reply["error"] = {"code": -32601, "message": "Method not found"}
        print(json.dumps(reply), flush=True)
"""


def test_what_a_tool_returned_is_read_in_whatever_form(tmp_path: Path) -> None:
    """Neither is its own pattern run over it, which would never end, nor is what it says lost."""
    (tmp_path / "server.py").write_text(FALSE_SERVER, encoding="utf-8")
    with mcp_tools([sys.executable, str(tmp_path / "server.py")], timeout=20) as tools:
        (show,) = tools
        said = show.call({}).text
        assert said.startswith("printed\n(Not as this tool declares what it returns: ")


ENDLESS = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    reply = {"jsonrpc": "2.0", "id": asked["id"]}
    if asked["method"] == "initialize":
        reply["result"] = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
                           "serverInfo": {"name": "endless", "version": "1"}}
    elif asked["method"] == "tools/list":
        number = int((asked.get("params") or {}).get("cursor") or 0)
        open("asked", "a").write(".")
        reply["result"] = {"tools": [], "nextCursor": str(STEP * number + 1)}
    else:
        reply["error"] = {"code": -32601, "message": "Method not found"}
    print(json.dumps(reply), flush=True)
open("ended", "w").close()
"""


@pytest.mark.parametrize(("step", "said"), [(0, "goes in circles"), (1, "does not end")])
def test_a_list_of_tools_without_an_end_is_given_up(tmp_path: Path, step: int, said: str) -> None:
    (tmp_path / "server.py").write_text(f"STEP = {step}\n{ENDLESS}", encoding="utf-8")
    before = threading.active_count()
    command = [sys.executable, str(tmp_path / "server.py")]
    with pytest.raises(RagkitError, match=said), mcp_tools(command, folder=tmp_path):
        pass
    assert len((tmp_path / "asked").read_text(encoding="utf-8")) == (2 if step == 0 else 101)
    assert threading.active_count() == before
    assert (tmp_path / "ended").exists()


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    (tmp_path / "server.py").write_text(SERVER, encoding="utf-8")
    return [sys.executable, str(tmp_path / "server.py")]


REPOSITORY = str(Path(__file__).resolve().parents[2])


def test_tools_of_a_server_are_tools_of_an_agent(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "hidden")
    environment = {"GIVEN": "yes", "PYTHONPATH": REPOSITORY}
    with mcp_tools(command, environment=environment, prefix="t_", timeout=20) as tools:
        by_name = {tool.name: tool for tool in tools}
        assert set(by_name) == {"t_add", "t_erase", "t_fail", "t_secret", "t_odd-name_1", "t_leave"}
        assert by_name["t_add"].description == "Add two numbers."
        assert not by_name["t_add"].needs_approval({})
        assert by_name["t_erase"].needs_approval({})
        assert by_name["t_add"].call({"a": 1, "b": 2}).text == "3"
        assert 'is not of type "integer"' in by_name["t_add"].call({"a": "x", "b": 2}).text
        failed = by_name["t_fail"].call({})
        assert (failed.text, failed.error) == ("closed on Mondays", True)
        assert by_name["t_secret"].call({}).text == "noneyes"
        with ScriptedModel(ToolCall("c", "t_add", '{"a": 2, "b": 2}'), "4") as model:
            result = Agent(model, tools=tools).run("2 + 2?")
        assert result.steps[0].calls[0].result == "4"
    gone = by_name["t_add"].call({"a": 1, "b": 2})
    assert gone.error
    assert "not connected any more" in gone.text


def test_a_server_that_hangs_or_dies_is_reported(command: list[str]) -> None:
    environment = {"PYTHONPATH": REPOSITORY}
    with mcp_tools(command, environment=environment, timeout=1.0) as tools:
        by_name = {tool.name: tool for tool in tools}
        slow = by_name["odd-name_1"].call({})
        assert slow.error
        left = by_name["leave"].call({})
        assert left.error


def test_what_is_no_server_says_so(tmp_path: Path) -> None:
    with pytest.raises(RagkitError, match="cannot be used"), mcp_tools(["/no/such/program"]):
        pass
    with (
        pytest.raises(RagkitError, match="cannot be used"),
        mcp_tools([sys.executable, "-c", "print('hello')"]),
    ):
        pass
    with pytest.raises(UsageError, match="in a list"), mcp_tools("npx server"):
        pass
    with pytest.raises(UsageError, match="needs a program"), mcp_tools([]):
        pass


@pytest.fixture
def base(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "heron.md").write_text("# Heron\n\nThe warranty of the heron is two years.\n")
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as kb:
        kb.ingest(docs)
    return tmp_path / "kb"


def test_a_knowledge_base_is_served_over_standard_streams(base: Path) -> None:
    command = [sys.executable, "-m", "ragkit", "mcp", "--kb", str(base)]
    with mcp_tools(command, environment={"PYTHONPATH": REPOSITORY}, timeout=60) as tools:
        by_name = {tool.name: tool for tool in tools}
        assert set(by_name) == {"search_kb", "ask_kb", "read_document", "list_documents"}
        assert not any(tool.needs_approval({}) for tool in tools)
        assert by_name["list_documents"].call({}).text.startswith("heron.md")
        read = by_name["read_document"].call({"path": "heron.md", "start": 9, "length": 12})
        assert read.text == "[heron.md, characters 9 to 21 of 49]\nThe warranty"
        missing = by_name["read_document"].call({"path": "crane.md"})
        assert missing.error
        assert "no document 'crane.md'" in missing.text


def test_the_shell_takes_tools_of_a_server_and_lets_them_go(
    base: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    replies = [ToolCall("c", "add", '{"a": 1, "b": 2}'), "3"]
    model = ScriptedModel(*replies, name="scripted:test")
    monkeypatch.setattr("ragkit.cli.agents.load_model", lambda *_names, **_options: model)
    server = Path(command[1])
    server.write_text(f"import sys\nsys.path.insert(0, {REPOSITORY!r})\n{SERVER}", encoding="utf-8")
    with KnowledgeBase(base, embedder=HashEmbedder()) as kb, model:
        text = io.StringIO()
        shell = Shell(kb, console(text), session="s", model="openai:scripted")
        with closing(shell):
            shell.handle(f'/agent "mcp:{shlex.join(command)}"')
            shell.handle("1 + 2?")
        assert shell.errors == 0
        assert "\n3\n" in text.getvalue()
    assert not [thread for thread in threading.enumerate() if thread.name == "ragkit-mcp"]


def test_what_a_knowledge_base_serves(base: Path) -> None:
    with KnowledgeBase(base, embedder=HashEmbedder()) as kb:
        by_name = {tool.name: tool for tool in base_tools(kb)}
        found = by_name["search_kb"].call({"query": "warranty of the heron"})
        assert "[heron.md] (Heron)" in found.text
        answered = by_name["ask_kb"].call({"question": "How long is the warranty of the heron?"})
        assert "two years" in answered.text
        assert "heron.md" in answered.text
        assert "no such documents" in by_name["list_documents"].call({"path": "*.pdf"}).text
