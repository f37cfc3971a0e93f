"""The texts that come with the app."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass

from titans_core.assets import ROOT


@dataclass(frozen=True)
class Sample:
    """shows: what the sample is for. watch: where to look, one sentence each."""

    file: str
    title: str
    shows: str
    watch: tuple[str, ...]

    @property
    def text(self) -> str:
        return _read(self.file)


@functools.cache
def samples() -> tuple[Sample, ...]:
    """All samples, the one for newcomers first."""
    index = tomllib.loads((ROOT / "samples" / "index.toml").read_text(encoding="utf-8"))
    return tuple(
        Sample(entry["file"], entry["title"], entry["shows"], tuple(entry["watch"])) for entry in index["sample"]
    )


def by_title(title: str) -> Sample | None:
    return next((sample for sample in samples() if sample.title == title), None)


@functools.cache
def _read(file: str) -> str:
    return (ROOT / "samples" / file).read_bytes().decode("utf-8")
