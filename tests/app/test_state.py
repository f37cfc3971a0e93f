"""What a session takes over of the browser's reports."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from app.link import Pair
from app.state import address, looking

RUNS = ["a" * 32, "b" * 32]


class QueryParams(dict[str, Any]):
    """Streamlit's, as far as it is used. written: every address that was set."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[dict[str, Any]] = []

    def get_all(self, name: str) -> list[str]:
        return list(self.get(name, []))

    def to_dict(self) -> dict[str, str]:
        return {name: value[-1] if isinstance(value, list) else value for name, value in self.items()}

    def from_dict(self, address: dict[str, Any]) -> None:
        self.written.append(address)
        self.clear()
        self.update(address)


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    browser = SimpleNamespace(session_state=kept, query_params=QueryParams())
    for module in (address, looking):
        monkeypatch.setattr(module, "st", browser)
    return kept


def report(session: dict[str, Any], key: str, name: str, value: object) -> None:
    session[key] = {name: value}
    looking.follow(key, name)()


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
    assert looking.pair(runs) == Pair(2, 0)
    session.update(a=0, b=1, by="ratio")  # as link.read gives them
    assert looking.pair(runs) == Pair(0, 1, ratio=True)
    looking.compare(runs, Pair(1, 0, ratio=True))
    assert looking.pair(runs) == Pair(1, 0, ratio=True)
    assert looking.pair([*runs, "new"]) == Pair(3, 0, ratio=True), "a new run is compared with the first"


def test_a_pair_that_the_runs_lack_is_not_taken(session: dict[str, Any]) -> None:
    session.update(a=7, b=0)
    assert looking.pair(["x", "y"]) == Pair(1, 0)


def test_each_change_of_the_address_is_one_entry_in_the_history(session: dict[str, Any]) -> None:
    bar = address.st.query_params
    address.said(
        {"signal": "momentum", "layer": None, "token": "5", "range": "5-9", "a": "2", "match": "3", "find": "x"}
    )
    address.show([RUNS[0]])
    assert bar.written == [{"run": [RUNS[0]], "signal": "momentum", "find": "x"}], "places are of another text"
    address.add(RUNS[1])
    assert bar["run"] == RUNS
    assert (bar.get("token"), bar.get("a")) == ("5", None), "the text is the same, but not the pair"


def test_after_a_run_that_came_to_nothing_the_address_says_all_that_is_shown(session: dict[str, Any]) -> None:
    address.said({"signal": "momentum", "layer": None, "token": "5"})
    address.show([RUNS[1]])
    address.fall_back([RUNS[0]])
    assert address.st.query_params == {"run": [RUNS[0]], "signal": "momentum", "token": "5"}
    assert address.ended() == (RUNS[1],)


def test_a_link_and_the_history_bring_their_whole_view_and_a_new_run_keeps_it(session: dict[str, Any]) -> None:
    bar = address.st.query_params
    bar.update({"run": RUNS[:1], "layer": "2", "token": "7", "passages": "lasting", "find": "boats"})
    assert looking.arrive("text 1") == bar.to_dict()
    assert (session["layer"], session["token"], looking.arrivals()) == (1, 6, 1)
    assert looking.arrive("text 1") is None, "nothing is new"
    session["unit"] = "word"
    address.show([RUNS[1]])
    assert looking.arrive("text 2") == {}
    assert "token" not in session
    assert (session["layer"], session["unit"], session["find"], looking.arrivals()) == (1, "word", "boats", 1)
    bar.from_dict({"run": RUNS[:1], "token": "7"})  # Back
    assert looking.arrive("text 1") == bar.to_dict()
    assert session["token"] == 6
    assert not session.keys() & {"layer", "unit", "find", "kind"}, "what the link does not say is the default"
    assert looking.arrivals() == 2


def test_another_layer_takes_the_path_with_it(session: dict[str, Any]) -> None:
    looking.choose("path", 2)
    assert (looking.path(3), looking.path(2)) == (2, None)
    report(session, "text_heatmap", "layer", [1, 9])
    assert looking.path(3) is None


def test_what_the_address_names_beside_runs(session: dict[str, Any]) -> None:
    address.st.query_params["run"] = [RUNS[0], "<b>"]
    assert (address.not_runs(), address.wrong_address()) == (["<b>"], False)
