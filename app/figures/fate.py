"""How much of a token's write is left later on: traces and what `titans_core.lineage` found in them, one per run."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from app import naming
from app.figures import frame
from app.figures.lineage import percent
from app.figures.plot import Plot, Trace, scatter
from app.theme import Palette, count
from titans_core.lineage import Fate

LINEAR = 300  # tokens up to which the axis is linear
HEIGHT = 110  # pixels


def fate(traces: Sequence[xr.Dataset], found: Sequence[Fate], palette: Palette) -> Plot:
    """What is left after each later token, as an area; of several runs, a line in the colour of each.

    A dotted line stands at each half-life that lies within the text.
    """
    figure = Plot()
    furthest = max((int(one.tokens[-1]) - one.token + 1 for one in found if one.size), default=1)
    for name, one in zip(naming.names(traces), found, strict=True):
        if one.size:
            colour = palette.run(name.checkpoint, name.order) if len(traces) > 1 else palette.selected
            figure.add_trace(_curve(name.label, one, colour, filled=len(traces) == 1))
            if math.isfinite(one.half_life):
                figure.add_vline(x=one.half_life + 1, line={"color": colour, "width": 1, "dash": "dot"})
    frame.framed(figure, palette, HEIGHT)
    figure.update_layout(margin={"l": 42, "r": 10, "t": 4, "b": 36})
    if len(figure.data) > 1:
        place = {"orientation": "h", "x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom"}
        figure.update_layout(showlegend=True, legend=place, height=HEIGHT + 20, margin={"t": 24})
    figure.update_yaxes(range=[0, 1.04], tickvals=[0, 0.5, 1], ticktext=["0", "50 %", "100 %"], fixedrange=True)
    words = "tokens from here"
    if furthest > LINEAR:
        figure.update_xaxes(type="log", range=[0, math.log10(furthest)], dtick=1, tickformat=",d")
        words += ", log scale"
    else:
        figure.update_xaxes(range=[1, max(furthest, 2)], dtick=1 if furthest < 8 else None, tickformat=",d")
    figure.update_xaxes(title={"text": words}, showgrid=False, fixedrange=True)
    return figure


def none(found: Fate) -> Fate:
    """The same where the write is too small to count."""
    return Fate(found.token, np.empty(0, int), np.empty(0), 0.0, found.token, math.nan, math.nan)


def half_life(found: Fate) -> str:
    """The half-life of the write, and what is left at the end, in words."""
    if not found.size:
        return "Nothing was written here."
    on = int(found.tokens[-1]) - found.token
    if not on:
        return "The text ends here, before anything becomes of this write."
    later = found.peak - found.token
    grows = f" It is largest {count(later)} from here, while the momentum still pushes." if later else ""
    half = "not within this text" if math.isinf(found.half_life) else count(int(found.half_life))
    return f"Half-life: {half}. Left at the end of the text, {count(on)} from here: {percent(found.end)}.{grows}"


def summary(traces: Sequence[xr.Dataset], found: Sequence[Fate]) -> str:
    """The curves in words, for people who cannot see them."""
    parts = [f"{naming.of(ds)}: {half_life(one)}" for ds, one in zip(traces, found, strict=True)]
    return f"How much of the write of token {found[0].token + 1:,} is left later on. " + " ".join(parts)


def table(traces: Sequence[xr.Dataset], found: Sequence[Fate]) -> tuple[str, pd.DataFrame]:
    """The points of the curves."""
    parts = [
        pd.DataFrame({"memory": naming.of(ds), "after token": one.tokens + 1, "left": one.left})
        for ds, one in zip(traces, found, strict=True)
    ]
    note = "what stands in the weights, as a share of the largest that ever does, heads and layers together"
    return note, pd.concat(parts, ignore_index=True)


def _curve(name: str, found: Fate, colour: str, *, filled: bool) -> Trace:
    after = [f"{token + 1:,}, {count(token - found.token)} from here" for token in found.tokens.tolist()]
    return scatter(
        x=found.tokens - found.token + 1,  # the token itself is at 1, which a log axis can show
        y=found.left,
        mode="lines" if len(found.tokens) > 1 else "markers",
        name=name,
        fill="tozeroy" if filled else None,
        fillcolor=_pale(colour),
        line={"color": colour, "width": 1.5},
        customdata=list(zip(after, map(percent, found.left.tolist()), strict=True)),
        hovertemplate=f"{frame.plain(name)}, after token %{{customdata[0]}}:<br>"
        "%{customdata[1]} of the write is left<extra></extra>",
    )


def _pale(colour: str) -> str:
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.14)"
