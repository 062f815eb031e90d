"""Vectors in Qdrant: its own engine behind a server on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ragkit import KnowledgeBase, UsageError
from ragkit.index import UnreachableIndexError, VectorIndex
from ragkit.index.qdrant_index import qdrant_at
from ragkit.testing import HashEmbedder, check_vector_index
from tests.ragkit.qdrant_server import QdrantServer, qdrant_server

FILES = {
    f"{number}.txt": f"The lamp of pier {number} shines {number} miles." for number in range(40)
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[QdrantServer]:
    with qdrant_server(tmp_path / "qdrant") as server:
        yield server


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragkit.index.qdrant_index._FIRST_PAUSE", 0.0)


def opened(tmp_path: Path, url: str) -> KnowledgeBase:
    return KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder(), vector_index=f"qdrant:{url}")


def filled(tmp_path: Path, url: str) -> KnowledgeBase:
    kb = opened(tmp_path, url)
    for path, text in FILES.items():
        kb.add(text, path=path)
    return kb


def paths(kb: KnowledgeBase, question: str = "lamp of pier 7", **options: object) -> list[str]:
    return [hit.path for hit in kb.search(question, k=5, mode="dense", **options)]  # type: ignore[arg-type]


def test_the_engine_does_all_that_a_base_relies_on(tmp_path: Path) -> None:
    urls: dict[Path, str] = {}  # each check has a directory, and so a server, of its own
    with ExitStack() as stack:

        def make(directory: Path, base: str) -> VectorIndex:
            if directory not in urls:
                folder = tmp_path / f"server{len(urls)}"
                urls[directory] = stack.enter_context(qdrant_server(folder)).url
            return qdrant_at(urls[directory])(directory, base)

        check_vector_index(make)


def test_a_base_in_qdrant_finds_what_a_base_of_files_finds(
    tmp_path: Path, server: QdrantServer
) -> None:
    with (
        filled(tmp_path, server.url) as kb,
        KnowledgeBase(tmp_path / "local", embedder=HashEmbedder()) as local,
    ):
        for path, text in FILES.items():
            local.add(text, path=path)
        for question in ("lamp of pier 7", "how many miles", "shines"):
            for where in (None, {"path": "1*.txt"}, {"path": "none"}):
                assert paths(kb, question, where=where) == paths(local, question, where=where)
        kb.delete("7.txt")
        assert "7.txt" not in paths(kb)
    assert server.asked


def test_vectors_that_are_lost_are_put_there_again(tmp_path: Path, server: QdrantServer) -> None:
    with filled(tmp_path, server.url) as kb:
        before = paths(kb)
    (name,) = server.shards
    server.delete(name)
    with opened(tmp_path, server.url) as kb:
        assert paths(kb) == before, "a base reads its own vectors meanwhile"
        kb.add("The lamp of pier 99 is out.", path="99.txt")
        kb.repair()
        assert name in server.shards
        assert paths(kb) == before


def test_a_server_that_is_busy_is_asked_again(tmp_path: Path, server: QdrantServer) -> None:
    with filled(tmp_path, server.url) as kb:
        before = paths(kb)
    with opened(tmp_path, server.url) as kb:
        server.faults[:] = [503, 429]
        assert paths(kb) == before
        assert not server.faults


def test_a_server_that_is_away_costs_the_search_by_meaning_alone(
    tmp_path: Path, server: QdrantServer
) -> None:
    with filled(tmp_path, server.url):
        pass
    with opened(tmp_path, "http://127.0.0.1:9") as kb:
        answer = kb.ask("How far does the lamp of pier 7 shine?")
        assert [citation.path for citation in answer.citations] == ["7.txt"]
        assert any("searched by words only: Qdrant" in said for said in answer.degraded)
        with pytest.raises(
            UnreachableIndexError, match=r"'http://127\.0\.0\.1:9' cannot be reached"
        ):
            paths(kb)


def test_a_document_put_in_while_the_server_is_away_is_there_when_it_is_back(
    tmp_path: Path, server: QdrantServer
) -> None:
    with filled(tmp_path, server.url):
        pass
    with opened(tmp_path, "http://127.0.0.1:9") as kb, pytest.raises(UnreachableIndexError):
        kb.add("The lamp of pier 99 is out.", path="99.txt")
    with opened(tmp_path, server.url) as kb:
        assert "99.txt" in paths(kb, "lamp of pier 99 is out")


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
def test_an_api_key_is_sent_and_a_wrong_one_is_said(
    tmp_path: Path, server: QdrantServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.key = "right"
    monkeypatch.setenv("QDRANT_API_KEY", "wrong")
    with (
        opened(tmp_path, server.url) as kb,
        pytest.raises(UnreachableIndexError, match="refused the API key"),
    ):
        kb.add("text", path="a.txt")
    monkeypatch.setenv("QDRANT_API_KEY", "right")
    with opened(tmp_path, server.url) as kb:
        kb.add("text", path="a.txt")
        assert paths(kb, "text") == ["a.txt"]


def test_an_address_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="lacks the server"):
        opened(tmp_path, "")
