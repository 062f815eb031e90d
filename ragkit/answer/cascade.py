"""Asking the cheapest model first, and a stronger one where its answer is not sure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from ragkit.errors import ModelError
from ragkit.events import span

if TYPE_CHECKING:
    from ragkit.answer.abstain import Verdict
    from ragkit.answer.writing import Writing
    from ragkit.llm.chat_model import ChatModel

INSTEAD = "the answer was taken from the documents' own sentences instead"


class Cascade:
    """Iterate over it for the pieces to show; then read which writing was accepted.

    The reply of a model that is not the last is held back until it is complete: it is accepted
    when all it says is cited and supported, or when it refuses what the passages are unlikely to
    answer anyway. The last model's reply is shown as it comes.

    Attributes:
        writing: What was accepted; ``None`` when all models failed.
        notes: Failures on the way, one sentence each.
    """

    def __init__(
        self, models: Sequence[ChatModel], write: Callable[[ChatModel], Writing], verdict: Verdict
    ) -> None:
        """Prepare; nothing is asked yet."""
        self._models = models
        self._write = write
        self._verdict = verdict
        self.writing: Writing | None = None
        self.notes: list[str] = []

    def __iter__(self) -> Iterator[str]:
        """Ask the models in turn and yield the text of the one that is accepted."""
        unsure: tuple[Writing, list[str]] | None = None
        for number, model in enumerate(self._models):
            following = self._models[number + 1 :]
            writing = self._write(model)
            held: list[str] = []
            try:
                for piece in writing:
                    if following:
                        held.append(piece)
                    else:
                        yield piece
            except ModelError as error:
                self.notes.append(f"{error}; {_instead(following, unsure)}")
                continue
            why = self._why_not(writing) if following else ""
            if not why:
                self.writing = writing
                yield from held
                return
            with span("escalate", "guard", model=model.name, to=following[0].name, why=why):
                pass
            if not writing.refused:
                unsure = writing, held
        if unsure is not None:
            self.writing, held = unsure
            yield from held

    def _why_not(self, writing: Writing) -> str:
        """Why another model should be asked; empty if what was written is good enough."""
        if writing.refused:
            return "it found no answer" if self._verdict.answerable else ""
        if writing.sure:
            return ""
        if writing.cited.unsupported:
            return "its sources do not support all it says"
        return writing.notes[0] if writing.notes else "it cites nothing"


def _instead(following: Sequence[ChatModel], unsure: object) -> str:
    if following:
        return f"{following[0].name} was asked instead"
    return "an answer that is less sure was taken" if unsure else INSTEAD
