"""Reading the JSON that a language model wrote, mending what has only one possible meaning."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from typing import Any

_FENCE = re.compile(r"```[\w-]*[ \t]*\n(.*?)\n?[ \t]*```", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_TRAILING_COMMA = re.compile(r",(\s*[}\]])")
_OPENING = re.compile(r"[{\[]")
# Past this, reading what is not JSON anyway would only take time.
_MAX_CHARACTERS = 1_000_000


@dataclass(frozen=True, slots=True)
class ReadJson:
    """A value, and what had to be done to the text to read it."""

    value: Any
    repairs: tuple[str, ...] = ()


def read_json(text: str) -> ReadJson:
    """Read the JSON value that ``text`` is, or holds.

    Mended are: a code fence or prose around it, line breaks inside strings, commas before a
    closing bracket, Python's spelling (single quotes, ``True``, ``None``). Never guessed: what is
    missing, such as the end of a value that was cut off.

    Raises:
        ValueError: there is no JSON value in it; the message says where reading failed.
    """
    stripped = text.strip()
    try:
        return ReadJson(json.loads(stripped))
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    except ValueError as error:
        fault = error
    if len(stripped) <= _MAX_CHARACTERS:
        fenced = [match.group(1).strip() for match in _FENCE.finditer(stripped)]
        for candidate, repair in [
            *((inner, "taken out of a code fence") for inner in fenced),
            (stripped, ""),
        ]:
            found = _mended(candidate)
            if found is not None:
                repairs = (repair, *found.repairs) if repair else found.repairs
                return ReadJson(found.value, repairs)
    raise ValueError(f"not valid JSON: {fault}")


def _mended(text: str) -> ReadJson | None:
    for attempt, repair in [(text, ""), (_without_trailing_commas(text), "commas removed")]:
        decoder = json.JSONDecoder(strict=False)
        try:
            value = decoder.decode(attempt)
        except RecursionError:
            return None
        except ValueError:
            pass
        else:
            return ReadJson(value, (repair or "line breaks in strings",))
        opening = _OPENING.search(attempt)
        if opening is None:
            continue
        try:
            value, _ = decoder.raw_decode(attempt, opening.start())
        except (ValueError, RecursionError):
            continue
        around = "taken out of the text around it"
        return ReadJson(value, (repair, around) if repair else (around,))
    start, end = _OPENING.search(text), max(text.rfind("}"), text.rfind("]"))
    if start is None or end < start.start():
        return None
    try:
        value = ast.literal_eval(text[start.start() : end + 1])
        json.dumps(value, allow_nan=False)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return ReadJson(value, ("Python's spelling",))


def _without_trailing_commas(text: str) -> str:
    """Remove commas before closing brackets, except inside strings."""
    parts: list[str] = []
    end = 0
    for match in _STRING.finditer(text):
        parts += [_TRAILING_COMMA.sub(r"\1", text[end : match.start()]), match.group()]
        end = match.end()
    parts.append(_TRAILING_COMMA.sub(r"\1", text[end:]))
    return "".join(parts)


def object_schema(**properties: Any) -> dict[str, Any]:
    """Return the JSON schema of an object that has these properties, all of them, and no other."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
