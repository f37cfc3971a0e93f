"""The one token: what pushed the memory there, and every signal as a number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
import xarray as xr

from app import naming
from app.figures import aggregate, frame
from app.theme import SIGNALS, Palette, number
from titans_core.signals import sum_layers

MOVES = ("momentary", "past_surprise", "forgotten")
MOVE_WORDS = {"momentary": "this token", "past_surprise": "carried", "forgotten": "let go"}


def moves(traces: Sequence[xr.Dataset], token: int, palette: Palette, layer: int | None = None) -> go.Figure:
    """Stacked bar a run: norms of the momentary push, of the carried momentum and of what is forgotten."""
    figure = go.Figure()
    names = [name.label for name in naming.names(traces)]
    for signal in MOVES:
        values = [aggregate.at(ds, signal, token, layer) for ds in traces]
        figure.add_trace(
            go.Bar(
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


def values(ds: xr.Dataset, token: int) -> list[dict[str, Any]]:
    """Every signal of one token: its value over layers, per layer, equation and granularity.

    Keys: name, label, symbol, value, layers (list, empty where the signal has none), source, granularity, rule.
    """
    rows = []
    for name in aggregate.signals(ds):
        variable = ds[name]
        at = variable.isel(token=token).values
        layered = "layer" in variable.dims
        over = sum_layers(name, at[:, None])[0] if layered else at
        rows.append(
            {
                "name": name,
                "label": SIGNALS[name].label,
                "symbol": SIGNALS[name].symbol,
                "value": float(over),
                "layers": [float(v) for v in at] if layered and len(at) > 1 else [],
                "source": str(variable.attrs.get("source", "")),
                "granularity": str(variable.attrs.get("granularity", "token")),
                "rule": aggregate.layer_words(ds, name, None),
            }
        )
    return rows


def summary(traces: Sequence[xr.Dataset], token: int, layer: int | None = None) -> str:
    """The bars in one sentence, for people who cannot see them."""
    parts = []
    for ds in traces:
        sizes = ", ".join(f"{MOVE_WORDS[name]} {number(aggregate.at(ds, name, token, layer))}" for name in MOVES)
        parts.append(f"{naming.of(ds)}: {sizes}")
    return f"What moved the memory at token {token + 1}. " + "; ".join(parts) + "."


def legend(palette: Palette) -> str:
    """The three colours of the bar as HTML (no user text in it)."""
    parts = (
        f'<span style="white-space:nowrap"><span style="display:inline-block;width:9px;height:9px;'
        f'background:{palette.signal(name)}"></span> {MOVE_WORDS[name]} {SIGNALS[name].symbol}</span>'
        for name in MOVES
    )
    return f'<div style="font-size:0.85rem;display:flex;flex-wrap:wrap;gap:0 12px">{"".join(parts)}</div>'
