"""Answers by an agent that searches as often as it needs."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from ragkit.agent import Agent, AgentResult, Limits, tool
from ragkit.answer.found import Gathered
from ragkit.answer.prompts import NO_ANSWER
from ragkit.llm.chat_model import Message, Role
from ragkit.question.reading import read_question

if TYPE_CHECKING:
    from ragkit.answer.found import Retrieve
    from ragkit.llm.chat_model import ChatModel
    from ragkit.question.question import Question
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
        gathered: All passages it was shown; ``[n]`` in its text is the one with index ``n - 1``.
        queries: What it searched for, in order.
        text: What it answered.
    """

    gathered: Gathered = field(default_factory=Gathered)
    queries: list[str] = field(default_factory=list)
    text: str = ""


def search_and_answer(question: Question, *, model: ChatModel, retrieve: Retrieve) -> Searched:
    """Let ``model`` search until it has an answer or a limit is reached.

    Its only tool is the search: whatever a document asks for, nothing else can be done.

    Raises:
        ModelError: the model failed before anything was found.
    """
    searched, lock = Searched(), threading.Lock()
    gathered = searched.gathered

    def search(query: str) -> str:
        """Search the documents.

        Args:
            query: What to look for, as a question or in a few words.
        """
        searched.queries.append(query)
        result = retrieve(read_question(query), k=_HITS_EACH)
        with lock:  # a model may search for several things at once
            indices = gathered.add(result)
        if not indices:
            return "No passage matches."
        return "\n\n".join(_shown(index + 1, gathered.hits[index]) for index in indices)

    agent = Agent(
        model,
        tools=[tool(max_result_characters=_RESULT_CHARACTERS)(search)],
        instructions=_INSTRUCTIONS,
        limits=Limits(steps=_STEPS),
        name="answer",
        max_reply_tokens=_MAX_REPLY,
    )
    turns = [Message(cast("Role", turn["role"]), turn["content"]) for turn in question.history]
    for event in agent.stream(question.text, history=turns):
        if isinstance(event, AgentResult):
            searched.text = event.text
            gathered.degraded += event.degraded
            if event.stopped not in ("answer", "steps"):
                gathered.degraded.append(f"{model.name} stopped early: {event.stopped}")
    return searched


def _shown(number: int, hit: Hit) -> str:
    place = hit.path if hit.page is None else f"{hit.path}, page {hit.page}"
    return f"[{number}] {' '.join(place.split())}\n{hit.text.strip()}"
