"""How well the offline check tells supported sentences from others: ``python -m bench.support``.

The cases are in ``support_cases.py``. Besides the passage itself, each claim's sources hold nothing.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.support_cases import HELD_OUT, PASSAGES, Passage
from ingest.loaders.registry import load_bytes
from ragkit.answer.candidates import candidates_of
from ragkit.answer.support import Evidence
from ragkit.embed import load_embedder
from ragkit.question.reading import read_question
from ragkit.results import Hit

if TYPE_CHECKING:
    from ragkit.embed.embedder import Embedder


def main(*, verbose: bool) -> None:
    embedder = load_embedder("all-MiniLM-L6-v2")
    for name, passages in (("made with these", PASSAGES), ("held out", HELD_OUT)):
        print(f"\n{name}")
        measure(passages, embedder, verbose=verbose)


def measure(passages: Sequence[Passage], embedder: Embedder, *, verbose: bool) -> None:
    right: dict[str, int] = defaultdict(int)
    total: dict[str, int] = defaultdict(int)
    question = read_question("What is claimed?")
    for number, passage in enumerate(passages):
        document = load_bytes(Path(f"{number}.md"), passage.text.encode())
        hit = Hit(f"{number}.md", None, 0, len(document.text), document.text, 1.0)
        candidates = candidates_of([hit], {hit.path: document}.get)
        evidence = Evidence(question, [hit], candidates, embedder=lambda: embedder)
        for case in passage.cases:
            said = evidence.supports(case.claim, [0])
            total[case.kind] += 1
            right[case.kind] += said == case.supported
            if verbose and said != case.supported:
                print(f"{case.kind:11} {'flagged' if case.supported else 'passed '} {case.claim}")
    for kind, count in total.items():
        print(f"{kind:11} {right[kind]:3} of {count:3} right")
    good = [kind for kind in total if kind in ("verbatim", "paraphrase")]
    kept, all_good = sum(right[k] for k in good), sum(total[k] for k in good)
    bad = [kind for kind in total if kind not in good]
    caught, all_bad = sum(right[k] for k in bad), sum(total[k] for k in bad)
    print(f"supported sentences left alone: {kept / all_good:.3f} ({kept} of {all_good})")
    print(f"unsupported sentences flagged:  {caught / all_bad:.3f} ({caught} of {all_bad})")


if __name__ == "__main__":
    main(verbose="-v" in sys.argv[1:])
