"""Tool calls that a model wrote into its text, in the forms that model families are trained on."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ragkit.llm.json_text import read_json

_NAMES = ("name", "function", "tool", "tool_name", "action")
_INPUTS = ("arguments", "parameters", "args", "input", "tool_input", "action_input")
# What stands in such tags is meant for no reader.
_TAGGED = re.compile(
    r"<(tool_call|function_call|tools|tool)>\s*(.*?)\s*(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE
)
_NAMED_TAG = re.compile(
    r"<(?:function=|invoke name=)[\"']?([\w.-]+)[\"']?>\s*(.*?)\s*(?:</(?:function|invoke)>|\Z)",
    re.DOTALL,
)
_PARAMETER = re.compile(
    r"<parameter(?:=|\s+name=)[\"']?([\w.-]+)[\"']?>\s*(.*?)\s*</parameter>", re.DOTALL
)
_MARKED = re.compile(r"\[TOOL_CALLS\]\s*|<\|python_tag\|>\s*")
_MARKED_NAME = re.compile(r"([\w.-]+)\s*(?:\[ARGS\])?\s*(?=\{)")


@dataclass(frozen=True, slots=True)
class WrittenCalls:
    """Calls as name and arguments (JSON), and the text before them."""

    before: str
    calls: tuple[tuple[str, str], ...]


def calls_in(text: str, known: Callable[[str], bool]) -> WrittenCalls | None:
    """Find the calls in a text that are marked as such, or that it consists of.

    Args:
        text: What a model wrote.
        known: Whether there is a tool of a name; other calls are none.
    """
    for start, found in _forms(text):
        calls = tuple((name, arguments) for name, arguments in found if known(name))
        if calls:
            return WrittenCalls(text[:start].strip(), calls)
    return None


def _forms(text: str) -> Iterator[tuple[int, list[tuple[str, str]]]]:
    named = list(_NAMED_TAG.finditer(text))
    if named:
        yield named[0].start(), [(tag[1], _parameters(tag[2])) for tag in named]
    tags = list(_TAGGED.finditer(text))
    if tags:
        yield tags[0].start(), [call for tag in tags for call in _written(tag[2])]
    marked = _MARKED.search(text)
    if marked is not None:
        rest = text[marked.end() :].strip()
        calls = [call for part in _MARKED.split(rest) for call in _marked(part)]
        yield marked.start(), calls
    yield 0, _written(text.strip())


def _marked(text: str) -> list[tuple[str, str]]:
    name = _MARKED_NAME.match(text)
    return [(name[1], text[name.end() :].strip())] if name else _written(text)


def _written(text: str) -> list[tuple[str, str]]:
    """Read a text that is nothing but calls: as JSON, or as in Python."""
    try:
        value = read_json(text, around=False).value
    except ValueError:
        return _as_in_python(text)
    return [call for one in (value if isinstance(value, list) else [value]) for call in _call(one)]


def _call(value: Any) -> list[tuple[str, str]]:
    if not isinstance(value, Mapping):
        return []
    if isinstance(value.get("function"), Mapping):
        value = value["function"]
    name = next((value[key] for key in _NAMES if isinstance(value.get(key), str)), None)
    given = next((value[key] for key in _INPUTS if value.get(key) is not None), None)
    if name is None:
        return []
    if given is None and set(value) - {*_NAMES, *_INPUTS, "type", "id", "thought"}:
        return []
    if isinstance(given, str):
        return [(name, given)]
    return [(name, json.dumps(given or {}, ensure_ascii=False))]


def _parameters(text: str) -> str:
    """Read what stands in a tag that names the tool: an object, or a tag for each parameter."""
    given: dict[str, Any] = {}
    for parameter in _PARAMETER.finditer(text):
        try:
            given[parameter[1]] = json.loads(parameter[2])
        except (ValueError, RecursionError):
            given[parameter[1]] = parameter[2]
    return json.dumps(given, ensure_ascii=False) if given else text or "{}"


def _as_in_python(text: str) -> list[tuple[str, str]]:
    """Read ``search(query="x")``, or a list of such; nothing of it is run."""
    if not text.rstrip().endswith((")", "]")) or "(" not in text:
        return []
    try:
        read = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    calls: list[tuple[str, str]] = []
    for call in read.elts if isinstance(read, ast.List | ast.Tuple) else [read]:
        if not (isinstance(call, ast.Call) and not call.args):
            return []
        try:
            given = {each.arg: ast.literal_eval(each.value) for each in call.keywords if each.arg}
            calls.append((ast.unparse(call.func), json.dumps(given, ensure_ascii=False)))
        except (ValueError, TypeError, RecursionError):
            return []
    return calls
