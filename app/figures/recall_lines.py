"""The controls of recall: how each is called and drawn, on the page and in SVG files alike."""

from __future__ import annotations

from typing import NamedTuple


class Line(NamedTuple):
    """key: of `held` after the measure's name, or of what was asked. dash: lengths on and off, in pixels.

    css: the same dash as a class of app.exports.standalone. Both are "solid" for none.
    """

    key: str
    words: str
    dash: str
    css: str


DASHED, DOTTED, DASH_DOT = "7px,4px", "2px,3px", "9px,3px,2px,3px"
REMOVED = "fact removed"
OWN = Line("", "the memory", "solid", "solid")
HELD = (
    Line("_removed", REMOVED, DASHED, "dashed"),
    Line("_before", "memory before the fact", DOTTED, "dotted"),
    Line("_shuffled", "keys shuffled among its tokens", DASH_DOT, "dashdot"),
)
SAID = (Line("zeroed", "reads zeroed", DOTTED, "dotted"), Line("removed", REMOVED, DASHED, "dashed"))
