"""``ragkit serve``: its own API, through a real server on loopback."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from ragkit import KnowledgeBase
from tests.ragkit.serving import events, served

REPOSITORY = Path(__file__).resolve().parents[2]
TOKEN = "a-token-that-is-long-enough"
TIMES = (
    "# Ferry\n\nThe night ferry leaves at 23:40 from pier 6.\n\n## Fares\n\nA car costs 31 euros.\n"
)


@pytest.fixture
def kb(tmp_path: Path) -> Iterator[KnowledgeBase]:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "ferry.md").write_text(TIMES, encoding="utf-8")
    (docs / "b [1]?.html").write_text("<p>The café opens at <b>eight</b>.</p>", encoding="utf-8")
    kb = KnowledgeBase(tmp_path / "kb")
    kb.ingest(docs)
    yield kb
    kb.close()


@pytest.fixture
def web(kb: KnowledgeBase) -> Iterator[httpx.Client]:
    with served(kb) as client:
        yield client


def fault(answer: httpx.Response) -> str:
    """The message of a fault, whose form is always the same."""
    assert answer.is_error
    body = answer.json()["error"]
    assert set(body) == {"message", "type", "param", "code"}
    return str(body["message"])


def test_search_gives_what_python_gives(web: httpx.Client, kb: KnowledgeBase) -> None:
    answer = web.post("/api/search", json={"question": "When does the night ferry leave?", "k": 2})
    assert answer.status_code == 200
    hits = answer.json()["hits"]
    same = kb.search("When does the night ferry leave?", k=2)
    assert [(hit["path"], hit["start"], hit["end"]) for hit in hits] == [
        (hit.path, hit.start, hit.end) for hit in same
    ]
    assert hits[0]["text"] == TIMES[hits[0]["start"] : hits[0]["end"]]


def test_a_filter_holds_and_a_bad_one_is_said(web: httpx.Client) -> None:
    asked = {"question": "ferry", "where": {"path": "*.html"}}
    assert {h["path"] for h in web.post("/api/search", json=asked).json()["hits"]} == {
        "b [1]?.html"
    }
    asked["where"] = {"date": "soon"}
    assert "soon" in fault(web.post("/api/search", json=asked))


def test_ask_whole_and_streamed_say_the_same(web: httpx.Client) -> None:
    asked = {"question": "When does the night ferry leave?", "cache": False}
    whole = web.post("/api/ask", json=asked).json()
    assert "23:40" in whole["text"]
    assert whole["citations"][0]["path"] == "ferry.md"
    streamed = web.post("/api/ask", params={"stream": True}, json=asked)
    assert streamed.headers["content-type"].startswith("text/event-stream")
    got = events(streamed.text)
    names = [name for name, _ in got]
    assert names[0] == "sources"
    assert names[-1] == "answer"
    assert set(names[1:-1]) == {"text"}
    assert json.loads(got[-1][1])["text"] == whole["text"]


def test_a_conversation_is_kept_listed_and_deleted(web: httpx.Client) -> None:
    for question in ("When does the night ferry leave?", "And what does a car cost?"):
        assert web.post("/api/ask", json={"question": question, "session": "quay/1"}).is_success
    assert [one["name"] for one in web.get("/api/sessions").json()["sessions"]] == ["quay/1"]
    turns = web.get("/api/sessions/quay/1").json()["turns"]
    assert [turn["role"] for turn in turns] == ["user", "assistant"] * 2
    assert turns[1]["citations"][0]["path"] == "ferry.md"
    assert web.delete("/api/sessions/quay/1").status_code == 204
    assert "quay/1" in fault(web.get("/api/sessions/quay/1"))


def test_documents_are_listed_read_and_deleted(web: httpx.Client, kb: KnowledgeBase) -> None:
    paths = [one["path"] for one in web.get("/api/documents").json()["documents"]]
    assert paths == ["b [1]?.html", "ferry.md"]
    read = web.get("/api/documents/ferry.md/text").json()
    assert read["text"] == kb.text("ferry.md")
    assert [section["path"][-1] for section in read["sections"]] == ["Ferry", "Fares"]
    odd = "/api/documents/b%20%5B1%5D%3F.html"
    file = web.get(f"{odd}/file")
    assert file.content == b"<p>The caf\xc3\xa9 opens at <b>eight</b>.</p>"
    assert file.headers["content-type"] == "application/octet-stream"
    assert file.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert web.delete(odd).json() == {"removed": ["b [1]?.html"]}
    assert [one.path for one in kb.documents()] == ["ferry.md"]
    assert "b [1]?.html" in fault(web.get(f"{odd}/text"))


def test_a_file_that_is_not_what_was_read_is_not_given(
    web: httpx.Client, kb: KnowledgeBase, tmp_path: Path
) -> None:
    (tmp_path / "docs" / "ferry.md").write_text("something else", encoding="utf-8")
    assert "has changed" in fault(web.get("/api/documents/ferry.md/file"))
    (tmp_path / "docs" / "ferry.md").unlink()
    assert "is gone" in fault(web.get("/api/documents/ferry.md/file"))
    assert web.get("/api/documents/ferry.md/text").json()["text"] == kb.text("ferry.md")


def test_traces_are_listed_and_shown(web: httpx.Client) -> None:
    answer = web.post("/api/ask", json={"question": "When does the night ferry leave?"}).json()
    listed = web.get("/api/traces", params={"text": "NIGHT ferry"}).json()["traces"]
    assert [one["id"] for one in listed] == [answer["trace"]]
    assert web.get("/api/traces", params={"text": "moon"}).json()["traces"] == []
    spans = web.get(f"/api/traces/{answer['trace']}").json()["spans"]
    assert {"ask", "search"} <= {span["name"] for span in spans}


def test_several_bases_by_name(kb: KnowledgeBase, tmp_path: Path) -> None:
    other = KnowledgeBase(tmp_path / "other")
    other.add("The lighthouse is 40 metres high.", path="tower.txt")
    with served(kb, other) as web:
        asked = {"question": "How high is the lighthouse?"}
        hits = web.post("/api/search", params={"base": "second"}, json=asked).json()["hits"]
        assert [hit["path"] for hit in hits] == ["tower.txt"]
        assert "there are 'default', 'second'" in fault(
            web.post("/api/search", params={"base": "third"}, json=asked)
        )
        assert [one["name"] for one in web.get("/api/status").json()["bases"]] == [
            "default",
            "second",
        ]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"question": ""},
        {"question": " \n"},
        {"question": "x" * 20_001},
        {"question": 3},
        {"question": "x", "k": 0},
        {"question": "x", "k": 10**9},
        {"question": "x", "unknown": 1},
        {"question": "x", "mode": "magic"},
        {"question": "x", "rerank": "/etc"},
        {"question": "x", "where": []},
        {"question": "x", "history": [{"role": "system", "content": "x"}]},
    ],
)
def test_what_cannot_be_asked_is_said(web: httpx.Client, body: dict[str, Any]) -> None:
    answer = web.post("/api/search", json=body)
    assert answer.status_code == 400
    assert fault(answer)


def test_a_model_that_the_operator_did_not_allow_is_refused(web: httpx.Client) -> None:
    asked = {"question": "x", "model": "openai:gpt-5"}
    assert "--allow-model" in fault(web.post("/api/ask", json=asked))


def test_a_server_that_only_reads_changes_nothing(kb: KnowledgeBase) -> None:
    with served(kb, read_only=True) as web:
        assert web.post("/api/ask", json={"question": "ferry"}).is_success
        for answer in (
            web.post("/api/ask", json={"question": "ferry", "session": "a"}),
            web.delete("/api/documents/ferry.md"),
            web.delete("/api/sessions/a"),
        ):
            assert answer.status_code == 403
            assert "--read-only" in fault(answer)


# What a stranger tries


def test_another_name_is_refused(web: httpx.Client) -> None:
    port = web.base_url.port
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "", "[::1", "@"):
        assert web.get("/api/status", headers={"Host": host}).status_code in (400, 421), host
    for host in (f"localhost:{port}", "LOCALHOST", "127.0.0.1", "[::1]"):
        assert web.get("/api/status", headers={"Host": host}).status_code == 200, host


def test_another_page_is_refused(web: httpx.Client) -> None:
    own = str(web.base_url).rstrip("/")
    for origin in ("http://evil.example", "null", f"{own}.evil.example", "file://", own + "1"):
        answer = web.post("/api/search", json={"question": "x"}, headers={"Origin": origin})
        assert answer.status_code == 403, origin
        assert "access-control-allow-origin" not in answer.headers
    assert web.post("/api/search", json={"question": "x"}, headers={"Origin": own}).is_success
    for site in ("cross-site", "same-site"):
        headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}
        assert web.get("/api/documents", headers=headers).status_code == 403
    # A form of another page can send this without asking first.
    plain = web.post(
        "/api/search", content='{"question": "x"}', headers={"Content-Type": "text/plain"}
    )
    assert plain.status_code == 400


def test_a_page_that_the_operator_allowed_may_ask(kb: KnowledgeBase) -> None:
    with served(kb, origins=("https://chat.example",)) as web:
        headers = {"Origin": "https://chat.example"}
        asked = web.options(
            "/api/search", headers={**headers, "Access-Control-Request-Method": "POST"}
        )
        assert asked.status_code == 204
        answer = web.post("/api/search", json={"question": "ferry"}, headers=headers)
        assert answer.headers["access-control-allow-origin"] == "https://chat.example"


def test_a_token_is_wanted_for_all_but_the_page(kb: KnowledgeBase) -> None:
    with served(kb, token=TOKEN) as web:
        for path in ("/", "/documents/ferry.md", "/static/index.html", "/healthz", "/docs"):
            answer = web.get(path)
            assert answer.status_code == 200, path
            assert "ferry" not in answer.text
        for given in ("", "Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer é"):
            for path in ("/api/status", "/api/documents/ferry.md/text", "/v1/models"):
                headers = {"Authorization": given.encode("latin-1")}
                assert web.get(path, headers=headers).status_code == 401, (given, path)
        assert web.get("/api/status", headers={"Authorization": f"Bearer {TOKEN}"}).is_success


@pytest.mark.parametrize(
    "path",
    [
        "/api/documents/..%2f..%2fkb%2fdb.sqlite/file",
        "/api/documents/%2e%2e/%2e%2e/etc/passwd/file",
        "/api/documents//etc/passwd/file",
        "/api/documents/ferry.md%00/file",
        "/static/..%2fapp.py",
        "/static/%2e%2e/app.py",
        "/static/....//app.py",
        "/static/%252e%252e/app.py",
    ],
)
def test_no_path_leads_out(web: httpx.Client, path: str) -> None:
    answer = web.get(path)
    assert answer.status_code in (400, 404), answer.text
    assert "import" not in answer.text
    assert "root:" not in answer.text


def test_a_base_that_names_a_strangers_file_does_not_give_it(
    kb: KnowledgeBase, tmp_path: Path
) -> None:
    secret = tmp_path / "secret" / "ferry.md"
    secret.parent.mkdir()
    secret.write_text("the key is 1234", encoding="utf-8")
    kb.close()
    file = next((tmp_path / "kb").glob("*.sqlite*"))
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE roots SET folder = ?", (str(secret.parent),))
    with KnowledgeBase(tmp_path / "kb") as stranger, served(stranger) as web:
        answer = web.get("/api/documents/ferry.md/file")
        assert answer.status_code == 404
        assert "1234" not in answer.text


def test_too_much_is_refused(web: httpx.Client) -> None:
    answer = web.post("/api/search", json={"question": "x" * (3 << 20)})
    assert answer.status_code == 413
    assert fault(answer)


def test_too_often_is_refused(kb: KnowledgeBase) -> None:
    with served(kb, rate=3) as web:
        statuses = [web.get("/healthz").status_code for _ in range(5)]
        assert statuses == [200, 200, 200, 429, 429]
        assert int(web.get("/healthz").headers["retry-after"]) >= 1


def test_every_answer_says_what_a_browser_may_do(web: httpx.Client) -> None:
    for path in ("/", "/api/status", "/nowhere", "/static/index.html"):
        headers = web.get(path).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "server" not in headers


def test_the_pages_load_nothing_from_elsewhere(web: httpx.Client) -> None:
    for page in ("/", "/docs"):
        text = web.get(page).text
        assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", text)
        for own in re.findall(r"(?:src|href)=\"(/[^\"]+)\"", text):
            assert web.get(own).is_success, own
    assert "/api/ask" in web.get("/openapi.json").json()["paths"]


# The command


def start(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ragkit", "serve", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_command_serves_until_it_is_told_to_stop(kb: KnowledgeBase, tmp_path: Path) -> None:
    with start("--kb", str(kb.directory), "--port", "0", "--json", cwd=tmp_path) as running:
        assert running.stdout is not None
        text = ""
        while "}" not in text:
            text += running.stdout.readline()
        address = json.loads(text)["address"]
        assert httpx.get(f"{address}/healthz").json() == {"status": "ok"}
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) in (0, -signal.SIGTERM)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--kb", "nowhere"], 3, "there is no knowledge base"),
        (["--host", "0.0.0.0"], 2, "needs --token-file"),
        (["--token-file", "nowhere"], 2, "cannot be read"),
        (["--token-file", "short"], 2, "at least 16 characters"),
        (["--port", "65536"], 2, "65536"),
        (["--base", "x"], 2, "not of the form NAME=DIR"),
        (["--base", "../x=kb"], 2, "cannot be served as"),
        (["--host", "192.0.2.1", "--token-file", "token"], 3, "cannot listen"),
    ],
)
def test_what_cannot_be_served_is_one_clear_sentence(
    kb: KnowledgeBase, tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    (tmp_path / "short").write_text("short", encoding="utf-8")
    (tmp_path / "token").write_text(TOKEN, encoding="utf-8")
    kb_option = [] if "--kb" in arguments else ["--kb", str(kb.directory)]
    with start(*kb_option, "--port", "0", *arguments, cwd=tmp_path) as running:
        _, errors = running.communicate(timeout=30)
    assert running.returncode == code, errors
    assert said in errors
    assert "Traceback" not in errors


def test_a_port_in_use_is_said(kb: KnowledgeBase, tmp_path: Path) -> None:
    with served(kb) as web:
        port = str(web.base_url.port)
        with start("--kb", str(kb.directory), "--port", port, cwd=tmp_path) as running:
            _, errors = running.communicate(timeout=30)
    assert running.returncode == 3
    assert f"cannot listen at 127.0.0.1:{port}" in errors
