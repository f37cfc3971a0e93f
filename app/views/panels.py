"""The panels of a result: each draws one figure with its title, its note and the table behind it."""

from __future__ import annotations

import copy

import streamlit as st

from app import opening, runs, state, theme
from app.components import cards, text_heatmap, zoom
from app.figures import fate, frame, layers, lineage, marks, tables, token
from app.link import HOW
from app.runs import Run
from app.views import parts
from app.words import words
from titans_core.errors import ConfigError
from titans_core.lineage import recorded

ZOOMED = frame.CHART | {"doubleClick": False, "showTips": False}  # the bridge answers it: back to the whole text


def text(shown: list[Run], look: state.Look) -> None:
    with st.container(border=True, key="panel_text"):
        text_heatmap.text_heatmap(
            [(run.id, run.ds) for run in shown],
            dark=state.palette().dark,
            signal=look.signal,
            layer=look.layer,
            selected=look.token,
            nonce=look.nonce,
            range_=look.range,
            zoom=look.span,
            on_change=lambda name: parts.then_draw(state.follow(name), *("side",) * (name == "token")),
        )
        parts.table("text", lambda: tables.tokens([run.ds for run in shown], look.signal, look.layer, look.token))


def through_time(shown: list[Run], look: state.Look) -> None:
    palette = state.palette()
    with st.container(border=True, key="panel_time"):
        drawn = runs.through_time(tuple(run.id for run in shown), look.layer, look.span, palette.dark)
        opening.after("text", shown[0].id)
        parts.title("Through time", drawn.note)
        _zoom_buttons(look)
        figure = marks.mark(copy.deepcopy(drawn.figure), palette, look.token, look.range)
        st.plotly_chart(figure, config=ZOOMED, theme=None, key="timelines", alt=drawn.summary)
        parts.table("timelines", lambda: tables.timelines([run.ds for run in shown], look.layer, look.span))


def _zoom_buttons(look: state.Look) -> None:
    """What else the figures could show. Their row is always there, so that the figures below keep their place."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="zoom_row"):
        st.caption("Drag across a figure to zoom in, click to select a token.")
        if look.range is not None and look.range != look.span:
            _zoom_button("Zoom to the range", look.range, "Show only the tokens selected in the text")
        if look.span is not None:
            _zoom_button("Whole text", None, "Show all tokens again; a double click in a figure does the same")


def _zoom_button(name: str, span: tuple[int, int] | None, words: str) -> None:
    act = parts.then_draw(lambda: state.show_span(span))
    st.button(name, key=f"zoom_{name}", type="tertiary", help=words, on_click=act)


def layer_map(shown: list[Run], look: state.Look) -> None:
    having = [run for run in shown if layers.layered([run.ds], look.signal)]
    palette = state.palette()
    with st.container(border=True, key="panel_layers"):
        signal = theme.SIGNALS[look.signal]
        if not having:
            parts.title("Layer × token", f"{signal.label.lower()} belongs to the whole model, not to a layer")
            return
        traces = [run.ds for run in having]
        drawn = runs.layer_map(tuple(run.id for run in having), look.signal, look.span, look.how, palette.dark)
        parts.title("Layer × token", f"{signal.label.lower()} {signal.symbol} · {drawn.note}")
        with st.container(key="map_row"):
            if layers.bin_size(traces, look.span) > 1:
                _max_or_mean(look)
        figure = marks.mark(copy.deepcopy(drawn.figure), palette, look.token, look.range, halo=True)
        st.plotly_chart(figure, config=ZOOMED, theme=None, key="layer_map", alt=drawn.summary)
        parts.table("layer_map", lambda: tables.layer_map(traces, look.signal, look.span, look.how))


def _max_or_mean(look: state.Look) -> None:
    st.segmented_control(
        "What a cell shows of its tokens",
        HOW,
        default=look.how,
        required=True,
        key=state.MAP_CONTROL,
        on_change=state.took_how,
        label_visibility="collapsed",
    )


def linked(shown: list[Run], look: state.Look) -> None:
    """Zooms and clicks in both figures come back, and the address follows what is looked at."""
    zoom.zoom(
        ("timelines", "layer_map"),
        run=shown[0].id,
        total=shown[0].ds.sizes["token"],
        zoomed=look.span is not None,
        link=look.address,
        on_zoom=parts.then_draw(state.zoomed),
        on_token=parts.then_draw(state.pick(zoom.KEY)),
    )


def one_token(shown: list[Run], look: state.Look) -> None:
    traces = [run.ds for run in shown]
    with st.container(border=True, key="panel_token"):
        if look.token is None:
            parts.title("One token", "")
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
            parts.title("What moved the memory here", "")
            figure = token.moves(moving, look.token, state.palette(), look.layer)
            st.plotly_chart(
                figure, config=frame.CHART, theme=None, key="moves", alt=token.summary(moving, look.token, look.layer)
            )
            st.html(token.legend(state.palette()))
            st.markdown(words("moves"))
            st.caption(words("moves_note"))
            _lineage_and_fate([run for run in shown if recorded(run.ds)], look)


def _lineage_and_fate(shown: list[Run], look: state.Look) -> None:
    """Where the momentum at the token comes from, and what becomes of the token's write."""
    if not shown or look.token is None:
        st.caption(
            "Lineage and fate need the gates of each head, which this run was stored without: run the text again."
        )
        return
    traces, several = [run.ds for run in shown], len(shown) > 1
    try:
        found = [runs.lineage_of(run.id, look.token, look.layer, 4 if several else 8) for run in shown]
        fates = [runs.fate_of(run.id, look.token, look.layer) for run in shown]
    except ConfigError as error:  # the run diverged
        st.caption(state.plain(str(error)))
        return
    names = [f"{theme.label(run.checkpoint)}: " if several else "" for run in shown]
    parts.title("Lineage: still pushing here", "")
    if any(map(lineage.shown, found)):
        figure = lineage.lineage(traces, found, state.palette())
        picked = parts.then_draw(state.pick_bar("lineage"), "text", "side")
        alt = lineage.summary(traces, found)
        st.plotly_chart(figure, config=frame.CHART, theme=None, key="lineage", alt=alt, on_select=picked)
    st.caption("  \n".join(state.plain(name + lineage.words(one)) for name, one in zip(names, found, strict=True)))
    parts.table("lineage", lambda: lineage.table(traces, found))
    parts.title("Fate: how much of this write is left", "")
    if any(one.size for one in fates):
        figure = fate.fate(traces, fates, state.palette())
        st.plotly_chart(figure, config=frame.CHART, theme=None, key="fate", alt=fate.summary(traces, fates))
    st.caption("  \n".join(state.plain(name + fate.half_life(one)) for name, one in zip(names, fates, strict=True)))
    parts.table("fate", lambda: fate.table(traces, fates))
