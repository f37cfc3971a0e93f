from __future__ import annotations

import pytest

from app import link
from app.kept import Kept
from app.link import Look, Pair
from app.theme import SIGNALS


def test_a_link_brings_back_what_was_looked_at() -> None:
    look = Look("momentum", 1, 61, 0, (100, 400), (119, 130), "mean", 0, "sentence", "max", ("theta", "nll"))
    written = look.address
    assert written == {
        "signal": "momentum",
        "layer": "2",
        "token": "62",
        "span": "101-400",
        "range": "120-130",
        "map": "mean",
        "unit": "sentence",
        "rule": "max",
        "underline": "theta.nll",
    }
    query = {name: value for name, value in written.items() if value is not None}
    assert link.read(query, SIGNALS) == {
        "signal": "momentum",
        "layer": 1,
        "token": 61,
        "span": (100, 400),
        "range": (119, 130),
        "map": "mean",
        "unit": "sentence",
        "rule": "max",
        "underlines": ("theta", "nll"),
    }


def test_the_two_that_are_compared_are_in_the_link_unless_they_are_last_and_first() -> None:
    assert Pair(0, 2, ratio=True).address(3) == {"a": "1", "b": "3", "by": "ratio"}
    assert Pair(2, 0).address(3) == {"a": None, "b": None, "by": None}
    assert link.read({"a": "1", "b": "3", "by": "ratio"}, SIGNALS) == {"a": 0, "b": 2, "by": "ratio"}
    assert link.read({"a": "0", "b": "-1", "by": "magic"}, SIGNALS) == {}


def test_what_is_not_chosen_is_not_in_the_link() -> None:
    written = Look("surprise", None, None, 0, rule="max").address  # a token has one value: no rule is needed
    assert {name for name, value in written.items() if value is not None} == {"signal"}


@pytest.mark.parametrize(
    "query",
    [
        {"signal": "nonsense"},
        {"signal": "<b>surprise</b>"},
        {"layer": "0"},
        {"layer": "-1"},
        {"token": "1e3"},
        {"token": "٣"},
        {"token": "9" * 13},
        {"token": ""},
        {"span": "400-101"},
        {"span": "0-10"},
        {"span": "5"},
        {"span": "5-"},
        {"range": "1-2-3"},
        {"map": "median"},
        {"unit": "line"},
        {"rule": "median"},
        {"underline": "<b>."},
        {"underline": ""},
    ],
)
def test_what_cannot_be_meant_is_ignored(query: dict[str, str]) -> None:
    assert link.read(query | {"run": "x"}, SIGNALS) == {}


def test_of_underlines_the_first_two_known_ones_count() -> None:
    assert link.read({"underline": "theta.x.theta.nll.alpha"}, SIGNALS) == {"underlines": ("theta", "nll")}


@pytest.mark.parametrize(
    ("report", "meant"),
    [
        ([3, 9, 1732], (3, 9)),
        ([-1, -1, 1732], None),
        ([9, 3, 1732], None),
        ([3], None),
        ([True, 9, 1], None),
        (["3", 9, 1], None),
        ([0.5, 9, 1], None),
        (None, None),
        ("39", None),
    ],
)
def test_what_a_browser_reports_is_checked(report: object, meant: tuple[int, int] | None) -> None:
    assert link.ends(report) == meant


def test_a_cache_forgets_what_was_used_longest_ago() -> None:
    made: list[str] = []

    def make(key: str) -> bytes:
        made.append(key)
        return b"x" * int(key[1:])

    kept = Kept(10, make, len)
    for key in ("a4", "b4", "a4", "c4", "a4", "b4"):
        assert len(kept(key)) == 4
    assert made == ["a4", "b4", "c4", "b4"], "c4 pushed out b4, because a4 was used after it"
    assert len(kept("d11")) == 11
    assert len(kept("d11")) == 11
    assert made[-2:] == ["d11", "d11"], "larger than all that may be kept"
    kept("a4")
    assert made.count("a4") == 1
