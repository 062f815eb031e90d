"""How much of each page's main text is extracted, and how much else: token F1 against gold text.

Precision, recall and F1 are over the multiset of ``\\w+`` tokens of each page, then averaged over
the pages. trafilatura, if it is installed, is measured on the same pages in the same run.

    python bench/html_extraction.py                # means, and the speed
    python bench/html_extraction.py --worst 10     # and the pages that come out worst
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ingest import LoadError, load
from ingest.structure import faults

_TOKEN = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Score:
    name: str
    precision: float
    recall: float

    @property
    def f1(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def score(name: str, text: str, gold: str) -> Score:
    found, wanted = Counter(_TOKEN.findall(text)), Counter(_TOKEN.findall(gold))
    common = (found & wanted).total()
    return Score(name, common / max(1, found.total()), common / max(1, wanted.total()))


def ours(path: Path) -> str:
    try:
        document = load(path)
    except LoadError:
        return ""
    if problems := faults(document):
        raise AssertionError(f"{path.name}: {problems}")
    return document.text


def without_title(path: Path) -> str:
    """Our text without its heading of level 1: gold texts that leave the title out compare so."""
    try:
        document = load(path)
    except LoadError:
        return ""
    starts = {section.start for section in document.sections if section.level == 1}
    kept = [
        document.text[block.start : block.end]
        for block in document.blocks
        if not (block.kind == "heading" and block.start in starts)
    ]
    return "\n\n".join(kept)


def trafilatura_text(path: Path) -> str:
    import trafilatura

    return trafilatura.extract(path.read_bytes(), include_comments=False) or ""


def measure(
    extract: Callable[[Path], str], folder: Path, gold: Mapping[str, str]
) -> tuple[list[Score], float]:
    scores = []
    began = time.perf_counter()
    for name in sorted(gold):
        text = extract(folder / name)
        scores.append(score(name, text, gold[name]))
    return scores, time.perf_counter() - began


def report(label: str, scores: list[Score], seconds: float) -> None:
    count = len(scores)
    precision = sum(one.precision for one in scores) / count
    recall = sum(one.recall for one in scores) / count
    f1 = sum(one.f1 for one in scores) / count
    print(
        f"{label:<24} precision {precision:.4f}  recall {recall:.4f}  F1 {f1:.4f}"
        f"  {count / seconds:6.1f} pages/s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--worst", type=int, default=0, metavar="N", help="show the N worst pages")
    parser.add_argument("--no-rival", action="store_true", help="do not measure trafilatura")
    arguments = parser.parse_args()
    folder = Path(os.environ.get("RAGKIT_EVAL_DATA", "../shared/eval")) / "html"
    if not (folder / "gold.json").is_file():
        sys.exit(
            f"skipped: no pages in {str(folder)!r}; set RAGKIT_EVAL_DATA to the evaluation data"
        )
    gold = json.loads((folder / "gold.json").read_text(encoding="utf-8"))
    scores, seconds = measure(ours, folder, gold)
    report("ragkit", scores, seconds)
    report("ragkit without its h1", *measure(without_title, folder, gold))
    if not arguments.no_rival:
        try:
            report("trafilatura", *measure(trafilatura_text, folder, gold))
        except ImportError as error:
            print(f"trafilatura: not measured ({error})")
    for one in sorted(scores, key=lambda one: one.f1)[: arguments.worst]:
        print(f"{one.f1:.3f}  precision {one.precision:.3f}  recall {one.recall:.3f}  {one.name}")


if __name__ == "__main__":
    main()
