"""Versions of other packages, for the record of a run."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

MISSING = "not installed"


def installed(package: str) -> str:
    """The version of a package; MISSING where there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return MISSING
