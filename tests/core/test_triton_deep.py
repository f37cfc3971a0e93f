"""The kernels of a memory of two layers against the plain form: on a GPU, or else in Triton's interpreter."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from titans_core.memory import scan, triton_deep

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu":
    os.environ["TRITON_INTERPRET"] = "1"  # read when the kernels are first imported
pytest.importorskip("triton", reason="the triton library is not installed; it comes with CUDA builds of torch")
pytestmark = pytest.mark.filterwarnings("ignore")
GPU_ONLY = pytest.mark.skipif(DEVICE == "cpu", reason="no CUDA device here; run on a machine with a GPU")
SIZES = [(16, 16, 32), (32, 64, 64), (64, 64, 128)] if DEVICE == "cuda" else [(16, 16, 32)]  # chunk, width, hidden


@pytest.fixture(autouse=True)
def poisoned() -> Iterator[None]:
    """Memory that nobody has written holds NaN, so that none of it can be read unseen."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield
    torch.use_deterministic_algorithms(False)


def draw(chunk: int, width: int, hidden: int, ends: bool, lead: tuple[int, ...] = (1, 2, 3)) -> list[Tensor]:
    """q, k, v, theta, eta, alpha of B texts, H heads and N chunks (`lead`), and W1, W2, S1, S2, in float64."""
    numbers = torch.Generator(DEVICE).manual_seed(chunk + sum(lead))

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=numbers, device=DEVICE, dtype=torch.float64)

    lead = (*lead, chunk)
    q, k, v = (torch.nn.functional.normalize(normal(*lead, width), dim=-1) for _ in range(3))
    gates = [scale * normal(*lead).sigmoid() for scale in (0.6 / chunk, 0.9, 0.1)]
    for token, (gate, value) in enumerate([(0, 0.0), (1, 0.0), (2, 0.0), (2, 1.0)] if ends else []):
        gates[gate][..., 3 * token + 1] = value
    w1, s1 = normal(*lead[:2], width, hidden), 0.1 * normal(*lead[:2], width, hidden)
    w2, s2 = 0.3 * normal(*lead[:2], hidden, width), 0.1 * normal(*lead[:2], hidden, width)
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
        assert (found - wanted).norm().item() < 1e-5 * max(wanted.norm().item(), 1e-3)


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


@pytest.mark.parametrize("seed", range(3))
def test_any_number_of_texts_heads_and_chunks(seed: int) -> None:
    torch.set_float32_matmul_precision("highest")
    lead = tuple(torch.randint(1, 5, (3,), generator=torch.Generator().manual_seed(seed)).tolist())
    given = draw(16, 16, 32, seed % 2 == 1, lead)
    for wanted, found in zip(compute(False, given, None), compute(True, given, None), strict=True):
        assert (found - wanted).norm().item() < 3e-6 * max(wanted.norm().item(), 1e-3)


@GPU_ONLY
@pytest.mark.parametrize(("products", "promised"), [("highest", 1e-4), ("high", 5e-3), ("medium", 2e-2)])
def test_4096_tokens_are_as_near_to_float64_as_is_promised(products: str, promised: float) -> None:
    given = draw(64, 64, 128, False, (1, 4, 64))
    given[3], given[5] = given[3] / 20, given[5] / 100  # stable that long, and not all forgotten
    parts, weights, momentum = given[:6], tuple(given[6:8]), tuple(given[8:])
    reads, ends, wanted = scan._scan_chunks(parts, weights, momentum, True, None, None)
    torch.set_float32_matmul_precision(products)
    try:
        single = [x.float() for x in given]
        found = scan._scan_chunks(single[:6], tuple(single[6:8]), tuple(single[8:]), True, None, None)
    finally:
        torch.set_float32_matmul_precision("highest")
    pairs = [(torch.cat(found[0], 2), torch.cat(reads, 2))]
    pairs += [(a, b) for mine, theirs in zip(found[1], ends, strict=True) for a, b in zip(mine, theirs, strict=True)]
    for ours, truth in pairs:
        assert (ours - truth).norm().item() < promised * truth.norm().item()
    for name, values in wanted.items():
        known = ~values.isnan()
        assert torch.equal(found[2][name].isnan(), ~known), name
        assert (found[2][name][known] - values[known]).norm().item() < promised * values[known].norm().item(), name


def test_pushes_that_undo_each_other_are_seen_in_float64() -> None:
    torch.set_float32_matmul_precision("highest")
    given = draw(16, 16, 32, ends=False)
    q, k, v, theta, eta, alpha, w1, w2, s1, s2 = given
    w2.zero_(), s1.zero_(), s2.zero_()  # the first chunk's slopes are those of its values alone
    k[:, :, 0, 1], v[:, :, 0, 1] = k[:, :, 0, 0], -v[:, :, 0, 0] * (1 + 1e-6)
    theta[:, :, 0, 1] = theta[:, :, 0, 0]
    eta[:, :, 0, 1], alpha[:, :, 0, :2] = 1.0, 0.0
    wanted = scan._scan_chunks([q, k, v, theta, eta, alpha], (w1, w2), (s1, s2), True, None, None)[2]
    single = [x.float() for x in given]
    found = triton_deep.scan(single[:6], tuple(single[6:8]), tuple(single[8:]), None)
    named = triton_deep.signals(single[:6], found)
    left, before = (wanted["momentum"][..., token] for token in (1, 0))
    assert (left < 1e-5 * before).all()
    torch.testing.assert_close(
        named["momentum"][..., 1].double(), left, rtol=0.2, atol=0
    )  # 1e-6 in float32 is that coarse
