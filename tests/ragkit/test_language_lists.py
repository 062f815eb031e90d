"""Every word list stands once, as data with its source; code has none."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.word_lists import WordLists
from ragkit.language import lists

ROOT = Path(__file__).parents[2]
FILES = sorted(
    [*ROOT.glob("ragkit/language/data/*.toml"), *ROOT.glob("ingest/data/*.toml")],
    key=lambda path: path.name,
)
# So many words of a language in one literal are a list.
FEWEST = 8
# What looks like a list of words but is none of a language, by module: why.
NO_LANGUAGE = {
    "ingest/loaders/code.py": "keywords of programming languages",
    "ingest/loaders/html/main_text.py": "tags, and class names of web pages",
    "ingest/loaders/html/elements.py": "tags, and class names of web pages",
    "ingest/loaders/pdf/info.py": "titles that programs write into PDF files",
    "ingest/loaders/registry.py": "names of formats and endings of files",
    "ragkit/agent/sandbox/seccomp.py": "system calls",
    "ragkit/agent/tools/functions.py": "functions of the calculator",
    "ragkit/agent/tools/sql_check.py": "names of databases",
    "ragkit/agent/tools/units.py": "units of the calculator with their factors",
    "ragkit/evals/golden.py": "fields of a line of a golden set",
    "ragkit/llm/failures.py": "error messages of model servers",
    "ragkit/llm/fence.py": "control marks of models",
    "ragkit/store/soundness.py": "tables and columns of a base",
}
_WORD = re.compile(r"[^\W\d_A-Z][^\W\d_A-Z'-]+")


def _lists() -> Iterator[tuple[str, str, dict[str, str | list[str]]]]:
    for file in FILES:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
        for part, table in tables.items():
            if isinstance(table, dict):
                name = file.stem if part == "words" else f"{file.stem}.{part}"
                yield file.stem, name, table


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_every_file_says_where_its_words_are_from(file: Path) -> None:
    tables = tomllib.loads(file.read_text(encoding="utf-8"))
    assert tables.pop("source").strip() and tables.pop("licence").strip()
    assert tables and all(isinstance(table, dict) and table for table in tables.values())


def test_every_list_can_be_read_and_matches_its_own_words() -> None:
    for _, name, table in _lists():
        for language, listed in table.items():
            assert lists.entries(name, language), (name, language)
            for entry in lists.entries(name, language):
                re.compile(entry)
            if isinstance(listed, str):
                whole = re.compile(lists.alternatives(name, language))
                for word in lists.words(name, language):
                    assert whole.fullmatch(word), (name, language, word)
                    assert word == word.lower(), (name, word)


def test_no_list_stands_twice() -> None:
    assert len({file.name for file in FILES}) == len(FILES)
    seen: dict[frozenset[str], str] = {}
    for _, name, table in _lists():
        for language in table:
            listed = frozenset(lists.entries(name, language))
            if len(listed) > 3:
                assert listed not in seen, (name, language, seen[listed])
                seen[listed] = f"{name} {language}"


def test_no_word_stands_twice_in_one_list() -> None:
    for _, name, table in _lists():
        for language, listed in table.items():
            written = [
                word
                for entry in (listed.split() if isinstance(listed, str) else listed)
                for word in entry.rpartition("=")[2].split("|")
                if isinstance(listed, str)
            ]
            assert len(written) == len(set(written)), (name, language, sorted(written))


def test_every_list_is_used() -> None:
    sources = [file for folder in ("ingest", "ragkit") for file in (ROOT / folder).rglob("*.py")]
    read = "\n".join(file.read_text(encoding="utf-8") for file in [*sources, *FILES])
    for file, name, _ in _lists():
        used = rf"[\"']{name}[\"']|<<{name}[:>]|f[\"']{file}\.{{"
        assert re.search(used, read), f"nothing uses {name}"


def test_words_of_one_meaning_have_one_value() -> None:
    assert lists.values("months")["märz"] == lists.values("months")["march"] == 3
    assert lists.values("number_words")["sieben"] == 7
    assert lists.values("colours")["gray"] == lists.values("colours")["grey"]
    assert lists.values("colours")["weiss"] == lists.values("colours")["white"]
    assert lists.values("colours")["rot"] == lists.values("colours")["red"]
    for name in ("colours", "days.weekdays"):
        places: dict[str, int] = {}
        for language in lists.languages_of(name):
            places |= lists.values(name, language)
        assert places == lists.values(name)


def test_lists_of_other_folders(tmp_path: Path) -> None:
    (tmp_path / "greetings.toml").write_text(
        'source = "here"\nlicence = "MIT"\n[words]\nenglish = "hi hello"\ngerman = "hallo|servus"\n'
        "[polite]\nany = ['good <<greetings:english>>', 'x+']\n",
        encoding="utf-8",
    )
    own = WordLists(tmp_path)
    assert own.words("greetings", "german") == {"hallo", "servus"}
    assert own.words("greetings") == {"hi", "hello", "hallo", "servus"}
    assert own.alternatives("greetings", "english") == "(?:hello|hi)"
    polite = own.pattern("greetings.polite")
    assert polite.fullmatch("Good hi") and polite.fullmatch("xx") and not polite.fullmatch("hi")
    for missing in ("no_such_file", "greetings.no_such_table"):
        with pytest.raises(KeyError):
            own.words(missing)
    with pytest.raises(KeyError):
        own.words("greetings", "klingon")


def test_code_has_no_word_lists() -> None:
    found = defaultdict(list)
    for folder in ("ingest", "ragkit"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            name = file.relative_to(ROOT).as_posix()
            found[name] += _word_lists(ast.parse(file.read_text(encoding="utf-8")))
    listed = {name: lines for name, lines in found.items() if lines and name not in NO_LANGUAGE}
    assert not listed, f"word lists in code, by line; they belong into a file of data: {listed}"


def test_exceptions_are_needed() -> None:
    for name in NO_LANGUAGE:
        if (ROOT / name).exists():
            assert _word_lists(ast.parse((ROOT / name).read_text(encoding="utf-8"))), name


@pytest.mark.parametrize(
    "code",
    [
        "A = {'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight'}",
        "A = ['un', 'deux', 'trois', 'quatre', 'cinq', 'six', 'sept', 'huit']",
        "def f(word): return word in ('he', 'she', 'it', 'they', 'him', 'her', 'his', 'their')",
        "A = {'one': 1, 'two': 2, 'three': 3, 'four': 4, 'five': 5, 'six': 6, 'ten': 7, 'elf': 8}",
        "A = 'one two three four five six seven eight'.split()",
        "A = listed('one two three four five six seven eight')",
        r"A = re.compile(r'\b(?:jan(?:uary)?|february|march|april|may|june|july|august)\b')",
        r"A = rf'\b(?:{X}|one|two|three|four|five|six|seven|eight)\b'",
    ],
)
def test_word_lists_are_found(code: str) -> None:
    assert _word_lists(ast.parse(code))


@pytest.mark.parametrize(
    "code",
    [
        '"""One two three, four or five: six and seven to eight, nine or ten."""',
        "raise ValueError('there is nothing to be read in this file at all')",
        "ROW = {'id': row[0], 'path': row[1], 'page': 2, 'start': 3, 'end': 4, 'a': 5, 'b': 6, 'c': 7}",
        "__all__ = ['ask', 'branch', 'each', 'fallback', 'guarded', 'parallel', 'parse', 'refine']",
        "class A:\n  __slots__ = ('ask', 'branch', 'each', 'guarded', 'parallel', 'parse', 'go', 'on')",
        "Kind = Literal['ask', 'branch', 'each', 'fallback', 'guarded', 'parallel', 'parse', 'go']",
    ],
)
def test_other_literals_are_let_be(code: str) -> None:
    assert not _word_lists(ast.parse(code))


def _word_lists(tree: ast.Module) -> list[int]:
    """The lines of literals that list words: collections, strings of words, alternatives of words.

    Dictionaries count if all of their values are literals as well: others are records with names of
    fields. So do lists unless they name what a module or class has, or the values of a type.
    """
    found = set()
    named = {
        id(inner) for node in ast.walk(tree) if _names_fields(node) for inner in ast.walk(node)
    }
    arguments = {id(given) for node in ast.walk(tree) for given in _given(node)}
    for node in ast.walk(tree):
        if id(node) in named:
            continue
        if isinstance(node, ast.Set | ast.Tuple | ast.List):
            listed = _strings(node.elts)
        elif isinstance(node, ast.Dict):
            if not all(map(_is_short, node.values)):
                continue
            listed = _strings(node.keys)
        elif isinstance(node, ast.JoinedStr):
            listed = _alternatives("".join(_strings(node.values)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            listed = _alternatives(node.value)
            words = node.value.split()
            called = id(node) in arguments
            # A few words may be a message.
            if (called or len(words) >= 2 * FEWEST) and all(map(_WORD.fullmatch, words)):
                listed += words
        else:
            continue
        if sum(bool(_WORD.fullmatch(word)) for word in listed) >= FEWEST:
            found.add(node.lineno)
    return sorted(found)


def _names_fields(node: ast.AST) -> bool:
    if isinstance(node, ast.Assign):
        targets = [target.id for target in node.targets if isinstance(target, ast.Name)]
        return any(target.startswith("__") for target in targets)
    if isinstance(node, ast.Subscript):
        return isinstance(node.value, ast.Name) and node.value.id == "Literal"
    # Docstrings.
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_short(value: ast.expr) -> bool:
    if isinstance(value, ast.Constant):
        return " " not in str(value.value)
    return isinstance(value, ast.Tuple)


def _given(node: ast.AST) -> list[ast.expr]:
    """What a function or method is called with; not where an error or a message is made."""
    if not isinstance(node, ast.Call):
        return []
    if isinstance(node.func, ast.Attribute):
        return [node.func.value, *node.args] if node.func.attr == "split" else []
    named = node.func.id if isinstance(node.func, ast.Name) else ""
    return node.args if named.islower() and len(node.args) == 1 else []


def _strings(nodes: list[ast.expr | None] | list[ast.expr]) -> list[str]:
    return [
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def _alternatives(pattern: str) -> list[str]:
    """The words that stand between bars of a regular expression."""
    if pattern.count("|") < FEWEST - 1:
        return []
    plain = re.sub(r"\\.|\(\?[:=!<]*", "|", pattern)
    return [
        word for piece in re.split(r"[|()]", plain) for word in [piece.strip(" ?s+*.^$")] if word
    ]
