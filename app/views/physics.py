"""The sidebar of Compare: a new run of the same text in which the physics of the memory are other ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import foreign, held, library, memories, naming, runs, state, theme
from app.bare import sentence
from app.components.typing import typing
from app.jobs import Busy, Job
from app.runs import Run
from app.state import address
from app.views import controls
from titans_core.errors import ConfigError
from titans_core.interventions import intervene
from titans_core.settings import MOST_CHUNK

GATES = ("theta", "eta", "alpha")
COUNTS = {"freeze": "Freeze writes from token", "wipe": "Wipe at token", "chunk": "Update chunk, tokens"}
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
    freeze: int | float | None = None
    wipe: int | float | None = None
    chunk: int | float | None = None

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


def problems(asked: Asked, layers: int, tokens: int) -> dict[str, str]:
    """Which fields of Asked cannot be run, each with what can be; "" for all of them together.

    layers, tokens: what the run has.
    """
    if not layers:
        return {"": "This run has no memory whose physics could be changed."}
    wrong = {
        gate: f"{theme.SIGNALS[gate].symbol} is multiplied by {theme.signed(value, 'g')}; give a number of at least 0."
        for gate in GATES
        if not 0 <= (value := getattr(asked, gate)) < float("inf")
    }
    counted = (
        ("layer", "There are layers", layers),
        ("freeze", "Writes cannot be frozen from token {}; this text has tokens", tokens),
        ("wipe", "The memory cannot be wiped at token {}; this text has tokens", tokens),
        ("chunk", "The update chunk cannot be {} tokens; it can be", MOST_CHUNK),
    )
    for field, words, most in counted:
        value = getattr(asked, field)
        if value is not None and not (1 <= value <= most and value == int(value)):
            wrong[field] = f"{words.format(f'{value:,g}' if value < 1e6 else f'{value:,.0f}')} 1 to {most:,}."
    if not wrong:
        try:
            intervene(*asked.changes).check(layers, 0, tokens)
        except ConfigError as error:  # nothing that is known of, but better said than run
            wrong[""] = sentence(error)
    return wrong


def physics(shown: list[Run]) -> None:
    """Draw the controls, and start what they ask for. The button stands above the settings, where it is seen."""
    of = {" · ".join([run.checkpoint, *naming.after(naming.began(run.ds))]): run for run in shown}
    called = {key: naming.asked(run.checkpoint, (), naming.began(run.ds)) for key, run in of.items()}
    st.caption("PHYSICS OF A NEW RUN")
    chosen = st.selectbox("Baseline", list(of), format_func=called.__getitem__, key="baseline")
    base = of[chosen]
    name, begin = base.checkpoint, held.at_start(base)
    top = st.container()
    layers, tokens = base.ds.sizes.get("layer", 0), base.ds.sizes["token"]
    asked, wrong = _asked(layers, tokens)
    refused = _in_all(wrong) or _refusal(asked, base, shown)
    device = str(base.ds.attrs["device"]).partition(":")[0]
    device = device if device in runs.engine().devices() else "cpu"
    request = controls.Request(base.title, str(base.ds.attrs["text"]), (name,), device, refused, tokens=tokens)
    with top:
        pressed = st.button(
            f"Run against {state.plain(called[chosen])}",
            type="primary",
            width="stretch",
            key="run_against",
            disabled=bool(refused),
        )
        controls.cost(request)
    if pressed:
        job = Job(name, request.text, base.title, device, asked.changes, begin or "", base.places)
        try:
            address.add(*library.begin([job]))
        except Busy as error:
            top.error(state.plain(str(error)))
        else:
            st.rerun()


def _in_all(wrong: dict[str, str]) -> str:
    """For beside the button: why nothing can be run; the fields say it for themselves."""
    if not wrong or "" in wrong:
        return wrong.get("", "")
    return "A setting below cannot be run." if len(wrong) == 1 else f"{len(wrong)} settings below cannot be run."


def _refusal(asked: Asked, base: Run, shown: list[Run]) -> str:
    """Why a possible run is not begun."""
    if not asked.changes:
        return "Nothing is changed yet."
    if base.checkpoint not in memories.names():
        ours = f"The checkpoint {base.checkpoint} is not offered here; start with `python -m app FOLDER` to run it."
        return foreign.refusal(base.ds) or ours
    if held.at_start(base) is None:
        return "This run began with a memory that is not kept here, so it cannot be run again."
    if len(address.run_ids()) >= MOST:
        return f"{MOST} runs are shown, which is the most; take one away first."
    alike = ("checkpoint", "memory_from")
    same = [run for run in shown if all(run.ds.attrs.get(name) == base.ds.attrs.get(name) for name in alike)]
    if any(naming.settings_of(run.ds) == intervene(*asked.changes) for run in same):
        return "A run with these physics is shown already."
    return ""


def _asked(layers: int, tokens: int) -> tuple[Asked, dict[str, str]]:
    """What the fields ask for and what is wrong with it, which is said below each of them."""
    beside: dict[str, DeltaGenerator] = {}
    gates: dict[str, Any] = {}
    for gate, column in zip(GATES, st.columns(3, gap="small"), strict=True):
        help, label = theme.SIGNALS[gate].words, f"{theme.SIGNALS[gate].symbol} ×"
        gates[gate] = float(
            column.number_input(label, value=1.0, step=0.1, format="%g", key=f"x_{gate}", help=help.capitalize())
        )
    beside |= {gate: st.container() for gate in GATES}
    layer = st.selectbox(
        "in layer",
        [None, *range(1, layers + 1)],
        format_func=lambda k: "all layers" if k is None else f"layer {k}",
        key="x_layer",
    )
    beside["layer"] = st.container()
    off = {
        "momentum_off": st.checkbox("Momentum off (η = 0)", key="x_momentum"),
        "forgetting_off": st.checkbox("Forgetting off (α = 0)", key="x_forgetting"),
        "reads_off": st.checkbox("Reads zeroed", key="x_reads"),
    }
    counts: dict[str, Any] = {}
    for field, label in COUNTS.items():
        # A field of whole numbers would take 1e9 for 1 and 0.5 for 0 without a word.
        given = st.number_input(label, value=None, step=1.0, format="%.10g", key=f"x_{field}", placeholder="–")
        counts[field] = int(given) if given is not None and given == int(given) else given
        beside[field] = st.container()
    typing("x_")
    asked = Asked(**gates, layer=layer, **off, **counts)
    wrong = problems(asked, layers, tokens)
    for field, words in wrong.items():
        if field:
            beside[field].markdown(f":small[:red[{state.plain(words)}]]")
    return asked, wrong
