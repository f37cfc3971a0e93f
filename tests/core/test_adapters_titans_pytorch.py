"""The adapter of titans-pytorch against autograd on its own module, and against what the module itself says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import titans_core as tc
from titans_core.adapters import ByteTokenizer, TitansPytorch, neural_memory, neural_signals
from titans_core.errors import ConfigError, TextError

pytestmark = pytest.mark.filterwarnings("ignore")  # of that library and what it needs
library = pytest.importorskip("titans_pytorch", reason="titans-pytorch is not installed; the extra `bench` gets it")

TEXT = "The lamp was lit at six. The boats went out, and came home."
CHUNK, DIM, HEADS = 4, 12, 2


class Model(nn.Module):
    """A memory between an embedding of bytes and logits; the memory as it was called is kept for tests."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.embed = nn.Embedding(256, DIM)
        options = {"dim_head": DIM // HEADS, "heads": HEADS, "chunk_size": CHUNK, **options}
        self.memory = library.NeuralMemory(DIM, **options)
        self.logits = nn.Linear(DIM, 256)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embed(ids)
        read, self.state, self.told = self.memory(x, return_surprises=True)
        return self.logits(x + read)


def adapted(**options: Any) -> TitansPytorch:
    model = Model(**options).eval()
    for p in model.memory.parameters():
        p.data = p.detach() + 0.2 * torch.randn(p.shape)  # its heads begin as views of the same weights
    return TitansPytorch(model, ByteTokenizer(), "theirs")


def mac(**options: Any) -> TitansPytorch:
    torch.manual_seed(6)
    shape = {"num_tokens": 256, "dim": 16, "depth": 2, "segment_len": 8, "heads": 2, "dim_head": 8}
    kwargs = {"dim_head": 8, "heads": 2}
    model = library.MemoryAsContextTransformer(**{**shape, "neural_memory_kwargs": kwargs, **options})
    return TitansPytorch(model.eval(), ByteTokenizer(), "their-mac")


def by_autograd(model: Model, ids: np.ndarray) -> dict[str, np.ndarray]:
    """Every signal in float64, a token, a head and a chunk at a time, from the module's parts alone."""
    memory = model.memory
    x = memory.store_norm(model.embed(torch.from_numpy(ids.astype(np.int64)))[None])
    keys, values = (memory.split_kv_heads(to(x)) for to in (memory.to_keys, memory.to_values))
    keys, values = memory.k_norm(keys)[0], values[0]
    theta = memory.adaptive_step_transform(memory.to_adaptive_step(x))
    chunks = len(ids) // CHUNK
    pooled = memory.reduce_to_chunk_rep(x[:, : chunks * CHUNK])
    eta = memory.to_momentum(pooled).sigmoid()[0, ..., 0]
    alpha = memory.to_decay_factor(pooled).sigmoid()[..., 0]
    every = {name: np.zeros((HEADS, chunks * CHUNK)) for name in ("loss", "surprise", "momentary", "theta")}
    shared = {n: np.zeros((HEADS, chunks)) for n in ("past_surprise", "momentum", "update", "forgotten", "memory")}
    inner, sizes = np.zeros(chunks), np.zeros((2, chunks))
    names = memory.memory_model_parameter_names
    for h in range(HEADS):
        start = [p[h].detach().clone() for p in memory.memory_model_parameters]
        now, s = [w.clone() for w in start], [torch.zeros_like(w) for w in start]
        at = start
        for c in range(chunks):
            push = [torch.zeros_like(w) for w in start]
            for t in range(c * CHUNK, (c + 1) * CHUNK):
                leaves = [w.clone().requires_grad_() for w in at]
                out = torch.func.functional_call(
                    memory.memory_model, dict(zip(names, leaves, strict=True)), keys[h, t][None]
                )
                loss = (out - values[h, t]).pow(2).mean()
                grads = torch.autograd.grad(loss, leaves)
                size = sum(g.square().sum() for g in grads).sqrt()
                for name, value in (
                    ("loss", loss),
                    ("surprise", size),
                    ("momentary", theta[h, t] * size),
                    ("theta", theta[h, t]),
                ):
                    every[name][h, t] = value.item()
                push = [p - theta[h, t] * g for p, g in zip(push, grads, strict=True)]
            past = [eta[h, c] * x for x in s]
            s = [a + b for a, b in zip(past, push, strict=True)]
            before, now = now, [(1 - alpha[h, c]) * w + x for w, x in zip(now, s, strict=True)]
            found = {
                "past_surprise": past,
                "momentum": s,
                "memory": now,
                "forgotten": [alpha[h, c] * w for w in before],
            }
            found["update"] = [a - b for a, b in zip(now, before, strict=True)]
            for name, tensors in found.items():
                shared[name][h, c] = sum(x.square().sum() for x in tensors).sqrt().item()
            inner[c] += sum((a * b).sum() for a, b in zip(past, push, strict=True)).item()
            sizes[:, c] += [sum(x.square().sum() for x in some).item() for some in (past, push)]
            if memory.batch_size and (c + 1) * CHUNK % memory.batch_size == 0:
                at = now
    joined = {"loss": every["loss"].sum(0), "theta": every["theta"].mean(0)}
    joined |= {name: np.sqrt(np.square(every[name]).sum(0)) for name in ("surprise", "momentary")}
    joined |= {name: np.repeat(np.sqrt(np.square(v).sum(0)), CHUNK) for name, v in shared.items()}
    gates = {"eta": eta, "alpha": alpha}
    joined |= {name: np.repeat(v.detach().numpy().mean(0), CHUNK) for name, v in gates.items()}
    with np.errstate(invalid="ignore"):
        joined["alignment"] = np.repeat(inner / np.sqrt(sizes.prod(0)), CHUNK)
    return joined


@pytest.mark.parametrize("options", [{}, {"batch_size": 2 * CHUNK}, {"qk_rmsnorm": True, "attn_pool_chunks": True}])
def test_signals_are_those_of_autograd_on_the_module(options: dict[str, Any]) -> None:
    adapter = adapted(**options)
    adapter.model.double()
    ds = tc.trace_foreign(adapter, TEXT)
    expected = by_autograd(adapter.model, ds["id"].values)
    written = len(TEXT) // CHUNK * CHUNK
    assert set(ds.data_vars) == {*expected, "read", "nll", "entropy", "id"}
    for name, values in expected.items():
        np.testing.assert_allclose(ds[name].values[0, :written], values, rtol=1e-5, atol=1e-9, err_msg=name)
        assert np.isnan(ds[name].values[0, written:]).all(), "an unfinished chunk is not written"


@pytest.mark.parametrize("batch", [None, 2 * CHUNK])
def test_the_module_itself_says_the_same(batch: int | None) -> None:
    adapter = adapted(batch_size=batch)
    ids = np.frombuffer(TEXT.encode(), np.uint8)
    (arrays,) = adapter.read(ids)
    written = len(TEXT) // CHUNK * CHUNK
    loss, theta = (x[0].double() for x in adapter.model.told)
    np.testing.assert_allclose(arrays["loss"][0, :written], loss.sum(0)[:written].numpy(), rtol=1e-5)
    np.testing.assert_allclose(arrays["theta"][0, :written], theta.mean(0)[:written].numpy(), rtol=1e-5)
    last, momentum = (dict(x.items()) for x in adapter.model.state.states)
    for name, weights in (("memory", last), ("momentum", momentum)):
        size = sum(w.double().square().sum() for w in weights.values()).sqrt().item()
        assert arrays[name][0, written - 1] == pytest.approx(size, rel=1e-5), name


def test_tokens_of_a_mac_stand_between_its_own() -> None:
    """Three learned tokens follow every eight of the text; a memory of 11 positions is written once a segment."""
    adapter = mac(num_longterm_mem_tokens=3)
    ds = tc.trace_foreign(adapter, TEXT)
    assert dict(ds.sizes) == {"layer": 2, "token": len(TEXT)}
    assert neural_memory.positions(adapter.model, 20)[[0, 7, 8, 16]].tolist() == [0, 7, 11, 22]
    eta = ds["eta"].values[0]
    whole = len(TEXT) // 8 * 8
    assert np.isfinite(eta[:whole]).all()
    assert np.isnan(eta[whole:]).all()
    changes = np.flatnonzero(np.diff(eta[:whole])) + 1
    assert changes.tolist() == list(range(8, whole, 8)), "one value a segment"
    assert (ds.attrs["variant"], ds.attrs["chunk"]) == ("titans-pytorch MAC", 11)
    with torch.no_grad():
        logits = adapter.model(torch.tensor([list(TEXT.encode())]))[0].double()
    bits = -logits.log_softmax(-1)[torch.arange(len(TEXT) - 1), list(TEXT[1:].encode())] / np.log(2)
    np.testing.assert_allclose(ds["nll"].values[1:], bits.numpy(), rtol=1e-5)


def test_a_mac_with_every_option_is_read() -> None:
    ds = tc.trace_foreign(
        mac(
            neural_memory_batch_size=16,
            neural_memory_segment_len=4,
            neural_mem_weight_residual=True,
            neural_memory_qkv_receives_diff_views=True,
            neural_mem_gate_attn_output=True,
            num_persist_mem_tokens=2,
            neural_memory_layers=(2,),
        ),
        TEXT,
    )
    assert ds.sizes["layer"] == 1
    assert np.isfinite(ds["momentum"].values[0, : len(TEXT) // 4 * 4]).all()


@pytest.mark.parametrize(
    ("options", "lacks"),
    [
        ({"momentum": False}, {"eta", "momentum", "past_surprise", "alignment"}),
        ({"max_grad_norm": 1.0}, {"momentary", "momentum", "past_surprise", "alignment"}),
        ({"momentum_order": 2}, {"eta", "momentary", "momentum", "past_surprise", "alignment"}),
        ({"per_parameter_lr_modulation": True}, {"momentary", "momentum", "past_surprise", "alignment"}),
    ],
)
def test_what_a_memory_does_not_have_is_absent(options: dict[str, Any], lacks: set[str]) -> None:
    ds = tc.trace_foreign(adapted(**options), TEXT)
    memory = {"loss", "surprise", "momentary", "past_surprise", "momentum", "alignment", "theta", "eta", "alpha"}
    memory |= {"update", "forgotten", "memory", "read"}
    assert memory - set(ds.data_vars) == lacks
    assert lacks <= set(ds.attrs["absent"])
    size = np.linalg.norm(ds["update"].values[0, :CHUNK])
    assert size > 0


def test_what_differs_is_marked() -> None:
    ds = tc.trace_foreign(adapted(), TEXT)
    by_chunk = {name for name in ds.data_vars if ds[name].attrs["granularity"] == "chunk"}
    assert by_chunk == {"past_surprise", "momentum", "alignment", "eta", "alpha", "update", "forgotten", "memory"}
    assert "mean" in ds["loss"].attrs["differs"]
    assert "before the whole text" in ds["surprise"].attrs["differs"]
    assert "every 8 positions" in tc.trace_foreign(adapted(batch_size=8), TEXT)["surprise"].attrs["differs"]
    assert ds["momentum"].attrs["long_name"] == "momentum S after the token"
    assert ds.attrs["foreign"].startswith("titans-pytorch ")


def test_the_module_is_left_as_it_was() -> None:
    adapter = adapted()
    before = {**vars(adapter.model.memory)}
    ids = torch.tensor([list(TEXT.encode())])
    with torch.no_grad():
        plain = adapter.model(ids)
    list(adapter.read(ids[0].numpy()))
    assert vars(adapter.model.memory).keys() == before.keys()
    assert vars(adapter.model.memory)["per_sample_grad_fn"] is before["per_sample_grad_fn"]
    assert not adapter.model.memory.to_decay_factor._forward_hooks
    with torch.no_grad():
        assert torch.equal(adapter.model(ids), plain)


def test_blocks_of_tokens_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long text is measured some gradients at a time."""
    whole = tc.trace_foreign(adapted(), TEXT)
    monkeypatch.setattr(neural_signals, "AT_ONCE", 1_000)
    parts = tc.trace_foreign(adapted(), TEXT)
    np.testing.assert_allclose(parts["surprise"].values, whole["surprise"].values, rtol=1e-5)


def twice() -> TitansPytorch:
    class Twice(Model):
        def forward(self, ids: Tensor) -> Tensor:
            super().forward(ids)
            return super().forward(ids)

    return TitansPytorch(Twice().eval(), ByteTokenizer(), "twice")


@pytest.mark.parametrize(
    ("make", "text", "error", "says"),
    [
        (adapted, "abc", TextError, "the text has 3 tokens, and this memory writes 4 at a time"),
        (twice, TEXT, ConfigError, "did not read the text just once"),
        (lambda: adapted(store_with_lookahead_value=True), TEXT, ConfigError, "store_with_lookahead_value"),
        (lambda: adapted(num_kv_per_token=2), TEXT, ConfigError, "num_kv_per_token"),
        (lambda: TitansPytorch(nn.Linear(2, 2).eval(), ByteTokenizer(), "x"), TEXT, ConfigError, "no NeuralMemory"),
        (lambda: TitansPytorch(Model(), ByteTokenizer(), "x"), TEXT, ConfigError, r"call model.eval\(\) first"),
    ],
)
def test_what_cannot_be_traced_is_said(make: Callable[[], TitansPytorch], text: str, error: type, says: str) -> None:
    with pytest.raises(error, match=says):
        tc.trace_foreign(make(), text)
