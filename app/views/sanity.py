"""The sanity panel: is surprise just surprisal, rarity or position? Asked for by a button, computed by the worker."""

from __future__ import annotations

import streamlit as st

from app import runs, state, theme
from app.figures import sanity as figures
from app.figures import sanity_words
from app.jobs import Busy, Progress, SanityCheck, sanity
from app.link import Look
from app.runs import Run, costs
from app.views import parts
from app.words import words


def sanity_panel(shown: list[Run], look: Look) -> None:
    """One answer for each shown run that has one, progress of those that are going, a button for the others."""
    with st.container(border=True, key="panel_sanity"):
        _panel(shown, look.layer)


@st.fragment
def _panel(shown: list[Run], layer: int | None) -> None:
    st.markdown("**Is it just surprisal, rarity or position?**")
    refused = {run.id: sanity.refusal(run.ds) for run in shown}
    if len(reasons := set(refused.values())) == 1 and "" not in reasons:
        st.caption(state.plain(reasons.pop()))
        return
    checks = {run.id: _check(run) for run in shown if not refused[run.id]}
    where = {run: runs.progress(check.id) for run, check in checks.items()}
    answers = {run: found for run, check in checks.items() if (found := runs.engine().answer(check.id)) is not None}
    live = [checks[run] for run, at in where.items() if at is not None and at.live]
    open_ones = [run for run in shown if run.id in checks and run.id not in answers and checks[run.id] not in live]
    _answers([(run, answers[run.id]) for run in shown if run.id in answers], layer)
    for run in shown:
        _problem(run, refused[run.id], where.get(run.id), alone=len(shown) == 1)
    if live:
        _progress([check.id for check in live])
    if open_ones:
        _button(open_ones, [checks[run.id] for run in open_ones])


def _check(run: Run) -> SanityCheck:
    device = str(run.ds.attrs["device"]).partition(":")[0]
    return SanityCheck(run.id, run.checkpoint, run.title, device if device in runs.engine().devices() else "cpu")


def _button(open_ones: list[Run], checks: list[SanityCheck]) -> None:
    st.caption(words("sanity"))
    tokens = [min(run.ds.sizes["token"], sanity.LIMIT) for run in open_ones]
    seconds = sum(
        costs.cost(3 * count, (check.checkpoint,), check.device).seconds
        for count, check in zip(tokens, checks, strict=True)
    )
    st.button(f"Compare: takes {theme.about(seconds)}", key="sanity_start", on_click=_start, args=(checks,))
    if any(run.ds.sizes["token"] > sanity.LIMIT for run in open_ones):
        st.caption(f"Of {open_ones[0].ds.sizes['token']:,} tokens the first {sanity.LIMIT:,} are read.")


def _start(checks: list[SanityCheck]) -> None:
    try:
        for check in checks:
            runs.engine().submit(check, state.person())
    except Busy as error:
        parts.refused(error)


def _problem(run: Run, refused: str, at: Progress | None, *, alone: bool) -> None:
    """Why there is no answer for a run, if there is a reason to tell."""
    name = "" if alone else f"{run.name}: "
    if refused:
        st.caption(state.plain(f"{name}{refused}"))
    elif at is not None and at.failed:
        st.error(state.plain(f"{name}{at.message}"))
    elif at is not None and at.state == "cancelled":
        st.caption(state.plain(f"{name}The comparison was cancelled. Nothing of it is kept."))


@st.fragment(run_every=0.3)
def _progress(checks: list[str]) -> None:
    """Bars of the comparisons that are going, and Cancel; the page is drawn anew whenever one of them ends."""
    going = [(check, at) for check in checks if (at := runs.progress(check)) is not None and at.live]
    if len(going) != len(checks):
        st.rerun()
    for _, at in going:
        st.progress(at.done / at.total if at.total else 0.0, text=parts.progress_words(at, ", all three readings"))
    if st.button("Cancel", key="sanity_cancel"):
        for check, _ in going:
            runs.engine().cancel(check)


def _answers(found: list[tuple[Run, figures.Answer]], layer: int | None) -> None:
    """One below the other: side by side in the narrow column of the page, labels and axes are cut off."""
    for run, answer in found:
        _answer(run, answer, layer)
    if found:
        with st.expander("How to read this"):
            st.caption(words("sanity_note"))
            for run, answer in found:
                made = sanity_words.intervals(answer, figures.shown_layer(answer, layer))
                st.caption(state.plain(f"{run.name}: {made}" if len(found) > 1 else made))


def _answer(run: Run, answer: figures.Answer, chosen: int | None) -> None:
    palette = state.palette()
    colour = palette.variant(run.checkpoint)
    layer = figures.shown_layer(answer, chosen)
    st.markdown(f":small[:gray[{state.plain(run.name)}, surprise in layer {layer + 1}, by token]]")
    parts.chart(
        f"sanity_{run.id}",
        (layer,),
        lambda: (figures.figure(answer, layer, palette, colour), sanity_words.summary(answer, layer)),
    )
    st.html(figures.legend(palette, colour))
    st.markdown(sanity_words.sentence(answer, layer, layer == chosen))
    st.caption(sanity_words.read(answer))
    parts.table(f"sanity_{run.id}", lambda: sanity_words.table(answer))
