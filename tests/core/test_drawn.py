"""What a read draws on, against a memory that is built token by token in float64."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import titans_core as tc
from titans_core.errors import ConfigError
from titans_core.layers.memory import MemoryState
from titans_core.memory.equations import gradient, memory_steps
from titans_core.probes.drawn import Drawing, asked, drawn
from titans_core.probes.gates import Left, standing
from titans_core.probes.places import plant
from titans_core.probes.reading_on import memories, read_on

TEXT = "The keeper walked along the shore, and it rained. The number of the harbour book is 730. " * 6


def given(heads: int, count: int, dim: int) -> list[torch.Tensor]:
    """k, v, theta, eta, alpha, all random: (1, H, T, D) and (1, H, T), float64."""
    rng = torch.Generator().manual_seed(3)
    k, v = torch.randn(2, 1, heads, count, dim, generator=rng, dtype=torch.float64)
    theta, eta, alpha = torch.rand(3, 1, heads, count, generator=rng, dtype=torch.float64)
    return [torch.nn.functional.normalize(k, dim=-1), v, 0.4 * theta, 0.9 * eta, 0.1 * alpha]


@pytest.mark.parametrize("chunk", [1, 4])
def test_every_term_is_that_of_a_memory_built_by_hand(chunk: int, tiny_model) -> None:
    layer = memories(tiny_model("lmm", chunk=chunk).double())[0]
    heads, dim = layer.heads, layer.dim // layer.heads
    inputs = given(heads, 102, dim)
    wanted = torch.randn(2, 3, heads, dim, dim, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    drawing = Drawing(layer, *wanted)
    for low, high in ((0, 72), (72, 76), (76, 102)):
        drawing.writes(low, *(x[:, :, low:high] for x in inputs))
    terms = by_hand(inputs, chunk, wanted)
    np.testing.assert_allclose(drawing.found(), terms, rtol=0, atol=1e-10)
    empty = tuple(w.detach() for w in layer.start(1).weights)
    scan = memory_steps(inputs[0], *inputs, empty, chunk=chunk)
    whole = (wanted[0] * scan.weights[0][0] + wanted[1] * scan.momentum[0][0]).sum((1, 2, 3))
    np.testing.assert_allclose(drawing.found().sum(1), whole, rtol=0, atol=1e-10)


def by_hand(inputs: list[torch.Tensor], chunk: int, wanted: torch.Tensor) -> np.ndarray:
    """(K, T): one push alone through eqs. 13 and 14, at a time."""
    k, v, theta, eta, alpha = inputs
    count = k.shape[2]
    weights = momentum = torch.zeros(1, k.shape[1], k.shape[3], v.shape[3], dtype=torch.float64)
    parts: list[list[torch.Tensor]] = []
    for t in range(count):
        if t % chunk == 0:
            anchor = weights
        (slope,) = gradient((anchor,), k[:, :, t], v[:, :, t])
        step, carry, stay = theta[:, :, t, None, None], eta[:, :, t, None, None], 1 - alpha[:, :, t, None, None]
        for part in parts:
            part[1] = carry * part[1]
            part[0] = stay * part[0] + part[1]
        parts.append([-step * slope, -step * slope])
        momentum = carry * momentum - step * slope
        weights = stay * weights + momentum
    told = [(wanted[0] * part[0][0] + wanted[1] * part[1][0]).sum((1, 2, 3)) for part in parts]
    return torch.stack(told, 1).numpy()


def test_what_stands_at_the_end_is_what_the_gates_leave() -> None:
    *_, eta, alpha = (x[0].numpy() for x in given(2, 40, 4))
    left = Left(2)
    left.add(eta, alpha)
    weights, momentum = standing(eta, alpha)
    np.testing.assert_allclose(weights, left.now(), rtol=1e-12)
    later = [eta[:, t + 1 :].prod(1) for t in range(40)]
    np.testing.assert_allclose(momentum, np.stack(later, 1), rtol=1e-12)


@pytest.mark.parametrize(("variant", "chunk"), [("mac", 1), ("mac", 4), ("mag", 1), ("mag", 4), ("mal", 1), ("lmm", 1)])
def test_of_a_model_all_shares_add_up_to_the_read_and_the_pull_is_a_slope(variant: str, chunk: int, tiny_model) -> None:
    model = tiny_model(variant, chunk=chunk).double()
    ids = model.tokenizer.encode(TEXT).ids
    read, cue, answer = ids[:85], ids[85:95], ids[100:103]
    with torch.inference_mode():
        ((_, state),) = read_on(model, read)
    readings = asked(model, state, cue, answer)
    assert readings.tokens == (80 if variant == "mac" else 84 if chunk == 4 else 85), "of mac the segments before"
    found = drawn(model, read[: readings.tokens], readings)
    np.testing.assert_allclose(found.read.sum(1) + found.own, 1, rtol=0, atol=1e-10)
    assert np.abs(found.own).max() > 1e-3
    assert np.abs(found.own - 1).max() > 1e-3, "the document has a part in it"
    for layer, pull in enumerate(found.pull):
        more, less = (odds(model, scaled(state, layer, 1 + by), cue, answer) for by in (1e-5, -1e-5))
        assert pull.sum() == pytest.approx((more - less) / 2e-5, rel=1e-5, abs=1e-7)


def odds(model, state, cue: np.ndarray, answer: np.ndarray) -> float:
    """Log-odds of the answer's tokens, added up, in bits."""
    ids = torch.from_numpy(np.concatenate((cue, answer)).astype(np.int64))[None]
    with torch.inference_mode():
        p = model(ids, state).logits[0, len(cue) - 1 : -1].softmax(-1)[range(len(answer)), ids[0, len(cue) :]]
    return float((p / (1 - p)).log2().sum())


def scaled(state, layer: int, by: float):
    """The state with one layer's memory, weights and momentum, made larger."""

    def grown(memory: MemoryState) -> MemoryState:
        return memory._replace(**{n: tuple(x * by for x in getattr(memory, n)) for n in ("weights", "momentum")})

    layers = list(state.layers)
    part = layers[layer]
    layers[layer] = grown(part) if isinstance(part, MemoryState) else (part[0], grown(part[1]))
    return replace(state, layers=tuple(layers))


def test_a_shipped_memory_draws_on_the_sentence_that_it_quotes() -> None:
    model = tc.load("mac")
    filler = "The rain had stopped before noon. Nobody in the village spoke of the boat again, nor of the storm. " * 30
    place = plant(filler, "One of the special magic numbers for lantern is: 5093862.", 0.4)
    encoding = model.tokenizer.encode(place.text)
    cue = "\nWhat is the special magic number for lantern mentioned in the provided text? "
    cue += "The special magic number for lantern mentioned in the provided text is"
    ((_, state),) = read_on(model, encoding.ids)
    readings = asked(model, state, model.tokenizer.encode(cue).ids, model.tokenizer.encode(" 5093862").ids)
    found = drawn(model, encoding.ids[: readings.tokens], readings)
    np.testing.assert_allclose(found.read.sum(1) + found.own, 1, rtol=0, atol=1e-5)
    pull = np.where(np.isfinite(found.pull), found.pull, 0).sum(0)
    inside = (encoding.start >= place.start) & (encoding.end <= place.end)
    assert pull[inside[: len(pull)]].sum() > 0.5 * pull[pull > 0].sum()


@pytest.mark.parametrize(
    ("variant", "changes", "words"),
    [("transformer", {}, "no memory to read"), ("mag", {"memory_depth": 2}, "has 2 layers.*memory_depth is 1")],
)
def test_what_is_no_sum_of_writes_is_refused(variant: str, changes: dict, words: str, tiny_model) -> None:
    model = tiny_model(variant, **changes)
    with pytest.raises(ConfigError, match=words):
        asked(model, model.start(1), np.zeros(2, np.int32), np.zeros(1, np.int32))
