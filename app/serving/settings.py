"""The settings of streamlit_config.toml, the one source for `make run`, tests and the container."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from streamlit import config as streamlit_config

CONFIG = Path(__file__).absolute().parents[2] / "streamlit_config.toml"
OWN = "titanscope."  # a section of ours, whose variables are TITANSCOPE_...


def settings(path: Path = CONFIG) -> dict[str, Any]:
    """Options as dotted names; variables of the environment (STREAMLIT_..., TITANSCOPE_...) win over the file."""
    values = _flat(tomllib.loads(path.read_text(encoding="utf-8")))
    variables = {name: name.upper().replace(".", "_") for name in values if name.startswith(OWN)}
    for name, option in streamlit_config.get_config_options().items():
        if not option.sensitive:  # Streamlit reads those itself
            variables[name] = option.env_var
    return values | {name: _value(os.environ[key]) for name, key in variables.items() if key in os.environ}


def streamlits(values: dict[str, Any]) -> dict[str, Any]:
    """Those that are Streamlit's, which refuses others."""
    return {name: value for name, value in values.items() if not name.startswith(OWN)}


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            result |= _flat(value, f"{prefix}{key}.")
        else:
            result[prefix + key] = value
    return result


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
