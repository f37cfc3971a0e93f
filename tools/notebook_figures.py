"""Run the notebooks whole and keep what their last cells draw, for the site: docs/figures/notebook-NAME.svg.

python tools/notebook_figures.py [NAME ...]     needs Chromium, as `make test` sets it up
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nbformat
import plotly
from nbclient import NotebookClient
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
LIBRARY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
FIGURE = "application/vnd.plotly.v1+json"
CHROMIUM = Path("/usr/bin/chromium")
DRAW = """async text => {
  const figure = JSON.parse(text);
  const url = await Plotly.toImage(figure, {format: 'svg', width: 800, height: 400});
  return decodeURIComponent(url.slice(url.indexOf(',') + 1));
}"""


def last_figure(path: Path) -> dict:
    """What the last cell of a notebook shows, as plotly's JSON."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=1200, resources={"metadata": {"path": str(path.parent)}}).execute()
    (shown,) = [cell for cell in notebook.cells if cell.cell_type == "code"][-1].outputs
    return shown["data"][FIGURE]


def draw(page: Page, path: Path) -> None:
    target = ROOT / "docs" / "figures" / f"notebook-{path.stem}.svg"
    target.write_text(page.evaluate(DRAW, json.dumps(last_figure(path))) + "\n", "utf-8")
    print(target, target.stat().st_size)


def main() -> None:
    paths = [path for path in sorted((ROOT / "notebooks").glob("*.ipynb")) if path.stem in (sys.argv[1:] or path.stem)]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM if CHROMIUM.exists() else None)
        page = chromium.new_page()
        page.add_script_tag(path=LIBRARY)
        for path in paths:
            draw(page, path)
        chromium.close()


if __name__ == "__main__":
    main()
