"""The parts of a report that are lists and tables. Every word that is not ours is escaped."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import xarray as xr

from app import foreign, naming
from app.exports.columns import meaning
from app.exports.names import Finished, View, facts
from app.exports.spans import visible
from app.figures import aggregate, token
from app.places import place
from app.theme import SIGNALS, VARIANTS, count, duration, number, parameters
from titans_core import passages
from titans_core.signals import MARK


def sentence(run: Finished) -> str:
    """The facts of a run on one line, as under the title of the page."""
    at = run.ds.attrs
    known = VARIANTS.get(str(at["checkpoint"]))
    return " · ".join(
        (
            naming.of(run.ds) + (f", {known.meaning}" if known else ""),
            f"{parameters(int(at['parameters']))} parameters, {foreign.library(at) or 'trained'}",
            count(int(at.get(MARK, run.ds.sizes["token"]))),
            *([f"shown on {run.ds.sizes['token']:,} shared pieces"] if MARK in at else []),
            *([f"update chunk {at['chunk']}"] if "surprise" in run.ds else []),
            *([] if foreign.library(at) else [_window(at)]),
            f"{duration(float(at['seconds']))} on {str(at['device']).upper()}",
            f"run {run.id[:6]}…",
        )
    )


def _window(at: Mapping[Any, Any]) -> str:
    """How far attention reaches; a segment is also the unit in which MAC reads its memory."""
    if at["variant"] == "lmm":
        return "no attention"
    window = count(int(json.loads(str(at["config"])).get("window", 0)))
    return f"{'segments' if at['variant'] == 'mac' else 'attention window'} of {window}"


def passage_lists(runs: Sequence[Finished], view: View, found: Mapping[str, Sequence[passages.Passage]]) -> str:
    """The highest passages of each run, in context."""
    parts = [f"<h2>Passages of highest {escape(SIGNALS[view.signal].label.lower())}</h2>"]
    for run in runs:
        listed = found.get(run.id, ())
        if not listed:
            continue
        skip = aggregate.settling(run.ds)
        note = f", the first {skip} tokens left out" if skip else ""
        name = escape(naming.of(run.ds))
        parts.append(f'<p><b>{name}</b> <span class="soft">mean over {passages.SPAN} tokens{note}</span></p><ol>')
        parts += [
            f"<li><q>…{visible(p.before)}<b>{visible(p.core)}</b>{visible(p.after)}…</q> "
            f'<span class="soft">{number(p.value)}, token {p.token + 1:,}{_stood(run, p.token)}</span></li>'
            for p in listed
        ]
        parts.append("</ol>")
    return "".join(parts) if len(parts) > 1 else ""


def _stood(run: Finished, at: int) -> str:
    said = place(run.document, run.ds, at)
    return f", {visible(said)}" if said else ""


def one_token(runs: Sequence[Finished], at: int, layer: int | None = None) -> str:
    """Every signal of one token, a column a run: of a layer or over all, then of each."""
    rows = [{row["name"]: row for row in token.values(run.ds, at, layer)} for run in runs]
    names = [name for name in SIGNALS if any(name in row for row in rows)]
    head = ["signal", *(naming.of(run.ds) for run in runs), "by layer"]
    body = []
    for name in names:
        layers = [", ".join(number(v) for v in row[name]["layers"]) for row in rows if name in row]
        values = [number(row[name]["value"]) if name in row else "" for row in rows]
        body.append([f"{SIGNALS[name].label} {SIGNALS[name].symbol}", *values, " | ".join(filter(None, layers))])
    return _table(head, body, numbers=range(1, len(runs) + 1))


def signals(traces: Sequence[xr.Dataset]) -> str:
    """What each signal is, by which equation, and its range over the text."""
    head = ["signal", "variable", "what it is", "unit", "equation or source", "true per", "mean, highest"]
    body = []
    for name in [n for n in SIGNALS if any(n in ds for ds in traces)]:
        labels = [meaning(name, ds) for ds in traces if name in ds]
        listed = ("long_name", "units", "source", "granularity")
        given = [" | ".join(dict.fromkeys(label.get(key, "") for label in labels)) for key in listed]
        reach = " | ".join(_reach(aggregate.column(ds, name)) for ds in traces if name in ds)
        body.append([f"{SIGNALS[name].label} {SIGNALS[name].symbol}", name, *given, reach])
    return (
        "<h2>The signals and their equations</h2>"
        '<p class="soft">Equations are numbered as in Titans: Learning to Memorize at Test Time. '
        "Mean and highest are over the whole text, all layers together, one pair a run.</p>" + _table(head, body)
    )


def _reach(values: np.ndarray) -> str:
    known = values[np.isfinite(values)].astype(np.float64)
    odd = len(values) - len(known)
    rest = f" ({odd:,} not finite)" if odd else ""
    return (f"{number(known.mean())}, {number(known.max())}" if len(known) else "–") + rest


def attributes(runs: Sequence[Finished]) -> str:
    """All that was recorded of each run."""
    parts = ["<h2>What was recorded of each run</h2>"]
    for run, called in zip(runs, naming.names([run.ds for run in runs]), strict=True):
        if len(runs) > 1:
            parts.append(f"<h3>{visible(called.label)}</h3>")
        rows = "".join(f"<dt>{visible(name)}</dt><dd>{visible(str(value))}</dd>" for name, value in facts(run).items())
        parts.append(f"<dl>{rows}</dl>")
    return "".join(parts)


def _table(head: Sequence[str], body: Iterable[Sequence[Any]], numbers: Sequence[int] = ()) -> str:
    css = [' class="v"' if k in numbers else "" for k in range(len(head))]
    top = "".join(f"<th{css[k]}>{escape(str(cell))}</th>" for k, cell in enumerate(head))
    rows = "".join(
        "<tr>" + "".join(f"<td{css[k]}>{escape(str(cell))}</td>" for k, cell in enumerate(row)) + "</tr>"
        for row in body
    )
    return f'<div class="wrap"><table><tr>{top}</tr>{rows}</table></div>'
