"""`python -m app`, as a person types it, where nothing is served."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from app import __main__ as command
from titans_core import snapshot
from titans_core.checkpoint import load

ROOT = Path(__file__).parents[2]
Serve = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """serve(argument, ...): the command in a folder of its own, until it ends."""
    env = os.environ | {"TITANSCOPE_RUNS": str(tmp_path / "stored"), "PYTHONPATH": str(ROOT)}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "app", *arguments]
        return subprocess.run(line, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)

    return run


def test_a_path_is_repeated_as_it_was_given(serve: Serve) -> None:
    done = serve("runs/nope")
    assert done.returncode == 2
    assert "runs/nope does not exist; `titans trace FILE --checkpoint mag --out runs/nope` makes one" in done.stderr
    assert done.stdout == ""


def test_a_saved_memory_is_told_from_a_run(serve: Serve, tmp_path: Path) -> None:
    model = load("mag", "cpu")
    snapshot.save(snapshot.take(model, model.start()), tmp_path / "after")
    done = serve("after")
    assert done.returncode == 2
    assert "after is not a run but a saved memory; `titans memory after` shows what it holds" in done.stderr


def test_the_folder_of_a_checkpoint_that_lacks_its_weights_is_refused(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text('{"weights_sha256": "0"}')
    done = serve("mine")
    assert done.returncode == 2
    assert "lacks weights.safetensors, which `titans train` writes" in done.stderr


def test_no_address_is_printed_for_a_port_that_is_taken(serve: Serve) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        done = serve("--port", port)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        f"python -m app: port {port} is taken, perhaps by a Titanscope that runs already; choose another with --port\n"
    )


def test_one_address_is_printed_when_it_serves(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    env = os.environ | {"TITANSCOPE_RUNS": str(tmp_path / "stored")}
    line = [sys.executable, "-m", "app", "--port", address.rpartition(":")[2]]
    with subprocess.Popen(line, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            until = time.monotonic() + 60
            while not _answers(address) and time.monotonic() < until:
                time.sleep(0.2)
        finally:
            process.terminate()
        printed, _ = process.communicate(timeout=30)
    assert printed.split() == ["Titanscope:", address]


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as reply:  # noqa: S310 (our own address)
            return bool(reply.read() == b"ok")
    except OSError:
        return False


def test_an_address_that_is_not_here() -> None:
    assert command._taken("203.0.113.7", 8501).startswith("nothing can be served at 203.0.113.7:8501: ")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert command._taken("127.0.0.1", port) == ""


@pytest.mark.parametrize("port", ["0", "-1", "99999", "port"])
def test_a_port_that_cannot_be(serve: Serve, port: str) -> None:
    done = serve(f"--port={port}")
    assert done.returncode == 2
    assert f"'{port}' is no port; give a whole number from 1 to 65535" in done.stderr
