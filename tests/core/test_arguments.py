"""What the public functions are given by mistake: an error of the package, with what would work."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch

import titans_core as tc
from titans_core.errors import CheckpointError, ConfigError, StoreError, TextError, TitansError, shown
from titans_core.memory.equations import memory_steps

TEXT = "The lamp was lit at dusk."
WRONG = [None, 5, [], "", b"mag"]


def refused(call: Callable[[Any], object], value: object, kind: type[TitansError], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        call(value)
    assert shown(value) in str(caught.value), "it names what was given"


@pytest.mark.parametrize("value", WRONG, ids=repr)
def test_a_model_is_what_load_returns(value: object) -> None:
    works = re.escape('give what tc.load returns, such as tc.load("mac")')
    refused(lambda v: tc.trace(v, TEXT), value, ConfigError, works)
    refused(lambda v: tc.run(v, TEXT), value, ConfigError, works)


@pytest.mark.parametrize("value", [None, 5, [], b"The lamp"], ids=repr)
def test_a_text_is_a_str(tiny_model, value: object) -> None:
    model = tiny_model("mag")
    works = r"give a str, such as data\.decode\(\)$" if isinstance(value, bytes) else "give a str$"
    refused(lambda v: tc.trace(model, v), value, TextError, works)
    refused(lambda v: tc.run(model, v), value, TextError, works)


@pytest.mark.parametrize("value", [5, [], "theta*=0.5", b"mag"], ids=repr)
def test_what_a_run_may_be_given(tiny_model, value: object) -> None:
    model = tiny_model("mag")
    refused(lambda v: tc.trace(model, TEXT, settings=v), value, ConfigError, r"tc\.intervene\(")
    refused(lambda v: tc.trace(model, TEXT, state=v), value, ConfigError, r"tc\.run\(model, text\)\.state")
    refused(lambda v: tc.trace(model, TEXT, progress=v), value, ConfigError, r"a function of \(done, total\)")
    refused(lambda v: tc.run(model, TEXT, recorder=v), value, ConfigError, "on_chunk")


@pytest.mark.parametrize("value", [5, [], "", b"run.zarr"], ids=repr)
def test_a_store_is_a_path(tiny_model, value: object) -> None:
    refused(lambda v: tc.trace(tiny_model("mag"), TEXT, store=v), value, StoreError, "give the path of one")
    refused(tc.open_trace, value, StoreError, "give the path of one")


@pytest.mark.parametrize("value", WRONG, ids=repr)
def test_a_checkpoint_is_a_name_or_a_path(value: object) -> None:
    refused(tc.load, value, CheckpointError, "names no checkpoint; shipped are: mac, mag")
    with pytest.raises(ConfigError, match="choose auto, cpu or cuda"):
        tc.load("mag", value)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="unknown variant"):
        tc.ModelConfig(variant=value)  # type: ignore[arg-type]


@pytest.mark.parametrize("scan", [tc.memory.memory_scan, memory_steps])
@pytest.mark.parametrize("value", WRONG, ids=repr)
def test_a_memory_is_given_tensors(scan: Callable[..., object], value: object) -> None:
    x, gate, weights = torch.ones(1, 1, 4, 3), torch.ones(1, 1, 4), (torch.zeros(1, 1, 3, 3),)
    good: dict[str, Any] = {"q": x, "k": x, "v": x, "theta": gate, "eta": gate, "alpha": gate, "weights": weights}
    for name in good:
        if name != "weights":
            refused(lambda v, n=name: scan(**{**good, n: v}, chunk=1), value, ConfigError, f"^{name} is .* a tensor$")
        else:
            with pytest.raises(ConfigError, match=r"^weights is"):
                scan(**{**good, name: value}, chunk=1)
    if value is not None:
        with pytest.raises(ConfigError, match=r"^momentum (is|has)"):
            scan(**good, momentum=value, chunk=1)
    if value != 5:
        with pytest.raises(ConfigError, match="chunk is"):
            scan(**good, chunk=value)


def test_weights_are_one_tensor_a_layer() -> None:
    x, gate = torch.ones(1, 1, 4, 3), torch.ones(1, 1, 4)
    for weights, message in (
        (torch.zeros(1, 1, 3, 3), "^weights is tensor.*give a tuple of one tensor"),
        ((torch.zeros(3),), r"^weights\[0\] has shape \(3,\); it must be \(B, H, D_in, D_out\)"),
        ((3,), r"^weights\[0\] is 3 \(int\); it must be a tensor"),
    ):
        with pytest.raises(ConfigError, match=message):
            tc.memory.memory_scan(x, x, x, gate, gate, gate, weights, chunk=1)
