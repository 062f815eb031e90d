"""Loading and cutting up grow with the size of a file and no faster, counted in calls, not in seconds.

``bench/growth.py`` measures the time, of more, and up to a megabyte.
"""

import importlib
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from ingest import LoadError
from ingest.chunker import ChunkerOptions, chunk_document
from ingest.loaders.registry import load_bytes
from ragkit.testing import HashEmbedder

sys.path.append(str(Path(__file__).resolve().parents[1] / "bench"))
growth = importlib.import_module("growth")

SIZES = (800, 3_200)
SPARE = 3_000  # calls that do not depend on the size: imports, set-up
MOST_GROWTH = 1.3


def calls(work: Callable[[], object]) -> int:
    """Count the calls of functions, of Python and of C."""
    counted = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return counted


@pytest.mark.parametrize("name", ["a.md", "a.txt", "a.html", "a.py"])
def test_twice_the_file_is_twice_the_work(name: str) -> None:
    tokenizer = HashEmbedder().tokenizer

    def take(text: str) -> None:
        try:
            document = load_bytes(Path(name), text.encode("utf-8"))
        except LoadError:
            return
        chunk_document(document, tokenizer=tokenizer, options=ChunkerOptions(), name=name)

    take("# Warm\n\nwords\n" * 20)
    steep = {}
    for pattern in growth.PATTERNS:
        small, large = (calls(partial(take, pattern * (size // len(pattern)))) for size in SIZES)
        if large > SPARE + small * (SIZES[1] / SIZES[0]) ** MOST_GROWTH:
            steep[pattern] = (small, large)
    assert steep == {}


def test_what_grows_with_the_square_is_found_out() -> None:
    seconds = {16_000: 0.1, 32_000: 0.5, 64_000: 2.0}
    assert growth.Growth("a", "x", seconds).is_bad
    assert growth.Growth("a", "x", seconds).exponent == pytest.approx(2.16, abs=0.01)
    assert not growth.Growth("a", "x", {16_000: 1.0, 32_000: 2.1, 64_000: 4.4}).is_bad
    assert growth.Growth("a", "x", {16_000: 61.0}).is_bad
