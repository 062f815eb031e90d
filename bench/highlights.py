"""Whether what is highlighted on a PDF page is the text that was asked for.

Random stretches of the text of random pages are looked up, and what pdfium has under the boxes, by
the middle of each character, is compared with the stretch: letter for letter, without spaces and
hyphens. The judge knows nothing of how a place was found.

    python bench/highlights.py                    # 1,000 stretches of all files
    python bench/highlights.py --worst 10 --show  # and what was found instead
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import random
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

from pypdfium2 import raw

from ingest import LoadError, load
from ingest.loader_spec import Source
from ingest.loaders.pdf.assemble import normalise
from ingest.loaders.pdf.boxes import PageBoxes, page_boxes
from ingest.loaders.pdf.pdfium_reader import open_document, shown_page

_DATA = Path(os.environ.get("RAGKIT_EVAL_DATA", "../shared/eval"))
_SETS = ("mmlongbench", "hostile_pdf")
_HYPHENS = "-\u2010\u00ad\ufffe\x02|"  # bars part the cells of a table, and stand on no page


def letters(text: str) -> str:
    kept = unicodedata.normalize("NFKD", normalise(text))
    return "".join(one for one in kept if not one.isspace() and one not in _HYPHENS)


def centres(page: Any, size: tuple[float, float]) -> list[tuple[str, float, float]]:
    """Return the characters of a page and the middle of each as shown; what is drawn twice, once."""
    text_page = page.get_textpage()
    edges = [ctypes.c_double() for _ in range(4)]
    x, y = ctypes.c_int(), ctypes.c_int()
    found: list[tuple[str, float, float]] = []
    drawn: dict[tuple[str, int, int], int] = {}
    high = 0
    for index in range(raw.FPDFText_CountChars(text_page.raw)):
        raw.FPDFText_GetCharBox(text_page.raw, index, *map(ctypes.byref, edges))
        left, right, bottom, top = (edge.value for edge in edges)
        code = raw.FPDFText_GetUnicode(text_page.raw, index)
        if 0xD800 <= code < 0xDC00:
            high = code
            continue
        if 0xDC00 <= code < 0xE000:
            code = 0x10000 + ((high - 0xD800) << 10) + code - 0xDC00
        letter = chr(code) if code < 0x110000 else ""
        raw.FPDF_PageToDevice(
            page.raw, 0, 0, round(size[0] * 64), round(size[1] * 64), 0,
            (left + right) / 2, (bottom + top) / 2, ctypes.byref(x), ctypes.byref(y),
        )  # fmt: skip
        place = (letter, round(x.value / 64), round(y.value / 64))
        # Letters of one ligature follow each other at one place; a copy comes later.
        if letters(letter) and (left or right or top or bottom):
            if index - drawn.get(place, index) < 4:
                found.append((letter, x.value / 64, y.value / 64))
            drawn[place] = index
    text_page.close()
    return found


def middles_of(file: Path, page: int, size: tuple[float, float]) -> list[tuple[str, float, float]]:
    opened = open_document(Source(file, file.read_bytes()))
    try:
        shown = shown_page(opened, page - 1, has_form=True)
        try:
            return centres(shown, size)
        finally:
            shown.close()
    finally:
        opened.close()


def under(boxes: PageBoxes, middles: list[tuple[str, float, float]]) -> str:
    return "".join(
        letter
        for box in boxes.boxes
        for letter, x, y in middles
        if box.left <= x <= box.right and box.top <= y <= box.bottom
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--spans", type=int, default=1000, help="stretches in all (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--worst", type=int, default=0, help="name the files that come out worst")
    parser.add_argument("--show", action="store_true", help="show what is under wrong boxes")
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    report: dict[str, Any] = {}
    wrong: Counter[str] = Counter()
    for name in _SETS:
        documents = []
        for file in sorted((_DATA / name).rglob("*.pdf")):
            try:
                document = load(file)
            except LoadError:
                continue
            if pages := [page for page in document.pages if page.end - page.start > 20]:
                documents.append((file, document, pages))
        right = ordered = count = no_place = 0
        for number in range(asked.spans // len(_SETS)):
            file, document, pages = documents[number % len(documents)]
            page = chance.choice(pages)
            length = min(chance.choice((8, 20, 60, 150, 400)), page.end - page.start)
            start = chance.randint(page.start, page.end - length)
            opened = open_document(Source(file, file.read_bytes()))
            try:
                blocks = [one for one in document.blocks if page.start <= one.start < page.end]
                text = document.text[page.start : page.end]
                found = page_boxes(opened, page.number, text, blocks, start, start + length)
            finally:
                opened.close()
            there = under(found, middles_of(file, page.number, (found.width, found.height)))
            wanted = letters(document.text[start : start + length])
            got = letters(there)
            count += 1
            ordered += wanted == got
            no_place += bool(wanted) and not found.boxes
            if Counter(wanted) == Counter(got):
                right += 1
                continue
            wrong[str(file.relative_to(_DATA))] += 1
            if asked.show:
                print(f"{file.name} p{page.number} found {found.found:.2f}\n  {wanted}\n  {got}")
        report[name] = {
            "files": len(documents), "stretches": count, "right": right / count,
            "in_order": ordered / count, "no_place": no_place / count,
        }  # fmt: skip
    report["worst"] = wrong.most_common(asked.worst)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
