"""What the memory buys: the same text with reads zeroed, and the bits between them, against the two traces."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import comparisons, runs
from app.jobs import Job, Progress
from app.runs import shared
from tests.app.conftest import TEXT
from tests.app.test_explore import open_page, settle
from titans_core.probes.comparing import won

Finish = Callable[..., Progress]


@pytest.fixture
def nothing_shared() -> Iterator[None]:
    """No reading that another test asked for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared, "_first", {})
        yield


def panel(page: AppTest) -> str:
    return " ".join(m.value for m in page.main.markdown if "bits" in m.value)


def test_the_bits_are_those_of_the_two_traces(finished: dict[str, str], finish: Finish, nothing_shared: None) -> None:
    run = finished["mag"]
    page = open_page([run])
    assert "saved" not in panel(page)
    page.button(key="worth_start").click().run()
    (zeroed,) = shared._first.values()
    assert finish(zeroed).state == "done"
    page.run()
    assert not page.exception
    gain = runs.trace(zeroed)["nll"].values - runs.trace(run)["nll"].values
    total = float(np.nansum(gain))
    assert f"**{total:,.0f} bits**".replace("-", "−") in panel(page)
    assert f"{np.nansum(gain.clip(min=0)):,.0f} won" in panel(page)
    drawn = [e.proto.json for e in page.get("bidi_component") if "bits that the memory saved" in e.proto.json]
    assert len(drawn) == 1
    assert f'"run": "{run}"' in drawn[0] or f'"run":"{run}"' in drawn[0]


def test_passages_helped_and_misled_have_the_sign_of_the_gain(
    finished: dict[str, str], finish: Finish, nothing_shared: None
) -> None:
    page = open_page([finished["mag"]])
    page.button(key="worth_start").click().run()
    (zeroed,) = shared._first.values()
    finish(zeroed)
    gain = won(runs.trace(finished["mag"]), runs.trace(zeroed))
    helped, misled = comparisons.saved(finished["mag"], zeroed)
    assert helped
    assert all(p.value > 0 for p in helped)
    assert all(p.value < 0 for p in misled)
    assert gain[helped[0].token] > 0
    assert helped[0].value == max(p.value for p in helped)


def test_one_of_several_memories_is_chosen(finished: dict[str, str], finish: Finish, nothing_shared: None) -> None:
    page = open_page(list(finished.values()))
    (choice,) = [c for c in page.segmented_control if str(c.key).startswith("worth of")]
    assert list(choice.options) == ["MAC", "MAG", "MAL"]
    choice.set_value(finished["mal"]).run()
    page.button(key="worth_start").click().run()
    at = runs.progress(next(iter(shared._first.values())))
    assert at is not None
    assert at.checkpoint == "mal"
    settle(page, finish)


def test_a_run_that_was_changed_is_not_asked_about(store: object, finish: Finish) -> None:
    run = runs.engine().submit(Job("mag", TEXT, "A test text", changes=("reads=off",)))
    assert finish(run).state == "done"
    page = open_page([run])
    assert not [b for b in page.button if b.key == "worth_start"]
