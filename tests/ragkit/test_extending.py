"""Another package that is installed: what it names in each group is used, by name and in the shell."""

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
ENTRY_POINTS = """
[ingest.loaders]
shout = kitchen:SHOUT
[ragkit.embedders]
kitchen = kitchen:make_embedder
[ragkit.vector_indexes]
kitchen = kitchen:Vectors
[ragkit.word_indexes]
kitchen = kitchen:Words
[ragkit.rerankers]
kitchen = kitchen:Reranker
[ragkit.expanders]
kitchen = kitchen:Expander
[ragkit.chat_models]
kitchen = kitchen:make_model
[ragkit.tools]
kitchen = kitchen:scales
[ragkit.memories]
kitchen = kitchen:make_memory
[ragkit.trace_sinks]
kitchen = kitchen:make_sink
"""
KITCHEN = '''
import os
from ingest import Document, LoaderSpec
from ragkit import Delta, Note, Recall, tool
from ragkit.index.faiss_index import FaissIndex
from ragkit.index.tantivy_index import TantivyIndex
from ragkit.results import Usage
from ragkit.testing import HashEmbedder

USED = []

def shout(source):
    return Document(text=source.data.decode().upper(), format="shout")

SHOUT = LoaderSpec("shout", (".shout",), shout)

def make_embedder(rest, **options):
    USED.append(("embedder", rest, options))
    return HashEmbedder(name=f"kitchen:{rest}")

class Vectors(FaissIndex):
    def __init__(self, *place):
        USED.append(("vectors",))
        super().__init__(*place)

class Words(TantivyIndex):
    def __init__(self, *place):
        USED.append(("words",))
        super().__init__(*place)

class Reranker:
    def scores(self, question, passages):
        return [1.0 if "BUTTER" in text else 0.5 for text in passages]

class Expander:
    def expand(self, question):
        return ["butter"]

class Model:
    name, context_window, native_tools = "kitchen:chef", 8192, False
    def stream(self, messages, *, max_tokens, **options):
        USED.append(("model", " ".join(message.content for message in messages)))
        yield Delta(text="THE WARRANTY OF THE KETTLE IS THREE YEARS. [1]")
        yield Delta(finish_reason="stop", usage=Usage(1, 1))

def make_model(rest, **options):
    USED.append(("made", rest, options))
    return Model()

@tool
def scales(grams: int) -> str:
    """Weigh something."""
    return f"{grams} g"

class Memory:
    def remember(self, question, answer, *, trace=None):
        USED.append(("remembered", question))
    def recall(self, question, *, max_tokens=1000):
        return Recall(notes=(Note("The cook is called Ina.", kind="kitchen", why="always"),))

def make_memory(log):
    USED.append(("memory of", log.session))
    return Memory()

def make_sink(rest):
    return lambda span: USED.append(("span", rest, span.name))
'''
SCRIPT = """
import json, sys
from pathlib import Path
from click.testing import CliRunner
from ragkit import EmbeddingError, KnowledgeBase
from ragkit.cli import cli

def run(*arguments):
    result = CliRunner().invoke(cli, [*arguments, "--kb", "kb", "--json"])
    assert result.exit_code == 0, (arguments, result.output, result.exception)
    return json.loads(result.stdout)

Path("docs").mkdir()
Path("docs/kettle.shout").write_text("The warranty of the kettle is three years.")
Path("docs/cake.txt").write_text("A cake needs BUTTER.")
question, embedder = "How long is the warranty of the kettle?", ["--embedder", "kitchen:9"]

assert "kitchen" not in sys.modules
assert sorted(run("ingest", "docs", *embedder)["added"]) == ["cake.txt", "kettle.shout"]
import kitchen
assert ("embedder", "9", {}) in kitchen.USED

hits = run("search", question, *embedder)["hits"]
assert hits[0]["text"].strip() == "THE WARRANTY OF THE KETTLE IS THREE YEARS.", "by its loader"
hits = run("search", question, *embedder, "--rerank", "kitchen", "--expand", "kitchen")["hits"]
assert hits[0]["path"] == "cake.txt", "by its reranker and expander"

answer = run("ask", question, *embedder, "--model", "kitchen:chef", "--session", "ina",
             "--memory", "kitchen")
assert answer["model"] == "kitchen:chef" and answer["citations"], answer
assert ("made", "chef", {}) in kitchen.USED
assert ("memory of", "ina") in kitchen.USED, kitchen.USED
assert ("remembered", question) in kitchen.USED, kitchen.USED
assert any("Ina" in used[1] for used in kitchen.USED if used[0] == "model"), "by its memory"

run("agent", question, *embedder, "--model", "kitchen:chef", "--tool", "kitchen")
assert any("scales" in used[1] for used in kitchen.USED if used[0] == "model"), "told of its tool"

kitchen.USED.clear()
with KnowledgeBase("kb", embedder="kitchen:9", vector_index="kitchen", word_index="kitchen",
                   sinks=["kitchen:7"]) as kb:
    kb.ask(question)
assert {("vectors",), ("words",)} <= set(used for used in kitchen.USED if len(used) == 1), kitchen.USED
assert ("span", "7", "search") in kitchen.USED, kitchen.USED

with KnowledgeBase("kb") as kb:  # nobody named its embedder here
    kitchen.USED.clear()
    try:
        kb.search(question, mode="dense")
    except EmbeddingError as error:
        assert "name it with --embedder" in str(error)
    else:
        raise AssertionError("a base named an embedder of another package")
    assert kitchen.USED == []
print("done")
"""


def test_a_package_that_is_installed_adds_to_every_seam(tmp_path: Path) -> None:
    site = tmp_path / "site"
    metadata = site / "kitchen-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "kitchen.py").write_text(KITCHEN, encoding="utf-8")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS, encoding="utf-8")
    text = "Metadata-Version: 2.1\nName: kitchen\nVersion: 1.0\n"
    (metadata / "METADATA").write_text(text, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(REPOSITORY)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout.strip() == "done", run.stderr[-2_000:]
