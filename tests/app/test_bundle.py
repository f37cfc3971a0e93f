"""A run as one file: what goes out comes back the same, and what is not whole or not a run is refused in words."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import runs
from app.exports import bundle as out
from app.jobs import bundle, imports, incoming, store
from tests.bundles import ATTACKS, files_of, packed
from titans_core.errors import StoreError


@pytest.fixture(scope="module")
def exported(finished: dict[str, str]) -> bytes:
    return b"".join(out.whole("A test text", store.root() / finished["mag"]))


def test_an_exported_run_comes_back_under_a_new_id(exported: bytes, finished: dict[str, str], store: Path) -> None:
    run = incoming.bring(exported, "mine.titanscope.zip")
    assert run not in finished.values()
    before, after = runs.opened(finished["mag"]), runs.opened(run)
    assert before is not None
    assert after is not None
    xr.testing.assert_identical(after.ds.load(), before.ds.load())
    assert after.title == "A test text"
    for name in ("memory", "began"):
        kept = [(store / one / f"{name}.safetensors") for one in (run, finished["mag"])]
        assert [path.exists() for path in kept] == [name == "memory"] * 2
        assert not kept[0].exists() or kept[0].read_bytes() == kept[1].read_bytes()
    assert not list(store.glob("tmp-*"))


def test_the_file_says_what_it_holds_and_nothing_of_the_server(exported: bytes, finished: dict[str, str]) -> None:
    files = files_of(exported)
    told = json.loads(files[bundle.NAME])
    assert told["files"].keys() == files.keys() - {bundle.NAME}
    assert {"trace.zarr/zarr.json", "memory.safetensors"} <= files.keys()
    for name, (size, digest) in told["files"].items():
        assert (len(files[name]), hashlib.sha256(files[name]).hexdigest()) == (size, digest)
    assert not [name for name in files if name.endswith((".pkl", ".pt", ".pickle"))]
    for secret in (finished["mag"], str(store.root())):
        assert secret.encode() not in b"".join(files.values())
    assert exported == b"".join(out.whole("A test text", store.root() / finished["mag"])), "the same run, the same file"


def test_the_command_takes_the_same_file(exported: bytes, tmp_path: Path) -> None:
    (tmp_path / "run.zip").write_bytes(exported)
    run = imports.add(tmp_path / "run.zip")
    facts = store.facts(run)
    assert facts is not None
    assert facts["title"] == "A test text"
    assert (store.root() / run / "memory.safetensors").is_file()


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_is_no_exported_run_is_refused_with_the_reason(
    attack: str, exported: bytes, store: Path, tmp_path: Path
) -> None:
    make, words = ATTACKS[attack]
    (tmp_path / "bad.zip").write_bytes(make(files_of(exported)))
    before = {path.name for path in store.iterdir()}
    with pytest.raises(StoreError, match=r"bad\.zip") as caught:
        imports.add(tmp_path / "bad.zip")
    assert words in str(caught.value)
    assert {path.name for path in store.iterdir()} == before
    assert not list(store.parent.rglob("outside.txt"))


@pytest.mark.parametrize("attack", ["up", "link", "a bit", "bomb"])
def test_the_child_refuses_for_the_page(attack: str, exported: bytes, store: Path) -> None:
    make, words = ATTACKS[attack]
    before = {path.name for path in store.iterdir()}
    with pytest.raises(StoreError, match=r"<b>\.zip") as caught:
        incoming.bring(make(files_of(exported)), "<b>.zip")
    assert words in str(caught.value)
    assert str(store) not in str(caught.value)
    assert {path.name for path in store.iterdir()} == before


def test_a_trace_that_unpacks_to_too_much_ends_its_child_alone(exported: bytes, store: Path) -> None:
    """A chunk that says it is 8 GB: the array is announced so large that reading it breaks the limit of memory."""
    files = files_of(exported)
    name = "trace.zarr/nll/zarr.json"
    told = json.loads(files[name])
    told["shape"] = [2_000_000_000]
    told["chunk_grid"]["configuration"]["chunk_shape"] = [2_000_000_000]
    with pytest.raises(StoreError, match=r"big\.zip"):
        incoming.bring(packed(files | {name: json.dumps(told).encode()}), "big.zip")
    assert not list(store.glob("tmp-*"))


def test_a_title_from_a_file_cannot_break_the_page(exported: bytes) -> None:
    run = incoming.bring(packed(files_of(exported), told={"title": "a\ud800\u202e\n<b>" + "x" * 500}), "x.zip")
    title = (store.facts(run) or {})["title"]
    assert title.startswith("a\ufffd <b>x")
    assert len(title) <= 200
    title.encode()


def test_what_is_too_large_is_refused_before_it_is_read() -> None:
    with pytest.raises(StoreError, match=r"up to 50 MB"):
        incoming.bring(bytes(50_000_001), "x.zip")


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_file_with_changed_bytes_is_refused_in_words_or_is_the_same_run(
    exported: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Half of the changes are in the list of files at the end, which is what an archive is read by."""
    folder = tmp_path_factory.mktemp("changed")
    end = len(exported)
    places = st.integers(0, end - 1) | st.integers(end - 6_000, end - 1)
    changed = bytearray(exported)
    for at, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=4)):
        changed[at] = value
    if data.draw(st.booleans()):
        changed = changed[: data.draw(places)]
    (folder / "x.zip").write_bytes(changed)
    try:
        assert imports.take(folder / "x.zip", folder)["checkpoint"] == "mag"
    except StoreError as error:
        refused = str(error)
        assert str(folder) not in refused
