"""One writer and many readers, in processes and threads of their own."""

import json
import multiprocessing
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from ragkit import KnowledgeBase, LockedError
from ragkit.testing import HashEmbedder

REPOSITORY = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
FILES = 60


def write_version(folder: Path, version: int) -> None:
    """Each document says in every passage which version it is."""
    folder.mkdir(exist_ok=True)
    for number in range(FILES):
        path = folder / f"{number}.md"
        parts = 1 + (number + version) % 4
        text = "\n\n".join(
            f"# Part {part} of {parts}\n\n" + f"Version {version} of document {number}. " * 30
            for part in range(parts)
        )
        path.write_text(text, encoding="utf-8")
        os.utime(path, (10**9 + version, 10**9 + version))


READER = """
import json, sys, threading
from ragkit import KnowledgeBase
from ragkit.store import Store
from ragkit.testing import HashEmbedder

over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
rounds, seen, wrong = 0, set(), []
with KnowledgeBase(sys.argv[1], embedder=HashEmbedder()) as kb:
    print("ready", flush=True)
    while not over.is_set():
        rounds += 1
        for mode in ("dense", "lexical", "hybrid"):
            for hit in kb.search("version of document 7", k=20, mode=mode):
                if f"of document {hit.path.removesuffix('.md')}." not in hit.text:
                    wrong.append(f"{hit.path}: {hit.text[:60]}")
        with Store.open(kb.directory) as store:
            for stored in store.documents()[rounds % 7 :: 7]:
                found = store.document_by_path(stored.path)
                versions = {word for word in ("Version 0", "Version 1") if word in found[1].text}
                seen |= versions
                parts = found[1].text.count("# Part ")
                if len(versions) != 1 or not found[1].text.startswith(f"# Part 0 of {parts}"):
                    wrong.append(f"{stored.path} is a mixture")
                chunks = store.chunks_of(found[0].id)
                for chunk in chunks:
                    if len({v for v in ("Version 0", "Version 1") if v in chunk.text}) > 1:
                        wrong.append(f"a passage of {stored.path} is a mixture")
        kb.ask("Which version of document 7 is there?")
print(json.dumps({"rounds": rounds, "seen": sorted(seen), "wrong": wrong[:5]}))
"""

WRITER = """
import sys
from ragkit import KnowledgeBase
from ragkit.testing import HashEmbedder
with KnowledgeBase(sys.argv[1], embedder=HashEmbedder()) as kb:
    kb.ingest(sys.argv[2])
"""


def python(code: str, *arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )


def test_readers_see_whole_documents_and_no_error_while_another_process_ingests(
    tmp_path: Path,
) -> None:
    docs = tmp_path / "docs"
    write_version(docs, 0)
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as kb:
        kb.ingest(docs)
    readers = [python(READER, tmp_path / "kb") for _ in range(2)]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
    for version in (1, 0, 1):
        write_version(docs, version)
        with python(WRITER, tmp_path / "kb", docs) as writer:
            _out, errors = writer.communicate(timeout=300)
        assert writer.returncode == 0, errors
    answers = [reader.communicate(timeout=300) for reader in readers]
    for reader, (out, errors) in zip(readers, answers, strict=True):
        assert reader.returncode == 0, errors
        said = json.loads(out)
        assert said["wrong"] == []
        assert said["rounds"] > 1
        assert said["seen"] == ["Version 0", "Version 1"]
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as kb:
        assert {check.status for check in kb.check() if check.name != "sandbox"} == {"ok"}
        assert kb.ingest(docs).same == FILES


def test_of_two_ingests_at_once_one_is_told_who_is_writing(tmp_path: Path) -> None:
    write_version(tmp_path / "docs", 0)
    both = [python(WRITER, tmp_path / "kb", tmp_path / "docs") for _ in range(2)]
    ends = [(process.communicate(timeout=300)[1], process.returncode) for process in both]
    refused = [errors for errors, code in ends if code]
    assert len(refused) < 2
    for errors in refused:
        assert "is being written to by process" in errors or "another process is writing" in errors
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as kb:
        assert kb.ingest(tmp_path / "docs").same == FILES
        assert {check.status for check in kb.check() if check.name != "sandbox"} == {"ok"}


def test_threads_share_one_knowledge_base(tmp_path: Path) -> None:
    write_version(tmp_path / "docs", 0)
    problems: list[BaseException] = []
    refused = 0
    over = threading.Event()
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as kb:
        kb.ingest(tmp_path / "docs")

        def read() -> None:
            try:
                while not over.is_set():
                    found = kb.retrieve("version of document 7", k=3)
                    # Everything is replaced here within a second, before the indexes have it.
                    assert found.hits or found.degraded
                    kb.ask("Which version of document 7 is there?")
                    kb.status()
            except BaseException as error:
                problems.append(error)

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()

        def write() -> None:
            nonlocal refused
            try:
                kb.ingest(tmp_path / "docs")
            except LockedError:
                refused += 1

        try:
            write_version(tmp_path / "docs", 1)
            writers = [threading.Thread(target=write) for _ in range(3)]
            for thread in writers:
                thread.start()
            for thread in writers:
                thread.join()
        finally:
            over.set()
            for thread in threads:
                thread.join()
        assert problems == []
        assert refused < 3
        assert kb.ingest(tmp_path / "docs").same == FILES
        assert {check.status for check in kb.check() if check.name != "sandbox"} == {"ok"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_searches_and_writes_with_its_parents_knowledge_base(
    tmp_path: Path,
) -> None:
    write_version(tmp_path / "docs", 0)

    def child(results: Any) -> None:
        found = [hit.path for hit in kb.search("version of document 7", k=3)]
        (tmp_path / "docs/extra.md").write_text("Added by the child.", encoding="utf-8")
        added = kb.ingest(tmp_path / "docs").added
        results.put((found, added))

    context = multiprocessing.get_context("fork")
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as kb:
        kb.ingest(tmp_path / "docs")
        found = [hit.path for hit in kb.search("version of document 7", k=3)]
        results = context.Queue()
        # At the worst moment: while a thread, which the child will not have, holds the lock.
        held, release = threading.Event(), threading.Event()

        def hold() -> None:
            with kb._base.lock:
                held.set()
                release.wait()

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait()
        process = context.Process(target=child, args=(results,))
        process.start()
        release.set()
        holder.join()
        assert results.get(timeout=120) == (found, ("extra.md",))
        process.join(60)
        assert process.exitcode == 0
        assert kb.search("added by the child", k=1)[0].path == "extra.md"
        assert kb.ingest(tmp_path / "docs").same == FILES + 1
