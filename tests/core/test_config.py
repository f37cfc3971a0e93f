import dataclasses
import json

import pytest

from titans_core.config import LARGEST, VARIANTS, ModelConfig
from titans_core.errors import ConfigError, TitansError
from titans_core.settings import Settings

FLOORS = ["writes_from", "forgets_from"]
SWITCHES = ["momentum", "forgetting"]
OTHERS = ("variant", "eta_max", *FLOORS, *SWITCHES)
NUMBERS = [field.name for field in dataclasses.fields(ModelConfig) if field.name not in OTHERS]


@pytest.mark.parametrize("variant", VARIANTS)
def test_defaults_are_valid_for_every_variant(variant) -> None:
    config = ModelConfig(variant=variant)
    assert config.head_dim * config.heads == config.dim
    assert config.has_memory == (variant not in ("transformer", "lightning"))


@pytest.mark.parametrize("variant", ["", "MAC", "mac ", "lightening", None, ["mac"], 1])
def test_an_unknown_variant_is_refused_and_the_choices_are_named(variant) -> None:
    with pytest.raises(ConfigError, match="unknown variant") as caught:
        ModelConfig(variant=variant)
    assert all(name in str(caught.value) for name in VARIANTS)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [-1, 0, 1.0, "1", True, None, float("nan"), [1], LARGEST + 1])
def test_every_number_is_a_whole_number_in_range(name, value) -> None:
    if name == "persistent" and value == 0 and type(value) is int:
        assert ModelConfig(variant="mac", persistent=0).persistent == 0
        return
    low = 0 if name == "persistent" else 1
    with pytest.raises(ConfigError, match=f"^{name} is .*whole number of at least {low} and at most 1,048,576$"):
        ModelConfig(variant="mac", **{name: value})


@pytest.mark.parametrize("name", FLOORS)
@pytest.mark.parametrize("value", [-0.1, 1.0, 0, "0.1", True, None, float("nan")])
def test_every_floor_is_a_fraction(name, value) -> None:
    with pytest.raises(ConfigError, match=f"^{name} is .*number from 0.0 to below 1$"):
        ModelConfig(variant="mac", **{name: value})


@pytest.mark.parametrize("value", [0.0, -0.5, 1.1, 0, 1, "0.5", True, None, float("nan")])
def test_the_largest_carry_is_a_fraction_above_nothing(value) -> None:
    with pytest.raises(ConfigError, match=r"^eta_max is .*number above 0.0 and at most 1.0$"):
        ModelConfig(variant="mac", eta_max=value)


@pytest.mark.parametrize("name", SWITCHES)
@pytest.mark.parametrize("value", [0, 1, "true", None])
def test_every_switch_is_true_or_false(name, value) -> None:
    with pytest.raises(ConfigError, match=f"^{name} is .*true or false$"):
        ModelConfig(variant="mac", **{name: value})


@pytest.mark.parametrize(("dim", "heads"), [(16, 3), (6, 2), (15, 3), (2, 4)])
def test_heads_must_split_dim_into_even_widths(dim, heads) -> None:
    with pytest.raises(ConfigError, match=f"dim {dim} must split into {heads} heads of even width"):
        ModelConfig(variant="mac", dim=dim, heads=heads)


@pytest.mark.parametrize(("window", "chunk"), [(16, 3), (8, 16), (17, 16)])
def test_window_is_a_multiple_of_chunk(window, chunk) -> None:
    with pytest.raises(ConfigError, match=f"window {window} must be a multiple of chunk {chunk}"):
        ModelConfig(variant="mac", window=window, chunk=chunk)


@pytest.mark.parametrize(
    ("variant", "unit"), [("mac", 32), ("mag", 8), ("mal", 8), ("lmm", 8), ("transformer", 1), ("lightning", 1)]
)
def test_unit(variant, unit) -> None:
    assert ModelConfig(variant=variant, window=32, chunk=8).unit == unit


def test_a_config_survives_json() -> None:
    config = ModelConfig(variant="mal", dim=32, heads=4, memory_depth=2)
    again = ModelConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config
    assert hash(again) == hash(config)
    assert again.digest == config.digest


def test_unknown_settings_are_named() -> None:
    values = {**ModelConfig(variant="mac").to_dict(), "zeta": 1, "batch": 2}
    with pytest.raises(ConfigError, match="unknown model settings: batch, zeta"):
        ModelConfig.from_dict(values)


def test_the_digest_does_not_depend_on_the_order_of_the_settings_but_on_every_value() -> None:
    config = ModelConfig(variant="mac")
    backwards = dict(reversed(config.to_dict().items()))
    assert ModelConfig.from_dict(backwards).digest == config.digest
    changes = {"variant": "mag", "dim": 96, "window": 256, "chunk": 32}
    changes |= dict.fromkeys(SWITCHES, False)
    changed = [
        dataclasses.replace(config, **{name: changes.get(name, getattr(config, name) * 2)}) for name in config.to_dict()
    ]
    assert len({c.digest for c in [config, *changed]}) == 1 + len(changed)
    assert len(config.digest) == 64


def test_settings_are_frozen_and_hashable() -> None:
    config, settings = ModelConfig(variant="mac"), Settings(zero_reads=True)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.dim = 16
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.zero_reads = False
    assert {config: 1, settings: 2}[Settings(zero_reads=True)] == 2
    assert settings.to_dict() == {"zero_reads": True, "freeze_writes": False}
    assert Settings() == Settings(zero_reads=False, freeze_writes=False)


def test_errors_of_input_are_value_errors() -> None:
    assert issubclass(ConfigError, TitansError)
    assert issubclass(TitansError, ValueError)
