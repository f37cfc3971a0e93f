"""What a training is: a frozen Recipe, and the TOML file it is read from."""

from __future__ import annotations

import dataclasses
import math
import operator
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from titans_core.config import VARIANTS, ModelConfig
from titans_core.errors import ConfigError
from titans_core.tasks import TASKS


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How long, how fast, and on what.

    stages: (fraction of all steps, tokens per window); windows fill the same batch of tokens. task_share of the windows
    are generated tasks, drawn by the weights in `tasks`; the rest are windows of the corpus. A target token counts by
    its role: text 1, facts and questions (which nobody can predict) fact_weight, answers answer_weight.
    write_cost: what a whole write that lasts adds to its token's loss in the longest windows (see step.py); in shorter
    ones less, as the square of their length: there are fewer writes, and fewer reads that they could disturb. A write
    lasts as far as its head keeps it for `lasting` tokens.
    A run that would take longer than max_minutes is stopped then, with its learning rate brought down in time.

    Raises ConfigError, naming the value, where no training can be run so.
    """

    steps: int
    batch_tokens: int = 32_768
    stages: tuple[tuple[float, int], ...] = ((0.4, 256), (0.6, 1024))
    matrix_rate: float = 0.02
    other_rate: float = 0.004
    seed: int = 1
    max_minutes: float = 60.0
    task_share: float = 0.0
    tasks: tuple[tuple[str, float], ...] = ()
    answer_weight: float = 1.0
    fact_weight: float = 1.0
    write_cost: float = 0.0
    lasting: int = 1024

    def __post_init__(self) -> None:
        self._check_numbers()
        if self.steps < 1 or not self.max_minutes > 0:
            raise ConfigError(f"steps {self.steps} and max_minutes {self.max_minutes} must be above zero")
        if not self.stages or any(share < 0 or length < 1 for share, length in self.stages):
            raise ConfigError(f"stages {self.stages} need a share of at least 0 and a window of at least 1 token each")
        if abs(sum(share for share, _ in self.stages) - 1) > 1e-6:
            raise ConfigError(f"the shares in stages {self.stages} must add up to 1")
        if self.batch_tokens < max(length for _, length in self.stages):
            raise ConfigError(
                f"batch_tokens {self.batch_tokens} cannot hold the longest window of stages {self.stages}"
            )
        if any(self.batch_tokens % length for _, length in self.stages):
            raise ConfigError(
                f"batch_tokens {self.batch_tokens} is not a multiple of every window of stages {self.stages}; a batch "
                "is whole windows"
            )
        if not 0 <= self.task_share <= 1:
            raise ConfigError(f"task_share is {self.task_share}; it must be between 0 and 1")
        if unknown := sorted({name for name, _ in self.tasks} - set(TASKS)):
            raise ConfigError(f"unknown tasks: {', '.join(unknown)}; there are: {', '.join(TASKS)}")
        if not all(0 <= weight < math.inf for _, weight in self.tasks):
            raise ConfigError(f"tasks {dict(self.tasks)} need weights of at least 0")
        if self.tasks and not self.task_share:
            raise ConfigError("tasks are named, but task_share is 0: no window would be one; say how many, such as 0.4")
        if self.task_share and not sum(weight for _, weight in self.tasks) > 0:
            raise ConfigError("task_share is above 0, but no task has a weight; name some in tasks")

    def _check_numbers(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.type == "int" and (type(value) is not int or value < 0):
                raise ConfigError(f"{field.name} is {value!r}; it must be a whole number of at least 0")
            if field.type == "float" and (type(value) not in (int, float) or not 0 <= value < math.inf):
                raise ConfigError(f"{field.name} is {value!r}; it must be a number of at least 0")

    def plan(self) -> list[tuple[int, int]]:
        """(window length, steps) of each stage; the last takes what rounding leaves."""
        counts = [int(self.steps * share) for share, _ in self.stages]
        counts[-1] += self.steps - sum(counts)
        return [(length, n) for (_, length), n in zip(self.stages, counts, strict=True) if n]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dataclasses.asdict(self)


def read_recipe(path: Path, **changes: Any) -> tuple[ModelConfig, Recipe]:
    """The tables [model] and [training] of a TOML file; `changes` replace values of either by name.

    A table [variants.NAME] holds what is different in [model] for that variant.

    Raises ConfigError for a file that cannot be read, an unknown name or a value that does not fit.
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as TOML: {error}") from None
    if extra := sorted(set(tables) - {"model", "training", "variants"}):
        raise ConfigError(f"{path} has unknown tables: {', '.join(extra)}; [model], [training] and [variants] are read")
    given = {name: value for name, value in changes.items() if value is not None}
    names = {field.name for field in dataclasses.fields(Recipe)}
    try:
        training = {**_table(tables, "training"), **{k: v for k, v in given.items() if k in names}}
        if unknown := sorted(set(training) - names):
            raise ConfigError(f"unknown names in [training]: {', '.join(unknown)}")
        model = _model_table(tables, {k: v for k, v in given.items() if k not in names})
        if "steps" not in training:
            raise ConfigError("[training] must say how many steps")
        return ModelConfig.from_dict(model), Recipe(**_frozen(training))
    except (TypeError, ConfigError) as error:
        raise ConfigError(f"{path}: {error}") from None


def parse_settings(pairs: Sequence[str]) -> dict[str, Any]:
    """NAME=VALUE, the value as in TOML, as the `changes` of read_recipe. Raises ConfigError for anything else."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        try:
            (found[name.strip()],) = tomllib.loads(f"value = {value}").values()
        except ValueError:
            raise ConfigError(f"{pair!r} is not NAME=VALUE with a value as in TOML, such as momentum=false") from None
    return found


def _model_table(tables: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    variants = _table(tables, "variants")
    if unknown := sorted(set(variants) - set(VARIANTS)):
        raise ConfigError(f"unknown tables in [variants]: {', '.join(unknown)}; there are: {', '.join(VARIANTS)}")
    model = {**_table(tables, "model"), **given}
    return {**model, **_table(variants, str(model.get("variant"))), **given}


def _table(tables: dict[str, Any], name: str) -> dict[str, Any]:
    table = tables.get(name, {})
    if not isinstance(table, dict):
        raise ConfigError(f"{name} must be a table, [{name}]")
    return table


def _frozen(training: dict[str, Any]) -> dict[str, Any]:
    """With lists and tables of TOML as the tuples of a Recipe; what the file does not name is left out."""
    found = dict(training)
    try:
        if "stages" in found:
            found["stages"] = tuple((float(share), operator.index(length)) for share, length in found["stages"])
    except (TypeError, ValueError):
        raise ConfigError(f"stages is {found['stages']!r}; it must be a list of [share, window] pairs") from None
    try:
        if "tasks" in found:
            found["tasks"] = tuple((str(name), float(weight)) for name, weight in found["tasks"].items())
    except (AttributeError, TypeError, ValueError):
        raise ConfigError(f"tasks is {found['tasks']!r}; it must be a table of task = weight") from None
    return found
