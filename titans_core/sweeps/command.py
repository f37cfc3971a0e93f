"""`titans sweep`: many measurements, kept one by one and gone on with, here or on a Ray cluster."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from tqdm import tqdm

from titans_core import probe_options
from titans_core.outputs import output_folder
from titans_core.sweeps.loop import Engine, Outcome, Serial, sweep
from titans_core.sweeps.places import Place, place

if TYPE_CHECKING:
    from titans_core.sweeps.plans import Plan

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_COMMAND = TypeVar("_COMMAND", bound=Callable[..., Any])
_seed = click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))


def _where(command: _COMMAND) -> _COMMAND:
    """The options that every sweep has."""
    for option in (
        click.option(
            "--ray", metavar="ADDRESS", help="Measure on a Ray cluster, many cells at once; local: on one here."
        ),
        probe_options.device,
        click.option(
            "--results", required=True, help="Folder (or URL, as s3://bucket/sweep) that results are kept in."
        ),
    ):
        command = option(command)
    return command


@click.group("sweep")
def sweep_command() -> None:
    """Measure many cells, and keep each result under what was measured.

    The same command goes on from what is kept: after Ctrl-C, after a crash, with further lengths or checkpoints. A
    cell that fails is told in the table and tried again by the next such command; the others go on.
    """


@sweep_command.command("needle")
@click.argument("file", required=False, type=probe_options.FILE)
@probe_options.checkpoints
@click.option("--task", "tasks", multiple=True, default=["number"], show_default=True, help="number, word or passkey.")
@click.option("--lengths", default="1024,2048,4096,8192", show_default=True, help="Tokens of the texts, with commas.")
@click.option("--depths", default="0,0.25,0.5,0.75,1", show_default=True, help="Where the fact stands, with commas.")
@click.option("--n", default=10, show_default=True, type=click.IntRange(1), help="Texts a cell.")
@click.option(
    "--control", "controls", multiple=True, default=["live"], show_default=True, help="Repeatable, as --task."
)
@_seed
@_where
def needle_command(file: Path | None, lengths: str, depths: str, n: int, seed: int, **given: Any) -> None:
    """The grid of `titans niah`: FILE, or the sample texts, with a fact hidden at every depth, for every length."""
    document = None if file is None else (file.name, probe_options.document(file))
    columns: list[int] = probe_options.numbers("--lengths", lengths, int)
    rows: list[float] = probe_options.numbers("--depths", depths, float)
    names, what = probe_options.chosen(given["names"]), {"tasks": given["tasks"], "controls": given["controls"]}
    with _measuring(given) as measure:
        from titans_core.sweeps import plans  # noqa: PLC0415 (torch takes seconds to load)

        measure(plans.needle(names, document, lengths=columns, depths=rows, n=n, seed=seed, **what))


@sweep_command.command("evaluate")
@probe_options.checkpoints
@click.option("--data", type=_FOLDER, help="Corpus folder; validation.jsonl[.xz|.gz] in it is the haystack.")
@click.option("--eval-data", type=_FOLDER, help="Folder with babi/en and lambada/lambada_test.jsonl.")
@click.option("--quick", is_flag=True, help="The first texts of some cells.")
@click.option("--max-length", type=click.IntRange(min=0), help="Leave out texts of more tokens.")
@click.option("--task", "tasks", multiple=True, help="Repeatable.  [default: all of the table]")
@click.option("--control", "controls", multiple=True, help="live, zeroed, frozen, absent; repeatable.  [default: all]")
@_seed
@_where
def evaluate_command(data: Path | None, eval_data: Path | None, quick: bool, seed: int, **given: Any) -> None:
    """The table of `titans eval`, of several checkpoints."""
    names = probe_options.chosen(given["names"])
    what = {name: given[name] for name in ("tasks", "controls", "max_length")}
    with _measuring(given) as measure:
        from titans_core.sweeps import plans  # noqa: PLC0415

        measure(plans.evaluate(names, data, eval_data, quick=quick, seed=seed, **what))


@sweep_command.command("compare")
@click.argument("files", nargs=-1, required=True, type=probe_options.FILE)
@probe_options.checkpoints
@click.option("--set", "changes", multiple=True, metavar="CHANGE", help="As of titans trace; each alone; repeatable.")
@click.option("--signal", default="surprise", show_default=True, help="As of titans compare.")
@click.option("--layer", type=click.IntRange(0), help="one layer, counted from 0  [default: all together]")
@_where
def compare_command(files: tuple[Path, ...], signal: str, layer: int | None, **given: Any) -> None:
    """The numbers of `titans compare`, of runs that are made and not stored.

    In each of FILES: every checkpoint against the first, and every CHANGE of each against that checkpoint unchanged.
    """
    documents = [(file.name, probe_options.document(file)) for file in files]
    names = probe_options.chosen(given["names"])
    with _measuring(given) as measure:
        from titans_core.sweeps import plans  # noqa: PLC0415

        measure(plans.compare(names, documents, given["changes"], signal=signal, layer=layer))


@contextmanager
def _measuring(given: dict[str, Any]) -> Iterator[Callable[[Plan], None]]:
    """A function that measures a plan where the options say; the place of results is tried first."""
    results, address, asked = given["results"], given["ray"], given["device"]
    kept = place(results)
    with ExitStack() as open_while:
        if "://" not in results:
            open_while.enter_context(output_folder(Path(results), option="--results"))

        def measure(plan: Plan) -> None:
            for option, tasks in plan.left.items():
                click.echo(f"left out without {option}: {', '.join(tasks)}", err=True)
            if address is None:
                from titans_core.checkpoint import pick_device  # noqa: PLC0415

                _measure(plan.on(pick_device(asked).type), kept, Serial(plan.sources), results)
            else:
                from titans_core.sweeps import on_ray  # noqa: PLC0415

                open_while.enter_context(on_ray.connected(address))
                _measure(plan.on(on_ray.device(asked)), kept, on_ray.OnRay(plan.sources), results)

        yield measure


def _measure(plan: Plan, kept: Place, engine: Engine, results: str) -> None:
    outcomes: dict[str, Outcome] = {}
    total = len({cell.key for cell in plan.cells})
    try:
        with tqdm(total=total, unit=" cells", file=sys.stderr) as bar, closing(sweep(plan.cells, kept, engine)) as done:
            for cell, outcome in done:
                outcomes[cell.key] = outcome
                if outcome.set_aside:
                    bar.write(f"a damaged result was set aside as {outcome.set_aside}; measured again", file=sys.stderr)
                bar.set_postfix(failed=_failed(outcomes))
                bar.update()
    except KeyboardInterrupt:
        safe = len(outcomes) - _failed(outcomes)
        click.echo(f"\nstopped: {safe} of {total} cells are kept in {results}; the same command goes on", err=True)
        raise click.exceptions.Exit(130) from None  # as shells tell of Ctrl-C
    _tell(plan, outcomes, kept, results)


def _tell(plan: Plan, outcomes: dict[str, Outcome], kept: Place, results: str) -> None:
    from titans_core.sweeps import tables  # noqa: PLC0415

    kind = plan.cells[0].kind
    table = tables.rows(plan.cells, outcomes, plan.names)
    kept.write(f"{kind}.csv", tables.as_csv(table))
    kept.write(f"{kind}.json", tables.as_json(plan.cells, outcomes, plan.names))
    click.echo(tables.as_text(table))
    before = sum(one.kept for one in outcomes.values())
    click.echo(f"{len(outcomes)} cells, {before} of them kept from before -> {results}/{kind}.csv, {kind}.json")
    if failed := _failed(outcomes):
        click.echo(f"{failed} failed; the same command tries them again", err=True)
        raise click.exceptions.Exit(1)


def _failed(outcomes: dict[str, Outcome]) -> int:
    return sum(one.result is None for one in outcomes.values())
