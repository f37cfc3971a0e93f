"""What the page and the worker must know alike of sanity checks. No torch here."""

from __future__ import annotations

import json

import xarray as xr

from app import foreign, memories
from app.theme import count
from titans_core.errors import ConfigError
from titans_core.probes.sanity import MIN_TOKENS
from titans_core.settings import Settings

LIMIT = 20_000  # tokens from the start of a text that are read, three times


def refusal(ds: xr.Dataset) -> str:
    """Why the run of this trace cannot be checked, as a sentence; "" where it can."""
    tokens = ds.sizes["token"]
    if refused := foreign.refusal(ds):
        return refused
    if "surprise" not in ds:
        return "This model has no memory, so there is no surprise to compare."
    if tokens < MIN_TOKENS:
        return f"The text has {count(tokens)}; rank correlations with intervals need at least {MIN_TOKENS}."
    if "memory_from" in ds.attrs:
        return "The run began with a memory; this check reads from an empty one, so it would be of another run."
    return other_weights(ds)


def other_weights(ds: xr.Dataset) -> str:
    """Why the text of this run cannot be read anew by the model that read it, as a sentence; "" where it can."""
    if refused := foreign.refusal(ds):
        return refused
    name = str(ds.attrs["checkpoint"])
    if name not in memories.names():
        return "The run was made with a checkpoint that is not offered here, so its text cannot be read anew."
    if memories.weights(name) != ds.attrs.get("weights_sha256", ""):
        return (
            "The run was made with other weights than the checkpoint of this name has here, so it cannot be read anew. "
            "Press Run to read the text with those."
        )
    return ""


def settings(ds: xr.Dataset) -> Settings:
    """How the run of this trace treated its model. Raises ConfigError for what this version does not know."""
    stored = str(ds.attrs["settings"])
    try:
        return Settings.from_dict(json.loads(stored))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the run had settings that this version does not know: {stored[:80]}") from error
