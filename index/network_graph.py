"""Writes the networks of the bundled model (index/network.py) as ONNX graphs: a BERT that is given word embeddings.

Decision: node by node, not exported and then optimised. Measured on 2026-11-25 with onnxruntime 1.32, one core, bytes,
a passage of 200 tokens: 42 ms, of which products 21, attention 11 (`MultiHeadAttention`, which needs no mask here),
GELU 3. With `SkipLayerNormalization`, which fuses additions and LayerNormalization, it is 50 ms: the fused node takes
9.3 ms where those it stands for take 2.0.

Decision: of the exact graph the file of weights is the ONNX "external data": it holds their places there. That spares
86 MB of disk, and memory: 93 MB are taken when it is loaded, with the weights inside of the graph 142 MB. A question
takes as long.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from index.network import BYTES, EXACT, WEIGHTS
from index.tensors import Floats, Place, mapped_tensors, tensor_places

if TYPE_CHECKING:
    import onnx

MS = "com.microsoft"  # onnxruntime's own operators
OPSETS = {"": 21, MS: 1}
IR_VERSION = 10
LARGEST = 127  # of a weight
GELU_LEAST = -0.17  # a bit below the least that GELU gives


@dataclass(frozen=True, slots=True)
class Bert:
    """What of a BERT its tensors do not tell."""

    n_layers: int
    n_heads: int
    eps: float


def write_networks(folder: Path, bert: Bert) -> None:
    """Write both networks beside the weights in `folder`, by the names that transformers gives to tensors."""
    _ExactGraph(folder, bert).write(EXACT)
    _BytesGraph(folder, bert).write(BYTES)


class _ExactGraph:
    """A graph in the making. The methods add nodes and return the name of what comes out."""

    def __init__(self, folder: Path, bert: Bert) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.weights = mapped_tensors(folder / WEIGHTS)
        self._places = tensor_places(folder / WEIGHTS)
        self._folder, self._bert = folder, bert

    def write(self, file: str) -> None:
        from onnx import TensorProto, helper

        states = self._embeddings()
        for layer in range(self._bert.n_layers):
            scope = f"encoder.layer.{layer}."
            states = self._feed_forward(scope, self._attention(scope, states))
        self.node("Identity", states)
        self.nodes[-1].output[0] = "states"
        width = len(self.weights["embeddings.LayerNorm.bias"])
        words, out = (
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["texts", "tokens", width])
            for name in ("words", "states")
        )
        graph = helper.make_graph(self.nodes, "bert", [words], [out], self.constants)
        opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        (self._folder / file).write_bytes(model.SerializeToString())

    def _embeddings(self) -> str:
        """Words and their positions; all tokens are of type 0."""
        place, kind = (self.weights[f"embeddings.{part}_embeddings.weight"] for part in ("position", "token_type"))
        n_tokens = self.node("Shape", "words", start=1, end=2)[0]
        nought = self.constant([0], np.int64)
        here = self.node("Slice", self.constant(place + kind[0]), nought, n_tokens, nought)[0]
        return self.norm(self.add("words", here), "embeddings.LayerNorm")

    def _attention(self, scope: str, states: str) -> str:
        parts = [f"{scope}attention.self.{part}" for part in ("query", "key", "value")]
        bias = self.constant(np.concatenate([self.weights[f"{part}.bias"] for part in parts]))
        mixed = self.products(states, parts)
        seen = self.node("MultiHeadAttention", *mixed, bias, domain=MS, num_heads=self._bert.n_heads)[0]
        out = self.linear(seen, f"{scope}attention.output.dense")
        return self.norm(self.add(out, states), f"{scope}attention.output.LayerNorm")

    def _feed_forward(self, scope: str, states: str) -> str:
        (inner,) = self.products(states, [f"{scope}intermediate.dense"])
        inner = self.node("BiasGelu", inner, self.weight(f"{scope}intermediate.dense.bias"), domain=MS)[0]
        out = self.linear(inner, f"{scope}output.dense", least=GELU_LEAST)
        return self.norm(self.add(out, states), f"{scope}output.LayerNorm")

    def products(self, states: str, parts: list[str]) -> list[str]:
        """States times the weights of each part, without bias."""
        return [
            self.node("FusedMatMul", states, self.weight(f"{part}.weight"), domain=MS, transB=1)[0] for part in parts
        ]

    def linear(self, states: str, part: str, *, least: float | None = None) -> str:
        """States times weights, with bias; no state is below `least`."""
        return self.add(self.products(states, [part])[0], self.weight(f"{part}.bias"))

    def norm(self, states: str, part: str) -> str:
        constants = self.weight(f"{part}.weight"), self.weight(f"{part}.bias")
        return self.node("LayerNormalization", states, *constants, axis=-1, epsilon=self._bert.eps)[0]

    def add(self, first: str, second: str) -> str:
        return self.node("Add", first, second)[0]

    def node(
        self, kind: str, *inputs: str, domain: str = "", n_outputs: int = 1, **attributes: int | float
    ) -> list[str]:
        from onnx import helper

        names = [f"n{len(self.nodes)}.{output}" for output in range(n_outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, None, None, domain, None, **attributes))
        return names

    def constant(self, values: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        from onnx import numpy_helper

        name = f"c{len(self.constants)}"
        array = np.ascontiguousarray(values, dtype).reshape(np.shape(values))
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def weight(self, name: str) -> str:
        """A tensor that stays in the file of weights."""
        self.constants.append(_outside(f"c{len(self.constants)}", self._places[name]))
        return self.constants[-1].name


class _BytesGraph(_ExactGraph):
    """The same with products of bytes."""

    def products(self, states: str, parts: list[str]) -> list[str]:
        quantised = self.quantise(states, zero=128)
        return [self.product(quantised, _Bytes(self.weights[f"{part}.weight"])) for part in parts]

    def linear(self, states: str, part: str, *, least: float | None = None) -> str:
        """What is raised to be above nought has all the bits of a byte for itself."""
        if least is None:
            return super().linear(states, part)
        weights = _Bytes(self.weights[f"{part}.weight"])
        raised = self.add(states, self.constant(-least))
        out = self.product(self.quantise(raised, zero=0), weights)
        return self.add(out, self.constant(self.weights[f"{part}.bias"] + least * weights.row_sums()))

    def quantise(self, states: str, *, zero: int) -> tuple[str, str, str, str]:
        """Bytes of states, what a byte stands for, the byte of nought, and the scale of each token.

        A token's states, divided by the largest of them, are in -1..1; with `zero` 0 there is none below nought.
        """
        axis = self.constant([-1], np.int64)
        step, nought = self.constant(1 / (255 - zero)), self.constant(zero, np.uint8)
        largest = states if zero == 0 else self.node("Abs", states)[0]
        scale = self.node("ReduceMax", largest, axis, keepdims=1)[0]
        unit = self.node("Mul", states, self.node("Reciprocal", scale)[0])[0]
        return self.node("QuantizeLinear", unit, step, nought)[0], step, nought, scale

    def product(self, quantised: tuple[str, str, str, str], weights: "_Bytes") -> str:
        values, step, nought, scale = quantised
        matrix, scales = self.constant(weights.values.T, np.int8), self.constant(weights.scales)
        inputs = values, matrix, step, scales, nought
        return self.node("Mul", self.node("MatMulIntegerToFloat", *inputs, domain=MS)[0], scale)[0]


class _Bytes:
    """A matrix (n_out, n_in) as bytes in -127..127 and a scale for each row."""

    def __init__(self, matrix: Floats) -> None:
        self.scales = np.abs(matrix).max(axis=1) / LARGEST
        self.values = np.round(matrix / self.scales[:, None])

    def row_sums(self) -> Floats:
        return np.asarray(self.values.sum(axis=1) * self.scales, np.float32)


def _outside(name: str, place: Place) -> "onnx.TensorProto":
    from onnx import StringStringEntryProto, TensorProto

    where = {"location": WEIGHTS, "offset": place.at, "length": place.n_bytes}
    return TensorProto(
        name=name,
        dims=place.shape,
        data_type=TensorProto.FLOAT,
        data_location=TensorProto.EXTERNAL,
        external_data=[StringStringEntryProto(key=key, value=str(value)) for key, value in where.items()],
    )
