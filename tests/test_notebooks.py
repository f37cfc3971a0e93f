"""The notebooks are kept without outputs, run from top to bottom, and end in something that is seen.

The toy is trained for a few steps only; `make test-notebooks` trains it whole, and looks whether it has learned.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
WHOLE = os.environ.get("TITANSCOPE_NOTEBOOKS") == "whole"
LEARNED = "assert means['surprisal'].iloc[2] < means['surprisal'].iloc[0] - 2, means"
FIGURE = "application/vnd.plotly.v1+json"


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def test_there_are_four() -> None:
    assert [path.stem for path in PATHS] == ["compare", "probe", "trace", "train"]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_it_is_kept_without_outputs(path: Path) -> None:
    code = [cell for cell in read(path).cells if cell.cell_type == "code"]
    assert not [cell.source for cell in code if cell.outputs or cell.execution_count]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_it_runs_and_ends_in_a_figure(path: Path) -> None:
    notebook = read(path)
    if not WHOLE:
        for cell in notebook.cells:
            cell.source = re.sub(r"^STEPS = \d+", "STEPS = 20", cell.source, flags=re.MULTILINE)
    elif path.stem == "train":
        notebook.cells.append(nbformat.v4.new_code_cell(LEARNED))
    begun = time.monotonic()
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(path.parent)}}).execute()
    print(f"{path.stem}: {time.monotonic() - begun:.0f} s")
    last = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source != LEARNED][-1]
    (shown,) = last.outputs
    drawn = shown["data"][FIGURE]["data"]
    assert drawn, "lines or bars"
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert not [output["text"] for output in outputs if output.get("name") == "stderr"]
