"""Every trained model has a colour of its own, for eyes of every kind, on both grounds."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

import titans_core as tc
from app.theme import DARK, LIGHT, VARIANTS, Palette

# Linear RGB as seen with one kind of cone missing: Machado, Oliveira and Fernandes 2009, severity 1.
EYES = {
    "normal": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
CONES = [[0.41222, 0.53633, 0.05145], [0.21190, 0.68070, 0.10740], [0.08830, 0.28172, 0.62998]]
LAB = [[0.21045, 0.79362, -0.00407], [1.97800, -2.42859, 0.45059], [0.02590, 0.78277, -0.80868]]
APART = 0.06  # in Oklab, where white is 1 from black
CONTRAST = 3.0  # WCAG 1.4.11, of what is drawn on its ground


def linear(colour: str) -> np.ndarray:
    parts = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def oklab(colour: str, eye: str) -> np.ndarray:
    seen = np.clip(np.array(EYES[eye]) @ linear(colour), 0, 1)
    return np.array(LAB) @ np.cbrt(np.array(CONES) @ seen)


def contrast(one: str, other: str) -> float:
    low, high = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_variants_are_told_apart_and_seen(palette: Palette) -> None:
    assert set(palette.variants) == set(VARIANTS) >= set(tc.checkpoints())
    for (a, one), (b, other) in combinations(palette.variants.items(), 2):
        for eye in EYES:
            assert np.linalg.norm(oklab(one, eye) - oklab(other, eye)) >= APART, f"{a} and {b}, {eye}"
    assert all(contrast(colour, palette.panel) >= CONTRAST for colour in palette.variants.values())


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_further_runs_of_every_model_have_a_colour(palette: Palette) -> None:
    for checkpoint in (*VARIANTS, "elsewhere"):
        own = [palette.run(checkpoint, order) for order in range(8)]
        assert len(set(own[:6])) == 6, "with the dashes, no two of eight look the same"
        assert not set(own[1:]) & set(palette.variants.values())
