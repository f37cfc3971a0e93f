"""Equations as MathML, which browsers draw by themselves: MathJax, Sphinx's own way, is loaded from another host."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

# Ways to write what docutils knows by another name only.
UNKNOWN = ((r"\\([bB])ig(?![a-zA-Z])", r"\\\1igl "), (r"\\dots(?![a-zA-Z])", r"\\ldots "), (r"\\lt(?![a-zA-Z])", "<"))
TAG = re.compile(r"\\tag\{(?P<said>[^}]*)\}")


def markup(tex: str, *, block: bool = False) -> str:
    """MathML of an equation without its tag. Raises MathError for what it does not know."""
    for pattern, known in UNKNOWN:
        tex = re.sub(pattern, known, tex)
    return tex2mathml(tex, as_block=block)


def _written(writer: HTML5Translator, node: nodes.math | nodes.math_block, *, block: bool) -> str:
    tex = node.astext()
    try:
        return markup(TAG.sub("", tex), block=block)
    except MathError as error:
        logging.getLogger(__name__).warning("%s in %s", error, tex, location=node)
        return writer.encode(tex)


def inline(writer: HTML5Translator, node: nodes.math) -> None:
    writer.body.append(_written(writer, node, block=False))
    raise nodes.SkipNode


def block(writer: HTML5Translator, node: nodes.math_block) -> None:
    number = TAG.search(node.astext())
    label = f'<span class="eqno">({number["said"]})</span>' if number else ""
    writer.body.append(f'<div class="math">{_written(writer, node, block=True)}{label}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    app.config.html_math_renderer = "mathml"  # type: ignore[attr-defined]
    return {"parallel_read_safe": True, "parallel_write_safe": True}
