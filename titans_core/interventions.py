"""Interventions as people write them: "theta*=0.5", "alpha[1]=0", "momentum=off", "freeze=500"."""

from __future__ import annotations

import re
from typing import Any

from titans_core.errors import ConfigError
from titans_core.settings import TOKENS, Change, Settings

_GATE = re.compile(r"(?P<gate>[a-z]+)(?:\[(?P<layer>[^\]]*)\])?\s*(?P<rule>\*=|<=|>=|=)\s*(?P<value>.*)")
_WHOLE = {**TOKENS, "chunk": "chunk"}
_OFF = {"reads": "zero_reads", "writes": "freeze_writes"}
_GATES_OFF = {"momentum": "eta", "forgetting": "alpha"}
HELP = (
    "theta, eta or alpha with *=, =, <= or >= and a number (theta[1]*=0.5 for the second layer alone), momentum=off, "
    "forgetting=off, reads=off, writes=off, freeze=TOKEN, wipe=TOKEN (the first is 0) or chunk=TOKENS"
)


def intervene(*texts: str) -> Settings:
    """The Settings that these interventions make together: `intervene("theta*=0.5", "freeze=500")`.

    Each is one of HELP; layers and tokens count from 0. Raises ConfigError, naming the one that is wrong.
    """
    values: dict[str, Any] = {}
    gates: list[Change] = []
    for text in texts:
        found = _GATE.fullmatch(text.strip()) if isinstance(text, str) else None
        if not found:
            raise ConfigError(f"{text!r} is no intervention; give {HELP}")
        name, rule, value = found["gate"], found["rule"], found["value"].strip()
        if name in _GATES_OFF:
            _check_off(text, rule, value, found["layer"])
            gates.append(Change(_GATES_OFF[name], "=", 0.0))
        elif name in _OFF or name in _WHOLE:
            key = _OFF.get(name) or _WHOLE[name]
            if key in values:
                raise ConfigError(f"{text!r}: {name} is given twice")
            if name in _OFF:
                _check_off(text, rule, value, found["layer"])
            values[key] = name in _OFF or _whole(text, rule, value, found["layer"])
        else:
            gates.append(_change(text, found["layer"], name, rule, value))
    return Settings(gates=tuple(gates), **values)


def written(settings: Settings) -> list[str]:
    """The same as texts, for `intervene`; empty where nothing is changed."""
    off = [f"{name}=off" for name, field in _OFF.items() if getattr(settings, field)]
    tokens = [f"{name}={getattr(settings, key)}" for name, key in _WHOLE.items() if getattr(settings, key) is not None]
    return [*map(str, settings.gates), *off, *tokens]


def _check_off(text: str, rule: str, value: str, layer: str | None) -> None:
    if (rule, value, layer) != ("=", "off", None):
        name = text.strip().partition("=")[0].rstrip("*<> ")
        raise ConfigError(f"{text!r}: this can only be switched off: {name}=off")


def _whole(text: str, rule: str, value: str, layer: str | None) -> int:
    if rule != "=" or layer is not None or not (value.isascii() and value.isdigit()):
        raise ConfigError(f"{text!r}: give a whole number of at least 0, such as wipe=500")
    return int(value)


def _change(text: str, layer: str | None, name: str, rule: str, value: str) -> Change:
    if layer is not None and not (layer.isascii() and layer.isdigit()):
        raise ConfigError(f"{text!r}: the layer in brackets must be a whole number, from 0")
    try:
        number = float(value)
    except ValueError:
        raise ConfigError(f"{text!r}: {value!r} is not a number") from None
    try:
        return Change(name, rule, number, None if layer is None else int(layer))
    except ConfigError as error:
        raise ConfigError(f"{text!r}: {error}") from None
