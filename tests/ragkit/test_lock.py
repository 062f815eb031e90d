"""One writer at a time, and what is left when a writer dies."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from store_samples import (
    all_chunk_ids,
    document_of,
    embed_all,
    indexes,
    problems,
    put,
    vector_of,
)

from ragkit.errors import LockedError, UsageError
from ragkit.store import Store

FOLDER = Path("/home/ada/docs").absolute()
HERE = Path(__file__).parent


def script(body: str, *arguments: object) -> list[str]:
    prelude = (
        "import os, sys, signal, time; from pathlib import Path\n"
        f"sys.path.insert(0, {str(HERE)!r})\n"
        "from store_samples import *\n"
        "from ragkit.store import Store\n"
        "from ragkit.index import faiss_index, tantivy_index\n"
        f"FOLDER = Path({str(FOLDER)!r}); directory = Path(sys.argv[1])\n"
    )
    return [sys.executable, "-c", prelude + body, *map(str, arguments)]


HOLDER = """
with Store.open(directory, create=True) as store, store.writing("a long ingest"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_nested_in_one_thread(tmp_path: Path) -> None:
    with Store.open(tmp_path, create=True) as store:
        with store.writing("outer"), store.writing("inner"):
            put(store, FOLDER, "a.txt", document_of("alpha"))
        with pytest.raises(UsageError):
            put(store, FOLDER, "a.txt", document_of("beta"))
        with store.writing("again"):
            put(store, FOLDER, "b.txt", document_of("beta"))


def test_the_lock_is_freed_by_an_error(tmp_path: Path) -> None:
    with Store.open(tmp_path, create=True) as store:
        with pytest.raises(ZeroDivisionError), store.writing("fails"):
            raise ZeroDivisionError
        with Store.open(tmp_path) as other, other.writing("works"):
            assert not indexes(store).search_lexical("x", 1)


def test_another_thread_waits_or_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    entered = threading.Event()

    def impatient() -> None:
        try:
            with store.writing("thread"):
                told.append("entered")
        except LockedError as error:
            told.append(str(error))

    def patient() -> None:
        with store.writing("thread", timeout=60):
            entered.set()

    with Store.open(tmp_path, create=True) as store:
        with store.writing("the main thread's work"):
            thread = threading.Thread(target=impatient)
            thread.start()
            thread.join()
            waiting = threading.Thread(target=patient)
            waiting.start()
            assert not entered.wait(0.05)
        assert entered.wait(30)
        waiting.join()
    (message,) = told
    assert "the main thread's work" in message
    assert str(os.getpid()) in message


def test_another_process_is_named(tmp_path: Path) -> None:
    with subprocess.Popen(
        script(HOLDER, tmp_path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with Store.open(tmp_path) as store:
            assert store.counts().documents == 0
            for timeout in (0.0, 0.2):
                with pytest.raises(LockedError) as caught, store.writing("mine", timeout=timeout):
                    pytest.fail("two writers at a time")
                assert f"process {holder.pid}" in str(caught.value)
                assert "a long ingest" in str(caught.value)
            holder.communicate("")
            with store.writing("mine", timeout=30):
                put(store, FOLDER, "a.txt", document_of("alpha"))


def test_a_killed_holder_frees_the_lock(tmp_path: Path) -> None:
    with subprocess.Popen(
        script(HOLDER, tmp_path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        holder.kill()
    assert (tmp_path / "writer.json").exists()
    with Store.open(tmp_path) as store, store.writing("after the crash"):
        put(store, FOLDER, "a.txt", document_of("alpha"))
    assert not (tmp_path / "writer.json").exists()


def test_a_garbled_note_does_not_hide_the_lock(tmp_path: Path) -> None:
    with Store.open(tmp_path, create=True) as one, Store.open(tmp_path) as two:
        with one.writing("test"):
            (tmp_path / "writer.json").write_text("[1]", encoding="utf-8")
            with pytest.raises(LockedError, match="another process"), two.writing("mine"):
                pytest.fail("two writers at a time")
        with two.writing("mine"):
            assert two.counts().documents == 0


def test_two_processes_may_make_the_base_at_once(tmp_path: Path) -> None:
    body = """
with Store.open(directory, create=True) as store, store.writing("test", timeout=60):
    put(store, FOLDER, sys.argv[2], document_of("text of " + sys.argv[2]))
"""
    processes = [subprocess.Popen(script(body, tmp_path / "kb", name)) for name in ("a", "b", "c")]
    assert [process.wait(120) for process in processes] == [0, 0, 0]
    with Store.open(tmp_path / "kb") as store:
        assert [document.path for document in store.documents()] == ["a", "b", "c"]


INGEST = """
steps = [0]
limit = int(sys.argv[2])

def step():
    steps[0] += 1
    if steps[0] == limit:
        os._exit(9)

# Die just before or just after anything becomes durable.
replace = Path.replace
def dying_replace(self, target):
    step()
    done = replace(self, target)
    step()
    return done
Path.replace = dying_replace
apply = tantivy_index.apply
def dying_apply(*arguments):
    step()
    done = apply(*arguments)
    step()
    return done
tantivy_index.apply = dying_apply
faiss_index._FINAL_TAIL = faiss_index._INTERIM_TAIL = (0, 0.0)

with Store.open(directory, create=True) as store, store.writing("test"):
    for number in range(6):
        passages = [f"passage {number}", f"passage {number} {number}", "shared"]
        put(store, FOLDER, f"{number}.txt", document_of(*passages))
        step()
        if number % 2:
            embed_all(store)
            step()
            indexes(store).sync()
            step()
    put(store, FOLDER, "0.txt", document_of("passage 0", "changed"))
    step()
    store.remove_documents([store.documents()[3].id])
    step()
    embed_all(store)
    step()
    indexes(store).sync(final=True)
    step()
print(steps[0])
"""


def searched(store: Store) -> tuple[object, ...]:
    """What the searches find, by text, so that bases with other ids can be compared."""
    found = []
    for question in ("passage 2", "shared", "changed"):
        for hits in (
            indexes(store).search_lexical(question, 50),
            indexes(store).search_dense(vector_of(question), 50),
        ):
            chunks = store.chunks([hit.chunk_id for hit in hits])
            assert len(chunks) == len(hits)
            found.append(sorted((chunk.path, chunk.text) for chunk in chunks))
    return tuple(found)


def finish(store: Store) -> None:
    """What the next ingest of the same files does."""
    with store.writing("finish", timeout=30):
        known = {document.path: document for document in store.documents()}
        for number in range(6):
            path = f"{number}.txt"
            passages = (
                ["passage 0", "changed"]
                if number == 0
                else [f"passage {number}", f"passage {number} {number}", "shared"]
            )
            document = document_of(*passages)
            if path == "3.txt":
                store.remove_documents([known[path].id] if path in known else [])
            elif path not in known or store.document(known[path].id).text != document.text:
                put(store, FOLDER, path, document)
        embed_all(store)
        indexes(store).sync(final=True)


@pytest.mark.parametrize("stride", [11, pytest.param(1, marks=pytest.mark.slow)])
def test_dying_at_any_step_loses_and_doubles_nothing(tmp_path: Path, stride: int) -> None:
    whole = subprocess.run(
        script(INGEST, tmp_path / "whole", 0), check=True, capture_output=True, text=True
    )
    total = int(whole.stdout)
    assert total > 40
    with Store.open(tmp_path / "whole") as store:
        assert problems(store) == []
        expected = (store.counts(), searched(store), [one.path for one in store.documents()])
    for limit in range(1, total + 1, stride):
        directory = tmp_path / str(limit)
        died = subprocess.run(script(INGEST, directory, limit), check=False)
        assert died.returncode == 9
        with Store.open(directory, create=True) as store:
            # Right away, what was committed is found, and nothing else.
            ids = all_chunk_ids(store)
            hits = indexes(store).search_lexical("passage shared changed", 100)
            assert sorted(hit.chunk_id for hit in hits) == ids, limit
            dense_ids = sorted(
                hit.chunk_id for hit in indexes(store).search_dense(vector_of("x"), 100)
            )
            counts = store.counts()
            assert len(dense_ids) == counts.vectors
            assert set(dense_ids) <= set(ids)
            finish(store)
            assert problems(store) == []
            paths = [one.path for one in store.documents()]
            assert (store.counts(), searched(store), paths) == expected, limit


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killed_at_random_moments_of_a_busy_run(tmp_path: Path) -> None:
    body = """
with Store.open(directory, create=True) as store, store.writing("test"):
    print("go", flush=True)
    for number in range(100000):
        put(store, FOLDER, f"{number % 7}.txt", document_of(f"passage {number}", "shared"))
        embed_all(store)
        indexes(store).sync(final=number % 3 == 0)
"""
    for milliseconds in (20, 70, 150):
        with subprocess.Popen(script(body, tmp_path), stdout=subprocess.PIPE, text=True) as busy:
            assert busy.stdout is not None
            busy.stdout.readline()
            time.sleep(milliseconds / 1e3)
            busy.kill()
        with Store.open(tmp_path) as store:
            with store.writing("after the crash", timeout=30):
                embed_all(store)
                indexes(store).sync(final=True)
            assert problems(store) == []
            ids = all_chunk_ids(store)
            assert (
                sorted(hit.chunk_id for hit in indexes(store).search_lexical("shared passage", 99))
                == ids
            )
            assert len(indexes(store).search_dense(vector_of("shared"), 99)) == len(ids)
