"""Memory files from anybody: whatever is not a memory is refused with a reason, and none is half read."""

import json

import numpy as np
import pytest
from safetensors.numpy import save

from titans_core import memory_file, snapshot, tracing
from titans_core.errors import ConfigError, StoreError
from titans_core.recognise import MEMORY

FACTS = {"checkpoint": "a", "variant": "mag", "model": "m", "weights_sha256": "0" * 64, "tokens": 3, "texts": ["One"]}


def tensors(**others: np.ndarray) -> dict[str, np.ndarray]:
    w = np.ones((2, 4, 4), np.float32)
    return {f"{what}.{layer}.0": w for what in ("weights", "momentum") for layer in (0, 1)} | {
        name.replace("_", "."): value for name, value in others.items()
    }


def written(held: dict[str, np.ndarray], facts: object = FACTS, kind: str = MEMORY) -> bytes:
    return save(held, {"format": kind, "facts": json.dumps(facts)})


def test_a_memory_is_read() -> None:
    held = memory_file.read(written(tensors()), "m")
    assert memory_file.measures(held).size.shape == (2, 2)
    assert held.facts == FACTS


ONES = np.ones((2, 4, 4), np.float32)
NAN, INFINITE = ONES.copy(), ONES.copy()
NAN[1, 2, 3], INFINITE[0, 0, 0] = np.nan, np.inf


@pytest.mark.parametrize(
    ("others", "why"),
    [
        ({"weights_0_0": NAN}, "not finite"),
        ({"momentum_1_0": INFINITE}, "not finite"),
        ({"weights_0_0": ONES.astype(np.float64)}, "float64"),
        ({"weights_0_0": ONES[:1]}, "not those of one memory"),
        ({"weights_0_0": ONES[0], "weights_1_0": ONES[0], "momentum_0_0": ONES[0], "momentum_1_0": ONES[0]}, "shaped"),
        ({"momentum_0_0": ONES[:, :2]}, "not those of one memory"),
        ({"weights_7_0": ONES}, "numbered"),
        ({"more": ONES}, "not those of one memory"),
        ({"weights_x_0": ONES}, "cannot be read"),
        ({"weights_999999999999_0": ONES}, "numbered"),
    ],
)
def test_tensors_that_are_no_memory_are_refused(others: dict[str, np.ndarray], why: str) -> None:
    with pytest.raises(StoreError, match=why):
        memory_file.read(written(tensors(**others)), "m")


@pytest.mark.parametrize(
    "facts",
    [
        *([], None, 3, "x"),
        *(FACTS | {name: bad} for name in ("checkpoint", "model", "weights_sha256") for bad in ("", 3, None, "a\nb")),
        *(FACTS | {"tokens": bad} for bad in (-1, True, 1.5, "3", None)),
        *(FACTS | {"texts": bad} for bad in ("One", [3], ["x" * 201], ["a\n# b"], [""] * 1_001)),
    ],
)
def test_facts_that_cannot_be_shown_are_refused(facts: object) -> None:
    with pytest.raises(StoreError, match="the memory m cannot be read"):
        memory_file.read(written(tensors(), facts), "m")


def test_other_files_are_refused() -> None:
    good = written(tensors())
    deep = b'{"__metadata__":' + b"[" * 100_000
    long = (1 << 62).to_bytes(8, "little") + b"{}"
    for bad in (b"", good[:-1], good + b"\0", b"PK\x03\x04", long, len(deep).to_bytes(8, "little") + deep):
        with pytest.raises(StoreError, match="the memory m cannot be read"):
            memory_file.read(bad, "m")
    with pytest.raises(StoreError, match="no memory of Titanscope"):
        memory_file.read(written(tensors(), kind="pt"), "m")
    nested = save(tensors(), {"format": MEMORY, "facts": "[" * 100_000})
    with pytest.raises(StoreError, match="cannot be read"):
        memory_file.read(nested, "m")


def test_a_file_that_only_says_it_is_of_a_model_is_refused(tiny_model) -> None:
    model = tiny_model("mag")
    kept = snapshot.take(model, tracing.run(model, "The keeper walked.").state)
    smaller = tuple(tuple(w[:, :2] for w in ws) for ws in kept.weights)
    forged = snapshot.Snapshot(smaller, smaller, kept.facts)
    with pytest.raises(ConfigError, match="shaped otherwise"):
        snapshot.begin(model, forged)


def test_texts_are_listed_from_the_empty_memory_on(tiny_model) -> None:
    model = tiny_model("mag")
    first = snapshot.take(model, tracing.run(model, "The keeper walked.").state, "One\n#")
    state = tracing.run(model, "Then it rained.", state=snapshot.begin(model, first)).state
    assert snapshot.take(model, state, "Two").facts["texts"] == ["One #", "Two"]
