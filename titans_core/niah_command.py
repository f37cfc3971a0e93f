"""`titans niah`: the needle grid in a terminal."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from titans_core import probe_options
from titans_core.outputs import output_file
from titans_core.resumed import begun, write

FORMAT = 1


@click.command("niah")
@click.argument("file", required=False, type=probe_options.FILE)
@probe_options.checkpoints
@click.option("--task", default="number", show_default=True, type=click.Choice(["number", "word", "passkey"]))
@click.option("--lengths", default="1024,2048,4096,8192", show_default=True, help="Tokens of the texts, with commas.")
@click.option("--depths", default="0,0.25,0.5,0.75,1", show_default=True, help="Where the fact stands, with commas.")
@click.option("--n", "count", default=10, show_default=True, type=click.IntRange(1), help="Texts a cell.")
@click.option("--control", default="live", show_default=True, type=click.Choice(["live", "zeroed", "frozen", "absent"]))
@click.option(
    "--threshold", default=0.85, show_default=True, type=click.FloatRange(0, 1), help="Of the effective length."
)
@probe_options.out
@probe_options.device
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
def niah_command(
    file: Path | None,
    names: tuple[str, ...],
    task: str,
    lengths: str,
    depths: str,
    count: int,
    control: str,
    threshold: float,
    out: Path,
    device: str,
    seed: int,
) -> None:
    """Hide a fact in FILE (without one: in the sample texts) and ask for it at the end.

    Grows the text and moves the fact: a grid of length and depth for each memory. passkey hides it in a repeated line.
    Of a wrong answer it is told whether it is another value of the text (other), none of the text (invented), or no
    value (malformed). Control absent asks for a fact that the text lacks: then right is right by luck.
    """
    text = None if file is None else probe_options.document(file)
    columns: list[int] = probe_options.numbers("--lengths", lengths, int)
    rows: list[float] = probe_options.numbers("--depths", depths, float)
    chosen = probe_options.chosen(names)
    click.get_current_context().with_resource(output_file(out))
    import torch  # noqa: PLC0415 (takes seconds to load: only once the input is known to be good)

    from titans_core.checkpoint import load  # noqa: PLC0415
    from titans_core.probes import grid, spots  # noqa: PLC0415

    torch.set_num_threads(1)
    of = "samples" if text is None else hashlib.sha256(text.encode()).hexdigest()
    asked = {"format": FORMAT, "haystack": of, "task": task, "control": control, "n": count, "seed": seed}
    results = begun(out, asked, "niah")
    models = [load(name, device) for name in chosen]
    sources = [spots.haystack(model.tokenizer, text) for model in models]
    asking = [spots.Spot(task, length, depth, control) for length in columns for depth in rows]
    for spot in asking:  # what cannot be laid out is refused before anything is read
        spots.texts(sources[0], spot, 1, seed)
    for model, source in zip(models, sources, strict=True):
        with tqdm(unit=" cells", desc=model.name, file=sys.stderr, total=len(asking)) as bar:
            for spot in asking:
                if _filled(results, model.weights_sha256, spot) is None:
                    cell = grid.fill(model, source, spot, count, seed=seed).to_dict()
                    own = {"checkpoint": model.name, "weights_sha256": model.weights_sha256, "depth": spot.depth}
                    results.append(own | cell)
                    write(out, {**asked, "results": results}, spots.table(results))
                bar.update()
        found = [_filled(results, model.weights_sha256, spot) for spot in asking]
        cells = [one for one in found if one is not None]
        click.echo("\n".join(_lines(model.name, cells, columns, rows)))
        if control == "live":
            click.echo(_effective(cells, threshold))


def _filled(results: list[dict[str, Any]], weights: str, spot: Any) -> dict[str, Any] | None:
    wanted = (weights, spot.task, spot.length, spot.depth, spot.control)
    names = ("weights_sha256", "task", "length", "depth", "control")
    return next((one for one in results if tuple(one[name] for name in names) == wanted), None)


def _lines(name: str, cells: list[dict[str, Any]], lengths: list[int], depths: list[float]) -> list[str]:
    at = {(one["length"], one["depth"]): one for one in cells}
    lines = [f"{name}: right of {cells[0]['n']}, by length (tokens) and depth"]
    lines.append(f"  {'':>6}" + "".join(f"{length:>10,}" for length in lengths))
    lines += [
        f"  {depth:>6.0%}" + "".join(f"{at[length, depth]['right']:>10}" for length in lengths) for depth in depths
    ]
    kinds: dict[str, int] = {}
    for one in cells:
        for kind, count in one["kinds"].items():
            kinds[kind] = kinds.get(kind, 0) + count
    wrong = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    return [*lines, f"  wrong answers: {wrong or 'none'}"]


def _effective(cells: list[dict[str, Any]], threshold: float) -> str:
    from titans_core.probes.spots import Found, effective_length  # noqa: PLC0415

    length = effective_length([Found(one["length"], one["n"], one["right"]) for one in cells], threshold)
    said = f"from {length:,} tokens on" if length else "at none of these lengths"
    return f"  less than {threshold:.0%} right {said}"
