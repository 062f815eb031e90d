"""Reading filters: exact, or an error, never silently nothing."""

from collections.abc import Iterator
from datetime import datetime

import pytest
from click.testing import CliRunner

from ragkit import KnowledgeBase
from ragkit.cli.app import cli
from ragkit.errors import UsageError
from ragkit.retrieve.filters import parse_conditions, parse_where
from ragkit.retrieve.finding import Mode
from ragkit.testing import HashEmbedder


def nanoseconds(*parts: int) -> int:
    return int(datetime(*parts).timestamp()) * 1_000_000_000  # type: ignore[arg-type]


def test_no_condition_is_no_filter() -> None:
    assert parse_where(None) is None
    assert parse_where({}) is None
    assert parse_conditions([]) is None


def test_paths_and_types() -> None:
    where = parse_where({"path": ["*.pdf", "a\\b.txt"], "type": [".MD", "htm"]})
    assert where is not None
    assert where.paths == ("*.pdf", "a/b.txt")
    assert where.types == ("markdown", "html")
    assert (where.modified_from, where.modified_to) == (None, None)


@pytest.mark.parametrize(
    ("condition", "earliest", "latest"),
    [
        ("2024", (2024, 1, 1), (2025, 1, 1)),
        ("31.05.2024", (2024, 5, 31), (2024, 6, 1)),
        (">= May 2024", (2024, 5, 1), None),
        ("2024-5", (2024, 5, 1), (2024, 6, 1)),
        ("<Q2 2024", None, (2024, 4, 1)),
        ("2024-05..2024-07-03", (2024, 5, 1), (2024, 7, 4)),
        (">=2024-05-31T12:30", (2024, 5, 31, 12, 30), None),
        ("2024-05-31T12:30", (2024, 5, 31, 12, 30), (2024, 5, 31, 12, 31)),
        ("<=2024-05-31T12:30:07", None, (2024, 5, 31, 12, 30, 8)),
        ("2024-05-31 12:30..2024-05-31 13:00", (2024, 5, 31, 12, 30), (2024, 5, 31, 13, 1)),
        ("=2024-12", (2024, 12, 1), (2025, 1, 1)),
        ("2024-02-29", (2024, 2, 29), (2024, 3, 1)),
        (">=2024-05", (2024, 5, 1), None),
        ("> 2024-05", (2024, 6, 1), None),
        ("<2024-05-31", None, (2024, 5, 31)),
        ("<=2024-05-31", None, (2024, 6, 1)),
    ],
)
def test_dates(
    condition: str, earliest: tuple[int, ...] | None, latest: tuple[int, ...] | None
) -> None:
    where = parse_where({"date": condition})
    assert where is not None
    assert where.modified_from == (nanoseconds(*earliest) if earliest else None)
    assert where.modified_to == (nanoseconds(*latest) if latest else None)


def test_several_dates_must_all_hold() -> None:
    where = parse_where({"date": [">=2023", "<2024-07", "<2026"]})
    assert where is not None
    assert where.modified_from == nanoseconds(2023, 1, 1)
    assert where.modified_to == nanoseconds(2024, 7, 1)


@pytest.mark.parametrize(
    "where",
    [
        {"": "*.pdf"},
        {"path": ""},
        {"path": []},
        {"path": 7},
        "path=*.pdf",
        "",
        ["path=*.pdf"],
        {"date": "yesterday"},
        {"date": "2024-02-30"},
        {"date": ">=2024-13"},
        {"date": "=>2024"},
        {"date": "2024.."},
        {"date": ">2023..2024"},
        {"date": "in 2024"},
        {"!": "x"},
        {"path!": ""},
    ],
)
def test_what_cannot_be_read_is_an_error(where: object) -> None:
    with pytest.raises(UsageError):
        parse_where(where)  # type: ignore[arg-type]


def test_conditions_as_typed_in_a_shell() -> None:
    assert parse_conditions(
        ["path=a=b.pdf", "type=pdf", "date>=2024", "date < 2025", "type=md"]
    ) == {
        "path": ["a=b.pdf"],
        "type": ["pdf", "md"],
        "date": [">=2024", "<2025"],
    }
    for condition in ("path", "path>=x", "=x", ""):
        with pytest.raises(UsageError, match="filter"):
            parse_conditions([condition])


FILES = {
    "manuals/kettle.md": "---\nauthor: Ada\n---\n# Warranty\n\nKettles last three years.\n",
    "manuals/teapot.txt": "Teapots last for a year.\n",
    "drafts/teapot.md": "# Warranty\n\nDraft: teapots last.\n\n# Other\n\nTeapots are round.\n",
}


@pytest.fixture(scope="module")
def kb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KnowledgeBase]:
    root = tmp_path_factory.mktemp("filtered")
    for name, text in FILES.items():
        (root / "files" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "files" / name).write_text(text, encoding="utf-8")
    with KnowledgeBase(root / "kb", embedder=HashEmbedder()) as base:
        base.ingest(root / "files")
        yield base


@pytest.mark.parametrize(
    ("conditions", "paths"),
    [
        (["path!=drafts/*"], {"manuals/kettle.md", "manuals/teapot.txt"}),
        (["path!=drafts\\*", "type!=txt"], {"manuals/kettle.md"}),
        (["path=*teapot*", "path!=drafts"], {"manuals/teapot.txt"}),
        (["author!=ada"], {"manuals/teapot.txt", "drafts/teapot.md"}),
        (["Type=MD", "PATH=manuals/*"], {"manuals/kettle.md"}),
        (["type!=md", "type!=txt"], set()),
        (["date!=2001"], set(FILES)),
        (["date>=2001", "date!=2001-01..2100"], set()),
        (["path=manuals\\kettle.md"], {"manuals/kettle.md"}),
        (["path=[abc"], set()),
    ],
)
@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_negation_and_combinations(
    kb: KnowledgeBase, conditions: list[str], paths: set[str], mode: Mode
) -> None:
    where = parse_conditions(conditions)
    found = kb.retrieve("how long do kettles and teapots last", where=where, mode=mode)
    assert {hit.path for hit in found.hits} == paths
    assert {document.path for document in kb.documents(where)} == paths
    if not paths:
        assert "no document is allowed by the filter" in found.notes[0]
        for answers in ("single", "map-reduce", "compare"):
            answer = kb.ask("how long do teapots last?", where=where, mode=answers)  # type: ignore[arg-type]
            assert answer.refused
            assert "no document is allowed by the filter" in (answer.reason or "")


def test_a_heading_that_is_not_wanted_leaves_the_rest_of_its_document(kb: KnowledgeBase) -> None:
    where = {"heading!": "Warranty"}
    hits = kb.search("teapots", k=50, where=where)
    assert {hit.path for hit in hits} <= {"manuals/teapot.txt", "drafts/teapot.md"}
    assert not any("Draft" in hit.text for hit in hits)


def test_unknown_keys_are_named_and_near_ones_proposed(kb: KnowledgeBase) -> None:
    for key in ("autor", "autor!"):
        with pytest.raises(UsageError, match="did you mean 'author'"):
            kb.search("teapots", where={key: "Ada"})


def test_the_command_line_says_that_nothing_is_allowed(kb: KnowledgeBase) -> None:
    arguments = ["--kb", str(kb.directory), "--where", "path=nothing/*"]
    result = CliRunner().invoke(cli, ["search", "teapots", *arguments])
    assert result.stdout == "Nothing found among the documents that --where allows.\n"
    assert "no document is allowed by the filter" in result.stderr
    result = CliRunner().invoke(cli, ["ask", "how long do teapots last?", *arguments])
    assert "no document is allowed by the filter" in result.stdout


@pytest.mark.parametrize("question", ["the of and in", "who are you?", "wie ist das"])
def test_a_question_of_common_words_only_is_refused_with_the_reason(
    kb: KnowledgeBase, question: str
) -> None:
    answer = kb.ask(question)
    assert answer.refused
    assert answer.reason
