"""Facts and questions into a background: who stands where, and the finished token arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from titans_core.tasks.background import Draw
from titans_core.tasks.compose import Piece
from titans_core.tasks.episode import Episode

FAR = 128  # tokens: half of the training questions stand at least so far behind their fact
_TAIL = 192  # facts leave this much text behind them where there is so much


class Thread(NamedTuple):
    """told: pieces that stand in this order; asked: pieces that stand anywhere after all of those."""

    told: tuple[Piece, ...]
    asked: tuple[Piece, ...] = ()


class Placed(NamedTuple):
    """A piece and the token of the background that it stands before. late: after others at the same place."""

    at: int
    late: bool
    piece: Piece


def size(pieces: Sequence[Piece]) -> int:
    return sum(len(piece.ids) for piece in pieces)


def scatter(rng: np.random.Generator, threads: Sequence[Thread], draw: Draw) -> list[Placed]:
    """Places for the pieces of all threads, at starts of sentences or at the very end."""
    end = len(draw.ids)
    placed: list[Placed] = []
    for thread in threads:
        last = max(end // 2, end - _TAIL) if thread.asked else end
        told = np.sort(rng.integers(0, last + 1, size=len(thread.told)))
        told = draw.starts[np.searchsorted(draw.starts, told, side="right") - 1]
        placed += [Placed(at, False, piece) for at, piece in zip(told.tolist(), thread.told, strict=True)]
        for piece in thread.asked:
            wanted = int(told[-1]) + _distance(rng, end - int(told[-1]))
            placed.append(Placed(_start(draw, wanted, int(told[-1])), True, piece))
    return placed


def _distance(rng: np.random.Generator, room: int) -> int:
    """From a fact to its question: far in half of the cases, if there is room; else as often near as far in ratio."""
    coin, where = rng.random(2).tolist()
    if coin < 0.5 and room > FAR:
        return FAR + int(where * (room - FAR))
    return int((room + 1.0) ** where)


def _start(draw: Draw, wanted: int, fact: int) -> int:
    """The next start of a sentence; behind the last one, that one, or the very end where the fact stands there."""
    after = min(int(np.searchsorted(draw.starts, wanted)), len(draw.starts) - 1)
    start = int(draw.starts[after])
    return start if start > fact else len(draw.ids)


def weave(task: str, intro: Sequence[int], draw: Draw, placed: Sequence[Placed], tail: Piece | None = None) -> Episode:
    """The episode: intro, background with the pieces in their places, tail."""
    pieces = [item.piece for item in placed]
    total = len(intro) + len(draw.ids) + size(pieces) + (len(tail.ids) if tail else 0)
    ids = np.empty(total, np.int32)
    role = np.zeros(total, np.uint8)
    ids[: len(intro)] = intro
    answers: list[str] = []
    at, done = len(intro), 0
    for item in sorted(placed, key=lambda item: (item.at, item.late)):
        step = item.at - done
        ids[at : at + step] = draw.ids[done : item.at]
        at, done = at + step, item.at
        at = _put(ids, role, at, item.piece, answers)
    ids[at : at + len(draw.ids) - done] = draw.ids[done:]
    if tail:
        _put(ids, role, total - len(tail.ids), tail, answers)
    return Episode(task, ids, role, tuple(answers))


def _put(ids: np.ndarray, role: np.ndarray, at: int, piece: Piece, answers: list[str]) -> int:
    end = at + len(piece.ids)
    ids[at:end] = piece.ids
    role[at:end] = piece.roles
    answers += piece.answers
    return end
