"""The embedder for tests."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragkit.embed import Embedder
from ragkit.testing import HashEmbedder


def test_is_an_embedder() -> None:
    embedder = HashEmbedder(dimension=16, max_tokens=5, name="mine")
    assert isinstance(embedder, Embedder)
    assert (embedder.name, embedder.max_tokens) == ("mine", 5)
    assert embedder.fingerprint.dimension == 16
    assert list(embedder.tokenizer.token_starts("Wait, what?")) == [0, 4, 6, 10]


@given(st.lists(st.text(st.characters(codec=None)), max_size=4), st.integers(1, 80))
def test_vectors_are_of_unit_length(texts: list[str], dimension: int) -> None:
    vectors = HashEmbedder(dimension=dimension).embed(texts, kind="passage")
    assert vectors.shape == (len(texts), dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_texts_that_share_words_are_near() -> None:
    question, answer, other = HashEmbedder().embed(
        [
            "How long is the warranty?",
            "The WARRANTY is two years long.",
            "Cats sleep most of their lives.",
        ],
        kind="passage",
    )
    assert question @ answer > question @ other + 0.2


def test_words_beyond_the_limit_change_nothing() -> None:
    whole, cut = HashEmbedder(max_tokens=3).embed(["a b c d e", "a b c"], kind="query")
    np.testing.assert_array_equal(whole, cut)


def test_another_process_makes_the_same_vector() -> None:
    script = (
        "from ragkit.testing import HashEmbedder\n"
        "print(HashEmbedder().embed(['the same text'], kind='query').tobytes().hex())"
    )
    run = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    vector = HashEmbedder().embed(["the same text"], kind="query")
    assert run.stdout.strip() == vector.tobytes().hex()


def test_sizes_must_be_positive() -> None:
    with pytest.raises(ValueError, match="positive"):
        HashEmbedder(dimension=0)
