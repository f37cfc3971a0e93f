"""What is written for GitHub, as pages of a site.

Links out of docs/ lead to the page that shows the same, and the list of decisions has them as its pages.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

PAGES = {
    "CHANGELOG.md": "/project/changelog.md",
    "CONTRIBUTING.md": "/project/contributing.md",
    "README.md": "/index.md",
    "SECURITY.md": "/project/security.md",
}
DECISIONS = "\n```{toctree}\n:hidden:\n:glob:\n0*\n```\n"  # GitHub would show it as code
LINK = re.compile(r"\]\((?:\.\./)+(?P<name>" + "|".join(map(re.escape, PAGES)) + r")(?P<rest>#[^)]*)?\)")


def led_home(app: Sphinx, name: str, source: list[str]) -> None:
    source[0] = LINK.sub(lambda found: f"]({PAGES[found['name']]}{found['rest'] or ''})", source[0])
    if name == "decisions/README":
        source[0] += DECISIONS


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", led_home)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
