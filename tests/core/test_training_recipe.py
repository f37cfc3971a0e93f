"""Recipes: what they refuse, how steps are shared, and the TOML files they are read from."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from titans_core import assets
from titans_core.config import ModelConfig
from titans_core.errors import ConfigError
from titans_core.training.recipe import Recipe, parse_settings, read_recipe

GOOD = """
[model]
variant = "mag"
dim = 16
heads = 2
[variants.mac]
window = 128
[training]
steps = 70
batch_tokens = 4096
stages = [[0.25, 256], [0.75, 1024]]
task_share = 0.3
[training.tasks]
passkey = 1.5
recall = 2
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    return path


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"steps": 0}, "steps 0"),
        ({"steps": 7.5}, "steps is 7.5"),
        ({"steps": True}, "steps is True"),
        ({"seed": -1}, "seed is -1"),
        ({"tasks": (("word", 1.0),)}, "task_share is 0"),
        ({"batch_tokens": 8}, "batch_tokens 8 cannot hold"),
        ({"stages": ()}, "stages"),
        ({"stages": ((1.0, 100),)}, "is not a multiple of every window"),
        ({"stages": ((1.0, 0),)}, "stages"),
        ({"stages": ((-0.5, 16), (1.5, 16))}, "stages"),
        ({"stages": ((0.5, 16), (0.6, 16))}, "stages .* must add up to 1"),
        ({"max_minutes": 0}, "max_minutes 0"),
        ({"max_minutes": float("nan")}, "max_minutes is nan"),
        ({"matrix_rate": -0.1}, "matrix_rate is -0.1"),
        ({"other_rate": float("inf")}, "other_rate is inf"),
        ({"answer_weight": -1.0}, "answer_weight is -1.0"),
        ({"fact_weight": float("nan")}, "fact_weight is nan"),
        ({"task_share": 1.5}, "task_share is 1.5"),
        ({"task_share": 0.5}, "no task has a weight"),
        ({"task_share": 0.5, "tasks": (("recall", 0.0),)}, "no task has a weight"),
        ({"tasks": (("recall", 2.0), ("copy", -1.0))}, "'copy': -1.0"),
        ({"tasks": (("recal", 2.0),)}, "unknown tasks: recal; there are: passkey"),
    ],
    ids=str,
)
def test_a_recipe_that_cannot_run_is_refused(changes: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Recipe(**{"steps": 20, "batch_tokens": 256, "stages": ((1.0, 16),), **changes})


@pytest.mark.parametrize(
    ("steps", "stages", "plan"),
    [
        (10, ((1.0, 8),), [(8, 10)]),
        (10, ((0.4, 8), (0.6, 16)), [(8, 4), (16, 6)]),
        (7, ((0.5, 8), (0.5, 16)), [(8, 3), (16, 4)]),
        (1, ((0.4, 8), (0.6, 16)), [(16, 1)]),
        (100, ((0.333, 8), (0.333, 16), (0.334, 32)), [(8, 33), (16, 33), (32, 34)]),
    ],
)
def test_stages_share_the_steps(steps: int, stages: tuple, plan: list[tuple[int, int]]) -> None:
    assert Recipe(steps=steps, stages=stages).plan() == plan


def test_a_file_is_read_and_changed(file: Path) -> None:
    model, recipe = read_recipe(file)
    assert model == ModelConfig(variant="mag", dim=16, heads=2)
    assert recipe == Recipe(
        steps=70,
        batch_tokens=4096,
        stages=((0.25, 256), (0.75, 1024)),
        task_share=0.3,
        tasks=(("passkey", 1.5), ("recall", 2.0)),
    )
    model, recipe = read_recipe(file, steps=5, seed=9, max_minutes=None, variant="lmm", layers=1)
    assert (recipe.steps, recipe.seed, recipe.max_minutes) == (5, 9, 60.0)
    assert (model.variant, model.layers, model.window) == ("lmm", 1, 64)


def test_a_variant_has_its_own_values(file: Path) -> None:
    assert read_recipe(file, variant="mac")[0].window == 128
    assert read_recipe(file, variant="mal")[0].window == 64
    assert read_recipe(file, variant="mac", window=32)[0].window == 32, "what is asked for wins"


def test_any_value_can_be_set(file: Path) -> None:
    changes = parse_settings(["momentum=false", "write_cost = 0.2", "stages=[[1.0, 64]]"])
    model, recipe = read_recipe(file, **changes)
    assert (model.momentum, recipe.write_cost, recipe.stages) == (False, 0.2, ((1.0, 64),))
    for wrong in ("momentum", "momentum=no", "dim=16\nheads=1"):
        with pytest.raises(ConfigError, match="NAME=VALUE"):
            parse_settings([wrong])


@pytest.mark.parametrize("name", assets.checkpoint_names())
def test_a_shipped_recipe_is_what_its_checkpoint_was_trained_by(name: str) -> None:
    folder = assets.ROOT / "checkpoints" / name
    model, recipe = read_recipe(folder / "recipe.toml")
    meta = json.loads((folder / "config.json").read_text())
    assert model.to_dict() == meta["model"]
    given, recorded = json.loads(json.dumps(recipe.to_dict())), meta["training"]["recipe"]
    assert {k: v for k, v in given.items() if v != recorded[k]}.keys() <= {"max_minutes"}, "which the command gave"
    assert model.window * model.layers <= 512, "or attention alone would see far"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[training]", "[trainig]", "unknown tables: trainig"),
        ("[model]", "[model", "cannot be read as TOML"),
        ("steps = 70", "step = 70", r"unknown names in \[training\]: step"),
        ("steps = 70", "", r"\[training\] must say how many steps"),
        ("steps = 70", 'steps = "many"', "steps is 'many'"),
        ("steps = 70", "steps = 70.0", "steps is 70.0"),
        ("dim = 16", "dimm = 16", "unknown model settings: dimm"),
        ("dim = 16", 'dim = "wide"', "dim is 'wide'"),
        ("dim = 16", "dim = 15", "dim 15 must split"),
        ('variant = "mag"', 'variant = "mega"', "unknown variant 'mega'"),
        ('variant = "mag"', "", "variant"),
        ("[variants.mac]", "[variants.mca]", r"unknown tables in \[variants\]: mca"),
        ('[model]\nvariant = "mag"\ndim = 16\nheads = 2', "model = 3", r"model must be a table, \[model\]"),
        ("[[0.25, 256], [0.75, 1024]]", "5", "stages is 5"),
        ("[[0.25, 256], [0.75, 1024]]", "[[1.0]]", r"stages is \[\[1.0\]\]"),
        ("[[0.25, 256], [0.75, 1024]]", "[[1.0, 16.5]]", r"stages is \[\[1.0, 16.5\]\]"),
        ("[training.tasks]\npasskey = 1.5\nrecall = 2", 'tasks = ["recall"]', r"tasks is \['recall'\]"),
        ("recall = 2", 'recall = "often"', "'recall': 'often'"),
        ("recall = 2", "rcall = 2", "unknown tasks: rcall"),
    ],
)
def test_errors_name_the_file_and_the_name(old: str, new: str, said: str, file: Path) -> None:
    assert old in GOOD
    file.write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigError, match=rf"{re.escape(str(file))}.*{said}"):
        read_recipe(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml cannot be read"):
        read_recipe(tmp_path / "none.toml")
