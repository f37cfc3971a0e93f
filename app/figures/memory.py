"""The memory over time: its size, how far it drifted and its effective rank, a row a layer.

`found` is what `titans_core.moments.moments` gives of a trace. The path and the spectra are in `memory_path`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from app.figures import frame
from app.figures.plot import Plot, Trace, panels, scatter, suffix
from app.theme import Palette, count, number
from titans_core.moments import effective_rank

DASHES = ("solid", "6px,2px", "2px,2px", "8px,2px,2px,2px")  # of heads, in turn
DASH_WORDS = ("solid", "dashed", "dotted", "dash-dotted")
ROW = 92  # pixels


def over_time(found: xr.Dataset, palette: Palette, colour: str) -> Plot:
    """Left: size, drift from the start and the way since the moment before. Right: effective rank, a line a head."""
    layers = found.sizes["layer"]
    names = [f"layer {k + 1}{part}" for k in range(layers) for part in (": size", ": effective rank")]
    figure = panels(layers, 2, across=0.12, down=min(0.2, 0.36 / layers))
    for layer in range(layers):
        left, right = suffix(2 * layer), suffix(2 * layer + 1)
        for line in _sizes(found, layer, palette, colour):
            figure.add_trace(line, left)
        for line in _ranks(found, layer, palette, colour):
            figure.add_trace(line, right)
    frame.framed(figure, palette, ROW * layers + 56, hovermode="x unified")
    figure.update_layout(margin={"l": 38, "r": 8, "t": 18, "b": 34})
    figure.update_yaxes(rangemode="tozero", nticks=4, fixedrange=True)
    figure.update_xaxes(
        range=[0, 1.01 * int(found["tokens"][-1])], showgrid=False, fixedrange=True, nticks=4, tickformat=",d"
    )
    for place, name in enumerate(names):
        if place // 2 == layers - 1:
            figure.update_layout(**{f"xaxis{suffix(place)}": {"title": {"text": "after token", "standoff": 3}}})
        frame.panel_title(figure, name, suffix(place), palette)
    return figure


def empty_start(found: xr.Dataset) -> bool:
    """Whether every memory begins with nothing in it: its drift from the start is then its size."""
    return not found["size"].values[:, 0].any()


def _sizes(found: xr.Dataset, layer: int, palette: Palette, colour: str) -> list[Trace]:
    look = {"x": found["tokens"].values, "mode": "lines"}
    hover = "%{y:.4g}"
    lines = [("size", "size ‖M‖", {"color": colour, "width": 1.6})]
    if not empty_start(found):
        lines.append(("drift", "drift ‖M − M₀‖", {"color": colour, "width": 1.4, "dash": "5px,3px"}))
    lines.append(("moved", "since the moment before", {"color": palette.muted, "width": 1.2, "dash": "2px,2px"}))
    return [
        scatter(**look, y=found[name].values[layer], name=words, line=line, hovertemplate=hover)
        for name, words, line in lines
    ]


def _ranks(found: xr.Dataset, layer: int, palette: Palette, colour: str) -> list[Trace]:
    ranks = effective_rank(found["singular"].values[layer])
    heads = len(ranks)
    return [
        scatter(
            x=found["tokens"].values,
            y=rank,
            mode="lines+markers",
            marker={"size": 4},
            connectgaps=True,  # not every moment has a spectrum
            name=head_name(head, heads),
            line={"color": colour, "width": 1.4, "dash": DASHES[head % len(DASHES)]},
            hovertemplate="%{y:.1f}",
        )
        for head, rank in enumerate(ranks)
    ]


def head_name(head: int, heads: int) -> str:
    return f"head {head + 1}" if heads > 1 else "the head"


def note(found: xr.Dataset) -> str:
    """What is drawn, in words."""
    tokens = found["tokens"].values
    spacing = f"every {count(int(tokens[1] - tokens[0]))}" if len(tokens) > 2 else "at both ends of the text"
    return f"{len(tokens)} moments, {spacing}"


def key(found: xr.Dataset) -> str:
    """What the lines are, in two sentences."""
    drift = "" if empty_start(found) else ", dashed its drift ‖M − M₀‖"
    left = f"Left: size ‖M‖{drift}, grey the way since the moment before"
    return f"{left}. Right: {heads_words(found.sizes['head'])}."


def heads_words(heads: int) -> str:
    """How the lines of the heads are told apart."""
    if heads == 1:
        return "its head"
    named = [f"head {head + 1} {DASH_WORDS[head % len(DASHES)]}" for head in range(heads)]
    return ", ".join(named if heads <= len(DASHES) else [*named[: len(DASHES)], "then the same again"])


def summary(found: xr.Dataset) -> str:
    """The figure in words, for people who cannot see it."""
    return f"The memory over time, {found.sizes['moment']} moments. {ends(found)}"


def ends(found: xr.Dataset) -> str:
    """What the memory is at the two ends of the text: all there is to say of one with no moments within it."""
    ranks = effective_rank(found["singular"].values)
    parts = []
    for layer in range(found.sizes["layer"]):
        size, drift = (found[name].values[layer] for name in ("size", "drift"))
        own = ", ".join(f"{rank[-1]:.1f}" if np.isfinite(rank[-1]) else "–" for rank in ranks[layer])
        parts.append(
            f"layer {layer + 1}: size {number(float(size[0]))} at the start, {number(float(size[-1]))} at the end, "
            f"drift {number(float(drift[-1]))}, effective rank of the heads at the end {own}"
        )
    return "; ".join(parts).capitalize() + "."


def table(found: xr.Dataset) -> tuple[str, pd.DataFrame]:
    """One row a layer and moment."""
    layers, moments = found.sizes["layer"], found.sizes["moment"]
    ranks = effective_rank(found["singular"].values)
    columns = {
        "layer": np.repeat(np.arange(layers) + 1, moments),
        "after token": np.tile(found["tokens"].values, layers),
        "size": found["size"].values.ravel(),
        "drift from the start": found["drift"].values.ravel(),
        "since the moment before": found["moved"].values.ravel(),
    }
    for head in range(ranks.shape[1]):
        columns[f"effective rank, {head_name(head, ranks.shape[1])}"] = ranks[:, head].ravel()
    return "norms over the heads of a layer, in the unit of weights; ranks where a spectrum was taken", pd.DataFrame(
        columns
    )
