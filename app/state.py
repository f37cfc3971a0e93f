"""What a session has chosen: the only place of session state and query parameters.

The ids of the shown runs live in the address (?run=...&run=...), so that a refresh finds them again. What is looked
at lives in the session; the address follows it (app.link), and is read when a text is first shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

import streamlit as st

from app import link
from app.components import text_heatmap
from app.jobs import store
from app.link import HOW, RULES, UNITS, Look, Pair, Span
from app.person import key
from app.theme import DARK, LIGHT, SIGNALS, Palette

# What a session keeps of what is looked at; first what is of one text alone, and which runs are compared.
_OF_TEXT = ("token", "span", "range", "match")
_OF_PAIR = ("a", "b", "by", "pair of")
_OF_ALL = ("signal", "layer", "map", "unit", "rule", "underlines", "kind", "path", "find")
MOST_READ = 12  # runs of a session that are remembered


def person() -> str:
    """Who asks, for the engine to be fair (see app.person)."""
    return key()


def reported_theme() -> str | None:
    """The theme that the browser reported; Streamlit's own may be newer than what is drawn."""
    theme: str | None = st.session_state.get("theme")
    return theme


def run_ids() -> tuple[str, ...]:
    """The runs that the address names, without anything that is not an id."""
    return tuple(dict.fromkeys(run for run in st.query_params.get_all("run") if store.is_id(run)))[:8]


def query() -> dict[str, list[str]] | None:
    """The part of the address that names the runs, for links to their pages; None where there is none.

    Where the address of this page names none, it is that of the runs that were shown last.
    """
    ids = run_ids() or remembered()[0]
    return {"run": list(ids)} if ids else None


def wrong_address() -> bool:
    """Whether the address names runs, but none that could exist."""
    return "run" in st.query_params and not run_ids()


def not_runs() -> list[str]:
    """What the address names beside ids of runs."""
    return [run for run in st.query_params.get_all("run") if not store.is_id(run)]


def show(runs: list[str]) -> None:
    """Make these the shown runs. What the address says of places in a text may be of another one."""
    _address(runs, without=(*_OF_TEXT, *_OF_PAIR))
    st.session_state.pop("ended", None)


def add(run: str) -> None:
    """Show one more run of the same text; what is looked at stays."""
    keep([*run_ids(), run])


def keep(runs: list[str]) -> None:
    """Show only these of the shown runs."""
    _address(runs, without=("a", "b"))


def fall_back(runs: Sequence[str]) -> None:
    """The runs of the address came to nothing: it names these again, which the page shows, and what is looked at."""
    st.session_state["ended"] = run_ids()
    _address(runs)


def _address(runs: Sequence[str], without: Collection[str] = ()) -> None:
    """Write the address anew: at once, since each change of it is an entry in the browser's history."""
    said = {name: value for name, value in st.session_state.get("address", {}).items() if value and name not in without}
    st.session_state["addressed"] = tuple(runs)
    st.query_params.from_dict({"run": list(runs), **said})


def said(address: dict[str, str | None]) -> None:
    """This is what the browser is told to write into the address, beside the runs."""
    st.session_state["address"] = address


def ended() -> tuple[str, ...]:
    """The runs that came to nothing since the last one was begun: the page says why."""
    runs: tuple[str, ...] = st.session_state.get("ended", ())
    return runs


def remember(runs: list[str], text: str | None) -> None:
    """These finished runs, of the text of this hash, are what the page shows."""
    st.session_state["shown"] = tuple(runs), text
    st.session_state["read"] = tuple(dict.fromkeys([*runs, *was_read()]))[:MOST_READ]


def remembered() -> tuple[tuple[str, ...], str | None]:
    """What this session showed last: it stays while newer runs are going or where they ended badly."""
    shown: tuple[tuple[str, ...], str | None] = st.session_state.get("shown", ((), None))
    return shown


def was_read() -> tuple[str, ...]:
    """The finished runs that this session has shown, the latest first."""
    runs: tuple[str, ...] = st.session_state.get("read", ())
    return runs


def consists_of(*parts: str) -> None:
    """The fragments of which this page is made, by their keys."""
    st.session_state["parts"] = parts


def parts() -> tuple[str, ...]:
    made: tuple[str, ...] = st.session_state.get("parts", ())
    return made


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
    led, new = st.session_state.get("addressed") != run_ids(), st.session_state.get("drawn") != text
    st.session_state.update({"addressed": run_ids(), "drawn": text})
    if not (led or new):
        return None
    for name in (*_OF_TEXT, *_OF_PAIR, *(_OF_ALL if led else ())):
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


def first_visit() -> bool:
    """True once per session."""
    seen: bool = st.session_state.get("seen", False)
    st.session_state["seen"] = True
    return not seen


def palette() -> Palette:
    """The colours of the theme this browser shows."""
    known: Any = st.context.theme
    # The text heatmap reports a switch of theme sooner than Streamlit does.
    return DARK if st.session_state.get("theme", known.type) == "dark" else LIGHT


_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])")


def plain(text: str) -> str:
    """User text for places that read Markdown: every mark is escaped, so it shows as it was written."""
    return _MARKS.sub(r"\\\1", text)
