"""Versions of what is installed, for the record of a run."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

MISSING = "not installed"


def installed(package: str) -> str:
    """The version of a package; MISSING where there is none, as of this one run from its source tree."""
    try:
        return version(package)
    except PackageNotFoundError:
        return MISSING
