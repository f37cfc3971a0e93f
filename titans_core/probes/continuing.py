"""What a model goes on with after a cue, left alone: greedily, from a fork of its state, which stays as it is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from titans_core.errors import ConfigError, TextError
from titans_core.model import Model, ModelState
from titans_core.settings import Settings
from titans_core.tokenizer import Tokenizer

SPACES = 2  # tokens of mere space that may follow a cue


class Continued(NamedTuple):
    """ids (n,): the likeliest token each time; p (n,): its probability, 0..1; entropy: of the first, in bits."""

    ids: np.ndarray
    p: np.ndarray
    entropy: float


def cue_ids(tokenizer: Tokenizer, cue: str) -> np.ndarray:
    """The tokens of a cue, on a line of its own. Raises TextError for one that is empty."""
    if not cue.strip():
        raise TextError("the cue is empty; give the words that lead up to the answer")
    return tokenizer.encode("\n" + cue.strip()).ids


def continued(
    model: Model, state: ModelState, cue: np.ndarray, count: int, settings: Settings | None = None
) -> Continued:
    """`count` tokens after those of `cue`, at least one of each. Raises ConfigError where the memory is not finite."""
    given, entropy = cue, 0.0
    tokens: list[int] = []
    sure: list[float] = []
    with torch.inference_mode():
        for _ in range(count):
            ids = torch.from_numpy(np.asarray(given, np.int64)).to(model.device)[None]
            logits, state, _ = model(ids, state, settings=settings)
            p = logits[0, -1].double().softmax(-1)
            if not bool(p.isfinite().all()):
                raise ConfigError(f"the memory of {model.name} is not finite after this document: it says nothing")
            if not tokens:
                entropy = float(torch.special.entr(p).sum()) / float(np.log(2))
            tokens.append(int(p.argmax()))
            sure.append(float(p[tokens[-1]]))
            given = np.array(tokens[-1:])
    return Continued(np.array(tokens, np.int32), np.array(sure), entropy)


def spaced(model: Model, state: ModelState, cue: np.ndarray) -> np.ndarray:
    """The cue with the spaces that the model puts after it, so that the next token is the first of a word or number."""
    for _ in range(SPACES):
        after = continued(model, state, cue, 1).ids
        said = model.tokenizer.decode(after)
        if not said or said.strip(" "):
            break
        cue = np.concatenate((cue, after))
    return cue
