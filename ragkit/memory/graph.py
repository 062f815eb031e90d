"""A graph of what is what to what: triples with the turns they come from."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING

from ragkit.language import lists
from ragkit.language.running_names import is_about, key_of, names_in, sentences, words_of
from ragkit.memory.extraction import extract_rows
from ragkit.memory.facts import FactMemory
from ragkit.memory.memory import Note
from ragkit.memory.speakers import USER, asks_about_self, speaker
from ragkit.store.records import MemoryFact, NumberedTurn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ragkit.llm.chat_model import ChatModel
    from ragkit.memory.log import SessionLog

_KIND = "graph"
_TASK = (
    "List the lasting relations that the conversation states, one a row, as subject, relation, "
    'object: "Alice", "works at", "Corvane". Use "the user" for whoever speaks as user.'
)
_STEPS = 2
_RELATION = re.compile(
    rf"\b(?P<relation>{lists.alternatives('relations')})(?=\s|\b)", re.IGNORECASE
)
_POSSESSION = re.compile(
    r"^(?:(?P<mine>my|our)|(?P<owner>[A-Z][\w.&-]*(?: [A-Z][\w.&-]*)*)['’]s) (?P<what>[\w -]{2,40}?) "
    r"(?:is|are|was|were) (?:called |named )?(?P<value>.+)$"
)
_CLAUSE_END = re.compile(rf"[,;:!?()]|\.(?!\d)|\s{lists.alternatives('relations.clause_ends')}\s")
_NEGATED = re.compile(r"\b(?:not|never|no longer|n['’]t)\b|n['’]t\b", re.IGNORECASE)
_LONGEST_OBJECT = 12  # words


class GraphMemory(FactMemory):
    """Notes relations between things, and recalls the neighbourhood of those a question names.

    Without a model, relations are read off simple statements ("Alice works at Corvane", "my
    battery is a BP-4") by a list of verbs; what is denied or asked is not noted.
    """

    kind, name, noted = _KIND, "graph", "relations"

    def __init__(
        self, log: SessionLog, *, model: ChatModel | None = None, steps: int = _STEPS
    ) -> None:
        """Note relations said in the session of ``log``; recall up to ``steps`` from a name."""
        super().__init__(log, model=model)
        self._steps = steps

    def triples(self) -> list[tuple[str, str, str]]:
        """Return all relations, oldest first: subject, relation, object."""
        self.catch_up()
        return [(fact.subject, fact.relation, fact.object) for fact in self.facts()]

    def _by_model(self, model: ChatModel, turns: Sequence[NumberedTurn]) -> Iterator[MemoryFact]:
        fields = ("subject", "relation", "object")
        for turn, row in extract_rows(model, _TASK, turns, fields):
            subject, relation, target = (row[field] for field in fields)
            yield MemoryFact(turn.id, subject, relation, target, turn.content)

    def _by_rules(self, turns: Sequence[NumberedTurn]) -> Iterator[MemoryFact]:
        return (fact for turn in turns for fact in _read_off(turn))

    def _fitting(self, question: str) -> Iterator[Note]:
        numbers = self._numbers()
        for distance, start, fact in _neighbourhood(question, self.facts(), self._steps):
            text = f"{fact.subject} {fact.relation} {fact.object}"
            why = f"{start} is named" if distance == 0 else f"{distance + 1} steps from {start}"
            turns = (numbers[fact.turn_id],) if fact.turn_id in numbers else ()
            yield Note(text, _KIND, why, 1.0 / (1 + distance), turns)


def _read_off(turn: NumberedTurn) -> Iterator[MemoryFact]:
    self_name = speaker(turn.role)
    for sentence in sentences(turn.content):
        if sentence.endswith("?") or _NEGATED.search(sentence):
            continue
        owned = _POSSESSION.match(
            sentence[:1].lower() + sentence[1:] if sentence[:2] in ("My", "Ou") else sentence
        )
        if owned is not None:
            owner = self_name if owned["mine"] else owned["owner"]
            value = _object(owned["value"])
            if owner is not None and value:
                yield MemoryFact(turn.id, owner, owned["what"].strip(), value, sentence)
            continue
        verb = _RELATION.search(sentence)
        if verb is None:
            continue
        subject = _subject(sentence[: verb.start()], self_name)
        target = _object(sentence[verb.end() :])
        if subject and target:
            relation = " ".join(verb["relation"].split()).lower()
            relation = {"'m": "is", "'s": "is", "'re": "are", "am": "is"}.get(relation, relation)
            yield MemoryFact(turn.id, subject, relation, target, sentence)


def _subject(before: str, self_name: str | None) -> str | None:
    clause = _CLAUSE_END.split(before)[-1].strip()
    words = clause.split()
    if not words or len(words) > 6:
        return None
    if words[0].lower() in ("i", "we"):
        return self_name
    names = names_in(clause, known={key_of(clause)})
    if names and clause.endswith(names[-1].text):
        return names[-1].text
    if words[0].lower() in ("my", "our") and self_name is not None and len(words) > 1:
        owner = f"{self_name}'s" if self_name != USER else "the user's"
        return f"{owner} {' '.join(words[1:])}"
    return clause if words[0].lower() in ("the", "a", "an") and len(words) > 1 else None


def _object(after: str) -> str:
    clause = _CLAUSE_END.split(after.strip(), maxsplit=1)[0]
    return " ".join(clause.split()[:_LONGEST_OBJECT])


def _neighbourhood(
    question: str, facts: Sequence[MemoryFact], steps: int
) -> Iterator[tuple[int, str, MemoryFact]]:
    """Yield facts by their distance from what the question names, and whence they were reached."""
    around: dict[str, list[int]] = {}
    for place, fact in enumerate(facts):
        for name in (fact.subject, fact.object):
            around.setdefault(_node(name), []).append(place)
    words = words_of(question)
    starts = {
        _node(name): name
        for fact in facts
        for name in (fact.subject, fact.object)
        if is_about(key_of(name), words)
    }
    if asks_about_self(question) and USER in around:
        starts[USER] = USER
    waiting = deque((0, node, name) for node, name in starts.items())
    seen_nodes, seen_facts = set(starts), set()
    while waiting:
        distance, node, start = waiting.popleft()
        for place in reversed(around.get(node, ())):
            if place in seen_facts:
                continue
            seen_facts.add(place)
            fact = facts[place]
            yield distance, start, fact
            for name in (fact.subject, fact.object):
                following = _node(name)
                if following not in seen_nodes and distance + 1 < steps:
                    seen_nodes.add(following)
                    waiting.append((distance + 1, following, start))


def _node(name: str) -> str:
    key = key_of(name)
    for article in ("the ", "a ", "an "):
        if key.startswith(article) and key != USER:
            return key.removeprefix(article)
    return key
