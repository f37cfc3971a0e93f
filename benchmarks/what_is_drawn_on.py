"""Does the pull of a passage tell what an answer draws on? Six documents of eight facts, each asked for at the end.

python -m benchmarks.what_is_drawn_on [CHECKPOINT ...]

Of each memory: how many facts it says exactly, and of those, how often the passage with the fact is the first of all by
its pull on the answer and by its share of the reads at the cue's end (mean over layers), with the shares.
"""

from __future__ import annotations

import sys

import numpy as np
import torch

import titans_core as tc
from app import facts
from benchmarks.document_speed import SAMPLES
from titans_core.model import Model
from titans_core.probes.continuing import continued, cue_ids, spaced
from titans_core.probes.drawn import Drawing, Readings, asked
from titans_core.probes.places import passages, plant
from titans_core.probes.reading_on import memories, read_on

FACTS, DOCUMENTS = 8, 6
WORDS = SAMPLES.parent / "words"


def document(seed: int) -> tuple[str, list[tuple[str, str]]]:
    """The six samples with the facts spread evenly over them; (sentence, value) of each."""
    rng = np.random.default_rng(seed)
    nouns, adjectives = ((WORDS / f"{name}.txt").read_text("utf-8").split() for name in ("nouns", "adjectives"))
    keys = rng.choice(nouns, FACTS, replace=False)
    text = "\n\n".join(path.read_text("utf-8") for path in sorted(SAMPLES.glob("*.txt")))
    told = []
    for k, key in enumerate(keys):
        number = str(rng.integers(10**6, 10**7))
        kind, value = ("number", number) if k % 2 else ("word", f"{rng.choice(adjectives)}-{rng.choice(nouns)}")
        told.append((f"One of the special magic {kind}s for {key} is: {value}.", value))
        text = plant(text, told[-1][0], (k + 0.5) / FACTS).text
    return text, told


def measure(model: Model, seed: int) -> list[tuple[bool, list[tuple[bool, float, float]]]]:
    """Of each fact: whether it is said exactly; and by pull and by read: whether its passage is first, its share, and
    the largest of another."""
    text, told = document(seed)
    encoding = model.tokenizer.encode(text)
    with torch.inference_mode():
        ((_, state),) = read_on(model, encoding.ids)
    exact, readings = [], []
    for sentence, value in told:
        ids = spaced(model, state, cue_ids(model.tokenizer, facts.cue(sentence, value)))
        said = continued(model, state, ids, len(model.tokenizer.encode(f" {value}").ids)).ids
        exact.append(model.tokenizer.decode(said).strip().startswith(value))
        readings.append(asked(model, state, ids, said))
    read, pull = shares(model, encoding.ids, readings)
    borders = passages(encoding, text)
    borders = borders[borders < read.shape[2]]
    pulled, shared = (np.add.reduceat(part, borders, axis=2).mean(1) for part in (pull, read))
    pulled /= np.where(pulled > 0, pulled, 0).sum(1, keepdims=True)
    found = []
    for k, (sentence, _) in enumerate(told):
        own = int(np.searchsorted(encoding.start[borders], text.index(sentence) + 1, side="right")) - 1
        parts = [
            (bool(part[k].argmax() == own), float(part[k, own]), float(np.delete(part[k], own).max()))
            for part in (pulled, shared)
        ]
        found.append((exact[k], parts))
    return found


def report(name: str, found: list[tuple[bool, list[tuple[bool, float, float]]]]) -> None:
    for right, kind in ((True, "said exactly"), (False, "not said")):
        of = [parts for exact, parts in found if exact == right]
        print(f"{name}: {len(of)} of {len(found)} facts {kind}")
        for k, by in enumerate(("pull", "read")):
            first = sum(parts[k][0] for parts in of)
            own, other = (np.median([parts[k][n] for parts in of] or [np.nan]) for n in (1, 2))
            print(f"  by {by}: first is the fact in {first}; median share {own:.3f}, of the first other {other:.3f}")


def shares(model: Model, ids: np.ndarray, readings: list[Readings]) -> tuple[np.ndarray, np.ndarray]:
    """(F, L, T) both: of all questions at once, which takes one reading."""
    drawing = []
    for k, layer in enumerate(memories(model)):
        parts = [torch.cat(both) for both in zip(*(one.layers[k][:2] for one in readings), strict=True)]
        drawing.append(Drawing(layer, *parts))
    list(read_on(model, ids[: readings[0].tokens], listeners=drawing))
    found = np.stack([one.found() for one in drawing], 1)
    return found[::2], found[1::2]


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name in sys.argv[1:] or ("mac", "mag", "mal"):
        model = tc.load(name)
        report(name, [row for seed in range(DOCUMENTS) for row in measure(model, seed)])
