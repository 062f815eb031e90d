"""``ragkit eval``: measuring, comparing, reporting, drafting and calibrating, on a real base."""

from __future__ import annotations

import json
import math
import re
import threading
from html import escape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result
from fake_server import FakeServer, Handler
from markdown_it import MarkdownIt

from ragkit import KnowledgeBase, UsageError
from ragkit.cli.app import cli
from ragkit.evals.answer_measures import answer_scores, refusal_scores
from ragkit.evals.drafting import draft_golden
from ragkit.evals.evaluate import evaluate
from ragkit.evals.golden import GoldenQuestion, Place, read_golden
from ragkit.evals.measures import place_scores, ranking_scores
from ragkit.evals.setups import Settings
from ragkit.results import Hit
from ragkit.testing import ScriptedModel

FACTS = {
    "gate": ("The gate opens", "at seven", "When does the gate open?"),
    "boiler": ("The boiler is checked", "every nine weeks", "How often is the boiler checked?"),
    "parking": ("Parking costs", "4 euros a day", "What does parking cost?"),
    "canteen": ("The canteen serves lunch", "until 14:30", "Until when is lunch served?"),
    "printer": ("The printer takes", "A3 paper", "Which paper does the printer take?"),
    "lift": ("The lift carries", "eight persons", "How many persons may use the lift?"),
    "alarm": ("The alarm code is changed by", "Ruth Castor", "Who changes the alarm code?"),
    "archive": ("The archive keeps invoices for", "ten years", "How long are invoices kept?"),
}
ABSENT = [
    "What do penguins eat?",
    "Which club won the football cup?",
    "How far away is the moon?",
    "Who painted the Mona Lisa?",
    "What is the capital of Peru?",
    "How do I bake bread?",
    "When was Napoleon born?",
    "Which planet has rings?",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    for name, (subject, answer, _) in FACTS.items():
        text = f"# The {name}\n\n{subject} {answer}. It was last painted in spring.\n"
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    table = "# Prices\n\n| Item | Price | Weight |\n|---|---|---|\n| Lamp | 12 euros | 2 kg |\n"
    (folder / "prices.md").write_text(table, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def base(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("base") / "kb"
    with KnowledgeBase(directory) as kb:
        kb.ingest(folder)
    return directory


@pytest.fixture(scope="module")
def golden(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    lines: list[dict[str, Any]] = []
    for name, (_, answer, question) in FACTS.items():
        start = (folder / f"{name}.md").read_text(encoding="utf-8").index(answer)
        place = {"path": f"{name}.md", "start": start, "end": start + len(answer)}
        lines.append({"id": name, "question": question, "answer": answer, "relevant": [place]})
    lines[0]["scope"] = "gate.md"
    lines[1]["history"] = [{"role": "user", "content": "Is there a boiler?"}]
    lines[1]["rewrite"] = lines[1]["question"]
    lines += [{"id": f"no-{i}", "question": q, "answerable": False} for i, q in enumerate(ABSENT)]
    path = tmp_path_factory.mktemp("golden") / "golden.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["eval", *map(str, arguments)])


def document(*arguments: object) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


# -- measuring --------------------------------------------------------------------------------


def test_everything_is_measured(base: Path, golden: Path) -> None:
    found = document(golden, "--kb", base)
    summary = found["summary"]
    across = summary["retrieval"]["across the collection"]
    assert across["questions"] == len(FACTS)
    assert across["recall@5"] == 1.0
    assert 0.9 < across["mrr"] <= 1.0
    assert across["gold share in 2,000 characters"] == 1.0
    assert summary["retrieval"]["within the named document"]["questions"] == 1
    follow_ups = summary["follow_ups"]
    assert {"with history", "last turn alone", "gold rewrite (upper bound)"} == set(follow_ups)
    assert summary["answers"]["contains the answer"] > 0.8
    assert summary["refusals"]["AUROC"] > 0.9
    assert summary["refusals"]["unanswerable"] == len(ABSENT)
    assert set(summary["latency_ms"]) == {"search p50", "search p95", "ask p50", "ask p95"}
    assert found["problems"] == []


def test_misses_say_why(base: Path, tmp_path: Path) -> None:
    path = tmp_path / "hard.jsonl"
    lines = [
        {
            "id": "wrong",
            "question": "When does the gate open?",
            "answer": "at noon",
            "relevant": [{"path": "lift.md", "start": 0, "end": 10}],
        },
        {"id": "absent", "question": "When does the gate open?", "answerable": False},
        {"id": "gone", "question": "Lamp?", "relevant": [{"path": "none.md"}]},
        {"id": "page", "question": "Lamp price?", "relevant": [{"path": "prices.md", "page": 3}]},
    ]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    result = run(path, "--kb", base, "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    missed = {question["id"]: " / ".join(question["missed"]) for question in found["questions"]}
    assert "lacks 'at noon'" in missed["wrong"]
    assert "no relevant passage is among the first" in missed["page"]
    assert "its document was found at rank" in missed["page"]
    assert "though the documents do not hold the answer" in missed["absent"]
    assert "none.md is not in the knowledge base" in missed["gone"]
    assert any("line 3" in p and "'none.md'" in p for p in found["problems"])
    assert any("line 4" in p and "no pages" in p for p in found["problems"])
    shown = run(path, "--kb", base)
    assert "lacks 'at noon'" in shown.stdout
    assert "none.md" in shown.stderr


def test_search_only_judges_no_answers(base: Path, golden: Path) -> None:
    summary = document(golden, "--kb", base, "--search-only", "--first", 3)["summary"]
    assert summary["questions"] == 3
    assert summary["answers"] == {}
    assert summary["refusals"] == {}


def test_the_report_is_written_in_three_forms(base: Path, golden: Path, tmp_path: Path) -> None:
    result = run(golden, "--kb", base, "--report", tmp_path / "out")
    assert result.exit_code == 0, result.output
    markdown = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "| recall@5 | 1.000 |" in markdown
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    plots = [part.split("</svg>")[0] + "</svg>" for part in page.split("<svg ")[1:]]
    assert len(plots) == 5
    for plot in plots:
        ElementTree.fromstring("<svg " + plot)
    assert "<script" not in page
    results = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert len(results["questions"]) == len(FACTS) + len(ABSENT)


def test_nothing_in_a_golden_set_is_markup_in_the_report(base: Path, tmp_path: Path) -> None:
    nasty = "<script>a()</script> &amp; [x](javascript:b) **bold** | `code` how much?"
    golden = tmp_path / "nasty.jsonl"
    golden.write_text(json.dumps({"id": "*1* & |", "question": nasty, "answerable": False}) + "\n")
    run(golden, "--kb", base, "--report", tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert escape(f"*1* & |: {nasty}") in page
    for markup in ("<script", "<a ", "<strong", "<em", "<code"):
        assert markup not in page


def test_what_measuring_needs_is_named_where_it_is_missing(
    base: Path, golden: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "ragkit.evals.evaluate.find_spec", lambda name: None if name == "scipy" else name
    )
    result = run(golden, "--kb", base)
    assert result.exit_code == 2
    assert "measuring needs scipy: pip install 'ragkit[eval]'" in result.stderr


# -- comparing --------------------------------------------------------------------------------


def test_two_settings_are_compared(base: Path, golden: Path, tmp_path: Path) -> None:
    options = ("--kb", base, "--search-only", "--report", tmp_path / "out")
    result = run(golden, "--compare", "mode=hybrid", "mode=lexical", *options, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["first"], found["second"]) == ("mode=hybrid", "mode=lexical")
    recall = next(row for row in found["differences"] if row["measure"] == "recall@10")
    assert recall["questions"] == len(FACTS)
    assert math.isclose(recall["difference"], recall["second"] - recall["first"], abs_tol=1e-3)
    assert all(0.0 <= row["p"] <= 1.0 for row in found["differences"])
    assert "mode=lexical" in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")


def test_a_base_does_not_differ_from_itself(base: Path, golden: Path) -> None:
    found = document(golden, "--kb", base, "--compare", base, base, "--first", 9)
    assert found["changed"] == []
    assert all(row["p"] == 1.0 and row["difference"] == 0 for row in found["differences"])


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("diversity=2", "from 0 to 1"),
        ("expand=synonymous", "none, acronyms"),
        ("mode=fast", "mode must be one of"),
        ("speed=9", "there is no setting 'speed'"),
        ("k=0", "k must be a number"),
        ("no-such-folder", "neither the folder"),
        ("mode=", "write NAME=VALUE"),
        ("answers=maybe", "must be yes or no"),
    ],
)
def test_bad_settings_are_named(base: Path, golden: Path, setting: str, said: str) -> None:
    result = run(golden, "--kb", base, "--compare", "mode=dense", setting)
    assert result.exit_code == 2
    assert said in result.stderr


# -- drafting ---------------------------------------------------------------------------------


def test_a_draft_without_a_model_can_be_measured(base: Path, tmp_path: Path) -> None:
    path = tmp_path / "draft.jsonl"
    result = run("--make", 6, path, "--kb", base)
    assert result.exit_code == 0, result.output
    assert "answerable" in result.stderr
    questions = read_golden(path)
    assert " for Lamp" in " ".join(question.question for question in questions)
    with KnowledgeBase(base) as kb:
        for question in questions:
            if question.answerable:
                (place,) = question.relevant
                assert kb.text(place.path)[place.start : place.end] == question.answer
    assert document(path, "--kb", base, "--first", 2)["summary"]["questions"] == 2
    again = run("--make", 6, path, "--kb", base)
    assert again.exit_code == 2
    assert "exists already" in again.stderr


def test_a_draft_by_a_model_keeps_only_what_stands_in_the_passage(base: Path) -> None:
    replies = [
        'Sure: {"question": "When is the door opened?", "answer": "at seven"}',
        '{"question": "And?", "answer": "in autumn"}',
        "no JSON",
    ] * 9
    with KnowledgeBase(base) as kb:
        model = ScriptedModel(*replies)
        draft = draft_golden(kb, 2, model=model)
        texts = {document.path: kb.text(document.path) for document in kb.documents()}
    for question in draft.questions:
        (place,) = question.relevant
        assert texts[place.path][place.start : place.end] == question.answer
    assert any("were left out" in sentence for sentence in draft.notes)


# -- calibrating ------------------------------------------------------------------------------


def test_a_calibration_is_fitted_kept_and_taken_back(
    folder: Path, golden: Path, tmp_path: Path
) -> None:
    directory = tmp_path / "kb"
    with KnowledgeBase(directory) as kb:
        kb.ingest(folder)
        before = kb.ask("When does the gate open?").confidence
    fit = document(golden, "--kb", directory, "--calibrate")
    assert fit["answerable"] == len(FACTS)
    assert fit["auroc"] > 0.9
    assert fit["balanced_after"] > 0.7
    with KnowledgeBase(directory) as kb:
        assert kb.calibration().threshold == fit["calibration"]["threshold"]
        assert kb.ask("When does the gate open?").confidence != before
        assert kb.ask("Who painted the Mona Lisa?").refused
    # Fitting again starts from the same signals, whatever calibration is in use.
    again = document(golden, "--kb", directory, "--calibrate")
    assert math.isclose(again["calibration"]["slope"], fit["calibration"]["slope"], rel_tol=0.05)
    document("--uncalibrate", "--kb", directory)
    with KnowledgeBase(directory) as kb:
        assert kb.ask("When does the gate open?").confidence == before


def test_a_model_that_takes_too_long_is_reported(base: Path, golden: Path) -> None:
    over = threading.Event()

    def hang(handler: Handler) -> None:
        handler.begin()
        over.wait(20)

    server = FakeServer()
    server.scripts = [hang]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        arguments = ["eval", str(golden), "--kb", str(base), "--first", "2", "--timeout", "1"]
        arguments += ["--model", "openai:slow", "--base-url", server.url, "--json"]
        result = CliRunner().invoke(cli, arguments)
    finally:
        over.set()
        server.shutdown()
        server.server_close()
    assert result.exit_code == 1, result.output
    assert "at most 1 seconds each" in result.stderr
    document = json.loads(result.stdout)
    (problem,) = [text for text in document["problems"] if "were answered without" in text]
    assert problem.startswith("2 of 2 questions")
    assert "did not finish" in problem


def test_progress_is_told_before_each_question(base: Path, golden: Path) -> None:
    told: list[tuple[int, int, str]] = []
    evaluate(
        read_golden(golden)[:2],
        Settings(kb=str(base), answers=False),
        on_question=lambda *how_far: told.append(how_far),
    )
    assert told == [(0, 2, "gate"), (1, 2, "boiler"), (2, 2, "")]


def test_calibrating_needs_both_kinds(base: Path, golden: Path) -> None:
    result = run(golden, "--kb", base, "--calibrate", "--first", 9)
    assert result.exit_code == 2
    assert '"answerable": false' in result.stderr


# -- bad input --------------------------------------------------------------------------------


def test_bad_input_is_told_in_a_sentence(base: Path, golden: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"question": "x"}\n{"question": 1}\n', encoding="utf-8")
    for arguments, said, code in [
        (["--kb", base], "--make 50", 2),
        ([bad, "--kb", base], "bad.jsonl, line 2: 'question'", 2),
        ([tmp_path / "none.jsonl", "--kb", base], "cannot read", 2),
        ([golden, "--kb", tmp_path / "nothing"], "", 3),
        ([golden, "--kb", base, "--make", 3, "--calibrate"], "do not go together", 2),
    ]:
        result = run(*arguments)
        assert result.exit_code == code, result.output
        assert said in result.stderr
        assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            b'{"question": "x"}\n{"question": "y", "anwser": "z"}',
            "line 2: there is no field 'anwser'; is 'answer'",
        ),
        (b'{"question": "x", "relevant": [{"path": "a", "pgae": 3}]}', "'relevant[0].page' meant"),
        (b'{"question": "x"}\n{"question": "gr\xfc\xdfe"}', "line 2: not UTF-8 (byte 0xfc)"),
        ('{"question": "x"}'.encode("utf-16"), "line 1: not UTF-8"),
        (b'{"question": "x", "answer": NaN}', "line 1: not valid JSON: NaN"),
        (b'\n\n{"question": "x",}', "line 3: not valid JSON at character 18"),
        (b'{"question": "' + b"w " * 60_000 + b'"}', "at most 100,000 characters"),
        (
            b'{"id": 1, "question": "x"}\n{"id": "1", "question": "y"}',
            "'id' '1' was used in line 1",
        ),
        (
            b'{"question": "x", "relevant": [{"path": "a", "grade": 9}]}',
            "'relevant[0].grade' must be 1 to 4",
        ),
        (b"", "holds no question"),
    ],
)
def test_a_malformed_line_is_named_with_its_field(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "golden.jsonl"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_golden(path)
    assert said in str(caught.value)


def test_a_mark_at_the_beginning_and_dos_line_ends_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "golden.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"question": "x", "tags": ["own"]}\r\n\r\n{"question": "y"}\r\n')
    assert [(q.id, q.question) for q in read_golden(path)] == [("1", "x"), ("3", "y")]


def test_what_cannot_be_written_is_refused_before_anything_is_measured(
    base: Path, golden: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("measured in vain")

    monkeypatch.setattr("ragkit.evals.evaluate.evaluate", never)
    monkeypatch.setattr("ragkit.evals.drafting.draft_golden", never)
    (tmp_path / "file").write_text("", encoding="utf-8")
    for arguments in (
        [golden, "--report", tmp_path / "file" / "measured"],
        ["--make", 3, tmp_path / ("x" * 300 + ".jsonl")],  # no file system takes such a name
    ):
        result = run(*arguments, "--kb", base)
        assert result.exit_code == 2, result.output
        assert "cannot write" in result.stderr


def test_what_was_measured_before_ctrl_c_is_shown_and_written(
    base: Path, golden: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = KnowledgeBase.retrieve
    asked: list[str] = []

    def interrupted(self: KnowledgeBase, question: str, **options: Any) -> Any:
        asked.append(question)
        if len(asked) > 6:
            raise KeyboardInterrupt
        return search(self, question, **options)

    monkeypatch.setattr(KnowledgeBase, "retrieve", interrupted)
    report = tmp_path / "measured"
    result = run(golden, "--kb", base, "--search-only", "--report", report, "--json")
    assert result.exit_code == 130
    found = json.loads(result.stdout)
    assert 1 <= found["summary"]["questions"] < 6
    assert found["problems"][0].startswith(f"stopped after {found['summary']['questions']} of 16")
    assert "stopped after" in (report / "report.md").read_text(encoding="utf-8")
    asked.clear()
    for arguments in (["--calibrate"], ["--compare", "mode=dense", "mode=hybrid", "--search-only"]):
        asked.clear()
        assert run(golden, "--kb", base, *arguments).exit_code == 130
    with KnowledgeBase(base) as kb:
        assert kb.calibration().questions == 0


def test_an_empty_base_is_refused(golden: Path, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    with KnowledgeBase(tmp_path / "kb") as kb:
        kb.ingest(tmp_path / "docs")
    for arguments in ([golden], ["--make", 3]):
        result = run(*arguments, "--kb", tmp_path / "kb")
        assert result.exit_code == 2
        assert "holds no documents" in result.stderr


# -- measures ---------------------------------------------------------------------------------


def hit(path: str, start: int = 0, end: int = 10, page: int | None = None) -> Hit:
    return Hit(path, page, start, end, "x" * (end - start), 0.5)


def test_ranking_scores_count_each_unit_once() -> None:
    hits = [hit("b"), hit("a"), hit("b", 10, 20), hit("c")]
    scores = ranking_scores([("q", hits, [Place("a"), Place("c", grade=3), Place("z")])])["q"]
    assert scores["mrr"] == 0.5
    assert math.isclose(scores["recall@3"], 2 / 3, abs_tol=1e-6)
    got, ideal = 1 / math.log2(3) + 3 / 2, 3 + 1 / math.log2(3) + 1 / 2  # b, a, c; c, a, z
    assert math.isclose(scores["ndcg@10"], got / ideal, abs_tol=1e-6)


def test_pages_and_spans_are_matched_by_place() -> None:
    hits = [hit("a", 0, 10, 1), hit("a", 10, 20, 2)]
    by_page = ranking_scores([("q", hits, [Place("a", page=2)])])["q"]
    assert (by_page["recall@1"], by_page["recall@3"]) == (0.0, 1.0)
    assert place_scores(hits, [Place("a", page=2)])["page hit@5"] == 1.0
    by_span = ranking_scores([("q", hits, [Place("a", start=9, end=12)])])["q"]
    assert by_span["recall@1"] == 1.0
    assert place_scores(hits, [Place("a", start=9, end=13)])["gold share in 2,000 characters"] == 1
    nothing = ranking_scores([("q\0", [], [Place("\ud800")])])["q\0"]
    assert nothing["recall@10"] == nothing["mrr"] == 0.0


@pytest.mark.parametrize(
    ("text", "gold", "held"),
    [
        ("It lasts **24 months**. [1]", "24 Months", 1.0),
        ("It lasts 24 months. [1]", "2 months", 0.0),
        ("Both the lamp, and the chair.", "['lamp', 'table']", 0.5),
        ("保証期間は2年間です。", "2年間", 1.0),
        ("It costs €1,400 [2].", "€1,400", 1.0),
        ("", "x", 0.0),
    ],
)
def test_containment(text: str, gold: str, held: float) -> None:
    assert answer_scores(text, _golden(gold))["contains the answer"] == held


def test_any_wording_of_the_gold_answer_will_do_and_of_a_list_all() -> None:
    said = "Open Monday and Friday."
    wordings = _golden("on Fridays", "Friday")
    assert answer_scores(said, wordings)["contains the answer"] == 1.0
    of_list = GoldenQuestion("q", "When?", answers=("Monday", "Sunday"), kind="list")
    assert answer_scores(said, of_list)["contains the answer"] == 0.5
    assert answer_scores(said, GoldenQuestion("q", "When?")) == {}


def _golden(*answers: str) -> GoldenQuestion:
    return GoldenQuestion("q", "What?", answers=answers)


def test_token_f1_is_that_of_shared_words() -> None:
    assert math.isclose(answer_scores("ten years", _golden("ten long years"))["token F1"], 0.8)


def test_refusals_are_judged_by_both_kinds() -> None:
    scores = refusal_scores(
        [True, True, False, False], [False, True, True, False], [0.9, 0.4, 0.2, 0.6]
    )
    assert scores == {
        "AUROC": 0.75,
        "precision of refusals": 0.5,
        "recall of refusals": 0.5,
        "answerable refused": 0.5,
    }
    assert refusal_scores([True], [False], [0.9]) == {"answerable refused": 0.0}


def test_the_report_holds_no_live_html(tmp_path: Path, base: Path) -> None:
    question = "<img src=x onerror=alert(1)> ![x](http://x.example) [a](javascript:b) &lt;s>"
    line: dict[str, Any] = {
        "id": "<b>1</b>",
        "question": question,
        "answerable": True,
        "answer": "x",
    }
    line["relevant"] = [{"path": "prices.md", "start": 0, "end": 1}]
    (tmp_path / "odd.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    result = run(tmp_path / "odd.jsonl", "--kb", base, "--report", tmp_path / "out")
    assert result.exit_code in (0, 1), result.output
    markdown = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "onerror" in markdown and "<" not in markdown
    rendered = MarkdownIt("commonmark").enable("table").render(markdown)
    assert not re.search("<(img|a|b|s)[ >]", rendered)
    assert "&lt;img src=x onerror=alert(1)&gt; ![x](http://x.example) [a](javascript:b)" in rendered
