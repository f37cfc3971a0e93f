import dataclasses
import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save as save_tensors

from titans_core import checkpoint
from titans_core.assets import checkpoint_names
from titans_core.config import VARIANTS, ModelConfig
from titans_core.errors import CheckpointError, ConfigError
from titans_core.model import Model

MASTER = "master"


@pytest.fixture(scope="module")
def original(tmp_path_factory, tiny_model) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints") / MASTER
    checkpoint.save(tiny_model("mag"), folder, {"step": 12})
    return folder


@pytest.fixture
def folder(original, tmp_path) -> Path:
    """A copy of a good checkpoint, to be damaged."""
    return Path(shutil.copytree(original, tmp_path / "mine"))


def load(folder: Path | str) -> Model:
    return checkpoint.load(folder, "cpu")


def change_config(folder: Path, change) -> None:
    meta = json.loads((folder / "config.json").read_text())
    meta = change(meta) or meta
    (folder / "config.json").write_text(json.dumps(meta))


def change_model(folder: Path, **change: object) -> None:
    """Other model settings, with a sha256 that fits."""

    def apply(meta: dict) -> None:
        meta["model"].update(change)
        meta["model_sha256"] = ModelConfig.from_dict(meta["model"]).digest

    change_config(folder, apply)


def rewrite_weights(folder: Path, data: bytes) -> None:
    """Other weights with a sha256 that fits: damage that the digest does not show."""
    (folder / "weights.safetensors").write_bytes(data)
    change_config(folder, lambda meta: meta.update(weights_sha256=hashlib.sha256(data).hexdigest()))


@pytest.mark.parametrize("variant", VARIANTS)
def test_save_and_load_give_the_rounded_model(variant, tiny_model, tmp_path) -> None:
    model = tiny_model(variant, memory_depth=2 if variant == "lmm" else 1)
    checkpoint.save(model, tmp_path / "a" / "b", {})
    loaded = load(tmp_path / "a" / "b")
    assert loaded.config == model.config
    rounded = {name: p.bfloat16().float() for name, p in model.state_dict().items()}
    assert any((rounded[name] != p).any() for name, p in model.state_dict().items())
    assert loaded.state_dict().keys() == rounded.keys()
    for name, p in loaded.state_dict().items():
        assert p.dtype == torch.float32
        assert torch.equal(p, rounded[name]), name
    model.load_state_dict(rounded)
    ids = torch.arange(40)[None] * 7
    assert torch.equal(loaded(ids).logits, model(ids).logits)


def test_a_loaded_model_is_ready_to_run(folder, tokenizer) -> None:
    model = load(str(folder))
    assert model.name == "mine"
    assert model.weights_sha256 == hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
    assert model.tokenizer.digest == tokenizer.digest
    assert not model.training
    assert not any(p.requires_grad for p in model.parameters())
    assert model.device == torch.device("cpu")


def test_loading_does_not_load_the_compiler(folder) -> None:
    code = f"import sys, titans_core; titans_core.load({str(folder)!r}, 'cpu'); print('torch._dynamo' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False", "it takes more than a second"


def test_config_tells_how_the_model_was_made(folder) -> None:
    meta = json.loads((folder / "config.json").read_text())
    assert meta["training"] == {"step": 12}
    assert meta["parameters"] == load(folder).parameter_count
    assert sorted(os.listdir(folder)) == ["config.json", "weights.safetensors"]


def test_saving_what_was_loaded_gives_the_same_bytes(folder, tmp_path) -> None:
    checkpoint.save(load(folder), tmp_path / "again", {"step": 12})
    for name in ("config.json", "weights.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_every_flipped_bit_is_caught(folder) -> None:
    path = folder / "weights.safetensors"
    data = path.read_bytes()
    header = struct.unpack("<Q", data[:8])[0]
    places = [*range(9), 7 + header, 8 + header, len(data) - 1, *range(1000, len(data), 2503)]
    for place in places:
        for bit in range(8):
            damaged = bytearray(data)
            damaged[place] ^= 1 << bit
            path.write_bytes(damaged)
            with pytest.raises(CheckpointError, match=r"weights\.safetensors of checkpoint 'mine' is damaged"):
                load(folder)
    path.write_bytes(data)
    load(folder)


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 9, 0.5, -1])
def test_a_truncated_file_is_caught(folder, kept) -> None:
    path = folder / "weights.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept) if isinstance(kept, float) else kept])
    with pytest.raises(CheckpointError, match=r"is damaged.*fetch the file again"):
        load(folder)


@pytest.mark.parametrize("more", [b"\0", b"x" * 4096])
def test_trailing_bytes_are_caught(folder, more) -> None:
    with open(folder / "weights.safetensors", "ab") as file:
        file.write(more)
    with pytest.raises(CheckpointError, match="is damaged"):
        load(folder)


def test_missing_weights_or_a_folder_in_their_place_are_named(folder) -> None:
    (folder / "weights.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"weights\.safetensors of checkpoint 'mine' cannot be read"):
        load(folder)
    (folder / "weights.safetensors").mkdir()
    with pytest.raises(CheckpointError, match=r"weights\.safetensors of checkpoint 'mine' cannot be read"):
        load(folder)


def test_a_folder_without_config_is_no_checkpoint(folder) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"config\.json of checkpoint 'mine' cannot be read"):
        load(folder)
    (folder / "config.json").mkdir()
    with pytest.raises(CheckpointError, match=r"config\.json of checkpoint 'mine' cannot be read"):
        load(folder)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff\xfe", b"weights", b'{"format": 1', b"\0" * 100, b"1" * 5000, b"\x80\x04K\x01."]
)
def test_a_config_that_is_not_json_is_caught(folder, data) -> None:
    (folder / "config.json").write_bytes(data)
    with pytest.raises(CheckpointError, match=r"config\.json of checkpoint 'mine' cannot be read"):
        load(folder)


def test_a_config_of_endless_brackets_is_caught(folder) -> None:
    (folder / "config.json").write_bytes(b"[" * 100_000)
    with pytest.raises(CheckpointError, match=r"config\.json of checkpoint 'mine'"):
        load(folder)


@pytest.mark.parametrize("meta", [{}, [], None, 3, "x", {"format": None}])
def test_a_config_of_something_else_is_refused(folder, meta) -> None:
    (folder / "config.json").write_text(json.dumps(meta))
    with pytest.raises(CheckpointError, match=r"config.json in 'mine' names no format, so it is not a checkpoint's"):
        load(folder)


@pytest.mark.parametrize("meta", [{"format": 2}, {"format": "1"}])
def test_another_format_is_refused(folder, meta) -> None:
    (folder / "config.json").write_text(json.dumps(meta))
    with pytest.raises(CheckpointError, match=r"'mine' has format .*; this version reads format 1"):
        load(folder)


@pytest.mark.parametrize("key", ["model", "model_sha256", "weights_sha256", "tokenizer_sha256"])
def test_a_config_without_a_needed_entry_is_refused(folder, key) -> None:
    change_config(folder, lambda meta: meta.pop(key) and None)
    with pytest.raises(CheckpointError, match=f"'mine' is not usable: '{key}'"):
        load(folder)


@pytest.mark.parametrize("model", [None, 1, "mag", [], ["variant"], {}, [["variant", "mag"]]])
def test_a_model_entry_of_another_kind_is_refused(folder, model) -> None:
    change_config(folder, lambda meta: meta.update(model=model))
    with pytest.raises(CheckpointError, match=r"config\.json of checkpoint 'mine' is not usable"):
        load(folder)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"depth": 3}, "unknown model settings: depth"),
        ({"variant": "lightening"}, "unknown variant 'lightening'"),
        ({"dim": 16.0}, "dim is 16.0"),
        ({"dim": "16"}, "dim is '16'"),
        ({"heads": 0}, "heads is 0"),
        ({"heads": 3}, "must split into 3 heads"),
        ({"window": 18}, "must be a multiple"),
        ({"layers": None}, "layers is None"),
        ({"vocab": 10**13}, "vocab is 10000000000000; it must be .* at most"),
    ],
)
def test_model_settings_out_of_range_are_refused(folder, change, named) -> None:
    change_config(folder, lambda meta: meta["model"].update(change))
    with pytest.raises(CheckpointError, match=f"'mine' is not usable: .*{named}"):
        load(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"variant": "mac"},
        {"variant": "transformer"},
        {"layers": 1},
        {"layers": 3},
        {"dim": 32},
        {"heads": 4},
        {"ffn": 25},
        {"vocab": 4095},
        {"persistent": 3},
        {"persistent": 0},
        {"conv": 3},
        {"memory_depth": 2},
    ],
)
def test_a_config_of_another_shape_is_refused(folder, change) -> None:
    change_model(folder, **change)
    with pytest.raises(CheckpointError, match=r"'mine' does not fit its config in \d+ tensors; \S+ is .*, expected "):
        load(folder)


def test_shapes_are_compared_before_memory_is_taken(folder) -> None:
    change_model(folder, dim=1 << 20, ffn=1 << 20, heads=1 << 10)  # 25 TB of weights
    with pytest.raises(CheckpointError, match="'mine' does not fit its config"):
        load(folder)


@pytest.mark.parametrize("change", [{"window": 48}, {"chunk": 8}, {"memory_hidden": 65}, {"layers": 3}])
def test_settings_that_are_not_the_recorded_ones_are_refused(folder, change) -> None:
    change_config(folder, lambda meta: meta["model"].update(change))
    with pytest.raises(CheckpointError, match=r"config\.json of checkpoint 'mine' is not usable: .* recorded sha256"):
        load(folder)


def test_another_tokenizer_is_refused(folder) -> None:
    change_config(folder, lambda meta: meta.update(tokenizer_sha256="ab" * 32))
    with pytest.raises(
        CheckpointError, match="'mine' was trained with the tokenizer of sha256 abababababab, and the pa"
    ):
        load(folder)


@pytest.mark.parametrize("digest", ["", None, 0, "0" * 64, ["x"]])
def test_another_weights_digest_is_refused(folder, digest) -> None:
    change_config(folder, lambda meta: meta.update(weights_sha256=digest))
    with pytest.raises(CheckpointError, match="is damaged"):
        load(folder)


@pytest.mark.parametrize(
    "data", [b"", b"PK\x03\x04", b"\x80\x02}q\0.", struct.pack("<Q", 2**63), struct.pack("<Q", 2) + b"[]"]
)
def test_a_file_that_is_no_safetensors_is_refused_even_if_its_digest_fits(folder, data) -> None:
    rewrite_weights(folder, data)
    with pytest.raises(CheckpointError, match="'mine' is not a safetensors file"):
        load(folder)


def test_a_type_that_torch_cannot_hold_is_refused(folder) -> None:
    header = json.dumps({"a": {"dtype": "F4", "shape": [8], "data_offsets": [0, 4]}}).encode()
    rewrite_weights(folder, struct.pack("<Q", len(header)) + header + bytes(4))
    with pytest.raises(CheckpointError, match="'mine'"):
        load(folder)


def test_missing_additional_and_transposed_tensors_are_named(folder, tiny_model) -> None:
    tensors = {name: p.clone() for name, p in tiny_model("mag").state_dict().items()}
    first = "blocks.0.memory.qkv.weight"
    cases = {
        first: {name: p for name, p in tensors.items() if name != first},
        "surplus": {**tensors, "surplus": torch.zeros(1)},
        "embed.weight": {**tensors, "embed.weight": tensors["embed.weight"].T.contiguous()},
    }
    for named, content in cases.items():
        rewrite_weights(folder, save_tensors(content))
        with pytest.raises(CheckpointError, match=f"does not fit its config in 1 tensors; {named} is "):
            load(folder)
    rewrite_weights(folder, save_tensors(tensors))
    load(folder)


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/etc/passwd", "a\0b", "x" * 10_000, "MAC", "mac/x", "\ud800", "mac\n", "../tiny", "mac "],
)
def test_an_unknown_name_is_refused_and_the_shipped_ones_are_named(name) -> None:
    with pytest.raises(CheckpointError, match="unknown checkpoint") as caught:
        load(name)
    assert all(shipped in str(caught.value) for shipped in checkpoint_names())
    assert len(str(caught.value)) < 500
    str(caught.value).encode()


@pytest.mark.parametrize("name", ["x" * 256, "x" * 999])
def test_a_name_too_long_for_the_file_system_is_refused(name) -> None:
    with pytest.raises(CheckpointError, match="unknown checkpoint"):
        load(name)


@pytest.mark.parametrize("name", ["", ".", "/"])
def test_a_folder_that_is_no_checkpoint_is_refused(name, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        load(name)


@pytest.mark.parametrize("device", ["tpu", "", "cuda:0", "CPU", "cpu\0"])
def test_an_unknown_device_is_refused(folder, device) -> None:
    with pytest.raises(ConfigError, match=r"unknown device .*; choose auto, cpu or cuda"):
        checkpoint.load(folder, device)


def test_cuda_is_taken_where_it_is_and_refused_where_it_is_not(folder, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert checkpoint.pick_device("auto") == checkpoint.pick_device("cuda") == torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert checkpoint.pick_device("auto") == checkpoint.pick_device("cpu") == torch.device("cpu")
    with pytest.raises(ConfigError, match="finds no CUDA device here; choose cpu"):
        checkpoint.load(folder, "cuda")


def other_weights(folder: Path) -> Model:
    model = load(folder)
    model.embed.weight.mul_(2)
    return model


@pytest.mark.parametrize("call", [1, 2])
def test_a_save_that_fails_while_writing_leaves_the_old_checkpoint(folder, monkeypatch, call) -> None:
    before = {name: p.clone() for name, p in load(folder).state_dict().items()}
    calls = iter(range(1, 9))

    def full(_) -> None:
        if next(calls) == call:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(other_weights(folder), folder, {})
    assert all(torch.equal(p, before[name]) for name, p in load(folder).state_dict().items())
    assert "weights.safetensors" in os.listdir(folder)


def test_a_save_replaces_the_old_checkpoint(folder) -> None:
    model = other_weights(folder)
    checkpoint.save(model, folder, {"step": 99})
    assert torch.equal(load(folder).embed.weight, model.embed.weight)
    assert json.loads((folder / "config.json").read_text())["training"] == {"step": 99}
    assert sorted(os.listdir(folder)) == ["config.json", "weights.safetensors"]


def test_a_config_survives_the_checkpoint(tiny_model, tmp_path) -> None:
    model = tiny_model("mal", memory_depth=2, memory_hidden=6, conv=2, persistent=0)
    checkpoint.save(model, tmp_path, {})
    assert dataclasses.asdict(load(tmp_path).config) == dataclasses.asdict(model.config)
