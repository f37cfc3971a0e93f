"""The forgetting curve: what is left of a write by the tokens since, from an answer of app.figures.retention."""

from __future__ import annotations

import numpy as np

from app.figures import frame
from app.figures.plot import Plot, scatter
from app.figures.retention import Answer, curve, of
from app.theme import Palette, count

DEEPEST, HIGHEST = -1.0, 2.0  # shares that the axis reaches at most


def forgetting(answer: Answer, layer: int | None, palette: Palette) -> Plot:
    """What is left by lag, with the half-life, over what the gates alone would leave."""
    lags = np.array(answer["lags"])
    known = lags[:-1] > 0  # the first is the moment of the write itself, where all is there by definition
    words = [_lag_words(low, high - 1) for low, high in zip(lags[:-1][known], lags[1:][known], strict=True)]
    figure = Plot()
    for gates, name in ((True, "by the gates alone"), (False, "left")):
        colour = palette.muted if gates else palette.variant(answer["checkpoint"])
        figure.add_trace(
            scatter(
                x=lags[:-1][known],
                y=curve(answer, layer, gates=gates)[known],
                mode="lines",
                connectgaps=True,
                line={"color": colour, "width": 1.5 if gates else 2, "dash": "6px,4px" if gates else "solid"},
                name=name,
                customdata=words,
                hovertemplate=f"%{{customdata}}<br>{name} %{{y:.2f}}<extra></extra>",
            )
        )
    frame.framed(figure, palette, 210)
    low, high = reach(answer, layer)
    figure.update_yaxes(range=[low - 0.06, high + 0.06], fixedrange=True, tickvals=_halves(low, high))
    decades = [10**k for k in range(7) if 10**k <= lags[-1]]
    figure.update_xaxes(type="log", showgrid=False, fixedrange=True, title={"text": "tokens later", "standoff": 2})
    figure.update_xaxes(tickvals=decades, ticktext=[f"{n:,}" for n in decades], range=[0, np.log10(lags[-1])])
    figure.add_hline(y=0, line={"color": palette.muted, "width": 1})
    _mark_half(figure, of(answer, layer)["half_life"], float(lags[-1]), palette)
    return figure.update_layout(margin={"l": 44, "r": 12, "t": 18, "b": 38})


def reach(answer: Answer, layer: int | None) -> tuple[float, float]:
    """The ends of the curve's axis: 0 to 1 and what lies beyond, as far as DEEPEST and HIGHEST."""
    both = np.concatenate([curve(answer, layer), curve(answer, layer, gates=True)])
    known = both[np.isfinite(both)]
    return max(DEEPEST, min(0.0, float(known.min(initial=0)))), min(HIGHEST, max(1.0, float(known.max(initial=1))))


def legend(answer: Answer, palette: Palette) -> str:
    """What the two lines mean, as HTML (no user text in it)."""
    colour = palette.variant(answer["checkpoint"])
    lines = ((f"2px solid {colour}", "left"), (f"2px dashed {palette.muted}", "what the gates alone would leave"))
    parts = (
        f'<span style="white-space:nowrap"><span style="display:inline-block;width:18px;border-top:{look};'
        f'vertical-align:middle;margin-right:5px"></span>{words}</span>'
        for look, words in lines
    )
    return f'<div style="font-size:0.85rem;display:flex;flex-wrap:wrap;gap:0 14px">{"".join(parts)}</div>'


def _mark_half(figure: Plot, half: float | None, last: float, palette: Palette) -> None:
    figure.add_hline(y=0.5, line={"color": palette.line, "width": 1})
    if half is None:
        return
    figure.add_vline(x=half, line={"color": palette.text, "width": 1, "dash": "2px,3px"})
    figure.add_annotation(
        text=f"half-life {count(round(half))}",
        x=np.log10(max(half, 1)),  # of an annotation, unlike a line, plotly wants the logarithm
        y=1,
        yref="paper",
        yanchor="bottom",
        xanchor="left" if half < last**0.5 else "right",
        showarrow=False,
        font={"size": 12, "color": palette.text},
    )


def _halves(low: float, high: float) -> list[float]:
    return [k / 2 for k in range(int(np.ceil(2 * low)), int(2 * high) + 1)]


def _lag_words(low: int, high: int) -> str:
    return f"{count(int(low))} later" if low == high else f"{low:,} to {high:,} tokens later"
