"""Plain text: which lines are headings."""

from loading import headings, loaded


def test_numbered_lines_in_capitals_are_headings() -> None:
    document = loaded(
        "a.txt", "1. SEALS AND ROTORS\n\nThey turn.\n\n2. OTHER PARTS\n\nThey do not.\n"
    )
    assert headings(document) == [("1. SEALS AND ROTORS",), ("2. OTHER PARTS",)]


def test_numbered_lines_with_text_below_each_are_headings() -> None:
    document = loaded(
        "minutes.txt", "Minutes\n\n1. New pump\n\nIt is late.\n\n2. Any other business\n\nNone.\n"
    )
    assert headings(document) == [("1. New pump",), ("2. Any other business",)]


def test_headings_in_capitals_are_told_from_other_numbered_lines() -> None:
    text = "1 SCOPE\n\n1. New pump\n\n2. Old pump\n\nAll of them.\n\n2 TERMS\n\nNone.\n"
    assert headings(loaded("a.txt", text)) == [("1 SCOPE",), ("2 TERMS",)]


def test_numbered_lines_that_follow_each_other_are_a_list() -> None:
    assert headings(loaded("a.txt", "1. Open the lid\n\n2. Take the pump out\n\nDone.\n")) == []


def test_numbered_lines_that_begin_elsewhere_or_end_a_sentence_are_none() -> None:
    assert headings(loaded("a.txt", "3. New pump\n\nIt is late.\n\n7. Old pump\n\nGone.\n")) == []
    assert headings(loaded("a.txt", "1. It is late.\n\nYes.\n\n2. It is here.\n\nNo.\n")) == []


def test_a_title_stands_at_the_head_or_there_is_none() -> None:
    far = "Some text about the pump.\n\n" * 40
    assert loaded("a.md", f"{far}# Figure 3\n\nA caption.\n").title is None
    assert loaded("a.md", f"![badge](b.png)\n\n# Pump\n\n{far}").title == "Pump"
