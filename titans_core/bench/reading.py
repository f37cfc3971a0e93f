"""Texts of any length, and what it is to read one: slab by slab, or traced to a store."""

from __future__ import annotations

import importlib.util
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from titans_core.model import Model
from titans_core.slabs import SLAB
from titans_core.tasks.vocabulary import read_words
from titans_core.tokenizer import Tokenizer
from titans_core.tracing import trace

SENTENCES = 500  # of a page, about ten thousand tokens
NO_STORE = "zarr is not installed"


def text_of(tokens: int, tokenizer: Tokenizer) -> str:
    """About so many tokens, hardly fewer: pages of sentences from the words that ship, the same every time."""
    draw = random.Random(1)  # noqa: S311 (no secret)
    adjectives, nouns = read_words("adjectives"), read_words("nouns")
    page = []
    for number in range(1, SENTENCES + 1):
        first, second, third = draw.sample(nouns, 3)
        page.append(f"The {draw.choice(adjectives)} {first} and the {second} lay {number} steps from the {third}.\n")
    count = round(tokens * SENTENCES / len(tokenizer.encode("".join(page)).ids)) + 1
    pages, rest = divmod(count, SENTENCES)
    return "".join(page) * pages + "".join(page[:rest])


def ids_of(tokens: int, model: Model) -> Tensor:
    """(tokens,), on the model's device."""
    ids = model.tokenizer.encode(text_of(tokens + 64, model.tokenizer)).ids[:tokens]
    return torch.from_numpy(ids.astype("int64")).to(model.device)


def read(model: Model, ids: Tensor) -> None:
    """ids (T,), a slab at a time as a trace reads them, without signals."""
    state = None
    with torch.inference_mode():
        for part in ids.split(SLAB):
            state = model(part[None], state).state


def can_store() -> bool:
    return importlib.util.find_spec("zarr") is not None


def trace_to(store: Path | None, model: Model, text: str, progress: Callable[[int, int], None] | None = None) -> None:
    """Trace `text` to a new store, which is removed again; None: in memory."""
    trace(model, text, store=store, progress=progress)
    if store is not None:
        shutil.rmtree(store)
