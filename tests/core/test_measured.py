"""What is recorded of a slab's predictions."""

from __future__ import annotations

import math

import pytest
import torch

from titans_core.measured import TOKENS, measured


@pytest.mark.parametrize("count", [1, 2, TOKENS, TOKENS + 1, TOKENS + 2, 2 * TOKENS + 1, 150])
@pytest.mark.parametrize("begins", [True, False])
def test_predictions_do_not_depend_on_how_many_are_looked_at_together(count: int, begins: bool) -> None:
    draw = torch.Generator().manual_seed(count)
    rows = torch.randn(count + 1, 50, generator=draw) * 4
    ids = torch.randint(50, (count,), generator=draw)
    found = measured({}, rows[1:], None if begins else rows[0], ids, False)
    log_p = rows[:-1].double().log_softmax(-1) / math.log(2)
    nll, entropy = -log_p[torch.arange(count), ids], -(log_p * rows[:-1].double().softmax(-1)).sum(-1)
    if begins:
        nll[0] = entropy[0] = math.nan
    torch.testing.assert_close(found["nll"].double(), nll, rtol=1e-5, atol=1e-5, equal_nan=True)
    torch.testing.assert_close(found["entropy"].double(), entropy, rtol=1e-5, atol=1e-5, equal_nan=True)
