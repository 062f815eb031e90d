"""The store's truth: documents, failures, chunks, vectors, settings, sessions and traces."""

import multiprocessing
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_samples import (
    DIMENSION,
    all_chunk_ids,
    chunks_of,
    document_of,
    embed_all,
    indexes,
    problems,
    put,
    rich_document,
    state_of,
    vector_of,
)

from ingest.document import Chunk
from ragkit.errors import (
    CorruptError,
    EmbeddingError,
    KnowledgeBaseError,
    NotFoundError,
    UsageError,
    VersionError,
)
from ragkit.store import Counts, FileState, Store, Turn, Where, schema
from ragkit.store.database import translated_errors
from ragkit.store.where import match_paths

FOLDER = Path("/home/ada/docs").absolute()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "kb", create=True) as opened, opened.writing("test"):
        yield opened


def add_turn(
    store: Store,
    session: str,
    role: str,
    content: str,
    *,
    trace: str | None = None,
    citations_json: str = "[]",
) -> None:
    store.add_turns(session, [Turn(role, content, trace, citations_json, time.time())])


def test_opening_needs_a_base_or_leave_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no knowledge base"):
        Store.open(tmp_path / "kb")
    assert not (tmp_path / "kb").exists()
    Store.open(tmp_path / "kb", create=True).close()
    with Store.open(tmp_path / "kb") as store:
        assert store.counts() == Counts(0, 0, 0, 0, 0)
        assert store.documents() == store.failures() == store.roots() == store.sessions() == []
        assert indexes(store).search_lexical("anything", 5) == []
        assert indexes(store).search_dense(np.ones(3, dtype=np.float32), 5) == []
        assert problems(store) == []


def test_a_file_in_the_place_of_the_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "kb").write_text("I was here first", encoding="utf-8")
    with pytest.raises(KnowledgeBaseError, match="kb"):
        Store.open(tmp_path / "kb", create=True)


def test_a_document_comes_back_as_it_was_put(store: Store) -> None:
    root = store.root(FOLDER, kind="folder")
    document = rich_document()
    chunk = Chunk("key", 0, 12, 29, document.text[12:29], 2, ("Über alles",), "Über alles\n", 9)
    number = store.put_document(root.id, "a/b.pdf", FileState(5, 7, "ab"), document, [chunk])
    assert store.document(number) == document
    (stored,) = store.documents()
    assert (stored.id, stored.path, stored.relative_path) == (number, "a/b.pdf", "a/b.pdf")
    assert (stored.format, stored.title, stored.encoding) == ("pdf", "Größe", "utf-8")
    assert (stored.size, stored.mtime_ns, stored.sha256) == (5, 7, "ab")
    assert (stored.pages, stored.chunks, stored.vectors) == (2, 1, 0)
    assert stored.characters == len(document.text)
    assert stored.metadata == document.metadata
    assert stored.warnings == document.warnings
    (found,) = store.chunks_of(number)
    assert (found.key, found.document_id, found.path) == ("key", number, "a/b.pdf")
    assert (found.index, found.start, found.end, found.page) == (0, 12, 29, 2)
    assert (found.text, found.prefix, found.tokens) == (chunk.text, chunk.prefix, 9)
    assert found.heading == ("Über alles",)
    assert store.document_by_path("a/b.pdf") == (stored, document)
    assert store.document_by_path("b.pdf") is None
    assert store.counts() == Counts(1, 0, 1, 0, len(document.text))


def test_an_unknown_document_is_an_error(store: Store) -> None:
    with pytest.raises(UsageError, match="42"):
        store.document(42)
    with pytest.raises(UsageError, match="42"):
        store.touch_document(42, FileState(1, 1, "a"))
    with pytest.raises(UsageError, match="42"):
        store.put_document(42, "a.txt", FileState(1, 1, "a"), document_of("x"), [])
    assert store.chunks_of(42) == []
    store.remove_documents([42])


def test_replacing_keeps_the_id_and_the_vectors_of_what_did_not_change(store: Store) -> None:
    first = document_of("alpha", "beta", "gamma")
    number = put(store, FOLDER, "a.txt", first)
    assert embed_all(store) == 3
    before = store.chunks_of(number)
    second = document_of("new beginning", "beta", "gamma", "delta")
    assert put(store, FOLDER, "a.txt", second, mtime_ns=2) == number
    after = store.chunks_of(number)
    assert [chunk.text for chunk in after] == ["new beginning", "beta", "gamma", "delta"]
    assert not {chunk.id for chunk in before} & {chunk.id for chunk in after}
    assert store.chunks([chunk.id for chunk in before]) == []
    assert [chunk.embedded_text for chunk in store.pending(10)] == ["new beginning", "delta"]
    assert store.counts() == Counts(1, 0, 4, 2, len(second.text))
    kept = store.vectors_of([chunk.id for chunk in after])
    assert np.allclose(kept[1], vector_of("beta"), atol=1e-3)
    assert not kept[0].any()
    assert embed_all(store) == 2
    indexes(store).sync(final=True)
    assert problems(store) == []


def test_equal_passages_are_embedded_once(store: Store) -> None:
    put(store, FOLDER, "a.txt", document_of("same", "other", "same"))
    put(store, FOLDER, "b.txt", document_of("same"))
    assert store.counts().chunks == 4
    assert embed_all(store) == 2
    assert store.counts().vectors == 4
    put(store, FOLDER, "c.txt", document_of("same"))
    assert store.pending(10) == []
    (third,) = store.documents(Where(paths=("c.txt",)))
    store.remove_documents([one.id for one in store.documents() if one.id != third.id])
    (chunk,) = store.chunks_of(third.id)
    assert np.allclose(store.vectors_of([chunk.id])[0], vector_of("same"), atol=1e-3)
    indexes(store).sync(final=True)
    assert problems(store) == []


def test_the_prefix_is_part_of_what_is_embedded(store: Store) -> None:
    root = store.root(FOLDER, kind="folder")
    document = document_of("the same text")
    for path, prefix in (("a", "Title A\n"), ("b", "Title B\n")):
        chunks = chunks_of(document, prefix=prefix)
        store.put_document(root.id, path, state_of(document), document, chunks)
    assert [one.embedded_text for one in store.pending(9)] == [
        "Title A\nthe same text",
        "Title B\nthe same text",
    ]


def test_pending_goes_page_by_page(store: Store) -> None:
    put(store, FOLDER, "a.txt", document_of(*(f"passage {number}" for number in range(10))))
    seen: list[str] = []
    after = 0
    while page := store.pending(3, after=after):
        assert len(page) <= 3
        seen += [chunk.embedded_text for chunk in page]
        after = page[-1].chunk_id
    assert seen == [f"passage {number}" for number in range(10)]


def test_moving_keeps_everything_but_the_path(store: Store) -> None:
    number = put(store, FOLDER, "old.txt", document_of("alpha"))
    embed_all(store)
    put(store, FOLDER, "taken.txt", document_of("beta"))
    root = store.root(FOLDER, kind="folder")
    store.put_failure(root.id, "failed.txt", FileState(1, 1), "unreadable")
    chunks = store.chunks_of(number)
    for path in ("sub/new.txt", "taken.txt", "failed.txt"):
        store.move_document(number, root.id, path, FileState(5, 9, None))
        assert [chunk.id for chunk in store.chunks_of(number)] == [chunks[0].id]
        assert store.chunks_of(number)[0].path == path
    (stored,) = store.documents()
    assert (stored.path, stored.mtime_ns, stored.vectors) == ("failed.txt", 9, 1)
    assert stored.sha256 == state_of(document_of("alpha")).sha256
    assert store.failures() == []
    assert store.counts() == Counts(1, 0, 1, 1, 5)


def test_touching_changes_only_the_state(store: Store) -> None:
    number = put(store, FOLDER, "a.txt", document_of("alpha"))
    store.touch_document(number, FileState(5, 99, state_of(document_of("alpha")).sha256))
    (file,) = store.files(store.root(FOLDER, kind="folder").id)
    assert (file.mtime_ns, file.document_id, file.failure) == (99, number, None)


def test_a_new_date_is_a_change_of_which_no_view_is_behind(store: Store) -> None:
    number = put(store, FOLDER, "a.txt", document_of("alpha"))
    indexes(store).sync(final=True)
    before = store.answer_state()
    store.touch_document(number, FileState(5, 2, None))  # was doubted, see ingest.folder
    assert store.answer_state() == before
    store.touch_document(number, FileState(5, 99, None))
    assert store.answer_state() != before
    assert indexes(store).lag().lexical == 0
    assert [hit.chunk_id for hit in indexes(store).search_lexical("alpha", 5)] == [1]
    indexes(store).sync(final=True)
    put(store, FOLDER, "b.txt", document_of("alpha beta"))
    assert len(indexes(store).search_lexical("alpha", 5)) == 2


def test_fewest_and_most_pages(store: Store) -> None:
    assert store.page_counts() is None
    put(store, FOLDER, "a.pdf", rich_document())
    assert store.page_counts() == (2, 2)
    put(store, FOLDER, "b.txt", document_of("alpha"))
    assert store.page_counts() == (0, 2)
    assert store.page_counts(Where(paths=("*.pdf",))) == (2, 2)
    assert store.page_counts(Where(paths=("none",))) is None


def test_failures_and_documents_replace_each_other(store: Store) -> None:
    root = store.root(FOLDER, kind="folder")
    number = put(store, FOLDER, "a.pdf", document_of("alpha"))
    store.put_failure(root.id, "a.pdf", FileState(3, 4, "cd"), "encrypted")
    assert store.documents() == []
    (failure,) = store.failures()
    assert (failure.path, failure.reason, failure.sha256) == ("a.pdf", "encrypted", "cd")
    (file,) = store.files(root.id)
    assert (file.document_id, file.failure, file.size) == (None, "encrypted", 3)
    assert store.counts() == Counts(0, 1, 0, 0, 0)
    store.put_failure(root.id, "a.pdf", FileState(3, 5), "still encrypted")
    assert [one.reason for one in store.failures()] == ["still encrypted"]
    assert put(store, FOLDER, "a.pdf", document_of("alpha")) != number
    assert store.failures() == []
    assert store.counts() == Counts(1, 0, 1, 0, 5)
    store.put_failure(root.id, "b.pdf", FileState(3, 5), "damaged")
    store.remove_failures(root.id, ["b.pdf", "a.pdf", "never there"])
    assert store.counts() == Counts(1, 0, 1, 0, 5)


def test_removing_leaves_no_ghost(store: Store) -> None:
    kept = put(store, FOLDER, "kept.txt", document_of("alpha", "beta"))
    gone = put(store, FOLDER, "gone.txt", document_of("beta", "gamma"))
    embed_all(store)
    indexes(store).sync(final=True)
    store.remove_documents([gone, gone])
    assert [document.id for document in store.documents()] == [kept]
    assert [
        one.chunk_id for one in indexes(store).search_dense(vector_of("gamma"), 10)
    ] == all_chunk_ids(store)
    assert indexes(store).search_lexical("gamma", 10) == []
    assert len(indexes(store).search_lexical("beta", 10)) == 1
    indexes(store).sync(final=True)
    assert problems(store) == []


def test_display_paths_are_unique_among_roots(store: Store, tmp_path: Path) -> None:
    first, second, third = (tmp_path / part / "docs" for part in ("x", "y", "z"))
    one = put(store, first, "a.txt", document_of("1"))
    assert [document.path for document in store.documents()] == ["a.txt"]
    two = put(store, second, "a.txt", document_of("2"))
    put(store, second, "b.txt", document_of("b"))
    shown = {document.id: document.path for document in store.documents()}
    assert shown[one] == "x/docs/a.txt"
    assert shown[two] == "y/docs/a.txt"
    assert "b.txt" in shown.values()
    root = store.root(third, kind="folder")
    store.put_failure(root.id, "a.txt", FileState(1, 1), "damaged")
    assert store.failures()[0].path == "z/docs/a.txt"
    store.remove_documents([one])
    store.remove_failures(root.id, ["a.txt"])
    assert {document.path for document in store.documents()} == {"a.txt", "b.txt"}


def test_a_prefixed_path_never_equals_another_documents(store: Store, tmp_path: Path) -> None:
    put(store, tmp_path / "one", "two/a.txt", document_of("1"))
    put(store, tmp_path / "two", "a.txt", document_of("2"))
    put(store, tmp_path / "three", "a.txt", document_of("3"))
    paths = [document.path for document in store.documents()]
    assert len(set(paths)) == 3
    assert "two/a.txt" in paths


def test_a_root_that_lent_a_file_may_become_a_folder(store: Store) -> None:
    lender = store.root(FOLDER, kind="file")
    assert store.root(FOLDER, kind="folder") == replace(lender, kind="folder")
    assert store.root(FOLDER, kind="file").kind == "folder"
    assert [root.id for root in store.roots()] == [lender.id]
    assert lender.name == "docs"
    with pytest.raises(UsageError, match="absolute"):
        store.root(Path("docs"), kind="folder")


def test_any_file_name_can_be_stored(store: Store) -> None:
    names = ["caf\udce9.txt", "\U0010ffff.txt", "na\u0308.txt", "日本.txt", "a'b\"c.txt", " "]
    root = store.root(FOLDER, kind="folder")
    for name in names:
        put(store, FOLDER, name, document_of(f"text of {name!r}"))
    assert sorted(file.relative_path for file in store.files(root.id)) == sorted(names)
    assert {document.relative_path for document in store.documents()} == set(names)
    shown = {document.path for document in store.documents()}
    assert "caf\\xe9.txt" in shown
    assert all(path.encode() for path in shown)
    store.remove_documents([document.id for document in store.documents()])


def test_lone_surrogates_are_replaced_one_for_one(store: Store) -> None:
    document = replace(document_of("a\ud800b", "c"), title="\udfff", metadata={"k": "\ud801"})
    number = put(store, FOLDER, "a.txt", document)
    assert store.document(number).text == "a\ufffdb\n\nc"
    assert [chunk.text for chunk in store.chunks_of(number)] == ["a\ufffdb", "c"]
    assert "documents" not in " ".join(problems(store))


def test_text_with_nul_and_nothing_at_all(store: Store) -> None:
    number = put(store, FOLDER, "a.txt", document_of("a\0b"))
    assert store.document(number).text == "a\0b"
    assert store.chunks_of(number)[0].text == "a\0b"
    empty = store.put_document(
        store.roots()[0].id, "e.txt", FileState(0, 0, "e"), document_of(""), []
    )
    assert store.chunks_of(empty) == []
    assert store.counts() == Counts(2, 0, 1, 0, 3)
    embed_all(store)
    indexes(store).sync(final=True)
    assert problems(store) == []


def test_chunks_keep_the_order_asked_for(store: Store) -> None:
    put(store, FOLDER, "a.txt", document_of("one", "two", "three"))
    one, two, three = all_chunk_ids(store)
    assert [chunk.id for chunk in store.chunks([three, 999, one, two, one])] == [
        three,
        one,
        two,
        one,
    ]
    assert store.chunks([]) == []


def test_a_failed_write_changes_nothing(store: Store) -> None:
    number = put(store, FOLDER, "a.txt", document_of("alpha"))
    embed_all(store)
    before = (store.documents(), store.counts(), store.pending(9), all_chunk_ids(store))
    document = document_of("beta", "gamma")
    twice = [chunks_of(document)[0]] * 2  # the same position in the document
    with pytest.raises(sqlite3.IntegrityError):
        store.put_document(store.roots()[0].id, "a.txt", state_of(document), document, twice)
    assert (store.documents(), store.counts(), store.pending(9), all_chunk_ids(store)) == before
    assert store.document(number).text == "alpha"


def test_writing_is_required(tmp_path: Path) -> None:
    with Store.open(tmp_path, create=True) as store:
        with pytest.raises(UsageError, match=r"writing\("):
            store.root(FOLDER, kind="folder")
        with pytest.raises(UsageError, match="sync"):
            indexes(store).sync()
        store.set_setting("last_ingest", "now")
        add_turn(store, "s", "user", "hello")
        assert store.get_setting("last_ingest") == "now"


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = Store.open(tmp_path, create=True)
    store.close()
    store.close()
    with pytest.raises(KnowledgeBaseError, match="closed"):
        store.counts()


def test_vectors_are_checked(store: Store) -> None:
    put(store, FOLDER, "a.txt", document_of("one", "two"))
    first, second = all_chunk_ids(store)
    assert store.vectors_of([first]).shape == (1, 0)
    with pytest.raises(UsageError, match="2 chunks"):
        store.put_vectors([first, second], np.ones((1, 4), dtype=np.float32))
    with pytest.raises(UsageError, match="two dimensions"):
        store.put_vectors([first], np.ones(4, dtype=np.float32))
    with pytest.raises(EmbeddingError, match="finite"):
        store.put_vectors([first], np.full((1, 4), np.nan, dtype=np.float32))
    store.put_vectors([first, 999], np.array([[3, 0, 0, 4], [1, 0, 0, 0]], dtype=np.float32))
    assert np.allclose(store.vectors_of([first, second]), [[0.6, 0, 0, 0.8], [0] * 4], atol=1e-3)
    with pytest.raises(UsageError, match="have 4"):
        store.put_vectors([second], np.ones((1, 5), dtype=np.float32))
    assert store.counts().vectors == 1
    store.put_vectors([first], np.array([[0, 1, 0, 0]], dtype=np.float32))
    assert np.allclose(store.vectors_of([first]), [[0, 1, 0, 0]], atol=1e-3)
    assert store.counts().vectors == 1


def test_vectors_of_another_model_are_forgotten(store: Store) -> None:
    put(store, FOLDER, "a.txt", document_of("one", "two"))
    store.use_vectors_of("model a")
    embed_all(store)
    indexes(store).sync(final=True)
    store.use_vectors_of("model a")
    assert store.counts().vectors == 2
    store.use_vectors_of("model b")
    assert store.counts().vectors == 0
    assert indexes(store).search_dense(vector_of("one"), 5) == []
    embed_all(store, dimension=5)
    assert len(indexes(store).search_dense(vector_of("one", 5), 5)) == 2
    indexes(store).sync(final=True)
    assert problems(store) == []


def test_settings_outlive_the_process(tmp_path: Path) -> None:
    with Store.open(tmp_path, create=True) as store:
        assert store.get_setting("fingerprint") is None
        store.set_setting("fingerprint", "{}")
        store.set_setting("fingerprint", '{"ü": 1}')
        with pytest.raises(UsageError, match="own"):
            store.set_setting("dimension", "3")
    with Store.open(tmp_path) as store:
        assert store.get_setting("fingerprint") == '{"ü": 1}'


def test_sessions(tmp_path: Path) -> None:
    with Store.open(tmp_path, create=True) as store:
        add_turn(store, "alice", "user", "how long?")
        add_turn(store, "bob", "user", "who?")
        add_turn(store, "alice", "assistant", "Two years.", trace="t1", citations_json='[{"n": 1}]')
        assert [(turn.role, turn.content) for turn in store.turns("alice")] == [
            ("user", "how long?"),
            ("assistant", "Two years."),
        ]
        assert [turn.content for turn in store.turns("alice", 1)] == ["Two years."]
        assert store.turns("alice", 1)[0].citations_json == '[{"n": 1}]'
        assert store.turns("nobody") == []
        assert [(one.name, one.turns) for one in store.sessions()] == [("alice", 2), ("bob", 1)]
        assert store.delete_session("alice")
        assert not store.delete_session("alice")
        assert store.turns("alice") == []
        assert [one.name for one in store.sessions()] == ["bob"]


def test_traces_are_kept_up_to_a_number(tmp_path: Path) -> None:
    with Store.open(tmp_path, create=True) as store:
        for number in range(1003):
            store.put_trace(f"t{number}", "ask", float(number), 0.5, f'{{"n": {number}}}')
        assert store.trace("t2") is None
        kept = store.trace("t1002")
        assert kept is not None
        assert (kept.kind, kept.seconds, kept.body_json) == ("ask", 0.5, '{"n": 1002}')
        assert [trace.id for trace in store.traces(2)] == ["t1002", "t1001"]
        assert len(store.traces(5000)) == 1000


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a.pdf", {"a.pdf"}),
        ("*.pdf", {"a.pdf", "sub/b.pdf", "sub/deep/a.pdf", "other/a.pdf"}),
        ("sub/*", {"sub/b.pdf", "sub/deep/a.pdf"}),
        ("sub/", {"sub/b.pdf", "sub/deep/a.pdf"}),
        ("sub", {"sub/b.pdf", "sub/deep/a.pdf"}),
        ("b.pdf", {"sub/b.pdf"}),
        ("b.*", {"sub/b.pdf"}),
        ("./a.pdf", {"a.pdf"}),
        ("[draft] x.txt", {"[draft] x.txt"}),
        ("A.PDF", set()),
        ("na\u0308.md", {"nä.md"}),
        ("", set()),
        ("nothing", set()),
    ],
)
def test_path_patterns(pattern: str, expected: set[str]) -> None:
    paths = ["a.pdf", "sub/b.pdf", "sub/deep/a.pdf", "other/a.pdf", "[draft] x.txt", "nä.md"]
    assert match_paths([pattern], paths) == expected


_NAMES = st.sampled_from(["a", "b", "sub/a", "sub/b", "sub/deep/c"])
_FORMATS = st.sampled_from(["pdf", "text", "html"])


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    files=st.dictionaries(_NAMES, st.tuples(_FORMATS, st.integers(-3, 9)), min_size=1),
    paths=st.lists(st.sampled_from(["a", "sub/*", "*", "c", "sub", "x"]), max_size=2),
    types=st.lists(_FORMATS, max_size=2),
    earliest=st.none() | st.integers(-5, 10),
    latest=st.none() | st.integers(-5, 10) | st.just(10**30),
)
def test_filters_pick_exactly_what_they_say(
    tmp_path_factory: pytest.TempPathFactory,
    files: dict[str, tuple[str, int]],
    paths: list[str],
    types: list[str],
    earliest: int | None,
    latest: int | None,
) -> None:
    where = Where(tuple(paths), tuple(types), earliest, latest)
    directory = tmp_path_factory.mktemp("kb")
    with Store.open(directory, create=True) as store, store.writing("test"):
        for path, (kind, mtime_ns) in files.items():
            put(store, FOLDER, path, document_of(path, kind=kind), mtime_ns=mtime_ns)
        embed_all(store)
        allowed = match_paths(paths, list(files)) if paths else set(files)
        expected = {
            path
            for path, (kind, mtime_ns) in files.items()
            if path in allowed
            and (not types or kind in types)
            and (earliest is None or mtime_ns >= earliest)
            and (latest is None or mtime_ns < latest)
        }
        assert {document.path for document in store.documents(where)} == expected
        ids = store.document_ids(where)
        found = indexes(store).search_dense(vector_of("query"), 100, document_ids=ids)
        assert {one.path for one in store.chunks([hit.chunk_id for hit in found])} == expected


def test_garbage_in_place_of_the_database_is_refused(tmp_path: Path) -> None:
    Store.open(tmp_path, create=True).close()
    path = tmp_path / "knowledge.sqlite3"
    for garbage in (b"", b"not a database at all" * 100):
        path.write_bytes(garbage)
        for create in (False, True):
            with pytest.raises(CorruptError, match="restore"):
                Store.open(tmp_path, create=create)
        assert path.read_bytes() == garbage


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "knowledge.sqlite3")
    connection.execute("CREATE TABLE mine (x)")
    connection.commit()
    connection.close()
    with pytest.raises(CorruptError, match="not one of ragkit's"):
        Store.open(tmp_path, create=True)


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    Store.open(tmp_path, create=True).close()
    connection = sqlite3.connect(tmp_path / "knowledge.sqlite3")
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    with pytest.raises(VersionError, match=rf"format 999, this one reads up to {schema.VERSION}"):
        Store.open(tmp_path)


def test_a_damaged_page_is_reported_never_hidden(tmp_path: Path) -> None:
    with Store.open(tmp_path, create=True) as store, store.writing("test"):
        for number in range(200):
            put(store, FOLDER, f"{number}.txt", document_of(f"passage {number} " * 40))
    path = tmp_path / "knowledge.sqlite3"
    data = bytearray(path.read_bytes())
    page = data.find(b"passage 150 passage 150") // 4096 * 4096
    data[page : page + 4096] = b"\xff" * 4096
    path.write_bytes(data)
    with Store.open(tmp_path) as store:
        checks = {check.name: check for check in [*store.check(), *indexes(store).check()]}
        assert checks["database"].status == "fail"
        assert "backup" in checks["database"].remedy
        with pytest.raises(CorruptError, match="damaged"):
            for document in store.documents():
                store.document(document.id)
                store.chunks_of(document.id)


def test_check_finds_what_is_wrong(tmp_path: Path) -> None:
    with Store.open(tmp_path, create=True) as store, store.writing("test"):
        number = put(store, FOLDER, "a.txt", document_of("alpha", "beta"))
        put(store, FOLDER, "b.txt", document_of("gamma"))
        first = store.chunks_of(number)[0].id
        store.put_vectors([first], vector_of("alpha")[np.newaxis])
        indexes(store).sync(final=True)
        (warning,) = problems(store)
        assert "2 of 3 passages have no vector yet" in warning
        embed_all(store)
        indexes(store).sync(final=True)
        assert problems(store) == []
    connection = sqlite3.connect(tmp_path / "knowledge.sqlite3")
    connection.execute("UPDATE chunks SET start_offset = 1 WHERE id = ?", (first,))
    connection.execute("UPDATE vectors SET vector = x'007c' WHERE embedding_id = 2")
    connection.execute("UPDATE state SET characters = 3")
    connection.execute("INSERT INTO embeddings (key) VALUES (x'00')")
    connection.execute("INSERT INTO contents (document_id, text, layout) VALUES (77, '', '{}')")
    connection.commit()
    connection.close()
    with Store.open(tmp_path) as store:
        found = {
            check.name: check
            for check in [*store.check(), *indexes(store).check()]
            if check.status != "ok"
        }
        assert "'a.txt'" in found["documents"].message
        assert found.keys() >= {"documents", "vectors", "totals", "orphans", "references"}
        assert all(check.remedy for check in found.values())


def test_readers_see_whole_documents_while_another_thread_writes(tmp_path: Path) -> None:
    stop = threading.Event()
    problems_seen: list[str] = []

    def read() -> None:
        while not stop.is_set():
            found = store.document_by_path("a.txt")
            if found is None:
                continue
            stored, document = found
            if document.text.count("\n\n") + 1 != stored.chunks:
                problems_seen.append(f"{stored} {document}")
            for chunk in store.chunks_of(stored.id):
                if "passage" not in chunk.text:
                    problems_seen.append(chunk.text)
            indexes(store).search_dense(vector_of("passage 1"), 3)
            indexes(store).search_lexical("passage", 3)

    with Store.open(tmp_path, create=True) as store:
        threads = [threading.Thread(target=read) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            with store.writing("test"):
                for round_ in range(30):
                    passages = [f"passage {number} {round_}" for number in range(round_ % 5 + 1)]
                    put(store, FOLDER, "a.txt", document_of(*passages))
                    embed_all(store)
                    if round_ % 5 == 0:
                        indexes(store).sync()
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    assert problems_seen == []


def test_another_process_reads_during_writes(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from ragkit.store import Store\n"
        "from ragkit.index.indexes import Indexes\n"
        "with Store.open(Path(sys.argv[1])) as store:\n"
        "    indexes = Indexes(store)\n"
        "    for line in sys.stdin:\n"
        "        (stored,) = store.documents()\n"
        "        texts = [chunk.text for chunk in store.chunks_of(stored.id)]\n"
        "        hits = indexes.search_lexical('passage', 100)\n"
        "        print(len(texts), texts[-1], len(hits), indexes.lag().lexical, flush=True)\n"
    )
    with Store.open(tmp_path, create=True) as store, store.writing("test"):
        put(store, FOLDER, "a.txt", document_of("passage 0"))
        with subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as reader:
            assert reader.stdin is not None
            assert reader.stdout is not None
            for count in range(1, 5):
                put(store, FOLDER, "a.txt", document_of(*["passage"] * (count - 1), f"p {count}"))
                if count > 2:
                    indexes(store).sync()
                reader.stdin.write("\n")
                reader.stdin.flush()
                answer = reader.stdout.readline().split()
                # Nothing is on disk yet in the first rounds: the reader indexes in memory.
                assert answer == [str(count), "p", str(count), str(count - 1), "0"]
            reader.stdin.close()
        assert reader.returncode == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_goes_on_with_connections_of_its_own(tmp_path: Path) -> None:
    def child(results: "multiprocessing.Queue[object]") -> None:
        put_back = indexes(store).search_dense(vector_of("alpha"), 1)
        words = indexes(store).search_lexical("alpha", 1)
        add_turn(store, "child", "user", "hello")
        results.put((put_back, words, store.counts()))
        store.close()

    context = multiprocessing.get_context("fork")
    with Store.open(tmp_path, create=True) as store:
        with store.writing("test"):
            put(store, FOLDER, "a.txt", document_of("alpha"))
            embed_all(store)
            indexes(store).sync(final=True)
        dense = indexes(store).search_dense(vector_of("alpha"), 1)
        words = indexes(store).search_lexical("alpha", 1)
        results: multiprocessing.Queue[object] = context.Queue()
        process = context.Process(target=child, args=(results,))
        process.start()
        assert results.get(timeout=60) == (dense, words, store.counts())
        process.join(60)
        assert process.exitcode == 0
        assert [turn.content for turn in store.turns("child")] == ["hello"]
        with store.writing("still the parent's"):
            put(store, FOLDER, "b.txt", document_of("beta"))
        assert problems(store) != []  # the new passage has no vector


def test_opening_a_base_twice_does_not_lose_the_locks_of_the_first(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from ragkit.store import Store\n"
        "Store.open(Path(sys.argv[1])).close()\n"
    )
    with Store.open(tmp_path, create=True) as store:
        store.set_setting("mine", "1")
        Store.open(tmp_path).close()
        # The last to close a base deletes its log; this process still uses it.
        subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
        assert (tmp_path / "knowledge.sqlite3-wal").exists()
        store.set_setting("mine", "2")
    with Store.open(tmp_path) as store:
        assert store.get_setting("mine") == "2"


def test_nothing_heavy_is_imported_to_open_and_list(tmp_path: Path) -> None:
    with Store.open(tmp_path, create=True) as store, store.writing("test"):
        put(store, FOLDER, "a.txt", document_of("alpha"))
    script = (
        "import sys; from pathlib import Path; from ragkit.store import Store\n"
        "with Store.open(Path(sys.argv[1])) as store:\n"
        "    assert len(store.documents()) == 1\n"
        "heavy = {'numpy', 'faiss', 'tantivy', 'filelock', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)


def test_dimension_constant_is_what_the_vectors_have() -> None:
    assert vector_of("x").shape == (DIMENSION,)


def test_a_full_disk_is_told_as_one_whatever_sqlite_calls_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    for free, told in ((10**9, "check the disk"), (4096, "the disk is full")):
        usage = shutil.disk_usage(tmp_path)._replace(free=free)
        monkeypatch.setattr(shutil, "disk_usage", lambda _path, usage=usage: usage)
        with pytest.raises(KnowledgeBaseError, match=told), translated_errors(tmp_path / "base"):
            raise error
