"""What a session takes over of the browser's reports."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from app import state
from app.link import Pair


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    monkeypatch.setattr(state, "st", SimpleNamespace(session_state=kept))
    return kept


def report(session: dict[str, Any], key: str, name: str, value: object) -> None:
    session[key] = {name: value}
    state.follow(key, name)()


@pytest.mark.parametrize(
    ("name", "told", "taken"),
    [
        ("signal", ["momentum", 9], "momentum"),
        ("layer", [2, 9], 2),
        ("layer", [None, 9], None),
        ("token", [61, 9], 61),
        ("token", [-1, 9], None),
        ("range", [3, 8, 9], (3, 8)),
        ("range", [-1, -1, 9], None),
        ("theme", ["dark", 9], "dark"),
        ("map", ["mean", 9], "mean"),
        ("span", [3, 8, 9], (3, 8)),
        ("span", [-1, -1, 9], None),
        ("unit", ["word", 9], "word"),
        ("rule", ["max", 9], "max"),
        ("underlines", [["theta", "alpha"], 9], ("theta", "alpha")),
        ("underlines", [[], 9], ()),
        ("underlines", [["<b>", 3], 9], ()),
    ],
)
def test_what_the_browser_chose_is_taken_over(
    name: str, told: list[Any], taken: object, session: dict[str, Any]
) -> None:
    report(session, "text_heatmap", name, told)
    assert session[name] == taken
    assert session["at"] == 9


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("signal", ["<b>", 9]),
        ("signal", [["surprise"], 9]),
        ("signal", "momentum"),
        ("token", 61),
        ("token", [61]),
        ("token", [61, "9"]),
        ("theme", [None, 9]),
        ("map", ["median", 9]),
        ("unit", ["line", 9]),
        ("rule", [["max"], 9]),
        ("span", None),
    ],
)
def test_what_cannot_be_meant_changes_nothing(name: str, told: object, session: dict[str, Any]) -> None:
    report(session, "timelines", name, told)
    assert name not in session


def test_the_newest_choice_counts_and_a_figure_leads_the_text(session: dict[str, Any]) -> None:
    report(session, "text_heatmap", "token", [61, 30])
    assert "nonce" not in session, "the text knows it already"
    report(session, "timelines", "token", [70, 20])
    assert (session["token"], session["nonce"], session["at"]) == (70, 1, 30)
    report(session, "layer_map", "span", [100, 200, 40])
    assert (session["token"], session["nonce"], session["at"]) == (70, 1, 40), "a zoom selects nothing"


def test_the_pair_is_that_of_the_address_until_other_runs_are_shown(session: dict[str, Any]) -> None:
    runs = ["x", "y", "z"]
    assert state.pair(runs) == Pair(2, 0)
    session.update(a=0, b=1, by="ratio")  # as link.read gives them
    assert state.pair(runs) == Pair(0, 1, ratio=True)
    state.compare(runs, Pair(1, 0, ratio=True))
    assert state.pair(runs) == Pair(1, 0, ratio=True)
    assert state.pair([*runs, "new"]) == Pair(3, 0, ratio=True), "a new run is compared with the first"


def test_a_pair_that_the_runs_lack_is_not_taken(session: dict[str, Any]) -> None:
    session.update(a=7, b=0)
    assert state.pair(["x", "y"]) == Pair(1, 0)
