"""The kernels against the plain form: on a GPU, or else in Triton's interpreter where the triton library is there."""

from __future__ import annotations

import os

import pytest
import torch

from titans_core.memory import linear, triton
from titans_core.memory.prepared import Prepared, prepare

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu":
    os.environ["TRITON_INTERPRET"] = "1"  # read when the kernels are first imported
pytest.importorskip("triton", reason="the triton library is not installed; it comes with CUDA builds of torch")
pytestmark = pytest.mark.filterwarnings("ignore")
SIZES = [(2, 16), (2, 32), (32, 32)] if DEVICE == "cuda" else [(1, 16), (1, 32)]  # few rows: narrow programs


@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize(("rows", "block"), SIZES)
def test_the_kernels_equal_the_plain_form_in_float64(rows: int, block: int, ends: bool) -> None:
    torch.set_float32_matmul_precision("highest")
    random = torch.Generator(DEVICE).manual_seed(block)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=random, device=DEVICE, dtype=torch.float64)

    lead = (rows, 3, 3, block)
    qkv = [torch.nn.functional.normalize(draw(*lead, 64), dim=-1) for _ in range(3)]
    gates = [scale * draw(*lead).sigmoid() for scale in (0.4, 0.9, 0.1)]
    for token, (gate, value) in enumerate([(0, 0.0), (1, 0.0), (2, 0.0), (2, 1.0)] if ends else []):
        gates[gate][..., 3 * token + 1] = value
    given = [*qkv, *gates, 0.3 * draw(rows, 3, 64, 64), 0.1 * draw(rows, 3, 64, 64)]
    results = []
    for fused, dtype in ((False, torch.float64), (True, torch.float32)):
        leaves = [x.to(dtype, copy=True).requires_grad_() for x in given]
        q, k, v, *steps = leaves[:6]
        made = triton.prepare(q, k, *steps)[:-1] if fused else prepare(*leaves[:6])[1][3:]
        form = triton.blocks if fused else linear._blocks
        *outputs, states = form(Prepared(q, k, v, *made), *leaves[6:], states=True)
        sum((x * torch.arange(x.numel(), device=DEVICE).view_as(x).cos()).sum() for x in outputs).backward()
        results.append([*made, *outputs, *states[:2], *(x.grad for x in leaves)])
    for wanted, found in zip(*results, strict=True):
        assert (found - wanted).norm().item() < 2e-6 * max(wanted.norm().item(), 1e-3)


def unit_vectors(rows: int, block: int) -> list[torch.Tensor]:
    """q, k, v of 3 heads and 3 blocks in float64."""
    random = torch.Generator(DEVICE).manual_seed(block)
    drawn = (torch.randn(rows, 3, 3, block, 64, generator=random, device=DEVICE, dtype=torch.float64) for _ in range(3))
    return [torch.nn.functional.normalize(x, dim=-1) for x in drawn]


def both_forms(given: list[torch.Tensor]) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """The signals of an empty memory: the plain form's in float64, the kernel's in float32."""
    start = given[0].new_zeros(*given[0].shape[:2], 64, 64)
    wanted = linear.linear_scan(given, start, start, signals=True)[3]
    single = [x.float() for x in given]
    *made, inverse = triton.prepare(*single[:2], *single[3:])
    prepared = Prepared(*single[:3], *made)
    starts = triton.blocks(prepared, start.float(), start.float(), states=True)[3]
    assert wanted is not None
    assert starts is not None
    return wanted, triton.signals(prepared, single[3:], inverse, *starts)


@pytest.mark.parametrize(("rows", "block"), SIZES)
def test_signals_equal_the_plain_form_in_float64(rows: int, block: int) -> None:
    torch.set_float32_matmul_precision("highest")
    qkv, lead = unit_vectors(rows, block), (rows, 3, 3, block)
    random = torch.Generator(DEVICE).manual_seed(block + 1)
    draw = [torch.rand(*lead, generator=random, device=DEVICE, dtype=torch.float64) for _ in range(3)]
    gates = [scale * x for scale, x in zip((0.4, 0.9, 0.1), draw, strict=True)]
    # two pushes that undo each other but for a millionth: no norm of float32 sees what is left
    gates[1][:, :, 0, :3], gates[2][:, :, 0, :3] = 1.0, 0.0
    qkv[1][:, :, 0, 1] = qkv[1][:, :, 0, 0]
    qkv[2][:, :, 0, 1] = -qkv[2][:, :, 0, 0] * (1 + 1e-6)
    gates[0][:, :, 0, 0] = gates[0][:, :, 0, 1] = 1e-7
    wanted, named = both_forms([*qkv, *gates])
    assert (wanted["momentum"][..., 1] < 1e-5 * wanted["momentum"][..., 0]).all()
    wanted["alignment"][..., 2] = named["alignment"][..., 2].double()  # with what is left, a matter of rounding
    for name, values in named.items():
        near = 1e-3 if name == "alignment" else 1e-6 * wanted[name].abs().max().item()
        torch.testing.assert_close(values.double(), wanted[name], rtol=1e-4, atol=near, equal_nan=True, msg=name)
    torch.testing.assert_close(named["momentum"][..., 1].double(), wanted["momentum"][..., 1], rtol=0.1, atol=0)


@pytest.mark.parametrize(("rows", "block"), SIZES)
def test_signals_of_a_momentum_that_has_faded(rows: int, block: int) -> None:
    torch.set_float32_matmul_precision("highest")
    qkv, lead = unit_vectors(rows, block), (rows, 3, 3, block)
    theta, eta, alpha = (torch.zeros(lead, device=DEVICE, dtype=torch.float64) for _ in range(3))
    theta[:, :, 0, 0] = theta[:, :, 2, -1] = 1e-3
    eta += 0.1 ** (20 / (2 * block))  # the square of what is left is far below what float32 can be
    given = [*qkv, theta, eta, alpha]
    wanted, named = both_forms(given)
    assert 0 < wanted["past_surprise"][..., -1].max() < 1e-19
    for name in ("past_surprise", "momentum", "alignment"):
        torch.testing.assert_close(named[name].double(), wanted[name], rtol=1e-3, atol=0, equal_nan=True, msg=name)


@pytest.mark.parametrize(("rows", "block"), SIZES)
def test_a_scan_by_the_kernels_equals_one_without(rows: int, block: int) -> None:
    torch.set_float32_matmul_precision("highest")
    qkv, lead = unit_vectors(rows, block), (rows, 3, 3, block)
    random = torch.Generator(DEVICE).manual_seed(block + 2)
    draw = [torch.rand(*lead, generator=random, device=DEVICE, dtype=torch.float64) for _ in range(3)]
    given = [*qkv, *(scale * x for scale, x in zip((0.4, 0.9, 0.1), draw, strict=True))]
    start = given[0].new_zeros(rows, 3, 64, 64)
    told: list[tuple[int, torch.Tensor]] = []
    with torch.no_grad():
        wanted = linear.linear_scan(given, start, start, signals=True, watch=lambda n, w: told.append((n, w[0])))
        single, count = [x.float() for x in given], len(told)
        found = linear._fused(
            single, start.float(), start.float(), signals=True, watch=lambda n, w: told.append((n, w[0]))
        )
    for mine, theirs in zip(found[:3], wanted[:3], strict=True):
        assert mine.shape == theirs.shape
        assert (mine - theirs).norm() < 2e-6 * theirs.norm()
    assert found[3].keys() == wanted[3].keys()
    assert all(found[3][name].shape == values.shape for name, values in wanted[3].items())
    for (place, weights), (ours, kept) in zip(told[:count], told[count:], strict=True):
        assert place == ours
        torch.testing.assert_close(kept.double(), weights, rtol=1e-4, atol=1e-6)
