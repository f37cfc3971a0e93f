"""The line of jobs that wait for one worker: whoever asks for many lets the others go between."""

from __future__ import annotations

from itertools import count

EACH = 12  # jobs of one person that wait or go
MOST = 64  # of all


class Line:
    """Jobs that wait, by their ids. Each person has one job a round, in the order in which they came.

    Somebody who comes while a round is going is in it, so that the wait for a first job hangs on how many people
    wait, not on how much each of them asked for.
    """

    def __init__(self) -> None:
        self._arrivals = count()
        self._waiting: dict[str, tuple[int, int]] = {}  # id -> (its round, when it came)
        self._rounds: dict[str, int] = {}  # person -> the round of the latest job
        self._now = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, run: str, person: str) -> None:
        turn = max(self._now, self._rounds.get(person, -1) + 1)
        self._rounds = {who: last for who, last in self._rounds.items() if last >= self._now} | {person: turn}
        self._waiting[run] = turn, next(self._arrivals)

    def order(self) -> list[str]:
        """All that wait, the next one first."""
        return sorted(self._waiting, key=self._waiting.__getitem__)

    def take(self) -> str | None:
        """The next one, which no longer waits; None where nobody does."""
        if not self._waiting:
            return None
        run = self.order()[0]
        self._now, _ = self._waiting.pop(run)
        return run

    def drop(self, run: str) -> bool:
        """Take it out of the line; whether it was in it."""
        return self._waiting.pop(run, None) is not None
