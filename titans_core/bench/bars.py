"""The speeds that are promised, judged from a record of `titans bench`. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from titans_core.bench.spread import NONE, Row, measured, rate, ratios, rounded, share, speed
from titans_core.bench.tables import Table

Record = dict[str, Any]
FLAT = 32 * 2**20  # bytes of main memory that a reader may have more at the end than after the first quarter
MEMORIES = ("mac", "mag", "mal", "lmm")


@dataclass(frozen=True)
class Bar:
    """found: of a record; None where it was not measured. most: whether it is to be at most `wanted`, not at least.

    aim: what would be better still."""

    what: str
    wanted: float
    found: Callable[[Record], float | None]
    most: bool = False
    aim: float | None = None
    say: Callable[[float], str] = rounded

    def judge(self, record: Record) -> tuple[str, str, str, str]:
        """What, wanted, found, verdict."""
        wanted = f"{'≤' if self.most else '≥'} {self.say(self.wanted)}"
        wanted += f" (aim {self.say(self.aim)})" if self.aim else ""
        found = self.found(record)
        if found is None:
            return self.what, wanted, NONE, "not measured"
        over = found / self.wanted
        if over <= 1 if self.most else over >= 1:
            return self.what, wanted, self.say(found), "pass"
        return self.what, wanted, self.say(found), f"falls short by {share(abs(over - 1))}"


def bars(record: Record) -> list[Bar]:
    """Of the device that the record is of."""
    return [*(_GPU if record["cuda"] else _CPU), *_BOTH]


def table(record: Record) -> Table:
    notes = ["Of small sizes, which say nothing of speed."] if record["quick"] else []
    cells = [bar.judge(record) for bar in bars(record)]
    return Table("Bars", ("", "promised", "found", "verdict"), cells, notes, words=(0, 3))


def _rows(record: Record, part: str, **wanted: object) -> list[Row]:
    rows = record["parts"].get(part, [])
    return [r for r in rows if measured(r) and all(r.get(key) == value for key, value in wanted.items())]


def _first(rows: Iterable[Row]) -> Row | None:
    return next(iter(rows), None)


def _deep(record: Record, mode: str) -> float | None:
    """Tokens/s of the deep memory with TF32 or bf16 products."""
    rows = [r for r in _rows(record, "memory", mode=mode) if r["precision"] != "highest" and "depth 2" in r["name"]]
    return max(map(speed, rows), default=None)


def _against_theirs(record: Record) -> float | None:
    ours, theirs = (
        _first(_rows(record, "memory", mode="forward", precision="highest", name=name))
        for name in ("memory_scan, depth 2, chunk 64", "titans-pytorch, chunk 64")
    )
    return ratios(theirs, ours).middle if ours and theirs else None


def _of_products(record: Record) -> float | None:
    path = _first(_rows(record, "roofline", name="forward", precision="highest"))
    products = [r for r in _rows(record, "roofline", kind="machine", precision="highest") if "of a pass" in r["name"]]
    return rate(path) / max(map(rate, products)) if path and products else None


def _signals(kind: str, **wanted: object) -> Callable[[Record], float | None]:
    """The largest median ratio of groups."""

    def found(record: Record) -> float | None:
        on = _rows(record, "signals", kind=kind, name="signals on", **wanted)
        off = _rows(record, "signals", kind=kind, name="signals off", **wanted)
        return max((ratios(a, b).middle for a, b in zip(on, off, strict=True)), default=None)

    return found


def _trace(measure: Callable[[Row], float]) -> Callable[[Record], float | None]:
    def found(record: Record) -> float | None:
        row = _first(_rows(record, "trace", name="mac"))
        return measure(row) if row else None

    return found


def _training(name: str) -> Callable[[Record], float | None]:
    def found(record: Record) -> float | None:
        row = _first(_rows(record, "training", name=name))
        return speed(row) if row else None

    return found


def _growth(value: str, **wanted: object) -> Callable[[Record], float | None]:
    """The largest of models with a memory, traced."""

    def found(record: Record) -> float | None:
        rows = _rows(record, "growth", kind="traced", **wanted)
        return max((r[value] for r in rows if r["name"] in MEMORIES and r.get(value) is not None), default=None)

    return found


def _times(value: float) -> str:
    return f"{value:.2f}×"


def _seconds(value: float) -> str:
    return f"{value:.1f} s"


def _mib(value: float) -> str:
    return f"{value / 2**20:,.0f} MiB"


_CPU = [
    Bar("forward, titans-pytorch's time at chunk 64 over ours", 8, _against_theirs, say=_times),
    Bar("forward, share of this machine's batched product rate", 0.6, _of_products, say=share),
    Bar("signals of the memory alone, time on over off", 1.6, _signals("memory alone"), most=True, say=_times),
    Bar("full trace of mac, tokens/s", 5000, _trace(speed)),
]
_GPU = [
    Bar("forward with TF32 or bf16 products, tokens/s", 12e6, lambda r: _deep(r, "forward"), aim=20e6),
    Bar("forward and backward, the same, tokens/s", 2e6, lambda r: _deep(r, "forward and backward"), aim=3e6),
    Bar("signals of the memory alone, time on over off", 1.4, _signals("memory alone"), most=True, say=_times),
    Bar("full trace of mac, a million tokens", 15, _trace(lambda r: 1e6 / speed(r)), most=True, say=_seconds),
    Bar("training mag, tokens/s", 0.8e6, _training("mag")),
    Bar("training mal, tokens/s", 0.8e6, _training("mal")),
    Bar("training mac, tokens/s", 0.4e6, _training("mac")),
]
_BOTH = [
    Bar("signals of a whole model, time on over off", 1.2, _signals("whole model"), most=True, say=_times),
    Bar("long trace, last quarter's time over the first's", 1.05, _growth("ratio"), most=True, say=_times),
    Bar("long trace, RAM grown after the first quarter", FLAT, _growth("grown", stored=True), most=True, say=_mib),
]
