"""Reading golden sets: every malformed line is named with its field; paths are matched to a base."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragkit.errors import UsageError
from ragkit.evals.golden import GoldenQuestion, Place, golden_line, match_paths, read_golden

GOOD: dict[str, Any] = {
    "id": "a",
    "question": "How long?",
    "history": [{"role": "user", "content": "Hello"}],
    "rewrite": "How long is it?",
    "answerable": True,
    "answer": "two years",
    "scope": "a.md",
    "relevant": [{"path": "a.md", "start": 3, "end": 9, "grade": 2}, {"path": "b.pdf", "page": 4}],
}


def write(folder: Path, *lines: str) -> Path:
    path = folder / "golden.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_all_fields_are_read(tmp_path: Path) -> None:
    (question,) = read_golden(write(tmp_path, "", json.dumps(GOOD), ""))
    assert question == GoldenQuestion(
        id="a",
        question="How long?",
        line=2,
        history=({"role": "user", "content": "Hello"},),
        rewrite="How long is it?",
        answerable=True,
        answers=("two years",),
        scope="a.md",
        relevant=(Place("a.md", start=3, end=9, grade=2), Place("b.pdf", page=4)),
    )


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    (first,) = read_golden(write(tmp_path, json.dumps(GOOD)))
    (second,) = read_golden(write(tmp_path, golden_line(first)))
    assert first == second


@pytest.mark.parametrize(
    ("fields", "answerable"),
    [
        ({}, None),
        ({"relevant": [{"path": "a.md"}]}, True),
        ({"answer": 42}, True),
        ({"answerable": False}, False),
        ({"answerable": None, "answer": ""}, None),
    ],
)
def test_answerable_may_be_absent(
    tmp_path: Path, fields: dict[str, Any], answerable: bool | None
) -> None:
    (question,) = read_golden(write(tmp_path, json.dumps({"question": "Why?", **fields})))
    assert question.answerable is answerable
    assert question.id == "1"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"question": ""}, "'question'"),
        ({"question": 7}, "'question'"),
        ({"id": ["x"]}, "'id'"),
        ({"answerable": "yes"}, "'answerable'"),
        ({"answer": {"x": 1}}, "'answer'"),
        ({"answer": ["x", True]}, "'answer'"),
        ({"kind": 1}, "'kind'"),
        ({"scope": 1}, "'scope'"),
        ({"rewrite": 1}, "'rewrite'"),
        ({"history": "x"}, "'history'"),
        ({"history": ["x"]}, "'history[0]'"),
        ({"history": [{"role": "robot", "content": "x"}]}, "'history[0].role'"),
        ({"history": [{"role": "user"}]}, "'history[0].content'"),
        ({"relevant": {}}, "'relevant'"),
        ({"relevant": ["a.md"]}, "'relevant[0]'"),
        ({"relevant": [{"page": 1}]}, "'relevant[0].path'"),
        ({"relevant": [{"path": "a", "page": -1}]}, "'relevant[0].page'"),
        ({"relevant": [{"path": "a", "page": True}]}, "'relevant[0].page'"),
        ({"relevant": [{"path": "a", "start": 1}]}, "'relevant[0].end'"),
        ({"relevant": [{"path": "a", "start": 5, "end": 5}]}, "'relevant[0].end'"),
        ({"relevant": [{"path": "a", "grade": 9}]}, "'relevant[0].grade'"),
        ({"answerable": False}, "'relevant'"),
    ],
)
def test_a_malformed_field_is_named_with_its_line(
    tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    path = write(tmp_path, json.dumps({"question": "Fine?"}), json.dumps({**GOOD, **change}))
    with pytest.raises(UsageError) as caught:
        read_golden(path)
    assert "golden.jsonl, line 2" in str(caught.value)
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (['{"question": "x"'], "line 1: not valid JSON"),
        (["[1]"], "expected a JSON object"),
        (["", " "], "holds no question"),
        (['{"id": 1, "question": "x"}', '{"id": "1", "question": "y"}'], "was used in line 1"),
    ],
)
def test_a_malformed_file_is_refused(tmp_path: Path, lines: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_golden(write(tmp_path, *lines))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        read_golden(tmp_path / "none.jsonl")
    (tmp_path / "latin.jsonl").write_bytes(b'{"question": "\xe9"}')
    with pytest.raises(UsageError, match="not UTF-8"):
        read_golden(tmp_path / "latin.jsonl")


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_bytes(data)
    try:
        assert read_golden(path)
    except UsageError as error:
        assert "any.jsonl" in str(error)


def asked(*paths: str) -> GoldenQuestion:
    return GoldenQuestion("q", "Why?", line=3, relevant=tuple(map(Place, paths)))


def test_paths_are_those_of_the_base() -> None:
    base = ["docs/a.md", "docs/x/b.md", "more/x/b.md", "c.md"]
    checked = match_paths([asked("a.md", "c.md", "x/b.md")], base, base="kb")
    assert [place.path for place in checked.questions[0].relevant] == [
        "docs/a.md",
        "c.md",
        "x/b.md",
    ]
    (problem,) = checked.problems
    assert "line 3" in problem
    assert "'relevant[2].path'" in problem
    assert "'x/b.md'" in problem


def test_a_set_for_another_base_is_refused() -> None:
    with pytest.raises(UsageError, match="holds none of the 1 files"):
        match_paths([asked("z.md")], ["a.md"], base="kb")
    with pytest.raises(UsageError, match="holds no documents"):
        match_paths([asked("a.md")], [], base="kb")
