"""Reading what a sentence-transformers folder says about its model, without loading the model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragkit.embed.embedder import ModelFingerprint
from ragkit.errors import EmbeddingError

WEIGHTS_FILE = "model.safetensors"


class NotCompilableError(Exception):
    """This model is not of the family that can be compiled; the message names what differs."""


@dataclass(frozen=True, slots=True)
class BertShape:
    """What of a BERT model's configuration shapes its computation."""

    layers: int
    heads: int
    width: int
    layer_norm_epsilon: float


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A BERT-family sentence-transformers model on disk that can be compiled.

    ``max_sequence`` counts the special tokens; ``pooling`` is ``"mean"`` or ``"cls"``.
    """

    path: Path
    shape: BertShape
    pooling: str
    max_sequence: int
    query_prefix: str
    passage_prefix: str

    @property
    def weights(self) -> Path:
        """The file with the weights."""
        return self.path / WEIGHTS_FILE

    @property
    def tokenizer(self) -> Path:
        """The file with the tokenizer."""
        return self.path / "tokenizer.json"

    def fingerprint(self, name: str, weights_sha256: str) -> ModelFingerprint:
        """Describe the vectors of this model; ``runtime`` is left for the caller to fill in."""
        return ModelFingerprint(
            model=f"{name}@sha256:{weights_sha256[:12]}",
            dimension=self.shape.width,
            pooling=self.pooling,
            normalised=True,
            query_prefix=self.query_prefix,
            passage_prefix=self.passage_prefix,
        )


def read_model_folder(path: Path) -> ModelFolder:
    """Read the configuration files in ``path``.

    Raises:
        NotCompilableError: the model is of another kind, or kept in another form.
        EmbeddingError: a file is damaged.
    """
    pooling = _pooling(path)
    transformer = _read_optional(path / "sentence_bert_config.json")
    _require(not transformer.get("do_lower_case"), "its texts are put in lower case beforehand")
    query_prefix, passage_prefix = read_prefixes(path)
    shape, max_sequence = _bert(path, read_json(path / "config.json"), transformer)
    return ModelFolder(path, shape, pooling, max_sequence, query_prefix, passage_prefix)


def read_cross_encoder_folder(path: Path) -> ModelFolder:
    """Read the configuration of a cross-encoder in ``path``: BERT with one logit for a pair.

    Raises:
        NotCompilableError: the model is of another kind, or kept in another form.
        EmbeddingError: a file is damaged.
    """
    config = read_json(path / "config.json")
    kinds = config.get("architectures")
    _require(kinds == ["BertForSequenceClassification"], "it is no BERT classifier")
    labels = config.get("id2label")
    _require(isinstance(labels, dict) and len(labels) == 1, "it gives not one number for a pair")
    shape, max_sequence = _bert(path, config, {})
    return ModelFolder(path, shape, "cls", max_sequence, "", "")


def _bert(
    path: Path, config: Mapping[str, Any], transformer: Mapping[str, Any]
) -> tuple[BertShape, int]:
    """Check that a model can be compiled; return its shape and how many tokens it reads."""
    _require(config.get("model_type") == "bert", "it is not a BERT model")
    _require(config.get("hidden_act", "gelu") == "gelu", "its activation is not GELU")
    position = config.get("position_embedding_type") or "absolute"
    _require(position == "absolute", "its positions are not absolute")
    _require(not config.get("is_decoder"), "it is a decoder")
    _require((path / WEIGHTS_FILE).is_file(), f"it has no single file {WEIGHTS_FILE!r}")
    _require((path / "tokenizer.json").is_file(), "it has no 'tokenizer.json'")
    try:
        shape = BertShape(
            layers=int(config["num_hidden_layers"]),
            heads=int(config["num_attention_heads"]),
            width=int(config["hidden_size"]),
            layer_norm_epsilon=float(config.get("layer_norm_eps", 1e-12)),
        )
        max_sequence = _max_sequence(path, transformer, int(config["max_position_embeddings"]))
    except (KeyError, TypeError, ValueError) as error:
        raise EmbeddingError(
            f"{str(path / 'config.json')!r} lacks or garbles a setting: {error}"
        ) from error
    return shape, max_sequence


def read_prefixes(path: Path) -> tuple[str, str]:
    """Return what the model wants before a query and before a passage."""
    settings = _read_optional(path / "config_sentence_transformers.json")
    prompts = settings.get("prompts")
    return choose_prefixes(
        prompts if isinstance(prompts, dict) else {}, settings.get("default_prompt_name")
    )


def choose_prefixes(prompts: Mapping[str, str], default: str | None) -> tuple[str, str]:
    """Pick the prompts for queries and passages by the names sentence-transformers gives them."""
    fallback = prompts.get(default, "") if default else ""

    def first(*names: str) -> str:
        return next((prompts[name] for name in names if prompts.get(name)), fallback)

    return first("query"), first("document", "passage", "corpus")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        EmbeddingError: the file cannot be read or holds something else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EmbeddingError(f"the model's file {str(path)!r} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise EmbeddingError(f"the model's file {str(path)!r} holds no JSON object")
    return value


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _pooling(path: Path) -> str:
    """Check the chain of modules; return how token vectors become one."""
    modules_file = path / "modules.json"
    _require(modules_file.is_file(), "it has no 'modules.json'")
    try:
        modules = json.loads(modules_file.read_text(encoding="utf-8"))
        kinds = [str(module["type"]).rsplit(".", 1)[-1] for module in modules]
        folder = path / str(modules[1]["path"]) if len(modules) > 1 else path
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EmbeddingError(
            f"the model's file {str(modules_file)!r} cannot be read: {error}"
        ) from error
    allowed = (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
    _require(kinds in allowed, f"it is made of {', '.join(kinds)}")
    _require(not modules[0]["path"], "its transformer is in a folder of its own")
    config = read_json(folder / "config.json")
    mode = config.get("pooling_mode")
    modes = {
        key.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token")
        for key, value in config.items()
        if key.startswith("pooling_mode_") and value is True
    }
    if mode:
        modes = {mode} if isinstance(mode, str) else set(mode)
    _require(modes in ({"mean"}, {"cls"}), f"it pools by {', '.join(sorted(modes)) or 'nothing'}")
    _require(config.get("include_prompt", True) is True, "it leaves its prompt out of the pooling")
    return str(modes.pop())


def _max_sequence(path: Path, transformer: Mapping[str, Any], positions: int) -> int:
    stated = transformer.get("max_seq_length")
    if stated is None:
        stated = _read_optional(path / "tokenizer_config.json").get("model_max_length", positions)
    return min(int(stated), positions)


def _read_optional(path: Path) -> dict[str, Any]:
    return read_json(path) if path.exists() else {}


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise NotCompilableError(otherwise)
