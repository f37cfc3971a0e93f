"""The cells of a sweep, in the order of its table, and where what they name is found. Looks at everything first:
what cannot be measured is refused before anything is."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from titans_core.arguments import check_memory
from titans_core.assets import checkpoint_names
from titans_core.checkpoint import load
from titans_core.errors import CheckpointError, ConfigError
from titans_core.evaluation.cells import Job
from titans_core.evaluation.plan import full_plan, quick_plan
from titans_core.evaluation.runner import Materials, possible
from titans_core.interventions import intervene
from titans_core.model import Model
from titans_core.probes import spots
from titans_core.settings import Settings
from titans_core.signals import SIGNALS
from titans_core.sweeps.cells import Cell, Compare, Evaluate, Identity, Needle
from titans_core.sweeps.sources import Sources, files_sha256, samples_sha256, text_sha256
from titans_core.sweeps.work import identity


@dataclass(frozen=True)
class Plan:
    """names: what people call what cells name by sha256. left: by missing option, the tasks that were left out."""

    cells: list[Cell]
    sources: Sources
    names: dict[str, str]
    left: dict[str, list[str]] = field(default_factory=dict)

    def on(self, device: str) -> Plan:
        """The same to be measured on "cpu" or "cuda"."""
        return replace(self, cells=[replace(cell, device=device) for cell in self.cells])


def needle(
    checkpoints: Sequence[str],
    document: tuple[str, str] | None = None,
    *,
    tasks: Sequence[str] = ("number",),
    lengths: Sequence[int],
    depths: Sequence[float],
    controls: Sequence[str] = ("live",),
    n: int,
    seed: int = 0,
) -> Plan:
    """Every task, control, length (tokens) and depth (0 to 1) for every checkpoint, n texts each.

    document: its name and text; None: the sample texts. Raises CheckpointError, TextError or ConfigError for what
    cannot be loaded or laid out.
    """
    models, folders = _loaded(checkpoints)
    title, text = document or ("sample texts", None)
    digest = samples_sha256() if text is None else text_sha256(text)
    grid = [
        spots.Spot(task, length, float(depth), control)
        for task in tasks
        for control in controls
        for length in lengths
        for depth in depths
    ]
    for source in {m.tokenizer.digest: spots.haystack(m.tokenizer, text) for m in models}.values():
        for spot in grid:
            spots.text(source, spot, 0, seed)
    cells: list[Cell] = [
        Needle(model=identity(model), haystack=digest, n=n, seed=seed, **spot._asdict())
        for model in models
        for spot in grid
    ]
    return Plan(
        cells, Sources(folders, {} if text is None else {digest: text}), _names(models, folders) | {digest: title}
    )


def evaluate(
    checkpoints: Sequence[str],
    corpus: Path | None = None,
    evaluation: Path | None = None,
    *,
    tasks: Sequence[str] = (),
    controls: Sequence[str] = (),
    max_length: int | None = None,
    quick: bool = False,
    seed: int = 0,
) -> Plan:
    """The cells of `titans eval` for every checkpoint. Raises CheckpointError or ConfigError for what is not there."""
    models, folders = _loaded(checkpoints)
    corpus, evaluation = (None if path is None else path.absolute() for path in (corpus, evaluation))
    materials = Materials(models[0].tokenizer, corpus, evaluation)
    asked: list[tuple[Model, Job]] = []
    left: dict[str, list[str]] = {}
    for model in models:
        jobs = (quick_plan if quick else full_plan)(model.config, tasks, controls, max_length)
        jobs, without = possible(jobs, materials)
        asked += [(model, job) for job in jobs]
        left |= without
    for option, names in left.items():
        if tasks:
            raise ConfigError(f"{', '.join(names)} cannot be measured without {option}")
    digests = {task: files_sha256(materials.files(task)) for task in {job.key.task for _, job in asked}}
    cells: list[Cell] = [
        Evaluate(model=identity(model), data=digests[job.key.task], n=job.n, seed=seed, **job.key._asdict())
        for model, job in asked
    ]
    if not cells:
        raise ConfigError("nothing is left to measure; give more --tasks, --controls or a longer --max-length")
    return Plan(cells, Sources(folders, {}, corpus, evaluation), _names(models, folders), left)


def compare(
    checkpoints: Sequence[str],
    documents: Sequence[tuple[str, str]],
    changes: Sequence[str] = (),
    *,
    signal: str = "surprise",
    layer: int | None = None,
) -> Plan:
    """In every document (name and text): every checkpoint against the first, every change of each against it unchanged.

    changes: interventions, each alone. Raises CheckpointError or ConfigError for what cannot be compared.
    """
    models, folders = _loaded(checkpoints)
    if signal not in (known := [*SIGNALS, "nll", "entropy"]):
        raise ConfigError(f"there is no signal {signal[:80]!r}; there are {', '.join(known)}")
    changed = [intervene(change) for change in changes]
    for model in models:
        check_memory(model, changes)
        for settings in changed:
            settings.check(model.config.layers, 0, sys.maxsize)  # of what tokens a document has, its cell will tell
    pairs = [(model, Settings(), models[0]) for model in models[1:]]
    pairs += [(model, settings, model) for model in models for settings in changed]
    if not pairs:
        raise ConfigError("there is nothing to compare with; give a second --checkpoint, or a change with --set")
    texts = {text_sha256(text): (name, text) for name, text in documents}
    cells: list[Cell] = [
        Compare(
            model=identity(model),
            document=digest,
            size=len(text.encode()),
            settings=settings,
            against=identity(against),
            signal=signal,
            layer=layer,
        )
        for digest, (_, text) in texts.items()
        for model, settings, against in pairs
    ]
    names = _names(models, folders) | {digest: name for digest, (name, _) in texts.items()}
    return Plan(cells, Sources(folders, {digest: text for digest, (_, text) in texts.items()}), names)


def _loaded(checkpoints: Sequence[str]) -> tuple[list[Model], dict[Identity, str]]:
    """Every model once, on the CPU, and the shipped name or the folder of each."""
    if not checkpoints:
        raise CheckpointError("this installation ships no checkpoints; give the folder of one with --checkpoint")
    models: dict[Identity, Model] = {}
    folders: dict[Identity, str] = {}
    for name in checkpoints:
        model = load(name, "cpu")
        if identity(model) not in models:
            models[identity(model)] = model
            folders[identity(model)] = name if name in checkpoint_names() else str(Path(name).absolute())
    return list(models.values()), folders


def _names(models: Sequence[Model], folders: dict[Identity, str]) -> dict[str, str]:
    """By sha256 of the weights; of models with the same name their folders."""
    called = [model.name for model in models]
    return {
        model.weights_sha256: model.name if called.count(model.name) == 1 else folders[identity(model)]
        for model in models
    }
