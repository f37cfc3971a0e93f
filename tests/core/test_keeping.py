"""What is kept, against its definition on small arrays and on a trace whose writes are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import titans_core as tc
from titans_core.errors import ConfigError
from titans_core.lasting import lasting
from titans_core.probes.keeping import keeping, partial
from titans_core.signals import sum_layers


@pytest.fixture(scope="module")
def trace() -> xr.Dataset:
    text = "The lamp was lit at six. Nine boats went out, and nine boats came back. She counted 4190327 keys.\n" * 12
    return tc.trace(tc.load("mag", device="cpu"), text)


def test_the_partial_correlation_is_that_of_the_residuals() -> None:
    rng = np.random.default_rng(0)
    position = np.arange(500.0)
    driver = rng.normal(size=500) + position / 100
    kept = 0.5 * driver + position / 50 + rng.normal(size=500)
    ranks = np.stack([pd.Series(v).rank().to_numpy() for v in (driver, kept, position)])
    found = float(partial(np.corrcoef(ranks))[0])
    residuals = [v - np.polyval(np.polyfit(ranks[2], v, 1), ranks[2]) for v in ranks[:2]]
    assert found == pytest.approx(np.corrcoef(residuals)[0, 1], abs=1e-12)


def test_of_a_trace_it_is_the_partial_correlation_with_what_lasts(trace: xr.Dataset) -> None:
    found = keeping(trace, skip=50)
    surprise, left = sum_layers("surprise", trace["surprise"].values.astype(np.float64)), lasting(trace)
    used = np.arange(trace.sizes["token"])[50:]
    used = used[np.isfinite(trace["nll"].values[used])]
    ranks = np.stack([pd.Series(v).rank().to_numpy() for v in (surprise[used], left[used], used)])
    assert found.surprise.value == pytest.approx(float(partial(np.corrcoef(ranks))[0]), abs=1e-9)
    assert found.surprise.low < found.surprise.value < found.surprise.high
    assert found.tokens == len(used)
    tenth = used[np.argsort(-surprise[used])[: len(used) // 10]]
    assert found.tenth == pytest.approx(left[tenth].sum() / left[used].sum(), rel=1e-6)


def test_what_is_kept_by_surprise_alone_correlates_wholly(trace: xr.Dataset) -> None:
    """Where nothing fades and nothing is carried, what is left of a write is its push."""
    ds = trace.copy()
    ds["head_eta"], ds["head_alpha"] = 0 * trace["head_eta"], 0 * trace["head_alpha"]
    ds["head_momentary"] = xr.ones_like(trace["head_momentary"]) * ds["surprise"].max("layer")
    ds["surprise"] = xr.ones_like(trace["surprise"]) * ds["surprise"].max("layer")
    found = keeping(ds, skip=50)
    assert found.surprise.value > 0.999
    assert found.tenth > 0.1


def test_the_same_seed_gives_the_same_interval(trace: xr.Dataset) -> None:
    assert keeping(trace, skip=50, count=50) == keeping(trace, skip=50, count=50)
    assert keeping(trace, skip=50, count=50) != keeping(trace, skip=50, count=50, seed=1)


def test_too_short_a_text_is_refused(trace: xr.Dataset) -> None:
    with pytest.raises(ConfigError, match="tokens are defined after the first 300; at least 200 are needed"):
        keeping(trace, skip=300)
