"""What sets runs apart: the text coloured by the difference of two, where it is largest, and how far all agree."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from app import comparisons, naming, state, theme
from app.components import cards, text_heatmap
from app.figures import aggregate
from app.link import Look, Pair
from app.runs import Run
from app.state import looking
from app.theme import signed
from app.views import memory_states, parts
from titans_core.passages import SPAN
from titans_core.probes.comparing import MIN_PLACES, TOP


def difference(shown: list[Run], look: Look) -> None:
    """The text coloured by A − B, or by log2 of A / B."""
    with st.container(border=True, key="panel_difference"):
        head = st.container()
        one, other, ratio = _choices(shown)
        known, names = theme.SIGNALS[look.signal], _names(shown)
        words = f"{names[one.id]} {'against' if ratio else '−'} {names[other.id]}"
        symbol = f"log₂ of the ratio of {known.symbol}" if ratio else f"difference of {known.symbol}"
        with head:
            parts.title(words, symbol)
        minus = text_heatmap.Minus(
            one.id, other.id, ratio, "log₂ A/B" if ratio else "A − B", words, naming.begins(one.ds, other.ds)
        )
        text_heatmap.text_heatmap(
            [(run.id, run.ds) for run in shown],
            look,
            dark=state.palette().dark,
            minus=minus,
            on_change=lambda name: parts.then_draw(
                looking.follow(text_heatmap.DIFFERENCE, name), *("side",) * (name == "token")
            ),
        )
        st.caption(_about(one, other, look, names, ratio))
        if _comparable(one, other, look):
            parts.table("difference", lambda: _table(one, other, look, ratio, names))


def _choices(shown: list[Run]) -> tuple[Run, Run, bool]:
    """A, B, and whether their ratio is shown. The address says which, and follows; other runs begin anew."""
    listed, names = list(range(len(shown))), list(_names(shown).values())
    ids = [run.id for run in shown]
    told, together = looking.pair(ids), " ".join(ids)
    a, b, how = st.columns([1, 1, 1], gap="small", vertical_alignment="bottom")
    called = names.__getitem__
    one = a.selectbox("A", listed, index=told.a, format_func=called, key=f"a of {together}", on_change=_again)
    other = b.selectbox("B", listed, index=told.b, format_func=called, key=f"b of {together}", on_change=_again)
    by = how.segmented_control(
        "Show",
        ["difference", "ratio"],
        default="ratio" if told.ratio else "difference",
        required=True,
        key=f"how of {together}",
        on_change=_again,
    )
    looking.compare(ids, Pair(one, other, by == "ratio"))
    return shown[one], shown[other], by == "ratio"


def _names(shown: list[Run]) -> dict[str, str]:
    return {run.id: name.label for run, name in zip(shown, naming.names([run.ds for run in shown]), strict=True)}


def _chosen(shown: list[Run]) -> tuple[Run, Run, bool]:
    """What `_choices` was last told, for the other panels."""
    told = looking.pair([run.id for run in shown])
    return shown[told.a], shown[told.b], told.ratio


def _again() -> None:
    """Another choice is of the text, of the lists beside the figures, and of the address, which those write."""
    st.rerun(["difference", "side", "figures", "states"])


def _comparable(one: Run, other: Run, look: Look) -> bool:
    layers = [run.ds.sizes.get("layer", 0) for run in (one, other)]
    return comparisons.both_have(one.id, other.id, look.signal) and (look.layer is None or look.layer < min(layers))


def _about(one: Run, other: Run, look: Look, names: dict[str, str], ratio: bool) -> str:
    known = theme.SIGNALS[look.signal]
    if not _comparable(one, other, look):
        return f"Only one of the two has {known.label.lower()} there, so there is nothing to subtract."
    high, low = state.plain(names[one.id]), state.plain(names[other.id])
    words = f"Orange: more in {high}. Blue: more in {low}. Uncoloured: not defined in both"
    words += ", or not above zero in both. One step is a factor of two." if ratio else "."
    layer = naming.lowest(one.ds, other.ds)
    if layer:
        below = "Layer 1" if layer == 1 else f"Layers 1 to {layer}"
        words += f" The intervention begins in layer {layer + 1}: {below} cannot differ."
    return words


def _table(one: Run, other: Run, look: Look, ratio: bool, names: dict[str, str]) -> tuple[str, pd.DataFrame]:
    values = comparisons.difference(one.id, other.id, look.signal, look.layer, ratio)
    frame = pd.DataFrame(
        {
            "token": range(1, len(values) + 1),
            "piece": one.ds["piece"].values.astype(str),
            f"A: {names[one.id]}": aggregate.column(one.ds, look.signal, look.layer),
            f"B: {names[other.id]}": aggregate.column(other.ds, look.signal, look.layer),
            "log₂ A/B" if ratio else "A − B": values,
        }
    )
    return f"{theme.SIGNALS[look.signal].label}, {aggregate.layer_words(one.ds, look.signal, look.layer)}", frame


def apart(shown: list[Run], look: Look) -> None:
    """Where A and B differ most, and how far every run agrees with B and predicts better than it."""
    one, other, ratio = _chosen(shown)
    names = _names(shown)
    with st.container(border=True, key="panel_most"):
        _most(one, other, look, ratio, names)
    others = [run for run in shown if run.id != other.id]
    with st.container(border=True, key="panel_agreement"):
        _agreement(others, other, look, names)
    with st.container(border=True, key="panel_prediction"):
        _prediction(others, other, names)


def states(shown: list[Run]) -> None:
    """How alike the memories of A and B are at the end of the text."""
    one, other, _ = _chosen(shown)
    memory_states.two(one, other, _names(shown))


def _most(one: Run, other: Run, look: Look, ratio: bool, names: dict[str, str]) -> None:
    skip = aggregate.settling(one.ds)
    start = f", the first {skip} left out" if skip else ""
    parts.title("Where they differ most", f"{names[one.id]} − {names[other.id]}, mean over {SPAN} tokens{start}")
    if not _comparable(one, other, look):
        st.caption("Only one of the two has this signal.")
        return
    if parts.no_passage(one.ds.sizes["token"]):
        return
    listed = comparisons.most(one.id, other.id, look.signal, look.layer, ratio)
    if not listed:
        values = comparisons.difference(one.id, other.id, look.signal, look.layer, ratio)[skip:]
        none = "there is no difference" if np.isfinite(values).any() else "nothing is defined in both"
        st.caption(f"Nowhere: {none}" + (f" after token {skip}." if skip else "."))
    picked = parts.then_draw(looking.follow("differ_most", "token"), "text", "difference")
    cards.passage_list("differ_most", listed, one.stood, picked, signed=True)


def _agreement(others: list[Run], base: Run, look: Look, names: dict[str, str]) -> None:
    label = theme.SIGNALS[look.signal].label.lower()
    parts.title("Agreement", f"where {label} is high, with {names[base.id]}")
    rows = []
    for run in others:
        if not _comparable(run, base, look):
            st.caption(f"{state.plain(names[run.id])}: has no {label} to compare.")
            continue
        found = comparisons.agreement(run.id, base.id, look.signal, look.layer)
        if found.places < MIN_PLACES:
            st.caption(f"{state.plain(names[run.id])}: too few tokens, {found.places} of at least {MIN_PLACES}.")
            continue
        (rho, low, high), top = found.correlation, found.top
        ranked = f"ρ **{signed(rho)}**, {signed(low)} to {signed(high)}" if np.isfinite(rho) else "ρ –"
        both = f"{round(found.overlap * top)} of the {top} highest in both ({found.chance * top:.1f} by chance)"
        st.markdown(f"{state.plain(names[run.id])}  \n:small[{ranked} · {both}]")
        rows.append(
            {
                "run": names[run.id],
                "rank correlation": rho,
                "low": low,
                "high": high,
                f"top {TOP:.0%} in both": found.overlap,
                "by chance": found.chance,
                "tokens": found.places,
            }
        )
    if rows:
        note = f"Spearman's ρ with a 95 % interval, each with {names[base.id]}"
        parts.table("agreement", lambda: (note, pd.DataFrame(rows)))


def _prediction(others: list[Run], base: Run, names: dict[str, str]) -> None:
    parts.title("Prediction", f"bits saved over {names[base.id]}")
    rows = []
    for run in others:
        if not comparisons.both_have(run.id, base.id, "nll"):
            st.caption(f"{state.plain(names[run.id])}: not both predict tokens.")
            continue
        saved, won, lost, count = comparisons.won(run.id, base.id)
        if not count:
            st.caption(f"{state.plain(names[run.id])}: no token is predicted by both.")
            continue
        each = saved / count
        line = (
            f"**{signed(saved, '+,.1f')}** in all ({won:,.1f} won, {lost:,.1f} lost) · {signed(each, '+.3f')} a token"
        )
        if count < base.ds.sizes["token"] - 1:  # the first is predicted by none
            line += f", over the {count:,} that both predict"
        st.markdown(f"{state.plain(names[run.id])}  \n:small[{line}]")
        rows.append({"run": names[run.id], "saved": saved, "won": won, "lost": lost, "a token": each, "tokens": count})
    if rows:
        parts.table("prediction", lambda: (f"Bits, each against {names[base.id]}", pd.DataFrame(rows)))
