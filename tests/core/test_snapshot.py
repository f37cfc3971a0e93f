"""The memory by itself: taken, kept, gone on from, compared."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from titans_core import snapshot, tracing
from titans_core.cli import main
from titans_core.config import VARIANTS, ModelConfig
from titans_core.errors import ConfigError, StoreError
from titans_core.interventions import intervene
from titans_core.layers.memory import MemoryState

WITH_MEMORY = [variant for variant in VARIANTS if ModelConfig(variant=variant).has_memory]
TEXT = "The keeper walked along the shore, and it rained. The keeper found 37 stones. "
NEXT = "Then the piano stood there."


def memories(state) -> list[MemoryState]:
    parts = [layer if type(layer) is tuple else (layer,) for layer in state.layers]
    return [next(p for p in part if isinstance(p, MemoryState)) for part in parts]


def ids_of(model, text: str) -> torch.Tensor:
    return torch.from_numpy(model.tokenizer.encode(text).ids.astype(np.int64))[None]


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("variant", WITH_MEMORY)
def test_a_kept_memory_is_that_after_the_last_token(tiny_model, tmp_path, variant: str, depth: int) -> None:
    """The tokens of a unit that is not whole too: its norm is the last of the trace."""
    model = tiny_model(variant, memory_depth=depth, memory_hidden=6)
    ds, state = tracing.trace_on(model, TEXT)
    snapshot.save(snapshot.take(model, state, text_sha256=ds.attrs["text_sha256"]), tmp_path / "m.safetensors")
    kept = snapshot.load(tmp_path / "m.safetensors")
    assert ds.sizes["token"] % model.config.unit, "the last unit is not whole"
    found = snapshot.measures(kept)
    np.testing.assert_allclose(np.sqrt((found.size**2).sum(1)), ds["memory"].values[:, -1], rtol=1e-4)
    np.testing.assert_allclose(np.sqrt((found.momentum**2).sum(1)), ds["momentum"].values[:, -1], rtol=1e-4)
    assert kept.facts["tokens"] == ds.sizes["token"]
    assert kept.facts["text_sha256"] == ds.attrs["text_sha256"]
    assert ((found.rank >= 1) & (found.rank <= 8)).all()


@pytest.mark.parametrize("variant", WITH_MEMORY)
def test_another_text_goes_on_from_it(tiny_model, tmp_path, variant: str) -> None:
    model = tiny_model(variant)
    state = tracing.run(model, TEXT).state
    snapshot.save(snapshot.take(model, state), tmp_path / "m.safetensors")
    began = snapshot.begin(model, snapshot.load(tmp_path / "m.safetensors"))
    for memory, now in zip(
        memories(began), [memories(type(state)(**{**vars(state), "layers": state.now}))][0], strict=True
    ):
        for kept, was in zip((*memory.weights, *memory.momentum), (*now.weights, *now.momentum), strict=True):
            assert torch.equal(kept, was)
        assert not memory.tail.any(), "all but the memory begins anew"
    ds = tracing.trace(model, NEXT, state=began)
    fresh = tracing.trace(model, NEXT)
    assert json.loads(ds.attrs["memory_from"])["tokens"] == len(model.tokenizer.encode(TEXT).ids)
    assert "memory_from" not in fresh.attrs
    assert np.isnan(ds["nll"].values[0]), "nothing predicts the first token"
    assert not np.allclose(ds["memory"].values[:, 0], fresh["memory"].values[:, 0])


def test_an_empty_memory_changes_nothing(tiny_model) -> None:
    model = tiny_model("mag")
    began = snapshot.begin(model, snapshot.take(model, model.start()))
    a, b = tracing.trace(model, TEXT, state=began), tracing.trace(model, TEXT)
    for name in b.data_vars:
        np.testing.assert_array_equal(a[name].values, b[name].values, err_msg=str(name))


def test_a_wipe_empties_a_memory_that_was_given(tiny_model) -> None:
    model = tiny_model("lmm", layers=1)
    began = snapshot.begin(model, snapshot.take(model, tracing.run(model, TEXT).state))
    wiped = tracing.trace(model, NEXT, state=began, settings=intervene("wipe=0"))
    np.testing.assert_allclose(wiped["memory"], tracing.trace(model, NEXT)["memory"], rtol=1e-6)


def test_distance_and_cosine(tiny_model) -> None:
    model = tiny_model("mal")
    one = snapshot.take(model, tracing.run(model, TEXT).state)
    other = snapshot.take(model, tracing.run(model, NEXT).state)
    found = snapshot.distance(one, other)
    a, b = one.weights[1][0][0].double(), other.weights[1][0][0].double()
    assert found.distance[1, 0] == pytest.approx((a - b).norm().item())
    assert found.cosine[1, 0] == pytest.approx(((a * b).sum() / a.norm() / b.norm()).item())
    same = snapshot.distance(one, one)
    assert (same.distance == 0).all()
    np.testing.assert_allclose(same.cosine, 1)
    assert np.isnan(snapshot.distance(one, snapshot.take(model, model.start())).cosine).all()


def test_what_is_refused(tiny_model, tmp_path) -> None:
    mag, yardstick = tiny_model("mag"), tiny_model("transformer")
    kept = snapshot.take(mag, tracing.run(mag, TEXT).state)
    with pytest.raises(ConfigError, match="is a transformer, which has no memory to keep"):
        snapshot.check_free(yardstick, tmp_path / "m")
    with pytest.raises(ConfigError, match="of tiny-mag, with other weights than tiny-mal has here"):
        snapshot.begin(tiny_model("mal"), kept)
    with pytest.raises(ConfigError, match=r"different models \(tiny-mag and tiny-mac\)"):
        snapshot.distance(kept, snapshot.take(tiny_model("mac"), tiny_model("mac").start()))
    file = tmp_path / "m"
    snapshot.save(kept, file)
    with pytest.raises(StoreError, match="exists already"):
        snapshot.check_free(mag, file)
    data = file.read_bytes()
    for damaged in (data[:100], b"", b"\x80\x04pickle", data.replace(b"weights.0.0", b"weights.x.0")):
        file.write_bytes(damaged)
        with pytest.raises(StoreError, match=r"cannot be read|no memory of Titanscope"):
            snapshot.load(file)
    with pytest.raises(StoreError, match="cannot be written"):
        snapshot.save(kept, tmp_path / "missing" / "m")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m"]


def test_the_commands(tmp_path) -> None:
    def run(*arguments: object):
        return CliRunner().invoke(main, [str(a) for a in arguments])

    story, other = tmp_path / "a.txt", tmp_path / "b.txt"
    story.write_text(TEXT)
    other.write_text(NEXT)
    a, b = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    made = run("trace", story, "--checkpoint", "mal", "--out", tmp_path / "a.zarr", "--save-memory", a)
    assert made.exit_code == 0, made.output
    made = run(
        *("trace", other, "--checkpoint", "mal", "--out", tmp_path / "b.zarr", "--from-memory", a, "--save-memory", b)
    )
    assert made.exit_code == 0, made.output
    shown = run("memory", a)
    assert shown.exit_code == 0
    assert "effective rank" in shown.output
    assert [line.split()[:2] for line in shown.output.splitlines()[2:]] == [[l, h] for l in "123" for h in "123456"]
    apart = run("memory", a, b)
    assert apart.exit_code == 0
    assert "cosine" in apart.output
    wrong = run("trace", other, "--checkpoint", "mag", "--out", tmp_path / "c.zarr", "--from-memory", a)
    assert (wrong.exit_code, "with other weights than mag" in wrong.output) == (2, True)
    both = run("trace", other, "--out", tmp_path / "c", "--save-memory", tmp_path / "c.safetensors")
    assert (both.exit_code, "of one checkpoint" in both.output) == (2, True)
    assert run("memory", story).exit_code == 2
    lost = run(
        *("trace", story, "--checkpoint", "mal", "--set", "theta=1000", "--out", tmp_path / "d.zarr"),
        *("--save-memory", tmp_path / "d.safetensors"),
    )
    assert (lost.exit_code, "the memory diverged, so it was not kept" in lost.output) == (0, True)
    assert not (tmp_path / "d.safetensors").exists()
