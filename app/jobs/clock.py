"""Time as the store counts it: a clock that is set forward or back while the app runs moves nothing."""

from __future__ import annotations

import time
from datetime import UTC, datetime

_STEADY = getattr(time, "CLOCK_BOOTTIME", None)  # goes on while the machine sleeps; Linux alone has it


def _steady() -> float:
    return time.monotonic() if _STEADY is None else time.clock_gettime(_STEADY)


_began = time.time() - _steady()


def now() -> float:
    """Seconds since 1970, UTC: what the clock said when this process began, and what has passed since."""
    return _began + _steady()


def stamp() -> str:
    """`now` as ISO 8601 in UTC."""
    return datetime.fromtimestamp(now(), UTC).isoformat(timespec="seconds")


def age(stamp: object) -> float | None:
    """Seconds since a stamp, never below 0, as where another process had another clock; None of what is no stamp."""
    try:
        at = datetime.fromisoformat(stamp) if isinstance(stamp, str) else None
    except ValueError:
        return None
    return None if at is None or at.tzinfo is None else max(0.0, now() - at.timestamp())
