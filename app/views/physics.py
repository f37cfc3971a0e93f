"""The sidebar of Compare: a new run of the same text in which the physics of the memory are other ones."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from app import memories, naming, runs, state, theme
from app.jobs import Job
from app.runs import Run
from app.views import controls
from titans_core.errors import ConfigError
from titans_core.interventions import intervene
from titans_core.settings import MOST_CHUNK

GATES = ("theta", "eta", "alpha")
MOST = 6  # runs side by side


@dataclass(frozen=True)
class Asked:
    """What the sidebar asks for, as people count: layers and tokens from 1; None where nothing is changed."""

    theta: float = 1.0
    eta: float = 1.0
    alpha: float = 1.0
    layer: int | None = None
    momentum_off: bool = False
    forgetting_off: bool = False
    reads_off: bool = False
    freeze: int | None = None
    wipe: int | None = None
    chunk: int | None = None

    @property
    def changes(self) -> tuple[str, ...]:
        """The same for titans_core.interventions.intervene, which counts from 0."""
        layer = "" if self.layer is None else f"[{self.layer - 1}]"
        gates = [f"{gate}{layer}*={value:g}" for gate in GATES if (value := getattr(self, gate)) != 1]
        off = {"momentum": self.momentum_off, "forgetting": self.forgetting_off, "reads": self.reads_off}
        tokens = {"freeze": self.freeze, "wipe": self.wipe}
        return (
            *gates,
            *(f"{name}=off" for name, chosen in off.items() if chosen),
            *(f"{name}={token - 1}" for name, token in tokens.items() if token is not None),
            *((f"chunk={self.chunk}",) if self.chunk is not None else ()),
        )


def problem(asked: Asked, layers: int, tokens: int) -> str:
    """Why this cannot be run, in words with what can be; "" where it can. layers, tokens: what the run has."""
    if not layers:
        return "This run has no memory whose physics could be changed."
    for gate in GATES:
        value = getattr(asked, gate)
        if not 0 <= value < float("inf"):
            return f"{theme.SIGNALS[gate].symbol} is multiplied by {value:g}; give a number of at least 0."
    counted = (
        ("There are", "layers", asked.layer, layers),
        ("Writes cannot be frozen from token {}; this text has", "tokens", asked.freeze, tokens),
        ("The memory cannot be wiped at token {}; this text has", "tokens", asked.wipe, tokens),
        ("The update chunk cannot be {} tokens; it can be", "tokens", asked.chunk, MOST_CHUNK),
    )
    for words, what, value, most in counted:
        if value is not None and not 1 <= value <= most:
            return f"{words.format(f'{value:,}')} {what} 1 to {most:,}."
    try:
        intervene(*asked.changes).check(layers, 0, tokens)
    except ConfigError as error:  # nothing that is known of, but better said than run
        return controls.sentence(error)
    return ""


def physics(shown: list[Run]) -> None:
    """Draw the controls, and start what they ask for."""
    of = {run.checkpoint: run for run in shown}
    st.caption("PHYSICS OF A NEW RUN")
    name = st.selectbox("Baseline", list(of), format_func=theme.label, key="baseline")
    base = of[name]
    cost = st.container()
    layers, tokens = base.ds.sizes.get("layer", 0), base.ds.sizes["token"]
    asked = _asked(layers)
    wrong = problem(asked, layers, tokens) or _refusal(asked, base, shown)
    request = controls.Request(base.title, str(base.ds.attrs["text"]), (name,), "cpu", wrong)
    with cost:
        controls.cost(request)
    if wrong:
        st.error(state.plain(wrong)) if asked.changes or not layers else st.caption(wrong)
    if st.button(
        f"Run against {state.plain(theme.label(name))}",
        type="primary",
        width="stretch",
        key="run_against",
        disabled=bool(wrong),
    ):
        state.add(runs.engine().submit(Job(name, request.text, base.title, changes=asked.changes)))
        st.rerun()


def _refusal(asked: Asked, base: Run, shown: list[Run]) -> str:
    """Why a possible run is not begun."""
    if not asked.changes:
        return "Nothing is changed yet."
    if base.checkpoint not in memories.names():
        return f"The checkpoint {base.checkpoint} is not offered here; start with `python -m app FOLDER` to run it."
    if len(state.run_ids()) >= MOST:
        return f"{MOST} runs are shown, which is the most; take one away first."
    same = [run for run in shown if run.checkpoint == base.checkpoint]
    if any(naming.settings_of(run.ds) == intervene(*asked.changes) for run in same):
        return "A run with these physics is shown already."
    return ""


def _asked(layers: int) -> Asked:
    columns = st.columns(3, gap="small")
    names = {"theta": "θ ×", "eta": "η ×", "alpha": "α ×"}
    helped = {"theta": "Step: how hard surprise is written", "eta": "Carry of the momentum", "alpha": "Forgetting"}
    gates = {}
    for gate, column in zip(names, columns, strict=True):
        gates[gate] = float(
            column.number_input(names[gate], value=1.0, step=0.1, format="%g", key=f"x_{gate}", help=helped[gate])
        )
    layer = st.selectbox(
        "in layer",
        [None, *range(1, layers + 1)],
        format_func=lambda k: "all layers" if k is None else f"layer {k}",
        key="x_layer",
    )
    return Asked(
        **gates,
        layer=layer,
        momentum_off=st.checkbox("Momentum off (η = 0)", key="x_momentum"),
        forgetting_off=st.checkbox("Forgetting off (α = 0)", key="x_forgetting"),
        reads_off=st.checkbox("Reads zeroed", key="x_reads"),
        freeze=_token("Freeze writes from token", "x_freeze"),
        wipe=_token("Wipe at token", "x_wipe"),
        chunk=_token("Update chunk, tokens", "x_chunk"),
    )


def _token(label: str, key: str) -> int | None:
    value: int | None = st.number_input(label, value=None, step=1, key=key, placeholder="–")
    return value
