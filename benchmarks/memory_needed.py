"""What memory runs need, and what app.jobs.memory expects: `python benchmarks/memory_needed.py mac 20000 [TOKENS ...]`.

A process of its own for each length reads sample texts, as a worker does, and tells the most that it held.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import torch

import titans_core as tc
from app.jobs import memory
from app.samples import samples


def peak() -> float:
    """The most bytes that this process held in memory."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return 1024.0 * int(line.split()[1])


def read(checkpoint: str, tokens: int) -> None:
    """Trace so many tokens to a store, and print what was expected and what was needed."""
    torch.set_num_threads(1)
    model = tc.load(checkpoint, device="cpu")
    prose = "\n\n".join(sample.text for sample in samples())
    share = tokens / len(model.tokenizer.encode(prose).ids)
    text = (prose * (1 + int(share)))[: int(share * len(prose))]
    with tempfile.TemporaryDirectory() as folder:
        count = tc.trace(model, text, store=Path(folder) / "run.zarr").sizes["token"]
    expected, found = memory.needed(checkpoint, count) or 0.0, peak()
    print(f"{checkpoint} {count} {expected / 1e6:.0f} {found / 1e6:.0f} {expected / found:.2f}", flush=True)


if __name__ == "__main__":
    checkpoint, *lengths = sys.argv[1:]
    if len(lengths) == 1:
        read(checkpoint, int(lengths[0]))
    else:
        print("checkpoint tokens expected_MB found_MB ratio", flush=True)
        for length in lengths:
            subprocess.run([sys.executable, __file__, checkpoint, length], check=True)  # noqa: S603 (this file)
