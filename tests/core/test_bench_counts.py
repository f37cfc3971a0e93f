"""What is counted of the memory's chunk form, by hand and as torch counts what runs."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from titans_core.bench import counts, readers
from titans_core.bench.counts import Shape

SMALL = Shape(batch=2, tokens=64, heads=3, width=8, hidden=12, depth=3, chunk=16)


def test_the_counts_of_the_promised_shape_by_hand() -> None:
    shape, c, d, h = Shape(), 64, 64, 128
    into, out = c * d * h, c * h * d  # multiplications of the two layers
    losses = into + out + out  # k W1, its SiLU times W2, and the slope back through W2
    reads = 2 * (into + out)  # of W and of S
    attends = c * c * d + c * c * h + c * c * h + c * c * d
    writes = 2 * (into + out)
    by_hand = 2 * (c**3 + losses + reads + attends + writes)
    assert counts.forward_flops(shape) == 4 * by_hand / 64 == 950_272
    assert sum(counts.purposes(shape).values()) == counts.forward_flops(shape)
    assert counts.backward_flops(shape) == 2 * 950_272
    assert counts.moved_bytes(shape) == 4 * 4 * (64 * 4 + 3)
    assert counts.carried_bytes(shape) == 4 * 4 * 4 * 2 * 64 * 128 / 64  # W and S, read and written, both layers


@pytest.mark.parametrize("shape", [SMALL, Shape(tokens=128)])
def test_they_are_what_torch_counts(shape: Shape) -> None:
    reader = readers.memory(shape, torch.device("cpu"))
    forward, both = FlopCounterMode(display=False), FlopCounterMode(display=False)
    with forward:  # with gradients: torch does not count what is written into a given result
        reader.call()
    with both:
        reads = reader.call()
        torch.autograd.grad(reads, reader.leaves, torch.ones_like(reads))
    found = forward.get_total_flops() / shape.read
    assert found == pytest.approx(counts.forward_flops(shape), rel=0.05)
    # the first chunk has no momentum to take gradients of, the last writes what nobody reads
    assert both.get_total_flops() / shape.read == pytest.approx(
        counts.forward_flops(shape) + counts.backward_flops(shape), rel=0.15
    )


def test_windowed_attention_is_attention_in_a_window() -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, 2, 32, 4) for _ in range(3))
    i, j = torch.arange(32)[:, None], torch.arange(32)
    mask = (j <= i) & (j > i - 8)
    whole = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    torch.testing.assert_close(readers.windowed(q, k, v, 8), whole)
