"""``ragkit serve``: files put in, ingests watched and stopped, what is kept; MCP and metrics."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from ragkit import KnowledgeBase
from ragkit.evals.golden import read_golden
from tests.ragkit.serving import events, served

LAMP = "The lamp of pier 7 is green."


@pytest.fixture
def kb(tmp_path: Path) -> Iterator[KnowledgeBase]:
    with KnowledgeBase(tmp_path / "kb") as kb:
        kb.add("The night ferry leaves at 23:40 from pier 6.", path="ferry.txt")
        yield kb


@pytest.fixture
def web(kb: KnowledgeBase) -> Iterator[httpx.Client]:
    with served(kb) as client:
        yield client


def settled(web: httpx.Client) -> dict[str, Any]:
    """The newest ingest, once it has ended."""
    while (found := web.get("/api/ingest").json())["state"] == "running":
        time.sleep(0.02)
    return dict(found)


def paths(web: httpx.Client) -> list[str]:
    return [one["path"] for one in web.get("/api/documents").json()["documents"]]


def test_a_file_is_put_in_found_replaced_and_taken_out(
    web: httpx.Client, kb: KnowledgeBase
) -> None:
    put = web.post("/api/documents", params={"path": "notes/lämp.txt"}, content=LAMP.encode())
    assert (put.status_code, put.json()["stored"]) == (202, ["notes/lämp.txt"])
    assert settled(web)["result"]["added"] == ["notes/lämp.txt"]
    asked = {"question": "Which colour is the lamp of pier 7?"}
    answer = web.post("/api/ask", json=asked).json()
    assert answer["citations"][0]["path"] == "notes/lämp.txt"
    assert web.get("/api/documents/notes/lämp.txt/file").content == LAMP.encode()
    web.post(
        "/api/documents",
        params={"path": "notes/lämp.txt"},
        content=LAMP.replace("green", "red").encode(),
    )
    assert settled(web)["result"]["changed"] == ["notes/lämp.txt"]
    assert "red" in kb.text("notes/lämp.txt")
    assert web.delete("/api/documents/notes/lämp.txt").is_success
    web.post("/api/ingest")
    settled(web)
    assert paths(web) == ["ferry.txt"]


def test_a_form_puts_many_in_and_one_that_cannot_be_read_is_said(web: httpx.Client) -> None:
    files = [("file", (f"{n}.md", f"# Berth {n}\n\nBerth {n} is free.".encode())) for n in range(5)]
    broken = ("file", ("broken.pdf", b"%PDF-1.7 and no more"))
    put = web.post("/api/documents", files=[*files, broken])
    assert put.status_code == 202
    report = settled(web)["result"]
    assert report["added"] == [f"{n}.md" for n in range(5)]
    assert [one["path"] for one in report["failed"]] == ["broken.pdf"]
    failures = web.get("/api/documents").json()["failures"]
    assert [one["path"] for one in failures] == ["broken.pdf"]


@pytest.mark.parametrize(
    "name",
    [
        "", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a/.", "C:/x", "a\\..\\x", "a\x00b",
        ".hidden", "a\nb", "x" * 300, "a/" * 600 + "b", "con.", "a?b", "\u202etxt.exe",
    ],
)  # fmt: skip
def test_a_name_that_leads_elsewhere_is_refused(
    web: httpx.Client, kb: KnowledgeBase, name: str
) -> None:
    before = sorted(kb.directory.parent.rglob("*"))
    answer = web.post("/api/documents", params={"path": name}, content=b"x")
    assert answer.status_code == 400
    assert "cannot be kept as" in answer.json()["error"]["message"]
    if name and "\x00" not in name and "\n" not in name:
        assert web.post("/api/documents", files={"file": (name, b"x")}).status_code == 400
    assert sorted(kb.directory.parent.rglob("*")) == before


def test_a_file_that_is_too_large_is_refused_and_leaves_nothing(kb: KnowledgeBase) -> None:
    with served(kb, max_upload=1000) as web:
        answer = web.post("/api/documents", params={"path": "a.txt"}, content=b"x" * 2000)
        assert answer.status_code == 413

        def pieces() -> Iterator[bytes]:
            for _ in range(20):
                yield b"x" * 100

        answer = web.post("/api/documents", params={"path": "a.txt"}, content=pieces())
        assert answer.status_code == 413
    assert not [path for path in (kb.directory / "uploads").rglob("*") if path.is_file()]


def test_folders_that_the_operator_named_are_brought_up_to_date(
    kb: KnowledgeBase, tmp_path: Path
) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "lamp.txt").write_text(LAMP, encoding="utf-8")
    with served(kb, folders=(str(docs),)) as web:
        streamed = web.post("/api/ingest", params={"stream": True})
        got = events(streamed.text)
        assert {name for name, _ in got[:-1]} == {"progress"}
        stages = [json.loads(data)["stage"] for _, data in got[:-1]]
        assert {"scan", "load", "embed"} <= set(stages)
        assert got[-1][0] == "report"
        assert json.loads(got[-1][1])["added"] == ["lamp.txt"]
        again = events(web.get("/api/ingest", params={"stream": True}).text)
        assert again[-1] == got[-1]
        assert set(paths(web)) == {"ferry.txt", "lamp.txt"}


def test_nothing_to_ingest_is_said(web: httpx.Client) -> None:
    assert "no --folder" in web.post("/api/ingest").json()["error"]["message"]
    assert web.get("/api/ingest").status_code == 404


def test_an_ingest_is_stopped_and_another_goes_on(kb: KnowledgeBase, tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    for number in range(300):
        (docs / f"{number}.txt").write_text(f"Berth {number} is free. " * 40, encoding="utf-8")
    with served(kb, folders=(str(docs),)) as web:
        started = web.post("/api/ingest")
        assert started.json()["state"] == "running"
        assert web.post("/api/ingest").status_code == 409
        while not any(s["stage"] == "load" for s in web.get("/api/ingest").json()["stages"]):
            time.sleep(0.01)
        # Readers are not held up meanwhile.
        assert web.post("/api/search", json={"question": "ferry"}).is_success
        assert web.delete("/api/ingest").is_success
        assert settled(web)["state"] in ("stopped", "done")
        web.post("/api/ingest")
        report = settled(web)["result"]
        assert len(report["added"]) + report["same"] == 300
        assert report["chunks"] == report["vectors"]


def test_a_base_that_somebody_else_writes_to_is_said(web: httpx.Client, kb: KnowledgeBase) -> None:
    with kb._base.store().writing("a test"):
        done = threading.Event()

        def put() -> None:
            web.post("/api/documents", params={"path": "lamp.txt"}, content=LAMP.encode())
            done.set()

        thread = threading.Thread(target=put)
        thread.start()
        thread.join()
        found = settled(web)
    assert found["state"] == "failed"
    assert found["result"]["error"]["code"] == "LockedError"


def test_what_was_right_becomes_a_golden_question(web: httpx.Client, kb: KnowledgeBase) -> None:
    question = "When does the night ferry leave?"
    citation = web.post("/api/ask", json={"question": question}).json()["citations"][0]
    place = {key: citation[key] for key in ("path", "start", "end")}
    said = {"question": question, "rating": "right", "relevant": [place]}
    assert web.post("/api/feedback", json=said).status_code == 201
    wrong = {"question": "Why?", "rating": "wrong", "answer": "Because.", "trace": "x"}
    assert web.post("/api/feedback", json=wrong).json()["kept"] == "wrong_answers.jsonl"
    (golden,) = read_golden(kb.directory / "golden.jsonl")
    assert golden.question == question
    assert golden.relevant[0].path == "ferry.txt"
    said["relevant"] = [{"path": "nowhere.txt"}]
    assert web.post("/api/feedback", json=said).status_code == 404
    assert len(read_golden(kb.directory / "golden.jsonl")) == 1


def test_a_conversation_is_renamed_with_its_traces(web: httpx.Client, kb: KnowledgeBase) -> None:
    for session in ("a", "b"):
        web.post("/api/ask", json={"question": "When does it leave?", "session": session})
    assert web.patch("/api/sessions/a", json={"session": "quay"}).is_success
    assert {one.name for one in kb.sessions()} == {"quay", "b"}
    assert (
        "already"
        in web.patch("/api/sessions/quay", json={"session": "b"}).json()["error"]["message"]
    )
    assert web.patch("/api/sessions/zzz", json={"session": "c"}).status_code == 404
    kb.delete_session("quay")
    assert len(kb.traces()) == 1, "the traces of a renamed conversation go with it"


def test_requests_are_counted_by_route_and_nothing_of_what_is_asked(web: httpx.Client) -> None:
    web.post("/api/search", json={"question": "a secret question"})
    web.get("/api/documents/ferry.txt/text")
    text = web.get("/metrics").text
    assert 'ragkit_requests_total{method="POST",route="/api/search",status="200"} 1.0' in text
    assert 'route="/api/documents/{path:path}/text"' in text
    assert 'ragkit_base{base="default",what="documents"} 1.0' in text
    assert "secret" not in text
    assert "ferry" not in text


def test_the_official_client_of_mcp_uses_it(web: httpx.Client) -> None:
    from mcp.client.session import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async def use() -> tuple[set[str], str]:
        async with (
            streamable_http_client(f"{web.base_url}/mcp") as streams,
            ClientSession(*streams[:2]) as session,
        ):
            await session.initialize()
            names = {tool.name for tool in (await session.list_tools()).tools}
            found = await session.call_tool(
                "ask_kb", {"question": "When does the night ferry leave?"}
            )
            return names, found.content[0].text  # type: ignore[union-attr]

    names, text = anyio.run(use)
    assert names == {"search_kb", "ask_kb", "read_document", "list_documents"}
    assert "23:40" in text
