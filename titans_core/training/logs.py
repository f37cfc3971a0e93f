"""What a training leaves to look at: curve.csv, TensorBoard events where the library is installed, and a bar."""

from __future__ import annotations

import csv
import importlib.util
import sys
import time
from pathlib import Path
from typing import Any

from tqdm import tqdm

COLUMNS = ("step", "tokens", "window", "loss", "text", "answer", "seconds")
Row = dict[str, float]


class Logs:
    """One row per look: losses in nats per token of its batch (0 where the batch has no such token), seconds of
    training. Nothing is written where `out` is None."""

    def __init__(self, out: Path | None, title: str, steps: int, rows: list[Row]) -> None:
        self.out, self.rows = out, rows
        self._writer = self._tensorboard()
        done = int(rows[-1]["step"]) if rows else 0
        self._began, self._from = time.monotonic(), rows[-1]["tokens"] if rows else 0
        self._bar = tqdm(
            total=steps, initial=done, desc=title, unit=" steps", file=sys.stderr, disable=out is None, mininterval=5
        )

    def add(self, row: Row) -> None:
        self.rows.append(row)
        speed = (row["tokens"] - self._from) / max(1e-9, time.monotonic() - self._began)
        self._bar.set_postfix_str(
            f"text {row['text']:.3f} answer {row['answer']:.3f}, {speed:,.0f} tokens/s", refresh=False
        )
        self._bar.update(int(row["step"]) - self._bar.n)
        if self._writer is not None:
            for name in ("loss", "text", "answer"):
                self._writer.add_scalar(name, row[name], int(row["step"]))

    def write(self) -> None:
        """curve.csv beside the checkpoint."""
        if self.out is None or not self.rows:
            return
        with open(self.out / "curve.csv", "w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(self.rows)
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        self._bar.close()
        if self._writer is not None:
            self._writer.close()

    def _tensorboard(self) -> Any:
        if self.out is None or importlib.util.find_spec("tensorboard") is None:
            return None
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 (optional)

        return SummaryWriter(str(self.out / "tensorboard"))
