"""The measurements of bench/ on cases worked out by hand."""

import argparse
import importlib
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
BENCH = REPOSITORY / "bench"
SAMPLE_DOCS = REPOSITORY / "sample_docs"


sys.path.append(str(BENCH))  # its scripts name one another without a package

scoring = importlib.import_module("scoring")
process = importlib.import_module("process")
eval_sets = importlib.import_module("eval_sets")
report = importlib.import_module("report")
toolkits = importlib.import_module("toolkits")
quality = importlib.import_module("quality")
run_script = importlib.import_module("run")


def hit(path: str = "a", page: int | None = 1, text: str = "", start: int | None = None) -> dict:
    return {"path": path, "page": page, "text": text, "start": start}


def test_page_hit_counts_passages_or_pages() -> None:
    hits = [hit(page=1), hit(page=1), hit(page=2), hit(path="b", page=9)]
    gold = [{"path": "a", "page": 2}]
    assert scoring.page_hit(hits, gold, 2) == 0
    assert scoring.page_hit(hits, gold, 3) == 1
    assert scoring.distinct_page_hit(hits, gold, 2) == 1
    assert scoring.distinct_page_hit(hits, gold, 1) == 0


def test_ndcg_ranks_a_document_by_its_best_passage() -> None:
    gold = [{"path": "x", "grade": 4}, {"path": "y", "grade": 1}]
    ideal = 4 + 1 / math.log2(3)
    perfect = [hit("x"), hit("x"), hit("y")]
    assert scoring.ndcg(perfect, gold, 10) == pytest.approx(1.0)
    swapped = [hit("y"), hit("x")]
    assert scoring.ndcg(swapped, gold, 10) == pytest.approx((1 + 4 / math.log2(3)) / ideal)
    assert scoring.ndcg([hit("z")], gold, 10) == 0
    assert scoring.ndcg(perfect, gold, 1) == pytest.approx(1.0)


def test_gold_share_stops_at_the_budget() -> None:
    source = scoring.SourceText("0123456789abcdefghij")
    gold = [{"path": "a", "start": 5, "end": 15}]
    hits = [hit(text="56789", start=5), hit(text="abcde", start=10)]
    assert scoring.gold_share(hits, gold, 100, lambda _: source) == 1.0
    assert scoring.gold_share(hits, gold, 5, lambda _: source) == 0.5
    assert scoring.gold_share(hits, gold, 7, lambda _: source) == pytest.approx(0.7)


def test_gold_share_charges_for_repetition() -> None:
    source = scoring.SourceText("0123456789abcdefghij")
    gold = [{"path": "a", "start": 0, "end": 10}]
    hits = [hit(text="01234"), hit(text="01234"), hit(text="56789")]
    assert scoring.gold_share(hits, gold, 10, lambda _: source) == 0.5


def test_passages_are_found_again_whatever_their_white_space() -> None:
    text = "First  line\nof a paragraph.\n\nSecond paragraph, which is long enough."
    source = scoring.SourceText(text)
    [(start, end)] = source.locate("First line of a paragraph.")
    assert text[start:end] == "First  line\nof a paragraph."
    spans = source.locate("Inserted heading\nSecond paragraph, which is long enough.")
    assert [text[a:b] for a, b in spans] == ["Second paragraph, which is long enough."]
    assert source.locate("nowhere to be found at all") == []
    assert source.locate("  ") == []


def test_the_measurement_tells_how_much_it_could_place() -> None:
    source = scoring.SourceText("one two three four")
    assert scoring.found_again([hit(text="two  three")], lambda _: source) == 1.0
    assert scoring.found_again([hit(text="five six")], lambda _: source) == 0.0
    assert scoring.found_again([hit(text="two", start=4)], lambda _: source) == 1.0
    assert scoring.found_again([hit(text="two", start=0)], lambda _: source) == 0.0


def run(code: str, timeout: float = 30) -> object:
    return process.run([sys.executable, "-c", code], environment={}, timeout=timeout)


def test_a_command_answers_with_its_last_line() -> None:
    outcome = run("print('noise'); print('{\"n\": 3}')")
    assert outcome.answer == {"n": 3}
    assert outcome.seconds > 0


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_memory_includes_child_processes() -> None:
    child = "b = bytearray(150_000_000); import time; time.sleep(1)"
    outcome = run(
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}]); print(1)"
    )
    assert outcome.peak_bytes > 150_000_000


@pytest.mark.parametrize("code", ["raise SystemExit('broken pipe organ')", "print('not JSON')", ""])
def test_a_command_that_fails_says_so(code: str) -> None:
    with pytest.raises(process.CommandError):
        run(code)


def test_a_command_that_hangs_is_ended() -> None:
    with pytest.raises(process.CommandError, match="still running"):
        run("import time; time.sleep(60)", timeout=0.3)


def test_every_toolkit_script_explains_itself_without_its_toolkit() -> None:
    scripts = sorted((BENCH / "rivals").glob("use_*.py"))
    assert len(scripts) == 5
    for script in scripts:
        done = subprocess.run(
            [sys.executable, "-S", script, "--help"], capture_output=True, check=True, text=True
        )
        assert "ingest" in done.stdout


def test_the_longest_pdfs_come_with_the_questions_they_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = tmp_path / "mmlongbench" / "corpus"
    corpus.mkdir(parents=True)
    for path in SAMPLE_DOCS.rglob("*.pdf"):
        shutil.copy(path, corpus)
    pages = {path.name: eval_sets.page_count(path) for path in corpus.iterdir()}
    longest = max(pages, key=pages.__getitem__)
    (tmp_path / "mmlongbench" / "queries.jsonl").write_text(
        "".join(
            json.dumps({"id": name, "answerable": True, "relevant": [{"path": name, "page": 1}]})
            + "\n"
            for name in pages
        ),
        encoding="utf-8",
    )
    monkeypatch.setenv("RAGKIT_EVAL_DATA", str(tmp_path))
    chosen = eval_sets.longest_pdfs(None, 1, small=False)
    assert [path.name for path in chosen.files] == [longest]
    assert [query["id"] for query in chosen.queries] == [longest]
    assert chosen.pages == pages[longest]
    assert eval_sets.longest_pdfs(SAMPLE_DOCS, 3, small=False).queries == ()
    assert len(eval_sets.longest_pdfs(SAMPLE_DOCS, 3, small=False).files) == 3


def test_small_files_are_as_many_as_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = tmp_path / "cranfield" / "corpus"
    corpus.mkdir(parents=True)
    (corpus / "a.txt").write_text(" ".join(map(str, range(3000))), encoding="utf-8")
    (tmp_path / "cranfield" / "queries.jsonl").write_text("", encoding="utf-8")
    monkeypatch.setenv("RAGKIT_EVAL_DATA", str(tmp_path))
    made = eval_sets.small_files("small", tmp_path / "made", 20)
    texts = {path.read_text(encoding="utf-8") for path in made.files}
    assert len(texts) == 20  # no two alike, or they would be one document's copies
    assert all(len(text.split()) == eval_sets.WORDS_IN_SMALL_FILE for text in texts)
    with pytest.raises(SystemExit, match="suffice"):
        eval_sets.small_files("many", tmp_path / "many", 1000)


def test_the_table_tells_failed_from_not_asked() -> None:
    def run(seconds: float) -> dict[str, float]:
        return {
            "seconds": seconds,
            "peak_bytes": 2e8,
            "index_bytes": 1e6,
            "own_passages": 10,
        }

    table = report.markdown(
        {
            **report.circumstances(small=True),
            "toolkits": {
                name: {"versions": {}, "prepare_seconds": 0.0}
                for name in ("ragkit", "other", "bad")
            },
            "quality": {},
            "ingest": {
                "reports": {
                    "files": 2,
                    "pages": 30,
                    "bytes": 1e6,
                    "runs": {"ragkit": [run(10.0)], "other": [run(65.0)], "bad": []},
                    "searchable": {"first_seconds": 1.0, "all_seconds": 2.0},
                    "again_seconds": {"ragkit": 0.5},
                },
                "many": {"files": 9, "pages": None, "bytes": 9, "runs": {"ragkit": [run(1.0)]}},
            },
            "latency": {},
            "starts": {"`ragkit --help`": {"ragkit": [0.1]}},
            "failures": [{"toolkit": "bad", "command": "ingest", "error": "exit code 1"}],
        }
    )
    rows = {
        cells[1].strip(): [cell.strip() for cell in cells[2:-1]]
        for cells in (line.split("|") for line in table.splitlines() if line.startswith("|"))
    }
    assert rows["reports: times as long as ragkit"] == ["1.0", "6.5", "failed"]
    assert rows["reports: until all files can be searched, s"] == ["2.0", "65.0 (× 32)", "failed"]
    assert rows["reports: unchanged folder again, s"] == ["0.50", "builds anew", "builds anew"]
    assert rows["many: passages"] == ["10", "–", "–"]
    assert rows["`ragkit --help`, whole process, s"] == ["0.10", "–", "–"]
    assert "bad ingest: exit code 1" in table


def test_document_recall_counts_documents_once() -> None:
    gold = [{"path": "x"}, {"path": "x"}, {"path": "y"}]
    hits = [hit("x"), hit("z"), hit("x"), hit("y")]
    assert scoring.document_recall(hits, gold, 3) == 0.5
    assert scoring.document_recall(hits, gold, 4) == 1.0


def test_toolkits_are_never_given_gold_fields() -> None:
    query = {
        "id": "1",
        "question": "q",
        "history": [{"role": "user", "content": "h"}],
        "rewrite": "gold",
        "answer": "gold",
        "scope": "a.pdf",
        "relevant": [{"path": "a.pdf", "page": 1}],
    }
    for views in quality.SETS.values():
        for view in views:
            given = view.asked(query)
            assert given.keys() <= {"id", "question", "scope", "history"}
            assert ("scope" in given, "history" in given) == (view.scope, view.history)


def scored(each: dict[str, float]) -> dict[str, object]:
    mean = sum(each.values()) / len(each)
    return {
        "mean": {"nDCG@10": mean},
        "each": {name: {"nDCG@10": value} for name, value in each.items()},
        "p50_ms": 1.0,
        "p95_ms": 2.0,
        "peak_bytes": None,
    }


def results_of(quality_found: dict[str, object]) -> dict[str, object]:
    names = ("ragkit", "other", "bad")
    return {
        **report.circumstances(small=False),
        "toolkits": {name: {"versions": {}, "prepare_seconds": 0.0} for name in names},
        "sets": [],
        "quality": quality_found,
        "ingest": {},
        "latency": {},
        "starts": {},
        "failures": [],
    }


def test_a_lead_is_tested_question_by_question() -> None:
    own = {str(i): 0.5 + (i % 3) / 10 for i in range(40)}
    worse = {name: value - 0.2 for name, value in own.items()}
    found = results_of(
        {
            "led": {
                "questions": 40,
                "files": 1,
                "asked": ["ragkit", "other", "bad"],
                "toolkits": {"ragkit": scored(own), "other": scored(worse)},
            },
            "level": {
                "questions": 40,
                "files": 1,
                "asked": ["ragkit", "other"],
                "toolkits": {"ragkit": scored(own), "other": scored(own)},
            },
            "alone": {
                "questions": 40,
                "files": 1,
                "asked": ["ragkit"],
                "toolkits": {"ragkit": scored(own)},
            },
        }
    )
    led, level = report.differences(found)
    assert led[0] == level[0] == "other"
    assert led[1].second - led[1].first == pytest.approx(0.2)
    assert led[1].p < 0.01
    assert (led[1].better, led[1].worse) == (40, 0)
    assert level[1].p == 1.0
    table = report.markdown(found)
    assert "| led: nDCG@10 | other | +0.200 |" in table
    assert "was stopped" in table
    rows = [line for line in table.splitlines() if "nDCG@10 |" in line and "questions" in line]
    assert rows[0].endswith("| failed |")
    assert rows[1].endswith("| – |")
    assert rows[2].endswith("| – | – |")


def test_a_run_that_was_stopped_goes_on_only_with_the_same_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = tmp_path / "stopped.json"
    options = argparse.Namespace(resume=stopped, small=False, toolkits=["ragkit", "other", "bad"])
    stopped.write_text(json.dumps({**results_of({}), "sets": ["chunking"]}), encoding="utf-8")
    resumed = run_script.resumed(options)
    assert resumed["sets"] == ["chunking"]
    assert len(resumed["resumed"]) == 1
    monkeypatch.setattr(report, "git", lambda *_: "another")
    with pytest.raises(SystemExit, match="commit"):
        run_script.resumed(options)


def test_a_toolkit_that_fails_loses_only_its_own_figures(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "a.md").write_text("The lock turns left.", encoding="utf-8")
    data = eval_sets.EvalSet(
        "cranfield",
        corpus,
        (corpus / "a.md",),
        ({"id": "1", "question": "Which way?", "relevant": [{"path": "a.md"}]},),
    )
    found = tmp_path / "found.py"
    found.write_text(
        "import json, sys\n"
        "if sys.argv[1] == 'search':\n"
        "    hit = {'path': 'a.md', 'page': None, 'text': 'left', 'start': None, 'end': None}\n"
        "    with open(sys.argv[4], 'w') as out:\n"
        "        out.write(json.dumps({'id': '1', 'hits': [hit]}) + '\\n')\n"
        "print(json.dumps({'passages': 1, 'milliseconds': [1.0]}))\n",
        encoding="utf-8",
    )
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit('no such model')", encoding="utf-8")
    bench = toolkits.Bench(
        toolkits=(
            toolkits.Toolkit("good", str(found), own_environment=False),
            toolkits.Toolkit("bad", str(broken), own_environment=False),
        ),
        rivals_python=Path(sys.executable),
        scratch=tmp_path / "scratch",
        timeout=30,
        results={"quality": {}, "ingest": {}, "failures": []},
    )
    quality.measure(bench, data)
    outcome = bench.results["quality"]["cranfield"]
    assert sorted(outcome["asked"]) == ["bad", "good"]
    assert list(outcome["toolkits"]) == ["good"]
    assert outcome["toolkits"]["good"]["mean"] == {"nDCG@10": 1.0}
    [failure] = bench.results["failures"]
    assert (failure["toolkit"], failure["command"]) == ("bad", "ingest")
    assert "no such model" in failure["error"]
