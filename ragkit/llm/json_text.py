"""Reading the JSON that a language model wrote, mending what has only one possible meaning."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_FENCE = re.compile(r"(?:```|~~~)[\w-]*[ \t]*\n(.*?)\n?[ \t]*(?:```|~~~)", re.DOTALL)
_OPENING = re.compile(r"[{\[]")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_MARK = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]')
_COMMENT = re.compile(r'("(?:[^"\\]|\\.)*")|/\*.*?\*/|(?<!:)//[^\n]*', re.DOTALL)
_TRAILING_COMMA = re.compile(r",(\s*[}\]])")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_WORD = re.compile(r"\w+")
_SPELT = {"none": "null"}
_QUOTES = "\"'`“”‘’«»„"
# Past this, reading what is not JSON anyway would only take time; mending takes more of it.
_MAX_CHARACTERS = 1_000_000
_MAX_MENDED, _MAX_DEPTH, _MAX_LOOKS = 20_000, 20, 50


@dataclass(frozen=True, slots=True)
class ReadJson:
    """A value, and what had to be done to the text to read it."""

    value: Any
    repairs: tuple[str, ...] = ()


def read_json(text: str, *, around: bool = True) -> ReadJson:
    """Read the JSON value that ``text`` is, or (``around``) holds.

    Mended are: a code fence or prose around it, line breaks inside strings, commas and quotes too
    many or too few, comments, Python's spelling. Never guessed: what is missing, such as the end of
    a value that was cut off; nothing is mended such that a word of the text is lost or new.

    Raises:
        ValueError: there is no JSON value in it; the message says where reading failed.
    """
    return next(readings(text, around=around))


def readings(text: str, *, around: bool = True) -> Iterator[ReadJson]:
    """Yield the values that ``text`` is or holds, the likeliest first: there is at least one.

    What stands in a code fence comes before what stands between words, objects before lists, and
    the last of several before those above it, which a model often only thinks about.

    Raises:
        ValueError: there is no JSON value in it.
    """
    stripped = text.strip()
    try:
        yield ReadJson(json.loads(stripped))
        return
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    except ValueError as error:
        fault = error
    found = False
    if len(stripped) <= _MAX_CHARACTERS:
        for reading in _mended_readings(stripped, around):
            found = True
            yield reading
    if not found:
        raise ValueError(f"not valid JSON: {fault}")


def _mended_readings(text: str, around: bool) -> Iterator[ReadJson]:
    whole = _mended(text)
    if whole is not None:
        yield whole
        return
    fences = list(_FENCE.finditer(text))
    if not around:
        fences = [fence for fence in fences if fence.group() == text]
    for fence in reversed(fences):
        inner = _mended(fence.group(1).strip())
        if inner is not None:
            yield ReadJson(inner.value, ("taken out of a code fence", *inner.repairs))
    if not around:
        return
    spans = list(_spans(text))
    for kind in (dict, list):
        for found in reversed(spans):
            if isinstance(found.value, kind):
                yield ReadJson(found.value, (_AROUND, *found.repairs))


_AROUND = "taken out of the text around it"


def _spans(text: str) -> Iterator[ReadJson]:
    """Yield the objects and lists that stand in a text, outermost ones alone."""
    decoder = json.JSONDecoder(strict=False)
    at = 0
    for _ in range(_MAX_LOOKS):
        opening = _OPENING.search(text, at)
        if opening is None:
            return
        start = opening.start()
        try:
            value, at = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            # What stands inside of it is no value of its own.
            end = _end_of(text, start)
            if end is None:
                return
            at = end
            mended = _mended(text[start:end])
            if mended is not None:
                yield mended
        else:
            yield ReadJson(value)


def _end_of(text: str, start: int) -> int | None:
    """Return where the brackets that open at ``start`` are all closed."""
    depth = 0
    for mark in _MARK.finditer(text, start, start + _MAX_MENDED):
        if mark.group() in ("{", "["):
            depth += 1
        elif mark.group() in ("}", "]"):
            depth -= 1
            if depth == 0:
                return mark.end()
    return None


def _depth(text: str) -> int:
    depth = deepest = 0
    for mark in _MARK.finditer(text):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(mark.group(), 0)
        deepest = max(deepest, depth)
    return deepest


def _mended(text: str) -> ReadJson | None:
    """Read a text that is one value, with slips."""
    if text[:1] not in ("{", "["):
        return None
    for attempt, strict, repairs in (
        (text, True, ()),
        (text, False, ("line breaks in strings",)),
        (_plainer(text), False, ("commas or comments removed",)),
    ):
        try:
            return ReadJson(json.loads(attempt, strict=strict), repairs)
        except (ValueError, RecursionError):
            pass
    try:
        value = ast.literal_eval(text)
        json.dumps(value, allow_nan=False)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return _repaired(_plainer(text))
    return ReadJson(value, ("Python's spelling",))


def _repaired(text: str) -> ReadJson | None:
    """Have a text repaired, and look whether that kept what it says."""
    closing = "}" if text[0] == "{" else "]"
    if len(text) > _MAX_MENDED or not text.endswith(closing) or _depth(text) > _MAX_DEPTH:
        return None
    if text.count(text[0]) > text.count(closing) or re.search(r"[\"']\s*\+\s*[\"']", text):
        return None  # cut off; or put together, which is for whoever runs it
    if re.search(r"\.\.\.|…", _STRING.sub("", text)):
        return None  # some of it is left to be thought of
    import json_repair

    try:
        value: Any = json_repair.repair_json(text, return_objects=True, skip_json_loads=True)
        kept = _words_of(value) == _words(text) and all(
            _is_quoted(leaf, text) for leaf in _texts(value)
        )
    except (ValueError, TypeError, RecursionError, IndexError):
        return None
    if not kept or not isinstance(value, dict if closing == "}" else list):
        return None
    return ReadJson(value, ("quotes or commas mended",))


def _words(text: str) -> Counter[str]:
    plain = _ESCAPE.sub(
        lambda match: (
            chr(int(match[1], 16)) if match[1] else " " if match[2] in "nrtbf" else match[2]
        ),
        text,
    )
    words = (word.casefold() for word in _WORD.findall(plain))
    return Counter(_SPELT.get(word, word) for word in words)


def _words_of(value: Any) -> Counter[str]:
    words: Counter[str] = Counter()
    for leaf in _leaves(value):
        said = leaf if isinstance(leaf, str) else json.dumps(leaf)
        words += Counter(_SPELT.get(word, word) for word in map(str.casefold, _WORD.findall(said)))
    return words


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield value


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in a value, without the names of what has them."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if isinstance(value, str):
        yield value
    for inner in inside:
        yield from _texts(inner)


def _is_quoted(leaf: str, text: str) -> bool:
    """Whether a text was written as one, not as a number or a word that means something else."""
    begins = {leaf[:20], json.dumps(leaf, ensure_ascii=False)[1:-1][:20]}
    return any(f"{quote}{begin}" in text for quote in _QUOTES for begin in begins)


def _plainer(text: str) -> str:
    """Remove comments, and commas before closing brackets, except inside strings."""
    text = _COMMENT.sub(lambda match: match[1] or " ", text)
    parts: list[str] = []
    end = 0
    for match in _STRING.finditer(text):
        parts += [_TRAILING_COMMA.sub(r"\1", text[end : match.start()]), match.group()]
        end = match.end()
    parts.append(_TRAILING_COMMA.sub(r"\1", text[end:]))
    return "".join(parts)


def argument_text(arguments: str) -> str:
    """Return a call's arguments as a server takes them back: one JSON object, mended or empty."""
    try:
        found = read_json(arguments, around=False)
    except ValueError:
        return "{}"
    if not isinstance(found.value, dict):
        return "{}"
    return json.dumps(found.value, ensure_ascii=False) if found.repairs else arguments


def object_schema(**properties: Any) -> dict[str, Any]:
    """Return the JSON schema of an object that has these properties, all of them, and no other."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
