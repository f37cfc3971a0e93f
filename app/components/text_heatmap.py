"""The text itself as a heatmap: one panel a run, one layout, one colour scale (see heatmap/*.js)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import streamlit as st
import xarray as xr

from app import naming
from app.components import scripts
from app.figures import aggregate
from app.kept import Kept
from app.link import UNITS, Look
from app.theme import PALETTES, PLAIN, SIGNALS, VARIANTS

KEY, DIFFERENCE = "text_heatmap", "text_difference"


@dataclass(frozen=True)
class Minus:
    """A difference of two of the shown runs, by their ids. cone: the first token at which they can differ.

    key: of the component. fixed: it stays with its signal, whatever the page shows.
    """

    one: str
    other: str
    ratio: bool
    symbol: str
    words: str
    cone: int | None
    key: str = DIFFERENCE
    fixed: bool = False


_MINUS = ("ratio", "symbol", "words", "cone", "fixed")
_PLAIN = {"colours": {name: palette.muted for name, palette in PALETTES.items()}, "dash": []}  # a difference: no run's
_HERE = Path(__file__).parent / "heatmap"
_SCRIPTS = (
    *("data.js", "segments.js", "cells.js", "layout.js", "units.js", "rank.js", "fold.js"),
    *("paint.js", "marks.js", "strip.js", "pointer.js", "panel.js"),
    *("toolbar.js", "search.js", "range.js", "legend.js", "card.js"),
    *("source.js", "sheet.js", "surface.js", "keys.js", "view.js", "main.js"),
)

_component = st.components.v2.component(
    "titanscope.text_heatmap",
    html='<div class="titanscope"></div>',
    css=(_HERE / "style.css").read_text(encoding="utf-8"),
    js=scripts.joined(_HERE, _SCRIPTS),
)


def text_heatmap(
    shown: list[tuple[str, xr.Dataset]],
    look: Look,
    *,
    dark: bool,
    on_change: Callable[[str], Callable[[], None]],
    arrivals: int = 0,
    minus: Minus | None = None,
) -> None:
    """Draw runs (id, trace) of one text. The browser fetches their values itself (app.routes).

    look says what to show first; after that the browser owns it, reports changes through session state under KEY
    ("signal", "layer", "token", "theme", "range", "unit", "rule", "underlines", "find"), and takes token and range
    again when `look.nonce` changes. on_change gives the callback for each of these names. "range" is [from, to, time in
    ms], with -1 for both ends when it was cleared; "find" is [words, match or -1, time in ms], and is taken again with
    other runs when `arrivals` changes. minus: draw a difference instead, under its own key; unless fixed, it follows
    the signal and the layer of the text of the runs.
    """
    data = _facts.get(tuple(run for run, _ in shown), lambda: facts(shown)) | {
        "theme": "dark" if dark else "light",
        "signal": look.signal,
        "layer": look.layer,
        "selected": look.token,
        "range": list(look.range) if look.range else None,
        "zoom": list(look.span) if look.span else None,
        "unit": look.unit,
        "rule": look.rule,
        "underlines": list(look.underlines),
        "find": look.find,
        "match": look.match,
        "arrivals": arrivals,
        "nonce": look.nonce,
        "at": look.at,
    }
    if minus:
        data |= {
            "key": f"{minus.one} {minus.other} {minus.ratio}",
            "runs": [run | _PLAIN for run in data["runs"] if run["id"] == minus.one],
            "unit": UNITS[0],
            "underlines": [],
            "find": "",
            "minus": {"run": minus.other, **{k: getattr(minus, k) for k in _MINUS}},
        }
    _component(
        key=minus.key if minus else KEY,
        data=data,
        on_signal_change=on_change("signal"),
        on_layer_change=on_change("layer"),
        on_token_change=on_change("token"),
        on_range_change=on_change("range"),
        on_theme_change=on_change("theme"),
        on_unit_change=on_change("unit"),
        on_rule_change=on_change("rule"),
        on_underlines_change=on_change("underlines"),
        on_find_change=on_change("find"),
    )


def facts(shown: list[tuple[str, xr.Dataset]]) -> dict[str, Any]:
    """What the browser needs to label the panels: runs, signals with their rules, and colours."""
    names = [name for name in SIGNALS if any(name in ds.data_vars for _, ds in shown)]
    return {
        "key": " ".join(run for run, _ in shown),
        "runs": [_run(*run, name) for run, name in zip(shown, naming.names([ds for _, ds in shown]), strict=True)],
        "signals": [_signal(name, shown) for name in names],
        "settling": aggregate.settling(shown[0][1]),
        "layers": max(ds.sizes.get("layer", 0) for _, ds in shown),
        "palettes": PLAIN,
    }


def _unknown(runs: tuple[str, ...]) -> dict[str, Any]:
    raise KeyError(runs)


_facts: Kept[tuple[str, ...], dict[str, Any]] = Kept(4_000_000, _unknown, lambda told: 2 * len(repr(told)))


def _run(run: str, ds: xr.Dataset, name: naming.Name) -> dict[str, Any]:
    variant = VARIANTS.get(name.checkpoint)
    return {"id": run, "meaning": variant.meaning if variant else "", "remembers": "surprise" in ds, **name.drawn}


def _signal(name: str, shown: list[tuple[str, xr.Dataset]]) -> dict[str, Any]:
    ds = next(ds for _, ds in shown if name in ds.data_vars)
    return {
        **asdict(SIGNALS[name]),
        "over": aggregate.layer_words(ds, name, None) if "layer" in ds[name].dims else "",
        "granularity": str(ds[name].attrs.get("granularity", "token")),
    }
