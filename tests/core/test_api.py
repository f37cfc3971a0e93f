"""The names and signatures that other code calls, and the checkpoints that ship."""

import inspect

import numpy as np
import pytest
import torch

import titans_core as tc
from titans_core import assets, errors
from titans_core.config import VARIANTS
from titans_core.memory.equations import memory_steps

TEXT = "The old man walked along the shore. The old man walked along the shore, and it rained all night."
REQUIRED = inspect.Parameter.empty


def parameters(function) -> list[tuple[str, bool, object]]:
    """(name, by keyword only, default) of each parameter."""
    found = inspect.signature(function).parameters.values()
    return [(p.name, p.kind is p.KEYWORD_ONLY, p.default) for p in found]


def test_every_public_name_is_there() -> None:
    for name in tc.__all__:
        assert getattr(tc, name) is not None
    assert tc.memory.memory_scan is not None
    assert tc.memory.equations.memory_steps is memory_steps


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'titans_core' has no attribute 'lode'"):
        tc.lode  # noqa: B018


def test_load() -> None:
    assert [p[::2] for p in parameters(tc.load)] == [("name", REQUIRED), ("device", "auto")]


def test_trace() -> None:
    assert parameters(tc.trace) == [
        ("model", False, REQUIRED),
        ("text", False, REQUIRED),
        ("settings", True, None),
        ("state", True, None),
        ("store", True, None),
        ("heads", True, False),
        ("progress", True, None),
    ]


def test_run() -> None:
    assert parameters(tc.run) == [
        ("model", False, REQUIRED),
        ("text", False, REQUIRED),
        ("settings", True, None),
        ("state", True, None),
        ("recorder", True, None),
    ]


@pytest.mark.parametrize("function", [tc.memory.memory_scan, memory_steps])
def test_the_memory_and_its_oracle(function) -> None:
    assert parameters(function)[:10] == [
        *((name, False, REQUIRED) for name in ("q", "k", "v", "theta", "eta", "alpha", "weights")),
        ("momentum", False, None),
        ("chunk", True, REQUIRED),
        ("signals", True, False),
    ]
    assert all(keyword_only and not default for _, keyword_only, default in parameters(function)[10:])
    assert tc.memory.MemoryScan._fields == ("reads", "weights", "momentum", "signals")


def test_every_error_is_one_family() -> None:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
    assert len(kinds) == 6
    assert all(issubclass(kind, errors.TitansError) for kind in kinds)


def test_checkpoints_are_named_in_the_paper_s_order(tmp_path, monkeypatch) -> None:
    for name in ("zebra", "transformer", "mal", "lmm", "mac", "mag", "aardvark"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
        (tmp_path / "checkpoints" / name / "config.json").touch()
    (tmp_path / "checkpoints" / "empty").mkdir()
    monkeypatch.setattr(assets, "ROOT", tmp_path)
    assert tc.checkpoints() == ["mac", "mag", "mal", "lmm", "transformer", "aardvark", "zebra"]


def test_the_paper_s_three_variants_ship() -> None:
    assert tc.checkpoints()[:3] == ["mac", "mag", "mal"]
    assert set(tc.checkpoints()) <= {*VARIANTS, "lightning"}


@pytest.mark.parametrize("name", tc.checkpoints())
def test_a_shipped_checkpoint_loads_and_predicts(name) -> None:
    model = tc.load(name, device="cpu")
    assert model.config.variant == name == model.name
    assert model.parameter_count <= 2_500_000
    assert all(p.isfinite().all() for p in model.parameters())
    assert torch.equal(tc.load(assets.ROOT / "checkpoints" / name, "cpu").embed.weight, model.embed.weight)
    dataset = tc.trace(model, TEXT)
    assert dataset.attrs["checkpoint"] == name
    assert dataset["nll"].mean() < 10, "twelve bits is a guess"
    assert np.isfinite(dataset["entropy"][1:]).all()
