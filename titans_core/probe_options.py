"""What the commands that probe a document share: how checkpoints, the document and the file of results are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from titans_core.assets import checkpoint_names
from titans_core.documents import check_text, read_document
from titans_core.errors import ConfigError

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

checkpoints = click.option(
    "--checkpoint", "names", multiple=True, help="A shipped name or a folder; repeatable.  [default: mac, mag, mal]"
)
out = click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="JSON file, gone on with if it exists; a CSV comes beside it.",
)
device = click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda")


def chosen(names: tuple[str, ...]) -> list[str]:
    """The checkpoints asked for, each once; without any, the three variants as far as they ship."""
    return list(dict.fromkeys(names or [name for name in ("mac", "mag", "mal") if name in checkpoint_names()]))


def document(file: Path) -> str:
    """The text of a file; what to know about it is said. Raises TextError where it cannot be read."""
    text = read_document(file.read_bytes(), file.name).text
    for notice in check_text(text):
        click.echo(notice, err=True)
    return text


def numbers(option: str, text: str, kind: type) -> list[Any]:
    """Of a list with commas, each once, in their order. Raises ConfigError, which names the option."""
    try:
        return sorted({kind(part) for part in text.split(",")})
    except ValueError:
        raise ConfigError(f"{option} {text!r} is no list of numbers with commas between them") from None
