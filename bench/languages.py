"""Measure word search in German, French and English: ``python bench/languages.py``.

The questions of ``tests/data/two_languages.json`` use other forms of the words than the passage that
answers them. Each is asked of one base with all passages, with the words stemmed in the language
of each document and all as if they were English.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from ragkit import KnowledgeBase
from ragkit.language import analysis, languages

QUESTIONS = Path(__file__).parents[1] / "tests" / "data" / "two_languages.json"


@contextlib.contextmanager
def all_english() -> Iterator[None]:
    with (
        mock.patch.object(languages, "language_of", return_value=languages.ENGLISH),
        mock.patch.object(analysis, "language_asked", return_value=languages.ENGLISH),
    ):
        yield


def measure(name: str) -> None:
    """Print, for each mode and language, how often the right passage is first, and its score."""
    sets = json.loads(QUESTIONS.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "docs"
        folder.mkdir()
        for language, pairs in sets.items():
            for number, (text, _question) in enumerate(pairs):
                (folder / f"{language}{number}.txt").write_text(text, encoding="utf-8")
        with KnowledgeBase(Path(work) / "kb") as kb:
            kb.ingest(folder)
            for mode in ("lexical", "hybrid"):
                for language, pairs in sets.items():
                    first, scores = 0, []
                    for number, (_text, question) in enumerate(pairs):
                        right = f"{language}{number}.txt"
                        hits = kb.search(question, k=50, mode=mode)
                        first += bool(hits) and hits[0].path == right
                        scores.append(next((hit.score for hit in hits if hit.path == right), 0.0))
                    mean = statistics.mean(scores)
                    print(f"{name:12} {mode:8} {language:8} first {first}/{len(pairs)} {mean:.2f}")


if __name__ == "__main__":
    with all_english():
        measure("as English")
    measure("by language")
