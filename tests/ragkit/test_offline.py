"""A base that was built with a model on a server sends nothing there unless its user names it."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from fake_server import FakeServer, Handler

import ragkit.embed.load
from ragkit import EmbeddingError, FingerprintError, KnowledgeBase, import_base
from ragkit.cli import cli
from ragkit.testing import HashEmbedder

QUESTION = "How long is the warranty of the kettle?"
TEXT = "The warranty of the kettle lasts three years.\n"


def embeddings(handler: Handler) -> None:
    """Answer with a vector for each text."""
    texts = handler.server.requests[-1][1]["input"]
    assert isinstance(texts, list)
    vectors = [[float(byte) for byte in hashlib.sha256(text.encode()).digest()] for text in texts]
    items = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)]
    content = json.dumps({"object": "list", "model": "m", "data": items, "usage": {}}).encode()
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


@pytest.fixture(scope="module", params=["openai:embed-1", "ollama:embed-1"])
def theirs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base of somebody else, whose model is on a server."""
    folder = tmp_path_factory.mktemp("theirs")
    (folder / "docs").mkdir()
    (folder / "docs" / "kettle.txt").write_text(TEXT, encoding="utf-8")
    with KnowledgeBase(folder / "kb", embedder=HashEmbedder(name=request.param)) as kb:
        kb.ingest(folder / "docs")
        kb.export(folder / "theirs.ragkit")
    return folder


@pytest.fixture
def docs(theirs: Path, tmp_path: Path) -> Path:
    shutil.copytree(theirs / "docs", tmp_path / "docs")
    (tmp_path / "docs" / "new.txt").write_text("A new file.\n", encoding="utf-8")
    return tmp_path / "docs"


@pytest.fixture
def base(theirs: Path, tmp_path: Path, server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The base, imported where its server would be reached."""
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", "a key")
    monkeypatch.setenv("RAGKIT_EMBEDDER_BASE_URL", server.url)
    server.scripts = [embeddings]
    import_base(theirs / "theirs.ragkit", tmp_path / "kb")
    return tmp_path / "kb"


CALLS: dict[str, Callable[[KnowledgeBase, Path], object]] = {
    "search": lambda kb, _: kb.search(QUESTION),
    "search by meaning": lambda kb, _: kb.search(QUESTION, mode="dense"),
    "ask": lambda kb, _: kb.ask(QUESTION),
    "chat": lambda kb, _: kb.chat("alice", memory=("window", "turns")).ask(QUESTION),
    "memory": lambda kb, _: kb.memory("alice").recall(QUESTION),
    "tool": lambda kb, _: kb.as_tool()(query=QUESTION),
    "ingest": lambda kb, docs: kb.ingest(docs),
    "rebuild": lambda kb, _: kb.rebuild(),
    "check": lambda kb, _: kb.check(),
    "repair": lambda kb, _: kb.repair(),
    "status": lambda kb, _: kb.status(),
}


@pytest.mark.parametrize("call", CALLS)
def test_nothing_is_sent_by_python(base: Path, docs: Path, server: FakeServer, call: str) -> None:
    with KnowledgeBase(base, embedder_base_url=server.url) as kb:
        try:
            CALLS[call](kb, docs)
        except EmbeddingError as error:
            assert "to let texts be sent there" in str(error)
    assert server.paths == []


COMMANDS = {
    "search": ["search", QUESTION],
    "search by meaning": ["search", QUESTION, "--mode", "dense"],
    "ask": ["ask", QUESTION],
    "ask in a session": ["ask", QUESTION, "--session", "alice"],
    "ingest": ["ingest", "DOCS"],
    "rebuild": ["rebuild"],
    "doctor": ["doctor", "--repair"],
    "status": ["status"],
    "eval": ["eval", "GOLDEN"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_is_sent_by_the_command_line(
    base: Path, docs: Path, tmp_path: Path, server: FakeServer, command: str
) -> None:
    golden = {"id": "1", "question": QUESTION, "answerable": True, "answer": "three years"}
    golden["relevant"] = [{"path": "kettle.txt", "start": 0, "end": len(TEXT)}]
    (tmp_path / "golden.jsonl").write_text(json.dumps(golden) + "\n", encoding="utf-8")
    places = {"DOCS": str(docs), "GOLDEN": str(tmp_path / "golden.jsonl")}
    arguments = [places.get(word, word) for word in COMMANDS[command]]
    result = CliRunner().invoke(cli, [*arguments, "--kb", str(base)])
    assert result.exit_code in (0, 1, 3), result.output
    assert server.paths == []


def test_what_is_named_is_asked(base: Path, server: FakeServer) -> None:
    with KnowledgeBase(base) as kb:
        name = kb.status().embedder
    assert name is not None
    with pytest.raises(FingerprintError):  # the server's vectors are others than the base's
        KnowledgeBase(base, embedder=name, embedder_base_url=server.url)
    assert set(server.paths) == {"/v1/embeddings"}


def test_nothing_is_downloaded_because_a_base_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kettle.txt").write_text(TEXT, encoding="utf-8")
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder(name="somebody/model")) as kb:
        kb.ingest(tmp_path / "kettle.txt")
    asked: list[str] = []
    monkeypatch.setattr(ragkit.embed.load, "_download", lambda name, _: asked.append(name))
    with KnowledgeBase(tmp_path / "kb") as kb:
        for call in (lambda: kb.search(QUESTION, mode="dense"), kb.rebuild):
            with pytest.raises(EmbeddingError, match="to download it"):
                call()
        assert kb.ask(QUESTION).degraded
        assert {check.name for check in kb.check() if check.status == "fail"} == {"model"}
    assert asked == []
