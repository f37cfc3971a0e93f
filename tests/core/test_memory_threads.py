"""Heads in threads of their own: the same numbers, and torch's own settings as they were."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from titans_core.memory import chunks, memory_scan, threads


@pytest.fixture
def two() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def _memory(heads: int, count: int) -> tuple[tuple[Tensor, ...], tuple[Tensor, Tensor]]:
    torch.manual_seed(heads)
    size = 8
    q, k, v = (torch.randn(2, heads, count * size, 6) for _ in range(3))
    theta, eta, alpha = (torch.rand(2, heads, count * size) * x for x in (0.02, 0.5, 0.1))
    return (q, k, v, theta, eta, alpha), (torch.randn(2, heads, 6, 5) / 2, torch.randn(2, heads, 5, 6) / 2)


def _tensors(scan: object) -> list[Tensor]:
    reads, weights, momentum, signals = scan  # type: ignore[misc]
    return [reads, *weights, *momentum, *(signals or {}).values()]


@pytest.mark.parametrize("signals", [False, True])
@pytest.mark.parametrize("cap", [None, 0.5])
def test_shared_out_among_threads_they_give_the_same(two: None, signals: bool, cap: float | None) -> None:
    given, weights = _memory(4, 6)
    shared = memory_scan(*given, weights, chunk=8, signals=signals, step_cap=cap)
    torch.set_num_threads(1)
    alone = memory_scan(*given, weights, chunk=8, signals=signals, step_cap=cap)
    for one, other in zip(_tensors(shared), _tensors(alone), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("heads", "count", "expected"), [(4, 6, 2), (3, 6, 1), (1, 6, 1), (4, 3, 1)])
def test_heads_are_shared_where_they_divide_evenly_and_there_is_enough_to_do(
    two: None, monkeypatch: pytest.MonkeyPatch, heads: int, count: int, expected: int
) -> None:
    seen = []
    of = chunks.scan_chunks

    def counted(parts: list[Tensor], *rest: object) -> object:
        seen.append((threading.current_thread().name, parts[0].shape[1], torch.get_num_threads()))
        return of(parts, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(chunks, "scan_chunks", counted)
    given, weights = _memory(heads, count)
    memory_scan(*given, weights, chunk=8)
    assert [x[1:] for x in seen] == [(heads // expected, 2 // expected)] * expected
    assert all(name.startswith("memory") == (expected > 1) for name, *_ in seen)


def test_torch_keeps_its_number_of_threads_here_and_in_threads_made_later(two: None) -> None:
    threads._made.cache_clear()
    given, weights = _memory(4, 6)
    memory_scan(*given, weights, chunk=8)
    found = [torch.get_num_threads()]
    later = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert found == [2, 2]


def test_who_watches_is_told_the_weights_of_all_heads(two: None) -> None:
    given, weights = _memory(4, 6)
    shapes = []
    memory_scan(*given, weights, chunk=8, watch=lambda done, now: shapes.append((done, now[0].shape[1])))
    assert shapes == [(8 * n, 4) for n in range(7)]
