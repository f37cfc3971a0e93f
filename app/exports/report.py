"""One HTML file that says what the page said: no script, nothing loaded from anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from app import naming
from app.exports import drawings, recipe, report_tables, spans, svg
from app.exports.names import Finished, View
from app.exports.report_style import style
from app.figures import aggregate, scale, token
from app.places import place
from app.theme import SIGNALS, number
from titans_core.passages import Passage

MOST = 20_000  # tokens of a text that are drawn; a page of more spans than that no longer scrolls well
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def report(runs: Sequence[Finished], view: View, found: Mapping[str, Sequence[Passage]]) -> str:
    """The runs of one text as the page shows them: text, figures, passages, numbers, attributes.

    found: the passages where the signal is highest, by run id. Not every run needs to have the signal of the view.
    Raises KeyError where none has it, IndexError where a run lacks the view's layer or token.
    """
    if not any(view.signal in run.ds for run in runs):
        raise KeyError(view.signal)
    title = spans.visible(" ".join(runs[0].title.split())) or "Untitled text"
    head = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>{title} · Titanscope</title>"
        f"<style>{style(naming.names([run.ds for run in runs]))}</style></head><body>"
    )
    return "".join([head, f"<h1>{title}</h1>", *_body(runs, view, found), "</body></html>\n"])


def _body(runs: Sequence[Finished], view: View, found: Mapping[str, Sequence[Passage]]) -> Iterator[str]:
    traces = [run.ds for run in runs]
    signal = SIGNALS[view.signal]
    for run in runs:
        yield f'<p class="soft">{escape(report_tables.sentence(run))}</p>'
    yield _texts(runs, view)
    yield report_tables.passage_lists(runs, view, found)
    yield _figure("Through time", drawings.through_time(traces, view), drawings.note(traces, view))
    by_layer = f"Layer × token: {signal.label.lower()} {signal.symbol}"
    yield _figure(by_layer, drawings.layer_map(traces, view), drawings.layer_note(traces, view))
    if view.token is not None:
        yield f"<h2>Token {view.token + 1:,}: “{spans.visible(str(traces[0]['piece'].values[view.token]))}”</h2>"
        yield _soft(place(runs[0].document, traces[0], view.token))
        yield _soft(token.where(traces, view.layer))
        yield _soft(token.still_words(token.moving(traces), view.token, view.layer))
        yield f'<div class="wrap">{drawings.moves(traces, view)}</div>'
        yield report_tables.one_token(runs, view.token, view.layer)
    yield report_tables.signals(traces)
    yield report_tables.attributes(runs)
    yield "<h2>The same again</h2><p class='soft'>In Python:</p>"
    yield f"<pre>{escape(recipe.python(runs, view))}</pre><p class='soft'>On the command line:</p>"
    yield f"<pre>{escape(recipe.command(runs))}</pre>"


def _figure(title: str, drawn: str, note: str = "") -> str:
    return f'<h2>{escape(title)}</h2>{_soft(note)}<div class="wrap">{drawn}</div>' if drawn else ""


def _soft(words: str) -> str:
    return f'<p class="soft">{escape(words)}</p>' if words else ""


def _texts(runs: Sequence[Finished], view: View) -> str:
    """The text once a run, all on one scale."""
    own = [(run, aggregate.column(run.ds, view.signal, view.layer)) for run in runs if view.signal in run.ds]
    limits = scale.shared([values for _, values in own], view.signal, skip=aggregate.settling(own[0][0].ds))
    signal, total = SIGNALS[view.signal], own[0][0].ds.sizes["token"]
    css = "d" if signal.kind == "cosine" else "c"
    rule = aggregate.layer_words(own[0][0].ds, view.signal, view.layer)
    bar = svg.scale_bar(190, 6, number(limits.low), number(limits.high), css)
    parts = [
        f"<h2>The text, coloured by {escape(signal.label.lower())} {escape(signal.symbol)}</h2>",
        f'<p class="soft">{escape(signal.words.capitalize())}; {escape(rule)}; scale {escape(limits.rule)}. '
        "Rest the pointer on a token for its number and value.</p>",
        f'<svg class="legend" viewBox="0 0 260 20" role="img"><title>colour scale</title>{bar}</svg>',
    ]
    if total > MOST:
        parts.append(
            f"<p>The text has {total:,} tokens. Its first {MOST:,} are shown here; the rest is not in this file. The "
            "passages and figures below are of the whole text, and the CSV, Parquet and Zarr exports hold every "
            "token.</p>"
        )
    for run, values in own:
        parts.append(f"<p><b>{escape(naming.of(run.ds))}</b></p>")
        parts.append(f'<div class="text">{_text(run.ds, values, limits, css)}</div>')
    return "".join(parts)


def _text(ds: Any, values: np.ndarray, limits: scale.Scale, css: str) -> str:
    start, end = ds["start"].values[:MOST], ds["end"].values[:MOST]
    return spans.spans(str(ds.attrs["text"]), start, end, values[:MOST], limits.low, limits.high, css)
