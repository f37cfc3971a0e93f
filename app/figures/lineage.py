"""Where the momentum at a token comes from: traces and what `titans_core.lineage` found in them go in, one per run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd
import xarray as xr

from app import naming
from app.figures import frame
from app.figures.plot import Plot, bar
from app.theme import Palette, count, number
from titans_core.lineage import FAINT, Lineage, Push

SERIF = "Georgia, 'Liberation Serif', 'Noto Serif', serif"
LONGEST = 14  # characters of a piece beside its bar
UNIT = "\u00a0%"  # stays with its number
LEAST = 0.001  # of all pushes: less has no bar
ROW = 22  # pixels
ROOM = 1.35  # of the longest bar, for its number
TRACK = 0.3  # opacity of the rest of a row


class Row(NamedTuple):
    """One bar; `place` counts rows from the top. here: the token whose momentum it is."""

    place: int
    ds: xr.Dataset
    push: Push
    here: int


def lineage(traces: Sequence[xr.Dataset], found: Sequence[Lineage], palette: Palette) -> Plot:
    """One bar an earlier token, strongest first: its share of all pushes in the momentum. None where none is carried.

    A bar can be clicked along its whole row; customdata[0] is its token, counted from 0.
    """
    rows = _rows(traces, found)
    shares = [row.push.share for row in rows]
    end = ROOM * max(shares, default=1.0)
    bars = bar(
        x=shares,
        marker={"color": palette.signal("past_surprise"), "opacity": 1},
        text=[percent(share) for share in shares],
        textposition="outside",
        textfont={"color": palette.text},
        cliponaxis=False,
    )
    track = bar(x=[end] * len(rows), marker={"color": palette.line, "opacity": TRACK})
    shared = {
        "y": [row.place for row in rows],
        "orientation": "h",
        "width": 0.7,
        "customdata": [_facts(row) for row in rows],
        "hovertemplate": "“%{customdata[1]}” · token %{customdata[2]}<br>%{customdata[3]}<br>"
        "strength %{customdata[4]}, %{customdata[5]} of all pushes<extra></extra>",
    }
    figure = Plot(track | _steady(TRACK) | shared, bars | _steady(1) | shared)
    last = rows[-1].place if rows else 0
    frame.framed(figure, palette, ROW * (last + 1) + 8, barmode="overlay")
    figure.update_layout(margin={"l": 2, "r": 4, "t": 2, "b": 6})
    figure.update_xaxes(visible=False, range=[0, end], fixedrange=True)
    figure.update_yaxes(
        tickvals=[row.place for row in rows],
        ticktext=[frame.plain(_short(_piece(row.ds, row.push.token))) for row in rows],
        tickfont={"family": SERIF, "size": 13, "color": palette.text},
        range=[last + 0.5, -0.5],
        automargin=True,
        ticklabelstandoff=6,
        showgrid=False,
        fixedrange=True,
    )
    if len(traces) > 1:
        _name_runs(figure, rows, palette)
    return figure


def none(found: Lineage) -> Lineage:
    """The same where all pushes are too small to count."""
    return Lineage(Push(found.own.token, 0.0, 0.0), (), 0.0, 0.0, 0.0)


def shown(found: Lineage) -> list[Push]:
    """The earlier tokens that have a bar."""
    return [push for push in found.pushes if push.share >= LEAST]


def words(found: Lineage) -> str:
    """What the bars leave out."""
    if not found.total:
        return "Nothing is carried here: no head has pushed."
    drawn = sum(push.share for push in shown(found))
    rest = max(0.0, 1 - found.own.share - drawn)
    parts = [f"its own {percent(found.own.share)}"]
    parts += [f"the bars {percent(drawn)}"] if drawn else []
    parts += [f"all other tokens {percent(rest)}"] if rest > 1e-9 else []
    beyond = f" Of older pushes up to {percent(found.beyond)} may be left." if found.beyond >= FAINT else ""
    return f"Of all pushes in the momentum: {', '.join(parts)}.{beyond}"


def summary(traces: Sequence[xr.Dataset], found: Sequence[Lineage]) -> str:
    """The bars in words, for people who cannot see them."""
    parts = []
    for ds, one in zip(traces, found, strict=True):
        bars = [f"“{_piece(ds, push.token)}”, token {push.token + 1:,}, {percent(push.share)}; " for push in shown(one)]
        parts.append(f"{naming.of(ds)}: {''.join(bars)}{words(one)}")
    return f"Earlier tokens that still push at token {found[0].own.token + 1:,}. " + " ".join(parts)


def table(traces: Sequence[xr.Dataset], found: Sequence[Lineage]) -> tuple[str, pd.DataFrame]:
    """The token's own push and the strongest of earlier tokens, also those without a bar."""
    rows = [
        (naming.of(ds), push.token + 1, _piece(ds, push.token), push.strength, push.share)
        for ds, one in zip(traces, found, strict=True)
        for push in (one.own, *one.pushes)
    ]
    note = "norm of what is carried of each push, heads and layers together, and its share of the sum"
    return note, pd.DataFrame(rows, columns=["memory", "token", "piece", "strength", "share"])


def percent(share: float) -> str:
    """Two digits or so; never 0 % or 100 % of what is not."""
    if not 0 < share < 1:
        return f"{100 * share:.0f}{UNIT}"
    if share < 0.001:
        return f"under 0.1{UNIT}"
    return f"{100 * share:.0f}{UNIT}" if 0.0995 <= share < 0.995 else f"{min(100 * share, 99.9):.1f}{UNIT}"


def _rows(traces: Sequence[xr.Dataset], found: Sequence[Lineage]) -> list[Row]:
    """The bars from top to bottom; of several runs, each has a row for its name above its bars."""
    rows: list[Row] = []
    place = 0
    for ds, one in zip(traces, found, strict=True):
        place += len(traces) > 1 and bool(shown(one))
        for push in shown(one):
            rows.append(Row(place, ds, push, one.own.token))
            place += 1
    return rows


def _facts(row: Row) -> list[object]:
    push = row.push
    piece, before = frame.plain(_piece(row.ds, push.token)), f"{count(row.here - push.token)} before"
    return [push.token, piece, f"{push.token + 1:,}", before, number(push.strength), percent(push.share)]


def _steady(opacity: float) -> dict[str, Any]:
    """A click must not make the others fade."""
    return {key: {"marker": {"opacity": opacity}} for key in ("selected", "unselected")}


def _name_runs(figure: Plot, rows: list[Row], palette: Palette) -> None:
    above: xr.Dataset | None = None
    for row in rows:
        if row.ds is not above:
            name = frame.plain(naming.of(row.ds))
            font = {"size": 12, "color": palette.muted}
            figure.add_annotation(text=name, x=0, y=row.place - 1, showarrow=False, xanchor="left", font=font)
        above = row.ds


def _piece(ds: xr.Dataset, token: int) -> str:
    return str(ds["piece"].values[token]).strip() or "␠"


def _short(piece: str) -> str:
    return piece if len(piece) <= LONGEST else piece[: LONGEST - 1] + "…"
