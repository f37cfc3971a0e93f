"""Products of gates, exact at 0 and 1."""

from __future__ import annotations

import pytest
import torch

from titans_core.memory import decay
from titans_core.memory.decay import Decays, decay_matrix


def test_every_entry_is_the_product_of_the_gates_between() -> None:
    gate = torch.rand(3, 6, dtype=torch.float64)
    gate[0, 2], gate[1, 4], gate[2, 0] = 0.0, 1.0, 0.0
    matrix = decay_matrix(gate)
    for t in range(6):
        for s in range(6):
            wanted = gate[:, s + 1 : t + 1].prod(-1) if s <= t else torch.zeros(3, dtype=torch.float64)
            torch.testing.assert_close(matrix[:, t, s], wanted)


def test_gradients_are_exact_also_where_gates_are_0_or_1() -> None:
    for values in ([0.3, 0.0, 0.7, 0.0, 1.0], [0.0] * 5, [1.0] * 5, [0.5]):
        gate = torch.tensor([values], dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(decay_matrix, gate)
        assert torch.autograd.gradgradcheck(decay_matrix, gate)


def test_rows_and_matrices_give_the_same_also_where_gates_are_0_or_1(monkeypatch: pytest.MonkeyPatch) -> None:
    eta, alpha = torch.rand(2, 3, 5, 9, dtype=torch.float64).unbind(0)
    eta[0, 0, 2], eta[1, 1, :], eta[2, 2, 0], alpha[0, 0, 4], alpha[1, 1, 0], alpha[2, :, 3] = 0, 1, 0, 1, 1, 0
    by_matrix = Decays.of(eta, alpha)
    monkeypatch.setattr(decay, "FEW", 0)
    monkeypatch.setattr(decay, "decay_matrix", None)  # is not used
    for found, wanted in zip(Decays.of(eta, alpha), by_matrix, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-13, atol=0)
