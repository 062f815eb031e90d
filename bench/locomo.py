"""Long-term memory on LoCoMo: is what was said long ago among the ten turns recalled?

    python bench/locomo.py

Each of the conversations becomes a session in a knowledge base of its own; each question is asked
of its :class:`~ragkit.memory.VectorMemory`, and scored by the share of the turns named as evidence
that are among the first ten. Turns count alone and by their words alone besides, as baselines.
Questions of category 5 ask for something that was said by the other person: they have evidence,
but no answer, and are scored apart.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from eval_sets import needed_data

from ragkit.embed import load_embedder
from ragkit.memory import SessionLog, VectorMemory
from ragkit.memory.turn_index import Words
from ragkit.store import Store

K = 10
ADVERSARIAL = 5


def turns_of(conversation: Mapping[str, Any]) -> Iterator[tuple[str, str, str, float]]:
    """Yield each turn: its id, who said it, what, and when (seconds since 1970)."""
    number = 1
    while f"session_{number}_date_time" in conversation:
        said = conversation[f"session_{number}_date_time"]
        moment = datetime.strptime(said, "%I:%M %p on %d %B, %Y").timestamp()
        for turn in conversation.get(f"session_{number}", ()):
            caption = turn.get("blip_caption")
            text = f"{turn['text']} [shares {caption}]" if caption else turn["text"]
            yield turn["dia_id"], turn["speaker"], text, moment
        number += 1


def share(found: list[str], evidence: set[str]) -> float:
    """Return the share of the evidence that was found."""
    return len(evidence & set(found)) / len(evidence)


def main() -> None:
    """Run all conversations and print the means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--file", type=Path, default=None)
    options = parser.parse_args()
    file = options.file or needed_data() / "locomo/conversations.json"
    embedder = load_embedder("all-MiniLM-L6-v2")
    scores: dict[str, list[float]] = defaultdict(list)
    milliseconds: list[float] = []
    for sample in json.loads(file.read_text(encoding="utf-8")):
        turns = list(turns_of(sample["conversation"]))
        ids = [turn[0] for turn in turns]
        words = Words()
        for _, _, text, _ in turns:
            words.add(text)
        vectors = embedder.embed([text for _, _, text, _ in turns], kind="passage")
        with tempfile.TemporaryDirectory() as folder:
            store = Store.open(Path(folder) / "kb", create=True)
            log = SessionLog(store, "talk")
            for _, speaker, text, moment in turns:
                log.add((speaker, text), at=moment)
            memory = VectorMemory(log, lambda: embedder)
            memory.search("warm up", k=K)
            for question in sample["qa"]:
                evidence = set(question.get("evidence") or ()) & set(ids)
                if not evidence:
                    continue
                asked = question["question"]
                began = time.perf_counter()
                found = [ids[item.place] for item in memory.search(asked, k=K)]
                milliseconds.append((time.perf_counter() - began) * 1000)
                vector = embedder.embed([asked], kind="query")[0]
                dense = [ids[place] for place in np.argsort(-(vectors @ vector))[:K]]
                lexical = [ids[place] for place in np.argsort(-words.scores(asked))[:K]]
                group = "adversarial" if question["category"] == ADVERSARIAL else "answerable"
                for name, result in (
                    ("ragkit", found),
                    ("dense alone", dense),
                    ("BM25 alone", lexical),
                ):
                    scores[f"{group}: {name}"].append(share(result, evidence))
            store.close()
    for name, values in scores.items():
        print(f"{name:28} {statistics.fmean(values):.3f}  ({len(values)} questions)")
    print(f"recall, p50: {statistics.median(milliseconds):.1f} ms")


if __name__ == "__main__":
    main()
