"""What is left of every write, against theory and against a memory that is built token by token in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from titans_core.errors import ConfigError
from titans_core.layers.listen import Listener, listening
from titans_core.lineage import fate
from titans_core.probes.following import Asking, Axes, one_of
from titans_core.probes.gates import Left
from titans_core.probes.reading_on import memories
from titans_core.probes.retention import Retention, retention
from titans_core.tracing import trace

TEXT = "The keeper walked along the shore, and it rained. She found 37 stones there.\nThe piano stood still. " * 6


def told(layer, axes: Axes, theta: float, eta: float, alpha: float, keys: torch.Tensor) -> Retention:
    """What is found where every token has these gates, and the keys (T, D) of all heads; values are random."""
    count, asking = len(keys), Asking(layer, axes)
    k = keys.expand(1, layer.heads, -1, -1)
    v = torch.randn(k.shape, generator=torch.Generator().manual_seed(1))
    gates = [torch.full((1, layer.heads, count), gate) for gate in (theta, eta, alpha)]
    with torch.inference_mode():
        asking.writes(0, k, v, *gates)
    tables = [*asking.by_row[:, None], *asking.by_lag[:, None]]
    return Retention(axes.rows, axes.times, axes.lags, *tables)


@pytest.fixture
def layer(tiny_model):
    return memories(tiny_model("lmm", chunk=1, dim=128))[0]  # heads of 64: so many keys can be orthogonal


AXES = Axes(np.arange(64), np.arange(0, 65, 4), np.array([32, 64]), np.array([0, 1, 2, 4, 8, 16, 65]))


def test_right_after_a_write_all_of_it_is_left(layer) -> None:
    keys = torch.nn.functional.normalize(torch.randn(64, 64, generator=torch.Generator().manual_seed(2)), dim=-1)
    found = told(layer, AXES, 0.2, 0.4, 0.05, keys)
    assert found.curve()[0] == pytest.approx(1, abs=1e-6)
    assert found.curve(gates=True)[0] == 1


def test_where_nothing_is_forgotten_or_overwritten_all_stays(layer) -> None:
    found = told(layer, AXES, 0.2, 0.0, 0.0, torch.eye(64))
    np.testing.assert_allclose(found.curve(), 1, atol=1e-5)
    np.testing.assert_array_equal(found.curve(gates=True), 1)
    assert found.half_life() == np.inf
    written = found.map()
    np.testing.assert_allclose(written[:8, 0], 1, atol=1e-5)
    assert np.isnan(written[8:, 0]).all(), "tokens 33 to 64 are not written when 32 are read"


def test_a_memory_that_forgets_all_keeps_the_last_write_alone(layer) -> None:
    found = told(layer, AXES, 0.2, 0.0, 1.0, torch.eye(64))
    np.testing.assert_allclose(found.curve(), [1, 0, 0, 0, 0, 0], atol=1e-6)
    np.testing.assert_array_equal(found.curve(gates=True), [1, 0, 0, 0, 0, 0])
    assert found.half_life() == 1


def test_the_gates_alone_overlook_what_other_writes_do(layer) -> None:
    found = told(layer, AXES, 0.5, 0.0, 0.0, torch.eye(64)[:1].expand(64, -1))  # all under one key
    np.testing.assert_array_equal(found.curve(gates=True), 1)
    assert found.curve()[-1] < 0.1


@pytest.mark.parametrize("variant", ["mac", "mag"])
def test_of_a_model_it_is_that_of_a_memory_built_by_hand(variant: str, tiny_model) -> None:
    model = tiny_model(variant, chunk=1)
    ids = model.tokenizer.encode(TEXT).ids[:160]
    seen: list[tuple[int, int]] = []
    found = retention(model, ids, rows=10, times=3, progress=lambda *at: seen.append(at))
    assert seen[-1] == (160, 160)
    for layer, (gain, left, gates) in enumerate(zip(*by_hand(model, ids, found.times), strict=True)):
        rows = np.arange(160) // 16
        for column, time in enumerate(found.times):
            for table, values in ((found.gain, gain), (found.left, left[column]), (found.gates, gates[column])):
                expected = np.bincount(rows[:time], values[:time], 10)
                np.testing.assert_allclose(table[layer, :, column], expected, rtol=2e-3, atol=2e-5)


def by_hand(model, ids: np.ndarray, times: np.ndarray) -> tuple[list, list, list]:
    """For each layer: gain (T,), what is left of it at each time, and by the gates; float64, all heads added up."""

    class Told(Listener):
        def writes(self, at: int, *inputs: torch.Tensor) -> None:
            self.parts.append([x.double() for x in inputs])

    layers, listeners = memories(model), []
    for _ in layers:
        listeners.append(Told())
        listeners[-1].parts = []
    with torch.inference_mode(), listening(layers, listeners, 0):
        model(torch.from_numpy(ids.astype(np.int64))[None])
    gains, lefts, by_gates = [], [], []
    for listener in listeners:
        k, v, theta, eta, alpha = (torch.cat(x, 2)[0] for x in zip(*listener.parts, strict=True))
        heads, count = theta.shape
        states, momentum = [torch.zeros(heads, k.shape[2], v.shape[2], dtype=torch.float64)], 0
        stands = torch.zeros(count + 1, heads, count, dtype=torch.float64)
        carried = torch.zeros(heads, count, dtype=torch.float64)
        error = lambda s, t: (k[:, t, None] @ states[s])[:, 0] - v[:, t]  # noqa: B023, E731
        for t in range(count):
            push = 2 * theta[:, t, None, None] * k[:, t, :, None] * error(t, t)[:, None]
            momentum = eta[:, t, None, None] * momentum - push
            states.append((1 - alpha[:, t, None, None]) * states[-1] + momentum)
            carried *= eta[:, t, None]
            carried[:, t] = 1
            stands[t + 1] = (1 - alpha[:, t, None]) * stands[t] + carried
        loss = lambda s, t: error(s, t).square().sum(-1)  # noqa: B023, E731
        before = torch.stack([loss(t, t) for t in range(count)], 1)
        gain = before - torch.stack([loss(t + 1, t) for t in range(count)], 1)
        gains.append(gain.sum(0).numpy())
        lefts.append([(before - torch.stack([loss(s, t) for t in range(count)], 1)).sum(0).numpy() for s in times])
        by_gates.append([(gain * stands[s]).sum(0).numpy() for s in times])
    return gains, lefts, by_gates


def test_what_the_gates_leave_is_the_fate_of_a_token(tiny_model) -> None:
    model = tiny_model("lmm", chunk=1)
    ds = trace(model, TEXT, heads=True)
    left = Left(2)
    count = ds.sizes["token"]
    for low, high in ((0, 70), (70, 71), (71, count)):
        left.add(*(ds[name].values[0, :, low:high].astype(np.float64) for name in ("head_eta", "head_alpha")))
    pushed = ds["head_momentary"].values[0].astype(np.float64)
    for token in (0, 69, 70, count - 1):
        own = np.sqrt(np.square(left.now()[:, token] * pushed[:, token]).sum())
        found = fate(ds, token, 0)
        assert own == pytest.approx(found.end * found.size, rel=1e-5)


def test_of_a_long_document_tokens_are_taken_evenly() -> None:
    axes = Axes.of(100_001, 128, 128)
    assert set(np.diff(axes.followed)) == {one_of(100_001)} == {6}
    assert not (axes.times % 32).any()
    assert (axes.rows[0], axes.rows[-1], len(axes.rows)) == (0, 100_001, 129)
    assert axes.lags[-1] >= 100_000


@pytest.mark.parametrize(
    ("variant", "count", "words"),
    [("transformer", 100, "has no memory that could retain"), ("mag", 63, "has 63 tokens; .* needs at least 64")],
)
def test_what_has_no_map_is_refused(variant: str, count: int, words: str, tiny_model) -> None:
    with pytest.raises(ConfigError, match=words):
        retention(tiny_model(variant), np.zeros(count, np.int32))
