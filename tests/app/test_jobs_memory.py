"""What a run is expected to need of memory, and what there is."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from app.jobs import memory
from titans_core.errors import ConfigError

ROOT = Path(__file__).parents[2]
GB = 1_000_000_000


def test_what_is_expected_is_near_what_is_needed() -> None:
    command = [sys.executable, "benchmarks/memory_needed.py", "mac", "3000"]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    told = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True).stdout.split()
    assert int(told[1]) > 2_500
    assert 0.75 < float(told[4]) < 1.25, told


def test_more_tokens_need_more_and_a_model_with_a_memory_more_than_one_without() -> None:
    few, many = (memory.needed("mac", tokens) or 0 for tokens in (100, 1e8))
    assert memory.PROCESS < few < many
    assert many > 10 * GB
    assert (memory.needed("transformer", 1e4) or 0) < (memory.needed("mac", 1e4) or 0)
    assert memory.needed("nope", 1.0) is None


def test_too_long_a_text_is_refused_with_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 200_000_000)
    text = "x" * 3_000_000
    assert memory.refusal("mac", "A short text.") == ""
    assert memory.refusal("nope", text) == ""
    with pytest.raises(ConfigError, match=r"needs about \d+ MB of memory, and 200 MB are available"):
        memory.Room(1.0).check("mac", text, "cpu")
    monkeypatch.setattr(memory, "available", lambda: None)
    assert memory.refusal("mac", text) == ""


def test_the_least_of_machine_container_and_own_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_own", lambda: None)
    assert memory.available() is None
    (tmp_path / "meminfo").write_text("MemTotal: 9000000 kB\nMemAvailable: 4000000 kB\n")
    assert memory.available() == 4_000_000 * 1024
    for name, value in {
        "max": "3000000000",
        "current": "2500000000",
        "stat": "anon 1\ninactive_file 500000000\n",
    }.items():
        (tmp_path / f"memory.{name}").write_text(value)
    assert memory.available() == GB
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.available() == 4_000_000 * 1024
    monkeypatch.setattr(memory, "_own", lambda: -5)
    assert memory.available() == 0


def test_the_own_limit_is_what_is_left_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert memory._own() is None
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1 << 50, 1 << 50))
    left = memory._own()
    assert left is not None
    assert 0 < (1 << 50) - left < 1 << 45


@pytest.mark.parametrize(
    ("error", "short"),
    [
        (MemoryError(), True),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried"),
            True,
        ),
        (type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (ValueError("out of memory"), False),
    ],
    ids=str,
)
def test_errors_that_mean_too_little_memory_are_known(error: Exception, short: bool) -> None:
    assert memory.is_short(error) is short


HEAPS = """
import ctypes, sys, threading
from app.jobs import memory
if sys.argv[1] == "few":
    memory.in_few_heaps()
libc, all_of_them = ctypes.CDLL(None), threading.Barrier(13)
libc.malloc.restype = ctypes.c_void_p
def take():
    libc.malloc(10_000)
    all_of_them.wait()
for _ in range(12):
    threading.Thread(target=take).start()
all_of_them.wait()
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="another C library than glibc")
def test_many_threads_are_served_from_two_heaps() -> None:
    def heaps(how: str) -> int:
        command, env = [sys.executable, "-c", HEAPS, how], os.environ | {"PYTHONPATH": str(ROOT)}
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.count("<heap nr=")

    assert heaps("few") == 2
    assert heaps("as it is") > 2
