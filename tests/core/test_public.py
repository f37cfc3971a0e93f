"""What the reference lists is public: documented, and typed, down to the members that it shows."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

import titans_core as tc

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "api").glob("*.md"))
LISTED = re.compile(r"^\.\. (?P<kind>currentmodule|auto\w+):: (?P<name>[\w.]+)(?:\(\))?$", re.MULTILINE)


def found(name: str) -> Any:
    """What a dotted name means."""
    home, _, last = name.rpartition(".")
    try:
        return getattr(importlib.import_module(home), last)
    except (ImportError, AttributeError):
        return importlib.import_module(name)


def listed() -> dict[str, Any]:
    """name -> what the reference has under it."""
    names: dict[str, Any] = {}
    for page in PAGES:
        module = ""
        for kind, name in LISTED.findall(page.read_text("utf-8")):
            if kind == "currentmodule":
                module = f"{name}."
            elif kind == "automodule":
                home = importlib.import_module(name)
                own = [key for key, value in vars(home).items() if isinstance(value, type)]
                names |= {f"{name}.{key}": getattr(home, key) for key in own}
            else:
                name = name if name.startswith("titans_core.") else module + name
                names[name] = found(name)
    return names


PUBLIC = listed()


def members(name: str, owner: type) -> dict[str, Any]:
    """Methods and properties that a class defines itself, by their own names."""
    kinds = (FunctionType, property, classmethod, staticmethod)
    own = {key: value for key, value in vars(owner).items() if isinstance(value, kinds) and not key.startswith("_")}
    own |= {"__init__": owner.__init__} if isinstance(vars(owner).get("__init__"), FunctionType) else {}
    return {f"{name}.{key}": value for key, value in own.items() if not _made(owner, key)}


def _made(owner: type, key: str) -> bool:
    """By dataclass, NamedTuple or Protocol, not by us."""
    made = hasattr(owner, "__dataclass_fields__") or getattr(owner, "_is_protocol", False)
    return hasattr(owner, "_fields") or (key == "__init__" and made)


SHOWN = PUBLIC | {k: v for name, one in PUBLIC.items() if isinstance(one, type) for k, v in members(name, one).items()}


def function(one: Any) -> FunctionType | None:
    """What has a signature of ours."""
    one = one.fget if isinstance(one, property) else getattr(one, "__func__", one)
    return one if isinstance(one, FunctionType) else None


def test_everything_that_the_package_names_is_in_the_reference() -> None:
    named = {name: getattr(tc, name) for name in tc.__all__ if name != "checkpoints"}
    homes = {f"{one.__module__}.{name}" for name, one in named.items() if not inspect.ismodule(one)}
    known = {f"{one.__module__}.{one.__qualname__}" for one in PUBLIC.values()}
    assert homes <= known
    assert {"titans_core.checkpoints", "titans_core.memory.memory_scan"} <= set(PUBLIC)
    assert set(tc.__all__) <= set(dir(tc)), "so that a notebook completes them"


@pytest.mark.parametrize("name", [name for name in SHOWN if not name.endswith("__init__")])
def test_it_says_what_it_is(name: str) -> None:
    one = SHOWN[name]
    words = vars(one).get("__doc__") if isinstance(one, type) else one.__doc__
    assert words, f"{name} has no docstring"
    assert not words.startswith(f"{name.rpartition('.')[2]}("), f"{name} has the docstring that Python made for it"


@pytest.mark.parametrize("name", [name for name in SHOWN if function(SHOWN[name])])
def test_it_says_of_what_type_everything_is(name: str) -> None:
    signature = inspect.signature(function(SHOWN[name]))  # type: ignore[arg-type]
    taken = [p for p in signature.parameters.values() if p.name not in ("self", "cls")]
    untyped = [p.name for p in taken if p.annotation is p.empty]
    assert not untyped, f"{name}: {', '.join(untyped)}"
    assert signature.return_annotation is not signature.empty, f"{name} does not say what it returns"


@pytest.mark.parametrize("name", [name for name in PUBLIC if isinstance(PUBLIC[name], FunctionType)])
def test_it_names_the_errors_it_raises(name: str) -> None:
    raised = set(re.findall(r"raise (\w+Error)\(", inspect.getsource(PUBLIC[name])))
    assert {error for error in raised if error not in (PUBLIC[name].__doc__ or "")} == set()
