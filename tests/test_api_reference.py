"""The reference of the Python API is complete, and as the code is."""

import re
import sys
from importlib import import_module

import pytest

import ragkit
from tests.test_imports import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "tools"))

import api_reference


@pytest.mark.parametrize("package", api_reference.PACKAGES)
def test_each_public_name_has_its_entry(package: str) -> None:
    page = (REPOSITORY / f"docs/api/{package}.md").read_text(encoding="utf-8")
    names = [name for name in import_module(package).__all__ if not name.startswith("__")]
    assert names
    assert [name for name in names if f"\n## `{name}`\n" not in page] == []


def test_the_reference_is_as_the_code_is() -> None:
    kept = {path.name: path.read_text("utf-8") for path in (REPOSITORY / "docs/api").glob("*.md")}
    assert kept == api_reference.pages(), "run `python tools/api_reference.py`"


def test_all_that_is_public_is_documented() -> None:
    assert api_reference.undocumented() == []


# What Python and typing have themselves.
COMMON = {
    *(
        "Any",
        "AsyncIterator",
        "Callable",
        "Event",
        "Iterator",
        "Literal",
        "Mapping",
        "None",
        "Path",
    ),
    *(
        "Output",
        "Self",
        "Sequence",
        "UnionType",
        "_SpecialForm",
        "Unpack",
        "bool",
        "bytes",
        "dict",
        "float",
        "int",
        "list",
        "object",
        "str",
    ),
    "tuple",
    "type",
}


@pytest.mark.parametrize("kind", [ragkit.KnowledgeBase, ragkit.Chat, ragkit.Agent])
def test_what_public_calls_take_and_return_is_exported(kind: type) -> None:
    called = [each for name, each in vars(kind).items() if name[0] != "_" or name == "__init__"]
    annotations = [
        str(annotation)
        for each in called
        for name, annotation in getattr(each, "__annotations__", {}).items()
        if name not in ("self", "base")  # which nobody else hands over
    ]
    words = {word for text in annotations for word in re.findall(r"(?<!['\"\w])[A-Za-z_]\w+", text)}
    assert words
    assert sorted(word for word in words - COMMON if not hasattr(ragkit, word)) == []
