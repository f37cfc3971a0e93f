"""What a run takes of a worker and of a disk, measured: `python -m benchmarks.scaling_measured`.

Each shipped model reads texts of several lengths as the dashboard has it done: asked of the engine on this machine,
read in its worker process, published in its store. Seconds are from asking to the result, on a worker that is up and
has the model loaded; bytes are those that the store counts. `python -m benchmarks.scaling` reads what is written.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import click
import torch

from app.jobs import Job, manifest, store
from app.jobs.local import LocalEngine
from app.samples import samples
from titans_core import assets
from titans_core.tokenizer import Tokenizer

LENGTHS = (256, 2_000, 20_000, 100_000)
ROUNDS = {256: 5, 2_000: 5, 20_000: 3, 100_000: 1}
MODELS = ("mac", "mag", "mal", "lmm", "transformer", "lightning")
MEASURED = assets.ROOT / "measured"


@click.command()
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda")
def main(device: str) -> None:
    """Measure, and write what was found to assets/measured/scaling.json, on a GPU scaling-gpu.json."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TITANSCOPE_RUNS"] = folder
        engine = LocalEngine()
        try:
            rows = [row for model in MODELS for row in of_model(engine, model, device)]
        finally:
            engine.close()
    told = {
        "format": 1,
        "command": "python -m benchmarks.scaling_measured" + " --device cuda" * (device == "cuda"),
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": torch.cuda.get_device_name() if device == "cuda" else f"1 of {os.cpu_count()} CPU cores",
        "processor": platform.machine(),
        "torch": torch.__version__,
        "load": os.getloadavg()[0],
        "runs": rows,
    }
    out = MEASURED / ("scaling-gpu.json" if device == "cuda" else "scaling.json")
    out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def of_model(engine: LocalEngine, model: str, device: str) -> list[dict[str, object]]:
    """A row for each length; the first run, which loads the model, is not counted."""
    text = prose(max(LENGTHS))
    finished(engine, Job(model, text[:1000], "first", device))
    return [of_length(engine, model, text[: round(len(text) * n / max(LENGTHS))], n, device) for n in LENGTHS]


def of_length(engine: LocalEngine, model: str, text: str, length: int, device: str) -> dict[str, object]:
    """Tokens read, seconds of each round, bytes stored in all, and of them those of the pyramid and of the memory."""
    seconds, run = [], ""
    for _ in range(ROUNDS[length]):
        began = time.perf_counter()
        run = finished(engine, Job(model, text, "measured", device))
        seconds.append(time.perf_counter() - began)
    entry, facts = store.root() / run, store.facts(run)
    assert facts is not None
    row: dict[str, object] = {
        "model": model,
        "tokens": facts["tokens"],
        "seconds": seconds,
        "stored": manifest.weight(entry),
        "pyramid": size(entry / "trace.zarr" / "pyramid"),
        "memory": size(entry / "memory.safetensors"),
    }
    click.echo(json.dumps(row))
    return row


def size(path: Path) -> int:
    """Bytes of a file or of a folder; 0 where there is none."""
    if path.is_dir():
        return store.size(path)
    return path.stat().st_size if path.exists() else 0


def finished(engine: LocalEngine, job: Job) -> str:
    """The id of a run, once it is there."""
    run = engine.submit(job)
    while (at := engine.progress(run)) is not None and at.live:
        time.sleep(0.002)
    assert at is not None
    assert at.state == "done", at.message
    return run


def prose(tokens: int) -> str:
    """The samples one after the other, as often as needed: about so many tokens."""
    text = "\n\n".join(sample.text for sample in samples())
    share = tokens / len(Tokenizer.load().encode(text).ids)
    return (text * (1 + int(share)))[: round(share * len(text))]


if __name__ == "__main__":
    main()
