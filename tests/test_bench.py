"""The measurements of bench/ on cases worked out by hand."""

import importlib.util
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
BENCH = REPOSITORY / "bench"
SAMPLE_DOCS = REPOSITORY / "sample_docs"


def load_script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"bench_{name}", BENCH / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


scoring = load_script("scoring")
process = load_script("process")
eval_sets = load_script("eval_sets")
report = load_script("report")


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
