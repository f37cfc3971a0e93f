"""Sweeps on a real Ray cluster: the table of the same cells one after the other, whatever dies in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from titans_core import checkpoint
from titans_core.config import ModelConfig
from titans_core.errors import ConfigError
from titans_core.model import Model
from titans_core.sweeps import Cell, Needle, Serial, on_ray, place, plans, sweep, tables
from titans_core.tokenizer import Tokenizer

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster

ROOT = Path(__file__).parents[2]
BOOK = "The keeper walked along the shore, and it rained. She found many stones there. Nobody saw the piano. " * 20
PLACES = 1  # that the cluster is said to have: each process loads torch, and this machine may have two cores


@pytest.fixture(scope="module")
def joined(cluster: Cluster) -> Iterator[Any]:
    """Ray, as this process sees it."""
    import ray

    with on_ray.connected(cluster.address), pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray, "cluster_resources", lambda: {"CPU": PLACES})
        yield ray


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("sweeps")
    (made / "book.txt").write_text(BOOK, encoding="utf-8")
    for seed, variant in enumerate(("mag", "lmm")):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = Model(ModelConfig(variant=variant, dim=16, layers=2, heads=2, ffn=24, window=16, chunk=1))
            for parameter in model.parameters():
                torch.nn.init.normal_(parameter, std=0.2)
        model.tokenizer = Tokenizer.load()
        checkpoint.save(model, made / variant, {})
    return made


@pytest.fixture(scope="module")
def plan(folder: Path) -> plans.Plan:
    names = [str(folder / "mag"), str(folder / "lmm")]
    return plans.needle(names, ("book.txt", BOOK), lengths=[256, 320, 384], depths=[0, 1], n=2)


def swept(plan: plans.Plan, results: Path, engine: Serial | on_ray.OnRay) -> tuple[bytes, bytes]:
    """Both tables, after the loop."""
    outcomes = {cell.key: one for cell, one in sweep(plan.cells, place(results), engine)}
    table = tables.as_csv(tables.rows(plan.cells, outcomes, plan.names))
    return table, tables.as_json(plan.cells, outcomes, plan.names)


@pytest.fixture(scope="module")
def serial(plan: plans.Plan, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    tables = swept(plan, tmp_path_factory.mktemp("serial"), Serial(plan.sources))
    assert b"failed\r\n" in tables[0].splitlines(keepends=True)[0]
    assert b'"failed": null' in tables[1]
    return tables


def test_many_at_once_make_the_table_of_one_after_the_other(
    plan: plans.Plan, serial: tuple[bytes, bytes], joined: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flying: list[int] = []
    wait = joined.wait
    monkeypatch.setattr(joined, "wait", lambda cells: flying.append(len(cells)) or wait(cells))
    assert swept(plan, tmp_path, on_ray.OnRay(plan.sources)) == serial
    assert max(flying) == 2 * PLACES
    assert len(flying) == len(plan.cells)


def test_the_longest_are_begun_first(plan: plans.Plan, joined: Any) -> None:
    running = on_ray.OnRay(plan.sources).run(plan.cells)
    lengths = [next(running)[0].length for _ in range(3)]
    running.close()
    assert lengths == [384, 384, 384]


def dying(cell: Cell, times: int, told: Path) -> Cell:
    """The same cell, whose process dies the first `times` times that it is measured. told: an empty folder."""
    here = os.getpid()

    class Dying(Needle):  # of this function, so that it is sent whole: other processes know no tests
        @property
        def key(self) -> str:
            if os.getpid() != here:
                tried = len(list(told.iterdir()))
                (told / str(tried)).touch()
                if tried < times:
                    os.kill(os.getpid(), signal.SIGKILL)
            return Needle.key.fget(self)

    return Dying(**{field.name: getattr(cell, field.name) for field in fields(cell)})


def with_dying(cells: Sequence[Cell], times: int, told: Path) -> list[Cell]:
    told.mkdir()
    return [dying(cells[0], times, told), *cells[1:]]


def test_a_cell_whose_process_is_killed_is_begun_again(
    plan: plans.Plan, serial: tuple[bytes, bytes], joined: Any, tmp_path: Path
) -> None:
    harmed = replace(plan, cells=with_dying(plan.cells, 1, tmp_path / "told"))
    assert swept(harmed, tmp_path / "results", on_ray.OnRay(plan.sources)) == serial
    assert len(list((tmp_path / "told").iterdir())) == 2


def test_a_cell_whose_process_always_dies_is_told_and_the_others_go_on(
    plan: plans.Plan, serial: tuple[bytes, bytes], joined: Any, tmp_path: Path
) -> None:
    cells = with_dying(plan.cells[:3], 99, tmp_path / "told")
    found = {cell.key: one for cell, one in sweep(cells, place(tmp_path / "results"), on_ray.OnRay(plan.sources))}
    first, *others = (found[cell.key] for cell in cells)
    assert first.failed == "the process that measured it died, each of 3 times"
    assert all(one.result is not None for one in others)
    assert len(list((tmp_path / "told").iterdir())) == 3
    assert swept(plan, tmp_path / "results", on_ray.OnRay(plan.sources)) == serial, "and the next sweep has it"


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without the GPUs that this cluster claims to have")
def test_a_cell_of_a_gpu_waits_for_one(plan: plans.Plan, joined: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert on_ray.device("auto") == on_ray.device("cpu") == "cpu"
    with pytest.raises(ConfigError, match="this Ray cluster has no GPU; choose cpu"):
        on_ray.device("cuda")
    monkeypatch.setattr(joined, "cluster_resources", lambda: {"CPU": PLACES, "GPU": 1})
    assert on_ray.device("auto") == on_ray.device("cuda") == "cuda"
    from ray.remote_function import RemoteFunction

    taken: list[dict[str, Any]] = []
    options = RemoteFunction.options
    monkeypatch.setattr(RemoteFunction, "options", lambda task, **given: taken.append(given) or options(task, **given))
    ((_, outcome),) = on_ray.OnRay(plan.sources).run(plan.on("cuda").cells[:1])
    assert outcome.failed == "device cuda was asked for, but torch finds no CUDA device here; choose cpu"
    assert taken == [{"num_gpus": 1}]


KILLED = f"""
import os, signal, ray
from titans_core.cli import main
from titans_core.sweeps import places
ray.cluster_resources = lambda: {{"CPU": {PLACES}}}
act, calls = os.replace, []
def killed(*given):
    calls.append(given)
    if len(calls) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return act(*given)
places.os.replace = killed
main()
"""


def sweep_command(folder: Path, results: Path, address: str) -> list[str]:
    given = ["sweep", "needle", str(folder / "book.txt"), "--lengths", "256,320,384", "--depths", "0,1", "--n", "2"]
    given += [f"--checkpoint={folder / name}" for name in ("mag", "lmm")]
    return [*given, "--device", "cpu", "--results", str(results), "--ray", address]


def test_killed_half_way_it_goes_on_to_the_identical_table(
    plan: plans.Plan, serial: tuple[bytes, bytes], joined: Any, cluster: Cluster, folder: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", KILLED, *sweep_command(folder, tmp_path, cluster.address)]
    child = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=200)
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()
    assert len(list((tmp_path / "cells").glob("*.json"))) == 3
    assert not (tmp_path / "needle.csv").exists()
    outcomes = [one for _, one in sweep(plan.cells, place(tmp_path), on_ray.OnRay(plan.sources))]
    assert sum(one.kept for one in outcomes) == 3
    assert swept(plan, tmp_path, Serial(plan.sources)) == serial


def test_the_command_measures_on_a_cluster_and_says_where_it_cannot(
    serial: tuple[bytes, bytes], cluster: Cluster, folder: Path, tmp_path: Path
) -> None:
    def run(address: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "titans_core.cli", *sweep_command(folder, tmp_path / "results", address)]
        where = {"cwd": ROOT, "env": os.environ | environment}
        return subprocess.run(command, **where, capture_output=True, text=True, check=False, timeout=200)

    stranger = run(cluster.address, RAY_AUTH_TOKEN="", HOME=str(tmp_path))
    assert stranger.returncode == 2, stranger.stderr
    assert f"--ray {cluster.address}: Token authentication is enabled but no authentication token" in stranger.stderr
    assert "Traceback" not in stranger.stderr
    assert not (tmp_path / "results").exists()
    result = run(cluster.address)
    assert result.returncode == 0, result.stderr
    assert tuple((tmp_path / "results" / f"needle.{kind}").read_bytes() for kind in ("csv", "json")) == serial
