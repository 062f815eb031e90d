from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.sentences import sentence_spans


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


# "|" marks where a sentence has to end.
@pytest.mark.parametrize(
    "marked",
    [
        "One. |Two! |Three? |Four",
        "Dr. Smith and Mrs. Jones met Prof. Lee. |They talked.",
        "Acme Inc. reported $3.50 per share, e.g. in Jan. 5 or so. |Then it closed.",
        "It was made by Acme Inc. |The company is old.",
        "See Fig. 3, Eq. 4 and pp. 12–15 of Vol. II. |It is clear.",
        "Take No. 5. |Then stop.",
        "Was it him? |No. |Then who?",
        "The U.S. Senate met. |He lives in the U.S. |The senate is there.",
        "J. R. R. Tolkien wrote it. |George W. Bush did not.",
        "We need Plan B. |Then we go. |Vitamin C. |It helps.",
        "Roe v. Wade, Kramer vs. Kramer, Smith et al. agree.",
        "Version 2.0.1 costs 3.14 euros at 10.5 p.m. sharp. |Good.",
        "Visit https://example.com/a.b?c=d.e&f=!g now. |Write to a.b@example.org. |Done.",
        "Wait... what is it? |Well… nothing. |Really… |Yes.",
        "Stop!!! |Why?! |Because.",
        'He said "Go." |Then he left. |(It was late.) |So did we.',
        'She asked "Really?" and left. |“Yes.” |He stayed.',
        "It is **bold.** |So is *this one.* |End.",
        "This was shown.[12] |That was not.² |End.",
        "Profit grew in 2017. |14. debt is a title. |2018 was worse.",
        "3.2. Scope of this",
        "12. The twelfth item",
        "Am 5. Mai kam er, z.B. mit Dr. Braun. |Das war gut.",
        "你好。|我是谁？|真的！|是",
        "他说：「好。」|然后走了。",
        "価格は3.5円です。|高いですか？|はい",
        "كيف حالك؟ |أنا بخير. |شكرا",
        "یہ اچھا ہے۔ |وہ بھی۔",
        "यह अच्छा है। |वह भी॥ |हाँ",
        "Привет. |Как дела? |Хорошо, т. е. неплохо.",
        "all in lower case. no capitals to see. it ends here, e.g. now. right?",
    ],
)
def test_boundaries(marked: str) -> None:
    expected = [part.strip() for part in marked.split("|")]
    if marked.startswith("all in lower"):
        expected = [
            "all in lower case.",
            "no capitals to see.",
            "it ends here, e.g. now.",
            "right?",
        ]
    assert sentences(marked.replace("|", "")) == expected


def test_wrapped_lines_are_joined() -> None:
    text = "This paragraph is wrapped\nby an editor. It goes on\nfor three lines.\n\nA new one"
    assert sentences(text) == [
        "This paragraph is wrapped\nby an editor.",
        "It goes on\nfor three lines.",
        "A new one",
    ]


@pytest.mark.parametrize(
    "lines",
    [
        ["- first item", "- second item; with more", "* third"],
        ["1. one", "2) two", "(c) three", "iv. four"],
        ["• Ein Punkt", "• Noch einer"],
        ["| name | price |", "| --- | --- |", "| nut | 1.50 |"],
        ["name | price", "nut | 1.50", "a longer name | 2"],
        ["name\tprice", "nut\t1.50"],
        ["# Heading", "Text below it."],
        ["= = History = =", "It began early."],
        ["Shipping", "We ship to every country that our carriers can reach by road or rail."],
    ],
)
def test_lines_that_stand_alone(lines: list[str]) -> None:
    assert sentences("\n".join(lines)) == lines


@pytest.mark.parametrize("gap", ["\n\n", "\n \t \n", "\n\n\n\n"])
def test_blank_line_always_ends(gap: str) -> None:
    assert sentences(f"no stop here{gap}and no capital") == ["no stop here", "and no capital"]


def test_range() -> None:
    text = "One two. Three four. Five six."
    assert sentence_spans(text, 4, 14) == [(4, 8), (9, 14)]
    assert sentence_spans(text, 9) == [(9, 20), (21, 30)]
    assert sentence_spans(text, 5, 5) == []
    assert sentence_spans(text, 21, 99) == [(21, 30)]


@pytest.mark.parametrize("text", ["", " ", "\n\n \t"])
def test_nothing(text: str) -> None:
    assert sentence_spans(text) == []


pieces = st.sampled_from(
    [
        *" \n\t.!?…。؟।,;:-•*|\"'”)(［」1aZé字न\u0301\u200b\u200d\xa0\u3000",
        "Dr.",
        "e.g.",
        "U.S.",
        "3.5",
        "\n\n",
        "\n- ",
        " The ",
        " it ",
        " | ",
        "# ",
        "No.",
    ]
)
texts = st.one_of(st.text(max_size=200), st.lists(pieces, max_size=60).map("".join))


@given(texts, st.integers(0, 50), st.integers(0, 200))
@example("a.\x1cb", 0, 10)
def test_spans_hold_everything_but_white_space(text: str, start: int, length: int) -> None:
    start, end = min(start, len(text)), min(start + length, len(text))
    position = start
    for first, past in sentence_spans(text, start, end):
        assert position <= first < past <= end
        assert not text[position:first].strip()
        assert text[first:past] == text[first:past].strip()
        position = past
    assert not text[position:end].strip()


@pytest.mark.parametrize(
    "text",
    ["a" * 3_000_000, "." * 3_000_000, "\n" * 3_000_000, " " * 3_000_000, "word " * 600_000],
    ids=["letters", "stops", "newlines", "blanks", "words"],
)
def test_millions_of_characters_without_a_boundary(text: str) -> None:
    assert len(sentence_spans(text)) == (1 if text.strip() else 0)
