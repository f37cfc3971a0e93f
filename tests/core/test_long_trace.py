"""A text far longer than a book is traced at constant memory. `make test-long` takes ten million tokens."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from titans_core import pyramid
from titans_core.bench.clock import resident
from titans_core.bench.reading import text_of
from titans_core.config import ModelConfig
from titans_core.model import Model
from titans_core.record import open_trace
from titans_core.tokenizer import Tokenizer
from titans_core.tracing import trace

ROOT = Path(__file__).parents[2]
TOKENS = int(os.environ.get("TITANSCOPE_TOKENS", "100000"))
A_TOKEN = 200  # bytes of a text, its tokens and where they stand: what app/jobs/memory.py reckons with
TRACE = 64 * 2**20  # bytes of the buffers of a trace, its store and its pyramid


@pytest.mark.timeout(3600)
def test_memory_is_the_texts_own_and_no_object_is_kept_of_a_token(tmp_path: Path) -> None:
    child = subprocess.run(
        [sys.executable, __file__, str(tmp_path / "run.zarr"), str(TOKENS)],
        capture_output=True,
        text=True,
        check=False,
        # glibc keeps large blocks in its heap, where small ones come to lie between them, and gives them back late:
        # what is measured here is what is held
        env=os.environ | {"PYTHONPATH": str(ROOT), "MALLOC_MMAP_THRESHOLD_": str(2**20)},
    )
    assert child.returncode == 0, child.stderr
    found = json.loads(child.stdout)
    print(found)
    assert found["tokens"] > 0.99 * TOKENS
    assert found["objects"] < 2_000, "of Python, at the end more than after the first half"
    assert found["most"] - found["before"] < A_TOKEN * found["tokens"] + 2 * TRACE
    assert found["grown"] < TRACE, "after the first half"
    ds = open_trace(tmp_path / "run.zarr")
    assert ds.sizes["token"] == found["tokens"]
    bins = pyramid.bins(ds, "surprise", wanted=1_000)
    assert bins.mean.shape[-1] <= 1_001
    assert np.isfinite(bins.mean).all()
    tail = ds["surprise"][..., -5:].values
    assert (tail > 0).all(), "read to the end"


def used() -> int:
    """Bytes, without mapped files: of those the system drops and reads again what it likes."""
    return resident("RssAnon")


def measured(store: Path, tokens: int) -> dict[str, float]:
    """What tracing so many tokens by a tiny model takes, in bytes of main memory and in objects of Python."""
    torch.manual_seed(0)
    model = Model(ModelConfig(variant="lmm", dim=16, heads=1, layers=1)).eval().requires_grad_(False)
    model.tokenizer = Tokenizer.load()
    text = text_of(tokens, model.tokenizer)
    trace(model, text[:20_000])
    before, half, most = used(), tokens // 2, 0
    seen: list[tuple[int, int]] = []

    def note(done: int, total: int) -> None:
        nonlocal most
        most = max(most, used())
        if (not seen and done >= half) or done == total:
            gc.collect()
            seen.append((len(gc.get_objects()), used()))

    ds = trace(model, text, store=store, progress=note)
    first, last = seen[0], seen[-1]
    return {
        "tokens": ds.sizes["token"],
        "before": before,
        "most": most,
        "grown": last[1] - first[1],
        "objects": last[0] - first[0],
    }


if __name__ == "__main__":
    print(json.dumps(measured(Path(sys.argv[1]), int(sys.argv[2]))))
