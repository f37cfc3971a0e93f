"""DeltaNet and Gated DeltaNet of flash-linear-attention, an optional import.

The layers run as they are; what they hand to their kernels (queries, keys, values and gates, of the model's own
weights) is noted, and the memory is then followed token by token in float64.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from titans_core.adapters.delta_rule import delta_signals
from titans_core.adapters.protocol import About, Differs
from titans_core.adapters.torch_model import TorchModel, together
from titans_core.errors import ConfigError
from titans_core.signals import Arrays
from titans_core.versions import installed

LAYERS = {  # module -> the kernels that its layers call
    "fla.layers.delta_net": ("chunk_delta_rule", "fused_recurrent_delta_rule"),
    "fla.layers.gated_deltanet": ("chunk_gated_delta_rule", "fused_recurrent_gated_delta_rule"),
}
PACKAGE = "flash-linear-attention"
EPS = 1e-6  # of the kernels' normalisation: x / sqrt(|x|^2 + EPS)
READ = Differs(differs="of the kernel's reads, with queries divided by the root of their width")
RULE = Differs(source="delta rule: theta is half of the layer's beta")
GATED = Differs(
    source="gated delta rule: at the memory after the token's own forgetting",
    differs="ours takes loss and gradient before the token's forgetting",
)
FORGET = Differs(source="gated delta rule: 1 - exp(g)")

Call = dict[str, Any]
Kernels = dict[str, tuple[str, ...]]


class DeltaRule(TorchModel):
    """A model of DeltaNet or GatedDeltaNet layers, such as DeltaNetForCausalLM; see TorchModel for its arguments.

    Signals: loss, surprise, momentary, theta, update, memory and read, and of Gated DeltaNet alpha and forgotten. The
    delta rule has no momentum. All are true at each token. The text is read in one call.
    Raises ConfigError for a model without such layers, and where the library is not installed.
    """

    def about(self) -> About:
        """See `Adapter`."""
        gated = self._gated(self._kernels())
        differs = {"theta": RULE, "read": READ}
        if gated:
            differs |= {"loss": GATED, "surprise": GATED, "momentary": GATED, "alpha": FORGET}
        return About(
            library=f"{PACKAGE} {installed(PACKAGE)}",
            variant="Gated DeltaNet" if gated else "DeltaNet",
            chunk=1,
            versions={PACKAGE: installed(PACKAGE), "torch": torch.__version__},
            differs=differs,
            **self._facts(),
        )

    def read(self, ids: np.ndarray) -> Iterator[Arrays]:
        """See `Adapter`: the tokens (T,), in one span."""
        kernels = self._kernels()
        gated = self._gated(kernels)
        calls: list[Call] = []
        with _noted(kernels, calls):
            predicted = self._run(ids)
        if not calls:
            raise ConfigError("no DeltaNet layer of the model was called; trace one whose layers read every token")
        with torch.no_grad():
            layers = [delta_signals(*given(call)) for call in calls]
        if any(("alpha" in layer) != gated for layer in layers):
            raise ConfigError("the model mixes DeltaNet and GatedDeltaNet layers; trace them as two models")
        arrays = together([{name: values.cpu().numpy() for name, values in layer.items()} for layer in layers])
        yield {**arrays, **predicted}

    def _kernels(self) -> Kernels:
        """The kernels that the layers of this model call. Raises ConfigError."""
        there = {type(module).__module__ for module in self.model.modules()}
        found: Kernels = {name: kernels for name, kernels in LAYERS.items() if name in there}
        if not found:
            raise ConfigError(
                f"the model has no DeltaNet or GatedDeltaNet layer of {PACKAGE}; {' or '.join(LAYERS)} has them"
            )
        return found

    def _gated(self, kernels: Kernels) -> bool:
        return "fla.layers.gated_deltanet" in kernels


@contextmanager
def _noted(kernels: Kernels, calls: list[Call]) -> Iterator[None]:
    """While it is open, what these modules' layers hand to their kernels is added to `calls`, in order."""
    modules = {home: importlib.import_module(home) for home in kernels}
    plain = [(modules[home], name, getattr(modules[home], name)) for home, names in kernels.items() for name in names]
    try:
        for module, name, kernel in plain:
            setattr(module, name, _noting(kernel, calls))
        yield
    finally:
        for module, name, kernel in plain:
            setattr(module, name, kernel)


def _noting(kernel: Callable[..., Any], calls: list[Call]) -> Callable[..., Any]:
    def noted(**call: Any) -> Any:
        calls.append(call)
        return kernel(**call)

    return noted


def given(call: Call) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]:
    """q, k, v, beta and g as a kernel applies them, (H, T, ...) in float64, of the arguments it was called with.

    Heads of q and k are repeated where there are more of v. Raises ConfigError for a state to begin with.
    """
    if call.get("initial_state") is not None:
        raise ConfigError("the model began with a state; trace a text from its beginning")
    q, k, v, beta = (call[name][0].double() for name in ("q", "k", "v", "beta"))
    if call.get("use_qk_l2norm_in_kernel"):
        q, k = (x / (x.square().sum(-1, keepdim=True) + EPS).sqrt() for x in (q, k))
    scale = call.get("scale") or q.shape[-1] ** -0.5
    q, k = (x.repeat_interleave(v.shape[1] // x.shape[1], 1).transpose(0, 1) for x in (q * scale, k))
    if call.get("use_beta_sigmoid_in_kernel"):
        beta = beta.sigmoid() * (2 if call.get("allow_neg_eigval") else 1)
    return q, k, v.transpose(0, 1), beta.T, _decay(call)


def _decay(call: Call) -> Tensor | None:
    """The log of what is kept, (H, T)."""
    if call.get("g") is None:
        return None
    g: Tensor = call["g"][0].double()
    if call.get("use_gate_in_kernel"):
        bias = 0.0 if call.get("dt_bias") is None else call["dt_bias"].double()
        g = -call["A_log"].double().exp() * torch.nn.functional.softplus(g + bias)
    return g.T
