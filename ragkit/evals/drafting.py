"""Drafting a golden set from a base's own documents, for its owner to edit."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ragkit.errors import ModelError, UsageError
from ragkit.evals.golden import GoldenQuestion, Place
from ragkit.evals.ideas import Idea, ideas_of, other_attributes, other_years
from ragkit.language import words
from ragkit.llm.chat_model import Message, complete
from ragkit.llm.fence import data_rule, fenced, new_nonce
from ragkit.llm.json_text import read_json

if TYPE_CHECKING:
    from ingest.document import Document
    from ragkit.kb import KnowledgeBase
    from ragkit.llm.chat_model import ChatModel

_PASSAGE_CHARACTERS = 1_500
_SHARE_UNANSWERABLE = 0.2
_FEWEST_READ, _READ_PER_QUESTION = 200, 4
_CHECKED_PASSAGES = 30

_ASK = """\
Write one question that a user of the document below might ask, in the document's language, and \
that the passage answers. Do not copy the passage's wording. The answer must be a short stretch of \
the passage, word for word. Reply with JSON: {"question": "...", "answer": "..."}"""
_ASK_BEYOND = """\
Write one question on the subject of the passage below, in its language, that a user might well ask \
but that the passage does not answer, such as about a detail, a model or a year it does not \
mention. Reply with JSON: {"question": "..."}"""
_AGAIN = """\
That does not do. The answer must be copied from the passage, word for word, and be no part of the \
question. Reply again with JSON: {"question": "...", "answer": "..."}"""
_CHECK = "check each question before you measure with it, the unanswerable ones above all"
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"question": {"type": "string"}, "answer": {"type": "string"}},
    "required": ["question"],
}


@dataclass(frozen=True, slots=True)
class Draft:
    """Drafted questions, and what there is to say about them, one sentence each."""

    questions: tuple[GoldenQuestion, ...]
    notes: tuple[str, ...]


def draft_golden(
    kb: KnowledgeBase,
    count: int,
    *,
    model: ChatModel | None = None,
    seed: int = 0,
    on_question: Callable[[int], None] | None = None,
) -> Draft:
    """Draft up to ``count`` questions, spread over the documents.

    Without a language model they come from what documents themselves ask (headings that are
    questions), from English sentences of a plain shape that give a figure, a date or a definition,
    and from cells of tables; with one, from passages, and each answer is checked to stand in its
    passage. A fifth, where so many are found, ask what the documents do not say: a year or an
    attribute that they do not give of a thing that they name. These need checking most.

    Args:
        kb: The base.
        count: How many questions at most.
        model: What writes them; passages are sent to it.
        seed: The same seed gives the same passages.
        on_question: Told how many there are so far.

    Raises:
        UsageError: ``count`` is not positive, or the base holds no documents.
        ModelError: the model failed before a single question was written.
    """
    if count < 1:
        raise UsageError(f"the number of questions must be positive, not {count!r}")
    paths = [document.path for document in kb.documents()]
    if not paths:
        raise UsageError(
            f"the knowledge base {str(kb.directory)!r} holds no documents: ragkit ingest FOLDER"
        )
    shuffled = random.Random(seed)  # noqa: S311 - a choice of examples, not a secret
    if model is None:
        return _by_rule(kb, paths, count, shuffled, on_question)
    return _by_model(kb, paths, count, shuffled, model, on_question)


def _by_rule(
    kb: KnowledgeBase,
    paths: Sequence[str],
    count: int,
    shuffled: random.Random,
    on_question: Callable[[int], None] | None,
) -> Draft:
    pools: list[_Pool] = []
    for path in _some(paths, count, shuffled):
        document = kb.document(path)
        ideas = list(ideas_of(document, path))
        shuffled.shuffle(ideas)
        pools.append(_Pool(path, document, ideas, scoped=len(paths) > 1))
    beyond = _unanswerable(kb, pools, int(_SHARE_UNANSWERABLE * count), shuffled)
    found: list[GoldenQuestion] = []
    asked = {question.question.casefold() for question in beyond}
    waiting = [pool.in_turn() for pool in pools]
    while waiting and len(found) + len(beyond) < count:
        for turns in list(waiting):
            question = next(turns, None)
            if question is None:
                waiting.remove(turns)
            elif question.question.casefold() not in asked and len(found) + len(beyond) < count:
                asked.add(question.question.casefold())
                found.append(question)
                if on_question is not None:
                    on_question(len(found))
    notes = [_CHECK]
    if len(found) + len(beyond) < count:
        notes.insert(0, f"the documents gave only {len(found) + len(beyond):,} questions")
    if not beyond and count >= 1 / _SHARE_UNANSWERABLE:
        notes.append('add questions that the documents do not answer, with "answerable": false')
    return Draft(_numbered([*found, *beyond]), tuple(notes))


def _some(paths: Sequence[str], count: int, shuffled: random.Random) -> list[str]:
    """The documents to read for so many questions: all, or of very many some."""
    most = max(_FEWEST_READ, _READ_PER_QUESTION * count)
    return list(paths) if len(paths) <= most else sorted(shuffled.sample(list(paths), most))


@dataclass(frozen=True, slots=True)
class _Pool:
    """A document's ideas, in random order; ``scoped``: the base holds others as well."""

    path: str
    document: Document
    ideas: Sequence[Idea]
    scoped: bool

    def in_turn(self) -> Iterator[GoldenQuestion]:
        """One of each kind in turn, so that tables do not drown the rest."""
        kinds: dict[str, list[Idea]] = {}
        for idea in self.ideas:
            kinds.setdefault(idea.kind, []).append(idea)
        while kinds:
            for kind in list(kinds):
                idea = kinds[kind].pop()
                if not kinds[kind]:
                    del kinds[kind]
                place = _place(self.document, self.path, idea.start, idea.end)
                yield _question(idea.question, idea.answer, place, self.scope(idea.question))

    def scope(self, question: str) -> str | None:
        """The document, where the question holds no name that tells it from the others."""
        named = words.names(question[1:])
        return self.path if self.scoped and not named else None


def _unanswerable(
    kb: KnowledgeBase, pools: Sequence[_Pool], most: int, shuffled: random.Random
) -> list[GoldenQuestion]:
    """Near misses: a year, or an attribute, that no document gives of a thing that one names."""
    waiting = []
    for pool in pools:
        years = list(other_years(pool.ideas, pool.document))
        attributes = list(other_attributes(pool.ideas, pool.document))
        shuffled.shuffle(years)
        shuffled.shuffle(attributes)
        waiting.append((pool, years[:most], attributes[:most]))
    shuffled.shuffle(waiting)
    found: dict[str, GoldenQuestion] = {}
    while len(found) < most and any(years or attributes for _, years, attributes in waiting):
        for pool, years, attributes in waiting:
            if years and len(found) < most:
                question = years.pop()
                scope = pool.path if pool.scoped else None
                found.setdefault(question.casefold(), _question(question, None, None, scope))
            if attributes and len(found) < most:
                question, row, column = attributes.pop()
                if not _told_together(kb, row, column):
                    scope = pool.scope(question)
                    found.setdefault(question.casefold(), _question(question, None, None, scope))
    return list(found.values())


def _told_together(kb: KnowledgeBase, row: str, column: str) -> bool:
    """Whether some passage speaks of both."""
    wanted = words.terms(row) | words.terms(column)
    hits = kb.search(f"{row} {column}", k=_CHECKED_PASSAGES, mode="lexical")
    return any(wanted <= words.terms(f"{hit.heading} {hit.text}") for hit in hits)


def _by_model(
    kb: KnowledgeBase,
    paths: Sequence[str],
    count: int,
    shuffled: random.Random,
    model: ChatModel,
    on_question: Callable[[int], None] | None,
) -> Draft:
    beyond = int(_SHARE_UNANSWERABLE * count)
    found: list[GoldenQuestion] = []
    asked: set[str] = set()
    rejected = doubled = 0
    failure = ""
    for path, document, start, end in _passages(kb, _some(paths, count, shuffled), shuffled):
        if len(found) >= count or rejected + doubled > 3 * count:
            break
        unanswerable = len(found) >= count - beyond
        try:
            reply = _ask_model(model, document.text[start:end], unanswerable=unanswerable)
        except (ModelError, KeyboardInterrupt) as error:
            if not found:
                raise
            failure = str(error) or "by Ctrl-C"
            break
        if reply is None:
            rejected += 1
            continue
        question, span = reply
        if question.casefold() in asked:
            doubled += 1
            continue
        asked.add(question.casefold())
        if span is None:
            found.append(_question(question, None, None, None))
        else:
            at, to = start + span[0], start + span[1]
            place = _place(document, path, at, to)
            found.append(_question(question, document.text[at:to], place, None))
        if on_question is not None:
            on_question(len(found))
    notes = [_CHECK]
    if rejected:
        notes.append(
            f"{rejected:,} passages were left out: asked twice, the model gave no answer that "
            "stands in them"
        )
    if doubled:
        notes.append(f"{doubled:,} questions were left out, for they had been asked already")
    if failure:
        notes.append(f"stopped early: {failure}")
    elif len(found) < count:
        notes.append(f"the documents gave only {len(found):,} questions")
    return Draft(_numbered(found), tuple(notes))


def _passages(
    kb: KnowledgeBase, paths: Sequence[str], shuffled: random.Random
) -> Iterator[tuple[str, Document, int, int]]:
    """Stretches of the documents, one of each document in turn, in random order, without end.

    They end after as many rounds as the longest document has stretches.
    """
    spans: dict[str, list[tuple[int, int]]] = {}
    documents = {path: kb.document(path) for path in paths}
    for path, document in documents.items():
        length = len(document.text)
        found = [
            (start, min(length, start + _PASSAGE_CHARACTERS))
            for start in range(0, length, _PASSAGE_CHARACTERS)
            if document.text[start : start + _PASSAGE_CHARACTERS].strip()
        ]
        shuffled.shuffle(found)
        spans[path] = found
    order = list(paths)
    shuffled.shuffle(order)
    while any(spans.values()):
        for path in order:
            if spans[path]:
                yield (path, documents[path], *spans[path].pop())


def _ask_model(
    model: ChatModel, passage: str, *, unanswerable: bool
) -> tuple[str, tuple[int, int] | None] | None:
    """A question, and where its answer stands in the passage; asked once more if it does not."""
    nonce = new_nonce()
    task = _ASK_BEYOND if unanswerable else _ASK
    messages = [
        Message("system", f"{task}\n\n{data_rule('The passage', nonce)}"),
        Message("user", fenced(passage, nonce)),
    ]
    for _ in range(2):
        reply = complete(model, messages, max_tokens=300, schema=_SCHEMA)
        question, answer = _read(reply.text)
        if question and unanswerable:
            return question, None
        span = find_verbatim(answer, passage) if question and answer else None
        if span is not None and find_verbatim(passage[span[0] : span[1]], question) is None:
            return question, span
        messages += [Message("assistant", reply.text), Message("user", _AGAIN)]
    return None


def _read(text: str) -> tuple[str, str]:
    """Question and answer of a reply, empty where it gives none."""
    try:
        value = read_json(text).value
    except ValueError:
        return "", ""
    if not isinstance(value, dict):
        return "", ""
    question, answer = (
        " ".join(found.split()) if isinstance(found := value.get(name), str) else ""
        for name in ("question", "answer")
    )
    if question and question[-1] not in "?？؟;":
        question = question.rstrip(".") + "?"
    return question, answer


def find_verbatim(answer: str, passage: str) -> tuple[int, int] | None:
    """Where an answer stands in a passage; white space, case, quotes and a last dot aside."""
    parts = answer.strip().strip("\"'“”„‘’").removesuffix(".").split()
    if not parts:
        return None
    pattern = r"\s+".join(re.escape(part).replace("'", "['’]") for part in parts)
    found = re.search(rf"(?<!\w){pattern}(?!\w)", passage, re.IGNORECASE)
    return None if found is None else found.span()


def _place(document: Document, path: str, start: int, end: int) -> Place:
    for page in document.pages:
        if page.start <= start < max(page.end, page.start + 1):
            return Place(path, page=page.number)
    return Place(path, start=start, end=end)


def _question(
    question: str, answer: str | None, place: Place | None, scope: str | None
) -> GoldenQuestion:
    return GoldenQuestion(
        id="",
        question=question,
        answerable=place is not None,
        answers=() if answer is None else (answer,),
        scope=scope,
        relevant=() if place is None else (place,),
    )


def _numbered(questions: Sequence[GoldenQuestion]) -> tuple[GoldenQuestion, ...]:
    return tuple(
        replace(question, id=f"draft-{number:03}")
        for number, question in enumerate(questions, start=1)
    )
