"""What is left of every write at the end of a text."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from titans_core import lasting as module
from titans_core.errors import ConfigError
from titans_core.lasting import lasting
from titans_core.lineage import fate


def gates(tokens: int, layers: int = 2, heads: int = 2, seed: int = 0) -> xr.Dataset:
    """Random pushes and gates; some gates are exactly 0 or 1."""
    random = np.random.default_rng(seed)

    def draw(power: float) -> np.ndarray:
        values = random.random((layers, heads, tokens)) ** power
        values[random.random(values.shape) < 0.05] = 0
        values[random.random(values.shape) < 0.02] = 1
        return values

    dims = ("layer", "head", "token")
    values = {"head_momentary": (dims, 3 * draw(1)), "head_eta": (dims, draw(0.5)), "head_alpha": (dims, draw(6))}
    return xr.Dataset(values, {dim: np.arange(n) for dim, n in zip(dims, (layers, heads, tokens), strict=True)})


def by_hand(ds: xr.Dataset, layer: int | None = None) -> np.ndarray:
    """Push by push: carried on by eta, added to the weights, forgotten by alpha."""
    picked = ds if layer is None else ds.isel(layer=[layer])
    pushed, eta, alpha = (picked[f"head_{name}"].values.reshape(-1, ds.sizes["token"]) for name in MEANT)
    result = []
    for t in range(ds.sizes["token"]):
        push = held = pushed[:, t]
        for s in range(t + 1, ds.sizes["token"]):
            push = push * eta[:, s]
            held = held * (1 - alpha[:, s]) + push
        result.append(np.sqrt((held**2).sum()))
    return np.array(result)


MEANT = ("momentary", "eta", "alpha")


@pytest.mark.parametrize("tokens", [1, 2, 63, 64, 65, 150])
@pytest.mark.parametrize("layer", [None, 1])
def test_it_is_what_a_push_has_become(monkeypatch: pytest.MonkeyPatch, tokens: int, layer: int | None) -> None:
    monkeypatch.setattr(module, "BLOCK", 64)
    monkeypatch.setattr(module, "PART", 16)
    ds = gates(tokens)
    np.testing.assert_allclose(lasting(ds, layer), by_hand(ds, layer), rtol=1e-6, atol=1e-12)


def test_it_is_the_last_point_of_every_fate(tiny_model: Callable[..., object]) -> None:
    import titans_core as tc

    ds = tc.trace(tiny_model("mag"), "A week told each day in the same words is broken once. " * 3)
    found = lasting(ds)
    for token in range(0, ds.sizes["token"], 7):
        one = fate(ds, token)
        assert found[token] == pytest.approx(one.end * one.size if one.size else 0.0, rel=1e-5)


def test_a_trace_without_the_gates_of_each_head_is_refused() -> None:
    with pytest.raises(ConfigError, match="run the text again"):
        lasting(gates(5).drop_vars("head_eta"))
    with pytest.raises(ConfigError, match="no layer 2; choose one of 0 to 1"):
        lasting(gates(5), 2)
