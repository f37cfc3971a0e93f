"""Many measurements as one list of cells: each kept under what it measured, gone on with, here or on a Ray cluster.

Needs no torch until a cell is measured, and nothing of Ray unless `on_ray` is asked for it.
"""

from titans_core.sweeps.cells import Cell, Compare, Evaluate, Identity, Needle
from titans_core.sweeps.loop import Engine, Outcome, Serial, sweep
from titans_core.sweeps.places import Place, place
from titans_core.sweeps.sources import Sources

__all__ = [
    "Cell",
    "Compare",
    "Engine",
    "Evaluate",
    "Identity",
    "Needle",
    "Outcome",
    "Place",
    "Serial",
    "Sources",
    "place",
    "sweep",
]
