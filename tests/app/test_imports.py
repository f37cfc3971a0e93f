"""Runs from elsewhere come in whole or not at all."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from click.testing import CliRunner

import titans_core as tc
from app import runs
from app.exports import archive
from app.figures import aggregate
from app.jobs import imports, store
from app.runs import texts
from app.samples import samples
from titans_core.cli import main as titans
from titans_core.errors import StoreError
from titans_core.record import save_trace

ROOT = Path(__file__).parents[2]
TEXT = "The lamp was lit at six. The boats went out, and a grand piano came home.\n" * 8


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `titans trace` writes: story/mac.zarr, story/mag.zarr."""
    return _trace(tmp_path_factory.mktemp("traced"), "--checkpoint", "mac", "--checkpoint", "mag")


def _trace(folder: Path, *options: str) -> Path:
    (folder / "story.txt").write_text(TEXT, encoding="utf-8")
    result = CliRunner().invoke(titans, ["trace", str(folder / "story.txt"), "--out", str(folder / "story"), *options])
    assert result.exit_code == 0, result.output
    return folder / "story"


def opened(run: str) -> runs.Run:
    found = runs.opened(run)
    assert found is not None
    return found


def test_a_run_of_the_command_line_opens_in_the_app(traced: Path) -> None:
    found = imports.stores(traced)
    assert [path.name for path in found] == ["mac.zarr", "mag.zarr"]
    for path in found:
        run = opened(imports.add(path))
        xr.testing.assert_identical(run.ds.load(), tc.open_trace(path).load())
        assert run.title == "story"
        at = runs.progress(run.id)
        assert at is not None
        assert (at.state, at.checkpoint, at.total) == ("done", path.stem, run.ds.sizes["token"])
        assert imports.add(path) == run.id, "the same store is the same run"
    assert not list(store.root().glob("tmp-*"))


def test_a_sample_keeps_its_title(tmp_path: Path) -> None:
    sample = samples()[-1]
    file = tmp_path / "x.txt"
    file.write_bytes(sample.text.encode())
    out = tmp_path / "other name.zarr"
    assert CliRunner().invoke(titans, ["trace", str(file), "--checkpoint", "mal", "--out", str(out)]).exit_code == 0
    assert opened(imports.add(out)).title == sample.title


def test_an_export_comes_back_with_its_title(tmp_path: Path, finished: dict[str, str]) -> None:
    run = opened(finished["mal"])
    folder = runs.engine().result(run.id)
    assert folder is not None
    zipped = tmp_path / "some.zip"
    zipped.write_bytes(b"".join(archive.archive(run, folder)))
    back = opened(imports.add(zipped))
    assert back.title == run.title
    xr.testing.assert_identical(back.ds.load(), run.ds.load())
    with zipfile.ZipFile(zipped) as file:
        file.extractall(tmp_path / "out")
    (unzipped,) = (tmp_path / "out").glob("*.zarr")
    assert imports.add(unzipped) == back.id


def test_heads_are_put_together_as_the_app_records_them(tmp_path: Path, traced: Path) -> None:
    heads = _trace(tmp_path, "--checkpoint", "mag", "--heads") / "mag.zarr"
    run = opened(imports.add(heads))
    apart, together = tc.open_trace(heads), tc.open_trace(traced / "mag.zarr")
    assert "head" in apart["surprise"].dims
    for name in together.data_vars:
        assert run.ds[name].dims == together[name].dims
        np.testing.assert_array_equal(run.ds[name].values, together[name].values)
    assert aggregate.column(run.ds, "surprise").shape == (run.ds.sizes["token"],)


def damage_text(path: Path) -> None:
    zarr.open_group(path, mode="r+")["text_utf8"][:3] = np.frombuffer(b"XYZ", np.uint8)


def damage_format(path: Path) -> None:
    zarr.open_group(path, mode="r+").attrs["trace_format"] = 2


def damage_chunk(path: Path) -> None:
    (chunk,) = (file for file in (path / "surprise" / "c").rglob("*") if file.is_file())
    chunk.write_bytes(chunk.read_bytes()[:40])


def lose_chunk(path: Path) -> None:
    shutil.rmtree(path / "momentum" / "c")


def lose_variable(path: Path) -> None:
    shutil.rmtree(path / "nll")


def lose_attribute(path: Path) -> None:
    facts = json.loads((path / "zarr.json").read_text())
    del facts["attributes"]["variant"]
    (path / "zarr.json").write_text(json.dumps(facts))


def wrong_places(path: Path) -> None:
    zarr.open_group(path, mode="r+").attrs["places"] = '{"version":1,"kind":"pdf","pages":[9999999]}'


def wrong_config(path: Path) -> None:
    zarr.open_group(path, mode="r+").attrs["config"] = "[1]"


def wrong_hash(path: Path) -> None:
    zarr.open_group(path, mode="r+").attrs["text_sha256"] = "0" * 64


def hide_name(path: Path) -> None:
    zarr.open_group(path, mode="r+").attrs["checkpoint"] = "a\u202eb"


def link_out(path: Path) -> None:
    (path / "secret").symlink_to("/etc/passwd")


def short_variable(path: Path) -> None:
    group = zarr.open_group(path, mode="r+")
    shutil.rmtree(path / "loss")
    group.create_array("loss", shape=(3, 5), dtype="f4", dimension_names=("layer", "token"))[:] = 1


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (damage_text, "its text or tokens have changed"),
        (damage_format, "has format 2; this version reads format 1"),
        (damage_chunk, "damaged"),
        (lose_chunk, "momentum has no value in the tokens 1 to"),
        (lose_variable, "lacks the variable nll"),
        (lose_attribute, "it lacks the attribute 'variant'"),
        (wrong_config, "config"),
        (wrong_places, "number 1 of its pages"),
        (wrong_hash, "its text is not the one that was traced"),
        (hide_name, "cannot be shown"),
        (link_out, "holds a link"),
        (short_variable, "bad.zarr is damaged or not a trace"),
    ],
)
def test_what_is_not_whole_is_refused_with_the_reason(
    tmp_path: Path, traced: Path, harm: Callable[[Path], None], words: str
) -> None:
    imports.add(traced / "mac.zarr")  # a good run of the same origin does not cover up for a bad one
    bad = tmp_path / "bad.zarr"
    shutil.copytree(traced / "mac.zarr", bad)
    harm(bad)
    before = set(store.root().iterdir())
    with pytest.raises(StoreError, match=re.escape(words)) as caught:
        imports.add(bad)
    assert "bad.zarr" in str(caught.value)
    assert set(store.root().iterdir()) == before


def test_damaged_bins_of_a_long_run_are_refused(tmp_path: Path, traced: Path) -> None:
    ds = tc.open_trace(traced / "mag.zarr").load()
    times = -(-70_000 // ds.sizes["token"])
    shift = np.repeat(np.arange(times) * len(TEXT), ds.sizes["token"])
    data = {str(n): (v.dims, np.tile(v.values, (*[1] * (v.ndim - 1), times))) for n, v in ds.data_vars.items()}
    places = {n: ("token", np.tile(ds[n].values, times) + shift) for n in ("start", "end")}
    long = xr.Dataset(data, {"piece": ("token", np.tile(ds["piece"].values, times)), **places})
    sha = hashlib.sha256((TEXT * times).encode()).hexdigest()
    long.attrs = {**ds.attrs, "text": TEXT * times, "text_sha256": sha}
    save_trace(long, tmp_path / "long.zarr", texts.tokenizer().pieces)
    assert opened(imports.add(tmp_path / "long.zarr")).ds.sizes["token"] >= 70_000
    (chunk, *_) = (file for file in (tmp_path / "long.zarr" / "pyramid").rglob("surprise/c/0/*/*") if file.is_file())
    chunk.unlink()
    with pytest.raises(StoreError, match=r"long\.zarr is damaged: pyramid"):
        imports.add(tmp_path / "long.zarr")


def zipped(entries: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return data.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"not a zip",
        zipped({}),
        zipped({"a.zarr/../../outside.txt": b"x"}),
        zipped({"/abs.zarr/zarr.json": b"{}"}),
        zipped({"a.zarr/zarr.json": b"{}", "b.zarr/zarr.json": b"{}"}),
        zipped({"a.zarr/zarr.json": b"{}"}),
        zipped({"a.zarr/zarr.json": b"{}"})[:60],
    ],
)
def test_bad_archives_are_refused_and_leave_nothing(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "bad.zip"
    file.write_bytes(data)
    before = set(store.root().iterdir())
    with pytest.raises(StoreError, match=r"bad\.zip"):
        imports.add(file)
    assert set(store.root().iterdir()) == before
    assert not list(store.root().parent.rglob("outside.txt"))


def test_what_is_too_large_is_refused(traced: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MAX_BYTES", 1000)
    with pytest.raises(StoreError, match="keeps up to 1,000 bytes"):
        imports.add(traced / "mac.zarr")


def test_the_command_says_what_is_wrong(tmp_path: Path, traced: Path) -> None:
    (tmp_path / "empty").mkdir()
    env = os.environ | {"TITANSCOPE_RUNS": str(tmp_path / "runs")}
    for path, words in (
        (tmp_path / "none.zarr", "does not exist"),
        (tmp_path / "empty", "is not a run but a folder without one"),
    ):
        command = [sys.executable, "-m", "app", str(path)]
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert words in done.stderr
        assert "Traceback" not in done.stderr
