"""A language model's reply as it comes in: thoughts left out, a refusal recognised."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from ragkit.answer.prompts import NO_ANSWER, Prompt
from ragkit.errors import ModelError
from ragkit.llm.chat_model import stream_reply

if TYPE_CHECKING:
    from ragkit.answer.citations import CitedText
    from ragkit.llm.chat_model import ChatModel, FinishReason
    from ragkit.llm.chat_model import Reply as LlmReply

_THINK, _END_THINK = "<think>", "</think>"
# What is taken for a loop: so many characters, so often in a row.
_SHORTEST_LOOP, _LONGEST_LOOP = 24, 400
_TIMES = 4
_DECORATION = " \t\r\n*_`\"'#>"


class Reply:
    """Iterate over it for the pieces to show; then read what came of it.

    Attributes:
        refused: Whether the model said that the sources hold no answer.
        text: The whole text, with checked citations.
        notes: What went less than well, one sentence each.
    """

    def __init__(self, model: ChatModel, prompt: Prompt, cited: CitedText) -> None:
        """Nothing is sent before the first piece is asked for."""
        self._model = model
        self._prompt = prompt
        self._cited = cited
        self.refused = False
        self.text = ""
        self.notes: list[str] = []

    def __iter__(self) -> Iterator[str]:
        """Ask the model and yield checked text.

        Raises:
            ModelError: it failed, or said nothing.
        """
        texts = stream_reply(self._model, self._prompt.messages, max_tokens=self._prompt.max_tokens)
        with closing(texts):
            yield from self.read(texts)

    def read(self, texts: Generator[str, None, LlmReply]) -> Iterator[str]:
        """Yield checked text of a reply that comes in as ``texts``, which return the whole of it.

        Raises:
            ModelError: nothing was said.
        """
        opening, loop = _Opening(), _Loop()
        while True:
            try:
                piece = next(texts)
                said = opening.feed(piece)
            except StopIteration as finished:
                finish: FinishReason = finished.value.finish_reason
                break
            shown = self._cited.feed(said) if said else ""
            if shown:
                yield shown
            if loop.feed(piece):
                finish = "other"
                self.notes.append(f"{self._model.name} began to repeat itself and was stopped")
                break
        rest = opening.rest()
        if rest.strip(_DECORATION).startswith(NO_ANSWER):
            self.refused = True
            return
        shown = (self._cited.feed(rest) if rest else "") + self._cited.finish()
        if shown:
            yield shown
        self.text = self._cited.text
        self._conclude(finish)

    def _conclude(self, finish: FinishReason) -> None:
        name = self._model.name
        if not self.text.strip():
            why = {
                "length": f"used up its {self._prompt.max_tokens} tokens without answering",
                "content_filter": "was stopped by its content filter",
            }.get(finish, "replied with nothing")
            raise ModelError(f"{name} {why}")
        if finish == "length":
            limit = f"{self._prompt.max_tokens:,} tokens"
            self.notes.append(f"{name} was cut off at the limit of {limit}")
        elif finish == "content_filter":
            self.notes.append(f"{name} was cut off by its content filter")
        if self._cited.invented:
            numbers = ", ".join(f"[{number}]" for number in dict.fromkeys(self._cited.invented))
            self.notes.append(
                f"{name} cited sources that do not exist ({numbers}); the numbers were removed"
            )
        if NO_ANSWER in self.text:
            self.text = " ".join(self.text.replace(NO_ANSWER, " ").split(" ")).strip(_DECORATION)
            self.refused = not self._cited.citations
            self.notes.append(f"{name} also said that the sources do not hold the answer")


class _Loop:
    """Notices when a reply says the same over and over, as small models do until their limit."""

    def __init__(self) -> None:
        self._text = ""
        self._looked = 0

    def feed(self, text: str) -> bool:
        """Take the next piece; tell whether what was said last was said some times in a row."""
        self._text = (self._text + text)[-_TIMES * _LONGEST_LOOP :]
        self._looked += len(text)
        if self._looked < _SHORTEST_LOOP:
            return False
        self._looked = 0
        said = self._text
        return (
            any(
                said.endswith(said[-length:] * _TIMES)
                for length in range(_SHORTEST_LOOP, min(_LONGEST_LOOP, len(said) // _TIMES) + 1)
            )
            and not said[-_SHORTEST_LOOP:].isspace()
        )


class _Opening:
    """Holds a reply's beginning back until it is plain that it is neither thought nor refusal."""

    def __init__(self) -> None:
        self._held = ""
        self._open = False

    def feed(self, text: str) -> str:
        if self._open:
            return text
        self._held += text
        self._drop_thoughts()
        start = self._held.lstrip(_DECORATION)
        if not start or start.startswith((_THINK, NO_ANSWER)):
            return ""
        if _THINK.startswith(start) or NO_ANSWER.startswith(start):
            return ""
        self._open = True
        return self.rest()

    def rest(self) -> str:
        """What is still held back; an unfinished thought is not part of the reply."""
        held, self._held = self._held, ""
        return "" if held.lstrip().startswith(_THINK) else held.lstrip()

    def _drop_thoughts(self) -> None:
        if self._held.lstrip().startswith(_THINK) and _END_THINK in self._held:
            self._held = self._held.split(_END_THINK, 1)[1]
