"""How the time of loaders, chunker, search and answers grows with the size of what they are given.

Each of :data:`PATTERNS` is repeated to files and questions of doubling sizes. The processor time at
the largest and at a quarter of it gives the exponent: 1 is linear, 2 quadratic::

    python bench/growth.py                     # up to 1 MB, all patterns: about an hour
    python bench/growth.py --largest 128000    # minutes
    python bench/growth.py --only a.html chunker/a.md

Exits with 1 if anything that takes more than a second grows by a power above 1.3, or takes more than
a minute.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import math
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from xml.sax.saxutils import escape

from ingest import LoadError
from ingest.chunker import ChunkerOptions, chunk_document
from ingest.loaders.registry import load_bytes
from ragkit import KnowledgeBase, RagkitError
from ragkit.testing import HashEmbedder

PATTERNS = (
    "a", "A", "0", " ", "\t", "\n", "\r\n", "a ", "a\n", "a\n\n", "the ", "A.", "1. ", "Dr. ", "é", "漢",
    "。", "🙂", "\u0301", "\u200b", "\u202e", "\ufeff", ".", ". ", "! ", "?", ",", "1,", ";\n", ":", '"',
    "'", "\\", "/", "%", "@", "a@b.c ", "http://a ", "#", "# ", "# a\n", "*", "**a ", "_", "`", "```\n",
    "~", "- ", "- a\n", "> ", "=\n", "---\n", "|", "|a|b|\n", "|-|\n", "[", "![", "[a](", "(", ")", "{",
    '{"a":', "[]", "<", "<b>", "<b><i><u>", "<div>", "<p>a", "<td>", "<table>", "<li>", "<!--", "&",
    "&amp;", "&#", "data:a/b,", "def f():\n", "x = ", "=?utf-8?q?a?= ", "From: a\n", "--q\n",
)  # fmt: skip
FILES = ("a.md", "a.txt", "a.html", "a.csv", "a.json", "a.jsonl", "a.ipynb", "a.py", "a.eml")
PACKED = ("mail.eml", "words.json", "a.docx", "a.xlsx", "a.epub", "page.html")
SMALLEST = 16_000
MOST_SECONDS = 60.0
QUICK = 1.0  # seconds; what takes less may grow as it likes
MOST_GROWTH = 1.3
_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"

Work = Callable[[str], object]


@dataclass(frozen=True)
class Growth:
    """What one kind of work took, by size in characters."""

    name: str
    pattern: str
    seconds: dict[int, float]

    @property
    def exponent(self) -> float:
        """Between a quarter of the largest size and that; what is quick is taken for a tenth of a second."""
        sizes = sorted(self.seconds)
        if len(sizes) < 3:
            return 0.0
        first, last = (max(self.seconds[size], 0.1) for size in (sizes[-3], sizes[-1]))
        return math.log(last / first) / math.log(sizes[-1] / sizes[-3])

    @property
    def longest(self) -> float:
        return max(self.seconds.values())

    @property
    def is_bad(self) -> bool:
        bent = self.longest > QUICK and self.exponent > MOST_GROWTH
        return bent or self.longest > MOST_SECONDS


def packed(name: str, text: str) -> bytes:
    """A file of some format that holds ``text`` as its content."""
    clean = "".join(sign for sign in text if sign.isprintable() or sign in "\n\t")
    if name == "mail.eml":
        message = EmailMessage()
        message["From"], message["Subject"] = "a@example.com", " ".join(clean.split())[:900_000]
        message.set_content(clean)
        return message.as_bytes()
    if name == "words.json":
        import json

        return json.dumps([{"name": clean, "value": clean}]).encode()
    if name == "page.html":
        return f"<title>{escape(clean)}</title><h1>{escape(clean)}</h1><p>{escape(clean)}".encode()
    return zipped(_archived(name, escape(clean)))


def _archived(name: str, text: str) -> dict[str, str]:
    kind = {"a.docx": "officeDocument", "a.xlsx": "officeDocument"}.get(name)
    if kind is None:
        page = f"<html xmlns='http://www.w3.org/1999/xhtml'><body><p>{text}</p></body></html>"
        package = (
            "<package xmlns='http://www.idpf.org/2007/opf' version='3.0'><metadata/><manifest>"
            "<item id='a' href='a.xhtml' media-type='application/xhtml+xml'/></manifest>"
            "<spine><itemref idref='a'/></spine></package>"
        )
        container = (
            "<container xmlns='urn:oasis:names:tc:opendocument:xmlns:container'><rootfiles>"
            "<rootfile full-path='a.opf' media-type='application/oebps-package+xml'/></rootfiles>"
            "</container>"
        )
        return {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": container,
            "a.opf": package,
            "a.xhtml": page,
        }
    target, content = {
        "a.docx": (
            "word/document.xml",
            f"<w:document xmlns:w='{_WORD}'><w:body><w:p><w:r><w:t xml:space='preserve'>{text}"
            "</w:t></w:r></w:p></w:body></w:document>",
        ),
        "a.xlsx": ("xl/workbook.xml", ""),
    }[name]
    types = {
        "a.docx": "wordprocessingml.document.main",
        "a.xlsx": "spreadsheetml.sheet.main",
    }[name]
    parts = {target: content}
    if name == "a.xlsx":
        cells = "".join(
            f"<row><c t='inlineStr'><is><t xml:space='preserve'>{text[at : at + 30_000]}</t></is></c>"
            "</row>"
            for at in range(0, len(text), 30_000)
        )
        parts = {
            target: f"<workbook xmlns='{_SHEET}' xmlns:r='{_RELATIONS}'><sheets>"
            "<sheet name='a' sheetId='1' r:id='r1'/></sheets></workbook>",
            "xl/worksheets/a.xml": f"<worksheet xmlns='{_SHEET}'><sheetData>{cells}</sheetData>"
            "</worksheet>",
            "xl/_rels/workbook.xml.rels": f"<Relationships xmlns='{_PACKAGE}/relationships'>"
            f"<Relationship Id='r1' Type='{_RELATIONS}/worksheet' Target='worksheets/a.xml'/>"
            "</Relationships>",
        }
    sheet = "application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"
    return parts | {
        "[Content_Types].xml": f"<Types xmlns='{_PACKAGE}/content-types'>"
        "<Default Extension='rels' ContentType='application/vnd.openxmlformats-package."
        "relationships+xml'/><Default Extension='xml' ContentType='application/xml'/>"
        f"<Override PartName='/{target}' ContentType='application/vnd.openxmlformats-officedocument."
        f"{types}+xml'/><Override PartName='/xl/worksheets/a.xml' ContentType='{sheet}'/></Types>",
        "_rels/.rels": f"<Relationships xmlns='{_PACKAGE}/relationships'><Relationship Id='r1' "
        f"Type='{_RELATIONS}/officeDocument' Target='{target}'/></Relationships>",
    }


def zipped(parts: dict[str, str]) -> bytes:
    """An archive of some files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


class Base:
    """A small base to search and ask, and one that holds what is repeated."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self.kb = KnowledgeBase(folder / "small", embedder=HashEmbedder())
        self.kb.add("# Kettle\n\nThe warranty of the kettle lasts three years.", path="kettle.md")
        self.kb.add("Let the tea steep for four minutes.", path="tea.txt")

    def search(self, text: str) -> object:
        return self.kb.search(f"kettle {text}", k=3)

    def ask(self, text: str) -> object:
        return self.kb.ask(f"How long is the warranty of the kettle? {text}")

    def ask_over(self, text: str) -> object:
        """Ask a base whose passages are of that kind; the ingest is not counted."""
        self._count += 1
        with KnowledgeBase(self._folder / f"of-{self._count}", embedder=HashEmbedder()) as kb:
            kb.add(f"The warranty of the kettle lasts three years. {text}", path="kettle.md")
            began = time.process_time()
            kb.ask("How long is the warranty of the kettle?")
            return time.process_time() - began


def works(base: Base) -> dict[str, Work]:
    """What is measured, by name."""
    tokenizer = HashEmbedder().tokenizer

    def loader(name: str) -> Work:
        def load(text: str) -> float:
            data = packed(name, text) if name in PACKED else text.encode("utf-8", "surrogatepass")
            began = time.process_time()
            with contextlib.suppress(LoadError):  # refused, which is an answer too
                load_bytes(Path(name), data)
            return time.process_time() - began

        return load

    def chunker(name: str) -> Work:
        def cut(text: str) -> float:
            document = load_bytes(Path(name), text.encode("utf-8", "surrogatepass"))
            began = time.process_time()
            chunk_document(document, tokenizer=tokenizer, options=ChunkerOptions(), name=name)
            return time.process_time() - began

        return cut

    return {
        **{name: loader(name) for name in (*FILES, *PACKED)},
        **{f"chunker/{name}": chunker(name) for name in ("a.md", "a.txt", "a.html", "a.py")},
        "search": base.search,
        "ask": base.ask,
        "ask over it": base.ask_over,
    }


def measure(name: str, pattern: str, work: Work, *, largest: int) -> Growth:
    """Do some work with a pattern at doubling sizes, as long as it is worth it."""
    seconds: dict[int, float] = {}
    size = min(SMALLEST, largest)
    while size <= largest:
        text = pattern * (size // len(pattern))
        began = time.process_time()
        try:
            told = work(text)
        except (LoadError, RagkitError):  # refused, which is an answer too
            told = None
        seconds[size] = told if isinstance(told, float) else time.process_time() - began
        if seconds[size] > MOST_SECONDS:
            break
        size *= 2
    return Growth(name, pattern, seconds)


def measure_all(*, largest: int, only: list[str], quiet: bool = False) -> Iterator[Growth]:
    """Measure every kind of work with every pattern."""
    with tempfile.TemporaryDirectory() as folder:
        chosen = works(Base(Path(folder)))
        for name, work in chosen.items():
            if only and name not in only:
                continue
            for pattern in PATTERNS:
                growth = measure(name, pattern, work, largest=largest)
                if growth.is_bad and not quiet:
                    print("  bad:", line(growth), flush=True)
                yield growth


def line(growth: Growth) -> str:
    sizes = sorted(growth.seconds)
    times = " ".join(f"{growth.seconds[size]:.2f}" for size in sizes)
    return f"{growth.name:18} {growth.pattern!r:18} exponent {growth.exponent:4.2f}  {times} s"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--largest", type=int, default=1_024_000, metavar="CHARACTERS")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME")
    arguments = parser.parse_args()
    found = list(measure_all(largest=arguments.largest, only=arguments.only))
    by_name: dict[str, list[Growth]] = {}
    for growth in found:
        by_name.setdefault(growth.name, []).append(growth)
    for name, growths in by_name.items():
        slowest = max(growths, key=lambda one: one.longest)
        steepest = max(
            (one for one in growths if one.longest > QUICK),
            key=lambda one: one.exponent,
            default=None,
        )
        print(f"{name}: slowest {line(slowest)}")
        if steepest is not None:
            print(f"{name}: steepest {line(steepest)}")
    bad = [growth for growth in found if growth.is_bad]
    print(f"{len(PATTERNS)} patterns, {len(by_name)} kinds of work: {len(bad)} not linear")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
