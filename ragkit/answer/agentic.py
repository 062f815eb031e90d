"""Answers by an agent that searches as often as it needs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ragkit.agent import Agent, AgentResult, Limits, tool
from ragkit.answer.prompts import NO_ANSWER
from ragkit.llm.chat_model import Message

if TYPE_CHECKING:
    from ragkit.answer.found import Retrieve
    from ragkit.llm.chat_model import ChatModel
    from ragkit.results import Hit

_STEPS = 12
_HITS_EACH = 6
_MAX_REPLY = 1_024
_RESULT_CHARACTERS = 16_000

_INSTRUCTIONS = f"""\
You answer questions from a collection of documents, which you search with the tool search.

Rules:
- Search before you answer. Search again, in other words or for another part of the question, \
whenever what you found does not answer all of it.
- Use only what the passages say. Do not add anything from memory.
- After each sentence write the number of the passage it rests on in square brackets, like [1] or \
[2][3].
- Be brief, and answer in the language of the question.
- If the documents do not hold the answer, write only this line: {NO_ANSWER}"""


@dataclass(slots=True)
class Searched:
    """What an agent found and said.

    Attributes:
        hits: All passages it was shown; ``[n]`` in its text is the one with index ``n - 1``.
        queries: What it searched for, in order.
        text: What it answered.
        degraded: What went less than well, one sentence each.
    """

    hits: list[Hit] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)
    text: str = ""
    degraded: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, hits: Sequence[Hit]) -> list[int]:
        """Number passages, those that were shown before by their earlier number."""
        with self._lock:  # a model may search for several things at once
            return self._add(hits)

    def _add(self, hits: Sequence[Hit]) -> list[int]:
        places = {(hit.path, hit.start, hit.end): n for n, hit in enumerate(self.hits, start=1)}
        numbers: list[int] = []
        for hit in hits:
            place = (hit.path, hit.start, hit.end)
            if place not in places:
                self.hits.append(hit)
                places[place] = len(self.hits)
            numbers.append(places[place])
        return numbers


def search_and_answer(
    question: str,
    *,
    model: ChatModel,
    retrieve: Retrieve,
    history: Sequence[Mapping[str, str]] = (),
    on_search: Callable[[str], None] | None = None,
) -> Searched:
    """Let ``model`` search until it has an answer or a limit is reached.

    Its only tool is the search: whatever a document asks for, nothing else can be done.

    Raises:
        ModelError: the model failed before anything was found.
    """
    searched = Searched()

    def search(query: str) -> str:
        """Search the documents.

        Args:
            query: What to look for, as a question or in a few words.
        """
        searched.queries.append(query)
        if on_search is not None:
            on_search(query)
        result = retrieve(query, k=_HITS_EACH)
        searched.degraded += [n for n in result.degraded if n not in searched.degraded]
        numbers = searched.add(result.hits)
        if not numbers:
            return "No passage matches."
        return "\n\n".join(_shown(n, searched.hits[n - 1]) for n in numbers)

    agent = Agent(
        model,
        tools=[tool(max_result_characters=_RESULT_CHARACTERS)(search)],
        instructions=_INSTRUCTIONS,
        limits=Limits(steps=_STEPS),
        name="answer",
        max_reply_tokens=_MAX_REPLY,
    )
    turns = [
        Message(turn["role"], turn.get("content", ""))  # type: ignore[arg-type]
        for turn in history
        if turn.get("role") in ("user", "assistant")
    ]
    for event in agent.stream(question, history=turns):
        if isinstance(event, AgentResult):
            searched.text = event.text
            searched.degraded += event.degraded
            if event.stopped not in ("answer", "steps"):
                searched.degraded.append(f"{model.name} stopped early: {event.stopped}")
    return searched


def _shown(number: int, hit: Hit) -> str:
    place = hit.path if hit.page is None else f"{hit.path}, page {hit.page}"
    return f"[{number}] {' '.join(place.split())}\n{hit.text.strip()}"
