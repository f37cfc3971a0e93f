"""The kernels of a memory of two layers against the plain form: on a GPU, or else in Triton's interpreter."""

from __future__ import annotations

import os

import pytest
import torch
from torch import Tensor

from titans_core.memory import scan, triton_deep

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu":
    os.environ["TRITON_INTERPRET"] = "1"  # read when the kernels are first imported
pytest.importorskip("triton", reason="the triton library is not installed; it comes with CUDA builds of torch")
pytestmark = pytest.mark.filterwarnings("ignore")
SIZES = [(16, 16, 32), (32, 64, 64), (64, 64, 128)] if DEVICE == "cuda" else [(16, 16, 32)]  # chunk, width, hidden


def draw(chunk: int, width: int, hidden: int, ends: bool) -> list[Tensor]:
    """q, k, v, theta, eta, alpha of 2 memories of 3 chunks, and W1, W2, S1, S2, in float64."""
    random = torch.Generator(DEVICE).manual_seed(chunk)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random, device=DEVICE, dtype=torch.float64)

    lead = (1, 2, 3, chunk)
    q, k, v = (torch.nn.functional.normalize(normal(*lead, width), dim=-1) for _ in range(3))
    gates = [scale * normal(*lead).sigmoid() for scale in (0.6 / chunk, 0.9, 0.1)]
    for token, (gate, value) in enumerate([(0, 0.0), (1, 0.0), (2, 0.0), (2, 1.0)] if ends else []):
        gates[gate][..., 3 * token + 1] = value
    w1, s1 = normal(1, 2, width, hidden), 0.1 * normal(1, 2, width, hidden)
    w2, s2 = 0.3 * normal(1, 2, hidden, width), 0.1 * normal(1, 2, hidden, width)
    return [q, k, v, *gates, w1, w2, s1, s2]


def compute(fused: bool, given: list[Tensor], share: float | None) -> list[Tensor]:
    """Reads, the last weights and momentum, and the gradients of all that was given."""
    leaves = [x.to(torch.float32 if fused else torch.float64, copy=True).requires_grad_() for x in given]
    parts, weights, momentum = leaves[:6], tuple(leaves[6:8]), tuple(leaves[8:])
    if fused:
        reads, w1, s1, w2, s2, *_ = triton_deep.scan(parts, weights, momentum, share)
        reads = reads.flatten(2, 3)
    else:
        found, ((w1, w2), (s1, s2)), _ = scan._scan_chunks(parts, weights, momentum, False, share, None)
        reads = torch.cat(found, 2)
    outputs = [reads, w1, w2, s1, s2]
    sum((x * torch.arange(x.numel(), device=DEVICE).view_as(x).cos()).sum() for x in outputs).backward()
    return outputs + [x.grad for x in leaves]


@pytest.mark.parametrize(("ends", "share"), [(False, None), (True, None), (False, 0.02)])
@pytest.mark.parametrize(("chunk", "width", "hidden"), SIZES)
def test_the_kernels_equal_the_plain_form_in_float64(
    chunk: int, width: int, hidden: int, ends: bool, share: float | None
) -> None:
    torch.set_float32_matmul_precision("highest")
    given = draw(chunk, width, hidden, ends)
    for wanted, found in zip(compute(False, given, share), compute(True, given, share), strict=True):
        assert (found - wanted).norm().item() < 3e-6 * max(wanted.norm().item(), 1e-3)


@pytest.mark.parametrize("share", [None, 0.02])
@pytest.mark.parametrize(("chunk", "width", "hidden"), SIZES)
def test_signals_equal_the_plain_form_in_float64(chunk: int, width: int, hidden: int, share: float | None) -> None:
    torch.set_float32_matmul_precision("highest")
    given = draw(chunk, width, hidden, ends=True)
    given[8], given[9] = 0 * given[8], 0 * given[9]  # so that the first token carries no momentum
    _, _, wanted = scan._scan_chunks(given[:6], tuple(given[6:8]), tuple(given[8:]), True, share, None)
    single = [x.float() for x in given]
    found = triton_deep.scan(single[:6], tuple(single[6:8]), tuple(single[8:]), share)
    named = triton_deep.signals(single[:6], found)
    assert named.keys() == wanted.keys()
    assert named["alignment"][..., 0].isnan().all(), "no momentum yet"
    for name, values in wanted.items():
        near = 1e-3 if name == "alignment" else 1e-4 * values.abs().max().item()
        torch.testing.assert_close(named[name].double(), values, rtol=1e-4, atol=near, equal_nan=True, msg=name)
