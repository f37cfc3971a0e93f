"""The document of an evaluation: one JSON file that can be gone on with, and compared cell by cell."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from titans_core import __version__
from titans_core.errors import ConfigError
from titans_core.evaluation.cells import Cell, Job, Key
from titans_core.model import Model

FORMAT = 1
_IDENTITY = ("weights_sha256", "seed", "quick")


@dataclass
class Report:
    """header: model, weights, seed, versions; cells by key; validation: scores in bits per byte by control."""

    header: dict[str, Any]
    cells: dict[Key, Cell] = field(default_factory=dict)
    validation: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path, header: dict[str, Any]) -> Report:
        """What `path` holds already, to go on with, or a new report.

        Raises ConfigError for a file of other weights or another seed, which is never overwritten.
        """
        if not path.exists():
            return cls(header)
        found = cls.read(path)
        for name in _IDENTITY:
            if found.header.get(name) != header[name]:
                raise ConfigError(
                    f"{path} holds an evaluation with {name} {str(found.header.get(name))[:12]}, this one has "
                    f"{str(header[name])[:12]}; give another --out or remove the file"
                )
        return cls(header, found.cells, found.validation)

    @classmethod
    def read(cls, path: Path) -> Report:
        """Raises ConfigError for a file that cannot be read or is no evaluation of this format."""
        try:
            document = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise ConfigError(f"{path} cannot be read as an evaluation: {error}") from None
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise ConfigError(f"{path} is not an evaluation of format {FORMAT}; give a file that titans eval wrote")
        try:
            cells = [Cell.from_dict(values) for values in document["cells"]]
            validation = {str(control): dict(score) for control, score in document["validation"].items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigError(f"{path} is damaged: {error}") from None
        header = {name: value for name, value in document.items() if name not in ("cells", "validation")}
        return cls(header, {cell.key: cell for cell in cells}, validation)

    def has(self, job: Job, sample: str) -> bool:
        """Whether the cell of this job is filled, from the same texts and at least as many."""
        cell = self.cells.get(job.key)
        return cell is not None and cell.sample == sample and cell.n >= (job.n or 0)

    def save(self, path: Path) -> None:
        """Complete or not at all."""
        devices = {cell.device for cell in self.cells.values()} | {s["device"] for s in self.validation.values()}
        document = {
            **self.header,
            "devices": sorted(devices),
            "validation": self.validation,
            "cells": [cell.to_dict() for cell in self.cells.values()],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        partial.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", "utf-8")
        os.replace(partial, path)


def header_of(model: Model, seed: int, *, quick: bool) -> dict[str, Any]:
    """Everything that the numbers depend on, but for the device, which each cell names."""
    return {
        "format": FORMAT,
        "model": model.name,
        "variant": model.config.variant,
        "parameters": model.parameter_count,
        "weights_sha256": model.weights_sha256,
        "tokenizer_sha256": model.tokenizer.digest,
        "seed": seed,
        "quick": quick,
        "precision": torch.get_float32_matmul_precision(),
        "versions": {
            "titanscope": __version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }


def agreement(cell: Cell, header: dict[str, Any], recorded: Report | None) -> str:
    """Whether the texts of `cell` came out as they are recorded for the same weights and seed, in words."""
    if recorded is None or cell.key not in recorded.cells:
        return "not recorded"
    for name, what in (("weights_sha256", "weights"), ("seed", "seed")):
        if recorded.header.get(name) != header[name]:
            return f"recorded with another {what}" if what == "seed" else "recorded for other weights"
    other = recorded.cells[cell.key]
    if other.sample != cell.sample:
        return "recorded on other texts"
    n = min(cell.n, other.n)
    differing = np.flatnonzero(cell.right_each[:n] != other.right_each[:n])
    if not len(differing):
        return f"as recorded, {n} of {n} texts"
    named = ", ".join(map(str, differing[:5])) + (", ..." if len(differing) > 5 else "")
    return f"DIFFERS from the record in {len(differing)} of {n} texts: number {named}"
