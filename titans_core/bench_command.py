"""`titans bench`: time and memory by the length of the text, as a table and a JSON file."""

from __future__ import annotations

import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

import click
import torch
from tqdm import tqdm

from titans_core.assets import checkpoint_names
from titans_core.checkpoint import load, replace_file
from titans_core.cli import bar_progress
from titans_core.errors import ConfigError
from titans_core.growth import FULL, LENGTHS, Point, full_attention, growth
from titans_core.outputs import output_file

TEXT = "The keeper walked along the shore, and it rained. In the afternoon she found 37 stones and a piano.\n"


@click.command("bench")
@click.option("--checkpoint", "names", multiple=True, help="A shipped name or a folder; repeatable.  [default: all]")
@click.option("--lengths", default=",".join(map(str, LENGTHS)), show_default=True, help="in tokens, with commas")
@click.option("--limit", default=600.0, show_default=True, help="seconds after which a model reads no further")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="JSON file of all points")
def bench_command(names: tuple[str, ...], lengths: str, limit: float, device: str, out: Path | None) -> None:
    """How time and memory grow with the length of a text, model by model.

    Each reads one text; where there is a transformer, so does the same with attention over everything. Without options
    this takes long: most of the time goes to 1,048,576 tokens, where --limit ends a slow model.
    """
    stops = _lengths(lengths)
    if not limit > 0:
        raise ConfigError(f"--limit is {limit:g}; it must be above 0 seconds")
    if out is not None:
        click.get_current_context().with_resource(output_file(out))
    models = [load(name, device) for name in (names or checkpoint_names())]
    models += [full_attention(model) for model in models if model.config.variant == "transformer"][:1]
    found: dict[str, list[Point]] = {}
    click.echo(f"{'model':<16}{'tokens':>10}{'seconds':>10}{'tokens/s there':>16}{'carried':>12}")
    for model in models:
        ids = torch.from_numpy(model.tokenizer.encode(TEXT).ids.astype("int64")).to(model.device)
        with tqdm(unit=" tokens", desc=model.name, file=sys.stderr, leave=False) as bar:
            found[model.name] = growth(model, ids, stops, limit=limit, progress=bar_progress(bar))
        for p in found[model.name]:
            click.echo(f"{model.name:<16}{p.tokens:>10,}{p.seconds:>10.2f}{p.speed:>16,.0f}{p.state / 1e6:>9.2f} MB")
    if out is not None:
        given = "" if stops == list(LENGTHS) else f" --lengths {','.join(map(str, stops))}"
        given += f" --limit {limit:g}"
        replace_file(out, json.dumps(_record(found, models[0].device, limit, given), indent=1).encode())


def _lengths(text: str) -> list[int]:
    try:
        found = sorted({int(part) for part in text.split(",")})
    except ValueError:
        found = []
    if not found or found[0] < 1:
        raise ConfigError(f"--lengths {text!r} must be whole numbers above 0 with commas, such as 1024,4096")
    return found


def _record(found: dict[str, list[Point]], device: torch.device, limit: float, given: str) -> dict[str, Any]:
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{os.cpu_count()} CPU cores"
    return {
        "command": f"titans bench{given} --out FILE",
        "device": where,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "machine": platform.machine(),
        "limit_seconds": limit,
        "not_trained_so": FULL,
        "models": {name: [point.to_dict() for point in points] for name, points in found.items()},
    }
