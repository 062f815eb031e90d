"""What was said of each person, place and product."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragkit.errors import ModelError
from ragkit.events import OpenSpan, span
from ragkit.language.running_names import is_about, key_of, names_in, sentences, words_of
from ragkit.memory.memory import Note, Recall
from ragkit.memory.noting import note_new_turns, numbers_of
from ragkit.memory.speakers import USER, asks_about_self, has_pronoun, speaker, speaks_of_self
from ragkit.store.records import MemoryFact, NumberedTurn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ragkit.llm.chat_model import ChatModel
    from ragkit.memory.log import SessionLog

_KIND = "entity"
_TASK = (
    "List what the conversation says of each person, place, organisation and product, one "
    'statement a row: "subject" is its name ("the user" for whoever speaks as user), "statement" '
    "a short sentence that can be understood alone."
)


class EntityMemory:
    """Notes each statement under the names in it; recalls those of the names in a question.

    Without a model the statements are the sentences themselves, found by :mod:`ragkit.language.running_names`
    and kept under every name in them; "I" and "my" are noted under the speaker, and a pronoun
    under the name said last. With a model they are its extracts; where it fails, the rules step
    in, and the next recall says so.
    """

    def __init__(self, log: SessionLog, *, model: ChatModel | None = None) -> None:
        """Note what is said in the session of ``log``, with the help of ``model`` if given."""
        self.log = log
        self._model = model
        self._degraded: list[str] = []

    def recall(self, question: str, *, max_tokens: int = 1_000) -> Recall:
        """Return the statements about what the question names, the best first."""
        with span(
            "entities", "memory", inputs={"question": question}, session=self.log.session
        ) as step:
            self.catch_up()
            facts = self.log.store.memory_facts(self.log.session, _KIND)
            numbers = numbers_of(self.log)
            notes = tuple(_fitting(_ranked(question, facts, numbers), max_tokens))
            degraded, self._degraded = tuple(dict.fromkeys(self._degraded)), []
            note_recall(step, notes)
            return Recall(notes=notes, degraded=degraded)

    def remember(self, question: str, answer: str, *, trace: str | None = None) -> None:
        """Keep a turn, and note what it says."""
        self.log.append(question, answer, trace=trace)
        self.catch_up()

    def catch_up(self) -> None:
        """Note what the turns say that have not been read yet."""
        note_new_turns(self.log, _KIND, self._facts)

    def _facts(self, turns: Sequence[NumberedTurn]) -> Sequence[MemoryFact]:
        if self._model is not None:
            try:
                return _extracted(self._model, turns)
            except ModelError as error:
                self._degraded.append(f"names were noted by rules: {error}")
        earlier = self.log.store.memory_facts(self.log.session, _KIND)
        return list(_facts_by_rules(turns, earlier))


def note_recall(step: OpenSpan, notes: Sequence[Note]) -> None:
    """Put what was recalled, and why, into a memory's span."""
    step.set(
        outputs={"notes": [{"text": note.text, "why": note.why} for note in notes]},
        notes=len(notes),
    )


def _extracted(model: ChatModel, turns: Sequence[NumberedTurn]) -> list[MemoryFact]:
    from ragkit.memory.extraction import extract_rows

    ids = {turn.number: turn.id for turn in turns}
    return [
        MemoryFact(ids[row["turn"]], row["subject"].strip(), "", "", row["statement"].strip())
        for row in extract_rows(model, _TASK, turns, ("subject", "statement"))
    ]


def _facts_by_rules(
    turns: Sequence[NumberedTurn], earlier: Sequence[MemoryFact]
) -> Iterator[MemoryFact]:
    known = {key_of(fact.subject) for fact in earlier}
    # Names that also stand inside sentences are names where they begin one.
    said = [sentence for turn in turns for sentence in sentences(turn.content)]
    known |= {name.key for sentence in said for name in names_in(sentence)}
    last = next((fact.subject for fact in reversed(earlier) if fact.subject != USER), None)
    for turn in turns:
        self_name = speaker(turn.role)
        for sentence in sentences(turn.content):
            if sentence.endswith("?") and turn.role == "user":
                asked = names_in(sentence, known=known)
                last = asked[-1].text if asked else last
                continue  # a question states nothing
            subjects = [name.text for name in names_in(sentence, known=known)]
            if subjects:
                last = subjects[0]
            elif last is not None and has_pronoun(sentence):
                subjects = [last]
            if self_name is not None and speaks_of_self(sentence):
                subjects.append(self_name)
            for subject in dict.fromkeys(subjects):
                yield MemoryFact(turn.id, subject, "", "", sentence)


def _ranked(
    question: str, facts: Sequence[MemoryFact], numbers: dict[int, int]
) -> list[tuple[float, MemoryFact, Note]]:
    """Statements about what the question names, by the words they share with it, then the newest."""
    words = words_of(question)
    wanted = {fact.subject for fact in facts if is_about(key_of(fact.subject), words)}
    if asks_about_self(question):
        wanted.add(USER)
    if not wanted - {USER} and has_pronoun(question):
        wanted |= {fact.subject for fact in facts[-1:]}
    ranked: dict[str, tuple[float, MemoryFact, Note]] = {}
    for fact in facts:
        if fact.subject not in wanted or fact.turn_id not in numbers:
            continue
        told = words_of(fact.text)
        shared = len(words & told) / max(len(words), 1)
        why = f"it is said of {fact.subject}"
        text = fact.text if fact.subject in fact.text else f"{fact.subject}: {fact.text}"
        note = Note(text, _KIND, why, min(1.0, shared), (numbers[fact.turn_id],))
        ranked[fact.text] = (shared, fact, note)
    return sorted(ranked.values(), key=lambda entry: (entry[0], entry[1].turn_id), reverse=True)


def _fitting(ranked: Sequence[tuple[float, MemoryFact, Note]], max_tokens: int) -> Iterator[Note]:
    from ragkit.llm.token_counts import count_tokens

    for _, _, note in ranked:
        max_tokens -= count_tokens(note.text)
        if max_tokens < 0:
            return
        yield note
