"""What a session looks at in the shown runs.

It lives in the session; the address follows it (app.link), and is read when a text is first shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from app import link
from app.components import text_heatmap
from app.link import HOW, RULES, UNITS, Look, Pair, Span
from app.state import address
from app.theme import SIGNALS

_OF_ALL = ("signal", "layer", "map", "unit", "rule", "underlines", "kind", "path", "find")


def pair(runs: Sequence[str]) -> Pair:
    """Which two of the shown runs are compared: as the address says, else the last against the first."""
    a, b = st.session_state.get("a", len(runs) - 1), st.session_state.get("b", 0)
    of = st.session_state.get("pair of", tuple(runs))
    if of != tuple(runs) or max(a, b) >= len(runs):
        a, b = len(runs) - 1, 0
    return Pair(a, b, st.session_state.get("by") == "ratio")


def compare(runs: Sequence[str], pair: Pair) -> None:
    """Compare these two of the shown runs, until others are shown."""
    by = "ratio" if pair.ratio else "difference"
    st.session_state.update({"pair of": tuple(runs), "a": pair.a, "b": pair.b, "by": by})


def look(available: list[str], layers: int, tokens: int) -> Look:
    """What is looked at, held to what the shown runs have."""
    signal = st.session_state.get("signal", "surprise")
    token = st.session_state.get("token")
    return Look(
        signal if signal in available else (available[0] if available else "surprise"),
        layer(layers),
        token if token is not None and token < tokens else None,
        st.session_state.get("nonce", 0),
        _within("span", tokens),
        _within("range", tokens),
        st.session_state.get("map") or HOW[0],
        st.session_state.get("at", 0),
        st.session_state.get("unit", UNITS[0]),
        st.session_state.get("rule", RULES[0]),
        tuple(name for name in st.session_state.get("underlines", ()) if name in available),
        st.session_state.get("kind"),
        path(layers),
        st.session_state.get("find", ""),
        st.session_state.get("match"),
    )


def _within(name: str, tokens: int) -> Span | None:
    """The chosen tokens from..to; None for none, for such as the text lacks, and for a span of all."""
    chosen: Span | None = st.session_state.get(name)
    if chosen is None or not 0 <= chosen[0] < chosen[1] <= tokens or (name == "span" and chosen == (0, tokens)):
        return None
    return chosen


def layer(layers: int) -> int | None:
    """The chosen layer, held to how many the shown runs have; None for all."""
    chosen: int | None = st.session_state.get("layer")
    return chosen if chosen is not None and chosen < layers else None


def path(layers: int) -> int | None:
    """The layer whose path is drawn where that was chosen, held to how many there are; None for that of `layer`."""
    chosen: int | None = st.session_state.get("path")
    return chosen if chosen is not None and chosen < layers else None


def arrive(text: str) -> dict[str, str] | None:
    """What the address asks to look at where a link or the browser's history led here, {} where another text is shown.

    text: the hash of the text that is drawn; None where nothing is new. All that is looked at is taken from a link.
    """
    led, new = st.session_state.get("addressed") != address.run_ids(), st.session_state.get("drawn") != text
    st.session_state.update({"addressed": address.run_ids(), "drawn": text})
    if not (led or new):
        return None
    for name in (*address.OF_TEXT, *address.OF_PAIR, *(_OF_ALL if led else ())):
        st.session_state.pop(name, None)
    asked = st.query_params.to_dict() if led else {}
    st.session_state.update(link.read(asked, SIGNALS))
    st.session_state["arrivals"] = arrivals() + led
    follow_text()
    return asked


def arrivals() -> int:
    """How often a link or the browser's history led to what is shown."""
    count: int = st.session_state.get("arrivals", 0)
    return count


def follow(key: str, name: str) -> Callable[[], None]:
    """A callback that takes over what the browser chose in the component `key`.

    name: "signal", "layer", "token", "range", "theme", "span", "map", "unit", "rule", "underlines" or "find". The
    report is [what, time], [from, to, time] of tokens, or [words, match, time]: with the time, the same choice again is
    news.
    """

    def take() -> None:
        report = st.session_state[key][name]
        if not isinstance(report, list) or len(report) < 2 or type(report[-1]) is not int:
            return
        st.session_state["at"] = max(st.session_state.get("at", 0), report[-1])
        st.session_state.update(link.told(name, report, SIGNALS))
        if name == "layer":
            st.session_state["path"] = None  # it goes to that layer, too
        if name == "token" and key != text_heatmap.KEY:
            follow_text()

    return take


def pick_bar(key: str) -> Callable[[], None]:
    """A callback that selects the token of the bar that was clicked in the figure `key`: customdata begins with it."""

    def take() -> None:
        points = st.session_state[key]["selection"]["points"]
        if points:
            select(int(points[0]["customdata"][0]))

    return take


def choose(name: str, value: object) -> None:
    """Look at this "kind" of passages, or at the "path" of this layer."""
    st.session_state[name] = value


def select(token: int | None) -> None:
    st.session_state["token"] = token
    follow_text()


def follow_text() -> None:
    """Let the text take the selected token from the session."""
    st.session_state["nonce"] = st.session_state.get("nonce", 0) + 1
