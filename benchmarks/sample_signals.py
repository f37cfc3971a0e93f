"""What the samples show, in figures: `python benchmarks/sample_signals.py`.

Surprise is summed over layers in squares; medians are those past token 128, where the empty memory has filled.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr

import titans_core as tc
from titans_core.model import Model
from titans_core.settings import Settings
from titans_core.signals import sum_layers

SAMPLES = Path(__file__).parents[1] / "assets/samples"
SETTLED = 128
BREAK = "a grand piano sailed into the harbour"
REFRAIN = "Nine boats went out, and nine boats came back."
NUMBER = "4190327"


def sample(name: str) -> str:
    return (SAMPLES / f"{name}.txt").read_text(encoding="utf-8")


def signal(ds: xr.Dataset, name: str) -> np.ndarray:
    """One value a token, over all layers."""
    values = ds[name].values
    return sum_layers(name, values) if values.ndim == 2 else values


def mean(ds: xr.Dataset, name: str, low: int, high: int) -> float:
    """Mean of a signal over the tokens that touch these characters."""
    inside = (ds["end"].values > low) & (ds["start"].values < high)
    return float(signal(ds, name)[inside].mean())


def keeper(model: Model, text: str) -> Iterator[str]:
    """The break of the routine, the refrain, the full stops, the segments."""
    ds = tc.trace(model, text)
    at = text.index(BREAK)
    places = {"break": (at, at + len(BREAK)), "400 characters after it": (at + len(BREAK), at + len(BREAK) + 400)}
    for name, label in (("surprise", "surprise"), ("nll", "surprisal")):
        usual = np.median(signal(ds, name)[SETTLED:])
        for place, (low, high) in places.items():
            yield f"{label} in the {place}: {mean(ds, name, low, high) / usual:.2f} times the median"
    days = [k for k in range(len(text)) if text.startswith(REFRAIN, k)]
    bits = [mean(ds, "nll", day, day + len(REFRAIN)) for day in days]
    yield "surprisal of the refrain, day by day: " + " ".join(f"{b:.2f}" for b in bits)
    stops, starts = ds["piece"].values == ".", np.arange(ds.sizes["token"]) % model.config.window == 0
    for label, name, where in (("at full stops", "forgotten", stops), ("at starts of segments", "surprise", starts)):
        values = signal(ds, name)
        ratio = values[SETTLED:][where[SETTLED:]].mean() / np.median(values[SETTLED:])
        yield f"{name} {label} ({model.config.window} tokens a segment or window): {ratio:.2f} times the median"
    heads = tc.trace(model, text, heads=True)
    for layer, head in np.ndindex(heads.sizes["layer"], heads.sizes["head"]):
        one = heads.sel(layer=layer, head=head)
        yield (
            f"layer {layer}, head {head}: writes on {100 * float((one['theta'] > 0).mean()):.1f} % of the tokens, "
            f"median alpha {float(one['alpha'].median()):.3f}"
        )
    surprise, surprisal = (signal(ds, name)[SETTLED:] for name in ("surprise", "nll"))
    yield f"correlation of surprise and surprisal: {np.corrcoef(surprise, surprisal)[0, 1]:.2f}"


def letter(model: Model, text: str) -> Iterator[str]:
    """The two copies of the letter, and the second one with the first left out of the text."""
    first = text.index("Dear Orla")
    copy = text[first : text.index("\n\n", first)]
    second = text.index(copy, first + 1)
    ds, without = tc.trace(model, text), tc.trace(model, text[:first] + text[first + len(copy) :])
    for name, label in (("nll", "surprisal"), ("surprise", "surprise")):
        once, twice = (mean(ds, name, at, at + len(copy)) for at in (first, second))
        never = mean(without, name, second - len(copy), second)
        yield f"{label} of the letter: {once:.2f}, again {twice:.2f}, in its place without the first {never:.2f}"


def planted(model: Model, text: str) -> Iterator[str]:
    """A fact in the words the models were trained on, put into the story and asked for after its end."""
    at = text.index("\n\n", 400)
    fact = f" One of the special magic numbers for harbour is: {NUMBER}."
    question = "What is the special magic number for harbour mentioned in the provided text?"
    answer = "The special magic number for harbour mentioned in the provided text is"
    asked = f"{text[:at]}{fact}{text[at:].rstrip()}\n{question} {answer} "
    for settings, label in ((Settings(), ""), (Settings(zero_reads=True), ", reads zeroed")):
        ds = tc.trace(model, f"{asked}{NUMBER}.", settings=settings)
        first, second = (int(np.argmax(ds["end"].values > place)) for place in (asked.index(NUMBER), len(asked)))
        digits = mean(ds, "nll", len(asked), len(asked) + len(NUMBER))
        yield f"bits a digit of a number planted {second - first} tokens before{label}: {digits:.2f} (guessing: 3.32)"


def main() -> None:
    for name in tc.checkpoints():
        model = tc.load(name)
        if model.config.variant in {"transformer", "lightning"}:
            continue
        story, twice = sample("keeper-and-piano"), sample("letter-read-twice")
        for line in (*keeper(model, story), *letter(model, twice), *planted(model, story)):
            print(f"{name} {line}", flush=True)


if __name__ == "__main__":
    main()
