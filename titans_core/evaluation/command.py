"""`titans eval`: measure a checkpoint, or repeat the marked part of its recorded evaluation."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from tqdm import tqdm

from titans_core.assets import ROOT, checkpoint_names
from titans_core.errors import ConfigError
from titans_core.outputs import output_file

if TYPE_CHECKING:
    from titans_core.evaluation.cells import Job
    from titans_core.evaluation.report import Report
    from titans_core.evaluation.runner import Materials
    from titans_core.model import Model

RECORD = "evaluation.json"  # beside the weights: the evaluation that the card shows

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command("eval")
@click.argument("checkpoint")
@click.option("--data", type=_FOLDER, help="Corpus folder; validation.jsonl[.xz|.gz] in it is the haystack.")
@click.option("--eval-data", type=_FOLDER, help="Folder with babi/en and lambada/lambada_test.jsonl.")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="JSON file; gone on with if it exists.",
)
@click.option("--quick", is_flag=True, help="The first texts of some cells, compared with the checkpoint's record.")
@click.option("--max-length", type=click.IntRange(min=0), help="Leave out texts of more tokens.")
@click.option("--tasks", multiple=True, help="A task, or several with commas; repeatable. [default: all of the table]")
@click.option("--controls", multiple=True, help="live, zeroed, frozen, absent; as --tasks. [default: all]")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
def eval_command(
    checkpoint: str,
    data: Path | None,
    eval_data: Path | None,
    out: Path,
    quick: bool,
    max_length: int | None,
    tasks: tuple[str, ...],
    controls: tuple[str, ...],
    device: str,
    seed: int,
) -> None:
    """Measure CHECKPOINT (a shipped name or a folder) on held-out text, needles, bAbI in prose and LAMBADA."""
    click.get_current_context().with_resource(output_file(out))
    # torch takes seconds to load: not for --help or a bad option
    import torch  # noqa: PLC0415

    from titans_core.checkpoint import load  # noqa: PLC0415
    from titans_core.evaluation.plan import full_plan, quick_plan  # noqa: PLC0415
    from titans_core.evaluation.report import Report, header_of  # noqa: PLC0415
    from titans_core.evaluation.runner import Materials  # noqa: PLC0415

    torch.set_float32_matmul_precision("highest")
    model = load(checkpoint, device)
    plan = quick_plan if quick else full_plan
    jobs = plan(model.config, _split(tasks), _split(controls), max_length)
    materials = Materials(model.tokenizer, data, eval_data)
    jobs = _possible(jobs, materials, strict=bool(tasks))
    report = Report.open(out, header_of(model, seed, quick=quick))
    record = _folder(checkpoint) / RECORD
    recorded = Report.read(record) if quick and record.is_file() else None
    if quick and recorded is None:
        click.echo(f"{model.name} has no {RECORD} beside its weights: nothing to compare with", err=True)
    try:
        materials.read(jobs)
        _run(model, materials, jobs, report, recorded, out)
    except KeyboardInterrupt:
        kept = f"finished cells are kept in {out}; the same command goes on from there"
        click.echo(f"\nstopped: {kept if out.exists() else 'no cell was finished yet'}", err=True)
        raise click.exceptions.Exit(130) from None  # as shells tell of Ctrl-C


def _run(
    model: Model, materials: Materials, jobs: list[Job], report: Report, recorded: Report | None, out: Path
) -> None:
    from titans_core.evaluation.report import agreement  # noqa: PLC0415
    from titans_core.evaluation.runner import run_job  # noqa: PLC0415
    from titans_core.evaluation.tables import markdown, rate  # noqa: PLC0415

    for number, job in enumerate(jobs, 1):
        total = (job.n or 0) * (job.key.length or 0) or None
        title = f"{model.name} [{number}/{len(jobs)}] {job.label}"
        with tqdm(total=total, desc=title, unit=" tokens", unit_scale=True, leave=False, file=sys.stderr) as bar:
            cell = run_job(model, materials, job, report, bar.update)
        report.save(out)
        if cell is None:
            line = f"{report.validation[job.key.control]['bits_per_byte']:.4f} bits per byte"
        else:
            line = f"{rate(cell)}, {cell.seconds:.1f} s"
            line += f"; {agreement(cell, report.header, recorded)}" if recorded else ""
        click.echo(f"{job.label}: {line}")
    click.echo(f"\n{markdown(report)}\n\n-> {out}")


def _possible(jobs: list[Job], materials: Materials, *, strict: bool) -> list[Job]:
    """The jobs that there are data for; the others are named, or refused if strict: they were asked for."""
    from titans_core.evaluation.runner import possible  # noqa: PLC0415

    jobs, left = possible(jobs, materials)
    for option, tasks in left.items():
        if strict:
            raise ConfigError(f"{', '.join(tasks)} cannot be measured without {option}")
        click.echo(f"left out without {option}: {', '.join(tasks)}", err=True)
    if not jobs:
        raise ConfigError("nothing is left to measure; give more --tasks, --controls or a longer --max-length")
    return jobs


def _split(names: tuple[str, ...]) -> list[str]:
    return [part for name in names for part in name.replace(",", " ").split()]


def _folder(checkpoint: str) -> Path:
    return ROOT / "checkpoints" / checkpoint if checkpoint in checkpoint_names() else Path(checkpoint)
