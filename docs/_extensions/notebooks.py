"""The directive `notebook`: a notebook of notebooks/ as a page, and what its last cell draws.

That picture is kept beside the pages (tools/notebook_figures.py), the notebooks without outputs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

SEEN = """
```{{image}} ../figures/notebook-{0}.svg
:alt: what the last cell of the notebook {0} draws
```

[The notebook](../../notebooks/{0}.ipynb) as a file.
"""


def as_markdown(path: Path) -> str:
    """Its cells one after the other."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    texts = ["".join(cell["source"]) for cell in cells]
    code = [cell["cell_type"] == "code" for cell in cells]
    shown = [f"```python\n{t}\n```" if is_code else t for t, is_code in zip(texts, code, strict=True)]
    return "\n\n".join([*shown, SEEN.format(path.stem)])


class Notebook(SphinxDirective):
    """`{notebook} trace`: of notebooks/trace.ipynb."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        path = Path(self.env.srcdir).parent / "notebooks" / f"{self.arguments[0]}.ipynb"
        self.env.note_dependency(str(path))
        return self.parse_text_to_nodes(as_markdown(path), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("notebook", Notebook)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
