"""A chart of app.exports.svg as a file of its own: for papers and slides, so always light, and nothing but SVG 1.1."""

from __future__ import annotations

import re
from collections.abc import Sequence

from app.exports.report_style import colours, ink, steps
from app.figures.frame import FONT
from app.naming import Name
from app.theme import CIVIDIS, LIGHT

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_VIEW = re.compile(r'^<svg viewBox="0 0 (\d+) (\d+)"')


def named(checkpoints: Sequence[str], labels: Sequence[str]) -> list[Name]:
    """Checkpoints that are drawn together, each in its own colour, those that do not ship in different ones."""
    shipped = set(LIGHT.variants)
    strangers = [name for name in checkpoints if name not in shipped]
    orders = [strangers.index(name) if name in strangers else 0 for name in checkpoints]
    return [Name(label, name, order) for name, label, order in zip(checkpoints, labels, orders, strict=True)]


def standalone(chart: str, runs: Sequence[Name] = ()) -> bytes:
    """The file. chart: of `svg.chart`. runs: those that are drawn in the classes r0, r1, ..."""
    size = _VIEW.match(chart)
    assert size is not None  # noqa: S101 (every chart has one)
    width, height = size.groups()
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    title_end = chart.index("</title>") + len("</title>")
    ground = f'<style>{_style(runs)}</style><rect width="{width}" height="{height}" fill="{LIGHT.panel}"/>'
    text = head + chart[size.end() : title_end] + ground + chart[title_end:]
    return ('<?xml version="1.0" encoding="UTF-8"?>\n' + _NOT_XML.sub("\ufffd", text) + "\n").encode()


def _style(runs: Sequence[Name]) -> str:
    inks = [f".i{k}{{fill:rgb{ink(colour)}}}".replace(" ", "") for k, colour in enumerate(steps(CIVIDIS))]
    font = FONT.replace('"', "'")
    return (
        f"text{{font:12px {font};fill:{LIGHT.text}}}"
        f".tick,.name{{fill:{LIGHT.muted}}}.tick{{font-size:11px}}.small{{font-size:10px}}.strong{{font-weight:600}}"
        f".grid{{stroke:{LIGHT.line};fill:none}}.zero{{stroke:{LIGHT.muted};fill:none}}"
        f".mark{{stroke:{LIGHT.selected};stroke-dasharray:2 3;fill:none}}"
        f".empty{{fill:{LIGHT.line}}}.fact{{fill:none;stroke:{LIGHT.variants['mac']};stroke-width:1.5}}"
        f"{''.join(colours(LIGHT, runs))}{''.join(inks)}"
        '[class^="m"]{shape-rendering:crispEdges}'
        ".line{fill:none!important;stroke-width:1.3;stroke-linejoin:round}.wide{stroke-width:2.5}"
        ".line.thin{stroke-width:1}.line.dashed{stroke-dasharray:6 4}.line.dotted{stroke-dasharray:2 3}"
        ".line.dashdot{stroke-dasharray:9 3 2 3}"
        f".band{{stroke:none!important;fill-opacity:.25}}.hollow{{fill:{LIGHT.panel}!important}}"
    )
