"""Take it away: files of the shown runs, images of the figures, and the code that makes both again."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

from app import held, state, theme
from app.components.download import Row, download
from app.exports import names, recipe
from app.link import Look
from app.runs import Run

FIGURES = {
    "timelines": "Through time",
    "layer_map": "Layer × token",
    "memory_time": "Memory over time",
    "memory_path": "Its way and singular values",
    "moves": "What moved the memory",
    "lineage": "Lineage",
    "fate": "Fate",
}


def take_away(shown: list[Run], look: Look) -> None:
    """A button that opens what can be saved of these runs. Draw it where `look` is followed."""
    view = names.View(look.signal, look.layer, look.token, look.range)
    with st.popover("Export", icon=":material/download:", key="export"):
        files, code = st.columns(2, gap="medium")  # beside each other, so that all of it is seen at once
        with files:
            download(
                _rows(shown, view),
                figures=_figures(shown),
                file=names.stem(shown),
                ground=state.palette().panel,
            )
        with code:
            st.caption("The shown runs and values again, in Python:")
            st.code(recipe.python(shown, view), language="python", height=150)
            st.caption("The shown runs again, on the command line, and opened in this page:")
            st.code(recipe.command(shown), language="bash")


def _figures(shown: list[Run]) -> dict[str, str]:
    """What the figures are called, by their keys."""
    compared = {f"sanity_{run.id}": f"Is it just surprisal ({run.name})" for run in shown}
    return FIGURES | compared


def _rows(shown: list[Run], view: names.View) -> list[Row]:
    rows = [_signals(run, len(shown) > 1) for run in shown]
    picks = [("signal", view.signal), ("layer", view.layer), ("token", view.token)]
    query = [*(("run", run.id) for run in shown), *((name, value) for name, value in picks if value is not None)]
    report: Row = {
        "label": "Report",
        "note": "one page to read without a server",
        "files": {"HTML": f"titanscope/export/report?{urlencode(query)}"},
    }
    memories = [row for run in shown for row in _memories(run, len(shown) > 1)]
    return [*rows, *memories, report, {"label": "Text", "note": "", "files": {"TXT": _address("text", shown[0])}}]


def _signals(run: Run, several: bool) -> Row:
    size = theme.count(run.ds.sizes["token"])
    return {
        "label": f"{run.name} signals" if several else "Signals",
        "note": f"{size}, every layer",
        "files": {name: _address(name.lower(), run) for name in ("CSV", "Parquet", "Zarr")},
    }


def _memories(run: Run, several: bool) -> list[Row]:
    """The memory at the end of a run, and the one that it began with, where they are kept."""
    whose = f"{run.name} memory" if several else "Memory"
    kept: list[tuple[str, str | None, str, str]] = [("memory", held.at_end(run.id), whose, "after the last token")]
    kept.append(("began", held.at_start(run), f"{whose}, before", "that the run began with"))
    return [
        {"label": label, "note": note, "files": {"safetensors": _address(kind, run)}}
        for kind, name, label, note in kept
        if name
    ]


def _address(kind: str, run: Run) -> str:
    return f"titanscope/export/{kind}?{urlencode({'run': run.id})}"
