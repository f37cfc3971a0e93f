"""Parameters that nobody can mean, by every way in: refused in words, at once, and never run."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as some

from app import link, needles, runs
from app.jobs import Job, Probe, Progress, SanityCheck
from app.probing import grid
from app.theme import SIGNALS
from app.views.physics import Asked, problems
from titans_core.cli import main
from titans_core.config import ModelConfig
from titans_core.errors import ConfigError
from titans_core.interventions import intervene

ABSURD = [10**9, 0, -1, 10**12, 1e12, math.nan, math.inf, -math.inf, 2**65, True, None, "64", [64], 0.5]
SIZES = ("dim", "layers", "heads", "ffn", "window", "chunk", "memory_depth", "memory_hidden", "vocab", "conv")


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("value", ABSURD, ids=repr)
def test_no_model_has_such_a_shape(name: str, value: Any) -> None:
    with pytest.raises(ConfigError):
        ModelConfig(**{"variant": "mac", name: value})


@pytest.mark.parametrize(
    "change",
    [
        "chunk=0.5",
        "chunk=-1",
        "chunk=0",
        "chunk=1000000000000",
        "chunk=1e12",
        "theta*=nan",
        "theta*=inf",
        "eta=-1",
        "alpha=2",
        "wipe=-1",
        "depth=1000000000",
        "x" * 10_000,
    ],
)
def test_no_job_is_made_of_such_a_change(change: str) -> None:
    with pytest.raises(ConfigError) as told:
        Job("mac", "A text.", "t", changes=(change,))
    assert len(str(told.value)) < 11_000


@pytest.mark.parametrize("device", ["", "cuda:99", "cpu\n", "tpu", None, 3])
@pytest.mark.parametrize("kind", [Job, SanityCheck, Probe])
def test_no_job_is_made_for_such_a_device(kind: Any, device: Any) -> None:
    of = (
        {"kind": "recall", "of": "a" * 32}
        if kind is Probe
        else {"of": "a" * 32}
        if kind is SanityCheck
        else {"text": "t"}
    )
    with pytest.raises(ConfigError, match="choose cpu or cuda"):
        kind(**of, checkpoint="mac", title="t", device=device)


def test_what_only_the_text_can_judge_is_refused_by_the_worker_at_once(finish: Callable[..., Progress]) -> None:
    begun = time.monotonic()
    for change in ("wipe=36893488147419103232", "freeze=1000000000000", "theta[1000000000]*=2"):
        at = finish(runs.engine().submit(Job("mag", "A short text to be read.", "t", changes=(change,))))
        assert at.state == "failed", change
        assert "internal error" not in at.message
    assert time.monotonic() - begun < 30


numbers = some.one_of(some.none(), some.integers(), some.floats(), some.just(10**12), some.just(2**65))


@settings(max_examples=300, deadline=None)
@given(
    some.builds(
        Asked,
        some.floats(),
        some.floats(),
        some.floats(),
        freeze=numbers,
        wipe=numbers,
        chunk=numbers,
        layer=some.none() | some.integers(),
    )
)
def test_fields_of_a_new_run_are_all_judged_before_it(asked: Asked) -> None:
    if not problems(asked, 3, 1_000):
        intervene(*asked.changes).check(3, 0, 1_000)


texts = (
    some.text(max_size=12)
    | some.from_regex(r"-?[0-9]{1,30}(-[0-9]{1,30})?", fullmatch=True)
    | some.sampled_from(["nan", "1e12", "²", "٣"])
)
queries = some.dictionaries(some.sampled_from([*link.NAMES, "run", "theme"]), texts)


@settings(max_examples=300, deadline=None)
@given(queries)
def test_a_link_gives_only_what_can_be_meant(query: dict[str, str]) -> None:
    found = link.read(query, SIGNALS)
    for name in ("layer", "token", "a", "b", "path", "match"):
        assert 0 <= found.get(name, 0) < 10**12
    for name in ("span", "range"):
        low, high = found.get(name, (0, 1))
        assert 0 <= low < high
    assert found.get("signal", "surprise") in SIGNALS
    link.left_out(query, link.Look("surprise", None, None, 0), link.Pair(1, 0), 100, SIGNALS)


report = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=4), some.lists, max_leaves=6
)


@settings(max_examples=300, deadline=None)
@given(some.sampled_from([*link.NAMES, "theme", "underlines", "find"]), some.lists(report, min_size=2, max_size=4))
def test_what_a_browser_reports_is_taken_or_left(name: str, said: list[Any]) -> None:
    if name in ("span", "range", "layer", "token", "underlines", "find", "signal", "theme", "map", "unit", "rule"):
        told = link.told(name, said, SIGNALS)
        assert all(value is None or name != "layer" or value >= 0 for value in told.values())


address = some.from_regex(
    r"[a-z]{1,9}\.[a-z]{1,9}\.[0-9]{1,9}(-[0-9]{0,9}){0,17}\.[0-9]{1,4}(-[0-9]{1,4}){0,17}\.[0-9]{1,4}", fullmatch=True
)


@settings(max_examples=300, deadline=None)
@given(address | some.text(max_size=30))
def test_the_address_of_a_grid_is_judged_before_it_is_read(text: str) -> None:
    asked = needles.from_address(text)
    if asked and not grid.refusal(None, "mac", asked | {"seed": 0}):  # type: ignore[arg-type]
        assert grid.tokens(0, asked) <= 16 * 16 * 100 * max(asked["lengths"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["trace", "{file}", "--checkpoint", "x" * 10_000, "--out", "{out}"],
        ["trace", "{file}", "--checkpoint", "../../etc/passwd", "--out", "{out}"],
        ["trace", "{file}", "--checkpoint", "mag", "--out", "{out}", "--set", "chunk=1000000000000"],
        ["trace", "{file}", "--checkpoint", "mag", "--out", "{out}", "--set", "theta*=nan"],
        ["trace", "{file}", "--checkpoint", "mag", "--out", "{out}", "--device", "cuda:99"],
        ["niah", "--lengths", "1000000000000", "--out", "{out}"],
        ["niah", "--lengths", "nan", "--out", "{out}"],
        ["niah", "--depths", "1000000000", "--out", "{out}"],
        ["niah", "--n", "-1", "--out", "{out}"],
        ["niah", "--seed", "-1", "--out", "{out}"],
    ],
    ids=lambda arguments: " ".join(arguments)[:60],
)
def test_commands_say_no_in_a_line_and_write_nothing(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("A short text to be read.")
    places = {"file": tmp_path / "text.txt", "out": tmp_path / "out.zarr"}
    result = CliRunner().invoke(main, [argument.format(**places) for argument in arguments])
    assert result.exit_code != 0
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]
