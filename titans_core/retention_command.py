"""`titans retention`: what is left of everything that a memory wrote, at all later times."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from tqdm import tqdm

from titans_core import probe_options
from titans_core.outputs import output_file
from titans_core.resumed import begun, write

if TYPE_CHECKING:
    from titans_core.probes.retention import Retention

FORMAT = 1


@click.command("retention")
@click.argument("file", type=probe_options.FILE)
@probe_options.checkpoints
@probe_options.out
@probe_options.device
def retention_command(file: Path, names: tuple[str, ...], out: Path, device: str) -> None:
    """Read FILE and ask the memory for every token of it (of a long text 20,000) at up to 128 later times.

    What is left of a write is the share of what it gained in the squared error of the answer to the token's key. Beside
    it stands what the gates alone leave. Prints both by lag; the JSON has the map, the CSV what is left by lag.
    """
    text = probe_options.document(file)
    chosen = probe_options.chosen(names)
    click.get_current_context().with_resource(output_file(out))
    import torch  # noqa: PLC0415 (takes seconds to load: only once the input is known to be good)

    from titans_core.checkpoint import load  # noqa: PLC0415
    from titans_core.cli import bar_progress  # noqa: PLC0415
    from titans_core.probes.retention import retention  # noqa: PLC0415

    torch.set_num_threads(1)
    asked = {"format": FORMAT, "document_sha256": hashlib.sha256(text.encode()).hexdigest()}
    results = begun(out, asked, "retention")
    for name in chosen:
        model = load(name, device)
        if any(one["weights_sha256"] == model.weights_sha256 for one in results):
            click.echo(f"{model.name}: in {out} already")
            continue
        with tqdm(unit=" tokens", desc=model.name, file=sys.stderr) as bar:
            found = retention(model, model.tokenizer.encode(text).ids, progress=bar_progress(bar))
        results.append({"checkpoint": model.name, "weights_sha256": model.weights_sha256, **found.to_dict()})
        write(out, {**asked, "results": results}, _table(results))
        click.echo("\n".join(_lines(model.name, found)))


def _table(results: list[dict[str, Any]]) -> list[list[Any]]:
    """What is left by lag, a row for each lag and layer; layer empty: all together."""
    rows: list[list[Any]] = [["checkpoint", "layer", "lag_from", "lag_to", "left", "left_by_gates"]]
    for one in results:
        for of in one["layers"]:
            for k, (left, gates) in enumerate(zip(of["left"], of["left_by_gates"], strict=True)):
                lags = one["lags"][k], one["lags"][k + 1] - 1
                rows.append([one["checkpoint"], "" if of["layer"] is None else of["layer"], *lags, left, gates])
    return rows


def _lines(name: str, found: Retention) -> Iterator[str]:
    layers = [None, *range(len(found.gain))]
    yield f"{name}: share of each write's gain that is left, and (what the gates alone leave)"
    yield f"  {'tokens later':>15}" + "".join(f"{_called(layer):>18}" for layer in layers)
    curves = [(found.curve(layer), found.curve(layer, gates=True)) for layer in layers]
    for k in range(0, len(found.lags) - 1, 4):
        low, high = found.lags[k], found.lags[k + 1] - 1
        lag = f"{low:,}" if low == high else f"{low:,}-{high:,}"
        yield f"  {lag:>15}" + "".join(f"{left[k]:>10.2f} ({gates[k]:>5.2f})" for left, gates in curves)
    halves = ", ".join(f"{_called(layer)} {_tokens(found.half_life(layer))}" for layer in layers)
    yield f"  at most half is left first after: {halves}"


def _called(layer: int | None) -> str:
    return "all layers" if layer is None else f"layer {layer + 1}"


def _tokens(half: float) -> str:
    return f"{half:,.0f} tokens" if np.isfinite(half) else "never in this text"
