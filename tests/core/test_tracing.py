import hashlib
import json
import math
from typing import NamedTuple

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from titans_core import slabs, tracing
from titans_core.config import VARIANTS, ModelConfig
from titans_core.errors import TextError, TitansError
from titans_core.settings import Settings
from titans_core.signals import BY_HEAD, SIGNALS, sum_heads

TEXT = "The keeper walked along the shore, and it rained. The keeper found 37 stones; the piano stood there.\n  "
MEMORY = {
    *("loss", "surprise", "momentary", "past_surprise", "momentum", "alignment", "theta", "eta", "alpha"),
    *("update", "forgotten", "memory", "read"),
}
SHARES = ["share_persistent", "share_memory", "share_segment"]
EXTRA = {"mac": set(SHARES), "mag": {"gate"}, "mal": set(), "lmm": set()}
WITH_MEMORY = [variant for variant in VARIANTS if ModelConfig(variant=variant).has_memory]
GOOD_TEXTS = {
    "one token": "a",
    "one space and a letter": " x",
    "NUL": "a\0b\0\0",
    "controls": "\x01\x07\x1b[31mred\x7f\x85",
    "line ends": "one\r\ntwo\r\n\r\nthree\rfour\n",
    "right to left": "مرحبا בעולם 123 abc",
    "emoji": "👩🏽‍🚀👨‍👩‍👧‍👦🏴󠁧󠁢󠁳󠁣󠁴󠁿",
    "combining": "e\u0301a\u0308\u0323 Z̷̢͝",
    "only combining": "\u0301\u0301",
    "CJK": "日本語の文章、数字一二三。",
    "spaces at both ends": "  \t text \u00a0\u3000\n\n   ",
    "no-break space": "\u200b",
    "noncharacters": "\uffff\U0010ffff\ufeff",
    "special words": "<|endoftext|></s>[SEP]‹separator›",
    "long word": "x" * 300,
}
BAD_TEXTS = {
    "": "empty; type or paste",
    " ": "blank: 1 white-space",
    " \n\t\u3000\r\n": "blank: 6 white-space characters",
    "\ud800": r"U\+D800 at character offset 0 is a lone surrogate",
    "fine until \udfff here": r"U\+DFFF at character offset 11 is a lone surrogate",
    "\udc00\ud800": r"U\+DC00 at character offset 0",
}


@pytest.fixture(scope="module")
def models(tiny_model):
    return {variant: tiny_model(variant) for variant in VARIANTS}


def ids_of(model, text: str) -> torch.Tensor:
    return torch.from_numpy(model.tokenizer.encode(text).ids.astype(np.int64))


def assert_close(a: xr.Dataset, b: xr.Dataset) -> None:
    assert list(a.data_vars) == list(b.data_vars)
    for name in a.data_vars:
        np.testing.assert_allclose(a[name].values, b[name].values, rtol=2e-4, atol=2e-5, err_msg=str(name))


def assert_bitwise(a: xr.Dataset, b: xr.Dataset) -> None:
    assert list(a.variables) == list(b.variables)
    for name in a.variables:
        np.testing.assert_array_equal(a[name].values, b[name].values, err_msg=str(name))


@pytest.mark.parametrize("variant", VARIANTS)
def test_surprisal_and_entropy_are_those_of_one_pass(variant, models) -> None:
    model = models[variant]
    dataset = tracing.trace(model, TEXT)
    ids = ids_of(model, TEXT)
    p = model(ids[None]).logits[0].double().softmax(-1).numpy()
    nll = -np.log2(p[np.arange(len(ids) - 1), ids[1:]])
    entropy = -(p[:-1] * np.log2(p[:-1])).sum(-1)
    assert np.isnan(dataset["nll"][0])
    assert np.isnan(dataset["entropy"][0])
    np.testing.assert_allclose(dataset["nll"][1:], nll, rtol=1e-4)
    np.testing.assert_allclose(dataset["entropy"][1:], entropy, rtol=1e-4)
    assert np.ptp(nll) > 2, "the model predicts all tokens alike: nothing is tested"


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_a_trace_holds(variant, models) -> None:
    model = models[variant]
    dataset = tracing.trace(model, TEXT)
    count = len(ids_of(model, TEXT))
    wanted = MEMORY | EXTRA[variant] | set(BY_HEAD) if variant in WITH_MEMORY else set()
    assert set(dataset.data_vars) == wanted | {"nll", "entropy", "id"}
    assert dict(dataset.sizes) == ({"layer": 2, "head": 2, "token": count} if wanted else {"token": count})
    for name, variable in dataset.data_vars.items():
        above = () if name in ("nll", "entropy", "id") else ("layer", "head") if name in BY_HEAD else ("layer",)
        assert variable.dims == (*above, "token")
        assert variable.dtype == (np.int32 if name == "id" else np.float32)
        undefined = {"nll": 1, "entropy": 1, "alignment": 2}.get(str(name), 0)  # at the first token only
        assert np.isnan(variable.values).sum() == np.isnan(variable.values[..., 0]).sum() == undefined
    np.testing.assert_array_equal(dataset["token"], np.arange(count))
    np.testing.assert_array_equal(dataset["id"], ids_of(model, TEXT))
    if wanted:
        np.testing.assert_array_equal(dataset["layer"], [0, 1])


@pytest.mark.parametrize("variant", VARIANTS)
def test_heads_are_kept_on_request_and_add_up(variant, models) -> None:
    plain = tracing.trace(models[variant], TEXT)
    heads = tracing.trace(models[variant], TEXT, heads=True)
    assert set(heads.data_vars) == set(plain.data_vars)
    named = {str(name): v.values for name, v in heads.data_vars.items() if "layer" in v.dims}
    assert all(heads[name].dims == ("layer", "head", "token") for name in named)
    for name in BY_HEAD.keys() & named:
        np.testing.assert_array_equal(plain[name].values, named[name], err_msg="kept in any case")
        np.testing.assert_array_equal(named.pop(name), heads[name.removeprefix("head_")].values, err_msg=name)
    for name, values in sum_heads(named).items():
        np.testing.assert_array_equal(values, plain[name].values, err_msg=name)
    if named:
        np.testing.assert_array_equal(heads["head"], [0, 1])


def test_signals_stay_in_their_ranges(models) -> None:
    for variant in WITH_MEMORY:
        dataset = tracing.trace(models[variant], TEXT, heads=True)
        for name in ("eta", "alpha", "theta"):
            assert 0 < dataset[name].min() < dataset[name].max() < 1
        assert abs(dataset["alignment"]).max() <= 1
        for name in MEMORY - {"alignment"}:
            assert dataset[name].min() >= 0
        np.testing.assert_allclose(dataset["momentary"], dataset["theta"] * dataset["surprise"], rtol=1e-6)
        assert (dataset["past_surprise"][..., 0] == 0).all()
        assert (dataset["forgotten"][..., 0] == 0).all(), "a new memory is empty"


@pytest.mark.parametrize("heads", [False, True])
def test_shares_of_attention_sum_to_one_and_the_gate_is_a_fraction(heads, models) -> None:
    mac = tracing.trace(models["mac"], TEXT, heads=heads)
    np.testing.assert_allclose(sum(mac[name] for name in SHARES), 1, rtol=1e-5)
    assert all(mac[name].min() >= 0 and np.ptp(mac[name].values) > 0.01 for name in SHARES)
    gate = tracing.trace(models["mag"], TEXT, heads=heads)["gate"]
    assert 0 < gate.min() < gate.max() < 1


@pytest.mark.parametrize("slab", [16, 48])
@pytest.mark.parametrize("variant", VARIANTS)
def test_slabs_change_nothing(variant, slab, models, monkeypatch) -> None:
    text = TEXT * 5 + "the end of it"
    whole = tracing.trace(models[variant], text)
    monkeypatch.setattr(slabs, "SLAB", slab)
    assert whole.sizes["token"] > 2 * slab
    assert whole.sizes["token"] % slab
    assert_close(whole, tracing.trace(models[variant], text))


def test_a_slab_is_a_multiple_of_every_unit_that_ships() -> None:
    assert slabs.SLAB % 128 == 0


@pytest.mark.parametrize("tokens", [1, 3, 15, 16, 17, 35])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_text_in_two_runs_is_the_text_in_one(variant, tokens, models) -> None:
    model = models[variant]
    text = TEXT.strip() * 2
    cut = int(model.tokenizer.encode(text).start[tokens])
    first, second = text[:cut], text[cut:]
    assert torch.equal(torch.cat((ids_of(model, first), ids_of(model, second))), ids_of(model, text))
    whole, one = tracing.run(model, text), tracing.run(model, first)
    two = tracing.run(model, second, state=one.state)
    torch.testing.assert_close(torch.cat((one.logits, two.logits)), whole.logits, rtol=1e-4, atol=1e-4)
    assert not np.isnan(two.trace["nll"]).any(), "the state carries the prediction of the next token"
    carried = two.trace["alignment"] if variant in WITH_MEMORY else np.zeros(1)
    assert not np.isnan(carried).any()
    for part, span in ((one.trace, slice(0, tokens)), (two.trace, slice(tokens, None))):
        assert_close(part, whole.trace.isel(token=span))
    assert_close(tracing.trace(model, second, state=one.state), two.trace)


def test_a_state_can_be_used_again(models) -> None:
    one = tracing.run(models["mac"], TEXT)
    first = tracing.run(models["mac"], " and then", state=one.state)
    tracing.run(models["mac"], " or something else entirely", state=one.state)
    again = tracing.run(models["mac"], " and then", state=one.state)
    assert torch.equal(first.logits, again.logits)
    assert_bitwise(first.trace, again.trace)


class Chunk(NamedTuple):
    layer: int
    span: tuple[int, int]
    signals: dict[str, torch.Tensor]


class Spy:
    def __init__(self) -> None:
        self.chunks: list[Chunk] = []

    def on_chunk(self, layer: int, span: tuple[int, int], signals: dict[str, torch.Tensor]) -> None:
        self.chunks.append(Chunk(layer, span, signals))


@pytest.mark.parametrize("variant", WITH_MEMORY)
def test_a_recorder_sees_every_layer_and_token_once_in_order(variant, models, monkeypatch) -> None:
    monkeypatch.setattr(slabs, "SLAB", 16)
    spy = Spy()
    run = tracing.run(models[variant], TEXT, recorder=spy)
    total = run.trace.sizes["token"]
    assert total > 16
    wanted = [(layer, (a, min(a + 16, total))) for a in range(0, total, 16) for layer in (0, 1)]
    assert [(chunk.layer, chunk.span) for chunk in spy.chunks] == wanted
    for chunk in spy.chunks:
        assert all(v.shape == (2, chunk.span[1] - chunk.span[0]) for v in chunk.signals.values())
    heads = tracing.trace(models[variant], TEXT, heads=True)
    for name in spy.chunks[0].signals:
        seen = [torch.cat([c.signals[name] for c in spy.chunks if c.layer == layer], 1) for layer in (0, 1)]
        np.testing.assert_array_equal(torch.stack(seen).numpy(), heads[name].values, err_msg=name)
    assert set(spy.chunks[0].signals) == set(heads.data_vars) - {"nll", "entropy", "id", *BY_HEAD}


def test_a_recorder_changes_nothing(models) -> None:
    spied, plain = tracing.run(models["mag"], TEXT, recorder=Spy()), tracing.run(models["mag"], TEXT)
    assert torch.equal(spied.logits, plain.logits)
    assert_bitwise(spied.trace, plain.trace)


@pytest.mark.parametrize("variant", VARIANTS)
def test_run_gives_the_logits_of_every_token(variant, models) -> None:
    run = tracing.run(models[variant], TEXT)
    ids = ids_of(models[variant], TEXT)
    assert run.logits.shape == (len(ids), 4096)
    assert torch.equal(run.logits, models[variant](ids[None]).logits[0])
    assert torch.equal(run.state.logits[0], run.logits[-1])
    assert_bitwise(run.trace, tracing.trace(models[variant], TEXT))


@pytest.mark.parametrize("variant", WITH_MEMORY)
def test_zeroed_reads_change_the_predictions_of_models_with_memory(variant, models) -> None:
    live = tracing.run(models[variant], TEXT)
    zeroed = tracing.run(models[variant], TEXT, settings=Settings(zero_reads=True))
    assert list(zeroed.trace.variables) == list(live.trace.variables)
    assert json.loads(zeroed.trace.attrs["settings"]) == {"zero_reads": True, "freeze_writes": False}
    assert json.loads(live.trace.attrs["settings"]) == {"zero_reads": False, "freeze_writes": False}
    differs = (zeroed.logits - live.logits).abs().amax(-1)
    assert (differs[1:] > 1e-3).all()
    assert (zeroed.trace["memory"][:, 1:] > 0).all(), "the memory still writes"


def test_progress_counts_up_to_all_tokens(models, monkeypatch) -> None:
    monkeypatch.setattr(slabs, "SLAB", 16)
    calls = []
    dataset = tracing.trace(models["mac"], TEXT, progress=lambda *done: calls.append(done))
    total = dataset.sizes["token"]
    assert calls == [(min(done + 16, total), total) for done in range(0, total, 16)]


@pytest.mark.parametrize("variant", VARIANTS)
def test_two_runs_are_equal_to_the_bit(variant, models) -> None:
    one, two = tracing.run(models[variant], TEXT), tracing.run(models[variant], TEXT)
    assert torch.equal(one.logits, two.logits)
    assert_bitwise(one.trace, two.trace)


def test_the_attributes_tell_what_was_run(models) -> None:
    model = models["mag"]
    attrs = tracing.trace(model, TEXT).attrs
    assert attrs["text"] == TEXT
    assert attrs["text_sha256"] == hashlib.sha256(TEXT.encode()).hexdigest()
    assert attrs["checkpoint"] == "tiny-mag"
    assert attrs["variant"] == "mag"
    assert attrs["weights_sha256"] == "0" * 64
    assert attrs["parameters"] == sum(p.numel() for p in model.parameters())
    assert json.loads(attrs["config"]) == model.config.to_dict()
    assert set(json.loads(attrs["versions"])) == {"titanscope", "torch", "python"}
    assert attrs["chunk"] == 4
    assert attrs["device"] == "cpu"
    assert attrs["dtype"] == "float32"
    assert 0 <= attrs["seconds"] < 60
    assert attrs["created"].endswith("+00:00")


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_bad_text_raises_a_clear_error_and_the_next_good_run_is_the_same(variant, models) -> None:
    before = tracing.run(models[variant], TEXT)
    for text, message in BAD_TEXTS.items():
        with pytest.raises(TextError, match=message) as caught:
            tracing.trace(models[variant], text)
        str(caught.value).encode()
        with pytest.raises(TextError, match=message):
            tracing.run(models[variant], text)
    after = tracing.run(models[variant], TEXT)
    assert torch.equal(before.logits, after.logits)
    assert_bitwise(before.trace, after.trace)


def test_a_bad_text_leaves_no_store(models, tmp_path) -> None:
    for text in BAD_TEXTS:
        with pytest.raises(TextError):
            tracing.trace(models["mac"], text, store=tmp_path / "run.zarr")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", GOOD_TEXTS)
def test_a_strange_text_is_traced_exactly(name, models) -> None:
    text = GOOD_TEXTS[name]
    before = tracing.trace(models["mac"], TEXT)
    for variant in VARIANTS:
        check(models[variant], text)
    assert_bitwise(before, tracing.trace(models["mac"], TEXT))


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters() | st.sampled_from(" \n\0e\u0301🚀\ud800é"), max_size=60))
def test_any_text_is_traced_or_refused(models, text) -> None:
    try:
        text.encode()
        refused = not text or text.isspace()
    except UnicodeEncodeError:
        refused = True
    if refused:
        with pytest.raises(TitansError):
            tracing.trace(models["mac"], text)
    else:
        check(models["mac"], text)


def check(model, text: str) -> None:
    """The spans of a trace cover the text, the pieces fit the ids, and every number is finite."""
    dataset = tracing.trace(model, text)
    start, end = dataset["start"].values, dataset["end"].values
    assert dataset.attrs["text"] == text
    assert (start[0], end[-1]) == (0, len(text))
    assert (start < end).all()
    shared = start[1:] < end[:-1]  # tokens that hold bytes of the same character
    assert (start[1:][~shared] == end[:-1][~shared]).all()
    assert (start[1:][shared] == end[:-1][shared] - 1).all()
    assert model.tokenizer.decode(dataset["id"].values) == text
    assert list(dataset["piece"].values) == [model.tokenizer.pieces[i] for i in dataset["id"].values]
    for name, variable in dataset.data_vars.items():
        values = variable.values[..., 1:] if name in ("nll", "entropy", "alignment") else variable.values
        assert np.isfinite(values).all(), name


def test_spans_reproduce_an_ascii_text(models) -> None:
    dataset = tracing.trace(models["mac"], TEXT)
    spans = [TEXT[a:b] for a, b in zip(dataset["start"].values, dataset["end"].values, strict=True)]
    assert "".join(spans) == TEXT
    assert list(dataset["piece"].values[:4]) == spans[:4], "words are shown as they are"


def test_bits_not_nats(models) -> None:
    """A model that predicts nothing is log2(4096) bits surprised by everything."""
    model = models["lmm"]
    weight = model.embed.weight.clone()
    try:
        model.embed.weight.fill_(1.0)
        dataset = tracing.trace(model, TEXT)
    finally:
        model.embed.weight.copy_(weight)
    np.testing.assert_allclose(dataset["nll"][1:], math.log2(4096), rtol=1e-5)
    np.testing.assert_allclose(dataset["entropy"][1:], 12, rtol=1e-5)


def test_every_recorded_signal_has_labels(models) -> None:
    for variant in WITH_MEMORY:
        names = set(tracing.trace(models[variant], TEXT).data_vars) - {"nll", "entropy", "id"}
        assert names <= set(SIGNALS | BY_HEAD)


def test_a_token_that_is_not_written_has_no_push_and_no_alignment(tiny_model) -> None:
    model = tiny_model("lmm", writes_from=0.99, layers=1)
    ds = tracing.trace(model, TEXT)
    silent = ds["theta"].values == 0
    assert silent.any()
    assert (ds["momentary"].values[silent] == 0).all()
    assert np.isnan(ds["alignment"].values[silent]).all()
    assert (ds["surprise"].values > 0).all(), "what is not written can surprise all the same"
