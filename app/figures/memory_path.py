"""One layer's memory: its way through the space of its weights, and its singular values, moment by moment.

The moments are frames of the figure, which the page's slider shows in the browser alone (`app.components.scrub`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from app.figures import frame, scrubber
from app.figures.lineage import percent
from app.figures.memory import DASHES, head_name
from app.figures.plot import Plot, Trace, scatter
from app.theme import Palette
from titans_core.moments import Path, path

REACH = 5  # powers of ten of singular values that are drawn, from the largest down
BEFORE, AFTER = 48, 24  # characters of the text around a moment
FAINTEST = 0.4  # of the colour of the run, at the start
GAP = "\u00a0\u00a0\u00a0"  # between the end and its name, where the ring may stand
POINTS = "moments"  # the meta of the points of the path: a click on one goes to its moment

Facts = tuple[int, str, str]
PATH, SPECTRUM, FOOT = 320, 150, 40  # pixels


def scrub(ds: xr.Dataset, found: xr.Dataset, layer: int, palette: Palette, colour: str) -> Plot:
    """Above the path, PC1 and PC2 of the weights, below the spectrum of each head at the moment that is chosen.

    customdata[0] of a point is the token it stands after, from 0. The last moment is drawn; the ring's meta says so.
    """
    way = path(found["gram"].values[layer])
    last = found.sizes["moment"] - 1
    facts = [_facts(ds, int(tokens)) for tokens in found["tokens"].values]
    changes = [_changes(found, way, layer, moment, facts[moment]) for moment in range(last + 1)]
    still = _path(way, facts, palette, colour)
    figure = Plot(*still, *_moving(changes[last], palette, colour))
    # plotly forgets where the traces are drawn that a frame does not name, and then fails at a click
    same: list[dict[str, Any]] = [{"type": "scatter"} for _ in still]
    figure.frames = [
        {"name": str(moment), "data": [*same, *traces], "traces": list(range(len(still) + len(traces)))}
        for moment, traces in enumerate(changes)
    ]
    _axes(figure, way, found["singular"].values[layer])
    frame.framed(figure, palette, PATH + SPECTRUM + FOOT)
    figure.update_layout(margin={"l": 50, "r": 10, "t": 6, "b": FOOT - 6})
    figure.update_layout(updatemenus=[scrubber.handle(last)], dragmode=False)
    return figure


def _path(way: Path, facts: list[Facts], palette: Palette, colour: str) -> list[Trace]:
    """A hairline through all moments, small points on it, and a mark with a name at both ends."""
    x, y = way.places.T
    ends = {0: "start", len(x) - 1: "end"}
    kept = {"marker": {"opacity": 1}}  # a click must not make the others fade
    line = scatter(x=x, y=y, mode="lines", line={"color": palette.muted, "width": 0.7}, opacity=0.45, hoverinfo="skip")
    points = scatter(
        x=x,
        y=y,
        mode="markers+text",
        marker={
            "size": [10 if k in ends else 5 for k in range(len(x))],
            "symbol": ["circle-open" if k == 0 else "circle" for k in range(len(x))],
            "line": {"width": [2 if k == 0 else 0 for k in range(len(x))]},
            "color": np.arange(len(x)),
            "colorscale": [[0, _mixed(palette.panel, colour, FAINTEST)], [1, colour]],
            "opacity": 1,
        },
        text=[f"{GAP}{ends[k]}{GAP}" if k in ends else "" for k in range(len(x))],
        textposition=[f"middle {'left' if right else 'right'}" for right in x > _middle(x)],
        textfont={"size": 11, "color": palette.muted},
        cliponaxis=False,
        customdata=facts,
        meta=POINTS,
        hovertemplate="%{customdata[1]}<br>%{customdata[2]}<extra></extra>",
        selected=kept,
        unselected=kept,
    )
    return [line, points]


def _middle(x: np.ndarray) -> float:
    known = x[np.isfinite(x)]
    return float(known.min() + known.max()) / 2 if len(known) else 0.0


def _mixed(ground: str, colour: str, share: float) -> str:
    """`share` of a colour on a ground."""
    parts = ((int(ground[k : k + 2], 16), int(colour[k : k + 2], 16)) for k in (1, 3, 5))
    return "#" + "".join(f"{round(low + share * (high - low)):02x}" for low, high in parts)


def _facts(ds: xr.Dataset, tokens: int) -> Facts:
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


def _changes(found: xr.Dataset, way: Path, layer: int, moment: int, facts: Facts) -> list[dict[str, Any]]:
    """What changes from moment to moment: of the ring on the path, then of a line a head."""
    x, y = way.places[[moment]].T
    ring = {"type": "scatter", "x": x, "y": y, "customdata": [facts], "meta": {"moment": moment}}
    singular = found["singular"].values[layer]
    taken = measured(singular, moment)
    words = f"singular value %{{x}}: %{{y:.3g}}<br>{moment_words(int(found['tokens'][taken]))}<extra></extra>"
    return [ring] + [
        {
            "type": "scatter",
            "y": _drawn(values[taken]),
            "hovertemplate": f"{head_name(head, len(singular))}, {words}",
        }
        for head, values in enumerate(singular)
    ]


def _moving(changes: list[dict[str, Any]], palette: Palette, colour: str) -> list[Trace]:
    """The ring and a line a head, as they are at one moment."""
    ring, *spectra = changes
    kept = {"marker": {"opacity": 1}}
    look = {"size": 15, "color": "rgba(0,0,0,0)", "line": {"color": palette.selected, "width": 2.5}}
    here = scatter(**ring, mode="markers", marker=look, hoverinfo="skip", selected=kept, unselected=kept)
    return [here] + [
        scatter(
            **line,
            x=np.arange(1, len(line["y"]) + 1),
            mode="lines",
            xaxis="x2",
            yaxis="y2",
            name=head_name(head, len(spectra)),
            line={"color": colour, "width": 1.5, "dash": DASHES[head % len(DASHES)]},
        )
        for head, line in enumerate(spectra)
    ]


def measured(singular: np.ndarray, moment: int) -> int:
    """The moment whose spectrum (H, N, R) is shown at `moment`: the last one that was taken until then."""
    taken = np.flatnonzero(np.isfinite(singular).any((0, 2)))
    before = taken[taken <= moment]
    return int(before[-1]) if len(before) else 0


def _drawn(values: np.ndarray) -> np.ndarray:
    """A log axis has no place for 0."""
    return np.where(values > 0, values, np.nan).astype(np.float32)


def _axes(figure: Plot, way: Path, singular: np.ndarray) -> None:
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
