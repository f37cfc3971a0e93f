"""What only a GPU can show; skipped where there is none."""

from __future__ import annotations

import pytest
import torch

from titans_core.config import VARIANTS, ModelConfig
from titans_core.model import Model
from titans_core.training.loop import _graph, _loss

pytestmark = [
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
        torch.testing.assert_close(there.signals[name].cpu(), values, rtol=1e-3, atol=1e-4, equal_nan=True, msg=name)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_replayed_graph_gives_the_eager_gradients(variant: str) -> None:
    model = build(variant).cuda()
    replay = _graph(model, 4, 256)
    windows = torch.randint(0, 4096, (4, 257), device="cuda")
    loss = replay(windows)
    replayed = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad(set_to_none=True)
    eager = _loss(model, windows)
    eager.backward()
    torch.testing.assert_close(loss, eager.detach(), rtol=1e-3, atol=1e-3)
    for name, p in model.named_parameters():
        torch.testing.assert_close(replayed[name], p.grad, rtol=2e-2, atol=2e-4, msg=name)
