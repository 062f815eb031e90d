"""A base that was built with a model on a server sends nothing there unless its user names it."""

import contextlib
import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from fake_server import FakeServer, Handler

import ragkit.embed.load
from ragkit import CorruptError, EmbeddingError, FingerprintError, KnowledgeBase, import_base
from ragkit.cli import cli
from ragkit.embed import DEFAULT_EMBEDDER, load_embedder
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
            with pytest.raises(EmbeddingError, match="or to download it"):
                call()
        assert kb.ask(QUESTION).degraded
        assert {check.name for check in kb.check() if check.status == "fail"} == {"model"}
    assert asked == []


def built_with(name: str, directory: Path) -> Path:
    """A base that says it was built with ``name``."""
    file = directory.parent / "kettle.txt"
    file.write_text(TEXT, encoding="utf-8")
    with KnowledgeBase(directory, embedder=HashEmbedder(name=name)) as kb:
        kb.ingest(file)
    return directory


def model_folder(folder: Path) -> Path:
    """A folder that would be taken for a model: sentence-transformers reads its modules.json."""
    folder.mkdir()
    module = [{"idx": 0, "name": "0", "path": "", "type": "code.Module"}]
    (folder / "modules.json").write_text(json.dumps(module), encoding="utf-8")
    (folder / "config.json").write_text("{}", encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "code.py").write_text("raise SystemExit('it ran')", encoding="utf-8")
    return folder


@pytest.mark.parametrize("form", ["relative", "absolute", "like a name on the hub"])
def test_a_folder_that_only_a_base_names_is_never_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    (tmp_path / "somebody").mkdir()
    folder = model_folder(tmp_path / "somebody" / "model")
    name = {"relative": "./somebody/model", "absolute": str(folder)}.get(form, "somebody/model")
    base = built_with(name, tmp_path / "kb")
    monkeypatch.chdir(tmp_path)
    looked: list[Path] = []
    monkeypatch.setattr(
        ragkit.embed.load,
        "_from_folder",
        lambda folder, *_: looked.append(folder) or HashEmbedder(),
    )
    if form.startswith("like"):  # that the user once named the hub's model allows no folder
        monkeypatch.setattr(ragkit.embed.load, "hub_snapshot", lambda _name: tmp_path / "cached")
        monkeypatch.chdir(tmp_path / "somebody")
        load_embedder(name)
        monkeypatch.chdir(tmp_path)
        assert looked == [tmp_path / "cached"]
        load_embedder(name, named=False)
        assert looked == [tmp_path / "cached"] * 2
        return
    with KnowledgeBase(base) as kb:
        for call in (lambda: kb.search(QUESTION, mode="dense"), kb.rebuild):
            with pytest.raises(EmbeddingError, match=f"name it with --embedder {name!r}"):
                call()
    assert looked == []
    load_embedder(name)
    load_embedder(name, named=False)
    assert looked == [folder.resolve()] * 2
    monkeypatch.chdir(tmp_path / "somebody")
    if form == "relative":  # it would be another folder from here
        with pytest.raises(EmbeddingError, match="which you have not named"):
            load_embedder(name, named=False)


def test_a_server_that_was_named_once_needs_no_word_but_no_other_address(
    tmp_path: Path, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.scripts = [embeddings]
    with KnowledgeBase(
        tmp_path / "kb", embedder="ollama:embed-1", embedder_base_url=server.url
    ) as kb:
        kb.add(TEXT, path="kettle.txt")
    server.paths.clear()
    with KnowledgeBase(tmp_path / "kb") as kb:
        assert kb.search(QUESTION, mode="dense")[0].path == "kettle.txt"
    assert server.paths
    server.paths.clear()
    with (
        KnowledgeBase(tmp_path / "kb", embedder_base_url=f"{server.url}/other") as kb,
        pytest.raises(EmbeddingError, match="to let texts be sent there"),
    ):
        kb.search(QUESTION, mode="dense")
    assert server.paths == []


def test_where_nothing_can_be_noted_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: FakeServer
) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    monkeypatch.setenv("RAGKIT_STATE", str(tmp_path / "file"))
    heard: list[object] = []
    load_embedder("ollama:embed-1", base_url=server.url, listener=heard.append)
    assert "set RAGKIT_STATE" in str(heard)


def test_a_path_in_a_base_does_not_lead_out_of_its_folder(tmp_path: Path) -> None:
    base = built_with(DEFAULT_EMBEDDER, tmp_path / "kb")
    with KnowledgeBase(base) as kb:
        assert kb.locate("kettle.txt") == tmp_path / "kettle.txt"
    with contextlib.closing(sqlite3.connect(base / "knowledge.sqlite3")) as connection:
        connection.execute("UPDATE documents SET relative_path = '../../etc/passwd'")
        connection.commit()
    with KnowledgeBase(base) as kb, pytest.raises(CorruptError, match="leads out of the folder"):
        kb.locate("kettle.txt")
