"""The example application, through its own HTTP interface."""

import importlib.util
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ragkit import KnowledgeBase
from ragkit.errors import ModelError
from ragkit.testing import HashEmbedder, ScriptedModel

pytest.importorskip("fastapi")
pytest.importorskip("httpx")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def example() -> Any:
    path = REPOSITORY / "examples/service/app.py"
    spec = importlib.util.spec_from_file_location("example_service", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def kb(tmp_path: Path) -> KnowledgeBase:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/kettle.txt").write_text("The kettle holds two litres.", encoding="utf-8")
    kb = KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder())
    kb.ingest(tmp_path / "docs")
    return kb


@pytest.fixture
def client(example: Any, kb: KnowledgeBase) -> Iterator[Any]:
    from fastapi.testclient import TestClient

    with TestClient(example.create_app(kb)) as client:
        yield client


def ask(client: Any, question: str, **more: Any) -> Any:
    return client.post("/ask", json={"question": question, **more})


def events(text: str) -> list[tuple[str, Any]]:
    found = []
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n", 1)
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def test_an_answer_with_its_citation(client: Any) -> None:
    answer = ask(client, "How much does the kettle hold?").json()
    assert answer["citations"][0]["quote"] == "The kettle holds two litres."
    assert client.get("/health").json() == {"documents": 1, "passages": 1}
    [hit] = client.get("/search", params={"q": "kettle"}).json()["hits"]
    assert hit["path"] == "kettle.txt"


def test_a_stream_begins_with_sources_and_ends_with_the_answer(client: Any) -> None:
    done = client.post("/ask/stream", json={"question": "How much does the kettle hold?"})
    assert done.headers["content-type"].startswith("text/event-stream")
    told = events(done.text)
    assert [name for name, _ in told] == ["sources", "text", "answer"]
    assert told[1][1]["text"] == told[2][1]["text"]


def test_conversations_are_kept_shown_and_deleted(client: Any) -> None:
    ask(client, "How much does the kettle hold?", session="alice")
    ask(client, "And what does it hold?", session="alice")
    [info] = client.get("/sessions").json()["sessions"]
    assert (info["name"], info["turns"]) == ("alice", 4)
    assert len(client.get("/sessions/alice").json()["turns"]) == 4
    assert client.delete("/sessions/alice").status_code == 204
    assert client.get("/sessions/alice").status_code == 404
    assert client.delete("/sessions/alice").status_code == 404


def test_a_conversation_may_have_any_name(client: Any) -> None:
    ask(client, "How much does the kettle hold?", session="ملف/2")
    assert len(client.get("/sessions/ملف/2").json()["turns"]) == 2
    assert client.delete("/sessions/ملف/2").status_code == 204


def test_a_stream_that_is_given_up_does_not_hold_its_conversation(
    example: Any, kb: KnowledgeBase
) -> None:
    service = example.Service(kb)
    question = example.Question(question="How much does the kettle hold?", session="carol")
    given_up = service.events(question)
    next(given_up)
    del given_up
    *_, answer = service.events(question)
    assert "two litres" in answer.text
    assert len(kb.turns("carol")) == 2
    kb.close()


def test_many_at_once_in_one_conversation(client: Any) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda n: ask(client, f"What holds {n} litres?", session="bob"), range(8))
        )
    assert {answer.status_code for answer in answers} == {200}
    roles = [turn["role"] for turn in client.get("/sessions/bob").json()["turns"]]
    assert roles == ["user", "assistant"] * 8


def test_a_users_mistake_is_explained(client: Any) -> None:
    done = ask(client, "kettle?", where={"colour": "red"})
    assert done.status_code == 400
    assert "colour" in done.json()["detail"]
    assert ask(client, "").status_code == 422
    assert ask(client, "   ").status_code == 400


def test_a_model_that_fails_is_said_in_the_answer(example: Any, kb: KnowledgeBase) -> None:
    from fastapi.testclient import TestClient

    with ScriptedModel(ModelError("the server is down")) as model:
        kb._base.model = model
        with TestClient(example.create_app(kb)) as client:
            answer = ask(client, "How much does the kettle hold?").json()
    assert "two litres" in answer["text"]
    assert "the server is down" in answer["degraded"][0]
