"""What is written for GitHub, as pages of a site.

Links out of docs/ lead to the page that shows the same, files are copied, folders and other pages are named; a folder
of docs/ is its README. The list of decisions has them as its pages.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

PAGES = {
    "CHANGELOG.md": "/project/changelog.md",
    "CONTRIBUTING.md": "/project/contributing.md",
    "README.md": "/index.md",
    "SECURITY.md": "/project/security.md",
}
LINK = re.compile(r"(?<!!)\[(?P<said>[^\]]*)\]\((?P<path>[^):#\s]+)(?P<anchor>#[^)\s]*)?\)")
DECISIONS = "\n```{toctree}\n:hidden:\n:glob:\n0*\n```\n"  # GitHub would show it as code


def led_home(link: re.Match[str], folder: Path, docs: Path) -> str:
    """A Markdown link of a page in `folder`, so that it leads somewhere on the site."""
    root, target = docs.parent, (folder / link["path"]).resolve()
    if target.is_relative_to(docs):
        readme = (target / "README.md").is_file()
        return f"[{link['said']}]({link['path'].rstrip('/')}/README.md)" if readme else link[0]
    if not target.exists() or not target.is_relative_to(root):
        return link[0]  # Sphinx says that it leads nowhere
    name = target.relative_to(root).as_posix()
    if name in PAGES:
        anchor = "" if name == "README.md" else link["anchor"] or ""
        return f"[{link['said']}]({PAGES[name]}{anchor})"
    if target.is_dir() or target.suffix == ".md":
        return link["said"] if link["said"].strip("`") == name else f"{link['said']} (`{name}`)"
    return link[0]


def rewritten(app: Sphinx, name: str, source: list[str]) -> None:
    docs = Path(app.srcdir).resolve()
    folder = (docs / name).parent
    source[0] = LINK.sub(lambda link: led_home(link, folder, docs), source[0])
    if name == "decisions/README":
        source[0] += DECISIONS


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", rewritten)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
