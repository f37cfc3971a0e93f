"""What a run does when the physics of its memory are changed, against the run without and against the equations."""

import json
import re

import numpy as np
import pytest
import torch

import titans_core as tc
from titans_core import tracing
from titans_core.config import VARIANTS, ModelConfig
from titans_core.errors import ConfigError
from titans_core.interventions import intervene, written
from titans_core.layers.intervene import scan_wiped
from titans_core.layers.step import Step
from titans_core.lineage import fate, lineage
from titans_core.memory.equations import memory_steps
from titans_core.settings import Change, Settings

WITH_MEMORY = [variant for variant in VARIANTS if ModelConfig(variant=variant).has_memory]
TEXT = "The keeper walked along the shore, and it rained. The keeper found 37 stones; the piano stood there. " * 3
INSIDE = [0, 1, 13, 16, 40]  # tokens: the first, in a chunk, in a segment, at the start of a segment


@pytest.fixture(scope="module")
def models(tiny_model):
    made = {(v, chunk): tiny_model(v, chunk=chunk) for v in WITH_MEMORY for chunk in (1, 4)}
    return made | {("lmm", "deep"): tiny_model("lmm", memory_depth=2, memory_hidden=6)}


def equal(one, other, stop: int | None = None) -> None:
    """Two traces are the same, bit for bit, before token `stop`."""
    assert set(one.data_vars) == set(other.data_vars)
    for name in one.data_vars:
        a, b = (np.asarray(ds[name].values)[..., :stop] for ds in (one, other))
        np.testing.assert_array_equal(a, b, err_msg=str(name))


@pytest.mark.parametrize("texts", [("theta*=1",), ("theta>=0", "eta<=1", "alpha[0]*=1"), ("chunk=4",)])
@pytest.mark.parametrize("variant", WITH_MEMORY)
def test_an_identity_changes_nothing(models, variant: str, texts: tuple[str, ...]) -> None:
    model = models[variant, 4]
    plain, changed = tracing.run(model, TEXT), tracing.run(model, TEXT, settings=intervene(*texts))
    equal(plain.trace, changed.trace)
    assert torch.equal(plain.logits, changed.logits)


@pytest.mark.parametrize("token", INSIDE)
@pytest.mark.parametrize("what", ["freeze", "wipe"])
@pytest.mark.parametrize("chunk", [1, 4])
@pytest.mark.parametrize("variant", WITH_MEMORY)
def test_nothing_changes_before_the_token_and_something_does_from_it(models, variant, chunk, what, token) -> None:
    plain = tracing.run(models[variant, chunk], TEXT)
    changed = tracing.run(models[variant, chunk], TEXT, settings=intervene(f"{what}={token}"))
    equal(plain.trace.drop_vars(["nll", "entropy"]), changed.trace.drop_vars(["nll", "entropy"]), token)
    assert torch.equal(plain.logits[:token], changed.logits[:token])
    assert (what == "wipe" and token == 0) or not torch.allclose(plain.logits[token:], changed.logits[token:])


@pytest.mark.parametrize("chunk", [1, 4, "deep"])
def test_a_frozen_memory_stays_as_it_was(models, chunk) -> None:
    model = models["lmm", chunk]
    frozen = tracing.run(model, TEXT, settings=Settings(freeze_from=20))
    short = model(ids_of(model)[:, :20])
    for layer, before in zip(frozen.state.layers, short.state.layers, strict=True):
        for kept, was in zip(layer.weights, before.weights, strict=True):
            torch.testing.assert_close(kept, was, rtol=1e-5, atol=1e-7)
            assert was.any()
        assert not any(s.any() for s in layer.momentum)
    for name in ("theta", "eta", "alpha", "momentum", "update", "forgotten"):
        assert (frozen.trace[name].values[:, 20:] == 0).all(), name
    assert (frozen.trace["surprise"].values[:, 20:] > 0).all(), "it still says what it would have learned"


def ids_of(model) -> torch.Tensor:
    return torch.from_numpy(model.tokenizer.encode(TEXT).ids.astype(np.int64))[None]


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("chunk", [1, 4])
@pytest.mark.parametrize("at", [0, 1, 4, 7, 22])
def test_a_wiped_scan_is_that_of_the_equations(at: int, chunk: int, depth: int) -> None:
    """Two runs of the recurrence: up to the token, and from an empty memory; chunks stay where they are."""
    rng = torch.Generator().manual_seed(3)
    draw = lambda *shape: 0.5 * torch.randn(*shape, generator=rng, dtype=torch.float64)  # noqa: E731
    batch, heads, length, width = 2, 2, 23, 5
    q, k, v = draw(3, batch, heads, length, width)
    theta, eta, alpha = torch.rand(3, batch, heads, length, generator=rng, dtype=torch.float64) * 0.2
    inputs = q, k, v, theta, eta, alpha
    memory, empty = (tuple(draw(batch, heads, width, width) for _ in range(depth)) for _ in range(2))
    momentum = tuple(draw(batch, heads, width, width) for _ in range(depth))
    seen: list[int] = []
    how = {"chunk": chunk, "signals": True, "step_cap": None, "watch": lambda done, weights: seen.append(done)}
    found = scan_wiped(at, empty, inputs, (memory, momentum), **how)
    reads, named, state = [], [], (memory, momentum)
    edge = min(length, -(-at // chunk) * chunk)
    for start, stop in ((0, at), (at, edge), (edge, length)):
        state = (empty, tuple(torch.zeros_like(w) for w in empty)) if start == at else state
        if start < stop:
            part = memory_steps(*(x[:, :, start:stop] for x in inputs), *state, chunk=chunk, signals=True)
            reads, named, state = [*reads, part.reads], [*named, part.signals], (part.weights, part.momentum)
    torch.testing.assert_close(found.reads, torch.cat(reads, 2))
    before = memory if at == 0 else memory_steps(*(x[:, :, :at] for x in inputs), memory, momentum, chunk=chunk).weights
    for name in named[0]:
        expected = torch.cat([one[name] for one in named], 2)
        if name == "forgotten":
            expected[:, :, at] = torch.cat([w.flatten(2) for w in before], 2).norm(dim=2)
        torch.testing.assert_close(found.signals[name], expected, equal_nan=True, msg=name)
    torch.testing.assert_close((found.weights, found.momentum), state)
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (0, length)


@pytest.mark.parametrize("variant", WITH_MEMORY)
def test_lineage_and_fate_end_where_the_memory_is_emptied(models, variant: str) -> None:
    ds = tracing.trace(models[variant, 1], TEXT, settings=intervene("wipe=40", "eta>=0.9"))
    plain = tracing.trace(models[variant, 1], TEXT, settings=intervene("eta>=0.9"))
    assert min(push.token for push in lineage(ds, 42, 0, 8).pushes) == 40
    assert min(push.token for push in lineage(plain, 42, 0, 8).pushes) < 40
    for run, left in ((ds, False), (plain, True)):
        assert fate(run, 38, 0).left[2:].any() == left
    assert (ds["alpha"].values[:, 40] == 1).all()
    assert (ds["eta"].values[:, 40] == 0).all()


@pytest.mark.parametrize("texts", [("freeze=21",), ("wipe=21",), ("wipe=37", "freeze=50"), ("chunk=8",)])
@pytest.mark.parametrize("variant", WITH_MEMORY)
def test_a_changed_stream_may_be_split_anywhere(models, variant: str, texts: tuple[str, ...]) -> None:
    model, settings = models[variant, 4], intervene(*texts)
    ids = ids_of(model)
    whole = model(ids, settings=settings, signals=True)
    state, logits = None, []
    for part in ids.split([17, 5, 30, ids.shape[1] - 52], 1):
        out = model(part, state, settings=settings, signals=True)
        state, logits = out.state, [*logits, out.logits]
    torch.testing.assert_close(torch.cat(logits, 1), whole.logits, rtol=1e-4, atol=1e-4)


def test_without_writes_a_memory_only_decays(models) -> None:
    """theta = 0 and no momentum: M_t is M_0 times the product of 1 - alpha, head by head."""
    model = models["lmm", 1]
    state = model(ids_of(model)).state
    found = model(ids_of(model), state, settings=intervene("theta=0", "momentum=off"), signals=True)
    first = torch.stack([layer.weights[0][0].flatten(1).norm(dim=1) for layer in state.layers])
    kept = (1 - found.signals["alpha"][:, 0]).cumprod(-1)
    torch.testing.assert_close(found.signals["memory"][:, 0], first[..., None] * kept, rtol=1e-4, atol=1e-6)
    assert (kept[..., -1] < 0.9).any()


@pytest.mark.parametrize("variant", WITH_MEMORY)
def test_gates_are_applied_as_they_are_written(models, variant: str) -> None:
    """In the first layer, whose tokens are not changed by what the memory answers."""
    model = models[variant, 1]
    plain = tracing.trace(model, TEXT)
    for texts, name, expected in (
        (("theta*=0.25",), "theta", lambda x: 0.25 * x),
        (("eta<=0.1",), "eta", None),
        (("alpha*=1000",), "alpha", None),
        (("alpha=0.5",), "alpha", lambda x: 0 * x + 0.5),
        (("theta>=0.125",), "theta", None),
        (("forgetting=off",), "alpha", lambda x: 0 * x),
    ):
        found = tracing.trace(model, TEXT, settings=intervene(*texts))
        if expected is not None and variant != "mac":  # whose later segments are written from what was read
            np.testing.assert_allclose(found[name].values[0], expected(plain[name].values[0]), rtol=1e-6)
        values = found[name].values
        assert {"eta<=0.1": values.max() <= 0.1 + 1e-7, "alpha*=1000": values.max() <= 1}.get(texts[0], True)
        assert texts[0] != "theta>=0.125" or values.min() >= 0.125 - 1e-7
    one = tracing.trace(model, TEXT, settings=intervene("theta[1]=0"))
    assert (one["theta"].values[1] == 0).all()
    np.testing.assert_array_equal(one["theta"].values[0], plain["theta"].values[0])


@pytest.mark.parametrize("variant", ["mag", "mac", "lmm"])
def test_another_chunk_is_that_of_a_model_of_that_chunk(tiny_model, variant: str) -> None:
    """Such a model divides theta by its chunk; a power of two is put back exactly."""
    one = tracing.trace(tiny_model(variant, chunk=1), TEXT, settings=Settings(chunk=8))
    other = tracing.trace(tiny_model(variant, chunk=8), TEXT, settings=intervene("theta*=8"))
    for name in ("surprise", "memory", "nll"):
        np.testing.assert_allclose(one[name].values, other[name].values, rtol=2e-4, atol=1e-6, err_msg=name)
    assert not np.allclose(one["surprise"], tracing.trace(tiny_model(variant, chunk=1), TEXT)["surprise"])


@pytest.mark.parametrize("variant", WITH_MEMORY)
def test_a_run_that_diverges_ends_there_and_says_where(models, tmp_path, variant: str) -> None:
    model, settings = models[variant, 1], intervene("theta[1]=1000", "eta[1]=0.9", "alpha=0")
    text = TEXT * 8
    ds = tracing.trace(model, text, settings=settings, store=tmp_path / "run.zarr")
    lost = json.loads(ds.attrs["diverged"])
    assert lost["layer"] == 1
    assert 0 < lost["token"] < ds.sizes["token"]
    assert ds.attrs["text"] == text
    for name in ("memory", "surprise", "read"):
        values = ds[name].values
        assert np.isfinite(values[..., : lost["token"]]).all(), name
        assert np.isnan(values[..., lost["token"] :]).all(), name
    assert np.isfinite(ds["nll"].values[1 : lost["token"] + 1]).all(), "what the last finite token predicts is known"
    assert np.isnan(ds["nll"].values[lost["token"] + 1 :]).all()
    assert "diverged" not in tracing.trace(model, text).attrs


def test_the_api_and_what_is_stored(models) -> None:
    settings = tc.intervene("theta*=0.5", "wipe=9", "reads=off")
    ds = tracing.trace(models["mal", 1], TEXT, settings=settings)
    stored = json.loads(ds.attrs["settings"])
    assert Settings.from_dict(stored) == settings
    assert json.loads(tracing.trace(models["mal", 1], TEXT).attrs["settings"]) == Settings().to_dict()


@pytest.mark.parametrize(
    ("texts", "settings"),
    [
        ((), Settings()),
        (("theta*=0",), Settings(gates=(Change("theta", "*=", 0.0),))),
        ((" alpha[2] = 1e-3 ",), Settings(gates=(Change("alpha", "=", 0.001, 2),))),
        (("eta<=0.5", "eta>=.1"), Settings(gates=(Change("eta", "<=", 0.5), Change("eta", ">=", 0.1)))),
        (("momentum=off",), Settings(gates=(Change("eta", "=", 0.0),))),
        (("forgetting=off", "reads=off"), Settings(gates=(Change("alpha", "=", 0.0),), zero_reads=True)),
        (("writes=off",), Settings(freeze_writes=True)),
        (("freeze=500", "wipe=0", "chunk=16"), Settings(freeze_from=500, wipe_at=0, chunk=16)),
    ],
)
def test_interventions_as_text(texts: tuple[str, ...], settings: Settings) -> None:
    assert intervene(*texts) == settings
    assert intervene(*written(settings)) == settings
    assert Settings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("theta*=-1", "finite number of at least 0"),
        ("theta=nan", "finite number of at least 0"),
        ("theta=inf", "finite number of at least 0"),
        ("eta=1.5", "finite number from 0 to 1"),
        ("alpha>=2", "finite number from 0 to 1"),
        ("beta*=2", "no gate 'beta'"),
        ("theta", "is no intervention"),
        ("", "is no intervention"),
        ("theta*=two", "'two' is not a number"),
        ("theta[-1]*=2", "layer in brackets must be a whole number"),
        ("theta[]*=2", "layer in brackets must be a whole number"),
        ("chunk=0", "from 1 to 512"),
        ("chunk=1000", "from 1 to 512"),
        ("wipe=-3", "whole number of at least 0"),
        ("freeze*=3", "whole number of at least 0"),
        ("momentum=0.5", "can only be switched off: momentum=off"),
        ("reads=on", "can only be switched off: reads=off"),
    ],
)
def test_what_cannot_be_asked_for(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        intervene(text)


def test_what_does_not_fit_the_run_is_refused_before_it(models, tmp_path) -> None:
    model, total = models["mac", 4], ids_of(models["mac", 4]).shape[1]
    for text, message in (
        (f"wipe={total}", f"^wipe={total}: this text has tokens 0 to {total - 1}, counted from 0"),
        ("freeze=100000", f"freeze=100000: this text has tokens 0 to {total - 1}, counted from 0"),
        ("theta[2]*=0", "there is no layer 2; the layers are 0 to 1"),
        ("chunk=5", "chunk 5 must divide the segments of this mac, 16 tokens"),
    ):
        with pytest.raises(ConfigError, match=message):
            tracing.trace(model, TEXT, settings=intervene(text), store=tmp_path / "run.zarr")
    assert not list(tmp_path.iterdir())
    with pytest.raises(ConfigError, match="wipe is given twice"):
        intervene("wipe=1", "wipe=2")
    with pytest.raises(ConfigError, match="unknown settings: colour"):
        Settings.from_dict({"colour": 1})
    state = models["lmm", 1](ids_of(model)[:, :9]).state
    with pytest.raises(ConfigError, match="9 tokens, no multiple of chunk 8"):
        models["lmm", 1](ids_of(model), state, settings=Settings(chunk=8))


@pytest.mark.parametrize("variant", ["transformer", "lightning"])
@pytest.mark.parametrize("text", ["wipe=3", "freeze=3", "theta*=0.5", "reads=off", "writes=off", "chunk=8"])
def test_a_model_without_memory_has_nothing_to_change(tiny_model, tmp_path, variant: str, text: str) -> None:
    model, store = tiny_model(variant), tmp_path / "run.zarr"
    said = re.escape(
        f"tiny-{variant}, a {variant}, has no memory that {text} could change; mac, mag, mal and lmm have one"
    )
    with pytest.raises(ConfigError, match=said):
        tracing.trace(model, TEXT, settings=intervene(text), store=store)
    with pytest.raises(ConfigError, match=said):
        tracing.run(model, TEXT, settings=intervene(text))
    assert not list(tmp_path.iterdir())
    assert "nll" in tracing.trace(model, TEXT, settings=Settings())


@pytest.mark.parametrize("value", [None, 5, [], "", b"x"])
def test_settings_of_another_kind(value: object) -> None:
    for name in ("zero_reads", "freeze_writes", "gates"):
        with pytest.raises(ConfigError, match=f"{name} is {re.escape(repr(value))}; it must be"):
            Settings(**{name: value})
    with pytest.raises(ConfigError, match="is no intervention; give theta"):
        intervene(value)  # type: ignore[arg-type]


def test_a_token_is_counted_in_the_stream(models) -> None:
    """A run that goes on from a state counts on."""
    model = models["mal", 4]
    ids = ids_of(model)
    state = model(ids[:, :30]).state
    wiped = model(ids[:, 30:], state, settings=Settings(wipe_at=41))
    assert torch.equal(wiped.logits, model(ids[:, 30:], state, settings=Settings(wipe_at=41)).logits)
    whole = model(ids, settings=Settings(wipe_at=41)).logits[:, 30:]
    torch.testing.assert_close(wiped.logits, whole, rtol=1e-4, atol=1e-5)
    settings = Settings(wipe_at=3)
    settings.check(2, 0, 4)
    with pytest.raises(ConfigError, match="tokens 30 to 60"):
        settings.check(2, 30, 61)


def test_a_step_knows_where_it_is_wiped() -> None:
    settings = Settings(wipe_at=40)
    assert [Step(at, settings, False).wiped(16) for at in (16, 32, 40, 48)] == [None, 8, 0, None]
    assert Step(0, Settings(), False).wiped(16) is None
