"""Following a folder."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ragkit import EmbeddingError, IngestReport, KnowledgeBase, Notice, UsageError
from ragkit.testing import HashEmbedder

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.txt").write_text("The first passage.", encoding="utf-8")
    return folder


@pytest.fixture
def kb(docs: Path) -> Iterator[KnowledgeBase]:
    # In the folder itself: its own changes must not count as changes of the folder.
    with KnowledgeBase(docs / "kb", embedder=HashEmbedder()) as base:
        yield base


def test_changes_are_followed_until_told_to_stop(kb: KnowledgeBase, docs: Path) -> None:
    stop = threading.Event()
    reports: list[IngestReport] = []
    for report in kb.watch(docs, stop=stop):
        reports.append(report)
        if len(reports) == 1:
            (docs / "b.txt").write_text("The second passage.", encoding="utf-8")
        elif len(reports) == 2:
            (docs / "a.txt").rename(docs / "c.txt")
        elif len(reports) == 3:
            (docs / "b.txt").unlink()
        else:
            stop.set()
    done = [(report.added, report.moved, report.removed) for report in reports]
    assert done == [
        (("a.txt",), (), ()),
        (("b.txt",), (), ()),
        ((), ("c.txt",), ()),
        ((), (), ("b.txt",)),
    ]
    assert [one.path for one in kb.documents()] == ["c.txt"]


def test_a_single_file_is_followed_also_when_it_is_replaced(kb: KnowledgeBase, docs: Path) -> None:
    stop = threading.Event()
    texts = []
    for number, _report in enumerate(kb.watch(docs / "a.txt", stop=stop)):
        texts.append(kb.text("a.txt"))
        (docs / "other.txt").write_text(f"Not followed {number}.", encoding="utf-8")
        if number == 2:
            stop.set()
        fresh = docs / ".next"
        fresh.write_text(f"Version {number}.", encoding="utf-8")
        fresh.replace(docs / "a.txt")
    assert texts == ["The first passage.", "Version 0.", "Version 1."]
    assert [one.path for one in kb.documents()] == ["a.txt"]


def test_a_failing_model_is_made_known_and_tried_again(
    docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ragkit.run.watching._RETRY_SECONDS", 0.1)
    stop = threading.Event()
    notices: list[str] = []

    class Flaky(HashEmbedder):
        failures = 2

        def embed(self, texts, *, kind):  # type: ignore[no-untyped-def]
            if self.failures:
                self.failures -= 1
                raise EmbeddingError("the server is gone")
            return super().embed(texts, kind=kind)

    def listen(event: object) -> None:
        if isinstance(event, Notice):
            notices.append(event.message)

    with KnowledgeBase(docs / "kb", embedder=Flaky(), listener=listen) as kb:
        for report in kb.watch(docs, stop=stop):
            assert report.vectors == report.chunks == 1
            stop.set()
    assert len(notices) == 2
    assert "the server is gone; 1 of 1 passages have no vector yet" in notices[0]


def test_a_missing_folder_is_an_error_at_once(kb: KnowledgeBase, docs: Path) -> None:
    with pytest.raises(UsageError, match="absent"):
        next(iter(kb.watch(docs / "absent")))


SCRIPT = """
import ragkit.embed
from ragkit.testing import HashEmbedder
ragkit.embed.load_embedder = lambda *names, **options: HashEmbedder()
if __name__ == "__main__":
    from ragkit.cli import main
    main()
"""


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_from_the_shell(docs: Path, tmp_path: Path) -> None:
    script = tmp_path / "ragkit_with_hashes.py"
    script.write_text(SCRIPT, encoding="utf-8")
    command = [
        sys.executable,
        str(script),
        "ingest",
        str(docs),
        "--watch",
        "--kb",
        str(tmp_path / "kb"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(
        [*command, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["added"] == ["a.txt"]
        (docs / "b.txt").write_text("Another passage.", encoding="utf-8")
        assert json.loads(process.stdout.readline())["added"] == ["b.txt"]
        os.killpg(process.pid, signal.SIGINT)
        assert process.stderr.read() == "Stopped watching.\n"
    assert process.returncode == 0
    done = subprocess.run(
        [*command, "--dry-run"], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 2
    assert "--watch and --dry-run" in done.stderr


def test_a_disk_that_is_unmounted_meanwhile_ends_nothing(docs: Path) -> None:
    for number in range(21):
        (docs / f"{number}.txt").write_text(f"Passage {number}.", encoding="utf-8")
    away = docs.parent / "away"
    away.mkdir()
    stop, heard = threading.Event(), list[str]()

    def listen(event: object) -> None:
        if isinstance(event, Notice):
            heard.append(event.message)
            for path in away.iterdir():
                path.rename(docs / path.name)
            (docs / "new.txt").write_text("It is back.", encoding="utf-8")

    base = KnowledgeBase(away.parent / "base", embedder=HashEmbedder())
    with base:
        reports = []
        for report in base.watch(docs, stop=stop, listener=listen):
            reports.append(report)
            if len(reports) == 1:
                for path in docs.glob("*.txt"):
                    path.rename(away / path.name)
            else:
                stop.set()
        assert len(reports[0].added) == 22
        assert reports[-1].removed == ()
        assert len(base.documents()) == 23
    assert "is empty" in heard[0]


def test_a_folder_that_is_away_for_a_moment_is_followed_again(docs: Path, tmp_path: Path) -> None:
    stop, heard = threading.Event(), list[str]()
    away = tmp_path / "away"

    def listen(event: object) -> None:
        if isinstance(event, Notice) and not heard:
            heard.append(event.message)
            away.rename(docs)
            (docs / "b.txt").write_text("It is back.", encoding="utf-8")

    with KnowledgeBase(tmp_path / "base", embedder=HashEmbedder()) as base:
        reports = []
        for report in base.watch(docs, stop=stop, listener=listen):
            reports.append(report)
            if len(reports) == 1:
                docs.rename(away)
            elif len(reports) == 2:
                (docs / "c.txt").write_text("The new folder is followed.", encoding="utf-8")
            else:
                stop.set()
        assert [(one.added, one.removed) for one in reports] == [
            (("a.txt",), ()),
            (("b.txt",), ()),
            (("c.txt",), ()),
        ]
    assert heard == [
        f"{str(docs)!r} is away; what the knowledge base holds of it is kept until it is back"
    ]
