"""What the page and the worker must know alike of sanity checks. No torch here."""

from __future__ import annotations

import json
from typing import Any

import xarray as xr

import titans_core as tc
from titans_core.assets import ROOT
from titans_core.errors import ConfigError
from titans_core.probes.sanity import MIN_TOKENS
from titans_core.settings import Settings

LIMIT = 20_000  # tokens from the start of a text that are read, three times


def refusal(ds: xr.Dataset) -> str:
    """Why the run of this trace cannot be checked, as a sentence; "" where it can."""
    name, tokens = str(ds.attrs["checkpoint"]), ds.sizes["token"]
    if "surprise" not in ds:
        return "This model has no memory, so there is no surprise to compare."
    if tokens < MIN_TOKENS:
        return f"The text has {tokens} tokens; rank correlations with intervals need at least {MIN_TOKENS}."
    if name not in tc.checkpoints():
        return "The run was made with a checkpoint that does not ship with Titanscope, so it cannot be read anew here."
    if _shipped(name).get("weights_sha256") != ds.attrs.get("weights_sha256"):
        return (
            "The run was made with other weights than those that ship under this name, so it cannot be read anew here. "
            "Press Run to read the text with those that ship."
        )
    return ""


def settings(ds: xr.Dataset) -> Settings:
    """How the run of this trace treated its model. Raises ConfigError for what this version does not know."""
    stored = str(ds.attrs["settings"])
    try:
        return Settings.from_dict(json.loads(stored))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the run had settings that this version does not know: {stored[:80]}") from error


def _shipped(name: str) -> dict[str, Any]:
    """config.json of a shipped checkpoint; empty where it cannot be read, which loading it will explain."""
    try:
        config: dict[str, Any] = json.loads((ROOT / "checkpoints" / name / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return config
