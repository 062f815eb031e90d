"""The built-in tools where they belong: called by a model, through an agent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ragkit.agent import Agent, tools
from ragkit.agent.tools import calculator, file_tools, python_tool
from ragkit.llm.chat_model import ToolCall
from ragkit.testing import ScriptedModel


def test_an_agent_uses_them(tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text("lamp,19.90\ntable,80.10\n", encoding="utf-8")
    code = "print(sum([19.90, 80.10]))"
    with ScriptedModel(
        ToolCall("1", "read_file", '{"path": "prices.csv"}'),
        ToolCall("2", "read_file", '{"path": "../secret"}'),
        ToolCall("3", "calculator", '{"expression": "19.90 + 80.10 + 19%"}'),
        ToolCall("4", "python", f'{{"code": {code!r}}}'.replace("'", '"')),
        "With tax it is 119.",
    ) as model:
        agent = Agent(model=model, tools=[calculator, python_tool(), *file_tools(tmp_path)])
        result = agent.run("What do they cost together with tax?")
    assert result.output == "With tax it is 119."
    results = [call.result for step in result.steps for call in step.calls]
    assert "lamp,19.90" in results[0]
    assert "outside the folder" in results[1]
    assert results[2:] == ["119", "100.0"]
    assert [call.error for step in result.steps for call in step.calls] == [
        False, True, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize("name", tools.__all__)
def test_every_tool_is_there(name: str) -> None:
    assert callable(getattr(tools, name))
    assert name in dir(tools)


def test_what_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tools.nothing  # noqa: B018


def test_importing_the_tools_loads_none() -> None:
    heavy = "sqlalchemy sqlglot ddgs httpx2 yaml psycopg ctypes lxml"
    code = (
        "import sys, ragkit.agent.tools, ragkit.chain\n"
        f"print(sorted(set(sys.modules) & set({heavy.split()!r})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
