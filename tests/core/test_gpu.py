"""What only a GPU can show; skipped where there is none."""

from __future__ import annotations

import gc

import pytest
import torch

from titans_core.bench import counts, roofline
from titans_core.bench.setup import Setup
from titans_core.config import VARIANTS, ModelConfig
from titans_core.model import Model
from titans_core.moments import collect
from titans_core.replay.buffers import Buffers
from titans_core.tokenizer import Tokenizer
from titans_core.tracing import trace
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


@pytest.mark.parametrize("variant", VARIANTS)
def test_replayed_slabs_are_those_read_one_by_one_and_those_of_the_cpu(variant: str, monkeypatch) -> None:
    torch.set_float32_matmul_precision("highest")
    monkeypatch.setattr(collect, "SPACING", 4096)
    model, text = build(variant).eval(), "The keeper found 37 stones; the piano stood there, and it rained.\n" * 300
    model.tokenizer = Tokenizer.load()
    asked = []
    ask = Buffers.ask
    monkeypatch.setattr(Buffers, "ask", lambda self, ids: asked.append(1) or ask(self, ids))
    here = trace(model, text)
    replayed = trace(model.cuda(), text)
    assert len(asked) >= 6
    assert "diverged" not in replayed.attrs
    monkeypatch.setenv("TITANSCOPE_GRAPHS", "0")
    eager = trace(model, text)
    for name in here.data_vars:
        cpu, one_by_one, again = (torch.from_numpy(ds[name].values) for ds in (here, eager, replayed))
        near = 2e-2 if name == "alignment" else 1e-4  # the cosine of a push that is nearly nothing is any number
        torch.testing.assert_close(again, one_by_one, rtol=1e-4, atol=near, equal_nan=True, msg=name)
        early, there = again[..., :700], cpu[..., :700]  # later on two machines drift apart
        torch.testing.assert_close(early, there, rtol=1e-3, atol=near, equal_nan=True, msg=name)


def test_a_graph_of_products_keeps_what_it_reads() -> None:
    setup = Setup(torch.device("cuda"), quick=True, names=(), lengths=(), limit=1.0, say=print)
    gc.collect()
    before = torch.cuda.memory_allocated()
    run = roofline._products(setup, 1)
    gc.collect()
    shape = setup.shape
    sizes = [m * k + k * n + m * n for _, m, k, n, _ in counts.products(shape)]
    assert torch.cuda.memory_allocated() - before >= 4 * shape.rows * sum(sizes)
    run()
    torch.cuda.synchronize()
