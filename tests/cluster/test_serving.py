"""Jobs on a real Ray cluster: in turns, bounded, cancelled, on processes that die, for several dashboards, with a token."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app import samples
from app.jobs import Job, SanityCheck, cluster, share, store
from tests.app.waiting import wait_for

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster

ROOT = Path(__file__).parents[2]
LONG = max((sample.text for sample in samples.samples()), key=len) * 4
PROCESSES = 2


@pytest.fixture(scope="module")
def pool(cluster: Cluster) -> str:
    """The address of a cluster that runs a pool of two processes, before each of which one job of a dashboard waits."""
    command = [sys.executable, "-m", "app.jobs.pool", str(cluster.address)]
    subprocess.run([*command, "--processes", str(PROCESSES), "--queue", "1"], cwd=ROOT, check=True, timeout=120)
    return str(cluster.address)


@pytest.fixture(scope="module")
def runs_of(tmp_path_factory: pytest.TempPathFactory, pool: str) -> Iterator[Path]:
    """The folder of a dashboard, and the environment that makes it one of this cluster."""
    folder = tmp_path_factory.mktemp("dashboards")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TITANSCOPE_RUNS", str(folder / "a"))
        patch.setenv("TITANSCOPE_SHARED", f"file://{folder}/shared")
        patch.setenv("TITANSCOPE_CLUSTER", pool)
        yield folder


@pytest.fixture(scope="module")
def engine(runs_of: Path) -> Iterator[cluster.ClusterEngine]:
    own = cluster.ClusterEngine()
    own.start()
    wait_for(lambda: own._workers["cpu"].room == PROCESSES, seconds=30)
    yield own
    own.close()


def ended(engine: cluster.ClusterEngine, run: str, seconds: float = 60) -> Any:
    wait_for(lambda: not engine.progress(run).live, seconds)
    return engine.progress(run)


def running(engine: cluster.ClusterEngine, text: str = LONG) -> str:
    run = engine.submit(Job("transformer", text, "Long"))
    wait_for(lambda: engine.progress(run).state == "running")
    return run


def test_a_run_is_done_there_and_found_here(engine: cluster.ClusterEngine) -> None:
    run = engine.submit(Job("mac", "The lamp was lit at six.", "A lamp"))
    at = ended(engine, run)
    assert (at.state, at.message, at.title) == ("done", "", "A lamp")
    assert engine.result(run) == store.root() / run / "trace.zarr"
