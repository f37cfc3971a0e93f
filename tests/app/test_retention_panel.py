"""The retention map and the forgetting curve: their numbers are those of the probe, their places those of the text."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

import titans_core as tc
from app import runs
from app.figures import forgetting, retention, retention_words
from app.figures.retention import Answer
from app.jobs import Probe, Progress, Subject
from app.probing import retention as kind
from app.theme import DARK, LIGHT
from app.views.retention_places import where
from tests.app.plotted import plotted
from titans_core.probes.places import plant
from titans_core.probes.retention import retention as probed

Finish = Callable[..., Progress]
HOSTILE = "<b onmouseover=alert(1)>"
TEXT = f"The {HOSTILE} keeper walked along the shore, and it rained.\nShe found 37 stones & a piano there.\n\n" * 16
FACT = "The number of the harbour book is 7304416."
PLACE = plant(TEXT, FACT, 0.4)
SUBJECT = Subject(
    "A log", *PLACE, FACT[:34], "7304416", True, (0, 300, 700), ((5, 1, f"Log {HOSTILE}"), (600, 2, "Storm"))
)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As in the worker, so that the last digits are the same."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def subject(store: Path) -> str:
    return runs.engine().keep_subject(SUBJECT)


@pytest.fixture(scope="module")
def answer(subject: str, finish: Finish) -> Answer:
    """What the worker finds, begun as the panel begins it."""
    page = panel(subject)
    assert not page.get("plotly_chart")
    (button,) = page.button
    assert button.label.startswith("Map: takes")
    button.click().run()
    assert not page.exception
    probe = Probe("retention", subject, "mag", "")
    assert finish(probe.id).state == "done"
    found = runs.engine().answer(probe.id)
    assert found is not None
    return found


def panel(subject: str, *checkpoints: str) -> AppTest:
    def script(subject: str, checkpoints: list[str]) -> None:
        from app.runs import subjects
        from app.views import retention_panel

        found = subjects.subject(subject)
        assert found is not None
        retention_panel.panel(subject, found, tuple(checkpoints), "cpu")

    asked = {"subject": subject, "checkpoints": list(checkpoints or ["mag"])}
    page = AppTest.from_function(script, kwargs=asked, default_timeout=60).run()
    assert not page.exception
    return page


def said(page: AppTest) -> str:
    return " ".join(element.value for part in ("markdown", "caption") for element in page.get(part))


def test_the_panel_says_why_a_short_half_life_does_not_mean_that_the_fact_is_lost(subject: str) -> None:
    told = said(panel(subject))
    assert "most of them of ordinary words and soon written over; whether a fact is kept they do not say" in told
    assert "Recall, above, asks for the fact itself." in told


def test_the_panel_shows_what_the_probe_finds(answer: Answer, subject: str) -> None:
    model = tc.load("mag")
    encoding = model.tokenizer.encode(SUBJECT.text)
    found = probed(model, encoding.ids)
    assert SUBJECT.text[answer["row_characters"][3] :].startswith(encoding_text(encoding, found.rows[3]))
    assert answer["row_characters"][-1] == len(SUBJECT.text)
    assert answer["time_characters"] == [int(encoding.end[t - 1]) for t in found.times]
    first, last = answer["fact"]
    assert SUBJECT.text[encoding.start[first] : encoding.end[last - 1]].strip() == FACT

    page = panel(subject)
    chart, curve = (json.loads(one.proto.spec) for one in page.get("plotly_chart"))
    np.testing.assert_allclose(values(chart["data"][0]["z"], found.map().shape), found.map(), atol=1e-3)
    assert (chart["data"][0]["zmin"], chart["data"][0]["zmax"]) == (0, 1)
    gates, left = (values(trace["y"]) for trace in curve["data"])
    np.testing.assert_allclose(left, found.curve()[found.lags[:-1] > 0], atol=1e-3)
    np.testing.assert_allclose(gates, found.curve(gates=True)[found.lags[:-1] > 0], atol=1e-3)
    half = found.half_life()
    assert f"half-life {half:.0f} tokens" in str(curve["layout"]["annotations"])
    assert f"MAG, all layers: {half:.0f} tokens later at most half of a write is left" in said(page)
    assert f"Read: all {len(encoding):,} tokens. Asked for: every token, at {len(found.times)} later moments." in said(
        page
    )
    assert not page.button, "it is answered"


def encoding_text(encoding: Any, token: int) -> str:
    return SUBJECT.text[encoding.start[token] : encoding.end[token]]


def values(packed: Any, shape: tuple[int, ...] = (-1,)) -> np.ndarray:
    """An array as plotly sends it."""
    if isinstance(packed, list):
        return np.array(packed, np.float64).reshape(shape)

    return np.frombuffer(base64.b64decode(packed["bdata"]), packed["dtype"]).reshape(shape)


def test_a_layer_can_be_chosen(answer: Answer, subject: str) -> None:
    page = panel(subject)
    (layers,) = page.get("button_group")
    layers.set_value("Layer 2").run()
    assert not page.exception
    assert "MAG, layer 2: " in said(page)
    chart, _ = (json.loads(one.proto.spec) for one in page.get("plotly_chart"))
    drawn = values(chart["data"][0]["z"], retention.shares(answer, 1).shape)
    np.testing.assert_array_equal(drawn, retention.shares(answer, 1))
    assert np.nanmax(np.abs(drawn - retention.shares(answer, None))) > 0.01


def test_what_is_looked_at_stays_when_another_memory_is_mapped(
    answer: Answer, subject: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = ["mag", "mac"]
    found = runs.engine().answer(Probe("retention", subject, "mag", "").id)
    asked = {Probe("retention", subject, name, "").id: name for name in ("mag", "mac", "mal")}
    monkeypatch.setattr(
        type(runs.engine()),
        "answer",
        lambda self, name: found | {"checkpoint": asked[name]} if asked.get(name) in there else None,
    )
    page = panel(subject, "mag", "mac", "mal")
    page.get("button_group")[0].set_value("MAC").run()
    page.get("button_group")[1].set_value("Layer 3").run()
    assert "MAC, layer 3: " in said(page)
    there.append("mal")
    page.run()
    assert page.get("button_group")[0].options == ["MAG", "MAC", "MAL"]
    assert "MAC, layer 3: " in said(page)


def test_nothing_is_drawn_where_nothing_was_written_yet(answer: Answer) -> None:
    drawn = retention.shares(answer, None)
    rows, times = np.array(answer["rows"][:-1]), np.array(answer["times"])
    assert np.isnan(drawn[rows[:, None] >= times]).all()
    assert np.isfinite(drawn[rows[:, None] < times]).mean() > 0.99


def test_places_of_the_document(answer: Answer) -> None:
    places = where(answer, SUBJECT)
    assert len(set(places.rows)) == len(answer["rows"]) - 1
    assert len(set(places.times)) == len(answer["times"])
    assert [words for _, words in places.ticks] == ["p. 1", "p. 2", "p. 3"]
    page_2 = places.ticks[1][0]
    assert answer["rows"][0] < page_2 < places.ticks[2][0] < answer["rows"][-1]
    row = next(words for words in places.rows if "page 2" in words)
    assert "Log <b" in row
    assert "paragraph" in row
    assert "“" in row
    assert max(len(line) for words in places.rows for line in words.split("\n")) < 50
    plain = where(answer, replace(SUBJECT, pages=(), sections=()))
    assert all(words.replace(",", "").isdigit() for _, words in plain.ticks)
    assert plain.sections == ()
    joined = where(answer, replace(SUBJECT, files=((0, "log.pdf"), (700, "minutes.pdf"))))
    assert [name for _, name in joined.sections][-1] == "minutes.pdf"
    assert all(words.replace(",", "").isdigit() for _, words in joined.ticks), "pages of several files count anew"


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_nothing_of_the_document_is_taken_for_markup(answer: Answer, palette: Any) -> None:
    drawn = plotted(retention.retention_map(answer, None, where(answer, SUBJECT), palette)).to_json()
    assert HOSTILE not in json.loads(drawn)["data"][0]["y"][0]
    assert "<b onmouseover" not in drawn.replace("\\u003c", "<")
    assert "&lt;b onmouseover" in drawn.replace("\\u003c", "<").replace("\\u0026", "&")


def test_the_row_of_the_fact_is_marked(answer: Answer) -> None:
    places = where(answer, SUBJECT)
    (shape,) = plotted(retention.retention_map(answer, None, places, LIGHT)).layout.shapes
    row = (shape.y0 + shape.y1) / 2
    assert answer["rows"][int(row)] <= answer["fact"][0] < answer["rows"][int(row) + 1]
    assert not plotted(retention.retention_map(answer, None, replace(places, fact=None), LIGHT)).layout.shapes


def test_what_lies_beyond_colours_and_axis_is_told(answer: Answer) -> None:
    other = copy.deepcopy(answer)
    one = other["layers"][0]
    other |= {"rows": [0, 10, 20, 30, 40, 64, 70], "times": [32, 64]}
    one["map"] = [[None, 0.5], [1.5, -0.2], [2.0, 0.1], [None, None], [None, None], [None, None]]
    one["left"] = [1.0, 0.4, -7.25] + [0.2] * (len(one["left"]) - 3)
    told = retention_words.cells(other, None)
    assert "20\u00a0% are below 0 and 40\u00a0% above 1" in told
    assert "2 rows are empty: their writes did not improve the answers." in told, "the last was not asked for"
    assert retention_words.beyond(other, None) == "−7.25"
    assert forgetting.reach(other, None) == (forgetting.DEEPEST, 1.0)
    one["left"] = [0.5] * len(one["left"])
    one["map"] = [[0.5, 0.5]] * 6
    assert "none are below 0 and none above 1" in retention_words.cells(other, None)
    assert retention_words.beyond(other, None) == ""


def test_a_half_life_that_is_not_reached_is_said_so(answer: Answer) -> None:
    other = copy.deepcopy(answer)
    other["layers"][0] |= {"half_life": None, "half_life_by_gates": None}
    told = retention_words.sentence(other, None)
    assert "more than half of every write is left at every lag" in told
    assert "the gates alone would keep more than half throughout" in told
    drawn = plotted(forgetting.forgetting(other, None, LIGHT))
    assert not [note for note in drawn.layout.annotations if "half-life" in note.text]


def test_the_tables_hold_the_numbers(answer: Answer) -> None:
    _, table = retention_words.curve_table(answer)
    np.testing.assert_array_equal(table["All layers"], retention.curve(answer, None))
    np.testing.assert_array_equal(table["Layer 1, gates alone"], retention.curve(answer, 0, gates=True))
    _, cells = retention_words.map_table(answer, 0, where(answer, SUBJECT))
    np.testing.assert_array_equal(cells[f"after {answer['times'][-1]:,}"], retention.shares(answer, 0)[:, -1])
    assert cells.shape == (len(answer["rows"]) - 1, len(answer["times"]) + 3)
    assert cells["place"][0].startswith("page 1, paragraph 1 “The")


def test_a_long_document_says_how_many_tokens_were_followed(answer: Answer) -> None:
    assert "Asked for: one of 5 tokens" in retention_words.read(answer | {"every": 5})


def test_what_cannot_be_mapped_is_refused(subject: str, store: Path) -> None:
    assert kind.refusal(SUBJECT, "mag", {}) == ""
    assert "has no memory" in kind.refusal(SUBJECT, "transformer", {})
    short = replace(SUBJECT, text="Too short.", start=0, end=0)
    assert "at least 64 tokens" in kind.refusal(short, "mag", {})
    page = panel(runs.engine().keep_subject(short))
    assert "at least 64 tokens" in said(page)
    assert not page.button


def test_a_document_without_a_fact_has_a_map_without_a_mark(one_thread: None) -> None:
    told: list[tuple[int, int]] = []
    tell = SimpleNamespace(progress=lambda done, total: told.append((done, total)))
    found = kind.run(tc.load("lmm"), replace(SUBJECT, text=TEXT, start=0, end=0), {}, tell)  # type: ignore[arg-type]
    assert found["fact"] is None
    assert told[-1] == (found["rows"][-1],) * 2
    json.dumps(found, allow_nan=False)
