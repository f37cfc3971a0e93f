"""A foreign memory becomes a Dataset like ours: what it has under our names, the rest absent."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
import torch
import xarray as xr

import titans_core as tc
from titans_core.adapters import About, ByteTokenizer, Differs, HubTokenizer, weights_sha256
from titans_core.adapters.delta_rule import delta_signals
from titans_core.errors import ConfigError, StoreError, TextError
from titans_core.pyramid import layout
from titans_core.signals import BY_HEAD, SIGNALS

ROOT = Path(__file__).parents[2]
TEXT = "The lamp was lit at six, café “Ṣọ́ra” 👩‍👧."
FACTS = About(library="spring 1.2", variant="spring", chunk=1, parameters=3, weights_sha256="0" * 64)


@dataclass
class Made:
    """An adapter of made up numbers, which tests know. given: what it reads of `span` tokens at a time."""

    span: int = 7
    name: str = "spring"
    tokenizer: Any = field(default_factory=ByteTokenizer)
    facts: About = FACTS
    layers: int = 2
    change: Callable[[dict[str, np.ndarray], int], dict[str, np.ndarray]] = lambda arrays, low: arrays

    def about(self) -> About:
        return self.facts

    def read(self, ids: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
        whole = self.whole(len(ids))
        for low in range(0, len(ids), self.span):
            part = {name: values[..., low : low + self.span] for name, values in whole.items()}
            yield self.change(part, low)

    def whole(self, tokens: int) -> dict[str, np.ndarray]:
        made = np.random.default_rng(1)
        shape = (self.layers, 3, tokens)
        return {
            "loss": made.random(shape),
            "surprise": made.random(shape),
            "theta": made.random(shape),
            "memory": made.random((self.layers, tokens)),
            "nll": made.random(tokens),
        }


def test_signals_come_under_our_names_and_the_rest_is_absent() -> None:
    facts = replace(
        FACTS,
        config={"width": 3},
        versions={"spring": "1.2"},
        differs={"loss": Differs("chunk", differs="a mean"), "nll": Differs(source="its own head")},
    )
    made = Made(facts=facts)
    ds = tc.trace_foreign(made, TEXT)
    size = len(TEXT.encode())
    whole = made.whole(size)
    assert set(ds.data_vars) == {"loss", "surprise", "theta", "memory", "nll", "id"}
    assert dict(ds.sizes) == {"layer": 2, "token": size}
    np.testing.assert_allclose(ds["loss"].values, whole["loss"].sum(1), rtol=1e-6)
    np.testing.assert_allclose(ds["surprise"].values, np.sqrt(np.square(whole["surprise"]).sum(1)), rtol=1e-6)
    np.testing.assert_allclose(ds["theta"].values, whole["theta"].mean(1), rtol=1e-6)
    np.testing.assert_allclose(ds["memory"].values, whole["memory"], rtol=1e-6)
    assert all(ds[name].dtype == np.float32 for name in set(ds.data_vars) - {"id"})
    assert ds.attrs["absent"] == [n for n in (*SIGNALS, *BY_HEAD, "nll", "entropy") if n not in ds]
    assert ds["theta"].attrs == SIGNALS["theta"].attrs()
    assert ds["loss"].attrs == SIGNALS["loss"].attrs() | {"granularity": "chunk", "differs": "a mean"}
    assert ds["nll"].attrs["source"] == "its own head"
    told = {name: ds.attrs[name] for name in ("foreign", "checkpoint", "variant", "chunk", "parameters", "settings")}
    assert told == {
        "foreign": "spring 1.2",
        "checkpoint": "spring",
        "variant": "spring",
        "chunk": 1,
        "parameters": 3,
        "settings": "{}",
    }
    assert json.loads(ds.attrs["config"]) == {"width": 3}
    assert json.loads(ds.attrs["versions"])["spring"] == "1.2"
    assert "".join(TEXT[s:e] for s, e in sorted({*zip(ds["start"].values, ds["end"].values, strict=True)})) == TEXT


def test_it_has_the_attributes_of_ours(tiny_model: Callable[..., Any]) -> None:
    own, foreign = tc.trace(tiny_model("mag"), TEXT), tc.trace_foreign(Made(), TEXT)
    assert set(foreign.attrs) - set(own.attrs) == {"foreign", "absent"}
    assert not set(own.attrs) - set(foreign.attrs)
    assert set(foreign.coords) == set(own.coords) - {"head"}


@pytest.mark.parametrize("text", [TEXT, TEXT * 700])
def test_a_store_holds_the_same(tmp_path: Path, text: str) -> None:
    """A long one too, with its pyramid, written as the run goes."""
    facts = replace(FACTS, differs={"memory": Differs("segment", differs="of both")})
    told: list[tuple[int, int]] = []
    stored = tc.trace_foreign(
        Made(9_000, facts=facts), text, store=tmp_path / "a.zarr", progress=lambda *at: told.append(at)
    )
    kept = tc.trace_foreign(Made(9_000, facts=facts), text)
    size = len(text.encode())
    assert told[-1] == (size, size)
    for ds in (stored, kept):
        ds.attrs = {name: value for name, value in ds.attrs.items() if name not in ("seconds", "created")}
    xr.testing.assert_identical(stored.load(), kept)
    assert (tc.open_trace(tmp_path / "a.zarr")["memory"].variable.encoding.get("pyramid") is not None) is (
        size > layout.LONG
    )


def test_a_trace_without_predictions_is_one(tmp_path: Path) -> None:
    made = Made(change=lambda arrays, _: {name: arrays[name] for name in ("surprise",)})
    ds = tc.trace_foreign(made, TEXT, store=tmp_path / "a.zarr")
    assert set(ds.data_vars) == {"surprise", "id"}
    assert {"nll", "entropy"} <= set(ds.attrs["absent"])


def _without_the_last(arrays: dict[str, np.ndarray], low: int) -> dict[str, np.ndarray]:
    return {name: values[..., :-1] for name, values in arrays.items()} if low > 35 else arrays


def _other_names(arrays: dict[str, np.ndarray], low: int) -> dict[str, np.ndarray]:
    return {name: values for name, values in arrays.items() if low == 0 or name != "nll"}


def _aligned(arrays: dict[str, np.ndarray], low: int) -> dict[str, np.ndarray]:
    return {**arrays, "alignment": arrays["loss"]}


class Strange(ByteTokenizer):
    pieces = ["a"] * 100


@pytest.mark.parametrize(
    ("made", "error", "says"),
    [
        (Made(name="mag"), ConfigError, "'mag' is the name of a checkpoint that ships"),
        (Made(name="a\nb"), ConfigError, "the adapter's name is"),
        (Made(facts=replace(FACTS, variant="mac")), ConfigError, "'mac' is a variant of ours"),
        (Made(facts=replace(FACTS, library="")), ConfigError, "the adapter tells '' "),
        (Made(facts=replace(FACTS, differs={"lossy": Differs()})), ConfigError, "about.*differs names lossy"),
        (Made(facts={"variant": "mine"}), ConfigError, "about.*must give a titans_core.adapters.About"),
        (Made(facts=replace(FACTS, differs={"loss": Differs("word")})), ConfigError, "a granularity is 'word'"),
        (Made(tokenizer=Strange()), ConfigError, "ids .* to .* and has 100 pieces to show"),
        (Made(change=lambda arrays, _: {**arrays, "lossy": arrays["loss"]}), ConfigError, "gave lossy; the signals"),
        (Made(change=lambda *_: {}), ConfigError, "the adapter gave nothing"),
        (Made(change=lambda arrays, _: {"nll": arrays["loss"]}), ConfigError, r"gave nll \(2, 3, 7\)"),
        (Made(change=_without_the_last), ConfigError, "the adapter gave .* tokens of"),
        (Made(change=_other_names), ConfigError, "after token 7 the adapter gave"),
        (Made(change=_aligned), ConfigError, "alignment of heads needs"),
    ],
)
def test_what_an_adapter_gets_wrong_is_said(made: Made, error: type, says: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=says):
        tc.trace_foreign(made, TEXT, store=tmp_path / "a.zarr")
    assert not list(tmp_path.iterdir()), "nothing is left behind"


def test_a_text_or_a_store_that_cannot_be_is_said(tmp_path: Path) -> None:
    with pytest.raises(TextError, match="blank"):
        tc.trace_foreign(Made(), "  ")
    with pytest.raises(StoreError, match="exists already"):
        tc.trace_foreign(Made(), TEXT, store=tmp_path)


def test_a_tokenizer_of_the_hub() -> None:
    """The pieces are shown as ours are; places count characters."""
    library = tokenizers.Tokenizer.from_file(str(ROOT / "assets" / "tokenizer.json"))
    found, ours = HubTokenizer(library), tc.load("mag", device="cpu").tokenizer
    theirs, own = found.encode(TEXT), ours.encode(TEXT)
    for name in ("ids", "start", "end"):
        np.testing.assert_array_equal(getattr(theirs, name), getattr(own, name))
    whole = [i for i in np.unique(own.ids) if "‹" not in ours.pieces[i]]
    assert [found.pieces[i] for i in whole] == [ours.pieces[i] for i in whole]
    assert len(found.pieces) == library.get_vocab_size()


def test_weights_are_known_by_every_number() -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2).to(torch.bfloat16)
    before = weights_sha256(model)
    assert before == weights_sha256(model)
    with torch.no_grad():
        model.bias[1] += 1
    assert weights_sha256(model) != before


def test_every_public_name_is_what_it_says() -> None:
    """Also once its module was loaded."""
    for name in tc.adapters.__all__:
        assert getattr(tc.adapters, name).__name__ == name


def test_the_protocol_needs_no_torch() -> None:
    used = "tc.trace_foreign; tc.adapters.ByteTokenizer; tc.adapters.About"
    code = f"import titans_core as tc, sys; {used}; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize("gated", [False, True])
def test_the_delta_rule_is_that_of_autograd(gated: bool) -> None:
    """A linear memory that starts at zero: forget, take the gradient there, write; all in float64."""
    torch.manual_seed(2)
    heads, tokens, wide = 2, 9, 4
    q, k, v = (torch.randn(heads, tokens, n, dtype=torch.float64) for n in (3, 3, wide))
    beta = torch.rand(heads, tokens, dtype=torch.float64)
    g = -torch.rand(heads, tokens, dtype=torch.float64) if gated else None
    found = delta_signals(q, k, v, beta, g)
    for h in range(heads):
        memory = torch.zeros(3, wide, dtype=torch.float64)
        for t in range(tokens):
            alpha = 1 - g[h, t].exp() if g is not None else torch.zeros(())
            at = ((1 - alpha) * memory).requires_grad_()
            loss = (k[h, t] @ at - v[h, t]).square().sum()
            (grad,) = torch.autograd.grad(loss, at)
            now = at.detach() - beta[h, t] / 2 * grad
            expected = {
                "loss": loss,
                "surprise": grad.norm(),
                "momentary": beta[h, t] / 2 * grad.norm(),
                "theta": beta[h, t] / 2,
                "update": (now - memory).norm(),
                "memory": now.norm(),
                "read": (q[h, t] @ now).norm(),
            }
            if gated:
                expected |= {"alpha": alpha, "forgotten": (alpha * memory).norm()}
            assert set(found) == set(expected)
            for name, value in expected.items():
                torch.testing.assert_close(found[name][h, t], value.detach(), msg=name)
            memory = now


def test_without_a_gate_it_is_a_memory_of_ours() -> None:
    """theta is half of beta, eta and alpha are 0, gradients at every token."""
    torch.manual_seed(3)
    q, k, v = (torch.randn(1, 2, 20, 4, dtype=torch.float64) for _ in range(3))
    beta = torch.rand(1, 2, 20, dtype=torch.float64) / 4
    zero, weights = torch.zeros_like(beta), (torch.zeros(1, 2, 4, 4, dtype=torch.float64),)
    ours = tc.memory.memory_scan(q, k, v, beta / 2, zero, zero, weights, chunk=1, signals=True)
    found = delta_signals(q[0], k[0], v[0], beta[0])
    torch.testing.assert_close(found["read"], ours.reads[0].norm(dim=-1))
    for name in ("loss", "surprise", "update", "memory"):
        torch.testing.assert_close(found[name], ours.signals[name][0], msg=name)
