"""What was said of each person, place and product."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragkit.language.running_names import is_about, key_of, names_in, sentences, words_of
from ragkit.memory.extraction import extract_rows
from ragkit.memory.facts import FactMemory
from ragkit.memory.memory import Note
from ragkit.memory.speakers import USER, asks_about_self, has_pronoun, speaker, speaks_of_self
from ragkit.store.records import MemoryFact, NumberedTurn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ragkit.llm.chat_model import ChatModel

_KIND = "entity"
_TASK = (
    "List what the conversation says of each person, place, organisation and product, one "
    'statement a row: "subject" is its name ("the user" for whoever speaks as user), "statement" '
    "a short sentence that can be understood alone."
)


class EntityMemory(FactMemory):
    """Notes each statement under the names in it; recalls those of the names in a question.

    Without a model the statements are the sentences themselves, found by :mod:`ragkit.language.running_names`
    and kept under every name in them; "I" and "my" are noted under the speaker, and a pronoun
    under the name said last.
    """

    kind, name, noted = _KIND, "entities", "names"

    def _by_model(self, model: ChatModel, turns: Sequence[NumberedTurn]) -> Iterator[MemoryFact]:
        for turn, row in extract_rows(model, _TASK, turns, ("subject", "statement")):
            yield MemoryFact(turn.id, row["subject"], "", "", row["statement"])

    def _by_rules(self, turns: Sequence[NumberedTurn]) -> Iterator[MemoryFact]:
        return _facts_by_rules(turns, self.facts())

    def _fitting(self, question: str) -> list[Note]:
        return _ranked(question, self.facts(), self._numbers())


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


def _ranked(question: str, facts: Sequence[MemoryFact], numbers: dict[int, int]) -> list[Note]:
    """Statements about what the question names, by the words they share with it, then the newest."""
    words = words_of(question)
    wanted = {fact.subject for fact in facts if is_about(key_of(fact.subject), words)}
    if asks_about_self(question):
        wanted.add(USER)
    if not wanted - {USER} and has_pronoun(question):
        wanted |= {fact.subject for fact in facts[-1:]}
    ranked: dict[str, tuple[float, int, Note]] = {}
    for fact in facts:
        if fact.subject not in wanted or fact.turn_id not in numbers:
            continue
        told = words_of(fact.text)
        shared = len(words & told) / max(len(words), 1)
        why = f"it is said of {fact.subject}"
        text = fact.text if fact.subject in fact.text else f"{fact.subject}: {fact.text}"
        note = Note(text, _KIND, why, min(1.0, shared), (numbers[fact.turn_id],))
        ranked[fact.text] = (shared, fact.turn_id, note)
    ordered = sorted(ranked.values(), key=lambda entry: entry[:2], reverse=True)
    return [note for _, _, note in ordered]
