"""A program of somebody else: `mypy --strict` accepts it, and it runs, where only the wheel is installed."""

import sys
from pathlib import Path

import torch
import xarray as xr

import titans_core as tc
from titans_core.errors import TitansError
from titans_core.memory import MemoryScan, memory_scan
from titans_core.memory.equations import memory_steps
from titans_core.probes.comparing import Agreement, agreement, align
from titans_core.probes.places import Place, plant
from titans_core.probes.questions import cue_of
from titans_core.probes.recall import Recall, recall

FACT, ANSWER = "One of the special magic numbers for piano is: 4062173.", "4062173"


class Loudest:
    """The most surprising chunk so far: what a Recorder may be."""

    def __init__(self) -> None:
        self.surprise = 0.0

    def on_chunk(self, layer: int, span: tuple[int, int], signals: dict[str, torch.Tensor]) -> None:
        self.surprise = max(self.surprise, float(signals["surprise"].max()))


def scanned() -> float:
    """How far the parallel form is from the paper's equations on random tensors, in float64."""
    q, k, v = torch.randn(3, 1, 2, 32, 8, dtype=torch.float64)
    theta, eta, alpha = 0.1 * torch.rand(3, 1, 2, 32, dtype=torch.float64)
    weights = (torch.zeros(1, 2, 8, 8, dtype=torch.float64),)
    fast: MemoryScan = memory_scan(q, k, v, theta, eta, alpha, weights, chunk=1)
    slow: MemoryScan = memory_steps(q, k, v, theta, eta, alpha, weights, chunk=1)
    return float((fast.reads - slow.reads).abs().max())


def main(text: str, store: Path) -> None:
    names: list[str] = tc.checkpoints()
    model = tc.load(names[0], device="cpu")
    dim: int = model.config.dim
    loudest = Loudest()
    logits, state, first = tc.run(model, text, settings=tc.intervene("theta*=0.5"), recorder=loudest)
    tokens, vocabulary = logits.shape
    assert (tokens, vocabulary) == (first.sizes["token"], model.config.vocab)
    assert loudest.surprise > 0
    assert dim > 0
    on: xr.Dataset = tc.trace(model, text, state=state, store=store, progress=lambda done, total: None)
    assert tc.open_trace(store).equals(on)
    aligned = align([first, tc.trace(model, text)], "surprise")
    agree: Agreement = agreement(aligned.values[0], aligned.values[1])
    place: Place = plant(text, FACT, 0.1)
    found: Recall = recall(model, place, cue_of(FACT, ANSWER), ANSWER, points=2, questions=1)
    try:
        tc.load("none of these")
    except TitansError as error:
        print(error)
    print(tc.__version__, tc.__file__, agree.correlation.value, found.total, scanned())


if __name__ == "__main__":
    main(Path(sys.argv[1]).read_text(encoding="utf-8"), Path(sys.argv[2]))
