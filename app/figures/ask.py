"""What the Ask panel draws, as HTML: what a memory says in three ways, and a passage's part in it by layer.

Takes the answers of app.probing.ask.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app import theme
from app.figures import frame
from app.theme import Palette

Answer = dict[str, Any]
Passage = dict[str, Any]
WAYS = {"memory": "with memory", "zeroed": "reads zeroed", "removed": "fact removed"}
LONGEST = 60  # characters of a value that are shown


def rows(answer: Answer, palette: Palette) -> str:
    """One line a way of asking: the value it begins with, its probability, and the entropy of its first token."""
    lines = [_row(row, palette) for row in answer["rows"]]
    return f'<table class="ts-ask">{"".join(lines)}</table>'


def _row(row: dict[str, Any], palette: Palette) -> str:
    said = row["value"] or row["text"].strip() or "nothing"
    shown = frame.plain(said if len(said) <= LONGEST else said[: LONGEST - 1] + "…")
    whole = frame.plain(" ".join(row["text"].split())).replace('"', "&quot;")
    return (
        f'<tr style="border-color:{palette.line}"><th style="color:{palette.muted}">{WAYS[row["name"]]}</th>'
        f'<td title="It goes on: {whole}"><b>{shown}</b></td>'
        f'<td style="color:{palette.muted}">p {probability(row["p"])} · H {row["entropy"]:.1f}</td></tr>'
    )


def probability(p: float) -> str:
    """Two digits, as .83; under .01 as <.01."""
    if p < 0.005:
        return "&lt;.01"
    return f"{p:.2f}".removeprefix("0")


def bars(passage: Passage, layers: Sequence[float], palette: Palette, colour: str) -> str:
    """A bar a layer: bits of the answer's log-odds that hang on the passage; drawn to the left where against it.

    layers: of each layer, the most bits that any shown passage has there or anywhere.
    """
    most = max((abs(bits) for bits in layers), default=0.0) or 1.0
    return "".join(
        f'<div class="ts-bar"><span style="color:{palette.muted}">Layer {k + 1}</span>'
        f'<span style="background:{palette.line}"><i style="width:{100 * min(1.0, abs(bits) / most):.1f}%;'
        f'background:{colour if bits >= 0 else palette.muted}"></i></span>'
        f"<span>{theme.signed(bits, '+.1f') if abs(bits) >= 0.05 else '0.0'} bits</span></div>"
        for k, bits in enumerate(passage["bits"])
    )


def largest(answer: Answer) -> list[float]:
    """What `bars` are drawn against."""
    return [bits for passage in answer["passages"] for bits in passage["bits"]]
