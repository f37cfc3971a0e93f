"""The kinds of questions about a document, by their names: what each can be asked, and how the worker answers it."""

from __future__ import annotations

from app.jobs.probe import Kind
from app.probing import grid, recall

KINDS: dict[str, Kind] = {"grid": grid, "recall": recall}
