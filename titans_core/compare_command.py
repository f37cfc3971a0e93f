"""`titans compare`: stored runs of one text, each against the first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import xarray as xr

from titans_core.passages import SPAN
from titans_core.probes.comparing import Aligned, agreement, align, difference, furthest, named, won
from titans_core.recognise import refuse_others
from titans_core.record import open_trace
from titans_core.signals import OUTPUTS, SIGNALS

MOST = 6  # runs at a time
COUNT = 5  # passages


@click.command("compare")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--signal", default="surprise", show_default=True, help=", ".join([*SIGNALS, "nll", "entropy"]))
@click.option("--layer", type=click.IntRange(0), help="one layer, counted from 0  [default: all together]")
@click.option("--ratio", is_flag=True, help="Differ by log2(A / B) instead of A - B.")
def compare_command(runs: tuple[Path, ...], signal: str, layer: int | None, ratio: bool) -> None:
    """Compare RUNS (two to six stores of `titans trace`, of one text), each with the first.

    Says how far they agree on where SIGNAL is high, which predicts the text better, and where they differ most. Runs
    of models with different tokenizers are compared character by character. What is printed counts from 1, as the page
    does; what changed a run stands as it was given to --set, which counts from 0.
    """
    if not 2 <= len(runs) <= MOST:
        raise click.UsageError(
            f"{len(runs)} run{'s' * (len(runs) != 1)}; give 2 to {MOST}, the one to compare with first"
        )
    refuse_others(runs)
    datasets = [open_trace(path) for path in runs]
    aligned = align(datasets, signal, layer)
    places = aligned.values.shape[1]
    over = f"layer {layer + 1} (--layer {layer})" if layer is not None else "all layers together"
    where = f"{over}, {places:,} {aligned.unit}s" if signal not in OUTPUTS else f"{places:,} {aligned.unit}s"
    click.echo(f"{(SIGNALS | OUTPUTS)[signal].long_name}: {where}")
    if aligned.unit == "character":
        click.echo("  the runs have different tokens: each character has the value of the token that it lies in")
    for k, ds in enumerate(datasets[1:], start=1):
        click.echo("\n".join(_lines(datasets[0], ds, aligned, k, ratio)))


def _lines(first: xr.Dataset, ds: xr.Dataset, aligned: Aligned, k: int, ratio: bool) -> Iterator[str]:
    yield f"{named(ds)}  against  {named(first)}"
    found = agreement(aligned.values[k], aligned.values[0])
    rho, low, high = found.correlation
    known = f"rank correlation {rho:.2f} [{low:.2f}, {high:.2f}]" if np.isfinite(rho) else "no rank correlation"
    if found.top:
        both = f"{round(found.overlap * found.top)} of the {found.top} highest in both"
        known += f"; {both} (by chance {found.chance * found.top:.1f})"
    yield f"  agreement: {known}"
    gain = won(ds, first)
    gain = gain[np.isfinite(gain)]
    yield (
        f"  prediction: {gain.sum():+,.1f} bits saved in all ({gain[gain > 0].sum():,.1f} won, "
        f"{abs(gain[gain < 0].sum()):,.1f} lost), {gain.sum() / max(1, len(gain)):+.3f} a {aligned.unit}"
    )
    differs = difference(aligned.values[k], aligned.values[0], ratio=ratio)
    if not np.nan_to_num(differs).any():
        yield "  no difference" if np.isfinite(differs).any() else "  nothing is defined in both"
        return
    unit = "log2 of the ratio" if ratio else "difference"
    yield f"  differ most ({unit}, mean of {SPAN} {aligned.unit}s; {aligned.unit}s count from 1):"
    window = int(json.loads(first.attrs["config"])["window"])
    skip = window if aligned.unit == "token" and len(differs) >= 4 * window else 0
    listed = furthest(differs, aligned.start, aligned.end, first.attrs["text"], COUNT, skip)
    for one in listed:
        yield f"  {one.value:+9.3g}  {aligned.unit} {one.token + 1:>6,}  …{one.before}[{one.core}]{one.after}…"
    if not listed and np.isfinite(differs[skip:]).any():
        yield f"             only in the first {skip}, which are left out: to a memory that begins, everything is new"
    elif not listed:
        yield f"             nothing is defined in both after the first {skip} {aligned.unit}s"
