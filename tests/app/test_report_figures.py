"""The figures of a report are those of the page: the same order, the same scale, the same words."""

from __future__ import annotations

import re

import numpy as np
import pytest
import xarray as xr

from app.exports import drawings, svg
from app.exports.names import View
from app.figures import layers, token
from app.theme import number

VIEW = View("surprise", None, None)


def test_the_first_layer_is_lowest_as_on_the_page(traces: list[xr.Dataset]) -> None:
    html = drawings.layer_map(traces[:1], VIEW)
    assert re.findall(r">(L\d)<", html) == ["L3", "L2", "L1"]
    places = [float(y) for y in re.findall(r'y="([\d.]+)" class="tick" text-anchor="end">L\d', html)]
    assert places == sorted(places)
    limits = layers.layer_scale(traces[:1], "surprise")
    lowest = traces[0]["surprise"].values[0]
    drawn = set(re.findall(rf'class="m(\d+)" d="[^"]*M[\d.]+ {places[-1] - 15:.1f}h', html))
    assert drawn == {str(step) for step in svg.level(lowest, limits.low, limits.high)}, "in the row of its name"


@pytest.mark.parametrize("signal", ["surprise", "alpha", "alignment"])
def test_the_layer_map_has_the_pages_scale_and_says_it(traces: list[xr.Dataset], signal: str) -> None:
    facts, _ = layers.drawing(traces, signal)
    html = drawings.layer_map(traces, VIEW._replace(signal=signal))
    ends = re.findall(r'y="17.0" class="tick" text-anchor="\w+">([^<]+)<', html)
    assert ends == [number(facts["low"]), number(facts["high"])]
    assert facts["note"].endswith(drawings.layer_note(traces, VIEW._replace(signal=signal)))


def test_a_long_text_has_the_pages_bins(traces: list[xr.Dataset]) -> None:
    ds = traces[0].isel(token=np.arange(5_000) % traces[0].sizes["token"])
    facts, _ = layers.drawing([ds], "surprise")
    assert facts["note"].endswith(drawings.layer_note([ds], VIEW))
    assert number(facts["high"]) in drawings.layer_map([ds], VIEW)


def test_the_layer_of_the_lines_is_said(traces: list[xr.Dataset]) -> None:
    assert drawings.note(traces, VIEW).startswith("Root of summed squares over 3 layers.")
    assert drawings.note(traces, VIEW._replace(layer=1)).startswith("Layer 2.")


def test_where_nothing_moved_no_bar_is_drawn(traces: list[xr.Dataset]) -> None:
    ds = traces[0].assign({name: 1e-23 + 0 * traces[0][name] for name in token.MOVES})
    assert drawings.moves([ds], VIEW._replace(token=5)) == ""
    assert "<rect" in drawings.moves([ds, traces[1]], VIEW._replace(token=5))
