"""The base equals the folder, whatever happens to it."""

import os
import shutil
import sys
import threading
import time
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import pytest
from click.testing import CliRunner

from ingest.isolate import LoadLimits, LoadRequest
from ragkit import EmbeddingError, EmptyFolderError, KnowledgeBase, UsageError
from ragkit.cli import cli
from ragkit.testing import HashEmbedder

AS_ROOT = sys.platform == "win32" or os.geteuid() == 0


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    return folder


@pytest.fixture
def kb(tmp_path: Path) -> Iterator[KnowledgeBase]:
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as base:
        yield base


def write(path: Path, text: str, *, seconds: int = 10**9) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    os.utime(path, (seconds, seconds))
    return path


def paths(kb: KnowledgeBase) -> list[str]:
    return [document.path for document in kb.documents()]


@pytest.mark.skipif(sys.platform != "linux", reason="such names exist on Linux only")
def test_a_name_that_is_no_unicode_is_ingested_found_and_located(
    kb: KnowledgeBase, docs: Path
) -> None:
    name = os.fsdecode(b"caf\xe9 \xff.txt")
    write(docs / name, "The espresso costs two euros.")
    assert kb.ingest(docs).added == ("caf\\xe9 \\xff.txt",)
    assert kb.ingest(docs).same == 1
    (hit,) = kb.search("espresso euros")
    assert hit.path == "caf\\xe9 \\xff.txt"
    located = kb.locate(hit.path)
    assert located is not None
    assert "espresso" in located.read_text(encoding="utf-8")
    write(docs / os.fsdecode(b"\xfe.pdf"), "no PDF")
    assert [note.path for note in kb.ingest(docs).failed] == ["\\xfe.pdf"]
    (docs / name).rename(docs / "menu.txt")
    assert kb.ingest(docs).moved == ("menu.txt",)
    assert kb.delete("menu.txt") == ("menu.txt",)


@pytest.mark.parametrize(
    "name", ["日本語 🙂.txt", "مرحبا.txt", "a\u200bb.txt", "line\nbreak.txt", "%2e'\".txt"]
)
@pytest.mark.skipif(sys.platform == "win32", reason="Windows forbids some of these")
def test_any_name_is_a_name(kb: KnowledgeBase, docs: Path, name: str) -> None:
    write(docs / name, "The espresso costs two euros.")
    assert kb.ingest(docs).added == (name,)
    assert kb.search("espresso")[0].path == name
    assert kb.search("espresso", where={"path": name})[0].path == name


def test_both_ways_to_write_an_umlaut(kb: KnowledgeBase, docs: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "Übersicht.txt") for form in ("NFC", "NFD"))
    write(docs / composed, "The composed one.")
    kb.ingest(docs)
    (docs / composed).rename(docs / apart)
    report = kb.ingest(docs)
    assert report.added == report.removed == report.failed == ()
    assert report.same + len(report.moved) == 1  # some file systems take both names for one
    assert len(kb.documents()) == 1
    assert kb.search("composed", where={"path": composed})


def test_a_rename_of_case_only(kb: KnowledgeBase, docs: Path) -> None:
    write(docs / "readme.txt", "Read this first.")
    kb.ingest(docs)
    before = kb.documents()[0]
    (docs / "readme.txt").rename(docs / "README.txt")
    assert kb.ingest(docs).moved == ("README.txt",)
    (after,) = kb.documents()
    assert (after.path, after.id) == ("README.txt", before.id)


def test_two_files_with_the_same_content_live_and_die_separately(
    kb: KnowledgeBase, docs: Path
) -> None:
    for name in ("a.txt", "b.txt"):
        write(docs / name, "The same words in both.")
    assert kb.ingest(docs).added == ("a.txt", "b.txt")
    assert sorted(hit.path for hit in kb.search("same words")) == ["a.txt", "b.txt"]
    (docs / "a.txt").unlink()
    assert kb.ingest(docs).removed == ("a.txt",)
    assert [hit.path for hit in kb.search("same words")] == ["b.txt"]


def test_two_files_trade_their_names(kb: KnowledgeBase, docs: Path) -> None:
    write(docs / "a.txt", "All about apples.", seconds=10**9)
    write(docs / "b.txt", "Bananas, on the contrary.", seconds=10**9 + 5)
    kb.ingest(docs)
    (docs / "a.txt").rename(docs / "c.txt")
    (docs / "b.txt").rename(docs / "a.txt")
    (docs / "c.txt").rename(docs / "b.txt")
    kb.ingest(docs)
    assert kb.text("a.txt").startswith("Bananas")
    assert kb.text("b.txt").startswith("All about apples")


def test_a_file_and_a_folder_take_each_others_place(kb: KnowledgeBase, docs: Path) -> None:
    write(docs / "x.txt", "A file.")
    kb.ingest(docs)
    (docs / "x.txt").unlink()
    write(docs / "x.txt/inner.txt", "Another file.")
    report = kb.ingest(docs)
    assert (report.added, report.removed) == (("x.txt/inner.txt",), ("x.txt",))


def test_failed_files_are_tried_again_when_they_change_or_on_request(
    kb: KnowledgeBase, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = write(docs / "bad.pdf", "no PDF")
    write(docs / "good.txt", "A good file.")
    reports = [kb.ingest(docs)]
    loaded: list[Path] = []
    real = LoadRequest.__init__

    def noting(self: LoadRequest, path: Path, *rest: object, **options: object) -> None:
        loaded.append(path)
        real(self, path, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(LoadRequest, "__init__", noting)
    reports.append(kb.ingest(docs))
    assert loaded == []
    reports.append(kb.ingest(docs, retry_failed=True))
    assert loaded == [bad]
    assert [[note.path for note in report.failed] for report in reports] == [["bad.pdf"]] * 3
    plan = kb.ingest(docs, dry_run=True, retry_failed=True)
    assert (plan.added, plan.failed) == (("bad.pdf",), ())
    bad.rename(docs / "bad.txt")
    report = kb.ingest(docs)
    assert (report.added, report.removed, report.failed) == (("bad.txt",), (), ())
    assert kb.failures() == []


@pytest.mark.skipif(AS_ROOT, reason="root may read anything")
def test_what_cannot_be_read_is_tried_again_each_time(kb: KnowledgeBase, docs: Path) -> None:
    file = write(docs / "a.txt", "Locked away.")
    file.chmod(0)
    assert "permission denied" in kb.ingest(docs).failed[0].reason
    file.chmod(0o600)
    assert kb.ingest(docs).added == ("a.txt",)


@pytest.mark.skipif(AS_ROOT, reason="root may list anything")
def test_a_folder_that_cannot_be_listed_keeps_its_documents(kb: KnowledgeBase, docs: Path) -> None:
    write(docs / "sub/a.txt", "Kept.")
    write(docs / "b.txt", "Seen.")
    kb.ingest(docs)
    (docs / "sub").chmod(0)
    try:
        report = kb.ingest(docs)
    finally:
        (docs / "sub").chmod(0o700)
    assert (report.removed, report.same) == ((), 1)
    assert [note.path for note in report.failed] == ["sub/a.txt"]
    assert paths(kb) == ["b.txt", "sub/a.txt"]
    assert kb.ingest(docs).same == 2


def test_a_report_names_files_as_everything_else_does(
    tmp_path: Path, kb: KnowledgeBase, docs: Path
) -> None:
    other = tmp_path / "other"
    for folder in (docs, other):
        write(folder / "a.txt", f"In {folder.name}.")
    report = kb.ingest([docs, other])
    assert report.added == ("docs/a.txt", "other/a.txt")
    assert paths(kb) == ["docs/a.txt", "other/a.txt"]


def test_a_dry_run_says_about_how_long_it_would_take(kb: KnowledgeBase, docs: Path) -> None:
    for number in range(3):
        write(docs / f"{number}.txt", f"Passage {number}. " * 500)
    plan = kb.ingest(docs, dry_run=True)
    assert plan.expected_seconds is not None
    assert 0 < plan.expected_seconds < 60
    assert kb.ingest(docs).expected_seconds is None
    again = kb.ingest(docs, dry_run=True)
    assert (again.same, again.expected_seconds) == (3, 0)


def test_a_file_that_is_replaced_all_the_time_is_whole_or_reported(
    kb: KnowledgeBase, docs: Path
) -> None:
    target = docs / "busy.txt"
    versions = [f"version {letter} " * 3000 for letter in "ab"]
    stop = threading.Event()

    def replace() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            temporary = docs.parent / f"next-{number % 2}"
            temporary.write_text(versions[number % 2], encoding="utf-8")
            temporary.replace(target)
            time.sleep(0.001)

    write(target, versions[0])
    thread = threading.Thread(target=replace)
    thread.start()
    try:
        for _ in range(5):
            report = kb.ingest(docs)
            assert len(report.failed) <= 1
            for document in kb.documents():
                assert kb.text(document.path).strip() in [text.strip() for text in versions]
    finally:
        stop.set()
        thread.join()
    kb.ingest(docs)
    assert kb.text("busy.txt").strip() == target.read_text(encoding="utf-8").strip()


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_what_is_found_does_not_depend_on_what_was_ingested_first(
    tmp_path: Path, mode: Literal["hybrid", "dense", "lexical"]
) -> None:
    texts = {
        f"{number:02}.txt": f"Pump {number % 5} is oiled every {number % 3 + 2} weeks.\n" * 3
        for number in range(40)
    }
    texts |= {f"copy{number}.txt": "The pier is closed in winter.\n" for number in range(30)}
    found = []
    for parts in (1, 2, 9):
        names = sorted(texts, reverse=parts == 2)
        folder = tmp_path / f"in {parts}"
        folder.mkdir()
        with KnowledgeBase(tmp_path / f"kb{parts}", embedder=HashEmbedder()) as kb:
            for part in range(parts):
                for name in names[part::parts]:
                    (folder / name).write_text(texts[name], encoding="utf-8")
                kb.ingest(folder)
            found.append(
                [
                    [(hit.path, hit.start, hit.score, hit.ranks) for hit in hits]
                    for question in ("oil of pump 3", "is the pier closed?", "weeks", "pump")
                    for hits in (kb.search(question, k=7, mode=mode),)
                ]
            )
    assert all(found[0])
    assert found[1] == found[0]
    assert found[2] == found[0]


def test_a_document_that_takes_too_long_to_cut_up_costs_only_itself(
    docs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(HashEmbedder):
        """Whose tokenizer has one text that it does not get done with."""

        @property
        def tokenizer(self) -> "Slow":
            return self

        def token_starts(self, text: str) -> Sequence[int]:
            nonlocal now
            now += 1_000.0 * ("slow" in text)
            return super().tokenizer.token_starts(text)

    now = 0.0
    monkeypatch.setattr("ingest.chunker.monotonic", lambda: now)
    write(docs / "slow.txt", "a slow text\n")
    write(docs / "tea.txt", "steep it for four minutes\n")
    with KnowledgeBase(tmp_path / "kb", embedder=Slow()) as kb:
        report = kb.ingest(docs, limits=LoadLimits(seconds=30.0))
        assert [document.path for document in kb.documents()] == ["tea.txt"]
    [failed] = report.failed
    assert failed.path == "slow.txt"
    assert "took more than 30 seconds (--timeout)" in failed.reason


def test_a_folder_around_an_ingested_one_takes_over_all_of_it(
    kb: KnowledgeBase, docs: Path
) -> None:
    for name in ("sub/kept.txt", "sub/gone.txt", "top.txt"):
        write(docs / name, f"This is {name}.")
    write(docs / "sub/bad.pdf", "no PDF")
    write(docs / "sub/lost.pdf", "no PDF either")
    kb.ingest(docs / "sub")
    (docs / "sub/gone.txt").unlink()
    (docs / "sub/lost.pdf").unlink()
    report = kb.ingest(docs)
    assert (report.added, report.removed, report.same) == (("top.txt",), ("sub/gone.txt",), 1)
    assert paths(kb) == ["sub/kept.txt", "top.txt"]
    assert [failure.path for failure in kb.failures()] == ["sub/bad.pdf"]


def test_a_folder_named_by_itself_stays_though_rules_around_it_leave_it_out(
    kb: KnowledgeBase, docs: Path
) -> None:
    write(docs / "private/a.txt", "Named by itself.")
    write(docs / "b.txt", "Not private.")
    write(docs / ".ragkitignore", "private/\n")
    kb.ingest(docs / "private")
    assert kb.ingest(docs).added == ("b.txt",)
    assert paths(kb) == ["a.txt", "b.txt"]


def test_an_outage_of_the_model_keeps_what_is_done_and_says_what_is_left(
    tmp_path: Path, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ragkit.run.embedding._BATCH", 4)
    for number in range(10):
        write(docs / f"{number}.txt", f"This is passage {number}.")

    class Limited(HashEmbedder):
        allowance = 8
        embedded = 0

        def embed(self, texts, *, kind):  # type: ignore[no-untyped-def]
            if kind == "passage":
                if self.embedded + len(texts) > self.allowance:
                    raise EmbeddingError("the server limits the use of the model")
                self.embedded += len(texts)
            return super().embed(texts, kind=kind)

    embedder = Limited()
    with KnowledgeBase(tmp_path / "kb", embedder=embedder) as kb:
        with pytest.raises(EmbeddingError, match=r"limits the use .* 2 of 10 passages have no"):
            kb.ingest(docs)
        assert (kb.status().documents, kb.status().vectors) == (10, 8)
        assert kb.search("passage 9", k=1)[0].path == "9.txt"
        embedder.allowance = 10
        report = kb.ingest(docs)
        assert (report.same, report.vectors, embedder.embedded) == (10, 10, 10)


# -- a folder that is empty all of a sudden ---------------------------------------------------


def emptied(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def filled(folder: Path, count: int) -> None:
    for number in range(count):
        write(folder / f"{number}.txt", f"Passage number {number}.")


def test_an_empty_mount_point_does_not_empty_the_base(kb: KnowledgeBase, docs: Path) -> None:
    filled(docs / "disk", 21)
    other = write(docs.parent / "other" / "tea.txt", "Steep the tea.").parent
    kb.ingest([docs / "disk", other])
    emptied(docs / "disk")
    write(docs / "disk" / ".DS_Store", "left by a system")
    (docs / "disk" / "lost+found").mkdir()
    before = paths(kb)
    write(other / "milk.txt", "No milk.")
    for named in ([docs / "disk"], [other, docs / "disk"], [docs]):  # itself, or a folder around it
        with pytest.raises(EmptyFolderError, match=r"is empty, .* 21 documents .*--allow-empty"):
            kb.ingest(named)
        assert paths(kb) == before
    assert issubclass(EmptyFolderError, UsageError)
    plan = kb.ingest(docs / "disk", dry_run=True)
    assert len(plan.removed) == 21
    assert "an ingest would be refused" in plan.warnings[0].reason
    assert paths(kb) == before
    assert kb.ingest(docs / "disk", dry_run=True, allow_empty=True).warnings == ()
    assert len(kb.ingest(docs / "disk", allow_empty=True).removed) == 21
    assert paths(kb) == ["tea.txt"]


def test_it_goes_on_when_the_disk_is_back(kb: KnowledgeBase, docs: Path) -> None:
    filled(docs, 21)
    kb.ingest(docs)
    docs.rename(docs.with_name("elsewhere"))
    docs.mkdir()
    with pytest.raises(EmptyFolderError):
        kb.ingest(docs)
    docs.rmdir()
    docs.with_name("elsewhere").rename(docs)
    assert kb.ingest(docs).same == 21


def test_small_and_partly_emptied_folders_are_mirrored_as_ever(
    kb: KnowledgeBase, docs: Path
) -> None:
    filled(docs, 20)
    kb.ingest(docs)
    emptied(docs)
    assert len(kb.ingest(docs).removed) == 20
    filled(docs, 30)
    kb.ingest(docs)
    emptied(docs)
    write(docs / "README", "There was more.")  # no format of ours, but somebody put it there
    assert len(kb.ingest(docs).removed) == 30


@pytest.mark.skipif(sys.platform == "win32", reason="making links needs a right on Windows")
def test_a_folder_of_links_is_not_empty(kb: KnowledgeBase, docs: Path) -> None:
    filled(docs.parent / "real", 25)
    (docs / "link").symlink_to(docs.parent / "real", target_is_directory=True)
    kb.ingest(docs)
    assert kb.ingest(docs).same == 25
    (docs.parent / "real").rename(docs.parent / "away")
    with pytest.raises(EmptyFolderError):
        kb.ingest(docs)


def test_the_command_line_refuses_and_obeys(kb: KnowledgeBase, docs: Path) -> None:
    filled(docs, 21)
    kb.ingest(docs)
    emptied(docs)
    kb.close()

    def run(*arguments: str) -> tuple[int, str]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("ragkit.embed.load_embedder", lambda *_, **__: HashEmbedder())
            done = CliRunner().invoke(
                cli, ["ingest", str(docs), "--kb", str(kb.directory), *arguments]
            )
        return done.exit_code, done.output

    code, said = run()
    assert code == 2
    assert "--allow-empty" in said
    code, said = run("--dry-run")
    assert code == 0
    assert "remove 21" in said
    assert "an ingest would be refused" in said
    code, said = run("--allow-empty")
    assert code == 0
