"""The card is made of the files beside it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from titans_core import assets
from titans_core.training.card import main

NAMES = assets.checkpoint_names()


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_card_repeats_what_the_files_beside_it_say(name: str, tmp_path: Path) -> None:
    folder = assets.ROOT / "checkpoints" / name
    copy = tmp_path / name
    shutil.copytree(folder, copy)
    shipped = (folder / "card.md").read_text("utf-8")
    limits = tmp_path / "limits.md"
    limits.write_text("It cannot sing.\n", "utf-8")
    result = CliRunner().invoke(main, [str(copy), "--data", "all of it", "--limits", str(limits)])
    assert result.exit_code == 0, result.output
    card = (copy / "card.md").read_text("utf-8")
    assert "It cannot sing." in card
    meta = json.loads((folder / "config.json").read_text("utf-8"))
    evaluation = json.loads((folder / "evaluation.json").read_text("utf-8"))
    assert evaluation["weights_sha256"] == meta["weights_sha256"]
    figures = [f"{meta['parameters']:,} parameters", f"{meta['training']['tokens']:,} tokens"]
    figures += [f"{score['bits_per_byte']:.4f}" for score in evaluation["validation"].values()]
    for figure in figures:
        assert figure in card
        assert figure in shipped
    table = card.partition("## Evaluation")[2].partition("## What it cannot do")[0].partition("\n**")[2]
    assert table in shipped, "the card shows another evaluation than the one beside it"
