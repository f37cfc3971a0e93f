"""Real layers of flash-linear-attention: on a GPU, or on a CPU by triton's interpreter (TRITON_INTERPRET=1)."""

from __future__ import annotations

import importlib
import importlib.util
import os
import warnings

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import titans_core as tc
from titans_core.adapters import fla as ours
from titans_core.adapters.delta_rule import delta_signals

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
GATE = {"head_dim": 16, "num_heads": 2, "expand_v": 1}
KINDS = {
    "DeltaNet": {"num_heads": 2},
    "DeltaNet, no convolution": {"num_heads": 2, "use_short_conv": False},
    "DeltaNet, negative": {"num_heads": 2, "allow_neg_eigval": True, "qk_activation": "identity"},
    "DeltaNet, sums": {"num_heads": 2, "qk_activation": "elu", "qk_norm": "sum", "use_gate": True},
    "GatedDeltaNet": GATE,
    "GatedDeltaNet, negative": {**GATE, "allow_neg_eigval": True, "use_short_conv": False},
    "GatedDeltaNet, more heads of values": {**GATE, "num_v_heads": 4, "use_gate": False},
}
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.filterwarnings("ignore"),  # that library's own
    pytest.mark.skipif(
        importlib.util.find_spec("fla") is None or importlib.util.find_spec("transformers") is None,
        reason="flash-linear-attention is not installed",
    ),
    pytest.mark.skipif(
        DEVICE == "cpu" and not INTERPRETED, reason="no CUDA device here, and triton does not interpret its kernels"
    ),
]


@pytest.fixture(autouse=True)
def untuned(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter times no kernel."""
    if DEVICE == "cpu":
        from triton.runtime.autotuner import Autotuner

        monkeypatch.setattr(Autotuner, "do_bench", property(lambda _: lambda call, quantiles: [0.0] * 3))


class Stack(nn.Module):
    """Two layers over embedded bytes, without logits."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        import fla.layers

        torch.manual_seed(3)
        layer = getattr(fla.layers, kind.partition(",")[0])
        self.embed = nn.Embedding(256, 32)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.layers = nn.ModuleList(layer(hidden_size=32, **KINDS[kind]) for _ in range(2))
        self.kernels: list[Tensor] = []
        for one in self.layers:
            one.o_norm.register_forward_pre_hook(lambda _, args: self.kernels.append(args[0][0]))

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embed(ids)
        for layer in self.layers:
            x = x + layer(x)[0]
        return x


TEXT = "The lamp was lit at six, and the boats came home before the night, all but one."
IN_CHUNKS = pytest.param(
    70, torch.bfloat16, 5e-2, marks=pytest.mark.skipif(DEVICE == "cpu", reason="this kernel needs a CUDA device")
)


@pytest.mark.parametrize(("tokens", "dtype", "near"), [(24, torch.float32, 3e-3), IN_CHUNKS])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_followed_is_what_the_kernel_computes(kind: str, tokens: int, dtype: torch.dtype, near: float) -> None:
    """Up to 64 tokens a layer takes its recurrent kernel, for more the one in chunks, which wants bfloat16."""
    model = Stack(kind).eval().to(DEVICE, dtype)
    ids = torch.tensor(list(TEXT.encode()[:tokens]), device=DEVICE)
    calls: list[ours.Call] = []
    with torch.no_grad(), ours._noted(ours.LAYERS, calls):
        model(ids[None])
    assert len(calls) == len(model.kernels) == 2
    for call, read in zip(calls, model.kernels, strict=True):
        found = delta_signals(*ours.given(call))
        sizes = read.double().square().sum(-1).sqrt().T
        torch.testing.assert_close(found["read"], sizes, rtol=near, atol=1e-2 * near)


@pytest.mark.parametrize("kind", ["DeltaNet", "GatedDeltaNet"])
def test_a_language_model_of_the_library(kind: str) -> None:
    """With its own predictions."""
    import fla.models

    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_heads": 2, "vocab_size": 256, "intermediate_size": 32}
    config = getattr(fla.models, f"{kind}Config")(**shape, fuse_cross_entropy=False, fuse_norm=False)
    torch.manual_seed(1)
    model = getattr(fla.models, f"{kind}ForCausalLM")(config).eval().to(DEVICE)
    ds = tc.trace_foreign(tc.adapters.DeltaRule(model, tc.adapters.ByteTokenizer(), "toy"), TEXT[:20])
    with torch.no_grad():
        logits = model(torch.tensor([list(TEXT[:20].encode())], device=DEVICE)).logits[0].double().cpu()
    expected = -logits.log_softmax(-1)[torch.arange(19), list(TEXT[1:20].encode())] / np.log(2)
    np.testing.assert_allclose(ds["nll"].values[1:], expected.numpy(), rtol=1e-4)
    assert ds.sizes["layer"] == 2


@pytest.mark.parametrize("kind", ["DeltaNet", "GatedDeltaNet"])
def test_a_trace_of_real_layers(kind: str) -> None:
    text = "The lamp was lit at six."
    model = Stack(kind).eval().to(DEVICE)
    ds = tc.trace_foreign(tc.adapters.DeltaRule(model, tc.adapters.ByteTokenizer(), "stack", predicts=False), text)
    gated = kind == "GatedDeltaNet"
    assert set(ds.data_vars) == {"loss", "surprise", "momentary", "theta", "update", "memory", "read", "id"} | (
        {"alpha", "forgotten"} if gated else set()
    )
    assert dict(ds.sizes) == {"layer": 2, "token": len(text)}
    assert {"eta", "momentum", "past_surprise", "alignment", "nll"} <= set(ds.attrs["absent"])
    assert ("alpha" in ds.attrs["absent"]) is not gated
    assert ds.attrs["foreign"].startswith("flash-linear-attention ")
    assert all(np.isfinite(ds[name].values).all() for name in ds.data_vars)
    for home, names in ours.LAYERS.items():
        module = importlib.import_module(home)
        assert not any(getattr(module, name).__name__ == "noted" for name in names), "the library is left as it was"
