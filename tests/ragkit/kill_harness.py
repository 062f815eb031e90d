"""Kill an ingest at a chosen moment, finish it, and compare with a run that nobody disturbed.

The moments are counted: ``step`` is called before and after everything that changes the disk, and
the process kills itself at the one asked for. A *scenario* is a folder, and a base to begin with.

Run as a program it is a server: everything is imported once, and each run is a forked child, so
that a run takes a fraction of a second. It reads one JSON request a line and answers with one.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, cast

REPOSITORY = Path(__file__).resolve().parents[2]
LONG_AGO = 10**9

# Whichever way a base came to be, these must be the same; ids and times of day may differ.
TRUTH = {
    "documents": "SELECT roots.folder, relative_path, path, size, mtime_ns, sha256, format, title,"
    " encoding, pages, chunks, characters, metadata, warnings, text, layout FROM documents"
    " JOIN roots ON roots.id = root_id LEFT JOIN contents ON document_id = documents.id",
    "failures": "SELECT roots.folder, relative_path, path, size, mtime_ns, reason FROM failures"
    " JOIN roots ON roots.id = root_id",
    "chunks": "SELECT path, position, start_offset, end_offset, page, heading, prefix, chunks.text,"
    " tokens, chunks.key, embeddings.key, vector FROM chunks"
    " JOIN documents ON documents.id = document_id JOIN embeddings ON embeddings.id = embedding_id"
    " LEFT JOIN vectors USING (embedding_id)",
    "totals": "SELECT documents, failures, chunks, vectors, characters FROM state",
    "pending": "SELECT * FROM pending",
    "embeddings": "SELECT count(*) FROM embeddings",
    "vectors": "SELECT count(*) FROM vectors",
    "settings": "SELECT key, value FROM settings"
    " WHERE key NOT IN ('base', 'last_ingest', 'passages_per_second')",
}
QUESTIONS = ("the warranty of the pump", "shared words", "changed passage", "number 4")


def write_folder(folder: Path) -> None:
    """The first state: among others equal files, a failing one, and a name that is no Unicode."""
    for number in range(5):
        body = f"# Part {number}\n\n" + f"Passage number {number} of the handbook. " * (
            9 + 60 * number
        )
        _write(folder / f"part-{number}.md", body)
    for name in ("twin-1.txt", "sub/twin-2.txt"):
        _write(folder / name, "Shared words that stand in two files.")
    _write(folder / "sub/warranty.txt", "The warranty of the pump lasts two years.")
    _write(folder / "broken.pdf", "This is no PDF.")
    _write(folder / "empty.txt", "")
    _write(folder / os.fsdecode(b"caf\xe9.txt"), "The espresso costs two euros.")


def change_folder(folder: Path) -> None:
    """The second: edits, moves, removals, additions, and files that trade places."""
    _write(folder / "part-0.md", "# Part 0\n\nA changed passage, number 0.", seconds=LONG_AGO + 9)
    _write(folder / "empty.txt", "No longer empty.", seconds=LONG_AGO + 9)
    _write(folder / "part-2.md", "", seconds=LONG_AGO + 9)
    _write(folder / "new/added.txt", "Added words.", seconds=LONG_AGO + 9)
    (folder / "part-1.md").rename(folder / "new/moved.md")
    (folder / "twin-1.txt").unlink()
    (folder / "broken.pdf").unlink()
    (folder / "part-3.md").rename(folder / "other")
    (folder / "part-4.md").rename(folder / "part-3.md")
    (folder / "other").rename(folder / "part-4.md")
    os.utime(folder / "sub/warranty.txt", (LONG_AGO + 9, LONG_AGO + 9))


def _write(path: Path, text: str, *, seconds: int = LONG_AGO) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    os.utime(path, (seconds, seconds))


def fingerprint(directory: Path) -> dict[str, str]:
    """A hash of each part of the truth, and of what the searches find in it."""
    from ragkit import KnowledgeBase
    from ragkit.testing import HashEmbedder

    found: dict[str, Any] = {}
    with contextlib.closing(sqlite3.connect(directory / "knowledge.sqlite3")) as connection:
        for name, statement in TRUTH.items():
            found[name] = sorted(map(repr, connection.execute(statement)))
    with KnowledgeBase(directory, embedder=HashEmbedder()) as kb:
        for mode in ("dense", "lexical"):
            found[mode] = [
                sorted((hit.path, hit.start, hit.end) for hit in kb.search(one, k=99, mode=mode))  # type: ignore[arg-type]
                for one in QUESTIONS
            ]
        found["health"] = [
            f"{check.name}: {check.message}"
            for check in kb.check()
            if check.status != "ok" and check.name not in ("disk", "sandbox")
        ]
    left = {path.name for path in directory.iterdir()}
    left -= {"knowledge.sqlite3", "knowledge.sqlite3-wal", "knowledge.sqlite3-shm"}
    found["files"] = sorted(left - {"dense", "lexical", "writer.lock"})
    hashes = {
        name: hashlib.sha256(repr(value).encode()).hexdigest() for name, value in found.items()
    }
    return {**hashes, "health": repr(found["health"]), "files": repr(found["files"])}


def count_steps(limit: int) -> Callable[[], int]:
    """Kill this process at step ``limit``; 0 only counts. Returns what tells the count."""
    preloaded = getattr(ctypes.CDLL(None), "kill_at", None)
    if preloaded is not None:  # counts system calls, whoever makes them
        preloaded(limit)
        return cast("Callable[[], int]", ctypes.CDLL(None).kill_count)
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        if steps == limit:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        @functools.wraps(real)
        def counted(*arguments: Any, **options: Any) -> Any:
            step()
            result = real(*arguments, **options)
            step()
            return result

        setattr(owner, name, counted)

    class Counted(sqlite3.Connection):
        def commit(self) -> None:
            step()
            super().commit()
            step()

    from ragkit.index import quantized
    from ragkit.index import tantivy_files as lexical_index
    from ragkit.index import tantivy_index as lexical
    from ragkit.store import database

    faiss = quantized.library()
    for owner, name in (
        (Path, "replace"),
        (Path, "unlink"),
        (Path, "mkdir"),
        (Path, "write_text"),
        (os, "fsync"),
        (shutil, "rmtree"),
        (faiss, "write_index"),
        (lexical, "apply"),
        (lexical, "new_index"),
        (lexical_index, "write_manifest"),
    ):
        around(owner, name)
    connect = sqlite3.connect
    database.sqlite3.connect = lambda *some, **more: connect(*some, factory=Counted, **more)  # type: ignore[assignment,misc]
    return lambda: steps


def ingest(directory: Path, folder: Path, limit: int, *, often: bool) -> int:
    """Ingest in this process, which dies at step ``limit``; return the number of steps."""
    from ragkit import KnowledgeBase
    from ragkit.index import faiss_index as dense
    from ragkit.run import embedding, ingestion
    from ragkit.testing import HashEmbedder

    if often:  # as in a run that takes long: views are written in the middle of it, and again
        ingestion._SYNC_SECONDS = 0.0
        embedding._BATCH = 5
        dense._INTERIM_TAIL = dense._FINAL_TAIL = (0, 0.0)
    count = count_steps(limit)
    with KnowledgeBase(directory, embedder=HashEmbedder()) as kb:
        kb.ingest(folder, workers=1)
    return count()


def add(directory: Path, limit: int) -> int:
    """Replace what was added as ``hours.txt``, as :func:`ingest` does."""
    from ragkit import KnowledgeBase
    from ragkit.testing import HashEmbedder

    count = count_steps(limit)
    with KnowledgeBase(directory, embedder=HashEmbedder()) as kb:
        kb.add("Later we close at noon.", path="hours.txt")
    return count()


def serve() -> None:
    """Answer requests, each in a child of its own."""
    import faiss
    import numpy
    import tantivy

    import ragkit.cli.app
    from ragkit.errors import RagkitError
    from ragkit.testing import HashEmbedder

    del faiss, numpy, tantivy, HashEmbedder, ragkit
    for line in sys.stdin:
        request = json.loads(line)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.close(reader)
                answer = _answer(request)
                os.write(writer, json.dumps(answer).encode())
                code = 0
            except RagkitError as error:  # told to the user, not to the tester
                os.write(writer, json.dumps({"error": str(error)}).encode())
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        os.close(writer)
        with os.fdopen(reader, "rb") as stream:
            answer = stream.read()
        _pid, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        result = json.loads(answer) if answer else None
        print(json.dumps({"killed": killed, "failed": status != 0, "answer": result}), flush=True)


def _answer(request: dict[str, Any]) -> Any:
    directory = Path(request["directory"])
    if request["do"] == "fingerprint":
        return fingerprint(directory)
    if request["do"] == "add":
        return add(directory, request["limit"])
    return ingest(directory, Path(request["folder"]), request["limit"], often=request["often"])


class Scenario:
    """A base to begin with (perhaps none) and a folder to ingest; runs are copies of it."""

    def __init__(self, server: Server, scratch: Path, start: Path | None, folder: Path) -> None:
        self._server = server
        self._scratch = scratch
        self._start = start
        self._folder = folder
        whole = self.fresh()
        self.steps = int(server.ask("ingest", whole, folder, 0)["answer"])
        self.expected = self.state(whole)
        self.whole = whole

    def fresh(self) -> Path:
        """A copy of the base to begin with."""
        number = len(list(self._scratch.iterdir()))
        directory = self._scratch / f"run-{number}"
        if self._start is not None:
            shutil.copytree(self._start, directory)
        return directory

    def state(self, directory: Path) -> dict[str, str]:
        answer = self._server.ask("fingerprint", directory)
        if answer["failed"]:
            raise AssertionError(f"{directory} cannot be read")
        return cast("dict[str, str]", answer["answer"])

    def ingest(self, directory: Path, limit: int) -> Any:
        """Ingest; tell whether it was ``killed`` or ``failed``."""
        return self._server.ask("ingest", directory, self._folder, limit)

    def kill_and_finish(self, limit: int) -> list[str]:
        """Kill at step ``limit``, run again to the end, and name what differs then."""
        directory = self.fresh()
        killed = self.ingest(directory, limit)["killed"]
        wrong = [] if killed else [f"not killed at step {limit}"]
        return wrong + self.finish(directory)

    def finish(self, directory: Path) -> list[str]:
        """Run to the end in a base that was left in some state, and name what differs then."""
        if self.ingest(directory, 0)["failed"]:
            return ["the next run failed"]
        state = self.state(directory)
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()  # keeps its number
        return [name for name in self.expected if state[name] != self.expected[name]]


class Server:
    """The other end of :func:`serve`."""

    def __init__(self, *, often: bool = True, environment: dict[str, str] | None = None) -> None:
        self._often = often
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), **(environment or {})},
        )

    def ask(self, do: str, directory: Path, folder: Path | None = None, limit: int = 0) -> Any:
        request = {
            "do": do,
            "directory": str(directory),
            "folder": str(folder),
            "limit": limit,
            "often": self._often,
        }
        requests, answers = (
            cast("IO[str]", self._process.stdin),
            cast("IO[str]", self._process.stdout),
        )
        requests.write(json.dumps(request) + "\n")
        requests.flush()
        return json.loads(answers.readline())

    def close(self) -> None:
        cast("IO[str]", self._process.stdin).close()
        self._process.wait(60)
        cast("IO[str]", self._process.stdout).close()


@contextlib.contextmanager
def scenarios(
    scratch: Path, *, often: bool = True, environment: dict[str, str] | None = None
) -> Iterator[tuple[Scenario, Scenario]]:
    """A first ingest, and the ingest of a folder that has changed since."""
    server = Server(often=often, environment=environment)
    try:
        for name in ("first-runs", "second-runs"):
            (scratch / name).mkdir(parents=True)
        write_folder(scratch / "docs")
        first = Scenario(server, scratch / "first-runs", None, scratch / "docs")
        # Kept apart, for its folder must be another, with the same path in it.
        second_docs = scratch / "changed" / "docs"
        shutil.copytree(scratch / "docs", second_docs)
        base = scratch / "base"
        server.ask("ingest", base, second_docs, 0)
        change_folder(second_docs)
        second = Scenario(server, scratch / "second-runs", base, second_docs)
        yield first, second
    finally:
        server.close()


if __name__ == "__main__":
    serve()
