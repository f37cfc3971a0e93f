"""One memory by itself, and two against each other: a table a head, and a grid of how alike they are."""

from __future__ import annotations

from html import escape

import numpy as np
import pandas as pd

from app.theme import number, signed
from titans_core.memory_file import Distance, Measures


def held(found: Measures, moved: Distance | None = None) -> pd.DataFrame:
    """A row a layer and head. moved: from the memory that the run began with."""
    layers, heads = found.size.shape
    columns = {
        "layer": np.repeat(np.arange(layers) + 1, heads),
        "head": np.tile(np.arange(heads) + 1, layers),
        "size |M|": found.size.ravel(),
        "momentum |S|": found.momentum.ravel(),
        "effective rank": found.rank.ravel(),
    }
    if moved is not None:
        columns |= {"moved |M − M₀|": moved.distance.ravel(), "cosine with M₀": moved.cosine.ravel()}
    return pd.DataFrame(columns)


def grid(found: Distance, colour: str) -> str:
    """HTML: a cell a layer and head, darker the more alike, with the cosine and below it |A − B|."""
    layers, heads = found.cosine.shape
    head = "".join(f"<th scope=col>head {k + 1}</th>" for k in range(heads))
    rows = "".join(
        f"<tr><th scope=row>layer {layer + 1}</th>{''.join(_cell(found, layer, k, colour) for k in range(heads))}</tr>"
        for layer in range(layers)
    )
    return f'<table class="ts-states"><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _cell(found: Distance, layer: int, head: int, colour: str) -> str:
    cosine, apart = float(found.cosine[layer, head]), float(found.distance[layer, head])
    share = 0 if np.isnan(cosine) else round(45 * min(1.0, abs(cosine)))
    words = "–" if np.isnan(cosine) else signed(cosine, ".2f")
    look = f"background: color-mix(in srgb, {escape(colour)} {share}%, transparent)"
    return f'<td style="{look}"><b>{words}</b><br><small>{number(apart)}</small></td>'


def words(found: Distance, one: Measures, other: Measures) -> str:
    """How far apart two memories A and B are as a whole, and which heads are most and least alike."""
    a, b, apart = (float(np.sqrt((values**2).sum())) for values in (one.size, other.size, found.distance))
    said = [f"|A| is {number(a)}, |B| is {number(b)}, and they are {number(apart)} apart."]
    if not apart:
        return said[0] + " They are the same."
    if np.isfinite(found.cosine).any() and found.cosine.size > 1:
        most, least = (_where(found.cosine, pick(found.cosine)) for pick in (np.nanargmax, np.nanargmin))
        said.append(f"Most alike: {most}. Least: {least}.")
    return " ".join(said)


def _where(cosine: np.ndarray, flat: np.intp) -> str:
    layer, head = divmod(int(flat), cosine.shape[1])
    return f"layer {layer + 1}, head {head + 1} (cosine {signed(float(cosine[layer, head]), '.2f')})"
