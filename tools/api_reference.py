"""Write the reference of the Python API, one page for each package: ``python tools/api_reference.py``.

``docs/api`` is its output, made from signatures and docstrings; a test compares them.
"""

from __future__ import annotations

import inspect
import re
import sys
import types
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, is_typeddict

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

PACKAGES = (
    "ragkit",
    "ragkit.agent",
    "ragkit.agent.tools",
    "ragkit.chain",
    "ragkit.embed",
    "ragkit.events",
    "ragkit.index",
    "ragkit.llm",
    "ragkit.memory",
    "ragkit.question",
    "ragkit.retrieve",
    "ragkit.server",
    "ragkit.testing",
    "ingest",
)
FOLDER = ROOT / "docs" / "api"
_ROLE = re.compile(r":\w+:`~?([^`]+)`")


def pages() -> dict[str, str]:
    """Return all pages by file name."""
    found = {f"{package}.md": _page(package) for package in PACKAGES}
    lines = [f"- [`{name}`]({name}.md): {_first(import_module(name))}" for name in PACKAGES]
    head = "# The Python API\n\nMade by `python tools/api_reference.py` from the docstrings.\n\n"
    return {"README.md": head + "\n".join(lines) + "\n", **found}


def undocumented() -> list[str]:
    """Return the public names that nothing is said of: functions, classes and their methods."""
    missing = []
    for package in PACKAGES:
        for name, value in _entries(package):
            told = {name: value} if isinstance(value, type | types.FunctionType) else {}
            if inspect.isclass(value) and value.__module__.split(".")[0] in ("ragkit", "ingest"):
                by_class = inspect.getdoc(value) or ""  # which may speak of properties
                told |= {
                    f"{name}.{member}": what
                    for member, what in _members(value)
                    if f"``{member}``" not in by_class
                }
            missing += [
                f"{package}.{key}" for key, what in told.items() if not inspect.getdoc(what)
            ]
    return missing


class _Plain(str):
    """An annotation as it was written, without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self).strip("'\"")


def _entries(package: str) -> Iterator[tuple[str, Any]]:
    module = import_module(package)
    for name in sorted(module.__all__):
        if not name.startswith("_") and hasattr(module, name):
            yield name, getattr(module, name)


def _page(package: str) -> str:
    parts = [f"# `{package}`", _text(import_module(package))]
    for name, value in _entries(package):
        parts.append(f"## `{name}`")
        if package != "ragkit" and dict(_entries("ragkit")).get(name) is value:
            parts.append(f"See [`ragkit`](ragkit.md#{name.lower()}).")
            continue
        if inspect.isclass(value) and not is_typeddict(value):
            parts += [_code(f"class {name}", value), _text(value)]
            begin = vars(value).get("__init__")
            if isinstance(begin, types.FunctionType):
                parts.append(_text(begin) if begin.__doc__ else "")
            for member, what in _members(value):
                callable_ = what.fget if isinstance(what, property) else what
                prefix = "property " if isinstance(what, property) else ""
                parts += [_code(f"{prefix}{name}.{member}", callable_), _text(what)]
        elif inspect.isclass(value) or inspect.isfunction(value):
            parts += [_code(name, value if inspect.isfunction(value) else None), _text(value)]
        else:
            parts.append(f"```python\n{name} = {_value(value)}\n```")
    return "\n\n".join(part for part in parts if part) + "\n"


def _members(kind: type) -> Iterator[tuple[str, Any]]:
    for name, member in vars(kind).items():
        public = not name.startswith("_") and name != "__init__"
        if public and isinstance(
            member, types.FunctionType | property | classmethod | staticmethod
        ):
            yield name, getattr(member, "__func__", member)


def _code(name: str, called: Callable[..., Any] | None) -> str:
    """Return the signature, one parameter a line where it is long."""
    try:
        signature = inspect.signature(called) if called is not None else None
    except ValueError:  # of what is made by C, as exceptions are
        signature = None
    if signature is None or (inspect.isclass(called) and issubclass(called, Exception)):
        return f"```python\n{name}\n```"
    shown = [
        each.replace(annotation=_Plain(each.annotation))
        if isinstance(each.annotation, str)
        else each
        for each in signature.parameters.values()
        if each.name not in ("self", "cls")
    ]
    returned = signature.return_annotation
    signature = signature.replace(
        parameters=shown,
        return_annotation=_Plain(returned) if isinstance(returned, str) else returned,
    )
    text = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", f"{name}{signature}")
    text = re.sub(r"<factory>|<function [^>]*>|<[^<>]* object at [^>]*>", "...", text)
    return f"```python\n{text}\n```"


def _text(what: Any) -> str:
    """Return a docstring as Markdown: roles become code, lists of arguments become lists."""
    doc = "" if what is None else inspect.getdoc(what) or ""
    if inspect.isclass(what) and doc.startswith(f"{what.__name__}("):  # a dataclass's own
        return ""
    doc = _ROLE.sub(r"`\1`", doc).replace("``", "`")
    lines: list[str] = []
    for line in doc.splitlines():
        if re.fullmatch(r"(Args|Attributes|Raises|Returns|Yields):", line):
            lines += [f"**{line[:-1]}**", ""]
        elif not lines or not any(each.startswith("**") for each in lines):
            lines.append(line)  # prose, and examples that are set in
        elif re.match(r"    \S", line):
            lines.append(re.sub(r"^    ([*\w, ]+):", r"- `\1`:", line))
        else:
            lines.append(re.sub(r"^ {6,}", "  ", line))
    return "\n".join(lines)


def _value(value: Any) -> str:
    text = re.sub(r"<[^<>]*>", "...", str(value) if not isinstance(value, str) else repr(value))
    return text.replace("typing.", "").replace("collections.abc.", "")


def _first(module: types.ModuleType) -> str:
    return (inspect.getdoc(module) or "").partition("\n")[0]


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for stale in FOLDER.glob("*.md"):
        stale.unlink()
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
