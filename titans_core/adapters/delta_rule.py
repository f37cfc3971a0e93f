"""The delta rule as a memory of ours: M_t = (1 - alpha) M_{t-1} + beta k^T (v - k (1 - alpha) M_{t-1}).

It is a linear memory whose loss ||k M - v||^2 has the gradient 2 k^T (k M - v), with theta = beta / 2, no momentum,
and, in Gated DeltaNet, alpha = 1 - exp(g). Loss and gradient are taken where the rule takes them: at the memory that
the token's own forgetting has left, (1 - alpha) M_{t-1}, which without a gate is M_{t-1}.
"""

from __future__ import annotations

import torch
from torch import Tensor


def delta_signals(q: Tensor, k: Tensor, v: Tensor, beta: Tensor, g: Tensor | None = None) -> dict[str, Tensor]:
    """What a memory that starts at zero does with every token: name -> float64 (H, T). g: log of what is kept.

    q, k (H, T, K), as the rule applies them; v (H, T, V); beta, g (H, T). Without g there is no alpha and no forgotten.
    Source: eqs. 8, 13-15 of the paper at eta = 0; arXiv 2406.06484 (DeltaNet), 2412.06464 (Gated DeltaNet).
    """
    q, k, v, beta = (x.double() for x in (q, k, v, beta))
    kept = None if g is None else g.double().exp()
    memory = k.new_zeros(len(k), k.shape[2], v.shape[2])
    steps = []
    for t in range(k.shape[1]):
        before, key = memory, k[:, t, :, None]
        if kept is not None:
            memory = memory * kept[:, t, None, None]
        wrong = key.mT @ memory - v[:, t, None]
        memory = memory - beta[:, t, None, None] * (key @ wrong)
        read = q[:, t, None] @ memory
        sizes = [x.square().sum((1, 2)) for x in (wrong, key, memory, memory - before, read)]
        steps.append(torch.stack(sizes))
    loss, keys, memories, updates, reads = torch.stack(steps, -1).unbind()
    surprise = 2 * (loss * keys).sqrt()
    found = {"loss": loss, "surprise": surprise, "momentary": beta / 2 * surprise, "theta": beta / 2}
    if g is not None:
        earlier = torch.nn.functional.pad(memories[:, :-1], (1, 0)).sqrt()
        alpha = -torch.expm1(g.double())
        found |= {"alpha": alpha, "forgotten": alpha * earlier}
    return found | {"update": updates.sqrt(), "memory": memories.sqrt(), "read": reads.sqrt()}
