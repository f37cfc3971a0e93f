"""Answers: questions that people ask of such memories, with what was measured and the command that repeats it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from app import measured, state
from app.figures import answers
from app.figures.plot import Plot
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


@dataclass(frozen=True)
class Question:
    """said: the answer, in Markdown. rows: the numbers behind the figure, with a note of what they are."""

    key: str
    title: str
    note: str
    said: str
    command: str
    drawn: Callable[[], Plot]
    rows: Callable[[], tuple[str, pd.DataFrame]]


def _ask(question: Question) -> None:
    with st.container(border=True, key=f"panel_{question.key}"):
        parts.title(question.title, question.note)
        st.markdown(question.said)
        key, alt = f"answer_{question.key}", question.said
        parts.plot(key, question.drawn(), alt)
        st.code(question.command, language=None, wrap_lines=True)
        parts.table(question.key, question.rows)


def _recalls() -> None:
    rows = measured.recall("live")
    shares = _grid(rows, 16_384, lambda row: f"{row['rate']:.1%}")
    _ask(
        Question(
            "recalls",
            "Which recalls best?",
            "share of needles recalled whole, by tokens of text",
            f"Of {_texts(rows, 16_384)} texts of 16,384 tokens, each with one such fact in prose:\n\n{shares}",
            "titans eval NAME --data CORPUS --eval-data EVAL --out NAME.json",
            lambda: answers.by_length(rows, measured.NEEDLES, state.palette(), lambda row: row["rate"], band=True),
            lambda: ("low, high: the 95 % Wilson interval, as drawn.", _frame(rows)),
        )
    )


def _invents() -> None:
    rows = measured.recall("absent")
    counts = _grid(rows, 2048, lambda row: str(row["invented"]))
    _ask(
        Question(
            "invents",
            "Which invents least when the fact is absent?",
            "share of texts with an invented answer, by tokens of text",
            f"Of {_texts(rows, 2048)} texts of 2,048 tokens, asked for what they do not say, so many were answered in "
            "the right form and "
            f"with confidence:\n\n{counts}",
            "titans eval NAME --controls absent --data CORPUS --eval-data EVAL --out NAME.json",
            lambda: answers.by_length(rows, measured.NEEDLES, state.palette(), lambda row: row["invented"] / row["n"]),
            lambda: ("low, high: the 95 % Wilson interval of right answers, not of invented ones.", _frame(rows)),
        )
    )


def _grows() -> None:
    rows = measured.grown()
    title, note = "How do cost and memory grow with length?", "one text at a time"
    if not rows:
        _missing("grows", title, "titans bench --part growth --out growth.json")
        return
    record = measured.measured("growth") or {}
    said = (
        f"Measured on {record['device']}, torch {record['torch']}, {record['threads']} threads. All but full attention "
        "carry the same number of bytes however long the text; a line that ends early reached the limit of "
        f"{record['limit_seconds']:.0f} s. Full attention has the transformer's weights and was not trained so: "
        "only its cost means something."
    )
    drawn = functools.partial(answers.growth, rows, state.palette())
    table = "seconds: since the first token. speed: tokens a second there. state: bytes carried."
    _ask(Question("grows", title, note, said, str(record["command"]), drawn, lambda: (table, _frame(rows))))


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
    drawn = functools.partial(answers.kept, rows, state.palette())
    flat = pd.json_normalize(rows).drop(columns="checkpoint")
    table = "momentary: the push θ‖∇ℓ‖. nll: surprisal."
    note, command = "a point a sample, 95 % intervals", "python benchmarks/what_is_kept.py"
    _ask(Question("keeps", title, note, said, command, drawn, lambda: (table, flat)))


def _missing(key: str, title: str, command: str) -> None:
    with st.container(border=True, key=f"panel_{key}"):
        parts.title(title, "")
        st.caption(NO_FILE)
        st.code(command, language=None)


def _texts(rows: list[measured.Row], length: int) -> str:
    """How many texts there are of this length, of each memory and kind of needle."""
    return " or ".join(map(str, sorted({int(row["n"]) for row in rows if row["length"] == length})))


def _grid(rows: list[measured.Row], length: int, words: Callable[[measured.Row], str]) -> str:
    """A Markdown table of one length: a row a memory, a column a kind of needle."""
    found = {(row["memory"], row["task"]): words(row) for row in rows if row["length"] == length}
    head = f"| | {' | '.join(measured.NEEDLES.values())} |\n|---|{'---|' * len(measured.NEEDLES)}"
    lines = [
        f"| {memory} | {' | '.join(found.get((memory, task), '–') for task in measured.NEEDLES)} |"
        for memory in dict.fromkeys(memory for memory, _ in found)
    ]
    return "\n".join([head, *lines])


def _frame(rows: list[measured.Row]) -> pd.DataFrame:
    return pd.DataFrame(rows).drop(columns="checkpoint")
