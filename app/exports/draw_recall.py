"""What `titans recall` wrote, as charts: what the models say, and how well a memory still answers to the fact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.exports import svg
from app.exports.plot import Plot, legend
from app.figures.recall_lines import HELD, OWN, SAID
from app.theme import label, signed

Result = dict[str, Any]

CONTROLS = {line.key: (line.css, line.words) for line in SAID}
ROW, BETWEEN = 150, 70


def said(results: Sequence[Result]) -> str:
    """The probability of the answer after the cue, a line a memory; where the model says it, its point is filled."""
    lags = [_lags(one, [asked["tokens"] for asked in one["asked"]]) for one in results]
    plot = Plot(86, 260, 0, 1, max(1, min(x[0] for x in lags)), max(x[-1] for x in lags))
    head = f"Probability of {_quoted(results[0]['answer'])} after {_quoted(results[0]['cue'], 80)}"
    names = [(f"r{k}", label(one["checkpoint"])) for k, one in enumerate(results)]
    controls = [(f"r0 {css}", f"the same, {words}") for css, words in CONTROLS.values()]
    parts = [svg.text(svg.LEFT, 20, head), *legend(44, [*names, *controls]), *plot.frame("p(answer)")]
    for k, (one, x) in enumerate(zip(results, lags, strict=True)):
        for control, (css, _) in CONTROLS.items():
            parts.append(plot.line(x, _p(one, control), f"r{k} {css} thin"))
        parts.append(plot.line(x, _p(one, "memory"), f"r{k}"))
        parts += _points(plot, one, x, k)
    bottom = plot.bottom + 56
    told = [_told(one, x) for one, x in zip(results, lags, strict=True)]
    parts += [
        *plot.axis("tokens read since the fact"),
        svg.text(svg.LEFT, bottom - 22, "● says it  ○ does not", "tick"),
    ]
    parts += [svg.text(svg.LEFT, bottom + 17 * k, words, "tick") for k, words in enumerate(told)]
    return svg.chart(parts, bottom + 17 * len(told), f"{head}. {' '.join(told)}")


def _points(plot: Plot, one: Result, x: np.ndarray, run: int) -> list[str]:
    y = plot.y(_p(one, "memory"))
    exact = [bool(asked["memory"]["exact"]) for asked in one["asked"]]
    return [
        f'<circle class="r{run}{"" if right else " hollow"}" cx="{a:.1f}" cy="{b:.1f}" r="3.2"/>'
        for a, b, right in zip(plot.x(x), y, exact, strict=True)
    ]


def _told(one: Result, x: np.ndarray) -> str:
    right = [asked["memory"]["exact"] for asked in one["asked"]]
    last = max((int(lag) for lag, exact in zip(x, right, strict=True) if exact), default=None)
    if last is None:
        found = f"says it at none of {len(right)} points"
    else:
        found = f"says it at {sum(map(bool, right))} of {len(right)} points, last {last:,} tokens after the fact"
    ends = ", ".join(f"{words} {_small(_p(one, name)[-1])}" for name, (_, words) in CONTROLS.items())
    p = _small(_p(one, "memory")[-1])
    return f"{label(one['checkpoint'])} {found}. At the end, {int(x[-1]):,} tokens later: p {p}; {ends}."


def held(one: Result) -> str:
    """A row a layer: the cosine of what the memory says to the fact's keys with the fact's values, and its controls."""
    kept = {name: np.array(values, float) for name, values in one["held"].items()}
    x = _lags(one, kept["tokens"])
    removed, before_it, shuffled = HELD
    shown_lines = (OWN, removed, shuffled)
    lines = {f"cosine{line.key}": f"r0 {line.css}" for line in shown_lines}
    lines[f"cosine{shuffled.key}"] += " thin"
    words = [line.words for line in shown_lines]
    head = f"{label(one['checkpoint'])}: cosine of what the memory says to the keys of the fact with its values"
    parts = [svg.text(svg.LEFT, 20, head)]
    parts += legend(44, [*zip(lines.values(), words, strict=True), ("mark", before_it.words)])
    parts.append(
        svg.text(svg.LEFT, 62, "Lines are means of close points; the area is from the lowest to the highest.", "tick")
    )
    told, top = [], 104.0
    for layer in range(kept["cosine"].shape[1]):
        shown = [kept[name][:, layer] for name in lines]
        before = float(kept["cosine_before"][layer])
        every = np.concatenate([*shown, [before]])
        low, high = _ends(every[np.isfinite(every)])
        plot = Plot(top, ROW, low, high, max(1, x[0]), x[-1])
        parts += plot.frame(f"Layer {layer + 1}", ".2f")
        y = float(plot.y(before))
        parts += [svg.rule(svg.LEFT, y, svg.WIDTH - svg.RIGHT, y, "mark")] if np.isfinite(y) else []
        for name, css, values in zip(lines, lines.values(), shown, strict=True):
            parts.append(plot.means(x, values, css, band=name == "cosine"))
        parts += plot.axis("tokens read since the fact")
        told.append(f"layer {layer + 1} {signed(before, '.3f')}, {', '.join(signed(v[-1], '.3f') for v in shown)}")
        top += ROW + BETWEEN
    summary = f"{head}. Before the fact, and at the end with it, without it and with keys shuffled: {'; '.join(told)}."
    return svg.chart(parts, top - 30, summary)


def _ends(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min(initial=1)), float(values.max(initial=-1))
    room = 0.05 * (high - low) or 0.1
    return (low - room, high + room) if high >= low else (-1.0, 1.0)


def _lags(one: Result, tokens: Any) -> np.ndarray:
    """Tokens read since the end of the fact, in the order they were read."""
    found = np.array(tokens, float) - one["end"]
    if not len(found) or not np.isfinite(found).all() or (np.diff(found) <= 0).any():
        raise ValueError("its points are not in order")
    return found


def _p(one: Result, name: str) -> np.ndarray:
    found = np.array([asked[name]["p"] for asked in one["asked"]], float)
    if not ((found >= 0) & (found <= 1)).all():
        raise ValueError("a probability is not from 0 to 1")
    return found


def _small(p: float) -> str:
    return f"{p:.2f}" if p >= 0.005 else "under 0.005"


def _quoted(text: str, most: int = 40) -> str:
    """On one line; of a long text its end, which stands right before the answer."""
    words = " ".join(str(text).split())
    return f"“{words}”" if len(words) <= most else f"“…{words[1 - most :]}”"
