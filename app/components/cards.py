"""Small panels that show user text as text: the token card and the list of passages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from app.theme import SIGNALS, number
from titans_core.passages import Passage

_HERE = Path(__file__).parent / "cards"

_component = st.components.v2.component(
    "titanscope.cards",
    html='<div class="cards"></div>',
    css=(_HERE / "style.css").read_text(encoding="utf-8"),
    js=(_HERE / "cards.js").read_text(encoding="utf-8"),
)


def token_card(
    piece: str, place: str, columns: Sequence[str], rows: list[list[dict[str, Any]]], stood: str = ""
) -> None:
    """One token: its piece, where it is and its signals, one column a run. rows: figures.token.values of each run.

    stood: where in its document, "" where that is not known.
    """
    order = list(SIGNALS)
    merged: dict[str, dict[str, Any]] = {}
    for k, run in enumerate(rows):
        for row in run:
            entry = merged.setdefault(row["name"], {**row, "values": [""] * len(rows), "by_layer": []})
            entry["values"][k] = number(row["value"])
            entry["by_layer"] += [
                f"{columns[k] + ' ' if len(rows) > 1 else ''}L{layer + 1} {number(value)}"
                for layer, value in enumerate(row["layers"])
            ]
    listed = [
        {
            "label": row["label"],
            "symbol": row["symbol"],
            "values": row["values"],
            "layers": row["by_layer"],
            "note": " · ".join(part for part in (row["source"], "per " + row["granularity"], row["rule"]) if part),
        }
        for row in sorted(merged.values(), key=lambda row: order.index(row["name"]))
    ]
    head = {"piece": piece, "place": place, "stood": stood, "columns": list(columns)}
    _component(key="token_card", data={"token": head | {"rows": listed}})


def passage_list(
    key: str,
    found: Sequence[Passage],
    stood: Callable[[int], str],
    on_pick: Callable[[], None],
    *,
    signed: bool = False,
) -> None:
    """Passages as buttons; a click reports the token under session state `key`. signed: values with a plus, too.

    stood: where in its document a token stood, "" where that is not known.
    """
    listed = []
    for p in found:
        value = ("+" if signed and p.value > 0 else "") + number(p.value)
        words = {"before": p.before, "core": p.core, "after": p.after, "stood": stood(p.token)}
        listed.append({"token": p.token, "value": value, **words})
    _component(key=key, data={"passages": listed}, on_token_change=on_pick)
