"""An answer by a language model: what it is asked, in which steps, and what came of it."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ragkit.answer.citations import CitedText
from ragkit.answer.prompts import (
    NO_ANSWER,
    Notes,
    Prompt,
    Task,
    build_notes_prompt,
    build_prompt,
)
from ragkit.answer.reply import Reply
from ragkit.errors import PromptTooLongError
from ragkit.events import carried, span
from ragkit.events.awaiting import blocking
from ragkit.llm.chat_model import Reply as LlmReply
from ragkit.llm.chat_model import complete
from ragkit.results import Usage

if TYPE_CHECKING:
    from ragkit.answer.found import Found, Group
    from ragkit.answer.settings import AnswerMode
    from ragkit.answer.support import Evidence
    from ragkit.llm.chat_model import ChatModel
    from ragkit.question.question import Question
    from ragkit.results import Citation

_THOUGHTS = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)

# Servers answer several requests at a time; a model in this process answers one.
_AT_ONCE = 4
# How often a window is taken for half as large when a server says that the prompt is too long.
_SHRINKS = 2


class Writing:
    """Iterate over it for the pieces to show; then read what came of it.

    Attributes:
        model: The model that is asked.
        found: The passages that it is shown.
        evidence: These as sentences, for what it says to be held against.
        refused: Whether it said that the sources hold no answer.
        text: The whole text, with checked citations.
        cited: What it claims and cites.
        notes: What went less than well, one sentence each.
    """

    def __init__(
        self,
        model: ChatModel,
        question: Question,
        found: Found,
        evidence: Evidence,
        *,
        mode: AnswerMode = "single",
        remembered: Sequence[str] = (),
        said: str | None = None,
    ) -> None:
        """Nothing is sent before the first piece is asked for, nor at all where it was ``said``."""
        self._already_said = said
        self._remembered = remembered
        self.model = model
        self._question = question
        self.found = found
        self.evidence = evidence
        self._mode = mode
        self._window = 0
        self.refused = False
        self.text = ""
        self.cited = CitedText(evidence, sources=0)
        self.notes: list[str] = []

    @property
    def citations(self) -> tuple[Citation, ...]:
        """The quotes that the text cites."""
        return self.cited.citations

    @property
    def sure(self) -> bool:
        """Whether all that is said is cited and supported, and nothing went wrong."""
        said = not self.refused and bool(self.citations)
        return said and not self.cited.unsupported and not self.notes

    def __iter__(self) -> Iterator[str]:
        """Ask the model and yield checked text.

        Raises:
            ModelError: it failed, or said nothing.
        """
        if self._already_said is not None:
            yield from self._read(self._already_said)
            return
        self._window = self.model.context_window
        for left in range(_SHRINKS, -1, -1):
            started = False
            try:
                for piece in self._attempt():
                    started = True
                    yield piece
            except PromptTooLongError:
                if started or not left:
                    raise
                self._window //= 2
            else:
                return

    def _read(self, text: str) -> Iterator[str]:
        self.cited = CitedText(self.evidence, sources=len(self.found.hits))
        reply = Reply(self.model, Prompt((), 0, len(self.found.hits)), self.cited)
        yield from reply.read(_said(text))
        self.refused, self.text = reply.refused, reply.text
        self.notes += reply.notes

    def _attempt(self) -> Iterator[str]:
        if self._mode == "map-reduce" and self.found.groups:
            prompt = self._combined()
            count = len(self.found.hits)
        else:
            task: Task = "compare" if self._mode == "compare" else "answer"
            prompt = self._prompt(range(len(self.found.hits)), task)
            count = prompt.sources
        self.cited = CitedText(self.evidence, sources=count)
        if prompt.sources == 0:
            self.refused = True
            return
        reply = Reply(self.model, prompt, self.cited)
        yield from reply
        self.refused, self.text = reply.refused, reply.text
        self.notes += reply.notes

    def _prompt(self, indices: Sequence[int], task: Task) -> Prompt:
        with span("prompt", "chain", task=task) as step:
            prompt = build_prompt(
                self._question,
                [self.found.hits[index] for index in indices],
                context_window=self._window,
                numbers=[index + 1 for index in indices],
                notes=() if task == "extract" else self._remembered,
                task=task,
                tokenizer_of=self.model.name.removeprefix("openai:"),
            )
            step.set(sources=prompt.sources, max_tokens=prompt.max_tokens)
        return prompt

    @blocking
    def _combined(self) -> Prompt:
        """Have each document noted, then put the notes into one prompt, in steps if need be."""
        groups = self.found.groups
        with span("map", "chain", documents=len(groups)):
            workers = _AT_ONCE if self.model.name.startswith("openai:") else 1
            with ThreadPoolExecutor(workers, thread_name_prefix="ragkit-map") as pool:
                waiting = [pool.submit(carried(self._note), group) for group in groups]
                try:
                    noted = [future.result() for future in waiting]
                finally:
                    pool.shutdown(cancel_futures=True)
        notes = [note for note in noted if note is not None]
        while True:
            prompt = self._notes_prompt(notes)
            if prompt.sources in (0, len(notes)):
                return prompt
            # Not all of them fit: what fits becomes one note, until the rest does.
            with span("reduce", "chain", notes=prompt.sources):
                reply = complete(self.model, prompt.messages, max_tokens=prompt.max_tokens)
            together = Notes("notes from several documents", reply.text)
            if prompt.sources == 1:
                self.notes.append(
                    f"the notes on {len(notes) - 1} documents did not fit into the window of "
                    f"{self.model.name} and were left out"
                )
                return prompt
            notes = [together, *notes[prompt.sources :]]

    def _note(self, group: Group) -> Notes | None:
        prompt = self._prompt(group.hits, "extract")
        reply = complete(self.model, prompt.messages, max_tokens=prompt.max_tokens)
        text = _THOUGHTS.sub("", reply.text).strip()
        return Notes(group.label, text) if text and NO_ANSWER not in text else None

    def _notes_prompt(self, notes: Sequence[Notes]) -> Prompt:
        with span("prompt", "chain", task="combine") as step:
            prompt = build_notes_prompt(
                self._question,
                notes,
                context_window=self._window,
                tokenizer_of=self.model.name.removeprefix("openai:"),
            )
            step.set(sources=prompt.sources, max_tokens=prompt.max_tokens)
        return prompt


def _said(text: str) -> Generator[str, None, LlmReply]:
    yield text
    return LlmReply(text, "stop", Usage())
