"""Runs of different tokenizers on the pieces that both have."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from titans_core import checkpoint, tracing
from titans_core.errors import CheckpointError
from titans_core.probes import pieces
from titans_core.probes.comparing import align, won
from titans_core.record import open_trace
from titans_core.tokenizer import Tokenizer

TEXT = "The keeper walked along 37 shores — naïve 👩🏽‍🚀 日本語, and it rained.\nThe piano stood there. " * 5


@pytest.fixture(scope="module")
def coarse(tokenizer: Tokenizer) -> Tokenizer:
    """A tokenizer that knows fewer words."""
    file = json.loads(tokenizer.data)
    file["model"]["merges"] = file["model"]["merges"][:300]
    return Tokenizer(json.dumps(file).encode())


@pytest.fixture(scope="module")
def pair(tiny_model, coarse) -> list[xr.Dataset]:
    one, other = tiny_model("mag", chunk=1), tiny_model("lmm", chunk=1)
    other.tokenizer = coarse
    return [tracing.trace(one, TEXT), tracing.trace(other, TEXT)]


@pytest.fixture(scope="module")
def rewritten(pair, tmp_path_factory: pytest.TempPathFactory) -> list[xr.Dataset]:
    found, folder = pieces.common(pair), tmp_path_factory.mktemp("pieces")
    for run, ds in enumerate(pair):
        pieces.rewrite(ds, found, run, folder / f"{run}.zarr")
    return [open_trace(folder / f"{run}.zarr") for run in range(2)]


def test_every_border_of_a_token_is_one_of_a_piece_and_no_other(pair, rewritten) -> None:
    assert pair[0].sizes["token"] != pair[1].sizes["token"]
    spans = [list(zip(ds["start"].values, ds["end"].values, strict=True)) for ds in (*pair, *rewritten)]
    assert spans[2] == spans[3]
    assert {place for span in spans[2] for place in span} == {p for s in spans[:2] for span in s for p in span}
    assert "".join(TEXT[a:b] for a, b in spans[2]) == TEXT


def test_a_piece_has_the_value_of_the_token_it_lies_in(pair, rewritten) -> None:
    start = rewritten[0]["start"].values
    for signal in ("surprise", "theta", "memory"):
        of_characters = align(pair, signal).values
        of_pieces = align(rewritten, signal)
        assert of_pieces.unit == "token"
        np.testing.assert_array_equal(of_pieces.values, of_characters[:, start])
    heads = pair[1]["head_alpha"].values[..., np.searchsorted(pair[1]["start"].values, start, side="right") - 1]
    np.testing.assert_array_equal(rewritten[1]["head_alpha"].values, heads)


def test_bits_add_up_to_those_of_the_tokens(pair, rewritten) -> None:
    for before, after in zip(pair, rewritten, strict=True):
        assert set(before.data_vars) == set(after.data_vars)
        for name in ("nll", "entropy"):
            lost = ~np.isfinite(after[name].values)
            np.testing.assert_array_equal(lost, after["start"].values < before["end"].values[0])  # of the first token
            np.testing.assert_allclose(np.nansum(after[name].values), np.nansum(before[name].values), rtol=1e-5)
    gain, known = won(*rewritten), np.isfinite(won(*rewritten))
    np.testing.assert_allclose(gain[known].sum(), np.nansum(won(*pair)), rtol=1e-5)
    later = [ds["nll"].values[ds["start"].values >= pair[0]["end"].values[0]] for ds in pair]
    np.testing.assert_allclose(np.nansum(won(*pair)), later[1].sum() - later[0].sum(), rtol=1e-5)


def test_a_trace_of_many_pieces_is_written_in_parts(pair, rewritten, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(pieces, "CHUNK", 37)
    pieces.rewrite(pair[1], pieces.common(pair), 1, tmp_path / "parts.zarr")
    xr.testing.assert_identical(open_trace(tmp_path / "parts.zarr").load(), rewritten[1].load())


def test_a_checkpoint_keeps_a_tokenizer_of_its_own(tiny_model, coarse, tokenizer, tmp_path: Path) -> None:
    model = tiny_model("mag")
    model.tokenizer = coarse
    checkpoint.save(model, tmp_path / "mine", {})
    assert checkpoint.load(tmp_path / "mine").tokenizer.digest == coarse.digest
    (tmp_path / "mine" / "tokenizer.json").write_bytes(tokenizer.data)
    with pytest.raises(CheckpointError, match=r"tokenizer of sha256 \w{12}, and its tokenizer.json is another"):
        checkpoint.load(tmp_path / "mine")
    model.tokenizer = tokenizer
    checkpoint.save(model, tmp_path / "plain", {})
    assert not (tmp_path / "plain" / "tokenizer.json").exists()
