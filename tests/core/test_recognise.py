"""A wrong path is told by what lies there, as it was given, with what works."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest

from titans_core import checkpoint, recognise, snapshot, tracing
from titans_core.errors import StoreError

TEXT = "The keeper walked along the shore, and it rained."


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, tiny_model) -> Path:
    """One of each kind of thing that the commands write, and a few others."""
    folder, model = tmp_path_factory.mktemp("house"), tiny_model("mag")
    _, state = tracing.trace_on(model, TEXT, store=folder / "runs" / "a.zarr")
    snapshot.save(snapshot.take(model, state), folder / "a memory")
    checkpoint.save(model, folder / "mine", {})
    (folder / "empty").mkdir()
    (folder / "story.txt").write_text("é" * (recognise._HEAD // 2) + "e" + "é" * 9, encoding="utf-8")
    (folder / "cut.txt").write_text("e" + "é" * (recognise._HEAD // 2), encoding="utf-8")
    (folder / "some.bin").write_bytes(b"\xff\0\1")
    (folder / "nothing").touch()
    with zipfile.ZipFile(folder / "a.zip", "w") as file:
        file.writestr("x", "y")
    return folder


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nope", "does not exist; `titans trace FILE --checkpoint mag --out {}` makes one there"),
        ("a memory", "is not a run but a saved memory; `titans memory {}` shows what it holds, "),
        ("mine", "is not a run but the folder of a checkpoint; `titans trace FILE --checkpoint {} --out RUN.zarr`"),
        ("runs", "is not a run but a folder of them; it holds {}/a.zarr; `python -m app {}` opens them all"),
        ("empty", "is not a run but a folder without one; `titans trace FILE --checkpoint mag --out {}`"),
        ("story.txt", "is not a run but a text file; `titans trace {} --checkpoint mag --out RUN.zarr`"),
        ("cut.txt", "is not a run but a text file; "),
        ("a.zip", "is not a run but a .zip file; `python -m app {}`"),
        ("some.bin", "is not a run but a file of another kind; "),
        ("nothing", "is not a run but a file of another kind; "),
        ("x" * 300, "does not exist; "),
    ],
)
def test_what_is_no_run(house: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str) -> None:
    monkeypatch.chdir(house.parent)
    path = Path(house.name) / name  # as a person types it, from where they are
    quoted = f"'{path}'" if " " in name else str(path)
    expected = f"{path} {said.replace('{}', quoted)}"
    with pytest.raises(StoreError, match="^" + re.escape(expected)):
        recognise.refuse_others([path])
    assert recognise.holds_runs(path) == (name in ("runs", "a.zip"))


def test_a_saved_memory_names_its_checkpoint(house: Path) -> None:
    goes_on = f"--checkpoint tiny-mag --from-memory '{house / 'a memory'}' --out RUN.zarr` makes a run from it"
    assert recognise.refusal(house / "a memory").endswith(goes_on)
    assert recognise.MEMORY == snapshot.FORMAT


def test_a_run_is_not_refused(house: Path) -> None:
    recognise.refuse_others([house / "runs" / "a.zarr"])
    assert recognise.holds_runs(house / "runs" / "a.zarr")
