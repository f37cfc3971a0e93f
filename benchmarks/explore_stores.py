"""Stores of made-up values over real text for explore_speed.py, as large as those of real runs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import xarray as xr

from titans_core.moments import measure
from titans_core.record import Recording
from titans_core.signals import BY_HEAD, OUTPUTS, SIGNALS
from titans_core.tokenizer import Encoding, Tokenizer

SAMPLES = Path(__file__).parents[1] / "assets/samples"
LAYERS, HEADS, MOMENTS, RANK = 3, 3, 64, 64  # as the checkpoints have them
BLOCK = 16_384
LACKING = ("share_persistent", "share_memory", "share_segment")  # only MAC has them


def make(store: Path, tokens: int) -> Path:
    """A trace of `tokens` tokens as MAG records it: every signal, gates by head, pyramid and moments."""
    tokenizer, random = Tokenizer.load(), np.random.default_rng(tokens)
    text, encoding = _text(tokenizer, tokens, random)
    recording = Recording(encoding.ids, encoding.start, encoding.end, tokenizer.pieces, text, store)
    for low in range(0, tokens, BLOCK):
        count = min(BLOCK, tokens - low)
        values = {name: _values(name, (LAYERS, count), random) for name in SIGNALS if name not in LACKING}
        heads = {name: _values(name, (LAYERS, HEADS, count), random) for name in BY_HEAD}
        outputs = {name: _values(name, (count,), random) for name in OUTPUTS if name != "id"}
        recording.add(values | heads | outputs)
    facts = {
        **{"checkpoint": "mag", "variant": "mag", "parameters": 2_242_779, "chunk": 1, "seconds": 1.0, "device": "cpu"},
        **{"config": json.dumps({"window": 64}), "settings": "{}", "weights_sha256": "0" * 64},
        "text_sha256": hashlib.sha256(text.encode()).hexdigest(),
    }
    recording.finish(facts, _moments(tokens, random))
    return store


def _text(tokenizer: Tokenizer, tokens: int, random: np.random.Generator) -> tuple[str, Encoding]:
    """Paragraphs of the samples in any order, as many tokens of them as asked for."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(SAMPLES.glob("*.txt"))]
    paragraphs = [part for text in texts for part in text.split("\n\n") if part.strip()]
    lengths = np.array([len(ids) for ids in tokenizer.encode_ids(paragraphs)])
    order = random.integers(len(paragraphs), size=1 + int(1.2 * tokens / lengths.mean()))
    encoding = tokenizer.encode("\n\n".join(paragraphs[k] for k in order))
    kept = Encoding(encoding.ids[:tokens], encoding.start[:tokens], encoding.end[:tokens])
    if len(kept) < tokens:
        raise ValueError(f"the text has {len(kept)} tokens, not {tokens}")
    return "\n\n".join(paragraphs[k] for k in order)[: int(kept.end[-1])], kept


def _values(name: str, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """float32: gates and shares between 0 and 1, cosines between -1 and 1, heavy-tailed norms."""
    plain = name.removeprefix("head_")
    if plain in ("theta", "eta", "alpha", "gate"):
        return random.random(shape, np.float32)
    if plain == "alignment":
        return 2 * random.random(shape, np.float32) - 1
    return np.exp(random.standard_normal(shape, np.float32))


def _moments(tokens: int, random: np.random.Generator) -> xr.Dataset:
    """A memory that walks at random."""
    states = random.standard_normal((LAYERS, HEADS, MOMENTS, 256)).cumsum(2) / 8
    flat = states.transpose(0, 2, 1, 3).reshape(LAYERS, MOMENTS, -1)
    return measure.dataset(
        tokens=np.linspace(0, tokens, MOMENTS).astype(np.int64),
        singular=np.sort(random.random((LAYERS, HEADS, MOMENTS, RANK), np.float32))[..., ::-1].copy(),
        gram=flat @ flat.transpose(0, 2, 1),
    )
