"""Passages: the highest stretches, apart from each other, in whole words."""

from __future__ import annotations

import numpy as np

from titans_core.passages import SPAN, inside_segments, passages

TEXT = " ".join(f"word{i:03d}" for i in range(100))
START = np.array([0 if i == 0 else 8 * i - 1 for i in range(100)])
END = np.array([8 * i + 7 for i in range(100)])


def test_peaks_come_highest_first_and_apart() -> None:
    values = np.ones(100, np.float32)
    values[20], values[21], values[70] = 9, 8, 20
    first, second, third = passages(values, START, END, TEXT, count=3)
    assert (first.token, second.token) == (70, 20)
    assert first.value == np.float32((20 + SPAN - 1) / SPAN)
    assert abs(third.token - 20) > SPAN
    assert abs(third.token - 70) > SPAN


def test_the_core_is_in_the_text_with_what_stands_around_it() -> None:
    values = np.zeros(100, np.float32)
    values[50] = 1
    (found,) = passages(values, START, END, TEXT, count=3)[:1]
    assert "word050" in found.core
    around = found.before + found.core + found.after
    assert around in TEXT
    assert len(around) > len(found.core) + 16
    assert set(around.split()) <= set(TEXT.split()), "it begins and ends with whole words"


def test_undefined_and_short_texts() -> None:
    assert passages(np.full(3, np.nan), START[:3], END[:3], TEXT[:23]) == []
    (only,) = passages(np.array([2.0]), START[:1], END[:1], "word000")
    assert (only.token, only.core, only.before, only.after) == (0, "word000", "", "")


def test_segment_starts_are_left_out_for_mac_alone() -> None:
    values = np.arange(10, dtype=np.float32)
    kept = inside_segments(values, 4)
    assert np.flatnonzero(np.isnan(kept)).tolist() == [4, 8]
    assert not np.isnan(values).any()
    assert inside_segments(values, None) is values
