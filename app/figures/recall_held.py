"""What the memory itself holds of a fact as it reads on: one chart a memory, with its three controls.

Takes the answers of `titans recall`, as app.figures.recall does. All of them are tokens of the fact on average.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from app import theme
from app.figures import frame, recall
from app.figures.plot import Plot, scatter
from app.figures.recall import Answer
from app.figures.recall_lines import HELD, OWN, Line
from app.theme import Palette

COSINE, LOSS = "cosine", "loss"
HEIGHT = 210
LINES = HELD


def layers(answer: Answer) -> int:
    return len(answer["held"]["loss_before"])


def values(answer: Answer, measure: str, line: Line, layer: int | None) -> np.ndarray:
    """(P,): of this layer, or the mean over layers; NaN where it is not defined, as the loss of shuffled keys."""
    points = len(answer["held"]["tokens"])
    found = answer["held"].get(f"{measure}{line.key}")
    if found is None:
        return np.full(points, np.nan)
    table = np.array(found, dtype=np.float64)  # None becomes NaN
    if line.key == "_before":
        table = np.tile(table, (points, 1))
    return np.asarray(table.mean(1) if layer is None else table[:, layer])


def since(answer: Answer) -> list[int]:
    """Tokens read after the fact at each point."""
    return [tokens - answer["end"] for tokens in answer["held"]["tokens"]]


def reach(answers: Mapping[str, Answer], measure: str, layer: int | None) -> dict[str, tuple[float, float]]:
    """The ends of the axis of each chart: one for all cosines. Losses of different models have no scale in common."""
    found = {name: _reach([answer], measure, layer) for name, answer in answers.items()}
    if measure == LOSS:
        return found
    return dict.fromkeys(answers, _reach(list(answers.values()), measure, layer))


def _reach(answers: Sequence[Answer], measure: str, layer: int | None) -> tuple[float, float]:
    found = np.concatenate([values(answer, measure, line, layer) for answer in answers for line in (OWN, *LINES)])
    found = found[np.isfinite(found)]
    low, high = (float(found.min()), float(found.max())) if len(found) else (0.0, 1.0)
    pad = max(0.08 * (high - low), 0.01 * abs(high), 1e-6)
    return low - pad, high + pad


def figure(
    name: str, answer: Answer, measure: str, layer: int | None, ends: tuple[float, float], palette: Palette, colour: str
) -> Plot:
    """The memory in its colour; dashed and grey what would be there without the fact. ends: of the axis of values."""
    x = [max(1, later) for later in since(answer)]
    traces = []
    for line in (*LINES, OWN):
        found = values(answer, measure, line, layer)
        if np.isfinite(found).any():
            label = f"{frame.plain(theme.label(name))}, {line.words}"
            traces.append(
                scatter(
                    x=x,
                    y=found,
                    mode="lines" if len(x) > 1 else "markers",
                    line={
                        "color": colour if line is OWN else palette.muted,
                        "width": 2 if line is OWN else 1.4,
                        "dash": line.dash,
                    },
                    name=label,
                    hovertemplate=f"{label}<br>%{{y:.3f}}, %{{x:,}} tokens after the fact<extra></extra>",
                )
            )
    drawn = frame.framed(Plot(*traces), palette, HEIGHT)
    drawn.update_yaxes(range=ends, nticks=5, tickformat=",.6~g", fixedrange=True)
    drawn.update_layout(margin={"l": 42, "r": 8, "t": 8, "b": 42})
    return recall.over_tokens(drawn, x, "tokens later")  # a chart is narrow where there are four


def legend(palette: Palette, measure: str) -> str:
    """Which dashes are which control, as HTML (no user text in it)."""
    shown = LINES if measure == COSINE else LINES[:2]
    spans = "".join(f'<span style="white-space:nowrap">{_sign(line)} {line.words}</span>' for line in shown)
    return f'<div style="font-size:0.8rem;color:{palette.muted};display:flex;flex-wrap:wrap;gap:0 14px">{spans}</div>'


def _sign(line: Line) -> str:
    """Its dashes, drawn by the ground of an empty span: pictures are not let through."""
    stops, at = [], 0
    for k, length in enumerate(int(part) for part in line.dash.replace("px", "").split(",")):
        stops.append(f"{'transparent' if k % 2 else 'currentColor'} {at}px {at + length}px")
        at += length
    ground = f"repeating-linear-gradient(90deg,{','.join(stops)})"
    look = f"display:inline-block;width:{3 * at}px;height:2px;vertical-align:middle;background:{ground}"
    return f'<span style="{look}"></span>'
