"""Lineage and fate against pushes that are built as matrices, one token after the other, in float64."""

import math
import shutil
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from titans_core import lineage, record, tracing
from titans_core.errors import ConfigError
from titans_core.layers.memory import _unit
from titans_core.memory.equations import gradient, memory_steps
from titans_core.settings import Settings
from titans_core.signals import BY_HEAD

TEXT = "The keeper walked along the shore, and it rained. The piano stood there; then it rained again."


class Written(NamedTuple):
    """pushes: per token a tuple over the memory's layers of (H, D_in, D_out); S and W after each token likewise."""

    pushes: list[tuple[Tensor, ...]]
    momentum: list[tuple[Tensor, ...]]
    weights: list[tuple[Tensor, ...]]
    start: tuple[Tensor, ...]
    gates: tuple[Tensor, Tensor, Tensor]  # theta as applied, eta, alpha: (H, T)


def write(q, k, v, theta, eta, alpha, weights, *, chunk, step_cap=None) -> Written:
    """The recurrence with every push kept, its weights checked against the oracle's."""
    steps = memory_steps(q, k, v, theta, eta, alpha, weights, chunk=chunk, signals=True, step_cap=step_cap)
    theta = steps.signals.get("theta", theta)
    m, s = weights, tuple(torch.zeros_like(w) for w in weights)
    pushes, momentum, after = [], [], []
    for t in range(k.shape[2]):
        anchor = m if t % chunk == 0 else anchor  # noqa: F821 (token 0 sets it)
        step, carry, forget = (gate[:, :, t, None, None] for gate in (theta, eta, alpha))
        push = tuple(-step * g for g in gradient(anchor, k[:, :, t], v[:, :, t]))
        s = tuple(carry * x + u for x, u in zip(s, push, strict=True))
        m = tuple((1 - forget) * w + x for w, x in zip(m, s, strict=True))
        for kept, new in ((pushes, push), (momentum, s), (after, m)):
            kept.append(tuple(x[0] for x in new))
    for found, wanted in zip((*after[-1], *momentum[-1]), (*steps.weights, *steps.momentum), strict=True):
        torch.testing.assert_close(found, wanted[0], rtol=1e-12, atol=1e-13)
    return Written(pushes, momentum, after, tuple(w[0] for w in weights), (theta[0], eta[0], alpha[0]))


def random_run(chunk: int, depth: int = 1, tokens: int = 23, seed: int = 0) -> Written:
    """A memory of two heads with random keys, gates of their own, and some gates of exactly 0 and 1."""
    random = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random, dtype=torch.float64)

    def gate(most: float) -> Tensor:
        return most * torch.rand(1, 2, tokens, generator=random, dtype=torch.float64)

    widths = [3, *[5] * (depth - 1), 4]
    weights = tuple(0.5 * draw(1, 2, a, b) for a, b in pairwise(widths))
    theta, eta, alpha = gate(0.1), gate(1.0), gate(0.3)
    theta[..., 3], eta[0, 0, 9], alpha[0, 1, 12], alpha[..., 15:] = 0, 0, 1, 0
    k, v = draw(1, 2, tokens, 3), draw(1, 2, tokens, 4)
    return write(draw(1, 2, tokens, 3), k, v, theta, eta, alpha, weights, chunk=chunk)


def norm(*parts: Tensor) -> float:
    return math.sqrt(sum(float(x.square().sum()) for x in parts))


def dataset(layers: list[Written]) -> xr.Dataset:
    """What a trace records of these memories, in float64."""
    named: dict[str, list] = {name: [] for name in BY_HEAD}
    for run in layers:
        _, eta, alpha = run.gates
        heads = range(eta.shape[0])
        named["head_eta"].append(eta.numpy())
        named["head_alpha"].append(alpha.numpy())
        named["head_momentary"].append([[norm(*(x[h] for x in u)) for u in run.pushes] for h in heads])
    return xr.Dataset({name: (("layer", "head", "token"), np.array(values)) for name, values in named.items()})


def coefficients(run: Written) -> tuple[np.ndarray, np.ndarray]:
    """E[h, t, i] and A[h, t, i] by the definitions of docs/math.md, factor by factor."""
    _, eta, alpha = (gate.numpy() for gate in run.gates)
    heads, tokens = eta.shape
    carried, left = np.zeros((2, heads, tokens, tokens))
    for i in range(tokens):
        for t in range(i, tokens):
            carried[:, t, i] = eta[:, i + 1 : t + 1].prod(1)
            for r in range(i, t + 1):
                left[:, t, i] += (1 - alpha[:, r + 1 : t + 1]).prod(1) * eta[:, i + 1 : r + 1].prod(1)
    return carried, left


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("chunk", [1, 4])
def test_pushes_add_up_to_the_momentum_and_to_the_weights(chunk, depth) -> None:
    """Linearity, which everything here rests on: S_t = sum E u, W_t - prod(1 - alpha) W_0 = sum A u."""
    run = random_run(chunk, depth)
    carried, left = (torch.from_numpy(x) for x in coefficients(run))
    keep = (1 - run.gates[2]).cumprod(-1)
    for t in range(len(run.pushes)):
        for part in range(depth):
            pushes = torch.stack([u[part] for u in run.pushes], 1)  # (H, T, D_in, D_out)
            momentum = torch.einsum("hi,hiab->hab", carried[:, t], pushes)
            weights = torch.einsum("hi,hiab->hab", left[:, t], pushes) + keep[:, t, None, None] * run.start[part]
            torch.testing.assert_close(momentum, run.momentum[t][part], rtol=1e-11, atol=1e-12)
            torch.testing.assert_close(weights, run.weights[t][part], rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("layer", [None, 0, 1])
@pytest.mark.parametrize("chunk", [1, 4])
def test_lineage_and_fate_are_the_norms_of_those_terms(chunk, layer) -> None:
    layers = [random_run(chunk, depth=2, seed=seed) for seed in (1, 2)]
    ds = dataset(layers)
    chosen = layers if layer is None else [layers[layer]]
    factors = [coefficients(run) for run in chosen]
    tokens = ds.sizes["token"]
    for t in range(tokens):
        found = lineage.lineage(ds, t, layer, most=tokens)
        terms = [
            norm(*(torch.from_numpy(e[:, t, i])[:, None, None] * x for run, (e, _) in zip(chosen, factors, strict=True)
                   for x in run.pushes[i]))
            for i in range(t + 1)
        ]  # fmt: skip
        assert found.own.strength == pytest.approx(terms[t], rel=1e-10)
        assert found.total == pytest.approx(sum(terms), rel=1e-10)
        assert found.total >= norm(*(x for run in chosen for x in run.momentum[t])) * (1 - 1e-10)
        by_token = {push.token: push for push in found.pushes}
        faint = [max(e[:, t, i].max() for e, _ in factors) < 1e-4 for i in range(t)]
        assert sorted(by_token) == [i for i in range(t) if terms[i] and not faint[i]]
        for i, push in by_token.items():
            assert push.strength == pytest.approx(terms[i], rel=1e-10)
            assert push.share == pytest.approx(terms[i] / sum(terms), rel=1e-10)
        strengths = [push.strength for push in found.pushes]
        assert strengths == sorted(strengths, reverse=True)
        assert found.own.strength + sum(strengths) + found.others == pytest.approx(found.total)
        check_fate(lineage.fate(ds, t, layer), t, chosen, factors)


def check_fate(found: lineage.Fate, t: int, chosen: list[Written], factors: list) -> None:
    tokens = len(chosen[0].pushes)
    sizes = np.array([
        norm(*(torch.from_numpy(a[:, s, t])[:, None, None] * x for run, (_, a) in zip(chosen, factors, strict=True)
               for x in run.pushes[t]))
        for s in range(t, tokens)
    ])  # fmt: skip
    if not sizes.any():
        assert t == 3, "the one token that both memories do not write"
        assert (found.size, len(found.tokens)) == (0, 0)
        assert math.isnan(found.half_life)
        return
    np.testing.assert_array_equal(found.tokens, np.arange(t, tokens))
    np.testing.assert_allclose(found.left, sizes / sizes.max(), rtol=1e-10, atol=1e-14)
    assert found.size == pytest.approx(sizes.max(), rel=1e-10)
    assert sizes[found.peak - t] == pytest.approx(sizes.max(), rel=1e-10)
    assert found.end == pytest.approx(sizes[-1] / sizes.max(), rel=1e-10)
    above = [s for s in range(tokens - t) if sizes[s] > sizes.max() / 2]
    assert found.half_life == (above[-1] + 1 if above[-1] < tokens - t - 1 else math.inf)


@pytest.mark.parametrize("variant", ["mac", "mag", "mal", "lmm"])
@pytest.mark.parametrize("changes", [{"chunk": 1}, {"chunk": 4}, {"memory_depth": 2, "memory_hidden": 6}])
def test_a_trace_holds_what_they_need(variant, changes, tiny_model) -> None:
    """End to end: the stream of each layer is caught and written again with every push built."""
    model = tiny_model(variant, **changes)
    streams: list[list[Tensor]] = [[] for _ in model.blocks]
    for block, seen in zip(model.blocks, streams, strict=True):
        block.memory.register_forward_pre_hook(lambda _, inputs, seen=seen: seen.append(inputs[0]))
    traced = tracing.trace(model, TEXT)
    layers = [
        rewritten(block.memory.double(), torch.cat(seen, 1).double())
        for block, seen in zip(model.blocks, streams, strict=True)
    ]
    exact = dataset(layers)
    for name in BY_HEAD:
        np.testing.assert_allclose(traced[name], exact[name], rtol=1e-3, atol=1e-6, err_msg=name)
    for t in (0, 5, 17):
        found, wanted = lineage.lineage(traced, t), lineage.lineage(exact, t)
        assert [p.token for p in found.pushes] == [p.token for p in wanted.pushes]
        np.testing.assert_allclose([p.strength for p in found.pushes], [p.strength for p in wanted.pushes], rtol=1e-3)
        np.testing.assert_allclose(lineage.fate(traced, t).left, lineage.fate(exact, t).left, rtol=1e-3)


def rewritten(memory, x: Tensor) -> Written:
    """What one memory layer writes of the stream x (1, T, dim)."""
    start = memory.start(1)
    mixed, _ = memory._convolve(memory.qkv(x), start.tail, memory.conv)
    q, k, v = (memory._split(part) for part in mixed.chunk(3, -1))
    return write(
        _unit(q), _unit(k), v, *memory.gate(x), start.weights, chunk=memory.chunk, step_cap=memory.step_cap
    )  # fmt: skip


def gates(eta: np.ndarray, alpha: np.ndarray, pushed: np.ndarray) -> xr.Dataset:
    """A dataset of (layers, heads, T) gates and pushes."""
    values = {"head_eta": eta, "head_alpha": alpha, "head_momentary": pushed}
    return xr.Dataset({name: (("layer", "head", "token"), v) for name, v in values.items()})


def sizes_by_loop(ds: xr.Dataset, token: int) -> np.ndarray:
    """The norm of the write of `token` after it and each later token, by eqs. 13 and 14."""
    eta, alpha, pushed = (ds[name].values.astype(np.float64).reshape(-1, ds.sizes["token"]) for name in BY_HEAD)
    s = w = pushed[:, token]
    sizes = [norm(torch.from_numpy(w))]
    for t in range(token + 1, ds.sizes["token"]):
        s = eta[:, t] * s
        w = (1 - alpha[:, t]) * w + s
        sizes.append(norm(torch.from_numpy(w)))
    return np.array(sizes)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1 << 30), tokens=st.integers(1, 300), carry=st.sampled_from([0.0, 0.3, 0.9, 1.0]))
def test_blocks_of_any_length_give_the_recurrence(seed, tokens, carry) -> None:
    """Blocks of 5 tokens while the momentum pushes and of 11 after, gates of exactly 0 and 1 among others."""
    random = np.random.default_rng(seed)
    shape = (2, 2, tokens)
    eta, alpha = carry * random.random(shape) ** 0.1, random.random(shape) ** 8
    eta[random.random(shape) < 0.02], alpha[random.random(shape) < 0.01] = 1, 1
    eta[random.random(shape) < 0.02], alpha[random.random(shape) < 0.3] = 0, 0
    ds = gates(eta, alpha, random.random(shape) * (random.random(shape) < 0.7))
    token = int(random.integers(tokens))
    sizes = sizes_by_loop(ds, token)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lineage, "SHORT", 5)
        patch.setattr(lineage, "BLOCK", 11)
        found = lineage.fate(ds, token, points=20)
    if not sizes.any():
        assert len(found.tokens) == 0
        return
    np.testing.assert_allclose(found.left, sizes[found.tokens - token] / sizes.max(), rtol=1e-9, atol=1e-15)
    assert {token, ds.sizes["token"] - 1, found.peak} <= set(found.tokens.tolist())
    assert len(found.tokens) <= 22
    above = np.flatnonzero(sizes > sizes.max() / 2 * (1 + 1e-9))
    assert found.half_life > above[-1]
    assert math.isinf(found.half_life) or sizes[int(found.half_life) :].max() <= sizes.max() / 2 * (1 + 1e-9)


@pytest.mark.parametrize("alpha", [0.0, 1e-4, 0.003, 0.4])
def test_the_half_life_of_steady_gates(alpha) -> None:
    """Without momentum a write is (1 - alpha)^n; with it, it first grows to 1 / (1 - eta)."""
    shape = (1, 2, 20_000)
    plain = lineage.fate(gates(np.zeros(shape), np.full(shape, alpha), np.ones(shape)), 100)
    assert plain.half_life == (math.ceil(math.log(0.5) / math.log1p(-alpha)) if alpha else math.inf)
    assert plain.size == pytest.approx(math.sqrt(2))
    assert plain.peak == 100
    pushed = lineage.fate(gates(np.full(shape, 0.9), np.full(shape, alpha), np.ones(shape)), 100)
    assert pushed.peak > 100
    assert (np.diff(pushed.left[pushed.tokens <= pushed.peak]) > 0).all()
    if not alpha:
        assert pushed.size == pytest.approx(math.sqrt(2) * 10)
        assert pushed.end == 1


def test_a_head_that_forgets_does_not_hide_one_that_keeps() -> None:
    """The size falls to that of the part that lasts, and stays there: half of it is gone, not half of each."""
    eta, alpha, pushed = np.zeros((1, 2, 50)), np.zeros((1, 2, 50)), np.ones((1, 2, 50))
    alpha[0, 0], pushed[0, 0] = 0.9, 3
    found = lineage.fate(gates(eta, alpha, pushed), 0)
    assert found.half_life == 1
    assert found.end == pytest.approx(1 / math.sqrt(10))


def test_lineage_looks_back_a_bounded_way(monkeypatch) -> None:
    monkeypatch.setattr(lineage, "LOOK_BACK", 40)
    shape = (1, 1, 100)
    found = lineage.lineage(gates(np.full(shape, 0.9), np.zeros(shape), np.ones(shape)), 80, most=3)
    assert [push.token for push in found.pushes] == [79, 78, 77]
    assert found.beyond == pytest.approx(0.9**41)
    assert found.total == pytest.approx(sum(0.9**i for i in range(41)))
    assert lineage.lineage(gates(np.full(shape, 0.9), np.zeros(shape), np.ones(shape)), 40).beyond == 0


def test_of_a_stored_run_only_the_neighbourhood_is_read(tiny_model, tmp_path, monkeypatch) -> None:
    """Stored chunks that are missing read as NaN, so a look at them would be seen."""
    monkeypatch.setattr(record, "CHUNK", 40)
    monkeypatch.setattr(lineage, "LOOK_BACK", 30)
    text, path = TEXT * 12, tmp_path / "run.zarr"
    whole = tracing.trace(tiny_model("mag"), text)
    assert whole.sizes["token"] > 300
    tracing.trace(tiny_model("mag"), text, store=path)
    for name in BY_HEAD:
        for chunk in (path / name / "c" / "0" / "0").iterdir():
            if int(chunk.name) not in (2, 3):  # tokens 80 to 159
                chunk.unlink()
    opened = record.open_trace(path)
    assert lineage.lineage(opened, 115) == lineage.lineage(whole, 115)
    with pytest.raises(ConfigError, match="not all finite"):
        lineage.fate(opened, 115)


def test_a_stored_run_tells_what_the_same_run_in_memory_does(tiny_model, tmp_path) -> None:
    kept = tracing.trace(tiny_model("mac"), TEXT)
    stored = tracing.trace(tiny_model("mac"), TEXT, store=tmp_path / "run.zarr")
    heads = tracing.trace(tiny_model("mac"), TEXT, heads=True)
    for ds in (stored, heads):
        assert lineage.lineage(ds, 12) == lineage.lineage(kept, 12)
        for a, b in zip(lineage.fate(ds, 3), lineage.fate(kept, 3), strict=True):
            np.testing.assert_array_equal(a, b)


def test_an_older_store_opens_and_lacks_lineage(tiny_model, tmp_path) -> None:
    tracing.trace(tiny_model("mal"), TEXT, store=tmp_path / "run.zarr")
    for name in BY_HEAD:
        shutil.rmtree(tmp_path / "run.zarr" / name)
    ds = record.open_trace(tmp_path / "run.zarr").load()
    assert "head" not in ds.dims
    assert ds["surprise"].notnull().all()
    assert not lineage.recorded(ds)
    for function in (lineage.lineage, lineage.fate):
        with pytest.raises(ConfigError, match="lacks head_eta, head_alpha, head_momentary: run the text again"):
            function(ds, 0)


def test_a_model_without_memory_has_neither(tiny_model) -> None:
    assert not lineage.recorded(tracing.trace(tiny_model("transformer"), TEXT))


def test_where_nothing_is_written_nothing_is_carried_or_left(tiny_model) -> None:
    frozen = tracing.trace(tiny_model("mag"), TEXT, settings=Settings(freeze_writes=True))
    found = lineage.lineage(frozen, 9)
    assert (found.own.strength, found.own.share, found.pushes, found.others, found.total) == (0, 0, (), 0, 0)
    assert lineage.fate(frozen, 9).size == 0


@pytest.mark.parametrize(("token", "layer"), [(-1, None), (10_000, None), (0, 2), (0, -1)])
def test_a_token_or_layer_that_is_not_there_is_named(token, layer, tiny_model) -> None:
    ds = tracing.trace(tiny_model("lmm"), TEXT)
    for function in (lineage.lineage, lineage.fate):
        with pytest.raises(ConfigError, match=r"there is no (token|layer) .*; choose one of 0 to"):
            function(ds, token, layer)


@pytest.mark.parametrize("name", BY_HEAD)
def test_a_run_that_diverged_is_said_to_have(name) -> None:
    values = {other: np.full((1, 1, 20), 0.5) for other in BY_HEAD}
    values[name][..., 8] = np.nan
    ds = gates(*values.values())
    with pytest.raises(ConfigError, match="diverged"):
        (lineage.fate if name == "head_alpha" else lineage.lineage)(ds, 7 if name == "head_alpha" else 8)
