"""What filters let through: on headings from tables, in both searches at any selectivity."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_samples import (
    chunks_of,
    document_of,
    embed_all,
    indexes,
    put,
    state_of,
    vector_of,
)

from ingest.document import Section
from ragkit.store import Store, Where
from ragkit.store.database import FILE_NAME

FOLDER = Path("/home/ada/docs").absolute()
HEADINGS = ["Einführung", "method", "METHOD  two", "Results [a]", "*", "Größe"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "kb", create=True) as opened, opened.writing("test"):
        yield opened


def put_sections(store: Store, path: str, words: list[str], sections: list[Section]) -> None:
    document = replace(document_of(*words), sections=tuple(sections))
    root = store.root(FOLDER, kind="folder")
    store.put_document(root.id, path, state_of(document), document, chunks_of(document))


def under(store: Store, is_wanted: set[str]) -> list[int]:
    """The chunks with text under some headings, by the documents' own sections."""
    found = []
    for stored in store.documents():
        spans = [
            (section.start, section.end)
            for section in store.document(stored.id).sections
            if is_wanted & set(section.path)
        ]
        found += [
            chunk.id
            for chunk in store.chunks_of(stored.id)
            if any(chunk.start < end and start < chunk.end for start, end in spans)
        ]
    return sorted(found)


sections_of = st.lists(
    st.builds(
        lambda path, start, length: Section(tuple(path), len(path), start, start + length),
        st.lists(st.sampled_from(HEADINGS), min_size=1, max_size=3),
        st.integers(0, 60),
        st.integers(0, 40),
    ),
    max_size=6,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    steps=st.lists(
        st.tuples(st.sampled_from("abc"), st.none() | sections_of, st.integers(1, 9)), max_size=6
    )
)
def test_headings_let_through_what_the_sections_say(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[str, list[Section] | None, int]],
) -> None:
    directory = tmp_path_factory.mktemp("kb")
    with Store.open(directory, create=True) as store, store.writing("test"):
        for path, sections, size in steps:
            if sections is None:
                there = [one.id for one in store.documents() if one.path == path]
                store.remove_documents(there)
            else:
                put_sections(store, path, [f"{path} {n} word" for n in range(size)], sections)
        expected = {
            ("method",): under(store, {"method"}),
            ("Method two", "GRÖSSE"): under(store, {"METHOD  two", "Größe"}),
            ("method*",): under(store, {"method", "METHOD  two"}),
            ("*",): under(store, set(HEADINGS)),
            ("*f?hrung", "results [[]a]"): under(store, {"Einführung", "Results [a]"}),
            ("none such",): [],
        }
        for patterns, chunks in expected.items():
            allowed = store.allowed(Where(headings=patterns))
            assert allowed.ids() == chunks
            assert allowed.documents is None
            assert allowed.is_empty is (not chunks)
            documents = {chunk.document_id for chunk in store.chunks(chunks)}
            assert store.document_ids(Where(headings=patterns)) == sorted(documents)
    with sqlite3.connect(directory / FILE_NAME) as connection:
        kept = content(connection)
        connection.executescript(
            "DROP TABLE heading_spans; DROP TABLE headings; DROP INDEX documents_for_filters;"
            "PRAGMA user_version = 4;"
        )
    connection.close()
    with Store.open(directory):
        pass
    with sqlite3.connect(directory / FILE_NAME) as connection:
        assert content(connection) == kept
    connection.close()


def content(connection: sqlite3.Connection) -> list[tuple[object, ...]]:
    return connection.execute(
        "SELECT plain, first_chunk, last_chunk FROM headings LEFT JOIN heading_spans"
        " ON heading_id = headings.id ORDER BY plain, first_chunk"
    ).fetchall()


def test_both_searches_are_exact_at_any_selectivity(store: Store) -> None:
    random = np.random.default_rng(3)
    words = ["pear", "plum", "fig", "lime", "quince"]
    for number in range(60):
        texts = [" ".join(random.choice(words, 6)) for _ in range(5)]
        put(store, FOLDER, f"{number}.txt", document_of(*texts))
    embed_all(store)
    indexes(store).sync(final=True)
    everything = indexes(store).search_lexical("pear fig fig", 10_000)
    vector = vector_of("a question")
    near = indexes(store).search_dense(vector, 10_000)
    documents = [one.id for one in store.documents()]
    for size in (1, 2, 5, 10, 20, 40, 59, 60):
        chosen = sorted(random.choice(documents, size, replace=False).tolist())
        inside = {chunk.id for number in chosen for chunk in store.chunks_of(number)}
        for k in (1, 10, 100, 5_000):
            found = indexes(store).search_lexical("pear fig fig", k, document_ids=chosen)
            assert found == [hit for hit in everything if hit.chunk_id in inside][:k]
            found = indexes(store).search_dense(vector, k, document_ids=chosen)
            assert found == [hit for hit in near if hit.chunk_id in inside][:k]


def test_a_filter_on_what_no_best_hit_is_in_still_finds_the_rest(store: Store) -> None:
    for number in range(40):
        put(store, FOLDER, f"many/{number}.txt", document_of(*["pear pear pear"] * 30))
        put(store, FOLDER, f"few/{number}.txt", document_of(*["pear in a longer text"] * 15))
    embed_all(store)
    indexes(store).sync(final=True)
    allowed = store.allowed(Where(paths=("few/*",)))
    assert allowed.chunks == 600
    assert allowed.documents is not None
    hits = indexes(store).search_lexical("pear", 120, allowed=allowed)
    inside = set(allowed.ids())
    everything = indexes(store).search_lexical("pear", 10_000)
    assert not any(hit.chunk_id in inside for hit in everything[:500])
    assert hits == [hit for hit in everything if hit.chunk_id in inside][:120]
