"""Where in a text a page opens."""

from __future__ import annotations

import numpy as np
import pytest

from app.opening import highest_word

PIECES = ["The", " end", ".", "\n\n", " 7", "é", "—"]
TEXT = "".join(PIECES)
END = np.cumsum([len(piece) for piece in PIECES])
START = END - [len(piece) for piece in PIECES]


@pytest.mark.parametrize(
    ("values", "skip", "token"),
    [
        ([1, 2, 9, 8, 3, 2, 9], 0, 4),  # a digit is a word, a full stop and a line end are none
        ([7, 2, 9, 8, 3, 4, 9], 1, 4),  # the first token is left out, and with é no word begins
        ([np.nan, 2, 9, np.inf, np.nan, 1, 9], 0, 1),
        ([np.nan, np.nan, 8, 9, np.nan, np.nan, 7], 0, 3),  # no word has a value
    ],
)
def test_a_page_opens_at_the_highest_word(values: list[float], skip: int, token: int) -> None:
    assert highest_word(np.array(values, np.float32), START, END, TEXT, skip) == token


def test_of_a_long_text_the_highest_word_is_found_too() -> None:
    count = 50_000
    values = np.random.default_rng(3).permutation(count).astype(np.float32)
    start = 2 * np.arange(count)
    text = "".join(". " if value > count - 200 else "a " for value in values)
    assert values[highest_word(values, start, start + 2, text)] == count - 200
    assert values[highest_word(values, start, start + 2, ". " * count)] == count - 1
