"""Runs whose models cut a text into different tokens, on the pages."""

from __future__ import annotations

import json
import secrets

import numpy as np
import pytest

import titans_core as tc
from app import comparisons, runs
from app.jobs import store
from tests.app.conftest import TEXT
from tests.app.test_compare import open_page, said, texts
from tests.app.test_explore import open_page as open_explore
from titans_core.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def coarse(finished: dict[str, str]) -> str:
    """A run of the same text through MAG with a tokenizer that knows fewer words."""
    model, run = tc.load("mag"), secrets.token_hex(16)
    file = json.loads(model.tokenizer.data)
    file["model"]["merges"] = file["model"]["merges"][:300]
    model.tokenizer, model.name = Tokenizer(json.dumps(file).encode()), "fewer-words"
    ds = tc.trace(model, TEXT, store=store.draft(run) / "trace.zarr")
    facts = {"checkpoint": model.name, "title": "A test text", "tokens": ds.sizes["token"], "seconds": 1.0}
    store.publish(run, facts | {"device": "cpu", "origin": "elsewhere"})
    return run


def test_compare_shows_them_on_the_pieces_that_they_share(finished: dict[str, str], coarse: str) -> None:
    page = open_page([finished["mag"], coarse])
    assert "They are compared on the pieces" in said(page)
    told = texts(page)
    ids = [run["id"] for run in told[False]["runs"]]
    assert [run["label"] for run in told[False]["runs"]] == ["MAG", "fewer-words"]
    first, other = (runs.trace(run) for run in ids)
    assert first["piece"].values.tolist() == other["piece"].values.tolist()
    assert "".join(TEXT[a:b] for a, b in zip(first["start"].values, first["end"].values, strict=True)) == TEXT
    own = runs.trace(coarse)
    captions = " ".join(caption.value for caption in page.caption)
    assert f"{own.sizes['token']} tokens · shown on {other.sizes['token']} shared pieces" in captions
    place = np.searchsorted(own["start"].values, first["start"].values, side="right") - 1
    np.testing.assert_array_equal(other["theta"].values, own["theta"].values[:, place])
    # Written once, and never taken for the imported run.
    assert [run.id for run in comparisons.on_pieces([runs.opened(finished["mag"]), runs.opened(coarse)])] == ids
    assert store.by_origin("elsewhere") == coarse
    assert not list(store.root().glob("tmp-*"))
    assert page.query_params["run"] == [finished["mag"], coarse], "the address names the runs themselves"


def test_explore_shows_those_of_the_first_ones_tokens(finished: dict[str, str], coarse: str) -> None:
    page = open_explore([coarse, finished["mag"]])
    assert "Compare shows all of them" in said(page)
    assert [run["id"] for run in texts(page)[False]["runs"]] == [coarse]
