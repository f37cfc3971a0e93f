"""Layer x token: where in the model, and when."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from app.figures import aggregate, frame, scale
from app.theme import SIGNALS, Palette, label, number

COLUMNS = 1200


def layer_map(traces: Sequence[xr.Dataset], signal: str, palette: Palette, *, columns: int = COLUMNS) -> go.Figure:
    """One heatmap a run, all on one scale (cividis; blue to orange for signed signals)."""
    shown = [ds for ds in traces if signal in ds.data_vars and "layer" in ds[signal].dims]
    gap = min(0.2, 0.9 / max(1, 4 * len(shown)))
    figure = make_subplots(rows=max(len(shown), 1), cols=1, shared_xaxes=True, vertical_spacing=gap)
    limits = layer_scale(traces, signal)
    for row, ds in enumerate(shown, start=1):
        starts, values = aggregate.block_max(np.asarray(ds[signal].values, np.float32), columns)
        names = [f"L{int(k) + 1}" for k in ds["layer"].values]
        figure.add_trace(
            go.Heatmap(
                z=values,
                x=(starts + 1).astype(np.int32),
                y=names,
                zmin=limits.low,
                zmax=limits.high,
                colorscale=_colours(signal, palette),
                showscale=row == 1,
                colorbar=_bar(palette),
                hovertemplate="token %{x}, %{y}<br>" + SIGNALS[signal].label.lower() + " %{z:.4g}<extra></extra>",
                ygap=1,
            ),
            row=row,
            col=1,
        )
        if len(shown) > 1:
            frame.row_title(figure, row, label(str(ds.attrs["checkpoint"])), palette)
    layers = sum(ds.sizes["layer"] for ds in shown)
    frame.framed(figure, palette, 24 * layers + 22 * len(shown) + 56)
    figure.update_layout(margin_t=34)
    last = max((ds.sizes["token"] for ds in shown), default=1)
    figure.update_xaxes(range=[0.5, last + 0.5], showgrid=False)
    figure.update_yaxes(showgrid=False, fixedrange=True)
    figure.update_xaxes(title_text="token", title_standoff=4, row=max(len(shown), 1), col=1)
    return figure


def layer_scale(traces: Sequence[xr.Dataset], signal: str) -> scale.Scale:
    """The scale over every layer of every run that has the signal."""
    values = [np.asarray(ds[signal].values) for ds in traces if signal in ds.data_vars]
    return scale.shared(values, signal, skip=aggregate.settling(traces[0]) if values else 0)


def _bar(palette: Palette) -> dict[str, object]:
    """A colour bar above the right end, so that the time axis lines up with the timelines."""
    ticks = {"size": 11, "color": palette.muted}
    place = {"orientation": "h", "x": 1.0, "xanchor": "right", "y": 1.0, "yanchor": "bottom", "len": 150, "ypad": 6}
    return place | {"lenmode": "pixels", "thickness": 7, "outlinewidth": 0, "tickfont": ticks, "nticks": 4}


def _colours(signal: str, palette: Palette) -> list[list[object]] | str:
    if SIGNALS[signal].kind != "cosine":
        return "cividis"
    stops = palette.diverging
    return [[k / (len(stops) - 1), colour] for k, colour in enumerate(stops)]


def note(traces: Sequence[xr.Dataset], signal: str, columns: int = COLUMNS) -> str:
    """What is drawn, in words: the scale, the granularity and how tokens were put together."""
    limits = layer_scale(traces, signal)
    ds = next(ds for ds in traces if signal in ds.data_vars)
    count = ds.sizes["token"]
    width = -(-count // columns)
    blocks = f"highest of every {width} tokens" if width > 1 else f"all {count:,} tokens"
    return (
        f"{number(limits.low)}–{number(limits.high)}, {limits.rule} · "
        f"per {ds[signal].attrs.get('granularity', 'token')} · {blocks}"
    )


def summary(traces: Sequence[xr.Dataset], signal: str) -> str:
    """The figure in one sentence, for people who cannot see it."""
    parts = []
    for ds in traces:
        if signal in ds.data_vars and "layer" in ds[signal].dims:
            means = np.nanmean(ds[signal].values, axis=1)
            listed = ", ".join(f"layer {k + 1} {number(float(m))}" for k, m in enumerate(means))
            parts.append(f"{label(str(ds.attrs['checkpoint']))} mean {listed}")
    return f"{SIGNALS[signal].label} by layer and token. " + "; ".join(parts) + "."
