"""Jobs on a real Ray cluster: in turns, bounded, cancelled, on processes that die, for two dashboards, with a token."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app import samples
from app.jobs import Job, Probe, SanityCheck, Subject, manifest, share, store
from app.jobs import cluster as cluster_module
from tests.app.waiting import wait_for
from tests.cluster.conftest import free_port

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
def engine(runs_of: Path) -> Iterator[cluster_module.ClusterEngine]:
    own = cluster_module.ClusterEngine()
    own.start()
    wait_for(lambda: own._workers["cpu"].room == PROCESSES, seconds=30)
    yield own
    own.close()


def descendants(process: int) -> set[int]:
    children = Path(f"/proc/{process}/task").glob("*/children")
    return {process}.union(*(descendants(int(child)) for path in children for child in path.read_text().split()))


@contextlib.contextmanager
def forwarded(address: str) -> Iterator[tuple[str, Callable[[], None]]]:
    """Another address of the cluster's head, and a function that shuts it."""
    host, port = address.split(":")
    door = socket.create_server(("127.0.0.1", 0))
    ends: list[socket.socket] = [door]

    def pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                near, far = door.accept()[0], socket.create_connection((host, int(port)))
                ends.extend((near, far))
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()

    def cut() -> None:
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"127.0.0.1:{door.getsockname()[1]}", cut
    finally:
        cut()


def ended(engine: cluster_module.ClusterEngine, run: str, seconds: float = 60) -> Any:
    wait_for(lambda: not engine.progress(run).live, seconds)
    return engine.progress(run)


def running(engine: cluster_module.ClusterEngine, text: str = LONG) -> str:
    run = engine.submit(Job("transformer", text, "Long"))
    wait_for(lambda: engine.progress(run).state == "running")
    return run


def test_a_cluster_without_a_pool_is_told(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TITANSCOPE_RUNS", str(tmp_path))
    monkeypatch.setenv("TITANSCOPE_CLUSTER", str(cluster.address))
    own = cluster_module.ClusterEngine()
    try:
        at = ended(own, own.submit(Job("mac", "A text.", "t")))
        assert at.message.endswith("runs no processes for this: see docs/cluster.md.")
    finally:
        own.close()


def test_a_run_is_done_there_and_found_here(engine: cluster_module.ClusterEngine) -> None:
    run = engine.submit(Job("mac", "The lamp was lit at six.", "A lamp"))
    at = ended(engine, run)
    assert (at.state, at.message, at.title) == ("done", "", "A lamp")
    assert engine.result(run) == store.root() / run / "trace.zarr"


def test_jobs_wait_their_turn_and_a_cancelled_one_makes_room(engine: cluster_module.ClusterEngine) -> None:
    first, second = running(engine), running(engine)
    third = engine.submit(Job("transformer", "Waits.", "t"), "me")
    at = engine.progress(third)
    assert at is not None
    assert (at.state, at.ahead) == ("queued", PROCESSES)
    begun = time.monotonic()
    engine.cancel(first)
    assert ended(engine, first).state == "cancelled"
    assert ended(engine, third, 5).state == "done"
    assert time.monotonic() - begun < 3, "the process stopped at its next chunk, and took the next job"
    assert engine.progress(second).state == "running", "another one's job goes on"  # type: ignore[union-attr]
    engine.cancel(second)
    assert ended(engine, second).state == "cancelled"
    assert store.facts(first) is None


FULL_POOL = """
import asyncio, time
from ray import serve

handle = serve.get_app_handle("titanscope-cpu").options(stream=True)
waits = handle.run.remote({"id": "a"})
time.sleep(0.5)
try:
    next(handle.run.remote({"id": "b"}))
except Exception as error:
    print(type(error).__name__)
waits.cancel()
"""


def by_hand(address: str, script: str, **environment: str) -> str:
    """What a program prints that connects to the cluster by itself; in a process of its own, as one has one cluster."""
    script = f"import ray\nray.init({address!r}, log_to_driver=False, logging_level='ERROR')\n{script}"
    command = [sys.executable, "-W", "ignore", "-c", script]
    env = os.environ | environment
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False).stdout


def test_what_a_full_pool_does_not_take_waits_and_is_done(engine: cluster_module.ClusterEngine, pool: str) -> None:
    going = [running(engine) for _ in range(PROCESSES)]
    assert by_hand(pool, FULL_POOL).split() == ["BackPressureError"]
    engine._workers["cpu"].room = 5  # as if the pool had been larger a moment ago
    more = [engine.submit(Job("transformer", "One more.", "t")) for _ in range(3)]
    time.sleep(1)
    assert {engine.progress(run).state for run in more} == {"queued"}  # type: ignore[union-attr]
    for run in going:
        engine.cancel(run)
    assert {ended(engine, run).state for run in more} == {"done"}


def replicas(folder: Path) -> list[int]:
    """The processes of the pool: those that Ray renamed so, with the folder of runs of this cluster."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            name, own = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        except OSError:
            continue
        if name.startswith(b"ray::ServeReplica") and os.fsencode(folder) in own:
            found.append(int(process.name))
    return found


def test_a_job_whose_process_is_killed_is_done_by_another(
    engine: cluster_module.ClusterEngine, cluster: Cluster
) -> None:
    own = Path(os.environ["RAY_TMPDIR"])
    run = running(engine, LONG[: len(LONG) // 2])
    before = replicas(own)
    assert len(before) == PROCESSES
    for process in before:
        os.kill(process, signal.SIGKILL)
    assert ended(engine, run).state == "done"
    wait_for(lambda: len(replicas(own)) == PROCESSES)
    assert not set(replicas(own)) & set(before)


def test_a_job_that_fails_harms_no_other(engine: cluster_module.ClusterEngine) -> None:
    before = replicas(Path(os.environ["RAY_TMPDIR"]))
    wrong = engine.submit(Job("nonsense", "A text.", "t"))
    assert "unknown checkpoint" in ended(engine, wrong).message
    right = engine.submit(Job("mac", "A text.", "t"))
    assert ended(engine, right).state == "done"
    assert replicas(Path(os.environ["RAY_TMPDIR"])) == before


def test_what_a_job_is_about_comes_with_it_and_what_it_finds_comes_back(engine: cluster_module.ClusterEngine) -> None:
    text = "The harbour was quiet. The code of the vault is 4190327. Boats came home late, and the lamps were lit. " * 8
    subject = engine.keep_subject(Subject("A harbour", text, 23, 56, "The code of the vault is", "4190327", False))
    probe = Probe("ask", subject, "mac", "A harbour", (("cue", "The code of the vault is"),))
    assert engine.submit(probe) == probe.id
    assert (ended(engine, probe.id).state, engine.progress(probe.id).message) == ("done", "")  # type: ignore[union-attr]
    assert engine.answer(probe.id)
    run = engine.submit(Job("mac", text, "t"))
    ended(engine, run)
    check = engine.submit(SanityCheck(run, "mac", "t"))
    assert ended(engine, check).message == ""
    assert engine.answer(check)
    on = engine.submit(Job("mac", "It goes on.", "t", begin=f"{run}/memory"))
    assert ended(engine, on).state == "done"
    assert engine.memory(f"{on}/began") is not None


def test_another_dashboard_opens_a_result_by_its_link(engine: cluster_module.ClusterEngine, runs_of: Path) -> None:
    run = engine.submit(Job("mac", "What one has run, the other shows.", "Shared"))
    assert ended(engine, run).state == "done"
    port, env = free_port(), os.environ | {"TITANSCOPE_RUNS": str(runs_of / "b")}
    del env["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"]  # a dashboard of loopback sets it itself
    other = subprocess.Popen([sys.executable, "-m", "app", "--port", str(port)], cwd=ROOT, env=env)
    try:
        wait_for(lambda: status(f"http://127.0.0.1:{port}/titanscope/ready") == 200)
        assert status(f"http://127.0.0.1:{port}/titanscope/text?run={run}") == 200
        assert status(f"http://127.0.0.1:{port}/titanscope/text?run={'0' * 32}") == 404
    finally:
        other.terminate()
        assert other.wait(20) == 0
    assert manifest.read(runs_of / "b" / run) == manifest.read(runs_of / "a" / run)
    assert not manifest.wrong(runs_of / "b" / run, hashes=True)


def test_a_dashboard_that_dies_takes_no_result_with_it(engine: cluster_module.ClusterEngine) -> None:
    run = running(engine, LONG[: len(LONG) // 8])
    os.kill(engine.start(), signal.SIGKILL)
    assert "ended unexpectedly" in ended(engine, run).message
    wait_for(lambda: share.pull(cluster_module.shared(), run))
    after = engine.submit(Job("mac", "The next one works.", "t"))
    assert ended(engine, after).state == "done"


def status(address: str) -> int:
    try:
        with urllib.request.urlopen(address, timeout=5) as reply:  # noqa: S310
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


@pytest.mark.parametrize("environment", [{"RAY_AUTH_TOKEN": "f" * 64}, {"RAY_AUTH_MODE": "disabled"}])
def test_who_lacks_the_token_is_refused(pool: str, environment: dict[str, str]) -> None:
    assert by_hand(pool, "print(len(ray.nodes()))").split() == ["2"]
    assert by_hand(pool, "print(len(ray.nodes()))", **environment, RAY_NUM_REDIS_GET_RETRIES="2") == ""


def test_a_dashboard_with_another_token_says_so(runs_of: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "f" * 64)
    monkeypatch.setenv("TITANSCOPE_RUNS", str(runs_of / "c"))
    own = cluster_module.ClusterEngine()
    try:
        own.start()
        wait_for(lambda: own._workers["cpu"].ready, seconds=30)
        wait_for(lambda: "compare their tokens" in ended(own, own.submit(Job("mac", "A text.", "t")), 5).message, 30)
    finally:
        own.close()


def test_a_cluster_that_goes_away_is_told_within_five_seconds(
    pool: str, runs_of: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with forwarded(pool) as (address, cut):
        monkeypatch.setenv("TITANSCOPE_CLUSTER", address)
        monkeypatch.setenv("TITANSCOPE_RUNS", str(runs_of / "d"))
        own = cluster_module.ClusterEngine()
        try:
            run = running(own)
            cut()
            begun = time.monotonic()
            assert "is gone" in ended(own, run).message
            assert time.monotonic() - begun < 5
            wait_for(lambda: not own.alive(), 5)  # nothing of Ray that was in it can be used again
            after = own.submit(Job("mac", "A text.", "t"))
            begun = time.monotonic()
            assert "does not answer" in ended(own, after).message
            assert time.monotonic() - begun < 5
        finally:
            own.close()


def test_a_head_that_takes_connections_and_says_nothing_is_told_too(
    pool: str, runs_of: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        monkeypatch.setenv("TITANSCOPE_CLUSTER", f"127.0.0.1:{mute.getsockname()[1]}")
        monkeypatch.setenv("TITANSCOPE_RUNS", str(runs_of / "e"))
        own = cluster_module.ClusterEngine()
        try:
            own.start()
            wait_for(lambda: own._workers["cpu"].ready, seconds=30)
            begun = time.monotonic()
            assert "did not answer in time" in ended(own, own.submit(Job("mac", "A text.", "t"))).message
            assert time.monotonic() - begun < 5
        finally:
            own.close()


def test_nothing_of_the_cluster_listens_beyond_this_machine(pool: str) -> None:
    own = descendants(os.getpid())
    found = [line.split() for line in subprocess.check_output(["ss", "-ltnpH"], text=True).splitlines()]
    listening = [parts[3] for parts in found if own & {int(pid) for pid in re.findall(r"pid=(\d+)", parts[-1])}]
    assert len(listening) > 5
    assert [one for one in listening if not one.startswith(("127.0.0.1:", "[::ffff:127.0.0.1]:", "[::1]:"))] == []
