"""The page: what a text is begun with, what is refused, and what the memories at the end are said to be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from app import held, runs
from app.figures import memory_states
from app.jobs import Job, Progress
from app.views.beginning import refusal
from tests.app.conftest import TEXT
from tests.app.test_explore import open_page, settle, shown
from tests.app.test_going_on import NEXT
from titans_core import memory_file
from titans_core.probes.comparing import won

Finish = Callable[..., Progress]


def captions(page) -> str:
    return " ".join(c.value for kind in ("caption", "error", "markdown") for c in page.get(kind))


def test_another_text_is_read_on_from_a_shown_run_and_beside_it_from_an_empty_memory(
    finished: dict[str, str], finish: Finish
) -> None:
    page = open_page([finished["mag"]])
    begin = page.selectbox(key="begin")
    assert begin.options == ["An empty memory", "After “A test text” · MAG", "A memory from a file"]
    begin.set_value(f"{finished['mag']}/memory").run()
    page.segmented_control(key="source").set_value("Paste").run()
    page.text_area(key="pasted").set_value(NEXT).run()
    page.pills(key="checkpoints").set_value(["mac"]).run()
    assert "This memory is of MAG" in captions(page).replace("\\", "")
    assert page.button(key="run").disabled, "refused before anything is run"
    page.pills(key="checkpoints").set_value(["mag"]).run()
    assert "read twice" in captions(page)
    page.button(key="run").click().run()
    settle(page, finish)
    fresh, on = (runs.opened(run) for run in shown(page))
    assert fresh is not None
    assert on is not None
    assert (fresh.name, on.name) == ("MAG", "MAG · after “A test text”")
    gain = float(np.nansum(won(on.ds, fresh.ds)))
    assert f"{'saved' if gain >= 0 else 'cost'} {abs(gain):,.1f} bits" in captions(page)
    assert "After “Pasted text” and 1 more · MAG" in page.selectbox(key="begin").options
    tables = [frame.value for frame in page.dataframe if "size |M|" in frame.value.columns]
    np.testing.assert_allclose(tables[0]["size |M|"], held.measures(f"{fresh.id}/memory").size.ravel())


def test_what_a_run_began_with_is_said_and_nothing_is_said_to_have_been_empty(
    finished: dict[str, str], finish: Finish
) -> None:
    run = runs.engine().submit(Job("mag", TEXT * 4, "Long", begin=f"{finished['mag']}/memory"))
    finish(run)
    page = open_page([run])
    (table,) = [frame.value for frame in page.dataframe if "size |M|" in frame.value.columns]
    apart = held.distance(f"{run}/memory", f"{finished['mag']}/memory")
    np.testing.assert_allclose(table["moved |M − M₀|"], apart.distance.ravel())
    everything = captions(page) + " ".join(str(m.proto) for m in page.markdown)
    assert "in none of these shares" in everything
    assert "empty memory all is new" not in everything
    assert "starts empty" not in everything


def test_two_memories_are_compared_in_words(finished: dict[str, str], finish: Finish) -> None:
    other = runs.engine().submit(Job("mag", TEXT, "A test text", changes=("theta*=0.5",)))
    finish(other)
    found = held.distance(f"{finished['mag']}/memory", f"{other}/memory")
    sizes = [held.measures(f"{run}/memory") for run in (finished["mag"], other)]
    said = memory_states.words(found, *sizes)
    layer, head = np.unravel_index(np.argmin(found.cosine), found.cosine.shape)
    assert f"Least: layer {layer + 1}, head {head + 1}" in said
    drawn = memory_states.grid(found, "#123456")
    assert drawn.count("<td style") == found.cosine.size
    same = held.distance(f"{other}/memory", f"{other}/memory")
    assert "They are the same" in memory_states.words(same, sizes[1], sizes[1])
    with pytest.raises(ValueError, match="different models"):
        held.distance(f"{finished['mag']}/memory", f"{finished['mac']}/memory")


def test_an_uploaded_memory_is_judged_before_it_is_offered(finished: dict[str, str], store: Path) -> None:
    data = (store / finished["mag"] / "memory.safetensors").read_bytes()
    memory = memory_file.read(data, "m")
    assert refusal(memory, ("mag",)) == ""
    assert "Choose MAG alone" in refusal(memory, ("mag", "mac"))
    other = memory_file.Held(memory.weights, memory.momentum, memory.facts | {"weights_sha256": "0" * 64})
    assert "other weights" in refusal(other, ("mag",))
    unknown = memory_file.Held(memory.weights, memory.momentum, memory.facts | {"checkpoint": "mine"})
    assert "not offered here" in refusal(unknown, ("mag",))

    page = open_page([finished["mag"]])
    page.pills(key="checkpoints").set_value(["mag"]).run()
    page.selectbox(key="begin").set_value("file").run()
    assert "No memory is chosen yet" in captions(page)
    assert page.button(key="run").disabled
    tensors = load(data)
    tensors["weights.0.0"][0, 0, 0] = np.nan
    about = {"format": "titanscope memory 1", "facts": json.dumps(memory.facts)}
    for bad, why in ((b"\x80\x04pickle", "cannot be read"), (save(tensors, about), "not finite")):
        page.get("file_uploader")[0].set_value(("m.safetensors", bad, "application/octet-stream")).run()
        assert why in _refused(page)
    page.get("file_uploader")[0].set_value(("m.safetensors", data, "application/octet-stream")).run()
    assert "MAG after “A test text”" in captions(page).replace("\\", "")


def _refused(page) -> str:
    assert not page.exception
    assert page.button(key="run").disabled
    return " ".join(e.value for e in page.error).replace("\\", "")
