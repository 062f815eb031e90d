"""How an application's type checker sees ragkit: checked by ``make lint``, run by nobody."""

from __future__ import annotations

from typing import assert_type

from pydantic import BaseModel

from ragkit import Agent, Answer, Hit, KnowledgeBase, Tool, tool
from ragkit.chain import sequence


class Invoice(BaseModel):
    total: float


@tool
def doubled(number: int) -> int:
    """Double a number."""
    return 2 * number


async def usage(kb: KnowledgeBase) -> None:
    assert_type(kb.search("pump", k=3), list[Hit])
    assert_type(kb.ask("pump?", history=[{"role": "user", "content": "hello"}]), Answer)
    assert_type(await kb.aask("pump?"), Answer)
    assert_type(await kb.asearch("pump", k=3), list[Hit])
    assert_type(doubled(2), int)
    anything: Tool = doubled
    agent = Agent("extractive", tools=[anything, kb.as_tool()], output_type=Invoice)
    assert_type(agent.run("total?").output, Invoice | None)
    assert_type((await agent.arun("total?")).output, Invoice | None)
    assert_type(Agent("extractive").run("total?").output, str | None)
    union: Agent[Invoice | int] = Agent("extractive", output_type=Invoice | int)
    assert_type(union.run("total?").output, Invoice | int | None)
    assert_type(sequence(str.upper, len)("a"), int)
