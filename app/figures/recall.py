"""What models say of a fact as they read on: the probability of the answer, by the tokens read since the fact.

Takes the answers of `titans recall` (titans_core.probes.recall.Recall as plain values), by checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from app import theme
from app.figures import frame
from app.figures.plot import Plot, Trace, scatter
from app.figures.recall_lines import SAID
from app.theme import Palette

Answer = dict[str, Any]
CONTROLS = {line.key: line.words for line in SAID}
DASHES = {line.key: line.dash for line in SAID}
HEIGHT = 260
_SAME = 0.02  # lines that are nowhere further apart look like one
_LABEL = 0.085  # of the axis from 0 to 1: the height of a label
_RIGHT = 92  # pixels for the labels of lines


def since(answer: Answer) -> list[int]:
    """Tokens read after the fact when the model was asked."""
    return [one["tokens"] - answer["end"] for one in answer["asked"]]


def colours(names: Sequence[str], palette: Palette) -> dict[str, str]:
    """A colour a memory: that of its variant, others for those that do not ship."""
    own = [name for name in names if name not in palette.variants]
    return {name: palette.run(name, own.index(name) if name in own else 0) for name in names}


def figure(answers: Mapping[str, Answer], palette: Palette) -> Plot:
    """A line a memory with a mark where the model was asked, filled where greedy decoding gives the answer exactly.

    Dashed and grey: the same model with its reads zeroed, and after a reading without the fact. All are labelled at
    their ends.
    """
    shades = colours(list(answers), palette)
    traces = [_control(name, answer, which, palette) for name, answer in answers.items() for which in CONTROLS]
    under = _under(list(answers.values()))
    traces += [
        _line(name, answer, shades[name], palette, below)
        for (name, answer), below in zip(answers.items(), under, strict=True)
    ]
    figure = frame.framed(Plot(*traces), palette, HEIGHT)
    ends = {theme.label(name): (answer["asked"][-1]["memory"]["p"], shades[name]) for name, answer in answers.items()}
    for which, words in CONTROLS.items():
        last = [answer["asked"][-1][which]["p"] for answer in answers.values()]
        ends[words] = sum(last) / len(last), palette.muted
    label_ends(figure, ends, palette)
    figure.update_yaxes(range=[-0.04, 1.04], tickvals=[0, 0.5, 1], fixedrange=True)
    figure.update_layout(margin={"l": 34, "r": _RIGHT, "t": 8, "b": 42})
    return over_tokens(figure, [max(1, later) for answer in answers.values() for later in since(answer)])


def _under(answers: Sequence[Answer]) -> list[int]:
    """Of each line, how many that are drawn after it lie upon it: it is drawn so much wider, to be seen below them."""
    drawn = [(since(answer), [one["memory"]["p"] for one in answer["asked"]]) for answer in answers]
    return [
        sum(x == other and max(abs(a - b) for a, b in zip(y, p, strict=True)) < _SAME for other, p in drawn[k + 1 :])
        for k, (x, y) in enumerate(drawn)
    ]


def _line(name: str, answer: Answer, colour: str, palette: Palette, below: int) -> Trace:
    said = [one["memory"] for one in answer["asked"]]
    return scatter(
        x=[max(1, later) for later in since(answer)],
        y=[one["p"] for one in said],
        mode="lines+markers",
        line={"color": colour, "width": 2 + 4 * below},
        marker={
            "color": [colour if one["exact"] else palette.panel for one in said],
            "size": 7 + 5 * below,
            "line": {"color": colour, "width": 1.6},
        },
        cliponaxis=False,
        text=_told(theme.label(name), answer, "memory"),
        hovertemplate="%{text}<extra></extra>",
    )


def _control(name: str, answer: Answer, which: str, palette: Palette) -> Trace:
    return scatter(
        x=[max(1, later) for later in since(answer)],
        y=[one[which]["p"] for one in answer["asked"]],
        mode="lines",
        line={"color": palette.muted, "width": 1.4, "dash": DASHES[which]},
        text=_told(f"{theme.label(name)}, {CONTROLS[which]}", answer, which),
        hovertemplate="%{text}<extra></extra>",
    )


def _told(name: str, answer: Answer, which: str) -> list[str]:
    return [
        f"{frame.plain(name)}, {theme.count(later)} after the fact<br>p {theme.number(one[which]['p'])}, "
        f"says “{frame.plain(one[which]['text'].strip()[:60])}”"
        for one, later in zip(answer["asked"], since(answer), strict=True)
    ]


def label_ends(figure: Plot, ends: Mapping[str, tuple[float, str]], palette: Palette) -> None:
    """Write what lines are called right of where they end, as near as labels have room. ends: words -> (y, colour)."""
    placed = spread([y for y, _ in ends.values()], _LABEL, (0.0, 1.0))
    for (words, (_, colour)), y in zip(ends.items(), placed, strict=True):
        figure.add_annotation(
            text=frame.plain(words if len(words) <= 14 else words[:13] + "…"),
            x=1,
            xref="x domain",
            xshift=8,
            y=y,
            xanchor="left",
            yanchor="middle",
            showarrow=False,
            font={"color": colour, "size": 12},
        )


def spread(values: Sequence[float], gap: float, ends: tuple[float, float]) -> list[float]:
    """The values moved apart, so that none is nearer than `gap` to another or beyond the ends; their order stays."""
    placed = list(values)
    order = sorted(range(len(values)), key=lambda k: values[k])
    least = ends[0]
    for k in order:
        placed[k] = max(placed[k], least)
        least = placed[k] + gap
    most = ends[1]
    for k in reversed(order):
        placed[k] = min(placed[k], most)
        most = placed[k] - gap
    return placed


def over_tokens(figure: Plot, used: Sequence[int], title: str = "tokens read since the fact") -> Plot:
    """A logarithmic axis of the tokens read since the fact, ticked 100, 1K, 10K."""
    low, high = min(used), max(used)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [10**k for k in decades if low <= 10**k <= high]
    if len(ticks) < 2:
        ticks = [m * 10**k for k in decades for m in (1, 2, 5) if low <= m * 10**k <= high]
    pad = 0.03 * max(math.log10(high / low), 0.3)
    figure.update_xaxes(
        type="log",
        range=[math.log10(low) - pad, math.log10(high) + pad],
        tickvals=ticks,
        ticktext=[_short(tick) for tick in ticks],
        title={"text": title, "standoff": 6},
        showgrid=False,
        fixedrange=True,
    )
    return figure


def _short(tokens: int) -> str:
    if tokens < 1_000:
        return str(tokens)
    return f"{tokens // 1_000}K" if tokens < 1_000_000 else f"{tokens // 1_000_000}M"


def legend(palette: Palette) -> str:
    """What the marks mean, as HTML (no user text in it)."""
    parts = ("● greedy decoding gives the answer exactly", "○ it gives something else")
    spans = "".join(f'<span style="white-space:nowrap">{part}</span>' for part in parts)
    return f'<div style="font-size:0.8rem;color:{palette.muted};display:flex;flex-wrap:wrap;gap:0 14px">{spans}</div>'
