"""The lexical view: what words find, that no question breaks it, and that it catches up."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_samples import (
    chunks_of,
    document_of,
    indexes,
    problems,
    put,
    state_of,
)

from ragkit.index.protocols import ALONE, BESIDE_MEANING, WordWeights
from ragkit.language.analysis import codes, normalise
from ragkit.store import Store

FOLDER = Path("/home/ada/docs").absolute()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "kb", create=True) as opened, opened.writing("test"):
        yield opened


def texts(store: Store, question: str, **options: list[int]) -> list[str]:
    hits = indexes(store).search_lexical(question, 20, **options)  # type: ignore[arg-type]
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    return [chunk.text for chunk in store.chunks([hit.chunk_id for hit in hits])]


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("warranties", "The warranty lasts two years."),
        ("WARRANTY?", "The warranty lasts two years."),
        ("cafe", "Unser Café öffnet um acht."),
        ("ｃａｆé", "Unser Café öffnet um acht."),
        ("x200", "Use the X-200 charger."),
        ("X-200", "Use the X-200 charger."),
        ("1234.50", "It costs 1,234.50 euros."),
        ("on 2024-02-29", "Signed 2024-02-29."),
        ("京", "東京タワー"),
        ("東京", "東京タワー"),
        ("हिन्दी", "हिन्दी भाषा"),
        ("ประเทศ", "ประเทศไทย"),
    ],
)
def test_words_are_found(store: Store, question: str, found: str) -> None:
    put(
        store,
        FOLDER,
        "a.txt",
        document_of(
            "The warranty lasts two years.",
            "Unser Café öffnet um acht.",
            "Use the X-200 charger.",
            "It costs 1,234.50 euros.",
            "Signed 2024-02-29.",
            "東京タワー",
            "हिन्दी भाषा",
            "ประเทศไทย",
        ),
    )
    assert texts(store, question)[0] == found


def test_title_file_name_headings_and_table_headers_count(store: Store) -> None:
    put(store, FOLDER, "annual_reportFinal-2023.txt", document_of("first", title="Zebra"))
    document = document_of("12 | 13")
    root = store.root(FOLDER, kind="folder")
    chunks = chunks_of(document, prefix="Revenue | Profit\n")
    store.put_document(root.id, "b.txt", state_of(document), document, chunks)
    for question in ("zebra", "annual", "report", "final", "2023"):
        assert texts(store, question) == ["first"], question
    assert texts(store, "profit") == ["12 | 13"]
    number = next(one.id for one in store.documents() if one.title == "Zebra")
    store.move_document(number, root.id, "renamed.txt", state_of(document))
    assert texts(store, "annual") == []
    assert texts(store, "renamed zebra") == ["first"]


def test_rare_words_outweigh_common_ones(store: Store) -> None:
    put(
        store,
        FOLDER,
        "a.txt",
        document_of(*["common word"] * 30, "common gem", "no more", "gem here", "no more"),
    )
    assert texts(store, "the common gem")[0] == "common gem"
    assert sorted(texts(store, "gem")) == ["common gem", "gem here"]


def test_words_that_say_little_are_looked_up_only_where_nothing_else_is_asked(store: Store) -> None:
    put(store, FOLDER, "a.txt", document_of("What is it?", "The gem.", "To be or not to be."))
    assert texts(store, "What is the gem?") == ["The gem."]
    assert texts(store, "to be or not to be")[0] == "To be or not to be."


def test_what_stands_around_a_passage_adds_to_its_score_but_finds_nothing(store: Store) -> None:
    put(
        store, FOLDER, "a.txt", document_of("pear", "apple tree", "plum", "", "fig", "pear", "kiwi")
    )
    assert texts(store, "apple") == ["apple tree"]
    assert texts(store, "pear apple") == ["pear", "apple tree", "pear"]
    near, _, far = indexes(store).search_lexical("pear apple", 9)
    assert near.score > far.score
    assert near.chunk_id < far.chunk_id


def test_beside_meaning_a_word_nearby_counts_once_however_often_it_stands_there(
    store: Store,
) -> None:
    put(store, FOLDER, "a.txt", document_of("pear", "apple"))
    put(store, FOLDER, "b.txt", document_of("pear", "apple apple apple"))
    put(store, FOLDER, "c.txt", document_of("pear", "plum"))

    def pears(weights: WordWeights) -> list[float]:
        found = indexes(store).search_lexical("pear apple", 9, weights=weights)
        by_id = {chunk.id: chunk.text for chunk in store.chunks([one.chunk_id for one in found])}
        return [one.score for one in found if by_id[one.chunk_id] == "pear"]

    one, more, none = sorted(pears(ALONE), reverse=True)
    assert one != more
    first, second, last = pears(BESIDE_MEANING)
    assert first == second > last
    assert none > 0


def test_scores_are_shares_of_what_all_words_could_reach(store: Store) -> None:
    put(store, FOLDER, "a.txt", document_of("the lunar module landed", *["other text"] * 20))
    whole = indexes(store).search_lexical("lunar module landed", 1)[0].score
    part = indexes(store).search_lexical("lunar zebra giraffe", 1)[0].score
    assert 0.3 < whole <= 1
    assert 0 < part < whole / 2


def test_equal_scores_come_by_place(store: Store) -> None:
    for number in range(12):
        put(store, FOLDER, f"{number}.x", document_of("same"))
        indexes(store).sync()
    places = sorted(f"{number}.x" for number in range(12))
    for k in (1, 5, 12):
        found = indexes(store).search_lexical("same", k)
        chunks = store.chunks([hit.chunk_id for hit in found])
        assert [chunk.path for chunk in chunks] == places[:k]
    assert indexes(store).search_lexical("same", 0) == []


def test_filters_keep_to_their_documents(store: Store) -> None:
    ids = [put(store, FOLDER, f"{n}.txt", document_of("pear", f"pear {n}")) for n in range(10)]
    for chosen in ([], ids[:1], ids[::3], ids, [9999]):
        hits = indexes(store).search_lexical("pear", 99, document_ids=chosen)
        found = store.chunks([hit.chunk_id for hit in hits])
        assert sorted({chunk.document_id for chunk in found}) == sorted(set(chosen) & set(ids))
        assert len(found) == 2 * len(set(chosen) & set(ids))


QUESTIONS = [
    "",
    " ",
    "?!",
    "the",
    '"unbalanced',
    "a:b AND (OR NOT",
    "body:fox^2 +x -y [a TO b} /re.*/ \\",
    "\0",
    "\ud800 fox",
    "🙂",
    "e\u0301" * 500,
    "x" * 100_000,
    "fox " * 25_000,
    " ".join(f"word{number}" for number in range(20_000)),
    "1,2,3," * 10_000,
    "-" * 100_000,
    "東京" * 50_000,
]


@pytest.mark.parametrize("question", QUESTIONS, ids=range(len(QUESTIONS)))
def test_no_question_is_wrong(store: Store, question: str) -> None:
    put(store, FOLDER, "file.txt", document_of("The quick fox", "word7 and word19000"))
    found = texts(store, question)
    assert ("The quick fox" in found) == ("fox" in question or question == "the")


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=200))
def test_any_text_is_analysed(text: str) -> None:
    assert normalise(normalise(text)).split() == normalise(text).split()
    assert all(code == code.strip() and " " not in code for code in codes(text))


def test_only_the_rarest_of_many_words_count(store: Store) -> None:
    common = " ".join(f"common{number}" for number in range(100))
    put(store, FOLDER, "a.txt", document_of(*[common] * 5, "rare"))
    assert "rare" in texts(store, f"{common} rare")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("X-200, x200 and ISO-9001:2015", ["x200", "x200", "iso90012015"]),
        ("1,234.50 or 12.5 or 3 or 2024", ["1234.50", "12.5", "2024"]),
        ("no codes here, e.g. and/or", []),
        ("1.2.3 on 2024-02-29.", ["1.2.3", "2024-02-29"]),
    ],
)
def test_codes(text: str, expected: list[str]) -> None:
    assert codes(text) == expected


def test_an_index_behind_the_truth_catches_up_by_itself(tmp_path: Path) -> None:
    with Store.open(tmp_path, create=True) as store:
        with store.writing("test"):
            put(store, FOLDER, "a.txt", document_of("alpha"))
        assert indexes(store).lag().lexical == 1
        assert texts(store, "alpha") == ["alpha"]
        assert indexes(store).lag().lexical == 0
        with store.writing("test"):
            put(store, FOLDER, "a.txt", document_of("beta"))
    with Store.open(tmp_path) as store:
        assert texts(store, "alpha") == []
        assert texts(store, "beta") == ["beta"]


def test_while_another_writes_the_last_committed_index_is_used(tmp_path: Path) -> None:
    with Store.open(tmp_path, create=True) as writer, Store.open(tmp_path) as reader:
        with writer.writing("test"):
            put(writer, FOLDER, "a.txt", document_of("alpha"))
            assert texts(reader, "alpha") == ["alpha"]  # indexed in memory: there is no folder
            put(writer, FOLDER, "b.txt", document_of("alpha too"))
            indexes(writer).sync()
            assert texts(reader, "too") == ["alpha too"]
            put(writer, FOLDER, "c.txt", document_of("gamma"))
            assert texts(reader, "gamma") == []
            assert indexes(reader).lag().lexical == 1
            assert indexes(reader).lag().dense == 0
        assert texts(reader, "gamma") == ["gamma"]
        assert indexes(reader).lag().lexical == 0


@pytest.mark.parametrize(
    "harm", ["delete", "meta", "truncate", "flip", "file for folder", "old copy"]
)
def test_a_lost_or_damaged_folder_is_built_anew(tmp_path: Path, harm: str) -> None:
    folder = tmp_path / "lexical"
    with Store.open(tmp_path, create=True) as store, store.writing("test"):
        put(store, FOLDER, "a.txt", document_of("alpha", "beta"))
        indexes(store).sync(final=True)
        shutil.copytree(folder, tmp_path / "copy")
        put(store, FOLDER, "b.txt", document_of("gamma"))
        indexes(store).sync(final=True)
    if harm == "meta":
        (folder / "meta.json").write_text("{", encoding="utf-8")
    elif harm in ("truncate", "flip"):
        for path in folder.iterdir():
            if path.suffix in (".term", ".idx", ".store", ".fast"):
                data = path.read_bytes()
                flipped = bytes(byte ^ 0xA5 for byte in data)
                path.write_bytes(data[:5] if harm == "truncate" else flipped)
    else:
        shutil.rmtree(folder)
        if harm == "file for folder":
            folder.write_text("in the way", encoding="utf-8")
        elif harm == "old copy":
            (tmp_path / "copy").rename(folder)
    with Store.open(tmp_path) as store:
        found = [
            check.status
            for check in [*store.check(), *indexes(store).check()]
            if check.name == "lexical view"
        ]
        assert found in (["warn"], ["fail"])
        assert texts(store, "gamma") == ["gamma"]
        assert texts(store, "alpha") == ["alpha"]
        assert problems(store) == ["vectors: 3 of 3 passages have no vector yet"]


def test_the_folder_of_another_base_is_not_used(tmp_path: Path) -> None:
    with Store.open(tmp_path / "one", create=True) as one, one.writing("test"):
        put(one, FOLDER, "a.txt", document_of("alpha"))
        indexes(one).sync(final=True)
    with Store.open(tmp_path / "two", create=True) as two, two.writing("test"):
        put(two, FOLDER, "a.txt", document_of("beta"))
        shutil.copytree(tmp_path / "one" / "lexical", tmp_path / "two" / "lexical")
        assert texts(two, "alpha") == []
        assert texts(two, "beta") == ["beta"]


def test_rebuilding(store: Store) -> None:
    put(store, FOLDER, "a.txt", document_of("alpha"))
    indexes(store).sync(final=True)
    before = indexes(store).search_lexical("alpha", 5)
    indexes(store).rebuild()
    assert indexes(store).search_lexical("alpha", 5) == before


def test_a_folder_that_vanishes_while_it_is_open_is_made_anew(store: Store) -> None:
    put(store, FOLDER, "a.txt", document_of("alpha"))
    indexes(store).sync()
    put(store, FOLDER, "b.txt", document_of("beta"))
    shutil.rmtree(store.directory / "lexical")
    indexes(store).sync()
    assert (store.directory / "lexical").is_dir()
    assert sorted(texts(store, "alpha beta")) == ["alpha", "beta"]
