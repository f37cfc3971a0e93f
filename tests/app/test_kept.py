"""A cache bounded by bytes."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.kept import Kept


def test_what_was_used_longest_ago_goes_first() -> None:
    made: list[str] = []
    kept = Kept(10, lambda key: (made.append(key), key)[1], len)
    for key in ("aaaa", "bbbb", "aaaa", "cccc", "aaaa", "bbbb"):
        assert kept(key) == key
    assert made == ["aaaa", "bbbb", "cccc", "bbbb"]


def test_what_is_too_large_is_made_but_not_kept() -> None:
    made: list[str] = []
    kept = Kept(3, lambda key: (made.append(key), key)[1], len)
    assert (kept("aaaa"), kept("aaaa"), kept("b"), kept("b")) == ("aaaa", "aaaa", "b", "b")
    assert made == ["aaaa", "aaaa", "b"]


def test_two_who_ask_at_once_have_it_made_once_and_hold_up_nobody_else() -> None:
    made: list[str] = []
    going = threading.Event()

    def make(key: str) -> str:
        made.append(key)
        if key == "slow":
            going.set()
            time.sleep(0.3)
        return key

    kept = Kept(100, make, len)
    with ThreadPoolExecutor(3) as pool:
        slow = [pool.submit(kept, "slow") for _ in range(2)]
        assert going.wait(5)
        began = time.monotonic()
        assert pool.submit(kept, "quick").result() == "quick"
        assert time.monotonic() - began < 0.25
        assert [one.result() for one in slow] == ["slow", "slow"]
    assert sorted(made) == ["quick", "slow"]


def test_what_fails_is_tried_again() -> None:
    tries: list[int] = []

    def make(key: str) -> str:
        tries.append(1)
        if len(tries) == 1:
            raise OSError(key)
        return key

    kept = Kept(100, make, len)
    with pytest.raises(OSError, match="a"):
        kept("a")
    assert kept("a") == "a"
