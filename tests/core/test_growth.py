"""What grows with the length of a text, and what does not."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from titans_core.cli import main
from titans_core.config import VARIANTS
from titans_core.errors import ConfigError
from titans_core.growth import FULL, full_attention, growth
from titans_core.record import open_trace
from titans_core.slabs import SLAB
from titans_core.steady import steady

IDS = torch.arange(300) * 7 % 4096


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_a_model_carries_has_a_constant_size(tiny_model, variant: str) -> None:
    points = growth(tiny_model(variant), IDS, [64, 1024, 700])
    assert [point.tokens for point in points] == [64, 700, 1024]
    assert [point.seconds for point in points] == sorted(point.seconds for point in points)
    assert all(point.speed > 0 for point in points)
    sizes = [point.state for point in points]
    logits_and_pending = 4 * 4096 + 8 * 16
    assert max(sizes) - min(sizes) <= 8 * 16, "but for tokens of a unit that is not whole"
    assert min(sizes) > logits_and_pending - 8 * 16


def test_attention_over_everything_carries_every_token(tiny_model) -> None:
    points = growth(full_attention(tiny_model("transformer")), IDS, [100, 200, 600])
    sizes = np.array([point.state for point in points])
    per_token = 2 * 2 * 16 * 4  # keys and values of two layers of width 16 in float32
    np.testing.assert_array_equal(np.diff(sizes), np.diff([100, 200, 600]) * per_token)


def test_it_is_attention_in_a_window_that_nothing_leaves(tiny_model) -> None:
    wide, ids = tiny_model("transformer", window=128), IDS[None, :128]
    opened = full_attention(tiny_model("transformer", window=128))
    state = opened(ids[:, :50]).state
    split = torch.cat((opened(ids[:, :50]).logits, opened(ids[:, 50:], state).logits), 1)
    torch.testing.assert_close(split, wide(ids).logits, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(split, tiny_model("transformer", window=16)(ids).logits)
    assert opened.name == FULL
    assert wide.name == "tiny-transformer"


def test_a_limit_ends_it_and_what_cannot_be_read_is_refused(tiny_model) -> None:
    model = tiny_model("mag")
    assert [point.tokens for point in growth(model, IDS, [16, 100_000], limit=0.01)] == [16]
    for lengths in ([], [0, 4], [-1]):
        with pytest.raises(ConfigError, match="at least one token"):
            growth(model, IDS, lengths)
    with pytest.raises(ConfigError, match="tiny-mag is a mag; only a transformer's window"):
        full_attention(model)


def test_quarters_of_a_trace_and_what_stays_in_memory(tiny_model, tmp_path) -> None:
    model, seen = tiny_model("mac"), []
    found = steady(
        model, "It rained, and it rained.\n", 8 * SLAB, store=tmp_path / "a", progress=lambda *d: seen.append(d)
    )
    assert found.tokens == open_trace(tmp_path / "a").sizes["token"] == seen[-1][0]
    assert 8 * SLAB <= found.tokens < 8.1 * SLAB
    assert len(found.quarters) == len(found.resident) == 4
    assert min(found.quarters) > 0
    assert found.ratio == found.quarters[3] / found.quarters[0]
    assert all(10e6 < size < 100e9 for size in found.resident)
    assert found.grown == found.resident[3] - found.resident[0]
    assert found.to_dict()["speed"] == pytest.approx((found.tokens - SLAB) / sum(found.quarters))
    with pytest.raises(ConfigError, match=f"at least {5 * SLAB}"):
        steady(model, "It rained.", 100)


def test_the_command_writes_what_the_page_reads(tmp_path) -> None:
    out = tmp_path / "growth.json"
    asked = ["--checkpoint", "transformer", "--checkpoint", "mal", "--lengths", "64,128", "--device", "cpu"]
    made = CliRunner().invoke(main, ["bench", "--part", "growth", *asked, "--out", str(out)])
    assert made.exit_code == 0, made.output
    record = json.loads(out.read_text())
    assert list(record["models"]) == ["transformer", "mal", FULL]
    points = record["models"]["mal"]
    assert [point["tokens"] for point in points] == [64, 128]
    assert record.keys() >= {"command", "device", "torch", "threads", "limit_seconds"}
    assert points[0].keys() == {"tokens", "seconds", "speed", "state"}
    assert "--part growth" in record["command"]
