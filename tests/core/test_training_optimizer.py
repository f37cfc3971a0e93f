"""The optimisers: who trains what, Muon beside that of torch, and the schedule of the rates."""

from __future__ import annotations

import itertools

import pytest
import torch

from titans_core.config import VARIANTS
from titans_core.model import Model
from titans_core.training.optimizer import Muon, Optimizers, orthogonalise, schedule


@pytest.mark.parametrize(
    ("done", "rate"),
    [(0.0, 0.0), (0.01, 0.5), (0.02, 1.0), (0.3, 1.0), (0.5, 1.0), (0.75, 0.5), (0.95, 0.1), (1.0, 0.02), (3.0, 0.02)],
)
def test_schedule(done: float, rate: float) -> None:
    assert schedule(done) == pytest.approx(rate)


def test_schedule_never_jumps() -> None:
    rates = [schedule(i / 10_000) for i in range(10_001)]
    assert max(abs(a - b) for a, b in itertools.pairwise(rates)) < 0.006
    assert max(rates) == 1


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_parameter_has_exactly_one_optimiser(variant: str, depth: int, tiny_config) -> None:
    model = Model(tiny_config(variant, memory_depth=depth))
    optimizers = Optimizers(model, matrix_rate=0.02, other_rate=0.004)
    groups = {"muon": optimizers.muon.param_groups, "adam": optimizers.adam.param_groups}
    held = {name: [id(p) for group in some for p in group["params"]] for name, some in groups.items()}
    assert sorted(held["muon"] + held["adam"]) == sorted(id(p) for p in model.parameters())
    names = {id(p): name for name, p in model.named_parameters()}
    muon = {names[i] for i in held["muon"]}
    assert all(name.startswith("blocks.") and model.get_parameter(name).dim() == 2 for name in muon)
    assert not any("gates" in name or "conv" in name or "persistent" in name for name in muon)
    assert {f"blocks.{i}.feed_forward.{part}.weight" for i in (0, 1) for part in ("up", "down")} <= muon


def test_muon_equals_that_of_torch() -> None:
    shapes = [(16, 16), (24, 16), (16, 16), (16, 48), (16, 16), (64, 8)]
    random = torch.Generator().manual_seed(4)
    mine = [torch.nn.Parameter(torch.randn(shape, generator=random)) for shape in shapes]
    theirs = [torch.nn.Parameter(p.detach().clone()) for p in mine]
    first = [p.detach().clone() for p in mine]
    rate = torch.zeros(())
    muon, reference = Muon(mine, rate), torch.optim.Muon(theirs, lr=0.0, weight_decay=0.01, momentum=0.95)
    muon.start()
    for fraction in (0.2, 1.0, 1.0, 0.7, 0.1):
        rate.fill_(0.05 * fraction)
        reference.param_groups[0]["lr"] = 0.05 * fraction
        for p, q in zip(mine, theirs, strict=True):
            p.grad = torch.randn(p.shape, generator=random)
            q.grad = p.grad.clone()
        muon.step()
        reference.step()
        for p, q, begin in zip(mine, theirs, first, strict=True):
            assert ((p - q).norm() / (q - begin).norm()).item() < 0.06  # five rounds of bfloat16


def test_orthogonalised_matrices_keep_their_directions() -> None:
    x = torch.randn(3, 24, 16, generator=torch.Generator().manual_seed(1))
    u, _, v = torch.linalg.svd(x, full_matrices=False)
    core = u.mT @ orthogonalise(x) @ v.mT  # diagonal, all singular values near one
    values = core.diagonal(dim1=-2, dim2=-1)
    assert 0.6 < values.min() < values.max() < 1.25
    assert (core - torch.diag_embed(values)).abs().max() < 0.05
