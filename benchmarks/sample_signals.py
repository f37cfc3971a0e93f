"""How the default sample's one sudden break shows: `python benchmarks/sample_signals.py`.

Per memory: the mean of a signal in the sentence's break and in the 400 characters after it, over the signal's median
past token 128, where the empty memory has filled. Surprise is summed over layers in squares.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import titans_core as tc
from titans_core.signals import sum_layers

BREAK = "a grand piano sailed into the harbour"


def main() -> None:
    text = (Path(__file__).parents[1] / "assets/samples/keeper-and-piano.txt").read_text(encoding="utf-8")
    at = text.index(BREAK)
    places = {"break": (at, at + len(BREAK)), "after": (at + len(BREAK), at + len(BREAK) + 400)}
    for name in tc.checkpoints():
        ds = tc.trace(tc.load(name), text)
        if "surprise" not in ds:
            continue
        columns = {"surprise": sum_layers("surprise", ds["surprise"].values), "surprisal": ds["nll"].values}
        for signal, values in columns.items():
            usual = np.median(values[128:])
            for place, (low, high) in places.items():
                inside = (ds["end"].values > low) & (ds["start"].values < high)
                print(f"{name} {signal} {place}: {values[inside].mean() / usual:.2f} times the median")


if __name__ == "__main__":
    main()
