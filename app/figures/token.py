"""The one token: what pushed the memory there, and every signal as a number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import xarray as xr

from app import naming
from app.figures import aggregate, frame
from app.figures.plot import Plot, bar
from app.theme import SIGNALS, Palette, number
from titans_core.signals import sum_layers

MOVES = ("momentary", "past_surprise", "forgotten")
PUSHES = MOVES[:2]
LEAST = 1e-6  # of the largest memory in the text, a few roundings of float32: with less, nothing is written
MOVE_WORDS = {"momentary": "this token", "past_surprise": "carried", "forgotten": "let go"}


def moves(traces: Sequence[xr.Dataset], token: int, palette: Palette, layer: int | None = None) -> Plot:
    """Stacked bar a run: norms of the momentary push, of the carried momentum and of what is forgotten."""
    figure = Plot()
    names = [name.label for name in naming.names(traces)]
    for signal in MOVES:
        values = [aggregate.at(ds, signal, token, layer) for ds in traces]
        figure.add_trace(
            bar(
                x=values,
                y=names,
                orientation="h",
                name=MOVE_WORDS[signal],
                marker={"color": palette.signal(signal), "line": {"color": palette.panel, "width": 1}},
                hovertemplate=f"{MOVE_WORDS[signal]} {SIGNALS[signal].symbol} %{{x:.4g}}<extra></extra>",
            )
        )
    frame.framed(figure, palette, 24 * len(traces) + 30, barmode="stack", bargap=0.25)
    figure.update_layout(margin={"l": 44 if len(traces) > 1 else 2, "r": 8, "t": 2, "b": 24})
    figure.update_xaxes(showgrid=False, nticks=4, fixedrange=True)
    figure.update_yaxes(showticklabels=len(traces) > 1, autorange="reversed", fixedrange=True)
    return figure


def moving(traces: Sequence[xr.Dataset]) -> list[xr.Dataset]:
    """Those of which it is known what moved the memory."""
    return [ds for ds in traces if all(name in ds for name in (*MOVES, "memory"))]


def still(ds: xr.Dataset, token: int, layer: int | None = None, names: Sequence[str] = MOVES) -> bool:
    """Whether each of `names` is next to nothing at a token: at most LEAST of the largest memory in the text.

    That memory is of all layers, so that a layer into which nothing is ever written is no measure of itself.
    """
    largest = LEAST * aggregate.highest(ds, "memory", None)
    return all(aggregate.at(ds, name, token, layer) <= largest for name in names)


def still_words(traces: Sequence[xr.Dataset], token: int, layer: int | None = None) -> str:
    """Of which runs nothing was written at the token, in words; "" where something was in each."""
    named = [name.label for name, ds in zip(naming.names(traces), traces, strict=True) if still(ds, token, layer)]
    if not named:
        return ""
    of = f"In {', '.join(named)} nothing" if len(traces) > 1 else "Nothing"
    return f"{of} was written here: all three are under a millionth of the largest memory in the text."


def where(traces: Sequence[xr.Dataset], layer: int | None) -> str:
    """Of which layers the values of a token are: "layer 2", "3 layers together"; "" where no run has any."""
    counts = [ds.sizes["layer"] for ds in traces if "layer" in ds.sizes]
    if not counts:
        return ""
    if layer is not None or max(counts) == 1:
        return f"layer {(layer or 0) + 1}"
    return f"{max(counts)} layers together"


def values(ds: xr.Dataset, token: int, layer: int | None = None) -> list[dict[str, Any]]:
    """Every signal of one token: its value in a layer or over all, per layer, equation and granularity.

    Keys: name, label, symbol, value, layers (list, empty where the signal has none), source, granularity, rule.
    """
    rows = []
    for name in aggregate.signals(ds):
        variable = ds[name]
        at = variable.isel(token=token).values
        layered = "layer" in variable.dims
        one = at if layer is None or not layered else at[layer : layer + 1]
        over = sum_layers(name, one[:, None])[0] if layered else one
        rows.append(
            {
                "name": name,
                "label": SIGNALS[name].label,
                "symbol": SIGNALS[name].symbol,
                "value": float(over),
                "layers": [float(v) for v in at] if layered and len(at) > 1 else [],
                "source": "; ".join(
                    str(variable.attrs[name]) for name in ("source", "differs") if name in variable.attrs
                ),
                "granularity": str(variable.attrs.get("granularity", "token")),
                "rule": aggregate.layer_words(ds, name, layer),
            }
        )
    return rows


def summary(traces: Sequence[xr.Dataset], token: int, layer: int | None = None) -> str:
    """The bars in one sentence, for people who cannot see them."""
    parts = []
    for ds in traces:
        sizes = ", ".join(f"{MOVE_WORDS[name]} {number(aggregate.at(ds, name, token, layer))}" for name in MOVES)
        parts.append(f"{naming.of(ds)}: {'nothing was written' if still(ds, token, layer) else sizes}")
    place = f"token {token + 1:,}" + ("" if layer is None else f", layer {layer + 1}")
    return f"What moved the memory at {place}. " + "; ".join(parts) + "."


def legend(palette: Palette) -> str:
    """The three colours of the bar as HTML (no user text in it)."""
    parts = (
        f'<span style="white-space:nowrap"><span style="display:inline-block;width:9px;height:9px;'
        f'background:{palette.signal(name)}"></span> {MOVE_WORDS[name]} {SIGNALS[name].symbol}</span>'
        for name in MOVES
    )
    return f'<div style="font-size:0.85rem;display:flex;flex-wrap:wrap;gap:0 12px">{"".join(parts)}</div>'
