"""Source code: unchanged, with a section for what is defined."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loading import blocks, headings, loaded

from ingest.errors import LoadError

PYTHON = '''"""A module."""

import os

LIMIT = 3


@decorated
class Pump:
    """Moves water."""

    def start(self):
        def inner(): ...
        return inner

    async def stop(self): ...

if LIMIT:
    def helper(x):
        return x

print(helper(1))
'''


def test_python_is_parsed() -> None:
    document = loaded("pump.py", PYTHON)
    assert document.text == PYTHON
    assert headings(document) == [
        ("Pump",),
        ("Pump", "start"),
        ("Pump", "stop"),
        ("helper",),
    ]
    parts = [document.text[one.start : one.end].strip() for one in document.sections]
    assert parts[0].startswith("@decorated\nclass Pump")
    assert parts[1].startswith("def start") and parts[1].endswith("return inner")
    assert parts[3].endswith("return x")
    assert {block.kind for block in document.blocks} == {"code"}
    assert blocks(document)[-1] == "print(helper(1))"
    assert "    def start(self):" in blocks(document)[4]


def test_python_of_another_version_goes_by_form() -> None:
    document = loaded(
        "old.py", 'def f(x):\n    print "x"\n\nclass A(object):\n    def g(self): pass\n'
    )
    assert headings(document) == [("f",), ("A",), ("A", "g")]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "a.js",
            "// Adds.\nexport async function add(a, b) {\n}\n\nconst twice = (x) => 2 * x;\n"
            "class Store extends Base {\n  get(k) {}\n}\nconst limit = 3;\n",
            [("add",), ("twice",), ("Store",)],
        ),
        (
            "a.ts",
            "export interface Box<T> {\n}\nexport default abstract class Big {\n}\n"
            "type Name = string;\nexport const load = async (p: string): Promise<void> => {\n}\n",
            [("Box",), ("Big",), ("Name",), ("load",)],
        ),
        (
            "a.go",
            "package x\n\nfunc (s *Store) Get(k string) error {\n}\n\ntype Store struct {\n}\n",
            [("Get",), ("Store",)],
        ),
        (
            "a.rs",
            "/// Loads.\npub(crate) async fn load<T>(x: T) -> T {\n}\nimpl Store {\n"
            "    pub fn get(&self) {}\n}\nimpl<T> Show for Box<T> {}\n",
            [("load",), ("Store",), ("Store", "get"), ("Show",)],
        ),
        (
            "A.java",
            "public final class A {\n    /** Runs. */\n    public static void main(String[] a) {\n"
            "        if (x) {\n        }\n        return f(1);\n    }\n}\n",
            [("A",), ("A", "main")],
        ),
        (
            "a.c",
            "#include <x.h>\nstruct pair {\n};\nstatic int *find(const char *s,\n    int n)\n{\n"
            "    return call(s);\n}\n",
            [("pair",), ("find",)],
        ),
        ("a.rb", "module Pumps\n  class Pump\n    def start\n    end\n  end\nend\n",
         [("Pumps",), ("Pumps", "Pump"), ("Pumps", "Pump", "start")]),
        ("a.sh", "function build {\n}\n", [("build",)]),
    ],
)  # fmt: skip
def test_other_languages_go_by_form(name: str, text: str, expected: list[tuple[str, ...]]) -> None:
    document = loaded(name, text)
    assert document.text == text
    assert headings(document) == expected


def test_comments_above_belong_to_what_they_explain() -> None:
    document = loaded("a.js", "const a = 1;\n\n// Adds.\n// Twice.\nfunction add() {}\n")
    [section] = document.sections
    assert document.text[section.start :].startswith("// Adds.")


def test_sentences_in_comments_define_nothing() -> None:
    text = "/*\n  class of pumps that\n  type is given by\n  function words do\n*/\nint x;\n"
    assert not loaded("a.c", text).sections


@pytest.mark.parametrize(
    "line",
    ["a " * 150, "a* " * 100, "a<" * 150, "int " * 70 + "f(", "export " * 40, "x = " + "(" * 200],
)
def test_lines_that_could_take_for_ever(line: str) -> None:
    for name in ("a.c", "a.ts", "a.java"):
        assert loaded(name, (line[:300] + "\n") * 50).format == "code"


def test_python_nested_without_end_goes_by_form() -> None:
    text = "def f(): pass\n" + "(" * 5000 + "\n"
    assert headings(loaded("a.py", text)) == [("f",)]


@given(st.text(max_size=300), st.sampled_from(["a.py", "a.c", "a.js"]))
def test_any_text_loads_as_code(text: str, name: str) -> None:
    try:
        loaded(name, text.encode("utf-8", "replace"))
    except LoadError as error:
        assert str(error)
