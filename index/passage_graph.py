"""Writes the network of the bundled model for passages (index/passage_network.py) as an ONNX graph.

Decision: node by node, not exported and then optimised. Measured on 2026-11-25 with onnxruntime 1.32, one core, a
passage of 200 tokens: 42 ms, of which products 21, attention 11 (`MultiHeadAttention`, which needs no mask here), GELU
3. With `SkipLayerNormalization`, which fuses additions and LayerNormalization, it is 50 ms: the fused node takes 9.3 ms
where those it stands for take 2.0.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from index.passage_network import FILE, Floats

if TYPE_CHECKING:
    import onnx
    from transformers import BertModel

MS = "com.microsoft"  # onnxruntime's own operators
OPSETS = {"": 21, MS: 1}
IR_VERSION = 10
LARGEST = 127  # of a weight
GELU_LEAST = 0.17  # GELU is above -0.17; with this added, all bits of a byte go to what is above


def write_passage_network(bert: "BertModel", folder: Path) -> None:
    """Write the network of a BERT beside the exact one; the word embeddings stay in the sentence-transformers file."""
    weights = {key: value.numpy() for key, value in bert.state_dict().items()}
    config, graph = bert.config, _Graph(eps=bert.config.layer_norm_eps)
    states = _embeddings(graph, weights)
    for layer in range(config.num_hidden_layers):
        scope = f"encoder.layer.{layer}."
        own = {key.removeprefix(scope): value for key, value in weights.items() if key.startswith(scope)}
        states = _attention(graph, own, states, n_heads=config.num_attention_heads)
        states = _feed_forward(graph, own, states)
    graph.write(states, config.hidden_size, folder / FILE)


class _Graph:
    """A graph in the making. The methods add nodes and return the name of what comes out."""

    def __init__(self, *, eps: float) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._eps = eps

    def constant(self, values: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        from onnx import numpy_helper

        name = f"c{len(self.constants)}"
        self.constants.append(
            numpy_helper.from_array(np.ascontiguousarray(values, dtype).reshape(np.shape(values)), name)
        )
        return name

    def node(
        self, kind: str, *inputs: str, domain: str = "", n_outputs: int = 1, **attributes: int | float
    ) -> list[str]:
        from onnx import helper

        names = [f"n{len(self.nodes)}.{output}" for output in range(n_outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, None, None, domain, None, **attributes))
        return names

    def add(self, first: str, second: str) -> str:
        return self.node("Add", first, second)[0]

    def norm(self, states: str, weight: Floats, bias: Floats) -> str:
        constants = self.constant(weight), self.constant(bias)
        return self.node("LayerNormalization", states, *constants, axis=-1, epsilon=self._eps)[0]

    def quantise(self, states: str, *, zero: int) -> tuple[str, str, str, str]:
        """Bytes of states, what a byte stands for, the byte of nought, and the scale of each token.

        A token's states, divided by the largest of them, are in -1..1; with `zero` 0 there is none below nought.
        """
        axis, step, nought = (
            self.constant([-1], np.int64),
            self.constant(1 / (255 - zero)),
            self.constant(zero, np.uint8),
        )
        largest = states if zero == 0 else self.node("Abs", states)[0]
        scale = self.node("ReduceMax", largest, axis, keepdims=1)[0]
        unit = self.node("Mul", states, self.node("Reciprocal", scale)[0])[0]
        return self.node("QuantizeLinear", unit, step, nought)[0], step, nought, scale

    def product(self, quantised: tuple[str, str, str, str], weights: "_Bytes") -> str:
        """States times weights, without bias."""
        values, step, nought, scale = quantised
        matrix, scales = self.constant(weights.values.T, np.int8), self.constant(weights.scales)
        return self.node(
            "Mul", self.node("MatMulIntegerToFloat", values, matrix, step, scales, nought, domain=MS)[0], scale
        )[0]

    def write(self, states: str, width: int, path: Path) -> None:
        from onnx import TensorProto, helper

        self.node("Identity", states)
        self.nodes[-1].output[0] = "states"
        words, out = (
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["texts", "tokens", width])
            for name in ("words", "states")
        )
        graph = helper.make_graph(self.nodes, "passages", [words], [out], self.constants)
        opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
        path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION).SerializeToString())


class _Bytes:
    """A matrix (n_out, n_in) as bytes in -127..127 and a scale for each row."""

    def __init__(self, matrix: Floats) -> None:
        self.scales = np.abs(matrix).max(axis=1) / LARGEST
        self.values = np.round(matrix / self.scales[:, None])

    def row_sums(self) -> Floats:
        return np.asarray(self.values.sum(axis=1) * self.scales, np.float32)


def _embeddings(graph: _Graph, weights: dict[str, Floats]) -> str:
    """Words and their positions; all tokens are of type 0."""
    places = weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
    n_tokens = graph.node("Shape", "words", start=1, end=2)[0]
    nought = graph.constant([0], np.int64)
    here = graph.node("Slice", graph.constant(places), nought, n_tokens, nought)[0]
    states = graph.add("words", here)
    return graph.norm(states, weights["embeddings.LayerNorm.weight"], weights["embeddings.LayerNorm.bias"])


def _attention(graph: _Graph, own: dict[str, Floats], states: str, *, n_heads: int) -> str:
    parts = [f"attention.self.{part}" for part in ("query", "key", "value")]
    matrix, bias = (np.concatenate([own[f"{part}.{kind}"] for part in parts]) for kind in ("weight", "bias"))
    mixed = graph.product(graph.quantise(states, zero=128), _Bytes(matrix))
    split = graph.node("Split", mixed, n_outputs=len(parts), axis=-1, num_outputs=len(parts))
    seen = graph.node("MultiHeadAttention", *split, graph.constant(bias), domain=MS, num_heads=n_heads)[0]
    out = graph.product(graph.quantise(seen, zero=128), _Bytes(own["attention.output.dense.weight"]))
    out = graph.add(graph.add(out, graph.constant(own["attention.output.dense.bias"])), states)
    return graph.norm(out, own["attention.output.LayerNorm.weight"], own["attention.output.LayerNorm.bias"])


def _feed_forward(graph: _Graph, own: dict[str, Floats], states: str) -> str:
    inner = graph.product(graph.quantise(states, zero=128), _Bytes(own["intermediate.dense.weight"]))
    inner = graph.node("BiasGelu", inner, graph.constant(own["intermediate.dense.bias"]), domain=MS)[0]
    weights = _Bytes(own["output.dense.weight"])
    raised = graph.add(inner, graph.constant(GELU_LEAST))
    out = graph.product(graph.quantise(raised, zero=0), weights)
    out = graph.add(out, graph.constant(own["output.dense.bias"] - GELU_LEAST * weights.row_sums()))
    return graph.norm(graph.add(out, states), own["output.LayerNorm.weight"], own["output.LayerNorm.bias"])
