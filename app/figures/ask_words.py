"""What the Ask panel says in words, with the numbers of the answer: nothing that was not measured."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from app import theme
from app.figures.ask import LONGEST, WAYS, Answer, Passage
from app.measured import NEEDLES

LEAST, MOST = 0.02, 4  # of the pull: passages with less are not named; as many are, at most
STANDS_OUT = 0.1
FIRST = 4  # words by which passages of one paragraph are told apart
NAMED = 5  # words of a cue, at most


def stands(answer: Answer) -> str:
    """Where the value stands, and whether it is what was asked for; "" where it does not stand in the document."""
    row, found = answer["rows"][0], answer["stands"]
    if goes_on(answer):
        said = row["value"] or row["text"].strip()
        return f"“{said}” goes on inside the last word of the cue: it names nothing. End the cue with a whole word."
    if found is None:
        return ""
    times = "once" if found["count"] == 1 else f"{found['count']:,} times"
    at = f", {'first at' if found['count'] > 1 else 'at'} {found['place']}" if found["place"] else ""
    return f"“{row['value']}” is in the document {times}{at}. {_expected(answer)}".strip()


def goes_on(answer: Answer) -> bool:
    """Whether what is said begins inside a word: an end of the cue's, and no value. Older answers do not tell."""
    return bool(answer["rows"][0].get("inside"))


def _expected(answer: Answer) -> str:
    """What the document says instead, and whether the fact was needed."""
    said, wanted = answer["rows"][0]["value"], answer["expected"]
    removed = next((row for row in answer["rows"] if row["name"] == "removed"), None)
    other = f"The fact says “{wanted}”." if wanted and said != wanted else ""
    same = "It says the same after the document without the fact." if removed and removed["value"] == said else ""
    return f"{other} {same}".strip()


def warning(answer: Answer, name: str, lacking: Sequence[str] = ()) -> str:
    """That the value, or what was asked about, does not stand in the document, and how often this memory invents one.

    lacking: words of the cue that stand nowhere in it.
    """
    if (answer["stands"] is not None and not lacking) or goes_on(answer):
        return ""
    row = answer["rows"][0]
    said = f"“{row['value']}” is not in this document." if row["value"] else "It names no number and no word."
    about = f"{said} {_expected(answer)}" if answer["stands"] is None else stands(answer)
    return " ".join(f"{_lacks(lacking)} {about} {invents(answer, name)}".split())


def _lacks(words: Sequence[str]) -> str:
    """A fact about the text, not about the memory."""
    if not words:
        return ""
    listed = ", ".join(f"“{word[:LONGEST]}”" for word in words[:NAMED])
    are, it = ("is", "it") if len(words) == 1 else ("are", "them")
    return f"{listed} {are} nowhere in this document: what is said cannot be an answer about {it}, but by another name."


def invents(answer: Answer, name: str) -> str:
    """What was measured of texts without the needle that was asked for, of the kind that the value is of."""
    task = "number" if answer["rows"][0]["value"][:1].isdigit() else "word"
    row = next((row for row in answer["absent"] if row["task"] == task), None)
    if row is None:
        return f"How often {name} invents a value was not measured."
    return (
        f"Asked for a {NEEDLES[task]} that texts of {_length(row['length'])} tokens do not contain, {name} named one "
        f"that is nowhere in them in {row['named']} of {row['n']} ({_percent(row['rate'])}, 95 % interval "
        f"{_percent(row['low'])} to {_percent(row['high'])}), and in {row['confident']} it was sure of what it named."
    )


def _percent(rate: float) -> str:
    return f"{100 * rate:.0f} %"


def _length(tokens: int) -> str:
    return f"{tokens // 1024}K" if tokens % 1024 == 0 else f"{tokens:,}"


def named(answer: Answer) -> list[Passage]:
    """The passages that are worth naming, the strongest first."""
    return [passage for passage in answer["passages"][:MOST] if passage["share"] >= LEAST]


def label(passage: Passage, passages: Sequence[Passage], fact: int | None) -> str:
    """Where it stands, as short as tells it from the others, and its share. fact: where the fact begins, if any."""
    if fact is not None and passage["start"] <= fact < passage["end"]:
        where = "the fact"
    else:
        short = _short(passage["place"])
        alone = sum(_short(other["place"]) == short for other in passages) == 1
        where = (short if alone else passage["place"]) or f"character {passage['start']:,}"
        if sum(other["place"] == passage["place"] for other in passages) > 1:  # a paragraph of several passages
            where += f" “{' '.join(passage['text'].split()[:FIRST])}…”"
    return f"{where} ({passage['share']:.2f})"


def _short(place: str) -> str:
    """The page, or else the paragraph."""
    parts = place.split(", ")
    return next((part for part in parts if part.startswith("page ")), parts[-1])


def drew(answer: Answer) -> str:
    """What stands above the passages."""
    if not answer["count"]:
        return "All of the document stands in one segment with the cue: nothing of it was read from memory."
    strongest = max((passage["share"] for passage in answer["passages"]), default=0.0)
    if strongest < STANDS_OUT:
        count = f"{answer['count']:,}"
        removed = next((row for row in answer["rows"] if row["name"] == "removed"), None)
        if removed is not None and removed["value"] != answer["rows"][0]["value"]:
            other = (removed["value"] or removed["text"].strip() or "nothing")[:LONGEST]
            return (
                f"Without the fact it says “{other}”, so it does hang on it; to first order, of what a small change of "
                f"one passage would do, none of {count} stands out: the strongest has {strongest:.2f}."
            )
        return f"What it said hangs on no passage in particular: of {count}, the strongest has {strongest:.2f}."
    return "What it said drew on:"


def table(answer: Answer) -> tuple[str, pd.DataFrame]:
    """One row a passage: its part in the answer, all layers and each, and in each layer's read at the cue's end."""
    layers = range(len(answer["layers"]))
    own = ", ".join(_own(k, answer["layers"][k]["own"]) for k in layers)
    note = (
        f"{answer['count']:,} passages; those that speak for the answer hold {answer['toward']:.1f} bits of its "
        f"log-odds. Of what each layer read at the cue's last token, the share written after them: {own}."
    )
    if answer["seen"]:
        last = theme.count(answer["seen"])
        note += f" The last {last} of the document stand in one segment with the cue and are no passages."
    listed = [
        {"place": p["place"], "share": round(p["share"], 3)}
        | {f"L{k + 1} bits": round(p["bits"][k], 2) for k in layers}
        | {f"L{k + 1} of the read": None if p["read"][k] is None else round(p["read"][k], 3) for k in layers}
        | {"passage": p["text"]}
        for p in answer["passages"]
    ]
    return note, pd.DataFrame(listed)


def _own(layer: int, share: float | None) -> str:
    return f"layer {layer + 1} " + ("read nothing" if share is None else f"{theme.signed(share)}")


def said(answer: Answer) -> str:
    """What screen readers are told of the lines."""
    return "; ".join(f"{WAYS[row['name']]}: {row['value'] or row['text']}" for row in answer["rows"])
