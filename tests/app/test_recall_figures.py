"""The figures of recall: what is drawn and said is what the answer holds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from app.figures import recall, recall_held, recall_words
from app.figures.recall_held import COSINE, LINES, LOSS
from app.figures.recall_lines import OWN
from app.theme import DARK, LIGHT
from tests.app.plotted import plotted


def said(p: float, exact: bool, text: str) -> dict[str, Any]:
    return {"p": p, "bits": -math.log2(p), "exact": exact, "text": text}


def answer(last: float = 0.25) -> dict[str, Any]:
    """As titans_core.probes.recall.Recall.to_dict gives it: two layers, three points, two questions."""
    points = [128, 160, 2048]
    held = {name: [[0.5, 0.7], [0.4, 0.6], [0.3, 0.5]] for name in ("loss", "cosine", "loss_removed")}
    held |= {"cosine_removed": [[0.2, 0.4]] * 3, "cosine_shuffled": [[None, None]] * 3}
    asked = [
        {"tokens": 128, "memory": said(0.9, True, "7304416")},
        {"tokens": 2048, "memory": said(last, False, "<b>73")},
    ]
    for one in asked:
        one |= {"zeroed": said(1e-9, False, "x"), "removed": said(0.01, False, "y")}
    return {
        "checkpoint": "mac",
        "start": 90,
        "end": 100,
        "total": 2100,
        "held": {"tokens": points, "loss_before": [0.9, 1.1], "cosine_before": [0.1, 0.3], **held},
        "asked": asked,
    }


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_a_line_a_memory_with_filled_marks_where_it_is_exact(palette: Any) -> None:
    answers = {"mac": answer(), "mag": answer(0.2), "mine": answer(0.1)}
    drawn = plotted(recall.figure(answers, palette))
    own = [trace for trace in drawn.data if trace.mode == "lines+markers"]
    assert [trace.line.color for trace in own] == list(recall.colours(list(answers), palette).values())
    assert own[0].line.color == palette.variants["mac"]
    assert [list(trace.y) for trace in own] == [[0.9, 0.25], [0.9, 0.2], [0.9, 0.1]]
    assert list(own[0].x) == [28, 1948]
    assert list(own[0].marker.color) == [palette.variants["mac"], palette.panel]
    assert "says “&lt;b&gt;73”" in own[0].text[1], "what a model says is no markup"
    controls = [trace for trace in drawn.data if trace.mode == "lines"]
    assert {trace.line.color for trace in controls} == {palette.muted}
    assert {trace.line.dash for trace in controls} == set(recall.DASHES.values())
    assert [note.text for note in drawn.layout.annotations] == ["MAC", "MAG", "mine", "reads zeroed", "fact removed"]
    heights = sorted(note.y for note in drawn.layout.annotations)
    assert min(np.diff(heights)) >= recall._LABEL - 1e-9
    assert heights[0] >= 0
    assert heights[-1] <= 1, "on the chart"


def test_lines_that_lie_upon_each_other_are_all_seen() -> None:
    drawn = plotted(recall.figure({"mac": answer(), "mag": answer(0.26), "mal": answer(), "mine": answer(0.9)}, LIGHT))
    own = [trace for trace in drawn.data if trace.mode == "lines+markers"]
    widths = [trace.line.width for trace in own]
    assert widths[0] > widths[1] > widths[2] == widths[3] == 2
    assert own[0].marker.size > own[1].marker.size > own[2].marker.size


def test_the_title_of_a_narrow_axis_has_room() -> None:
    one = answer()
    drawn = plotted(recall_held.figure("mac", one, COSINE, None, (0, 1), LIGHT, LIGHT.variants["mac"]))
    assert len(drawn.layout.xaxis.title.text) <= 12, "of a quarter of the panel"


def test_labels_keep_their_order_and_their_place_where_there_is_room() -> None:
    assert recall.spread([0.9, 0.1, 0.5], 0.1, (0, 1)) == [0.9, 0.1, 0.5]
    assert recall.spread([0.02, 0.0, 0.01, -1.0], 0.1, (0, 1)) == pytest.approx([0.3, 0.1, 0.2, 0.0])
    assert recall.spread([0.99, 0.97, 0.5], 0.1, (0, 1)) == pytest.approx([1.0, 0.9, 0.5])


@pytest.mark.parametrize(("used", "ticks"), [([28, 90_000], ["100", "1K", "10K"]), ([60, 400], ["100", "200"])])
def test_the_axis_has_round_ticks(used: list[int], ticks: list[str]) -> None:
    drawn = plotted(recall.over_tokens(recall.figure({"mac": answer()}, LIGHT), used))
    assert list(drawn.layout.xaxis.ticktext) == ticks
    low, high = drawn.layout.xaxis.range
    assert low < math.log10(used[0]) < math.log10(used[1]) < high


def test_one_layer_or_the_mean_of_all() -> None:
    one = answer()
    assert recall_held.layers(one) == 2
    assert recall_held.values(one, COSINE, OWN, 1).tolist() == [0.7, 0.6, 0.5]
    assert recall_held.values(one, COSINE, OWN, None) == pytest.approx([0.6, 0.5, 0.4])
    removed, before, shuffled = LINES
    assert recall_held.values(one, LOSS, before, None) == pytest.approx([1.0] * 3)
    assert recall_held.values(one, COSINE, removed, 0).tolist() == [0.2] * 3
    assert np.isnan(recall_held.values(one, COSINE, shuffled, None)).all(), "of a fact of one token"
    assert np.isnan(recall_held.values(one, LOSS, shuffled, None)).all(), "is not measured"


def test_charts_of_the_memories_share_an_axis_and_leave_out_what_is_not_defined() -> None:
    answers = {"mac": answer(), "mag": answer()}
    answers["mag"]["held"]["cosine"] = [[0.95, 0.95]] * 3
    low, high = recall_held.reach(answers, COSINE, None)["mac"]
    assert recall_held.reach(answers, COSINE, None)["mag"] == (low, high)
    assert low < 0.2
    assert high > 0.95
    drawn = plotted(recall_held.figure("mac", answers["mac"], COSINE, None, (low, high), LIGHT, LIGHT.variants["mac"]))
    assert [trace.line.dash for trace in drawn.data] == [LINES[0].dash, LINES[1].dash, "solid"]
    assert drawn.data[-1].line.color == LIGHT.variants["mac"]
    assert {trace.line.color for trace in drawn.data[:-1]} == {LIGHT.muted}
    assert list(drawn.layout.yaxis.range) == [low, high]
    assert LINES[2].words not in recall_held.legend(LIGHT, LOSS)
    answers["mag"]["held"]["loss"] = [[900, 1000]] * 3
    ends = recall_held.reach(answers, LOSS, None)
    assert ends["mac"][1] < 2
    assert ends["mag"][1] > 950, "of another model"


def test_the_sentences_hold_the_numbers_of_the_answer() -> None:
    answers = {"mac": answer(), "mag": answer(0.125)}
    told = recall_words.model(answers)
    assert "exactly by MAC at 1 of 2 points (p 0.250 at the last) and MAG at 1 of 2 points (p 0.125 at" in told
    assert (
        "with reads zeroed at none, with fact removed at none. The last point is 1,948 tokens after the fact." in told
    )
    answers["mac"]["asked"][0]["zeroed"]["exact"] = True
    assert "with reads zeroed at 1 and 0," in recall_words.model(answers)
    told = recall_words.held(answers, COSINE, None)
    assert "is 0.40 for MAC (0.30 without the fact) and 0.40 for MAG" in told
    answers["mac"]["held"]["loss_removed"][-1][0] = 1310.38
    assert "0.30 for MAC (1,310.4 without the fact)" in recall_words.held(answers, LOSS, 0)
    assert recall_words.note(answers) == "one fact, asked at 2 points"
    assert "MAC from 0.900 to 0.250, reads zeroed 1.00e−9 at the end, fact removed 0.0100" in recall_words.model_alt(
        answers
    )
    assert "the memory from 0.60 to 0.40; fact removed from 0.30 to 0.30" in recall_words.held_alt(
        "mac", answers["mac"], COSINE, None
    )


def test_the_tables_hold_every_number() -> None:
    answers = {"mac": answer(), "mag": answer()}
    _, table = recall_words.model_table(answers)
    assert table["tokens since the fact"].tolist() == [28, 1948] * 2
    assert table["p, reads zeroed"].tolist() == [1e-9] * 4
    assert table["says"].tolist() == ["7304416", "<b>73"] * 2
    note, table = recall_words.held_table(answers, LOSS, 1)
    assert note == "Loss, layer 2, mean over the tokens of the fact."
    assert table["the memory"].tolist() == [0.7, 0.6, 0.5] * 2
    assert "keys shuffled among its tokens" not in table
