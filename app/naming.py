"""What runs are called where several are shown: "MAG", "MAG · θ×0.5", "MAG · wiped at token 200". Counted from 1."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import xarray as xr

from app import theme
from titans_core.errors import TitansError
from titans_core.interventions import intervene
from titans_core.memory_file import line
from titans_core.settings import Change, Settings
from titans_core.signals import MARK

UNREADABLE = (TitansError, TypeError, ValueError, KeyError, AttributeError)  # settings of a trace from elsewhere

LONG = 20  # characters of a title in a name


class Name(NamedTuple):
    """label: what the run is called. order: how many runs with its colours are shown before it; 0 for the first."""

    label: str
    checkpoint: str
    order: int

    @property
    def drawn(self) -> dict[str, Any]:
        """For the browser: the name and its look."""
        colours = {which: palette.run(self.checkpoint, self.order) for which, palette in theme.PALETTES.items()}
        dash = theme.DASHES[self.order % len(theme.DASHES)]
        return {"label": self.label, "checkpoint": self.checkpoint, "colours": colours, "dash": dash}


def names(traces: Sequence[xr.Dataset]) -> list[Name]:
    """The names of runs that are shown together; the same one twice gets a number."""
    found: list[Name] = []
    for ds in traces:
        label, checkpoint = of(ds), str(ds.attrs["checkpoint"])
        again = sum(of(other) == label for other in traces[: len(found)])
        order = sum(_kin(one.checkpoint, checkpoint) for one in found)
        found.append(Name(f"{label} ({again + 1})" if again else label, checkpoint, order))
    return found


def _kin(one: str, other: str) -> bool:
    """Whether two checkpoints share their colours: the same one, or two that do not ship."""
    return one == other or not ({one, other} & set(theme.VARIANTS))


def of(ds: xr.Dataset) -> str:
    """The name of one run."""
    settings = settings_of(ds)
    changes = words(settings) if settings else ["changed"]
    return " · ".join([theme.label(str(ds.attrs["checkpoint"])), *after(began(ds)), *changes])


def asked(checkpoint: str, changes: Sequence[str], texts: Sequence[str] = ()) -> str:
    """The name of a run that was only asked for. changes: as in Job. texts: what its memory had read."""
    return " · ".join([theme.label(checkpoint), *after(texts), *words(intervene(*changes))])


def began(ds: xr.Dataset) -> tuple[str, ...]:
    """The titles of what the memory had read when the run began, oldest first; empty for an empty memory."""
    told = ds.attrs.get("memory_from")
    if told is None:
        return ()
    try:
        texts = json.loads(told)["texts"]
        return tuple(line(str(text)) for text in texts) or ("",)
    except (*UNREADABLE, RecursionError):  # of a trace from elsewhere, or of before texts were noted
        return ("",)


def after(texts: Sequence[str]) -> list[str]:
    """What a run began with, in few words; empty for an empty memory."""
    if not texts:
        return []
    more = len(texts) - 1
    last = f"“{_short(texts[-1])}”" if texts[-1] else "another text"
    return [f"after {last}" + (f" and {more} more" if more else "")]


def _short(title: str) -> str:
    return title if len(title) <= LONG else f"{title[: LONG - 1].rstrip()}…"


def settings_of(ds: xr.Dataset) -> Settings | None:
    """How the run treated the model; None where the trace says it in a way that is not known here."""
    try:
        return Settings.from_dict(json.loads(ds.attrs["settings"]))
    except UNREADABLE:
        return None


def words(settings: Settings) -> list[str]:
    """What is changed, in few words each; empty where nothing is."""
    found = [_gate(change) for change in settings.gates]
    if settings.zero_reads:
        found.append("reads zeroed")
    if settings.freeze_writes:
        found.append("never written")
    if settings.freeze_from is not None:
        found.append(f"frozen from token {settings.freeze_from + 1:,}")
    if settings.wipe_at is not None:
        found.append(f"wipe at token {settings.wipe_at + 1:,}")
    if settings.chunk is not None:
        found.append(f"chunk {settings.chunk}")
    return found


def _gate(change: Change) -> str:
    symbol = theme.SIGNALS[change.gate].symbol
    rule = {"*=": "×", "=": "=", "<=": "≤", ">=": "≥"}[change.rule]
    layer = "" if change.layer is None else f" in layer {change.layer + 1}"
    return f"{symbol}{rule}{change.value:g}{layer}"


def begins(one: xr.Dataset, other: xr.Dataset) -> int | None:
    """The first token (from 0) at which two runs can differ: where the interventions that part them begin.

    None where they may differ from the first token on, or are the same, and for runs on pieces of other tokens, where
    the token of an intervention is none of them.
    """
    if MARK in one.attrs:
        return None
    a, b = settings_of(one), settings_of(other)
    known = ("checkpoint", "weights_sha256", "memory_from")
    if a is None or b is None or a == b or any(one.attrs.get(name) != other.attrs.get(name) for name in known):
        return None
    timed = ("freeze_from", "wipe_at")
    lasting = [{name: v for name, v in s.to_dict().items() if name not in timed} for s in (a, b)]
    if lasting[0] != lasting[1]:
        return None
    parted = [{getattr(a, name), getattr(b, name)} for name in timed if getattr(a, name) != getattr(b, name)]
    return min(token for pair in parted for token in pair if token is not None)


def lowest(one: xr.Dataset, other: xr.Dataset) -> int:
    """The lowest layer (from 0) in which two runs can differ: the interventions that part them are of it or above."""
    a, b = settings_of(one), settings_of(other)
    known = ("checkpoint", "weights_sha256", "memory_from")
    if a is None or b is None or any(one.attrs.get(name) != other.attrs.get(name) for name in known):
        return 0
    if replace(a, gates=()) != replace(b, gates=()):
        return 0
    parted = [change for change in (*a.gates, *b.gates) if (change in a.gates) != (change in b.gates)]
    if not parted:  # the same, or in another order
        return 0
    return min(change.layer or 0 for change in parted)


def diverged(ds: xr.Dataset) -> str:
    """Where a run stopped being finite, as a sentence; "" for one that did not."""
    at = ds.attrs.get("diverged")
    if not at:
        return ""
    at = json.loads(at) if isinstance(at, str) else at
    return (
        f"{of(ds)} diverged: at token {int(at['token']) + 1:,} its memory stopped being finite, "
        f"first in layer {int(at['layer']) + 1}. From there on nothing is defined."
    )
