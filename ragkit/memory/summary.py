"""A rolling summary of what has left the window."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from ragkit.errors import ModelError
from ragkit.events import span
from ragkit.language.running_names import names_in, sentences, words_of
from ragkit.llm.chat_model import Message, complete
from ragkit.llm.token_counts import count_tokens, cut_to_tokens
from ragkit.memory.extraction import quoted
from ragkit.memory.log import SessionLog, SessionView
from ragkit.memory.memory import Note, Recall
from ragkit.memory.window import DEFAULT_TURNS
from ragkit.store.records import MemoryView, NumberedTurn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ragkit.llm.chat_model import ChatModel

_KIND = "summary"
_TASK = (
    "Bring the summary of a conversation up to date: keep who and what it is about, facts, numbers, "
    "decisions and open questions; leave out greetings. Reply with the new summary only, in the "
    "language of the conversation, in at most {words} words."
)


class SummaryMemory(SessionView):
    """A digest of all turns but the last ``keep``, brought up to date ``every`` so many turns.

    With a model it is written by the model, from the digest so far and the turns that are new to
    it. Without, or where the model fails, it is made of the conversation's own sentences: those
    that hold the most names, numbers and words that the conversation comes back to.
    """

    def __init__(
        self,
        log: SessionLog,
        *,
        model: ChatModel | None = None,
        keep: int = DEFAULT_TURNS,
        every: int = 6,
        max_tokens: int = 400,
    ) -> None:
        """Summarise the session of ``log`` in at most ``max_tokens`` tokens."""
        super().__init__(log)
        self._model = model
        self._keep = keep
        self._every = max(1, every)
        self._max_tokens = max_tokens
        self._degraded: list[str] = []

    def recall(self, question: str, *, max_tokens: int = 1_000) -> Recall:
        """Return the digest as one note, if there is one by now."""
        del question  # it bears on any question
        with span(_KIND, "memory", session=self.log.session) as step:
            self.catch_up()
            seen = self.log.store.memory_view(self.log.session, _KIND)
            degraded, self._degraded = tuple(dict.fromkeys(self._degraded)), []
            if not seen.body:
                return Recall(degraded=degraded)
            numbers = tuple(turn.number for turn in self.log.turns() if turn.id <= seen.last_turn)
            text = cut_to_tokens(seen.body, max_tokens)
            step.set(outputs={"summary": text}, turns=len(numbers))
            why = f"it sums up turns 1 to {len(numbers)}"
            return Recall(notes=(Note(text, _KIND, why, None, numbers),), degraded=degraded)

    def catch_up(self) -> None:
        """Take turns that left the window into the digest, once there are enough of them."""
        turns = list(self.log.turns())
        seen = self.log.store.memory_view(self.log.session, _KIND)
        left = turns[: max(0, len(turns) - self._keep)]
        new = [turn for turn in left if turn.id > seen.last_turn]
        if len(new) < self._every:
            return
        text = self._digest(seen.body, new)
        self.log.store.put_memory_view(
            self.log.session, _KIND, before=seen.last_turn, view=MemoryView(new[-1].id, text)
        )

    def _digest(self, before: str, new: Sequence[NumberedTurn]) -> str:
        if self._model is not None:
            try:
                return self._written(self._model, before, new)
            except ModelError as error:
                self._degraded.append(f"the summary was put together from sentences: {error}")
        return _selected(before, new, self._max_tokens)

    def _written(self, model: ChatModel, before: str, new: Sequence[NumberedTurn]) -> str:
        task = _TASK.format(words=self._max_tokens * 2 // 3)
        rule, conversation, summary = quoted(new, before or "(none)")
        so_far = f"The summary so far:\n{summary}\n\n{conversation}"
        reply = complete(
            model,
            [Message("system", f"{task}\n\n{rule}"), Message("user", so_far)],
            max_tokens=self._max_tokens + 50,
        )
        if not reply.text.strip():
            raise ModelError(f"{model.name} replied with nothing")
        return cut_to_tokens(reply.text.strip(), self._max_tokens)


def _selected(before: str, new: Sequence[NumberedTurn], max_tokens: int) -> str:
    """Choose sentences from the digest so far and the new turns; they keep their order."""
    lines = [line for line in before.splitlines() if line]
    lines += [
        f"{turn.role}: {sentence}"
        for turn in new
        for sentence in sentences(turn.content)
        if len(sentence) > 15
    ]
    frequency = Counter(word for line in lines for word in words_of(line))
    weights = [_weight(line, frequency) for line in lines]
    chosen: set[int] = set()
    left = max_tokens
    for place in sorted(range(len(lines)), key=lambda place: -weights[place]):
        cost = count_tokens(lines[place]) + 1
        if cost <= left:
            chosen.add(place)
            left -= cost
    return "\n".join(lines[place] for place in sorted(chosen))


def _weight(line: str, frequency: Counter[str]) -> float:
    """How much a line tells: what the conversation returns to, names and numbers, for its length."""
    speaker, _, sentence = line.partition(": ")
    words = words_of(sentence)
    if not words:
        return 0.0
    central = sum(min(frequency[word], 5) - 1 for word in words if len(word) > 3)
    telling = (
        2 * len(names_in(sentence)) + sum(character.isdigit() for character in sentence) ** 0.5
    )
    stated = 0.5 if sentence.endswith("?") else 1.0
    worth: float = stated * (1 + central + telling) / math.pow(6 + len(words), 0.7)
    return worth + (0.1 if speaker == "user" else 0.0)
