"""A figure as the plain dicts that plotly.js draws.

plotly's own classes look up every property of everything that is added: 50 ms of a core for one figure, which twenty
people wait for in turn (decision 0053). `tests/app/test_plot.py` has them check what is made here instead.
"""

from __future__ import annotations

import base64
import json
import math
from functools import cache
from typing import Any

import numpy as np

Trace = dict[str, Any]
_SHORT = {"float32": "f4", "float64": "f8", "int32": "i4", "uint32": "u4", "int16": "i2", "uint16": "u2"}
_SHORT |= {"int8": "i1", "uint8": "u1"}


def scatter(**given: Any) -> Trace:
    return {"type": "scatter", **given}


def bar(**given: Any) -> Trace:
    return {"type": "bar", **given}


def heatmap(**given: Any) -> Trace:
    return {"type": "heatmap", **given}


class Plot:
    """Traces, layout and frames. Its methods are named as plotly's, and change the figure in place."""

    def __init__(self, *traces: Trace) -> None:
        self.data = list(traces)
        self.layout: dict[str, Any] = {"template": _template(), "xaxis": {}, "yaxis": {}}
        self.frames: list[dict[str, Any]] = []

    def add_trace(self, trace: Trace, suffix: str = "") -> None:
        """suffix: of the axes of its panel, "" for the first, "2", ..."""
        self.data.append(trace | {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}"})

    def update_layout(self, **given: Any) -> Plot:
        _merge(self.layout, given)
        return self

    def update_xaxes(self, **given: Any) -> None:
        self._update_axes("xaxis", given)

    def update_yaxes(self, **given: Any) -> None:
        self._update_axes("yaxis", given)

    def _update_axes(self, kind: str, given: dict[str, Any]) -> None:
        for name, axis in self.layout.items():
            if name.startswith(kind):
                _merge(axis, given)

    def add_annotation(self, **given: Any) -> None:
        self.layout.setdefault("annotations", []).append(given)

    def add_shape(self, **given: Any) -> None:
        self.layout.setdefault("shapes", []).append(given)

    def add_vline(self, x: float, line: dict[str, Any]) -> None:
        self.add_shape(type="line", xref="x", x0=x, x1=x, yref="y domain", y0=0, y1=1, line=line)

    def add_hline(self, y: float, line: dict[str, Any]) -> None:
        self.add_shape(type="line", xref="x domain", x0=0, x1=1, yref="y", y0=y, y1=y, line=line)

    def to_json(self) -> str:
        """As plotly.js takes it: arrays in base64, null for what is not finite."""
        whole = {"data": self.data, "layout": self.layout} | ({"frames": self.frames} if self.frames else {})
        return json.dumps(_plain(whole), allow_nan=False, separators=(",", ":"))


def panels(rows: int, columns: int, *, across: float, down: float = 0.0, same_y: bool = False) -> Plot:
    """A grid of panels, row by row from the top, with gaps of these shares of the whole between them.

    Those of a column show the same x, and its numbers stand below the lowest alone. same_y: so do those of a row.
    """
    figure = Plot()
    wide, high = (1 - across * (columns - 1)) / columns, (1 - down * (rows - 1)) / rows
    for place in range(rows * columns):
        row, column = divmod(place, columns)
        left, low = column * (wide + across), (rows - 1 - row) * (high + down)
        axes = suffix(place)
        x: dict[str, Any] = {"anchor": f"y{axes}", "domain": [left, min(1.0, left + wide)]}
        y: dict[str, Any] = {"anchor": f"x{axes}", "domain": [low, min(1.0, low + high)]}
        if row < rows - 1:
            x |= {"matches": f"x{suffix((rows - 1) * columns + column)}", "showticklabels": False}
        if same_y and column:
            y |= {"matches": f"y{suffix(place - column)}", "showticklabels": False}
        figure.layout |= {f"xaxis{axes}": x, f"yaxis{axes}": y}
    return figure


def suffix(place: int) -> str:
    """Of the axes of a panel, which plotly counts from 1 and does not write at the first."""
    return str(place + 1) if place else ""


@cache
def _template() -> dict[str, Any]:
    """Of plotly's usual look what its own frame leaves to it; the rest of it is colours, which frame.framed gives."""
    axis = {"ticks": "", "title": {"standoff": 15}, "automargin": True, "zerolinewidth": 2}
    pattern = {"fillmode": "overlay", "size": 10, "solidity": 0.2}
    return {
        "layout": {
            "autotypenumbers": "strict",
            "hovermode": "closest",
            "hoverlabel": {"align": "left"},
            "xaxis": axis,
            "yaxis": axis,
            "annotationdefaults": {"arrowhead": 0, "arrowwidth": 1},
        },
        "data": {
            "scatter": [{"type": "scatter", "fillpattern": pattern}],
            "bar": [{"type": "bar", "marker": {"line": {"color": "#E5ECF6", "width": 0.5}, "pattern": pattern}}],
            "heatmap": [{"type": "heatmap", "colorbar": {"outlinewidth": 0, "ticks": ""}}],
        },
    }


def _merge(whole: dict[str, Any], part: dict[str, Any]) -> None:
    """Set what `part` has, within dicts of the same name too. None says nothing."""
    for name, value in part.items():
        if isinstance(value, dict):
            _merge(whole.setdefault(name, {}), value)
        elif value is not None:
            whole[name] = value


def _plain(value: Any) -> Any:
    """The same in what JSON has."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items() if one is not None}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, np.ndarray):
        return _array(value)
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _array(values: np.ndarray) -> Any:
    """Numbers as plotly.js reads them at once: their type, their bytes and, of a table, its shape."""
    if values.dtype.kind not in "fiu" or not values.size:
        return _plain(values.tolist())
    if values.dtype.itemsize == 8 and values.dtype.kind in "iu":
        values = values.astype(np.int32)
    told = {"dtype": _SHORT[str(values.dtype)], "bdata": base64.b64encode(values.tobytes()).decode("ascii")}
    return told | ({"shape": ", ".join(map(str, values.shape))} if values.ndim > 1 else {})
