"""The command `titans`."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from titans_core import __version__
from titans_core.assets import checkpoint_names
from titans_core.documents import ENCODINGS, Document, check_text, read_document, read_text
from titans_core.errors import CheckpointError, StoreError, TitansError
from titans_core.interventions import HELP, intervene
from titans_core.outputs import output_folder
from titans_core.summary import summary

# commands whose modules take long to load, most of them with torch: only when they are called
_LAZY = {
    "train": ("titans_core.training.command", "train_command"),
    "eval": ("titans_core.evaluation.command", "eval_command"),
    "compare": ("titans_core.compare_command", "compare_command"),
    "bench": ("titans_core.bench.command", "bench_command"),
    "memory": ("titans_core.memory_command", "memory_command"),
    "niah": ("titans_core.niah_command", "niah_command"),
    "retention": ("titans_core.retention_command", "retention_command"),
    "recall": ("titans_core.recall_command", "recall_command"),
    "sweep": ("titans_core.sweeps.command", "sweep_command"),
}


class _Group(click.Group):
    """Shows a person's mistakes as one plain line, and exits with 2."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *_LAZY])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _LAZY:
            return super().get_command(ctx, cmd_name)
        module, name = _LAZY[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except TitansError as error:
            click.echo(f"titans: {error}", err=True)
            sys.exit(2)


@click.group(cls=_Group)
@click.version_option(__version__, prog_name="titans")
def main() -> None:
    """Watch a neural memory work: run Titans memories on your text and record every signal.

    What is printed counts tokens, layers and heads from 1, as the page does; options take them from 0, as Python does.
    """


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--checkpoint", "names", multiple=True, help="A shipped name or a folder; repeat for several. [default: all]"
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="RUN.zarr for one checkpoint, a folder for several."
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda")
@click.option("--heads", is_flag=True, help="Keep every head apart.")
@click.option(
    "--save-memory",
    type=click.Path(path_type=Path),
    help="New file for the memory after the text, of one checkpoint.",
)
@click.option(
    "--from-memory",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Begin with such a memory, of the same checkpoint.",
)
@click.option("--encoding", type=click.Choice(ENCODINGS), help="Of text and HTML.  [default: found out]")
@click.option("--plain", is_flag=True, help="Read FILE as UTF-8 text as it stands, even if it looks like HTML or PDF.")
@click.option("--set", "changes", multiple=True, metavar="CHANGE", help=f"Change the memory: {HELP}. Repeatable.")
def trace(
    file: Path,
    names: tuple[str, ...],
    out: Path,
    device: str,
    heads: bool,
    save_memory: Path | None,
    from_memory: Path | None,
    encoding: str | None,
    plain: bool,
    changes: tuple[str, ...],
) -> None:
    """Run FILE (txt, md, html, pdf or docx) through one or more memories and store what they did with every token.

    Layers and tokens of a CHANGE count from 0, as in Python: wipe=200 empties the memory before the 201st token. What
    is printed counts from 1, as the page does: that token is token 201.
    """
    settings = intervene(*changes)
    # torch takes seconds to load: only once the file is known to be good
    data = file.read_bytes()
    document = Document(file.name, "text", read_text(data)) if plain else read_document(data, file.name, encoding)
    text = document.text
    if document.kind != "text":
        click.echo(document.summary(), err=True)
    for notice in (*document.left_out, *check_text(text)):
        click.echo(notice, err=True)
    chosen = list(dict.fromkeys(names or checkpoint_names()))
    if not chosen:
        raise CheckpointError("this installation ships no checkpoints; give the folder of one with --checkpoint")
    if len(chosen) > 1 and (save_memory or from_memory):
        raise click.UsageError("a memory is of one checkpoint; name it with --checkpoint")
    stores = _stores(chosen, out)
    click.get_current_context().with_resource(output_folder(out.parent if out.suffix == ".zarr" else out))
    _refuse_taken(stores)
    import torch  # noqa: PLC0415

    from titans_core import snapshot  # noqa: PLC0415
    from titans_core.arguments import check_memory  # noqa: PLC0415
    from titans_core.checkpoint import load  # noqa: PLC0415
    from titans_core.tracing import trace_on  # noqa: PLC0415

    torch.set_num_threads(1)  # these matrices are small: a second thread gains little and costs much on a busy machine
    models = [load(name, device) for name in chosen]  # all of them before the first run: a bad name costs nothing
    for model in models:
        check_memory(model, changes)
    state = snapshot.begin(models[0], snapshot.load(from_memory)) if from_memory else None
    if save_memory:
        snapshot.check_free(models[0], save_memory)
    how: dict[str, Any] = {"settings": settings, "state": state, "heads": heads, "document": document}
    for model, store in zip(models, stores, strict=True):
        with tqdm(unit=" tokens", desc=model.name, file=sys.stderr) as bar:
            dataset, after = trace_on(model, text, store=store, progress=bar_progress(bar), **how)
        click.echo(summary(dataset, store))
        if save_memory and "diverged" in dataset.attrs:
            click.echo("  the memory diverged, so it was not kept")
        elif save_memory:
            kept = snapshot.take(model, after, file.stem, text_sha256=dataset.attrs["text_sha256"])
            snapshot.save(kept, save_memory)
            click.echo(f"  memory after {dataset.sizes['token']:,} tokens -> {save_memory}")


def bar_progress(bar: tqdm) -> Callable[[int, int], None]:
    """A progress callback that moves `bar`."""

    def progress(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    return progress


def _stores(names: list[str], out: Path) -> list[Path]:
    """One store per checkpoint: OUT itself if it ends in .zarr and there is one, else OUT/<name>.zarr."""
    if out.suffix == ".zarr":
        if len(names) > 1:
            raise click.UsageError(
                f"--out {out} names one store, but there are {len(names)} checkpoints; give a folder"
            )
        return [out]
    stores = [out / f"{Path(name).name}.zarr" for name in names]
    if len(set(stores)) < len(stores):
        raise click.UsageError("two checkpoints have the same folder name; trace them into different folders")
    return stores


def _refuse_taken(stores: list[Path]) -> None:
    for store in stores:
        if os.path.lexists(store):
            raise StoreError(f"{store} exists already; choose another name or remove it")


if __name__ == "__main__":
    main()
