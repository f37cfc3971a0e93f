"""Runs side by side: one axis, differences, agreement."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

from titans_core import tracing
from titans_core.cli import main
from titans_core.errors import ConfigError
from titans_core.interventions import intervene
from titans_core.probes.comparing import agreement, align, difference, furthest, named, won
from titans_core.record import open_trace, save_trace
from titans_core.signals import sum_layers

TEXT = "The keeper walked along the shore, and it rained. The keeper found 37 stones; the piano stood there. " * 6


@pytest.fixture(scope="module")
def pair(tiny_model) -> list[xr.Dataset]:
    model = tiny_model("mag", chunk=1)
    return [tracing.trace(model, TEXT), tracing.trace(model, TEXT, settings=intervene("theta*=0.5", "wipe=60"))]


def test_a_run_against_itself(pair) -> None:
    a = align([pair[0], pair[0]], "surprise").values
    assert (difference(*a) == 0).all()
    assert (difference(*a, ratio=True) == 0).all()
    found = agreement(*a)
    assert found.correlation.value == pytest.approx(1, abs=1e-9)
    assert found.overlap == 1
    assert np.nansum(np.abs(won(pair[0], pair[0]))) == 0


def test_values_of_the_same_tokens_are_those_of_the_traces(pair) -> None:
    for signal in ("surprise", "theta", "nll"):
        found = align(pair, signal)
        assert found.unit == "token"
        for row, ds in zip(found.values, pair, strict=True):
            values = ds[signal].values
            np.testing.assert_allclose(row, sum_layers(signal, values) if values.ndim == 2 else values, rtol=1e-6)
    np.testing.assert_array_equal(align(pair, "theta", 1).values[1], pair[1]["theta"].values[1])
    one, other = align(pair, "theta").values
    np.testing.assert_allclose(difference(one, other), one - other)
    np.testing.assert_allclose(2 ** difference(one, other, ratio=True), one / other, rtol=1e-9)
    np.testing.assert_allclose(won(*pair), pair[1]["nll"].values - pair[0]["nll"].values)


def test_a_ratio_of_what_is_not_above_zero_is_undefined() -> None:
    found = difference(np.array([2.0, 0.0, 1.0, -1.0]), np.array([1.0, 1.0, 0.0, 1.0]), ratio=True)
    np.testing.assert_array_equal(found, [1.0, np.nan, np.nan, np.nan])


def test_agreement_is_spearmans_with_an_interval_that_tells_noise_from_none() -> None:
    rng = np.random.default_rng(1)
    one = rng.normal(size=500)
    other = one + rng.normal(size=500)
    other[7] = np.nan
    known = np.isfinite(other)
    found = agreement(one, other)
    ranks = [x[known].argsort().argsort() for x in (one, other)]
    assert found.correlation.value == pytest.approx(np.corrcoef(ranks)[0, 1])
    assert found.correlation.low < found.correlation.value < found.correlation.high
    assert found.correlation.low > 0.5
    alone = agreement(one, rng.normal(size=500)).correlation
    assert alone.low < 0 < alone.high
    highest = [set(np.argsort(-x[known])[: found.top]) for x in (one, other)]
    assert found.top == round(0.05 * known.sum())
    assert found.overlap == len(highest[0] & highest[1]) / found.top
    assert found.chance == pytest.approx(0.05, abs=0.002)
    assert np.isnan(agreement(one[:20], other[:20]).correlation.value)
    assert np.isnan(agreement(one, np.full(500, np.nan)).overlap)


def other_tokens(ds: xr.Dataset) -> xr.Dataset:
    """The run as a model would give it whose tokens are pairs of these."""
    two = ds.isel(token=slice(0, None, 2))
    ends = np.append(two["start"].values[1:], len(TEXT))
    return two.assign_coords(end=("token", ends)).assign_attrs(ds.attrs)


def test_other_tokens_are_compared_over_characters(pair) -> None:
    other = other_tokens(pair[1])
    found = align([pair[0], other], "surprise")
    assert found.unit == "character"
    assert found.values.shape == (2, len(TEXT))
    for row, ds in zip(found.values, (pair[0], other), strict=True):
        own = sum_layers("surprise", ds["surprise"].values)
        for token in (0, 3, 20):
            start, end = int(ds["start"][token]), int(ds["end"][token])
            np.testing.assert_allclose(row[start:end], own[token], rtol=1e-6)
    saved = won(pair[0], other)
    assert saved.shape == (len(TEXT),)
    first = int(other["end"][0])  # whose bits nobody knows
    expected = np.nansum(other["nll"].values) - np.nansum(pair[0]["nll"].values[pair[0]["start"].values >= first])
    assert np.nansum(saved) == pytest.approx(expected, rel=1e-5)


def test_what_cannot_be_compared(pair, tiny_model) -> None:
    strange = tracing.trace(tiny_model("mag"), "Another text.")
    with pytest.raises(ConfigError, match="different texts"):
        align([pair[0], strange], "surprise")
    with pytest.raises(ConfigError, match="the run of tiny-mag has no signal 'share_memory'; it has loss"):
        align(pair, "share_memory")
    with pytest.raises(ConfigError, match="has no signal 'id'"):
        align(pair, "id")
    with pytest.raises(ConfigError, match="no layer 2; its layers are 0 to 1"):
        align(pair, "theta", 2)
    assert [named(ds) for ds in pair] == ["tiny-mag", "tiny-mag, theta*=0.5, wipe=60"]


def test_the_command(tmp_path) -> None:
    story = tmp_path / "story.txt"
    story.write_text(TEXT)

    def run(*arguments: object):
        return CliRunner().invoke(main, [str(a) for a in arguments])

    stores = [tmp_path / "a.zarr", tmp_path / "b.zarr"]
    assert run("trace", story, "--checkpoint", "mag", "--out", stores[0]).exit_code == 0
    changed = run("trace", story, "--checkpoint", "mag", "--set", "theta*=0", "--out", stores[1])
    assert changed.exit_code == 0, changed.output
    found = run("compare", *stores, "--signal", "memory")
    assert found.exit_code == 0, found.output
    assert "mag, theta*=0  against  mag" in found.output
    assert "bits saved in all" in found.output
    assert "differ most (difference, mean of 6 tokens" in found.output
    assert "no difference" in run("compare", stores[0], stores[0]).output
    assert "nothing is defined in both" in run("compare", *stores, "--signal", "theta", "--ratio").output
    assert "log2 of the ratio" in run("compare", *stores, "--signal", "entropy", "--ratio").output
    alone = run("compare", stores[0])
    assert (alone.exit_code, "1 run; give 2 to 6" in alone.output) == (2, True)
    wrong = run("trace", story, "--checkpoint", "mag", "--set", "theta*=-1", "--out", tmp_path / "c.zarr")
    assert (wrong.exit_code, "finite number of at least 0" in wrong.output) == (2, True)
    assert not (tmp_path / "c.zarr").exists()


def test_what_the_command_prints_counts_from_one(pair, tmp_path: Path, tokenizer) -> None:
    stores = [tmp_path / "a.zarr", tmp_path / "b.zarr"]
    for ds, store in zip(pair, stores, strict=True):
        save_trace(ds, store, tokenizer.pieces)
    result = CliRunner().invoke(main, ["compare", *map(str, stores), "--layer", "1", "--signal", "memory"])
    assert result.exit_code == 0, result.output
    assert "layer 2 (--layer 1)" in result.output
    assert "tokens count from 1" in result.output
    found = align(pair, "memory", 1)
    window = json.loads(pair[0].attrs["config"])["window"]
    listed = furthest(found.values[1] - found.values[0], found.start, found.end, TEXT, skip=window)
    places = [int(place) for place in re.findall(r" token +(\d+) ", result.output)]
    assert places == [one.token + 1 for one in listed] != []


def test_the_command_says_what_it_was_given_instead_of_a_run(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["compare", str(tmp_path), str(tmp_path / "b.zarr")])
    assert result.exit_code == 2
    assert f"titans: {tmp_path} is not a run but a folder without one; `titans trace FILE" in result.output


def test_the_summary_of_a_run_that_diverged_counts_what_it_read(tmp_path) -> None:
    story = tmp_path / "story.txt"
    story.write_text(TEXT * 2)  # of enough tokens that the first are left out
    out = tmp_path / "a.zarr"
    result = CliRunner().invoke(
        main, ["trace", str(story), "--checkpoint", "mag", "--set", "theta=1000", "--out", str(out)]
    )
    assert result.exit_code == 0, result.output
    assert "most surprising passages (" not in result.output, "a heading without anything under it"
    lost = json.loads(open_trace(out).attrs["diverged"])
    assert f"diverged at token {lost['token'] + 1}, layer {lost['layer'] + 1} first" in result.output
    assert "no most surprising passages: no surprise is known after the first 64 tokens" in result.output
    plain = str(tmp_path / "b.zarr")
    assert CliRunner().invoke(main, ["trace", str(story), "--checkpoint", "mag", "--out", plain]).exit_code == 0
    compared = CliRunner().invoke(main, ["compare", plain, str(out)])
    assert "nothing is defined in both after the first 64 tokens" in compared.output
    bits = float(result.output.split(" bits per byte")[0].split()[-1])
    assert bits > 0.5
