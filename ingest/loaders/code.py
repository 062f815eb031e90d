"""Source code: the file's own text, with a section for each function and class.

Python is parsed; for other languages the lines that define something are known by their form.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from ingest.decode import decode
from ingest.document import Block, Document, Section
from ingest.structure import normalise_plain

if TYPE_CHECKING:
    from ingest.loader_spec import Source

_MOST_PARSED: Final = 4_000_000
_MOST_DEFINITIONS: Final = 50_000
_LONGEST_LINE: Final = 300
_PYTHON: Final = frozenset([".py", ".pyi", ".pyw"])
_KEYWORDS: Final = (
    r"class|interface|struct|enum|trait|impl|union|protocol|extension|object|record|module"
    r"|namespace|function|func|fn|fun|def|sub|proc|macro|type"
)
_MODIFIERS: Final = (
    r"export|default|public|private|protected|internal|static|final|abstract|sealed|open|override"
    r"|virtual|inline|async|const|unsafe|extern|pub(?:\([\w:]+\))?|data|partial|suspend|local"
)
# A line that defines something by a keyword: "pub async fn load(", "export default class Store".
_DEFINED: Final = re.compile(
    rf"(?P<indent>[ \t]*)(?:(?:{_MODIFIERS})\s+)*(?P<keyword>{_KEYWORDS})\b[*\s]*"
    r"(?:<[^<>\n]*>\s*)?(?:\([^()\n]*\)\s*)?(?P<name>[A-Za-z_$][\w$]*(?:(?:\.|::)[\w$]+)*)"
    # What follows tells it from a sentence in a comment.
    r"\s*(?:[({:<=\[;|]|->|$|extends\b|implements\b|struct\b|interface\b|where\b|for\b|is\s*$|as\b|RETURNS\b)"
)
_ARROW: Final = re.compile(
    r"(?P<indent>[ \t]*)(?:export\s+)?(?:const|let|var)\s+(?P<name>[A-Za-z_$][\w$]*)\s*(?::[^=\n]+)?"
    r"=\s*(?:async\s*)?(?:function\b|(?:\([^()\n]*\)|[A-Za-z_$][\w$]*)\s*(?::[^=\n]+)?=>)"
)
# A function of C, C++, C# or Java: types and a name before brackets, and a body after them.
_C_LIKE: Final = re.compile(
    r"(?P<indent>[ \t]*)(?!(?:return|else|if|for|while|switch|case|new|throw|await|goto|using)\b)"
    r"(?:[A-Za-z_][\w:<>,\[\]]*[ \t*&]+)+(?P<name>[A-Za-z_~][\w:~]*)\s*\([^;{}\n]*(?:\{|,|\)?\s*$)"
)
_C_LIKE_SUFFIXES: Final = frozenset(
    ".c .h .cc .cpp .cxx .hpp .hh .cs .java .m .mm .d .glsl .proto".split()  # noqa: SIM905
)
_LEADING: Final = re.compile(r"\s*(?:#|//|/\*|\*|--|;|@|\[)")


class _Definition(NamedTuple):
    """Lines are from 0, ``end`` is past the last; ``depth`` is 0 for the outermost."""

    start: int
    end: int
    depth: int
    name: str


def load_code(source: Source) -> Document:
    """Load a source file. Offsets are those of the decoded file wherever it has plain line ends."""
    decoded = decode(source.data)
    text = normalise_plain(decoded.text)
    lines = text.split("\n")
    found = _definitions(text, lines, source.path.suffix.lower())
    starts = _line_starts(lines)
    return Document(
        text=text,
        format="code",
        sections=tuple(_sections(found, starts, len(text))),
        blocks=tuple(_blocks(text, lines, starts, found)),
        warnings=(decoded.warning,) if decoded.warning else (),
        encoding=decoded.encoding,
    )


def _definitions(text: str, lines: Sequence[str], suffix: str) -> list[_Definition]:
    if suffix in _PYTHON and len(text) <= _MOST_PARSED:
        try:
            return sorted(_parsed(text))[:_MOST_DEFINITIONS]
        # Not this Python's syntax, or nested more deeply than its parser can go.
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            pass
    return list(_by_form(lines, suffix))[:_MOST_DEFINITIONS]


def _parsed(text: str) -> Iterator[_Definition]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the file's own mistakes, such as invalid escapes
        tree = ast.parse(text)
    stack: list[tuple[ast.AST, int]] = [(tree, 0)]
    while stack:
        node, depth = stack.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                first = min([child.lineno, *[one.lineno for one in child.decorator_list]])
                yield _Definition(first - 1, child.end_lineno or first, depth, child.name)
                # What is defined within a function is part of it.
                if isinstance(child, ast.ClassDef):
                    stack.append((child, depth + 1))
            elif isinstance(child, ast.If | ast.Try | ast.With):
                stack.append((child, depth))


def _by_form(lines: Sequence[str], suffix: str) -> Iterator[_Definition]:
    """Yield what is defined at the outermost level, or in a class there, by indentation."""
    found: list[tuple[int, int, str, bool]] = []
    for number, line in enumerate(lines):
        if not line or len(line) > _LONGEST_LINE:
            continue
        match = _DEFINED.match(line) or _ARROW.match(line)
        if match is None and suffix in _C_LIKE_SUFFIXES:
            match = _C_LIKE.match(line)
        if match is None:
            continue
        indent = len(match["indent"].expandtabs(4))
        keyword = match.groupdict().get("keyword") or "function"
        found.append((number, indent, match["name"], keyword not in _FUNCTION_WORDS))
    holders: list[tuple[int, bool]] = []
    kept: list[_Definition] = []
    for number, indent, name, holds in found:
        while holders and holders[-1][0] >= indent:
            holders.pop()
        if all(holder for _, holder in holders):
            start = _with_leading(lines, number)
            kept.append(_Definition(start, start, len(holders), name))
        holders.append((indent, holds))
    last = _Definition(len(lines), len(lines), 0, "")
    for one, following in pairwise([*kept, last]):
        yield one._replace(end=max(one.start, following.start))


_FUNCTION_WORDS: Final = frozenset("function func fn fun def sub proc macro".split())  # noqa: SIM905


def _with_leading(lines: Sequence[str], number: int) -> int:
    """Return the line where the comments and decorators right above a definition begin."""
    start = number
    while start and number - start < 40 and _LEADING.match(lines[start - 1]):
        start -= 1
    return start


def _sections(
    found: Sequence[_Definition], starts: Sequence[int], length: int
) -> Iterator[Section]:
    """Yield a section for each definition, up to the next one or to its own end."""
    above: list[_Definition] = []
    previous_start = -1
    for index, one in enumerate(found):
        while above and above[-1].depth >= one.depth:
            above.pop()
        above.append(one)
        stop = one.end
        if index + 1 < len(found):
            stop = min(stop, found[index + 1].start)
        if one.start == previous_start or stop <= one.start:
            continue
        previous_start = one.start
        path = tuple(definition.name for definition in above)
        end = starts[stop] if stop < len(starts) else length
        yield Section(path, len(path), starts[one.start], end)


def _blocks(
    text: str, lines: Sequence[str], starts: Sequence[int], found: Sequence[_Definition]
) -> Iterator[Block]:
    """Yield code blocks: cut where definitions begin and end, and at blank lines on top level."""
    cuts = {0, len(lines)}
    for one in found:
        cuts.update((one.start, one.end))
    for number in range(1, len(lines)):
        line = lines[number]
        if not lines[number - 1].strip() and line[:1].strip() and line[0] not in ")]}":
            cuts.add(number)
    for first, last in pairwise(sorted(cuts)):
        begin = starts[first]
        end = starts[last] if last < len(starts) else len(text)
        content = text[begin:end]
        stripped = content.strip()
        if stripped:
            # Indentation belongs to code: a block begins where its first line does.
            lead = content[: content.index(stripped[0])]
            begin += lead.rfind("\n") + 1
            yield Block("code", begin, begin + len(text[begin:end].rstrip()))


def _line_starts(lines: Sequence[str]) -> list[int]:
    starts = [0]
    for line in lines[:-1]:
        starts.append(starts[-1] + len(line) + 1)
    return starts
