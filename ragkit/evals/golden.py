"""Golden sets: questions with the places that answer them, one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from ragkit.errors import UsageError
from ragkit.question.reading import MAX_CHARACTERS

_TEXT = "a text"
_FIELDS = (
    "id", "question", "history", "rewrite", "answerable", "answer", "kind", "scope", "relevant",
)  # fmt: skip
_PLACE_FIELDS = ("path", "page", "start", "end", "grade")
_ROLES = ("user", "assistant", "system")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer stands.

    ``path`` is relative to the ingested folder, ``page`` counts from 1 (a 0, as some sets have for
    pages they could not tell, is no page of any document and is reported when measuring), ``start`` and ``end`` are
    code points into the document's text, ``grade`` is from 1 (relevant) to 4.
    """

    path: str
    page: int | None = None
    start: int | None = None
    end: int | None = None
    grade: int = 1

    def mapping(self) -> dict[str, Any]:
        """The fields that are set, as in the file."""
        fields = {"path": self.path, "page": self.page, "start": self.start, "end": self.end}
        found = {key: value for key, value in fields.items() if value is not None}
        return found if self.grade == 1 else {**found, "grade": self.grade}


@dataclass(frozen=True, slots=True)
class GoldenQuestion:
    """A question and what is known of its answer.

    Attributes:
        id: Its name, unique in the set; the number of its line where the file gives none.
        question: The question; in a conversation, the last turn.
        line: Where it stands in the file, from 1.
        history: Earlier turns, oldest first.
        rewrite: The question so that it stands alone; only ever asked as an upper bound.
        answerable: Whether the documents hold the answer; ``None`` where nothing tells.
        answers: The answer, where known, in all the wordings that are right; where ``kind`` is
            ``"list"``, the things that all belong to it.
        kind: What kind of question it is, as the set names it.
        scope: The one document the question is about.
        relevant: The places that answer it.
    """

    id: str
    question: str
    line: int = 0
    history: tuple[Mapping[str, str], ...] = ()
    rewrite: str | None = None
    answerable: bool | None = None
    answers: tuple[str, ...] = ()
    kind: str | None = None
    scope: str | None = None
    relevant: tuple[Place, ...] = field(default=())

    @property
    def answer(self) -> str | None:
        """The answer, where known: of several wordings the first, of a list all."""
        if self.kind == "list":
            return ", ".join(self.answers) or None
        return self.answers[0] if self.answers else None


def read_golden(path: str | Path) -> tuple[GoldenQuestion, ...]:
    """Read a golden set.

    Where ``answerable`` is absent, a question with a place or an answer counts as answerable, and
    of any other it is not known.

    Raises:
        UsageError: the file cannot be read, is empty, or a line is malformed; line and field are
            named.
    """
    file = Path(path)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {str(path)!r}: {error.strerror or error}") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = content.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"{file.name}, line {at}: not UTF-8 (byte 0x{content[error.start]:02x}); save the file "
            "as UTF-8"
        ) from error
    questions: list[GoldenQuestion] = []
    lines: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        question = _Line(f"{file.name}, line {number}", number, _parse(file, number, line)).read()
        if question.id in lines:
            raise UsageError(
                f"{file.name}, line {number}: 'id' {question.id!r} was used in line "
                f"{lines[question.id]}"
            )
        lines[question.id] = number
        questions.append(question)
    if not questions:
        raise UsageError(f"{str(path)!r} holds no question; one JSON object a line is expected")
    return tuple(questions)


def golden_line(question: GoldenQuestion) -> str:
    """Write a question as a line of a golden set, without the line's end."""
    document: dict[str, Any] = {"id": question.id, "question": question.question}
    if question.history:
        document["history"] = [dict(turn) for turn in question.history]
    if question.rewrite is not None:
        document["rewrite"] = question.rewrite
    if question.answerable is not None:
        document["answerable"] = question.answerable
    if question.kind is not None:
        document["kind"] = question.kind
    answers = list(question.answers)
    document["answer"] = answers if len(answers) > 1 else question.answer
    if question.scope is not None:
        document["scope"] = question.scope
    document["relevant"] = [place.mapping() for place in question.relevant]
    return json.dumps(document, ensure_ascii=False)


def _parse(file: Path, number: int, line: str) -> dict[str, Any]:
    try:
        document = json.loads(line, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{file.name}, line {number}: not valid JSON at character {error.pos + 1}: {error.msg}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file.name}, line {number}: not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise UsageError(
            f"{file.name}, line {number}: expected a JSON object, not {document!r:.60}"
        )
    return document


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


class _Line:
    """Reads the fields of one line."""

    def __init__(self, where: str, number: int, document: dict[str, Any]) -> None:
        self._where = where
        self._number = number
        self._document = document

    def read(self) -> GoldenQuestion:
        question = self._document.get("question")
        if not isinstance(question, str) or not question.strip():
            self._bad("question", question, "a text that is not empty")
        if len(question) > MAX_CHARACTERS:
            self._bad("question", question, f"at most {MAX_CHARACTERS:,} characters long")
        self._check_names(self._document, _FIELDS, "")
        relevant = self._relevant()
        answers = self._answers()
        answerable = self._optional("answerable", bool, "true or false")
        if answerable is None and (relevant or answers):
            answerable = True
        if answerable is False and relevant:
            self._bad("relevant", "places", "no place where 'answerable' is false")
        return GoldenQuestion(
            id=self._id(),
            question=question,
            line=self._number,
            history=self._history(),
            rewrite=self._optional("rewrite", str, _TEXT),
            answerable=answerable,
            answers=answers,
            kind=self._optional("kind", str, _TEXT),
            scope=self._optional("scope", str, _TEXT),
            relevant=relevant,
        )

    def _id(self) -> str:
        found = self._document.get("id")
        if found is None:
            return str(self._number)
        if isinstance(found, bool) or not isinstance(found, str | int) or not str(found).strip():
            self._bad("id", found, "a text or a whole number")
        return str(found)

    def _answers(self) -> tuple[str, ...]:
        found = self._document.get("answer")
        several = found if isinstance(found, list) else [found]
        for each in several:
            if isinstance(each, bool) or not isinstance(each, str | int | float | None):
                self._bad("answer", found, "a text, a number, null, or a list of such")
        said = (str(each).strip() for each in several if each is not None)
        return tuple(dict.fromkeys(each for each in said if each))

    def _optional(self, name: str, kind: type[Any], expected: str) -> Any:
        found = self._document.get(name)
        if found is not None and not isinstance(found, kind):
            self._bad(name, found, expected)
        if isinstance(found, str) and not found.strip():
            return None
        return found

    def _history(self) -> tuple[Mapping[str, str], ...]:
        turns = self._document.get("history")
        if turns is None:
            return ()
        if not isinstance(turns, list):
            self._bad("history", turns, "a list of turns")
        found = []
        for number, turn in enumerate(turns):
            name = f"history[{number}]"
            if not isinstance(turn, dict):
                self._bad(name, turn, 'an object with "role" and "content"')
            if turn.get("role") not in _ROLES:
                self._bad(f"{name}.role", turn.get("role"), " or ".join(map(repr, _ROLES)))
            if not isinstance(turn.get("content"), str):
                self._bad(f"{name}.content", turn.get("content"), _TEXT)
            found.append({"role": turn["role"], "content": turn["content"]})
        return tuple(found)

    def _relevant(self) -> tuple[Place, ...]:
        places = self._document.get("relevant")
        if places is None:
            return ()
        if not isinstance(places, list):
            self._bad("relevant", places, "a list of places")
        return tuple(self._place(f"relevant[{i}]", place) for i, place in enumerate(places))

    def _place(self, name: str, place: Any) -> Place:
        if not isinstance(place, dict):
            self._bad(name, place, 'an object with "path"')
        path = place.get("path")
        if not isinstance(path, str) or not path.strip():
            self._bad(f"{name}.path", path, _TEXT)
        self._check_names(place, _PLACE_FIELDS, f"{name}.")
        numbers = {
            key: self._number_of(f"{name}.{key}", place.get(key), least)
            for key, least in (("page", 0), ("start", 0), ("end", 0), ("grade", 1))
        }
        start, end = numbers["start"], numbers["end"]
        if (start is None) != (end is None):
            self._bad(f"{name}.{'start' if start is None else 'end'}", None, "both start and end")
        if start is not None and end is not None and start >= end:
            self._bad(f"{name}.end", end, f"more than 'start' ({start})")
        grade = numbers["grade"] or 1
        if grade > 4:
            self._bad(f"{name}.grade", grade, "1 to 4")
        return Place(path.replace("\\", "/"), numbers["page"], start, end, grade)

    def _number_of(self, name: str, found: Any, least: int) -> int | None:
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int) or found < least:
            self._bad(name, found, f"a whole number from {least}")
        return found

    def _check_names(self, found: Mapping[str, Any], known: Sequence[str], prefix: str) -> None:
        """Refuse a field that is nearly named like one that is read: a slip would be ignored."""
        for name in found:
            if name in known:
                continue
            near = [one for one in get_close_matches(name, known, 1, 0.75) if one not in found]
            if near:
                raise UsageError(
                    f"{self._where}: there is no field {prefix + name!r}; is {prefix + near[0]!r} "
                    "meant?"
                )

    def _bad(self, name: str, found: object, expected: str) -> NoReturn:
        shown = repr(found)
        shown = shown if len(shown) <= 60 else shown[:59] + "…"
        raise UsageError(f"{self._where}: {name!r} must be {expected}, not {shown}")


@dataclass(frozen=True, slots=True)
class Checked:
    """A golden set whose paths are those of a base, and what does not fit the base."""

    questions: tuple[GoldenQuestion, ...]
    problems: tuple[str, ...]


def match_paths(questions: Sequence[GoldenQuestion], paths: Sequence[str], *, base: str) -> Checked:
    """Name the documents as the base does; what it does not hold is reported and kept.

    A base of several folders may put a folder's name before a path, so a path that only one
    document's path ends with is that document.

    Args:
        questions: The golden set.
        paths: The paths of all documents of the base.
        base: The base's folder, for messages.

    Raises:
        UsageError: the base is empty, or holds none of the documents that the set names.
    """
    if not paths:
        raise UsageError(f"the knowledge base {base!r} holds no documents: ragkit ingest FOLDER")
    known = set(paths)
    endings: dict[str, list[str]] = {}
    for path in paths:
        parts = path.split("/")
        for i in range(1, len(parts)):
            endings.setdefault("/".join(parts[i:]), []).append(path)

    def resolve(path: str) -> str | None:
        if path in known:
            return path
        found = endings.get(path.removeprefix("./"), [])
        return found[0] if len(found) == 1 else None

    problems: list[str] = []
    named: set[str] = set()
    matched: list[GoldenQuestion] = []
    for question in questions:
        renamed: dict[str, str] = {}
        for field_name, path in _paths_of(question):
            named.add(path)
            found = resolve(path)
            if found is None:
                problems.append(
                    f"line {question.line}: {field_name!r} names {path!r}, which the base does "
                    "not hold"
                )
            renamed[path] = found or path
        matched.append(_renamed(question, renamed))
    if named and not any(resolve(path) for path in named):
        raise UsageError(
            f"the knowledge base {base!r} holds none of the {len(named):,} files that the golden "
            f"set names, such as {min(named)!r}; ragkit ls shows what it holds"
        )
    return Checked(tuple(matched), tuple(problems))


def _paths_of(question: GoldenQuestion) -> list[tuple[str, str]]:
    found = [(f"relevant[{i}].path", place.path) for i, place in enumerate(question.relevant)]
    if question.scope is not None:
        found.append(("scope", question.scope))
    return found


def _renamed(question: GoldenQuestion, names: Mapping[str, str]) -> GoldenQuestion:
    return replace(
        question,
        scope=names.get(question.scope, question.scope) if question.scope else None,
        relevant=tuple(replace(p, path=names.get(p.path, p.path)) for p in question.relevant),
    )
