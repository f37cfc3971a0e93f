"""Slabs read in fixed buffers: on the CPU each is computed where a GPU would repeat its graph."""

import json

import numpy as np
import pytest
import torch

from titans_core import slabs, tracing
from titans_core.config import VARIANTS
from titans_core.interventions import intervene
from titans_core.moments import collect, moments
from titans_core.replay import replays
from titans_core.replay.buffers import Buffers
from titans_core.settings import Settings

TEXT = "The keeper walked along the shore, and it rained. The keeper found 37 stones; the piano stood there.\n" * 14


@pytest.fixture
def small(monkeypatch) -> list[int]:
    """Slabs of 32 tokens, moments every 256, and a count of the slabs that were replayed."""
    asked: list[int] = []
    ask = Buffers.ask

    def counted(self, ids):
        asked.append(ids.shape[1])
        return ask(self, ids)

    monkeypatch.setattr(slabs, "SLAB", 32)
    monkeypatch.setattr(collect, "SPACING", 256)
    monkeypatch.setattr(Buffers, "ask", counted)
    return asked


def replayed(monkeypatch, model, text=TEXT, **how):
    with monkeypatch.context() as here:
        here.setattr(replays, "usable", lambda model: True)
        here.setattr(replays, "LEAST", 1)
        return tracing.trace_on(model, text, **how)


def assert_same(one, other) -> None:
    assert list(one.variables) == list(other.variables)
    for name in one.data_vars:
        np.testing.assert_allclose(other[name].values, one[name].values, rtol=2e-4, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("variant", VARIANTS)
def test_replayed_slabs_are_those_of_an_ordinary_run(variant, tiny_model, small, monkeypatch) -> None:
    model = tiny_model(variant)
    plain, last = tracing.trace_on(model, TEXT)
    assert not small
    again, state = replayed(monkeypatch, model)
    assert small == [32] * len(small)
    assert len(small) * 32 > plain.sizes["token"] / 2, "most of it"
    assert_same(plain, again)
    assert state.position == last.position
    torch.testing.assert_close(state.logits, last.logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(state.layers, last.layers, rtol=1e-4, atol=1e-5)
    kept, wanted = moments(again), moments(plain)
    assert (kept is None) == (wanted is None) == (not model.config.has_memory)
    if kept is not None:
        np.testing.assert_array_equal(kept["tokens"], wanted["tokens"])
        np.testing.assert_allclose(kept["size"], wanted["size"], rtol=1e-4)


def test_heads_settings_and_a_text_that_goes_on(tiny_model, small, monkeypatch) -> None:
    model = tiny_model("mac")
    how = {"heads": True, "settings": intervene("theta*=0.5")}
    _, state = tracing.trace_on(model, "It rained, and it rained on.", **how)
    assert state.pending.shape[1], "the text ends within a segment"
    plain, _ = tracing.trace_on(model, TEXT, state=state, **how)
    again, _ = replayed(monkeypatch, model, state=state, **how)
    assert small
    assert_same(plain, again)
    assert again["memory"].dims == ("layer", "head", "token")


def test_settings_that_name_a_token_are_not_replayed(tiny_model, small, monkeypatch) -> None:
    model = tiny_model("mag")
    timed = Settings(wipe_at=200)
    again, _ = replayed(monkeypatch, model, settings=timed)
    assert not small
    assert_same(tracing.trace(model, TEXT, settings=timed), again)


def test_a_memory_that_stops_being_finite_is_found_at_its_token(tiny_model, small, monkeypatch) -> None:
    model, runaway = tiny_model("lmm", chunk=1), intervene("theta=1.5", "eta=0", "alpha=0")
    plain = tracing.trace(model, TEXT, settings=runaway)
    assert json.loads(plain.attrs["diverged"])["token"] > 200
    again, _ = replayed(monkeypatch, model, settings=runaway)
    assert small
    assert plain.attrs["diverged"] == again.attrs["diverged"]
    assert_same(plain, again)


def test_buffers_are_made_once_and_two_runs_do_not_share_them(tiny_model, small, monkeypatch) -> None:
    model = tiny_model("mag")
    replayed(monkeypatch, model)
    first, before = replays._KEPT[model], len(small)
    replayed(monkeypatch, model)
    assert replays._KEPT[model] is first
    assert len(small) == 2 * before
    with first.lock:
        again, _ = replayed(monkeypatch, model)
    assert len(small) == 2 * before, "read the usual way"
    assert_same(tracing.trace(model, TEXT), again)
    replayed(monkeypatch, model, heads=True)
    assert replays._KEPT[model] is not first


def test_it_is_off_without_a_gpu_and_by_the_environment(tiny_model, monkeypatch) -> None:
    model = tiny_model("mag")
    assert not replays.usable(model)

    class OnGpu:
        device = torch.device("cuda")

    assert replays.usable(OnGpu())
    monkeypatch.setenv("TITANSCOPE_GRAPHS", "0")
    assert not replays.usable(OnGpu())
