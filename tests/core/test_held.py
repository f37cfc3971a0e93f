"""What a memory holds of a span, against a memory that is built token by token in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from titans_core.layers.listen import Listener, listening
from titans_core.probes.held import bystanders, followers, held
from titans_core.probes.reading_on import memories, read_on

TEXT = "The keeper walked along the shore, and it rained. The number of the harbour book is 730. " * 8
SPAN = (40, 53)
POINTS = np.array([64, 96, 128, 192])


class Told(Listener):
    """Everything that a layer writes."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[tuple[torch.Tensor, ...]] = []

    def writes(self, at: int, *inputs: torch.Tensor) -> None:
        self.parts.append(tuple(x.double() for x in inputs))


def by_hand(model, ids: np.ndarray, at: list[int], of: np.ndarray | None = None) -> list[list[list[float]]]:
    """For each layer, for the memory after each of `at` tokens of `ids`: loss, cosine, cosine of shuffled keys.

    of: the document with the span, where `ids` lacks it.
    """
    found = []
    asked = _written(model, ids if of is None else of)
    for (keys, values, *_), (k, v, theta, eta, alpha) in zip(asked, _written(model, ids), strict=True):
        memory = torch.zeros(k.shape[0], k.shape[2], v.shape[2], dtype=torch.float64)
        momentum, states = torch.zeros_like(memory), [memory]
        for t in range(k.shape[1]):
            for h in range(k.shape[0]):
                error = k[h, t] @ memory[h] - v[h, t]
                push = 2 * theta[h, t] * torch.outer(k[h, t], error)
                momentum[h] = eta[h, t] * momentum[h] - push
            memory = (1 - alpha[:, t, None, None]) * memory + momentum
            states.append(memory)
        mine = []
        for s in at:
            rows = []
            for t in range(*SPAN):
                other = t - 1 if t > SPAN[0] else SPAN[1] - 1
                want = values[:, t].flatten()
                reads = [torch.cat([keys[h, i] @ states[s][h] for h in range(k.shape[0])]) for i in (t, other)]
                cosines = [float(r @ want / max(float(r.norm() * want.norm()), 1e-12)) for r in reads]
                rows.append([float((reads[0] - want).square().sum()), *cosines])
            mine.append(np.mean(rows, 0).tolist())
        found.append(mine)
    return found


def _written(model, ids: np.ndarray) -> list[list[torch.Tensor]]:
    """k, v (H, T, D) and theta, eta, alpha (H, T) of each layer, float64."""
    layers = memories(model)
    told = [Told() for _ in layers]
    with torch.inference_mode(), listening(layers, told, 0):
        model(torch.from_numpy(ids.astype(np.int64))[None])
    return [[torch.cat(x, 2)[0] for x in zip(*listener.parts, strict=True)] for listener in told]


@pytest.mark.parametrize("variant", ["mac", "mag", "lmm"])
def test_what_is_held_is_that_of_a_memory_built_by_hand(variant: str, tiny_model) -> None:
    model = tiny_model(variant, chunk=1)
    ids = model.tokenizer.encode(TEXT).ids[:200]
    listeners = followers(model, *SPAN, POINTS)
    stops = [stop for stop, _ in read_on(model, ids, [70], listeners=listeners)]
    assert stops == [70, 200]
    others = bystanders(listeners)
    without = np.delete(ids, slice(*SPAN))
    list(read_on(model, without, listeners=others))
    found = held(listeners, others)
    assert set(POINTS - found.tokens) <= set(range(-31, 1))
    expected = np.array(by_hand(model, ids, [*found.tokens.tolist()]))
    np.testing.assert_allclose(found.loss, expected[..., 0].T, rtol=2e-4)
    np.testing.assert_allclose(found.cosine, expected[..., 1].T, atol=2e-5)
    np.testing.assert_allclose(found.cosine_shuffled, expected[..., 2].T, atol=2e-5)
    # The memory that never read the span passes at most 31 tokens after the point.
    low = found.tokens[1] - (SPAN[1] - SPAN[0])
    after = np.array(by_hand(model, without, list(range(low, low + 32)), of=ids))
    assert np.abs(after[..., 0] - found.loss_removed[1][:, None]).max(0).min() < 2e-4
    assert np.abs(after[..., 1] - found.cosine_removed[1][:, None]).max(0).min() < 2e-5
    near = np.array(by_hand(model, ids, list(range(SPAN[0] - 31, SPAN[0] + 1))))  # one of these is meant by "before"
    distance = np.abs(near[..., 0] - found.loss_before[:, None]).max(0)
    assert distance.min() < 2e-4
