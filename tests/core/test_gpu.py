"""What only a GPU can show; skipped where there is none."""

from __future__ import annotations

import pytest
import torch

from titans_core.config import VARIANTS, ModelConfig
from titans_core.memory import linear, triton
from titans_core.model import Model
from titans_core.training.batches import Batch
from titans_core.training.optimizer import Optimizers
from titans_core.training.step import TrainStep

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # the compiler's own
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here; run on a machine with a GPU"),
]


def build(variant: str) -> Model:
    torch.manual_seed(0)
    model = Model(ModelConfig(variant=variant))
    for p in model.parameters():
        if p.dim() >= 2:
            torch.nn.init.normal_(p, std=0.1)
    return model


@pytest.mark.parametrize("variant", VARIANTS)
def test_cuda_equals_cpu(variant: str) -> None:
    torch.set_float32_matmul_precision("highest")
    model, ids = build(variant), torch.randint(0, 4096, (2, 700))
    with torch.inference_mode():
        here = model(ids, signals=True)
        there = model.cuda()(ids.cuda(), signals=True)
    torch.testing.assert_close(there.logits.cpu(), here.logits, rtol=1e-3, atol=1e-3)
    for name, values in here.signals.items():
        near = 2e-2 if name == "alignment" else 1e-4  # the cosine of a push that is nearly nothing is any number
        torch.testing.assert_close(there.signals[name].cpu(), values, rtol=1e-3, atol=near, equal_nan=True, msg=name)


@pytest.mark.parametrize("variant", VARIANTS)
def test_replayed_steps_train_as_eager_ones_on_the_cpu(variant: str) -> None:
    rows = torch.randint(0, 4096, (3, 4, 257), dtype=torch.int32)
    weight = torch.full((4, 256), 1 / 1024)
    batches = [Batch(ids, torch.zeros(4, 256, dtype=torch.uint8), weight) for ids in rows]
    curves = []
    for device in ("cpu", "cuda"):
        model = build(variant).to(device)
        optimizers = Optimizers(model, matrix_rate=0.02, other_rate=0.004)
        step = TrainStep(model, optimizers, batches[0], write_cost=0.1, compiled=variant == "mag")  # compiling is slow
        curves.append([step(batch, 1.0)[0].item() for batch in batches])
    assert curves[0][0] != pytest.approx(curves[0][2], rel=1e-4), "it learns something"
    assert curves[1] == pytest.approx(curves[0], rel=2e-2)


@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize(("rows", "block"), [(2, 16), (2, 32), (32, 32)])  # few rows: narrow programs
def test_the_kernels_equal_the_plain_form_in_float64(rows: int, block: int, ends: bool) -> None:
    torch.set_float32_matmul_precision("highest")
    random = torch.Generator("cuda").manual_seed(block)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=random, device="cuda", dtype=torch.float64)

    lead = (rows, 3, 5, block)
    qkv = [torch.nn.functional.normalize(draw(*lead, 64), dim=-1) for _ in range(3)]
    gates = [scale * draw(*lead).sigmoid() for scale in (0.4, 0.9, 0.1)]
    for token, (gate, value) in enumerate([(0, 0.0), (1, 0.0), (2, 0.0), (2, 1.0)] if ends else []):
        gates[gate][..., 3 * token + 1] = value
    given = [*qkv, *gates, 0.3 * draw(rows, 3, 64, 64), 0.1 * draw(rows, 3, 64, 64)]
    results = []
    for fused, dtype in ((False, torch.float64), (True, torch.float32)):
        leaves = [x.to(dtype, copy=True).requires_grad_() for x in given]
        q, k, v, *steps = leaves[:6]
        made = triton.prepare(q, k, *steps) if fused else linear._prepare(*leaves[:6])[1][3:]
        form = triton.blocks if fused else linear._blocks
        *outputs, states = form(linear.Prepared(q, k, v, *made), *leaves[6:], states=True)
        sum((x * torch.arange(x.numel(), device="cuda").view_as(x).cos()).sum() for x in outputs).backward()
        results.append([*made, *outputs, *states, *(x.grad for x in leaves)])
    for wanted, found in zip(*results, strict=True):
        assert (found - wanted).norm().item() < 2e-6 * max(wanted.norm().item(), 1e-3)
