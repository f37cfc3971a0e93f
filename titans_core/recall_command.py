"""`titans recall`: a fact of a document, asked for as the reading goes on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from tqdm import tqdm

from titans_core import probe_options
from titans_core.outputs import output_file
from titans_core.probes import recalled
from titans_core.probes.questions import cue_of
from titans_core.resumed import begun, write

if TYPE_CHECKING:
    from titans_core.probes.asking import Said
    from titans_core.probes.recall import Recall


@click.command("recall")
@click.argument("file", type=probe_options.FILE)
@click.option("--fact", required=True, help="Words of the document, or with --plant a sentence to be put into it.")
@click.option("--answer", required=True, help="The part of the fact that is asked for.")
@click.option("--cue", help="What is read before the answer is looked for.  [default: the fact up to the answer]")
@click.option("--plant", "depth", type=float, help="Put the fact in at this share of the document, 0 to 1.")
@probe_options.checkpoints
@probe_options.out
@click.option(
    "--points",
    default=recalled.POINTS,
    show_default=True,
    type=click.IntRange(1),
    help="At so many the memory is measured.",
)
@click.option(
    "--questions",
    default=recalled.QUESTIONS,
    show_default=True,
    type=click.IntRange(1),
    help="At so many the model is asked.",
)
@probe_options.device
def recall_command(
    file: Path,
    fact: str,
    answer: str,
    cue: str | None,
    depth: float | None,
    names: tuple[str, ...],
    out: Path,
    points: int,
    questions: int,
    device: str,
) -> None:
    """Read FILE and ask for a fact of it at later and later points.

    Twice each time: the memory itself (the loss and the cosine of what it says to the keys of the fact with the fact's
    values, layer by layer), and the model (the probability of the answer after the cue, and what it says instead).
    Beside it stand the controls: reads of the memory zeroed, and a reading of the document without the fact.
    """
    text = probe_options.document(file)
    cue = cue_of(fact, answer) if cue is None else cue
    chosen = probe_options.chosen(names)
    click.get_current_context().with_resource(output_file(out))
    import torch  # noqa: PLC0415 (takes seconds to load: only once the input is known to be good)

    from titans_core.checkpoint import load  # noqa: PLC0415
    from titans_core.cli import bar_progress  # noqa: PLC0415
    from titans_core.probes import places  # noqa: PLC0415
    from titans_core.probes.recall import recall  # noqa: PLC0415

    torch.set_num_threads(1)
    place = places.find(text, fact) if depth is None else places.plant(text, fact, depth)
    asked = recalled.asked(place, cue, answer, points, questions)
    results = begun(out, asked, "recall")
    for name in chosen:
        model = load(name, device)
        if any((one["checkpoint"], one["weights_sha256"]) == (model.name, model.weights_sha256) for one in results):
            click.echo(f"{model.name}: in {out} already")
            continue
        with tqdm(unit=" tokens", desc=model.name, file=sys.stderr) as bar:
            found = recall(model, place, cue, answer, points=points, questions=questions, progress=bar_progress(bar))
        results.append({"weights_sha256": model.weights_sha256, **found.to_dict()})
        write(out, {**asked, "results": results}, recalled.table(results))
        click.echo("\n".join(_lines(found)))


def _lines(found: Recall) -> list[str]:
    lines = [
        f"{found.checkpoint}: the fact is tokens {found.start + 1:,} to {found.end:,} of {found.total:,}; "
        f"asked for {found.answer.strip()!r}",
        f"  {'after token':>11} {'later':>9}  {'with memory (p, says)':<32} {'reads zeroed':<32} fact removed",
    ]
    for one in found.asked:
        said = [_said(one.memory), _said(one.zeroed), _said(one.removed)]
        lines.append(f"  {one.tokens:>11,} {one.tokens - found.end:>9,}  {' '.join(said)}")
    return lines


def _said(said: Said) -> str:
    text = "⏎".join(said.text.strip().splitlines())  # a line break would break the columns
    return f"{'right' if said.exact else '':<5} {said.p:>7.2g} {text[:16]!r:<18}"
