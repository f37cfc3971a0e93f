"""Answers: questions that people ask of such memories, with what was measured and the command that repeats it."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import measured, state
from app.figures import answers, frame
from app.views import parts
from app.words import words

NO_FILE = "Not measured in this version."


def page() -> None:
    """Four questions; nothing is run for them."""
    st.title("Answers", anchor=False)
    st.markdown(f":small[{words('answers')}]")
    everyone = [*measured.recall("live"), *measured.grown()]
    st.html(answers.legend(everyone, state.palette()))
    _recalls()
    _invents()
    _grows()
    _keeps()


def _question(key: str, title: str, note: str, said: str, command: str, drawn: Callable[[], go.Figure]) -> None:
    with st.container(border=True, key=f"panel_{key}"):
        parts.title(title, note)
        st.markdown(said)
        st.plotly_chart(drawn(), config=frame.CHART, theme=None, key=f"answer_{key}", alt=said)
        st.code(command, language=None, wrap_lines=True)


def _recalls() -> None:
    rows = measured.recall("live")
    best = _at(rows, 16_384)
    said = (
        "Of 200 texts of 16,384 tokens, so many were answered with the whole fact: "
        + "; ".join(
            f"{label} " + ", ".join(f"{memory} {row['rate']:.1%}" for memory, row in best[task].items())
            for task, label in measured.NEEDLES.items()
        )
        + ". Bars are 95 % Wilson intervals."
    )
    _question(
        "recalls",
        "Which recalls best?",
        "share of needles recalled whole, by tokens of text",
        said,
        "titans eval mac --data CORPUS --eval-data EVAL --out mac.json",
        lambda: answers.by_length(rows, measured.NEEDLES, state.palette(), lambda row: row["rate"], band=True),
    )
    parts.table("recalls", lambda: ("A needle is one sentence in prose.", _frame(rows)))


def _invents() -> None:
    rows = measured.recall("absent")
    at = _at(rows, 2048)
    said = (
        "The same question where the fact is not in the text; counted is an answer of the right form that the model "
        "gave with confidence. At 2,048 tokens: "
        + "; ".join(
            f"{label} " + ", ".join(f"{memory} {row['invented']} of {row['n']}" for memory, row in at[task].items())
            for task, label in measured.NEEDLES.items()
        )
        + "."
    )
    _question(
        "invents",
        "Which invents least when the fact is absent?",
        "share of texts with a confidently invented answer, by tokens of text",
        said,
        "titans eval mac --controls absent --data CORPUS --eval-data EVAL --out mac.json",
        lambda: answers.by_length(rows, measured.NEEDLES, state.palette(), lambda row: row["invented"] / row["n"]),
    )
    parts.table("invents", lambda: ("Wilson intervals of the table are of right answers.", _frame(rows)))


def _grows() -> None:
    rows = measured.grown()
    title, note = "How do cost and memory grow with length?", "one text at a time"
    if not rows:
        _missing("grows", title, "titans bench --out growth.json")
        return
    record = measured.measured("growth") or {}
    said = (
        f"Measured on {record['device']}, torch {record['torch']}, {record['threads']} threads. All but full attention "
        "carry the same number of bytes however long the text; a line that ends early reached the limit of "
        f"{record['limit_seconds']:.0f} s. Full attention has the transformer's weights and was not trained so: "
        "only its cost means something."
    )
    _question(
        "grows",
        title,
        note,
        said,
        str(record["command"]),
        lambda: answers.growth(rows, state.palette()),
    )
    parts.table("grows", lambda: ("seconds: since the first token.", pd.DataFrame(rows).drop(columns="checkpoint")))


def _keeps() -> None:
    rows = measured.kept()
    title = "Does surprise drive what is kept?"
    if not rows:
        _missing("keeps", title, "python benchmarks/what_is_kept.py")
        return
    frame_ = pd.DataFrame([{"memory": r["memory"], "rho": r["surprise"]["value"], "tenth": r["tenth"]} for r in rows])
    middle = frame_.groupby("memory", sort=False).median()
    each = "; ".join(
        f"{memory} {f'{row.rho:+.2f}'.replace('-', '−')}, {row.tenth:.0%}" for memory, row in middle.iterrows()
    )
    said = (
        "Rank correlation of a token's surprise with what the memory still holds of its write at the end of a sample, "
        "and the share of all that is held that stems from the most surprising tenth; medians of "
        f"{frame_.groupby('memory').size().min()} samples: {each}. {words('answers_kept')}"
    )
    _question(
        "keeps",
        title,
        "a point a sample, 95 % intervals",
        said,
        "python benchmarks/what_is_kept.py",
        lambda: answers.kept(rows, state.palette()),
    )
    flat = pd.json_normalize(rows).drop(columns="checkpoint")
    parts.table("keeps", lambda: ("momentary: the push θ‖∇ℓ‖. nll: surprisal.", flat))


def _missing(key: str, title: str, command: str) -> None:
    with st.container(border=True, key=f"panel_{key}"):
        parts.title(title, "")
        st.caption(NO_FILE)
        st.code(command, language=None)


def _at(rows: list[measured.Row], length: int) -> dict[str, dict[str, measured.Row]]:
    """task -> memory -> its row at this length."""
    return {
        task: {row["memory"]: row for row in rows if row["task"] == task and row["length"] == length}
        for task in measured.NEEDLES
    }


def _frame(rows: list[measured.Row]) -> pd.DataFrame:
    return pd.DataFrame(rows).drop(columns="checkpoint")
