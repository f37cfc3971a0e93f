"""What an export is of, and what its file is called."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import xarray as xr

from titans_core.documents import PLACES, Document

_UNSAFE = re.compile(r"[^A-Za-z0-9]+")


class Finished(Protocol):
    """A finished run, as app.runs.Run is one."""

    @property
    def id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def ds(self) -> xr.Dataset: ...
    @property
    def document(self) -> Document | None: ...


class View(NamedTuple):
    """What was looked at. layer None: all layers. token None: no token is selected. Both count from 0.

    range: tokens from..to that are selected, without `to`.
    """

    signal: str
    layer: int | None
    token: int | None
    range: tuple[int, int] | None = None


def safe(text: str, fallback: str, most: int = 48) -> str:
    """Letters a-z, digits and hyphens only: a part of a file name on any system."""
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return _UNSAFE.sub("-", ascii_only).strip("-").lower()[:most].rstrip("-") or fallback


def text_stem(title: str) -> str:
    return safe(title.removesuffix(".txt").removesuffix(".md"), "text")


def recall_stem(title: str, subject: str, kind: str = "recall") -> str:
    """File name without ending for what was asked of a document."""
    return f"{kind}-{text_stem(title)}-{subject[:6]}"


def began_file(run: Finished) -> str:
    """What the file of the memory that a run began with is called, where it is downloaded and where it is named."""
    return f"began-{safe(str(run.ds.attrs['checkpoint']), 'memory', 24)}-{run.id[:6]}.safetensors"


def stem(runs: Sequence[Finished]) -> str:
    """File name without ending: the title, the memories and the start of the first run's id."""
    memories = [safe(str(run.ds.attrs["checkpoint"]), "memory", 24) for run in runs]
    return "-".join([text_stem(runs[0].title), *dict.fromkeys(memories), runs[0].id[:6]])


def _is_fact(name: object) -> bool:
    return isinstance(name, str) and name.isidentifier() and name not in ("text", PLACES)


def facts(run: Finished) -> dict[str, Any]:
    """The attributes of a trace without its text and the places in it, and what the app knows of the run."""
    own = {str(name): value for name, value in run.ds.attrs.items() if _is_fact(name)}
    return {"title": run.title, "run": run.id[:6], "tokens": int(run.ds.sizes["token"]), **own}
