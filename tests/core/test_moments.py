"""The memory over time, against weights that were rebuilt token by token in float64."""

from __future__ import annotations

import shutil
import threading
from itertools import pairwise

import numpy as np
import pytest
import torch
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from titans_core import record, tracing
from titans_core.config import VARIANTS, ModelConfig
from titans_core.errors import StoreError
from titans_core.interventions import intervene
from titans_core.layers import memory as layer
from titans_core.layers.memory import MemoryLayer
from titans_core.memory import equations, memory_scan
from titans_core.moments import collect, effective_rank, moments, path
from titans_core.moments.measure import DERIVED, VARIABLES
from titans_core.settings import Settings
from titans_core.slabs import SLAB

WITH_MEMORY = [variant for variant in VARIANTS if ModelConfig(variant=variant).has_memory]
LONG = "The keeper walked along the shore. It rained, and the piano stood there all night; nobody came. " * 9
SHAPES = [
    *({"chunk": 1}, {"chunk": 4}, {"chunk": 16}),
    *({"chunk": 4, "memory_depth": 2, "memory_hidden": 6}, {"chunk": 1, "memory_depth": 3, "memory_hidden": 20}),
]


class Truth:
    """The weights of every layer after every token, (T + 1, L, H, weights): each write goes through the equations."""

    def __init__(self, model, monkeypatch) -> None:
        layers = [m for m in model.modules() if isinstance(m, MemoryLayer)]
        self.found: list[list[torch.Tensor]] = [[] for _ in layers]
        self.turn, self.count = 0, len(layers)
        monkeypatch.setattr(layer, "memory_scan", self.step)

    def step(self, q, k, v, theta, eta, alpha, weights, momentum, *, chunk, signals, step_cap, watch):
        """A model that reads one token a call goes through its layers in turn."""
        assert k.shape[2] == 1
        assert watch is None
        kept = self.found[self.turn]
        self.turn = (self.turn + 1) % self.count
        if not kept:
            kept.append(self._flat(weights))
        scan = equations.memory_steps(q, k, v, theta, eta, alpha, weights, momentum, chunk=1)
        kept.append(self._flat(scan.weights))
        return scan

    def _flat(self, weights):
        return torch.cat([w[0].flatten(1) for w in weights], 1)

    def states(self) -> np.ndarray:
        return torch.stack([torch.stack(kept) for kept in self.found], 1).numpy()


def rebuilt(model, text, monkeypatch) -> np.ndarray:
    """(T + 1, L, H, weights) in float64, one token a call."""
    ids = torch.from_numpy(model.tokenizer.encode(text).ids.astype(np.int64))
    with monkeypatch.context() as patch:
        truth = Truth(model, patch)
        state = None
        for token in ids:
            state = model(token[None, None], state).state
    return truth.states()


@pytest.mark.parametrize("variant", ["mag", "mal", "lmm"])
@pytest.mark.parametrize("momentum", [True, False])
def test_they_are_the_weights_of_the_equations_token_by_token(variant, momentum, tiny_model, monkeypatch) -> None:
    model = tiny_model(variant, chunk=1, momentum=momentum).double()
    found = moments(tracing.trace(model, LONG))
    states = rebuilt(model, LONG, monkeypatch)[found["tokens"].values]
    assert len(states) > 4
    check(found, states, (8, 8), tolerance=1e-10)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("variant", WITH_MEMORY)
def test_they_are_the_weights_that_a_run_of_so_many_tokens_ends_with(shape, variant, tiny_model) -> None:
    """Every variant, chunk and depth, also where the text ends within a segment or a chunk."""
    model = tiny_model(variant, **shape).double()
    whole = tracing.trace(model, LONG)
    found = moments(whole)
    ids = torch.from_numpy(whole["id"].values.astype(np.int64))
    kept: dict[int, list] = {}
    for tokens in found["tokens"].values[1:]:
        kept[int(tokens)] = last_weights(model, ids[:tokens])
    start = [torch.cat([w[0].flatten(1) for w in m.start(1).weights], 1) for m in memories(model)]
    states = torch.stack([torch.stack(start), *(torch.stack(kept[int(t)]) for t in found["tokens"].values[1:])])
    assert whole.sizes["token"] % 16, "the text ends within a segment"
    check(found, states.numpy(), memories(model)[0].widths[-1], tolerance=1e-9)


def memories(model) -> list[MemoryLayer]:
    return [m for m in model.modules() if isinstance(m, MemoryLayer)]


def last_weights(model, ids: torch.Tensor) -> list[torch.Tensor]:
    """What each memory holds after all of `ids`, also those of an unfinished segment."""
    seen: dict[int, torch.Tensor] = {}
    hooks = [
        m.register_forward_hook(
            lambda _, __, out, k=k: seen.__setitem__(k, torch.cat([w[0].flatten(1) for w in out[1].weights], 1))
        )
        for k, m in enumerate(memories(model))
    ]
    model(ids[None])
    for hook in hooks:
        hook.remove()
    return [seen[k] for k in range(len(hooks))]


def check(found: xr.Dataset, states: np.ndarray, last: tuple[int, int], tolerance: float) -> None:
    """All variables against states (N, L, H, weights)."""
    flat = states.transpose(1, 0, 2, 3).reshape(states.shape[1], len(states), -1)
    scale = np.abs(flat).max()
    assert scale > 0.05
    close = {"rtol": tolerance, "atol": tolerance * scale}
    np.testing.assert_allclose(found["gram"], flat @ flat.transpose(0, 2, 1), **close)
    rough = {"rtol": 1e-6, "atol": 1e-7 * scale}  # a distance from inner products has half their digits
    np.testing.assert_allclose(found["size"], np.linalg.norm(flat, axis=-1), **rough)
    np.testing.assert_allclose(found["drift"], np.linalg.norm(flat - flat[:, :1], axis=-1), **rough)
    np.testing.assert_allclose(found["moved"][:, 1:], np.linalg.norm(np.diff(flat, axis=1), axis=-1), **rough)
    assert np.isnan(found["moved"][:, 0]).all()
    measured = np.isfinite(found["singular"].values).all((0, 1, 3))
    assert measured[0]
    assert measured[-1]
    assert np.isnan(found["singular"].values[:, :, ~measured]).all()
    weights = states[measured][..., -last[0] * last[1] :].reshape(-1, *states.shape[1:3], *last)
    truth = np.linalg.svd(weights, compute_uv=False).transpose(1, 2, 0, 3)
    np.testing.assert_allclose(found["singular"].values[:, :, measured], truth, rtol=1e-5, atol=3e-8 * truth.max())
    for one, gram in zip(flat, found["gram"].values, strict=True):
        same_as_pca(path(gram), one)


def same_as_pca(found, states: np.ndarray) -> None:
    """The principal components of the stacked vectors themselves."""
    centred = states - states.mean(0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(found.shares, s[:2] ** 2 / (s**2).sum(), atol=1e-9)
    places = u[:, :2] * s[:2]
    places *= np.sign(places[-1]) * np.sign(found.places[-1])
    np.testing.assert_allclose(found.places, places, atol=1e-6 * s[0])
    assert (found.places[-1] >= 0).all()


def test_moments_are_evenly_spaced_and_begin_and_end_with_the_text(tiny_model) -> None:
    model = tiny_model("lmm", chunk=1, layers=1)
    for tokens in (1, 2, 31, 64, 65, 700, 3968, 3969, 9000):
        found = moments(tracing.trace(model, "a" + " the" * (tokens - 1)))
        spacing = 64 * -(-tokens // (64 * 62))
        assert found["tokens"].values.tolist() == [*range(0, tokens, spacing), tokens]
        assert found.sizes["moment"] <= 64
        measured = found["tokens"].values[np.isfinite(found["singular"].values).all((0, 1, 3))]
        assert (np.diff(measured)[:-1] >= 320).all(), "spectra cost most"
        assert measured[0] == 0
        assert measured[-1] == tokens


@pytest.mark.parametrize("variant", ["transformer", "lightning"])
def test_models_without_memory_have_none(variant, tiny_model, tmp_path) -> None:
    assert moments(tracing.trace(tiny_model(variant), LONG)) is None
    assert moments(tracing.trace(tiny_model(variant), LONG, store=tmp_path / "run.zarr")) is None
    assert not (tmp_path / "run.zarr" / "moments").exists()


@pytest.mark.parametrize("variant", ["mac", "lmm"])
def test_a_run_that_goes_on_starts_where_the_other_ended(variant, tiny_model) -> None:
    model = tiny_model(variant, chunk=4).double()
    first = tracing.run(model, LONG[:500])
    rest = first.state.pending.shape[1]
    second = moments(tracing.trace(model, LONG[500:], state=first.state))
    assert rest > 0, "the text before ends within a segment"
    assert second["tokens"].values[0] == -rest, "those tokens are not in the weights of the state yet"
    flat = np.stack([np.concatenate([w.numpy().ravel() for w in one.weights]) for one in first.state.layers])
    np.testing.assert_allclose(second["size"][:, 0], np.linalg.norm(flat, axis=-1), rtol=1e-9)
    assert (second["drift"][:, 0] == 0).all()
    assert (second["drift"][:, -1] > 0).all()


def test_frozen_writes_stay_where_they_are(tiny_model) -> None:
    model = tiny_model("mag")
    state = tracing.run(model, LONG[:300]).state
    found = moments(tracing.trace(model, LONG, state=state, settings=Settings(freeze_writes=True)))
    assert (found["size"] > 0.1).all()
    np.testing.assert_allclose(found["drift"], 0, atol=1e-6)


def test_a_trace_is_what_it_was_without(tiny_model) -> None:
    """Nothing new among its variables, dims and attributes, and no value is another."""
    model = tiny_model("mac")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracing, "Collector", lambda *_: collect.Collector(torch.nn.Module(), 1, 0))
        plain = tracing.trace(model, LONG)
    found = tracing.trace(model, LONG)
    for name in ("seconds", "created"):
        assert plain.attrs.pop(name) is not found.attrs.pop(name)
    xr.testing.assert_identical(plain, found)
    assert moments(plain) is None
    assert moments(found) is not None
    assert not any(m.listeners for m in memories(model))


def test_they_are_stored_with_the_trace(tiny_model, tokenizer, tmp_path) -> None:
    model = tiny_model("mal")
    kept = tracing.trace(model, LONG)
    stored = tracing.trace(model, LONG, store=tmp_path / "a.zarr")
    record.save_trace(kept, tmp_path / "b.zarr", tokenizer.pieces)
    record.save_trace(stored, tmp_path / "c.zarr", tokenizer.pieces)
    for other in (stored, *(record.open_trace(tmp_path / f"{name}.zarr") for name in "abc")):
        xr.testing.assert_identical(moments(kept), moments(other))
    for name, variable in moments(stored).data_vars.items():
        assert set(variable.attrs) == {"long_name", "units", "source", "granularity"}
        assert variable.dims == (VARIABLES | DERIVED)[name][0]
    assert moments(kept.isel(token=slice(0, 20))) is None, "they are of the whole text"


def test_a_store_without_them_opens(tiny_model, tmp_path) -> None:
    tracing.trace(tiny_model("mag"), LONG, store=tmp_path / "run.zarr")
    shutil.rmtree(tmp_path / "run.zarr" / "moments")
    dataset = record.open_trace(tmp_path / "run.zarr").load()
    assert "surprise" in dataset
    assert moments(dataset) is None


def spoil(name: str, values: np.ndarray):
    def change(group: zarr.Group) -> None:
        del group[name]
        dims = VARIABLES[name][0]
        group.create_array(name, data=values, dimension_names=dims[: values.ndim])

    return change


@pytest.mark.parametrize(
    "damage",
    [
        lambda group: group.__delitem__("gram"),
        lambda group: group.create_array("more", shape=(2,), dtype="f4", dimension_names=("a",)),
        spoil("tokens", np.array([0, 5, 3])),
        spoil("tokens", np.arange(900)),
        spoil("tokens", np.array([0.5, 1.5])),
        spoil("gram", np.zeros((2, 3))),
        spoil("gram", np.zeros((2, 3, 3), np.int32)),
    ],
)
def test_damaged_ones_are_a_store_error(damage, tiny_model, tmp_path) -> None:
    tracing.trace(tiny_model("mag"), LONG, store=tmp_path / "run.zarr")
    damage(zarr.open_group(tmp_path / "run.zarr" / "moments", mode="r+"))
    dataset = record.open_trace(tmp_path / "run.zarr")
    with pytest.raises(StoreError, match=r"run\.zarr is damaged: moments"):
        moments(dataset)


def test_a_run_that_diverged_has_no_spectrum_and_no_path(tiny_model, monkeypatch) -> None:
    model = tiny_model("lmm", layers=1)
    keep = collect.Collector.keep
    bad = lambda self, moment, k, weights: keep(self, moment, k, tuple(w * (np.inf if moment else 1) for w in weights))  # noqa: E731
    monkeypatch.setattr(collect.Collector, "keep", bad)
    found = moments(tracing.trace(model, LONG))
    assert np.isnan(found["singular"].values[:, :, 1:]).all()
    assert not np.isfinite(found["size"].values[:, 1:]).any()
    assert np.isnan(path(found["gram"].values[0]).places).all()


def test_a_run_that_diverged_midway_has_none_and_can_be_reopened(tiny_model, tmp_path) -> None:
    """Moments up to where it ended would read as those of another text."""
    model, text = tiny_model("mag"), LONG * 8
    assert len(model.tokenizer.encode(text)) > SLAB, "a slab is left of which nothing is computed"
    dataset = tracing.trace(model, text, settings=intervene("theta=1e6"), store=tmp_path / "run.zarr")
    assert "diverged" in dataset.attrs
    assert moments(dataset) is None
    assert moments(record.open_trace(tmp_path / "run.zarr")) is None


def test_two_runs_of_one_model_at_a_time_do_not_see_each_other(tiny_model, monkeypatch) -> None:
    model = tiny_model("mag")
    texts = [LONG, LONG[200:] + " and more of it"]
    alone = [moments(tracing.trace(model, text)) for text in texts]
    found, keep = [], collect.Collector.keep

    def meanwhile(self, moment, k, weights) -> None:
        """In the middle of a call of the first run, another thread reads the other text."""
        if moment == 2 and not found and threading.current_thread() is threading.main_thread():
            thread = threading.Thread(target=lambda: found.append(moments(tracing.trace(model, texts[1]))))
            thread.start()
            thread.join(60)
        keep(self, moment, k, weights)

    monkeypatch.setattr(collect.Collector, "keep", meanwhile)
    found.insert(0, moments(tracing.trace(model, texts[0])))
    for one, truth in zip(found, alone, strict=True):
        xr.testing.assert_identical(one, truth)


def test_a_recorder_may_use_the_model(tiny_model) -> None:
    model = tiny_model("mag")
    alone = moments(tracing.trace(model, LONG))

    class Asks:
        def on_chunk(self, layer, span, signals) -> None:
            model(torch.arange(40)[None])
            tracing.trace(model, "another text")

    xr.testing.assert_identical(moments(tracing.run(model, LONG, recorder=Asks()).trace), alone)


@pytest.mark.parametrize("signals", [False, True])
@pytest.mark.parametrize(("chunk", "depth", "length"), [(1, 1, 70), (1, 1, 5), (4, 1, 10), (4, 2, 10), (1, 2, 3)])
def test_a_watch_is_told_the_weights_of_every_border(signals, chunk, depth, length) -> None:
    torch.manual_seed(3)
    widths = [4, *[6] * (depth - 1), 4]
    weights = tuple(torch.randn(2, 3, a, b).double() for a, b in pairwise(widths))
    q, k, v = torch.randn(3, 2, 3, length, 4).double() / 2
    gates = torch.rand(3, 2, 3, length).double() / 4
    told: dict[int, tuple] = {}
    given_ = (q, k, v, *gates, weights)
    whole = memory_scan(*given_, chunk=chunk, signals=signals, watch=told.__setitem__)
    torch.testing.assert_close(whole.weights, memory_scan(*given_, chunk=chunk).weights, rtol=0, atol=0)
    size = 32 if (chunk, depth) == (1, 1) else chunk
    assert list(told) == [*range(0, length, size), length]
    for done, found in told.items():
        cut = [x[:, :, :done] for x in (q, k, v, *gates)]
        truth = equations.memory_steps(*cut, weights, chunk=chunk).weights if done else weights
        torch.testing.assert_close(found, truth, rtol=1e-9, atol=1e-12)


values = hnp.arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 9)), elements=st.floats(0, 1e6))


@given(values)
@settings(max_examples=200, deadline=None)
def test_effective_rank_lies_between_one_and_the_rank(singular) -> None:
    found = effective_rank(singular)
    count = (singular > 0).sum(-1)
    assert ((found >= np.minimum(count, 1) - 1e-9) & (found <= count + 1e-6)).all()


def test_effective_rank_of_known_spectra() -> None:
    rows = np.array([[3.0, 3, 3, 3], [5, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [np.nan, 1, 1, 1]])
    np.testing.assert_allclose(effective_rank(rows), [4, 1, 2, 0, np.nan], rtol=1e-12)
    p = np.array([0.7, 0.2, 0.1])
    np.testing.assert_allclose(effective_rank(8 * p[None]), np.exp(-(p * np.log(p)).sum()))


def test_the_path_of_what_does_not_move() -> None:
    for gram in (np.zeros((5, 5)), np.full((1, 1), 4.0), np.full((3, 3), 2.1)):
        found = path(gram)
        assert not found.places.any()
        assert not found.shares.any()
        assert found.places.shape == (len(gram), 2)
