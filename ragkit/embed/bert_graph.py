"""Writing a BERT sentence encoder or cross-encoder down as an ONNX graph, from its weights.

The graph takes the token ids of one text, shape (tokens,), and gives its vector, shape (1, width),
of unit length. One text at a time needs no padding and no mask, and a quantised result does not
depend on what else happens to be in a batch. Texts run in parallel instead, one on each core.

Its operators are ONNX's own and those that ONNX Runtime adds under ``com.microsoft``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ragkit.embed.model_cache import COMPILER_VERSION
from ragkit.embed.model_folder import ModelFolder, NotCompilableError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

Precision = Literal["int8", "float32"]

_OPSET = 20
_IR_VERSION = 10
_RUNTIME_DOMAIN = "com.microsoft"

# Weights use 7 of their 8 bits: without VNNI, the x86 instruction that multiplies unsigned by
# signed bytes adds pairs in 16 bits, which two products of full range overflow.
_WEIGHT_LIMIT = 63


def build_graph(model: ModelFolder, precision: Precision) -> bytes:
    """Return the serialised ONNX model.

    Raises:
        NotCompilableError: the weights are not named or stored as in a BERT model.
    """
    return _Builder(model, _read_weights(model.weights), precision).build()


def build_cross_encoder_graph(model: ModelFolder, precision: Precision) -> bytes:
    """Return the serialised ONNX model of a cross-encoder.

    It takes the token ids of one pair of texts and which text each is of (0 or 1), both of shape
    (tokens,), and gives one logit, shape (1, 1).

    Raises:
        NotCompilableError: the weights are not named or stored as in a BERT model with a pooler and
            a classifier.
    """
    return _Builder(model, _read_weights(model.weights), precision).build_cross_encoder()


def _read_weights(path: Path) -> Mapping[str, NDArray[np.float32]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
    except (SafetensorError, KeyError, TypeError, OSError) as error:
        raise NotCompilableError(f"its weights cannot be read by numpy: {error}") from error
    return {
        name.removeprefix("bert."): tensor.astype(np.float32, copy=False)
        for name, tensor in tensors.items()
        if np.issubdtype(tensor.dtype, np.floating)
    }


class _Builder:
    """Collects the nodes and constants of one graph; values are known by their names."""

    def __init__(
        self,
        model: ModelFolder,
        weights: Mapping[str, NDArray[np.float32]],
        precision: Precision,
    ) -> None:
        self._model = model
        self._weights = weights
        self._precision = precision
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._values = 0

    def build(self) -> bytes:
        self._pool(self._encoded(self._embeddings("token_ids")), "vector")
        return self._serialised("sentence_encoder", ["token_ids"], "vector", self._width)

    def build_cross_encoder(self) -> bytes:
        hidden = self._encoded(self._embeddings("token_ids", "text_numbers"))
        first = self._constant("first_token", np.array(0, np.int64))
        pooled = self._node("Gather", [hidden, first], axis=1)
        pooled = self._node("Tanh", [self._whole_linear(pooled, "pooler.dense")])
        self._whole_linear(pooled, "classifier", output="logit")
        return self._serialised("cross_encoder", ["token_ids", "text_numbers"], "logit", 1)

    def _encoded(self, hidden: str) -> str:
        for layer in range(self._model.shape.layers):
            hidden = self._layer(hidden, f"encoder.layer.{layer}")
        return hidden

    def _serialised(self, name: str, inputs: list[str], output: str, width: int) -> bytes:
        from onnx import TensorProto, helper

        graph = helper.make_graph(
            self._nodes,
            name,
            [helper.make_tensor_value_info(one, TensorProto.INT64, ["tokens"]) for one in inputs],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, [1, width])],
            list(self._constants.values()),
        )
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_RUNTIME_DOMAIN, 1)]
        model = helper.make_model(
            graph,
            opset_imports=opsets,
            ir_version=_IR_VERSION,
            producer_name="ragkit",
            producer_version=str(COMPILER_VERSION),
        )
        return bytes(model.SerializeToString())

    @property
    def _width(self) -> int:
        return self._model.shape.width

    def _embeddings(self, token_ids: str, text_numbers: str = "") -> str:
        words = self._weight("embeddings.word_embeddings.weight")
        if self._precision == "int8":
            # One scale for each word: the error is that of a single rounding.
            scales = np.maximum(np.abs(words).max(axis=1, keepdims=True), 1e-12) / 127
            table = self._constant("words", np.rint(words / scales).astype(np.int8))
            steps = self._node("Gather", [table, token_ids])
            rows = self._node("Cast", [steps], to=1)  # 1 is ONNX's number for float32
            scale = self._constant("word_scales", scales.astype(np.float32))
            row_scales = self._node("Gather", [scale, token_ids])
            found = self._node("Mul", [rows, row_scales])
        else:
            found = self._node("Gather", [self._constant("words", words), token_ids])
        positions = self._weight("embeddings.position_embeddings.weight")
        types = self._weight("embeddings.token_type_embeddings.weight")
        if text_numbers:
            of_type = self._node("Gather", [self._constant("types", types), text_numbers])
            found = self._node("Add", [found, of_type])
        else:
            positions = positions + types[0]  # there is only one text
        table = self._constant("positions", positions)
        zero = self._constant("zero", np.array([0], np.int64))
        count = self._node("Shape", [token_ids])
        rows = self._node("Slice", [table, zero, count])
        summed = self._node("Add", [found, rows])
        normal = self._layer_norm(summed, "embeddings.LayerNorm")
        return self._node("Unsqueeze", [normal, zero])

    def _layer(self, hidden: str, name: str) -> str:
        attended = self._attention(hidden, name)
        output = self._linear(attended, f"{name}.attention.output.dense")
        summed = self._node("Add", [output, hidden])
        hidden = self._layer_norm(summed, f"{name}.attention.output.LayerNorm")
        wide = self._linear(hidden, f"{name}.intermediate.dense", by_row=True)
        active = self._node("Gelu", [wide], domain=_RUNTIME_DOMAIN)
        narrow = self._linear(active, f"{name}.output.dense", by_row=True)
        summed = self._node("Add", [narrow, hidden])
        return self._layer_norm(summed, f"{name}.output.LayerNorm")

    def _attention(self, hidden: str, name: str) -> str:
        parts = [f"{name}.attention.self.{part}" for part in ("query", "key", "value")]
        weight = np.concatenate([self._weight(f"{part}.weight") for part in parts])
        bias = np.concatenate([self._weight(f"{part}.bias") for part in parts])
        joined = self._product(hidden, f"{name}.qkv", weight, bias)
        sizes = self._constant("qkv_sizes", np.array([self._width] * 3, np.int64))
        query, key, value = (self._new_value() for _ in parts)
        self._node("Split", [joined, sizes], outputs=[query, key, value], axis=-1)
        return self._node(
            "MultiHeadAttention",
            [query, key, value],
            domain=_RUNTIME_DOMAIN,
            num_heads=self._model.shape.heads,
        )

    def _pool(self, hidden: str, output: str) -> None:
        if self._model.pooling == "mean":
            axis = self._constant("token_axis", np.array([1], np.int64))
            pooled = self._node("ReduceMean", [hidden, axis], keepdims=0)
        else:
            first = self._constant("first_token", np.array(0, np.int64))
            pooled = self._node("Gather", [hidden, first], axis=1)
        self._node("LpNormalization", [pooled], outputs=[output], axis=-1, p=2)

    def _layer_norm(self, value: str, name: str) -> str:
        scale = self._constant(f"{name}.weight", self._weight(f"{name}.weight"))
        bias = self._constant(f"{name}.bias", self._weight(f"{name}.bias"))
        epsilon = self._model.shape.layer_norm_epsilon
        return self._node("LayerNormalization", [value, scale, bias], axis=-1, epsilon=epsilon)

    def _whole_linear(self, value: str, name: str, *, output: str | None = None) -> str:
        """A product that is not quantised: of one row, and so as good as free."""
        weight = self._constant(f"{name}.weight", self._weight(f"{name}.weight").T)
        bias = self._constant(f"{name}.bias", self._weight(f"{name}.bias"))
        outputs = None if output is None else [output]
        return self._node("Add", [self._node("MatMul", [value, weight]), bias], outputs=outputs)

    def _linear(self, value: str, name: str, *, by_row: bool = False) -> str:
        weight, bias = self._weight(f"{name}.weight"), self._weight(f"{name}.bias")
        return self._product(value, name, weight, bias, by_row=by_row)

    def _product(
        self,
        value: str,
        name: str,
        weight: NDArray[np.float32],
        bias: NDArray[np.float32],
        *,
        by_row: bool = False,
    ) -> str:
        """Multiply ``value`` by the transposed (outputs, inputs) weight, and add the bias.

        Quantised, a whole activation matrix shares one scale. ``by_row`` first brings each row
        (each token) to the same range, for a few tokens are ten times as large as the others: it
        halves the error of the feed-forward layers and costs two percent of the time.
        """
        bias_name = self._constant(f"{name}.bias", bias)
        transposed = weight.T
        if self._precision == "float32":
            weight_name = self._constant(f"{name}.weight", transposed)
            product = self._node("MatMul", [value, weight_name])
            return self._node("Add", [product, bias_name])
        quantised = self._quantised(name, transposed)
        if not by_row:
            return self._node(
                "DynamicQuantizeMatMul", [value, *quantised, bias_name], domain=_RUNTIME_DOMAIN
            )
        axis = self._constant("last_axis", np.array([-1], np.int64))
        tiny = self._constant("tiny", np.array(1e-12, np.float32))
        largest = self._node("ReduceMax", [self._node("Abs", [value]), axis], keepdims=1)
        largest = self._node("Max", [largest, tiny])
        scaled = self._node("Div", [value, largest])
        product = self._node("DynamicQuantizeMatMul", [scaled, *quantised], domain=_RUNTIME_DOMAIN)
        return self._node("Add", [self._node("Mul", [product, largest]), bias_name])

    def _quantised(self, name: str, weight: NDArray[np.float32]) -> list[str]:
        """Return the names of the int8 weight, its scales and zero points, one a column."""
        scales = np.maximum(np.abs(weight).max(axis=0), 1e-12) / _WEIGHT_LIMIT
        return [
            self._constant(f"{name}.weight", np.rint(weight / scales).astype(np.int8)),
            self._constant(f"{name}.scale", scales.astype(np.float32)),
            self._constant(f"{name}.zero", np.zeros(len(scales), np.int8)),
        ]

    def _weight(self, name: str) -> NDArray[np.float32]:
        try:
            return self._weights[name]
        except KeyError:
            raise NotCompilableError(f"it has no weight named {name!r}") from None

    def _constant(self, name: str, value: Array) -> str:
        from onnx import numpy_helper

        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.asarray(value, order="C"), name)
        return name

    def _new_value(self) -> str:
        self._values += 1
        return f"value_{self._values}"

    def _node(
        self,
        operator: str,
        inputs: list[str],
        *,
        outputs: list[str] | None = None,
        domain: str = "",
        **attributes: Any,
    ) -> str:
        from onnx import helper

        outputs = outputs or [self._new_value()]
        node = helper.make_node(operator, inputs, outputs, domain=domain, **attributes)
        self._nodes.append(node)
        return outputs[0]
