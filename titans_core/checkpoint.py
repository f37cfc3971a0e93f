"""Checkpoints: a folder with weights.safetensors, config.json and card.md. Nothing in it can run code.

A model that was trained with another tokenizer than the packaged one has it beside them, as tokenizer.json.
config.json records the model's shape and the sha256 of the weights and of the tokenizer; a file that does not match is
never loaded.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from titans_core.assets import ROOT, checkpoint_names
from titans_core.config import ModelConfig
from titans_core.errors import CheckpointError, ConfigError, shown
from titans_core.model import Model
from titans_core.tokenizer import Tokenizer

FORMAT = 1
TOKENIZER = "tokenizer.json"


def load(name: str | Path, device: str = "auto") -> Model:
    """The model of a shipped checkpoint (by name) or of a folder, in float32, ready to run.

    device: "auto" (CUDA where present), "cpu" or "cuda". Raises CheckpointError for an unknown name or a damaged
    file and ConfigError for a device that is not there.
    """
    folder = _folder(name)
    target = pick_device(device)
    meta = _read_config(folder)
    try:
        config = ModelConfig.from_dict(meta["model"])
        expected_sha, tokenizer_sha = str(meta["weights_sha256"]), str(meta["tokenizer_sha256"])
        if config.digest != meta["model_sha256"]:
            raise ConfigError("the model's settings do not match their recorded sha256")
    except (KeyError, TypeError, ConfigError) as error:
        raise CheckpointError(f"config.json of checkpoint {folder.name!r} is not usable: {error}") from error
    tensors = _read_weights(folder, expected_sha)
    tokenizer = _tokenizer(folder, tokenizer_sha)
    model = _filled(config, tensors, folder.name)
    model.tokenizer, model.name, model.weights_sha256 = tokenizer, folder.name, expected_sha
    return model.to(target).eval().requires_grad_(False)


def save(model: Model, folder: Path, record: dict[str, Any], weights: dict[str, torch.Tensor] | None = None) -> None:
    """Write weights (bfloat16) and config.json, each complete or absent. record: how the model was trained.

    weights: by name, where the model's own are spread over processes."""
    folder.mkdir(parents=True, exist_ok=True)
    found = model.state_dict() if weights is None else weights
    tensors = {name: p.detach().to("cpu", torch.bfloat16).contiguous() for name, p in found.items()}
    data = save_tensors(tensors)
    meta = {
        "format": FORMAT,
        "model": model.config.to_dict(),
        "model_sha256": model.config.digest,
        "parameters": model.parameter_count,
        "weights_sha256": hashlib.sha256(data).hexdigest(),
        "tokenizer_sha256": model.tokenizer.digest,
        "training": record,
    }
    config = (json.dumps(meta, indent=2, allow_nan=False) + "\n").encode()
    written = [_write(folder / "weights.safetensors", data), _write(folder / "config.json", config)]
    if model.tokenizer.digest != Tokenizer.load().digest:
        written.append(_write(folder / TOKENIZER, model.tokenizer.data))
    for partial, path in written:  # only when all are safely on disk
        os.replace(partial, path)


def pick_device(device: str) -> torch.device:
    """Turn "auto", "cpu" or "cuda" into a device. Raises ConfigError if it is not there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device not in ("cpu", "cuda"):
        raise ConfigError(f"unknown device {device!r}; choose auto, cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device cuda was asked for, but torch finds no CUDA device here; choose cpu")
    return torch.device(device)


def _folder(name: str | Path) -> Path:
    if isinstance(name, str) and name in checkpoint_names():
        return ROOT / "checkpoints" / name
    known = ", ".join(checkpoint_names()) or "none"
    works = f"shipped are: {known}; a folder with config.json works too"
    if not isinstance(name, str | Path) or not str(name):
        raise CheckpointError(f"{shown(name)} names no checkpoint; {works}")
    folder = Path(name)
    try:
        if folder.is_dir():
            return folder
    except (OSError, ValueError):  # a name that no file can have
        pass
    raise CheckpointError(f"unknown checkpoint {str(name)[:80]!r}; {works}")


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        meta = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"config.json of checkpoint {folder.name!r} cannot be read: {error}") from error
    found = meta.get("format") if isinstance(meta, dict) else None
    if found is None:
        raise CheckpointError(
            f"config.json in {folder.name!r} names no format, so it is not a checkpoint's; `titans train` writes one"
        )
    if found != FORMAT:
        raise CheckpointError(f"checkpoint {folder.name!r} has format {found!r}; this version reads format {FORMAT}")
    return meta


def _read_weights(folder: Path, expected: str) -> dict[str, torch.Tensor]:
    try:
        data = (folder / "weights.safetensors").read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"weights.safetensors of checkpoint {folder.name!r} cannot be read: {error.strerror}"
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise CheckpointError(
            f"weights.safetensors of checkpoint {folder.name!r} is damaged: its sha256 is {found[:12]}..., "
            f"recorded is {expected[:12]}... ({len(data):,} bytes); fetch the file again"
        )
    try:
        return load_tensors(data)
    except (SafetensorError, KeyError) as error:
        raise CheckpointError(
            f"weights.safetensors of checkpoint {folder.name!r} is not a safetensors file: {error}"
        ) from error


def _tokenizer(folder: Path, expected: str) -> Tokenizer:
    """The folder's own tokenizer, else the packaged one."""
    own = folder / TOKENIZER
    tokenizer = Tokenizer.load(own if own.is_file() else None)
    if tokenizer.digest != expected:
        where = f"its {TOKENIZER} is another" if own.is_file() else f"the packaged one is {tokenizer.digest[:12]}"
        raise CheckpointError(
            f"checkpoint {folder.name!r} was trained with the tokenizer of sha256 {expected[:12]}, and {where}; "
            f"put the file of that tokenizer into the folder as {TOKENIZER}"
        )
    return tokenizer


def _filled(config: ModelConfig, tensors: dict[str, torch.Tensor], name: str) -> Model:
    with torch.device("meta"):  # shapes only: they are compared before any memory is taken
        model = Model(config)
    wanted = {key: tuple(p.shape) for key, p in model.state_dict().items()}
    found = {key: tuple(t.shape) for key, t in tensors.items()}
    if wanted != found:
        differ = sorted(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key))
        first = differ[0]
        raise CheckpointError(
            f"checkpoint {name!r} does not fit its config in {len(differ)} tensors; "
            f"{first} is {found.get(first)}, expected {wanted.get(first)}"
        )
    model.load_state_dict({key: t.float() for key, t in tensors.items()}, assign=True)
    return model


def replace_file(path: Path, data: bytes) -> None:
    """Write `path` so that it is always whole: the old content until the new one is safely on disk."""
    partial, path = _write(path, data)
    os.replace(partial, path)


def _write(path: Path, data: bytes) -> tuple[Path, Path]:
    """Write beside `path`; returns the file written and the name it is to take."""
    partial = path.with_suffix(".partial")
    try:
        with open(partial, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    return partial, path
