"""Passages: the highest stretches, apart from each other, in whole words."""

from __future__ import annotations

import itertools
import re

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


def placed(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Where words begin and end."""
    spans = np.array([match.span() for match in re.finditer(r"\S+", text)])
    return spans[:, 0], spans[:, 1]


def test_a_refrain_is_shown_once() -> None:
    days = [" ".join(f"word{k}x{place}" for place in range(40)) for k in range(8)]
    text = " ".join(f"{day} Nine boats went out, nine boats came back." for day in days)
    start, end = placed(text)
    rng = np.random.default_rng(0)
    values = rng.random(len(start))
    for k, word in enumerate(text.split()):
        values[k] += 10 * (word in ("boats", "came", "back."))  # the highest windows are not all cut alike
    found = passages(values, start, end, text)
    assert len(found) == 5
    assert sum("boats came back" in one.core for one in found) == 1
    assert "boats" in found[0].core


def test_what_is_shown_never_overlaps() -> None:
    text = " ".join(f"{k:03d}" for k in range(400))
    start, end = placed(text)
    values = np.zeros(400, np.float32)
    values[[100, 119, 138, 157]] = [9, 8, 7, 6]  # so near that the words around one are those of the next
    values[300] = 1
    found = passages(values, start, end, text)
    around = [one.before + one.core + one.after for one in found]
    spans = sorted((text.index(shown), text.index(shown) + len(shown)) for shown in around)
    assert all(stop <= begin for (_, stop), (begin, _) in itertools.pairwise(spans))
    assert [one.token for one in found] == [100, 138, 300]


def test_a_text_of_one_phrase_has_one_passage() -> None:
    text = "all work and no play " * 20_000
    start, end = placed(text)
    assert len(passages(np.ones(len(start)), start, end, text)) == 1
