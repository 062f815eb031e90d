"""How much of the gold text a language model is shown, for a budget of tokens.

For the retrieval sets of the evaluation data: the share of the gold characters (gold pages or whole
documents where no characters are given) in the passages as they are, in as many more of them as
fit, and in the best ones widened by what stands around them; and the share of questions for which
any gold text is shown.

    python bench/context.py --work /some/folder [--tokens 2000]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from eval_sets import data_folder

from ragkit import KnowledgeBase
from ragkit.chat import ANSWER_HITS
from ragkit.llm.token_counts import count_tokens
from ragkit.retrieve.context import widen

if TYPE_CHECKING:
    from ragkit.results import Hit

MOST = 40


def gold_spans(kb: KnowledgeBase, entry: Mapping[str, Any]) -> list[tuple[str, int, int]]:
    """The gold places of a question as stretches of text."""
    spans = []
    for place in entry["relevant"]:
        document = kb.document(place["path"])
        start, end = 0, len(document.text)
        if "start" in place:
            start, end = place["start"], place["end"]
        elif "page" in place:
            pages = {page.number: page for page in document.pages}
            if place["page"] not in pages:
                continue
            start, end = pages[place["page"]].start, pages[place["page"]].end
        spans.append((place["path"], start, end))
    return spans


def share(gold: Sequence[tuple[str, int, int]], hits: Sequence[Hit]) -> float:
    found = total = 0
    for path, start, end in gold:
        shown = np.zeros(end - start, dtype=bool)
        for hit in hits:
            if hit.path == path and hit.start < end and start < hit.end:
                shown[max(hit.start - start, 0) : hit.end - start] = True
        found, total = found + int(shown.sum()), total + len(shown)
    return found / max(total, 1)


def fitting(hits: Sequence[Hit], tokens: int) -> list[Hit]:
    """The first hits that fit into a budget."""
    kept = []
    for hit in hits:
        tokens -= count_tokens(hit.text)
        if tokens < 0:
            break
        kept.append(hit)
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="folder to keep the bases in")
    parser.add_argument("--tokens", type=int, default=2_000)
    arguments = parser.parse_args()
    for folder in sorted(path.parent for path in data_folder().glob("*/queries.jsonl")):
        with (folder / "queries.jsonl").open(encoding="utf-8") as lines:
            entries = [json.loads(line) for line in lines]
        rows: dict[str, list[float]] = {}
        with KnowledgeBase(arguments.work / folder.name) as kb:
            kb.ingest(folder / "corpus")
            paths = {document.path for document in kb.documents()}
            for entry in entries:
                if not entry["answerable"] or not entry["relevant"]:
                    continue
                if not paths >= {place["path"] for place in entry["relevant"]}:
                    continue
                hits = kb.search(entry.get("rewrite") or entry["question"], k=MOST)
                gold = gold_spans(kb, entry)
                ways = {
                    "passages": hits[:ANSWER_HITS],
                    "more passages": fitting(hits, arguments.tokens),
                    "widened": widen(
                        hits[:ANSWER_HITS], kb.document, tokens=arguments.tokens, count=count_tokens
                    ),
                }
                for way, shown in ways.items():
                    rows.setdefault(way, []).append(share(gold, shown))
        for way, shares in rows.items():
            shown_any = np.mean([value > 0 for value in shares])
            print(f"{folder.name:14}{way:16}{np.mean(shares):.3f}  any {shown_any:.3f}", flush=True)


if __name__ == "__main__":
    main()
