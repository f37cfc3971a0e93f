"""The code that makes a view again: what it gives, when it is run, are the values that the page shows."""

from __future__ import annotations

import asyncio
import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner
from starlette.requests import Request

import titans_core as tc
from app import runs
from app.exports import recipe, routes, signals
from app.exports.names import View
from app.figures import aggregate
from app.jobs import Job, Progress
from app.samples import samples
from titans_core.cli import main as titans

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def sample_runs(finish: Callable[..., Progress]) -> list[runs.Run]:
    sample = samples()[1]
    started = [runs.engine().submit(Job(name, sample.text, sample.title)) for name in ("mac", "mag")]
    assert {finish(run).state for run in started} == {"done"}
    return [opened(run) for run in started]


def opened(run: str) -> runs.Run:
    found = runs.opened(run)
    assert found is not None
    return found


def test_python_makes_the_same_values(tmp_path: Path, sample_runs: list[runs.Run]) -> None:
    for view in (View("surprise", None, 70), View("alpha", 2, None, (3, 5)), View("nll", None, 9)):
        code = recipe.python(sample_runs, view)
        out = tmp_path / f"{view.signal}.npz"
        picked = ", ".join(f"{view.signal}_{name}" for name in ("mac", "mag"))
        code += f"import numpy as np\nnp.savez({str(out)!r}, {picked})\n"
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        with np.load(out) as values:
            for run, got in zip(sample_runs, values.values(), strict=True):
                wanted = aggregate.column(run.ds, view.signal, view.layer)
                np.testing.assert_array_equal(got, wanted)
                if view.range is not None:
                    assert str(wanted[slice(*view.range)]) in done.stdout
                if view.token is not None:
                    assert str(wanted[view.token]) in done.stdout.split("\n")


def test_python_of_an_uploaded_text_reads_the_saved_file(tmp_path: Path, finish: Callable[..., Progress]) -> None:
    text = "\ufeffa marked text,\r\nwith odd line ends\r and more."
    run = runs.engine().submit(Job("mal", text, 'Notes "2".txt'))
    assert finish(run).state == "done"
    # The file that the page saves.
    query = {"query_string": f"run={run}".encode(), "path_params": {"kind": "text"}}
    response: Any = routes.one(Request({"type": "http", "method": "GET", "headers": [], **query}))
    assert response.headers["content-disposition"] == 'attachment; filename="notes-2.txt"'

    async def save() -> None:
        (tmp_path / "notes-2.txt").write_bytes(b"".join([part async for part in response.body_iterator]))

    asyncio.run(save())
    code = recipe.python([opened(run)], View("surprise", None, 0))
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(aggregate.column(opened(run).ds, "surprise")[0])


def test_the_command_makes_the_same_runs(
    tmp_path: Path, sample_runs: list[runs.Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [line for line in recipe.command(sample_runs).split("\n") if line and not line.startswith("#")]
    arguments = shlex.split(lines[0])
    assert arguments[0] == "titans"
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(titans, arguments[1:])
    assert result.exit_code == 0, result.output
    out = tmp_path / arguments[-1]
    assert lines[1] == f"python -m app {arguments[-1]}"
    for run, name in zip(sample_runs, ("mac", "mag"), strict=True):
        xr.testing.assert_equal(tc.open_trace(out / f"{name}.zarr"), run.ds)


def test_settings_and_own_checkpoints_are_part_of_the_recipe(traces: list[xr.Dataset]) -> None:
    ds = traces[0].copy()
    ds.attrs = {
        **ds.attrs,
        "a\n=1+1": 0,
        "settings": json.dumps({"zero_reads": True, "freeze_writes": False}),
        "checkpoint": "my; own",
    }
    own = runs.Run("b" * 32, "t", ds)
    code = recipe.python([own, replace(own, id="c" * 32)], View("surprise", None, None))
    assert (
        'ds_my__own_2 = tc.trace(tc.load("PATH/TO/my; own", device="cpu"), text, settings=tc.intervene("reads=off"))'
        in code
    )
    assert "\n=" not in b"".join(signals.csv(own)).decode()
    compile(code, "recipe", "exec")
    assert "--checkpoint 'PATH/TO/my; own'" in recipe.command([own])
    assert "--checkpoint 'PATH/TO/my; own' --device cpu --set reads=off --out" in recipe.command([own])


def test_the_command_repeats_what_was_changed(traces: list[xr.Dataset], tmp_path: Path) -> None:
    changes = (), ("theta[1]*=0.5", "wipe=7", "eta<=0.25")
    shown = [
        runs.Run(letter * 32, "t", ds.assign_attrs(settings=json.dumps(tc.intervene(*texts).to_dict())))
        for letter, ds, texts in zip("bc", traces, changes, strict=False)
    ]
    _, first, second, last = recipe.command(shown).splitlines()
    assert "--set" not in first
    arguments = shlex.split(second)
    given = [arguments[i + 1] for i, word in enumerate(arguments) if word == "--set"]
    assert tc.intervene(*given) == tc.intervene(*changes[1])
    stores = [shlex.split(line)[-1] for line in (first, second)]
    assert len(set(stores)) == 2
    assert {str(Path(store).parent) for store in stores} == {shlex.split(last)[-1]}
    compile(recipe.python(shown, View("surprise", None, None)), "recipe", "exec")


def saved(run: str, kind: str, folder: Path) -> Path:
    """The file that the page saves, under the name that it gives it."""
    query = {"query_string": f"run={run}".encode(), "path_params": {"kind": kind}}
    response: Any = routes.one(Request({"type": "http", "method": "GET", "headers": [], **query}))
    assert response.status_code == 200
    target = folder / response.headers["content-disposition"].partition('filename="')[2].rstrip('"')

    async def save() -> None:
        target.write_bytes(b"".join([part async for part in response.body_iterator]))

    asyncio.run(save())
    return target


def test_a_run_that_went_on_from_a_memory_is_made_again(
    tmp_path: Path, finished: dict[str, str], finish: Callable[..., Progress], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job("mag", "The boats came home, and a piano.", "Next", begin=f"{finished['mag']}/memory")
    run = runs.engine().submit(job)
    assert finish(run).state == "done"
    saved(run, "text", tmp_path)
    began, end = saved(run, "began", tmp_path), saved(run, "memory", tmp_path)
    assert began.read_bytes() == saved(finished["mag"], "memory", tmp_path).read_bytes()
    assert began != end
    shown = [opened(run)]
    code = recipe.python(shown, View("surprise", None, 3))
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(aggregate.column(shown[0].ds, "surprise")[3])

    lines = [line for line in recipe.command(shown).split("\n") if line and not line.startswith("#")]
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(titans, shlex.split(lines[0])[1:])
    assert result.exit_code == 0, result.output
    again = tc.open_trace(tmp_path / shlex.split(lines[0])[-1])
    xr.testing.assert_equal(again, shown[0].ds)
    assert again.attrs["memory_from"] == shown[0].ds.attrs["memory_from"]


def test_no_memory_is_exported_where_none_is_kept(finished: dict[str, str]) -> None:
    query = {"query_string": f"run={finished['mag']}".encode(), "path_params": {"kind": "began"}}
    assert routes.one(Request({"type": "http", "method": "GET", "headers": [], **query})).status_code == 404
