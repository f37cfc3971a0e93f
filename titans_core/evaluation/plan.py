"""Which cells an evaluation has: the whole table, and the marked part of it that two CPU cores repeat in minutes."""

from __future__ import annotations

from collections.abc import Sequence

from titans_core.config import ModelConfig
from titans_core.errors import ConfigError
from titans_core.evaluation.cells import CONTROLS, Job, Key
from titans_core.tasks import TASKS

NEEDLES = ("passkey", "number", "word")
BABI = ("babi1", "babi2", "babi3", "babi4", "babi5")
DEFAULT_TASKS = (*NEEDLES, *BABI, "lambada", "validation")
CHOICES = (*(task for task in TASKS if task != "babi"), "babi", "lambada", "validation")

SHORT = (2048, 4096, 8192, 16_384)  # tokens
_LONG = 16_384  # longer cells are for the three memories alone, undisturbed
_LONG_VARIANTS = ("mac", "mag", "mal")
_QUICK: dict[Key, int] = {
    **{Key(task, 2048, control): 20 for task in NEEDLES for control in ("live", "zeroed")},
    **{Key(task, 4096, control): 10 for task in NEEDLES for control in ("live", "zeroed")},
    Key("passkey", 2048, "frozen"): 10,
    Key("passkey", 2048, "absent"): 10,
    **{Key(task, 0, "live"): 10 for task in BABI},
    Key("lambada", None, "live"): 100,
}


def full_plan(
    config: ModelConfig,
    tasks: Sequence[str] = (),
    controls: Sequence[str] = (),
    max_length: int | None = None,
) -> list[Job]:
    """The cells of a model of this config; no tasks or controls: all of the default.

    A model without memory has none to zero or freeze. Raises ConfigError for an unknown name.
    """
    chosen = _known("controls", controls or tuple(CONTROLS), tuple(CONTROLS))
    memory = {"zeroed", "frozen"} if not config.has_memory else set()
    jobs: list[Job] = []
    for task in _tasks(tasks):
        for control in chosen:
            if control not in memory:
                jobs += _cells(task, control, config.variant in _LONG_VARIANTS)
    return [job for job in jobs if max_length is None or (job.key.length or 0) <= max_length]


def quick_plan(
    config: ModelConfig,
    tasks: Sequence[str] = (),
    controls: Sequence[str] = (),
    max_length: int | None = None,
) -> list[Job]:
    """Cells of `full_plan` with the first few texts of each."""
    jobs = full_plan(config, tasks, controls, max_length)
    return [Job(job.key, _QUICK[job.key]) for job in jobs if job.key in _QUICK]


def _tasks(tasks: Sequence[str]) -> list[str]:
    found: list[str] = []
    for task in _known("tasks", tasks or DEFAULT_TASKS, CHOICES):
        found += BABI if task == "babi" else (task,)
    return list(dict.fromkeys(found))


def _known(what: str, names: Sequence[str], choices: Sequence[str]) -> Sequence[str]:
    if unknown := [name for name in names if name not in choices]:
        raise ConfigError(f"unknown {what}: {', '.join(unknown)}; choose of {', '.join(choices)}")
    return tuple(dict.fromkeys(names))


def _cells(task: str, control: str, long: bool) -> list[Job]:
    if task in ("lambada", "validation"):
        return [Job(Key(task, None, control), None)] if control != "absent" else []
    if task in BABI:
        sizes = {0: 100, 1024: 100, 4096: 100, 16_384: 100, 65_536: 50}
        if control == "absent":
            del sizes[0]  # nothing would be left
    else:
        sizes = dict.fromkeys(SHORT, 200)
        if task in NEEDLES:
            sizes[65_536] = 50
        if task == "passkey":
            sizes |= {262_144: 20, 1_048_576: 20}
    return [
        Job(Key(task, length, control), n)
        for length, n in sizes.items()
        if length <= _LONG or (long and control == "live")
    ]
