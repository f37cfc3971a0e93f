from __future__ import annotations

from dataclasses import replace

import pytest

from app import link
from app.kept import Kept
from app.link import Look, Pair
from app.theme import SIGNALS


def test_a_link_brings_back_what_was_looked_at() -> None:
    look = Look("momentum", 1, 61, 0, (100, 400), (119, 130), "mean", 0, "sentence", "max", ("theta", "nll"))
    look = replace(look, kind="lasting", path=2, find="Boats & lamp", match=1)
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
        "passages": "lasting",
        "path": "3",
        "find": "Boats & lamp",
        "match": "2",
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
        "kind": "lasting",
        "path": 2,
        "find": "Boats & lamp",
        "match": 1,
    }
    assert link.left_out(query, look, Pair(1, 0), 500, SIGNALS) == []


def test_the_two_that_are_compared_are_in_the_link_unless_they_are_last_and_first() -> None:
    assert Pair(0, 2, ratio=True).address(3) == {"a": "1", "b": "3", "by": "ratio"}
    assert Pair(2, 0).address(3) == {"a": None, "b": None, "by": None}
    assert link.read({"a": "1", "b": "3", "by": "ratio"}, SIGNALS) == {"a": 0, "b": 2, "by": "ratio"}
    assert link.read({"a": "0", "b": "-1", "by": "magic"}, SIGNALS) == {}


def test_what_is_not_chosen_is_not_in_the_link() -> None:
    # A token has one value and no words have no match: neither is needed. Nor are passages of the signal itself.
    written = Look("forgotten", None, None, 0, rule="max", kind="forgotten", match=3).address
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
        {"passages": "surprise"},
        {"path": "0"},
        {"find": "x" * 101},
        {"match": "-1"},
        {"underline": "<b>."},
        {"underline": ""},
    ],
)
def test_what_cannot_be_meant_is_ignored(query: dict[str, str]) -> None:
    assert link.read(query | {"run": "x"}, SIGNALS) == {}


def test_of_underlines_the_first_two_known_ones_count() -> None:
    assert link.read({"underline": "theta.x.theta.nll.alpha"}, SIGNALS) == {"underlines": ("theta", "nll")}


@pytest.mark.parametrize(
    "asked",
    [
        {"signal": "nonsense"},
        {"signal": "gate"},  # a signal, but none of these runs
        {"layer": "9"},
        {"path": "9"},
        {"token": "501"},
        {"token": "x" * 60},
        {"range": "400-501"},
        {"span": "0-3"},
        {"map": "median"},
        {"unit": "line"},
        {"underline": "theta.nonsense"},
        {"underline": "theta.gate"},
        {"underline": "theta.alpha.eta"},
        {"passages": "best"},
        {"a": "7"},
        {"by": "magic"},
    ],
)
def test_what_a_link_asks_for_in_vain_is_named(asked: dict[str, str]) -> None:
    held = Look("surprise", None, None, 0, underlines=("theta",))
    ((name, value),) = asked.items()
    assert link.left_out(asked, held, Pair(1, 0), 500, SIGNALS) == [f"{name}={value[:40]}{'…' * (len(value) > 40)}"]


def test_what_a_link_gets_is_not_named() -> None:
    held = Look("surprise", None, 4, 0)
    asked = {"run": "x", "embed": "true", "signal": "surprise", "token": "5", "span": "1-500", "map": "max", "a": "2"}
    assert link.left_out(asked, held, Pair(1, 0), 500, SIGNALS) == []


@pytest.mark.parametrize(
    ("words", "at", "kept"),
    [("boats", 2, ("boats", 2)), ("boats", -1, ("boats", None)), ("x" * 101, 3, ("", None)), (None, 3, ("", None))],
)
def test_what_is_searched_for_is_kept_if_it_fits_an_address(words: object, at: int, kept: tuple[str, int]) -> None:
    assert link.told("find", [words, at, 1732], SIGNALS) == {"find": kept[0], "match": kept[1]}


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
