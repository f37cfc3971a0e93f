"""The charts of the page of answers: what was measured by length of text, and what is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from app.figures import frame
from app.figures.plot import Plot, Trace, panels, scatter, suffix
from app.theme import Palette

Row = dict[str, Any]
SHARES = {"tickformat": ".0%", "range": [-0.04, 1.04], "tickvals": [0, 0.5, 1]}


def by_length(
    rows: Sequence[Row], tasks: dict[str, str], palette: Palette, value: Callable[[Row], float], *, band: bool = False
) -> Plot:
    """A panel a task, a line a memory: a share by the length of the text. band: with the rows' Wilson intervals."""
    figure = panels(1, len(tasks), across=0.04, same_y=True)
    for place, (task, label) in enumerate(tasks.items()):
        for memory, line in _lines([row for row in rows if row["task"] == task]):
            share = [value(row) for row in line]
            error = None
            if band:
                error = {
                    "array": [row["high"] - v for row, v in zip(line, share, strict=True)],
                    "arrayminus": [v - row["low"] for row, v in zip(line, share, strict=True)],
                    **{"width": 0, "thickness": 1},
                }
            figure.add_trace(
                _line(line, share, palette, error_y=error, name=memory, hovertemplate="%{y:.1%} at %{x:,}"),
                suffix(place),
            )
        frame.panel_title(figure, label, suffix(place), palette)
    frame.framed(figure, palette, 250)
    figure.update_yaxes(**SHARES)
    return _over_lengths(figure)


def growth(rows: Sequence[Row], palette: Palette) -> Plot:
    """Left: time for one token at a length. Right: what is carried to the next token. Both axes are logarithmic."""
    figure = panels(1, 2, across=0.1)
    drawn = (("seconds_a_token", 1e3, "milliseconds for a token"), ("state", 1e-6, "carried to the next, MB"))
    for place, (key, unit, label) in enumerate(drawn):
        for memory, line in _lines(rows):
            values = [row[key] * unit for row in line]
            figure.add_trace(
                _line(line, values, palette, name=memory, hovertemplate="%{y:.3g} at %{x:,}"), suffix(place)
            )
        frame.panel_title(figure, label, suffix(place), palette)
    frame.framed(figure, palette, 270)
    figure.update_yaxes(type="log", dtick=1, exponentformat="none")
    return _over_lengths(figure)


def kept(rows: Sequence[Row], palette: Palette) -> Plot:
    """A row a memory, a point a sample: partial rank correlation of surprise with what is left, with its interval."""
    figure = Plot()
    memories = list(dict.fromkeys(row["memory"] for row in rows))
    for at, memory in enumerate(memories):
        points = [row for row in rows if row["memory"] == memory]
        values = [row["surprise"]["value"] for row in points]
        figure.add_trace(
            scatter(
                x=values,
                y=at + np.linspace(-0.28, 0.28, len(points)),
                error_x={
                    "array": [row["surprise"]["high"] - v for row, v in zip(points, values, strict=True)],
                    "arrayminus": [v - row["surprise"]["low"] for row, v in zip(points, values, strict=True)],
                    **{"width": 0, "thickness": 1.2},
                },
                mode="markers",
                marker={"color": palette.variant(points[0]["checkpoint"]), "size": 7},
                customdata=[row["sample"].replace("-", " ") for row in points],
                name=memory,
                hovertemplate="%{customdata}: %{x:.2f}",
            )
        )
    frame.framed(figure, palette, 60 * len(memories) + 60)
    figure.add_vline(x=0, line={"color": palette.muted, "width": 1})
    figure.update_xaxes(range=[-1, 1], title={"text": "rank correlation, position taken out"}, fixedrange=True)
    figure.update_yaxes(tickvals=list(range(len(memories))), ticktext=memories, autorange="reversed", showgrid=False)
    figure.update_yaxes(fixedrange=True)
    return figure.update_layout(margin={"l": 90})


def legend(rows: Sequence[Row], palette: Palette) -> str:
    """Which colour is which memory, as HTML: one line for all charts of a page."""
    named = {row["checkpoint"]: row["memory"] for row in rows}
    parts = [
        f'<span style="white-space:nowrap;margin-right:14px"><span style="display:inline-block;width:14px;height:3px;'
        f'border-radius:2px;background:{palette.variant(name)};vertical-align:middle;margin-right:5px"></span>'
        f"{frame.plain(label)}</span>"
        for name, label in named.items()
    ]
    return f'<div style="font-size:13px">{"".join(parts)}</div>'


def _lines(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """The rows of each memory, by length."""
    memories = dict.fromkeys(row["memory"] for row in rows)
    return [(m, sorted((row for row in rows if row["memory"] == m), key=_length)) for m in memories]


def _length(row: Row) -> int:
    return int(row["length"] if "length" in row else row["tokens"])


def _line(line: list[Row], values: list[float], palette: Palette, **more: Any) -> Trace:
    colour = palette.variant(line[0]["checkpoint"])
    look = {"mode": "lines+markers", "line": {"color": colour, "width": 1.8}, "marker": {"color": colour, "size": 6}}
    return scatter(x=[_length(row) for row in line], y=values, **look, **more)


def _over_lengths(figure: Plot) -> Plot:
    used = [x for trace in figure.data for x in trace["x"]]
    lengths = [n for n in (4**k * 1024 for k in range(6)) if min(used) <= n <= max(used)]
    lengths = lengths[:: 2 if len(lengths) > 4 else 1]  # a phone has room for few
    words = [f"{n // 1024}K" if n < 1 << 20 else "1M" for n in lengths]
    figure.update_xaxes(type="log", tickvals=lengths, ticktext=words, showgrid=False, fixedrange=True)
    figure.update_yaxes(fixedrange=True)
    return figure.update_layout(margin={"t": 24})
