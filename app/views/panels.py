"""The panels of a result: each draws one figure with its title, its note and the table behind it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pandas as pd
import streamlit as st

from app import runs, state, theme
from app.components import cards, text_heatmap
from app.figures import aggregate, layers, tables, timelines, token
from app.runs import Run
from app.words import words
from titans_core import passages

CHART = {"displayModeBar": False, "scrollZoom": False, "responsive": True}


def text(shown: list[Run], look: state.Look) -> None:
    with st.container(border=True, key="panel_text"):
        text_heatmap.text_heatmap(
            [(run.id, run.ds) for run in shown],
            dark=state.palette().dark,
            signal=look.signal,
            layer=look.layer,
            selected=look.token,
            nonce=look.nonce,
            on_change=state.follow,
        )
        _table("text", lambda: tables.tokens([run.ds for run in shown], look.signal, look.layer, look.token))


def through_time(shown: list[Run], look: state.Look) -> None:
    traces = [run.ds for run in shown]
    with st.container(border=True, key="panel_time"):
        _title("Through time", timelines.note(traces, look.layer))
        figure = timelines.timelines(traces, state.palette(), layer=look.layer)
        st.plotly_chart(
            timelines.mark(figure, look.token, state.palette()),
            config=CHART,
            theme=None,
            key="timelines",
            alt=timelines.summary(traces, look.layer),
        )
        _table("timelines", lambda: tables.timelines(traces, look.layer))


def layer_map(shown: list[Run], look: state.Look) -> None:
    traces = [run.ds for run in shown if look.signal in run.ds and "layer" in run.ds[look.signal].dims]
    with st.container(border=True, key="panel_layers"):
        signal = theme.SIGNALS[look.signal]
        if not traces:
            _title("Layer × token", f"{signal.label.lower()} belongs to the whole model, not to a layer")
            return
        _title("Layer × token", f"{signal.label.lower()} {signal.symbol} · {layers.note(traces, look.signal)}")
        figure = layers.layer_map(traces, look.signal, state.palette())
        st.plotly_chart(figure, config=CHART, theme=None, key="layer_map", alt=layers.summary(traces, look.signal))
        _table("layer_map", lambda: tables.layer_map(traces, look.signal))


def one_token(shown: list[Run], look: state.Look) -> None:
    traces = [run.ds for run in shown]
    with st.container(border=True, key="panel_token"):
        if look.token is None:
            _title("One token", "")
            st.caption("Click a token in the text, or move to one with the arrow keys, to see all its signals.")
            return
        piece = str(traces[0]["piece"].values[look.token])
        cards.token_card(
            piece,
            look.token,
            traces[0].sizes["token"],
            [theme.label(run.checkpoint) for run in shown],
            [token.values(ds, look.token) for ds in traces],
        )
        moving = [ds for ds in traces if all(name in ds for name in token.MOVES)]
        if moving:
            _title("What moved the memory here", "")
            figure = token.moves(moving, look.token, state.palette(), look.layer)
            st.plotly_chart(
                figure, config=CHART, theme=None, key="moves", alt=token.summary(moving, look.token, look.layer)
            )
            st.html(token.legend(state.palette()))
            st.markdown(words("moves"))
            st.caption(words("moves_note"))


def highest(run: Run, signal: str, listed: list[passages.Passage]) -> None:
    if not listed:
        return
    with st.container(border=True, key="panel_passages"):
        facts, skip = theme.SIGNALS[signal], aggregate.settling(run.ds)
        start = f", the first {skip} left out: to an empty memory all is new" if skip else ""
        if run.ds.attrs["variant"] == "mac":
            start += "; without the first token of each segment, where attention starts afresh"
        title = "Most surprising passages" if signal == "surprise" else f"Passages of highest {facts.label.lower()}"
        _title(title, f"{theme.label(run.checkpoint)}, mean {facts.symbol} over {passages.SPAN} tokens{start}")
        cards.passage_list("passages", listed, state.pick("passages"))


def _title(title: str, note: str) -> None:
    st.markdown(f"**{title}**" + (f" :small[:gray[{state.plain(note)}]]" if note else ""))


def _table(key: str, rows: Callable[[], tuple[str, pd.DataFrame]]) -> None:
    """The numbers behind a figure, built only when opened."""
    box = st.expander("Table", key=f"table_{key}", on_change="rerun")
    if box.open:
        note, frame = rows()
        with box:
            st.caption(note)
            st.dataframe(frame, hide_index=True, height=260)


def found(run: Run, signal: str, layer: int | None) -> list[passages.Passage]:
    """The passages where the signal is highest, for what they say rather than where a segment begins."""
    mac = run.ds.attrs["variant"] == "mac"
    segment = int(json.loads(run.ds.attrs["config"])["window"]) if mac else None
    values = passages.inside_segments(runs.column(run.id, signal, layer), segment)
    spans = run.ds["start"].values, run.ds["end"].values
    return passages.passages(values, *spans, str(run.ds.attrs["text"]), skip=aggregate.settling(run.ds))
