"""The finished runs of one text: the text, the same through time, the same through layers, and the one token."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from app import runs, samples, state, theme
from app.components import cards, text_heatmap
from app.figures import layers, passages, tables, timelines, token
from app.runs import Run
from app.words import words

CHART = {"displayModeBar": False, "scrollZoom": False, "responsive": True}


def results(shown: list[Run]) -> None:
    """Everything below the progress bars. Looking around reruns only this part."""
    _head(shown)
    _body(shown)


def _head(shown: list[Run]) -> None:
    st.title(state.plain(shown[0].title or "Untitled text"), anchor=False)
    st.caption("  \n".join(state.plain(_facts(run)) for run in shown))
    st.markdown(f":small[{words('how_to_read')}]")
    sample = samples.by_title(shown[0].title)
    if sample:
        with st.expander("What to watch in this text"):
            st.markdown("\n".join(f"- {state.plain(line)}" for line in (sample.shows, *sample.watch)))
            st.caption(words("not_importance"))


def _facts(run: Run) -> str:
    at = run.ds.attrs
    known = theme.VARIANTS.get(run.checkpoint)
    return " · ".join(
        (
            theme.label(run.checkpoint) + (f", {known.meaning}" if known else ""),
            f"{theme.parameters(int(at['parameters']))} parameters, trained",
            f"{run.ds.sizes['token']:,} tokens",
            f"update chunk {at['chunk']}",
            _window(at),
            f"{theme.duration(float(at['seconds']))} on {str(at['device']).upper()}",
            f"run {run.id[:6]}…",
        )
    )


def _window(at: dict[Any, Any]) -> str:
    """How far attention reaches; a segment is also the unit in which MAC reads its memory."""
    window = json.loads(at["config"]).get("window")
    return f"{'segments' if at['variant'] == 'mac' else 'attention window'} of {window} tokens"


@st.fragment
def _body(shown: list[Run]) -> None:
    traces = [run.ds for run in shown]
    names = [name for name in theme.SIGNALS if any(name in ds.data_vars for ds in traces)]
    depth = traces[0].sizes.get("layer", 0)
    found = _found(shown[0], state.layer(depth))
    state.begin_at([run.id for run in shown], found[0].token if found else 0)
    look = state.look(names, depth, traces[0].sizes["token"])
    alone = len(shown) == 1
    if alone:
        left, right = st.columns([2.75, 1], gap="small")
        with left:
            _text(shown, look)
        with right:
            _token(shown, look)
    else:
        _text(shown, look)
    left, right = st.columns([2.75, 1] if alone else [1.9, 1], gap="small")
    with left:
        _through_time(shown, look)
        _layer_map(shown, look)
        if not alone:
            _passages(shown[0], found)
    with right:
        if alone:
            _passages(shown[0], found)
        else:
            _token(shown, look)


def _found(run: Run, layer: int | None) -> list[passages.Passage]:
    if "surprise" not in run.ds:
        return []
    values = runs.column(run.id, "surprise", layer)
    spans = run.ds["start"].values, run.ds["end"].values
    return passages.passages(values, *spans, str(run.ds.attrs["text"]), skip=_new(run))


def _new(run: Run) -> int:
    """Tokens at the start to leave out of the passages: to an empty memory everything is a surprise."""
    window = int(json.loads(run.ds.attrs["config"]).get("window", 0))
    return window if run.ds.sizes["token"] >= 4 * window else 0


def _text(shown: list[Run], look: state.Look) -> None:
    with st.container(border=True, key="panel_text"):
        text_heatmap.text_heatmap(
            [(run.id, run.ds) for run in shown],
            state.palette(),
            signal=look.signal,
            layer=look.layer,
            selected=look.token,
            nonce=look.nonce,
            on_change=state.follow,
        )
        _table("text", lambda: tables.tokens([run.ds for run in shown], look.signal, look.layer, look.token))


def _through_time(shown: list[Run], look: state.Look) -> None:
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


def _layer_map(shown: list[Run], look: state.Look) -> None:
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


def _token(shown: list[Run], look: state.Look) -> None:
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
            state.palette(),
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


def _passages(run: Run, found: list[passages.Passage]) -> None:
    if not found:
        return
    with st.container(border=True, key="panel_passages"):
        start = f", the first {_new(run)} left out" if _new(run) else ""
        note = f"{theme.label(run.checkpoint)}, mean ‖∇ℓ‖ over {passages.SPAN} tokens{start}"
        _title("Most surprising passages", note)
        cards.passage_list("passages", found, state.palette(), state.pick("passages"))


def _title(title: str, note: str) -> None:
    st.markdown(f"**{title}**" + (f" :small[:gray[{state.plain(note)}]]" if note else ""))


def _table(key: str, rows: object) -> None:
    """The numbers behind a figure, built only when opened."""
    box = st.expander("Table", key=f"table_{key}", on_change="rerun")
    if box.open and callable(rows):
        note, frame = rows()
        with box:
            st.caption(note)
            st.dataframe(frame, hide_index=True, height=260)
