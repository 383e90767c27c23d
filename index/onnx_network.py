"""The network of the bundled model in ONNX Runtime.

Decision: exported once by torch (with onnxscript) when the model is written out, and run by onnxruntime, which comes
with chromadb. Measured on 2026-11-25 on two cores: a question of 22 tokens takes 9.5 ms, in torch 22 ms, as torch packs
the weights anew for each product. States differ by 1e-6. Passages have a network of their own
(index/passage_network.py).

Tried for questions: weights of 8 bits (torch's dynamic quantisation), 12 ms, but recall@1 of English questions falls
from 0.907 to 0.897; those of 16 bits, 19 ms.
"""

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from onnxruntime import InferenceSession, SessionOptions
from transformers.modeling_outputs import BaseModelOutput

from index.errors import ModelError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from transformers import BertModel, PretrainedConfig

FILE = Path("onnx", "model.onnx")
INPUTS = ("input_ids", "attention_mask")


class OnnxNetwork(torch.nn.Module):
    """Stands where sentence-transformers has a torch network. Safe between threads."""

    def __init__(self, path: Path, config: "PretrainedConfig") -> None:
        super().__init__()
        self.config = config
        options = SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self._session = InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **_: object) -> BaseModelOutput:
        """Last states, (n_texts, n_tokens, width)."""
        inputs = {"input_ids": input_ids.numpy(), "attention_mask": attention_mask.numpy()}
        (states,) = self._session.run(None, inputs)
        return BaseModelOutput(last_hidden_state=torch.from_numpy(states))

    def states(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Of texts of one length, (n_texts, n_tokens): (n_texts, n_tokens, width)."""
        states: npt.NDArray[np.float32] = self._session.run(
            None, {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        )[0]
        return states


class _LastStates(torch.nn.Module):
    def __init__(self, bert: "BertModel") -> None:
        super().__init__()
        self.bert = bert

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        states: torch.Tensor = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return states


def export_network(bert: "BertModel", folder: Path) -> None:
    """Write the network of a BERT beside its sentence-transformers model in `folder`."""
    (folder / FILE).parent.mkdir()
    tokens = torch.ones(2, 8, dtype=torch.int64)
    mask = tokens.tril(6)  # with padding, as of a mask of ones alone the exporter makes none
    any_size: Any = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it tells that torchvision is not there
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch's exporter warns of torch
        torch.onnx.export(
            _LastStates(bert).eval(),
            (tokens, mask),
            folder / FILE,
            input_names=INPUTS,
            dynamic_shapes=dict.fromkeys(INPUTS, any_size),
            verbose=False,
        )


def use_onnx(model: "SentenceTransformer", folder: Path) -> OnnxNetwork:
    """Have a model run the network that was written beside it, and return that; torch's weights are freed.

    Raises:
        ModelError: the network cannot be read.
    """
    transformer: Any = model[0]
    try:
        network = OnnxNetwork(folder / FILE, transformer.model.config)
    except Exception as exc:  # onnxruntime's own classes have no common parent
        raise ModelError(f"cannot read {str(folder / FILE)!r} ({exc}); delete {str(folder)!r} and try again") from exc
    transformer.model = network
    return network
