"""Names that are paths, and files that are programs: refused before anything is opened."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import titans_core as tc
from app import runs
from app.bare import bare
from app.jobs import Job, memory_files, store
from app.jobs.models import Models
from titans_core.documents import read_document
from titans_core.errors import CheckpointError, StoreError, TitansError

ROOT = Path(__file__).parents[2]
NAMES = [
    "../../etc/passwd",
    "/etc/passwd",
    "a#../../b",
    "file:///etc/passwd",
    "..\\..\\windows",
    "\\\\host\\share",
    "mac/../../../etc/passwd",
    "mac\0",
    "%2e%2e%2fetc%2fpasswd",
    "x" * 10_000,
    "",
]
# What a process opens from the moment on that it is asked; the hook cannot be taken away, so it is one of its own.
WATCHED = """
import json, os, sys
from app.jobs import Job, store
from app.jobs.models import Models
import titans_core as tc, torch, titans_core.checkpoint, titans_core.errors, traceback
names, opened = json.load(sys.stdin), []
reads = ("open", "os.listdir", "os.scandir")
sys.addaudithook(lambda event, given: opened.append(str(given[0])) if event in reads else None)
for name in names:
    for ask in (lambda name: Models("cpu", dict, str).get("0" * 32, name), store.trace, store.subject):
        try:
            ask(name)
        except tc.errors.TitansError as error:
            assert "unknown checkpoint" in str(error)
print(json.dumps(opened))
"""


@pytest.mark.parametrize("name", NAMES)
def test_the_worker_loads_what_is_offered_and_no_path(name: str) -> None:
    with pytest.raises(CheckpointError, match="unknown checkpoint"):
        Models("cpu", say=dict, stop=str).get("0" * 32, name)
    assert store.trace(name) is store.subject(name) is store.answer(name) is None
    assert memory_files.memory(f"{name}/memory") is None


def test_nothing_is_opened_for_a_name_that_is_a_path() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", WATCHED], input=json.dumps(NAMES), capture_output=True, text=True, check=True, cwd=ROOT
    )
    opened = [path for path in json.loads(ran.stdout) if not path.startswith((str(ROOT), sys.prefix, sys.base_prefix))]
    assert opened == []


@pytest.mark.parametrize("name", ["a#../../b", "file:///x", "x" * 10_000, "/etc/passwd", "../../etc/passwd"])
def test_the_command_line_names_what_it_does_not_know(name: str, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("The lamp was lit at six.")
    with pytest.raises(CheckpointError) as caught:
        tc.load(name)
    assert len(str(caught.value)) < 600
    assert "root:" not in str(caught.value)


class Program:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_a_pickle_is_never_read(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    made = tmp_path / "pwned"
    torch.save({"weights": Program(made)}, tmp_path / "model.pt")
    for data in ((tmp_path / "model.pt").read_bytes(), pickle.dumps(Program(made))):
        folder = tmp_path / "checkpoint"
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text((ROOT / "assets" / "checkpoints" / "mag" / "config.json").read_text())
        (folder / "weights.safetensors").write_bytes(data)
        with pytest.raises(CheckpointError, match="damaged"):
            tc.load(folder)
        with pytest.raises(StoreError):
            memory_files.keep(data, "memory.safetensors")
        with pytest.raises(TitansError):
            read_document(data, "text.txt")
        with pytest.raises(StoreError):
            tc.open_trace(tmp_path / "model.pt")
    assert not made.exists()


def test_ids_are_of_128_bits_of_chance() -> None:
    made = {runs.engine().submit(Job("nope", "Words.", "t")) for _ in range(4)}
    assert len(made) == 4
    assert all(len(bytes.fromhex(run)) == 16 and store.is_id(run) for run in made)
    assert not any(store.is_id(name) for name in (*NAMES, "0" * 31, "0" * 33, "G" * 32, "0" * 32 + "\n"))


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("cannot write /home/ann/.cache/runs/x.zarr: no space", "cannot write x.zarr: no space"),
        ("Permission denied: '/srv/a/c.json'", "Permission denied: 'c.json'"),
        (r"C:\Users\ann\x.txt cannot be read", "x.txt cannot be read"),
        ("tokens/s, 3/4, a/b and https://x.y/z", "tokens/s, 3/4, a/b and https://x.y/z"),
    ],
)
def test_what_is_said_of_an_error_names_files_and_no_folders(said: str, shown: str) -> None:
    assert bare(StoreError(said)) == shown
