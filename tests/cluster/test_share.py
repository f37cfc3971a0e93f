"""Results in a folder that dashboards share, given as the URL of one: written once, whole or not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.jobs import manifest, share, store
from tests.storing import A, put
from titans_core.errors import StoreError


@pytest.fixture
def dashboards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Path]:
    """The URL of what two dashboards share, and where it is. The first has the run A; now it is the second's turn."""
    monkeypatch.setenv("TITANSCOPE_RUNS", str(tmp_path / "one"))
    put(A)
    url = f"file://{tmp_path}/shared results"
    share.push(url, A)
    monkeypatch.setenv("TITANSCOPE_RUNS", str(tmp_path / "two"))
    return url, tmp_path / "shared results" / A


def test_what_one_has_put_there_another_finds(dashboards: tuple[str, Path], tmp_path: Path) -> None:
    url, _ = dashboards
    assert store.facts(A) is None
    assert share.pull(url, A)
    assert store.facts(A) is not None
    assert not manifest.wrong(tmp_path / "two" / A, hashes=True)
    assert manifest.read(tmp_path / "two" / A) == manifest.read(tmp_path / "one" / A)
    assert not list((tmp_path / "two").glob("tmp-*"))


def test_what_is_not_there_is_not_found(dashboards: tuple[str, Path]) -> None:
    url, _ = dashboards
    assert not any(share.pull(url, name) for name in ("0" * 32, "../one/" + A, ""))


def test_it_is_written_once(dashboards: tuple[str, Path]) -> None:
    url, there = dashboards
    before = (there / manifest.NAME).read_bytes()
    put(A, size=7)
    share.push(url, A)
    assert (there / manifest.NAME).read_bytes() == before
    assert len(list(there.iterdir())) == 2, "one part and its manifest"


def test_without_its_manifest_nothing_is_there_and_it_can_be_put_again(dashboards: tuple[str, Path]) -> None:
    url, there = dashboards
    whole = (there / manifest.NAME).read_bytes()
    for half in (b"", whole[: len(whole) // 2]):
        (there / manifest.NAME).write_bytes(half)
        assert not share.pull(url, A)
    put(A, size=7)
    share.push(url, A)
    store.root()
    assert json.loads((there / manifest.NAME).read_bytes())["part"] != json.loads(whole)["part"]
    assert share.pull(url, A)


def test_a_file_that_has_changed_is_not_taken_over(dashboards: tuple[str, Path], tmp_path: Path) -> None:
    url, there = dashboards
    (data,) = there.glob("*/trace.zarr/c/0")
    data.write_bytes(b"y" * 1_000)
    with pytest.raises(StoreError, match=r"trace\.zarr/c/0 has changed"):
        share.pull(url, A)
    assert store.facts(A) is None
    assert not list((tmp_path / "two").glob("tmp-*"))


@pytest.mark.parametrize("name", ["../../../one", "/etc/passwd", "a/../../b", "a\\..\\b"])
def test_a_manifest_that_leads_elsewhere_is_refused(dashboards: tuple[str, Path], name: str) -> None:
    url, there = dashboards
    told = json.loads((there / manifest.NAME).read_bytes())
    for wrong in (told | {"part": name}, told | {"files": {name: [1, "0" * 64]}}):
        (there / manifest.NAME).write_text(json.dumps(wrong))
        with pytest.raises(StoreError, match="not its own"):
            share.pull(url, A)


def test_a_share_that_cannot_be_reached_is_said_without_its_name(dashboards: tuple[str, Path], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    put(A)
    with pytest.raises(StoreError, match=r"\(file://\.\.\.\) cannot be reached") as told:
        share.push(f"file://{tmp_path}/file", A)
    assert str(tmp_path) not in str(told.value)
