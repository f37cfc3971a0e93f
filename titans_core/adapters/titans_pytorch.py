"""NeuralMemory of titans-pytorch, an optional import: alone in a model, or in its MemoryAsContextTransformer.

The model runs as it is. What each memory is given and makes of it is noted where its own code computes it: gates, the
weights at which gradients are taken, keys and values, the weights after every chunk. From that the norms are taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from titans_core.adapters import neural_memory, neural_signals
from titans_core.adapters.protocol import About, Differs, Tokenizes
from titans_core.adapters.torch_model import TorchModel, together
from titans_core.errors import ConfigError, TextError
from titans_core.signals import Arrays
from titans_core.versions import installed

PACKAGE = "titans-pytorch"
BY_CHUNK = ("past_surprise", "momentum", "alignment", "eta", "alpha", "update", "forgotten", "memory")


class TitansPytorch(TorchModel):
    """A model of titans-pytorch; see TorchModel for its arguments.

    Signals: loss, surprise, momentary, theta and read of each token; eta, alpha, past_surprise, momentum, alignment,
    update, forgotten and memory once a chunk, the same for all of its tokens. A memory without momentum has no eta and
    none of what follows from it. Where the library changes pushes on their way into the momentum (max_grad_norm,
    per_parameter_lr_modulation, spectral_norm_surprises, momentum_order above 1), what is made of pushes is absent.
    The text is read in one call. Tokens of an unfinished last chunk are not written: their values are NaN.
    Raises ConfigError for a model without NeuralMemory, or with options under which a token has no gradient of its own
    (num_kv_per_token above 1, store_with_lookahead_value), and where the library is not installed; when it reads,
    TextError for a text shorter than a chunk.
    """

    def __init__(self, model: torch.nn.Module, tokenizer: Tokenizes, name: str, *, predicts: bool = True) -> None:
        super().__init__(model, tokenizer, name, predicts=predicts)
        self.memories = neural_memory.memories(model)

    def about(self) -> About:
        """See `Adapter`."""
        first = self.memories[0]
        mac = neural_memory.is_mac(self.model)
        config = {
            "memories": len(self.memories),
            "heads": first.heads,
            "batch_size": first.batch_size,
            **({"segment_len": self.model.segment_len} if mac else {}),
        }
        return About(
            library=f"{PACKAGE} {installed(PACKAGE)}",
            variant=f"{PACKAGE} MAC" if mac else f"{PACKAGE} NeuralMemory",
            chunk=first.store_chunk_size,
            config=config,
            versions={PACKAGE: installed(PACKAGE), "torch": torch.__version__},
            differs=_differs(first),
            **self._facts(),
        )

    def read(self, ids: np.ndarray) -> Iterator[Arrays]:
        """See `Adapter`: the tokens (T,), in one span."""
        at = neural_memory.positions(self.model, len(ids))
        with neural_memory.watching(self.memories) as watched:
            predicted = self._run(ids)
        layers = [_of_text(one, at) for one in watched]
        if len({frozenset(layer) for layer in layers}) > 1:
            raise ConfigError("the memories of the model have different signals; give them the same options")
        yield {**together(layers), **predicted}


def _of_text(one: neural_memory.Watched, at: np.ndarray) -> Arrays:
    """Signals (heads, T) or (T,) of a text whose tokens stand `at` these positions; NaN where nothing was written."""
    found = neural_signals.signals(one)
    if not found:
        chunk = one.memory.store_chunk_size
        raise TextError(
            f"the text has {len(at)} tokens, and this memory writes {chunk} at a time; give it a longer text"
        )
    written = found["loss"].shape[-1]
    known, place = at < written, np.minimum(at, written - 1)
    taken = {name: np.where(known, values[..., place], np.nan) for name, values in found.items()}
    return taken | {"read": neural_signals.read(one)[at]}


def _differs(memory: Any) -> dict[str, Differs]:
    """How the signals are not as ours."""
    when = f"every {memory.batch_size} positions" if memory.batch_size else "the whole text"
    usual = neural_memory.usual_loss(memory)
    mean = "a mean over the values of a head, where ours is their sum" if usual else "the module's store_memory_loss_fn"
    start = f"taken at the weights before {when}"
    push = "of the pushes of all its tokens together"
    one = {
        "loss": Differs(differs=f"{mean}; {start}"),
        "surprise": Differs(
            differs=f"gradient of the module's loss ({mean}); {start}; norm weights of the memory count"
        ),
        "momentary": Differs(differs=f"theta times the gradient of the module's loss ({mean}); {start}"),
        "theta": Differs(differs=f"step on the module's loss: {mean}"),
        "read": Differs(differs="at the weights before the token's chunk, after heads are gated and combined"),
    }
    of_chunk = f"one value for the {memory.store_chunk_size} positions of a chunk"
    words = {"momentum": f", {push}", "past_surprise": f", {push}", "alignment": f", {push}"}
    return one | {name: Differs("chunk", differs=of_chunk + words.get(name, "")) for name in BY_CHUNK}
