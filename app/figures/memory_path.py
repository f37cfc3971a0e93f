"""One layer's memory: its way through the space of its weights, and its singular values, moment by moment.

The moments are frames of the figure: slider, Play and Pause work in the browser alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from app.figures import frame, scrubber
from app.figures.lineage import percent
from app.figures.memory import DASHES, head_name
from app.theme import Palette
from titans_core.moments import Path, path

REACH = 5  # powers of ten of singular values that are drawn, from the largest down
BEFORE, AFTER = 48, 24  # characters of the text around a moment
PATH, SPECTRUM, CONTROLS = 280, 150, 118  # pixels


def scrub(ds: xr.Dataset, found: xr.Dataset, layer: int, palette: Palette, colour: str) -> go.Figure:
    """Above the path, PC1 and PC2 of the weights, below the spectrum of each head at the moment that is chosen.

    customdata[0] of a point is the token it stands after, from 0. The last moment is shown first.
    """
    way = path(found["gram"].values[layer])
    last = found.sizes["moment"] - 1
    moving = [_moving(ds, found, way, layer, moment, palette, colour) for moment in range(last + 1)]
    still = _path(ds, found, way, palette, colour)
    figure = go.Figure([*still, *moving[last]])
    # plotly forgets where the traces are drawn that a frame does not name, and then fails at a click
    same: list[dict[str, Any]] = [{"type": "scatter"} for _ in still]
    figure.frames = [
        go.Frame(name=str(moment), data=[*same, *map(_changes, traces)], traces=list(range(len(still) + len(traces))))
        for moment, traces in enumerate(moving)
    ]
    _axes(figure, way, found["singular"].values[layer])
    frame.framed(figure, palette, PATH + SPECTRUM + CONTROLS)
    figure.update_layout(margin={"l": 50, "r": 10, "t": 6, "b": CONTROLS - 6})
    labels = [f"{max(int(tokens), 0):,}" for tokens in found["tokens"].values]
    controls = scrubber.slider(labels, "after token ", palette)
    figure.update_layout(sliders=[controls], updatemenus=[scrubber.buttons(palette)], dragmode=False)
    return figure


def _path(ds: xr.Dataset, found: xr.Dataset, way: Path, palette: Palette, colour: str) -> list[go.Scatter]:
    x, y = way.places.T
    dots = {"size": 8, "color": np.arange(len(x)), "colorscale": [[0, palette.panel], [1, colour]], "opacity": 1}
    kept = {"marker": {"opacity": 1}}  # a click must not make the others fade
    line = go.Scatter(x=x, y=y, mode="lines", line={"color": palette.muted, "width": 1}, hoverinfo="skip")
    points = go.Scatter(
        x=x,
        y=y,
        mode="markers",
        marker={**dots, "line": {"color": palette.muted, "width": 1}},
        customdata=[_facts(ds, int(tokens)) for tokens in found["tokens"].values],
        hovertemplate="%{customdata[1]}<br>%{customdata[2]}<extra></extra>",
        selected=kept,
        unselected=kept,
    )
    return [line, points]


def _facts(ds: xr.Dataset, tokens: int) -> tuple[int, str, str]:
    """(the token the moment stands after, from 0; the moment in words; the text around it)."""
    total = ds.sizes["token"]
    token = min(max(tokens - 1, 0), total - 1)
    return token, f"{moment_words(tokens)} of {total:,}", around(ds, tokens)


def moment_words(tokens: int) -> str:
    return f"after token {tokens:,}" if tokens > 0 else "the start, before token 1"


def around(ds: xr.Dataset, tokens: int) -> str:
    """The text around a moment for plotly, what was read in bold; never markup of its own."""
    text = str(ds.attrs["text"])
    at = int(ds["end"].values[tokens - 1]) if tokens > 0 else 0
    low, high = max(0, at - BEFORE), min(len(text), at + AFTER)
    read, to_come = (frame.plain(" ".join(part.split())) for part in (text[low:at], text[at:high]))
    gap = " " * any(sign.isspace() for sign in text[max(0, at - 1) : at + 1])
    return f"{'…' * (low > 0)}<b>{read}</b>{gap}{to_come}{'…' * (high < len(text))}"


def _moving(
    ds: xr.Dataset, found: xr.Dataset, way: Path, layer: int, moment: int, palette: Palette, colour: str
) -> list[go.Scatter]:
    """What changes from moment to moment: the ring on the path, then a line a head."""
    facts = _facts(ds, int(found["tokens"][moment]))
    ring = {"size": 15, "color": "rgba(0,0,0,0)", "line": {"color": palette.selected, "width": 2.5}}
    here = go.Scatter(
        x=way.places[[moment], 0], y=way.places[[moment], 1], mode="markers", marker=ring, customdata=[facts]
    )
    here.update(hoverinfo="skip", selected={"marker": {"opacity": 1}}, unselected={"marker": {"opacity": 1}})
    singular = found["singular"].values[layer]
    taken = measured(singular, moment)
    heads = len(singular)
    words = moment_words(int(found["tokens"][taken]))
    return [here] + [
        go.Scatter(
            x=np.arange(1, singular.shape[-1] + 1),
            y=_drawn(singular[head, taken]),
            mode="lines",
            xaxis="x2",
            yaxis="y2",
            name=head_name(head, heads),
            line={"color": colour, "width": 1.5, "dash": DASHES[head % len(DASHES)]},
            hovertemplate=f"{head_name(head, heads)}, singular value %{{x}}: %{{y:.3g}}<br>{words}<extra></extra>",
        )
        for head in range(heads)
    ]


def measured(singular: np.ndarray, moment: int) -> int:
    """The moment whose spectrum (H, N, R) is shown at `moment`: the last one that was taken until then."""
    taken = np.flatnonzero(np.isfinite(singular).any((0, 2)))
    before = taken[taken <= moment]
    return int(before[-1]) if len(before) else 0


def _drawn(values: np.ndarray) -> np.ndarray:
    """A log axis has no place for 0."""
    return np.where(values > 0, values, np.nan).astype(np.float32)


def _changes(trace: go.Scatter) -> dict[str, Any]:
    """Of a trace only what a frame has to say."""
    names = ("x", "y", "customdata") if trace.customdata is not None else ("y", "hovertemplate")
    return {"type": "scatter", **{name: trace[name] for name in names}}


def _axes(figure: go.Figure, way: Path, singular: np.ndarray) -> None:
    room = PATH + SPECTRUM
    gap = 54 / room
    split = SPECTRUM / room
    first, second = map(percent, way.shares)
    top = float(np.nanmax(singular)) if np.isfinite(singular).any() else 1.0
    high = np.log10(top) + 0.15 if top > 0 else 0.0
    figure.update_layout(
        xaxis={"title": {"text": f"first direction, {first} of the variance", "standoff": 3}, "nticks": 6},
        yaxis={
            "title": {"text": f"second, {second}", "standoff": 3},
            "domain": [split + gap, 1],
            "nticks": 6,
            "scaleanchor": "x",  # a way is as long as it looks
        },
        xaxis2={"title": {"text": "singular value, largest first", "standoff": 3}, "anchor": "y2", "showgrid": False},
        yaxis2={
            "title": {"text": "size", "standoff": 3},
            "type": "log",
            "domain": [0, split],
            "anchor": "x2",
            "range": [high - REACH, high],
            "dtick": 1,
            "tickformat": "~g",
        },
    )
    figure.update_xaxes(fixedrange=True)
    figure.update_yaxes(fixedrange=True)
