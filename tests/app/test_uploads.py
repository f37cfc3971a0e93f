"""Uploaded files are bounded, refused in words, and let go of once no page shows them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec
from streamlit.testing.v1 import AppTest

from app.serving import uploads
from app.state.uploads import REFUSED
from tests.app.test_explore import open_page, said

KB = 1_000


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> MemoryUploadedFileManager:
    """Bounds of 200 kB and 1,000 kB."""
    monkeypatch.setattr(uploads, "MB", KB)
    monkeypatch.setattr(MemoryUploadedFileManager, "add_file", uploads.add)
    return MemoryUploadedFileManager("/upload")


def put(manager: MemoryUploadedFileManager, session: str, name: str, size: int) -> str:
    """The type under which the file is held."""
    manager.add_file(session, UploadedFileRec(name, name, "text/plain", b"x" * size))
    (kept,) = manager.get_files(session, [name])
    assert len(kept.data) == (0 if kept.type.startswith(REFUSED) else size)
    return kept.type


def test_a_session_holds_so_much(manager: MemoryUploadedFileManager) -> None:
    assert put(manager, "s", "a", 100 * KB) == put(manager, "s", "b", 90 * KB) == "text/plain"
    assert put(manager, "s", "c", 20 * KB) == REFUSED + "session"
    assert put(manager, "s", "b", 91 * KB) == "text/plain", "in place of the other one"
    assert put(manager, "t", "a", 100 * KB) == "text/plain", "another session"
    manager.remove_file("s", "a")
    assert put(manager, "s", "c", 20 * KB) == "text/plain"


def test_all_sessions_hold_so_much(manager: MemoryUploadedFileManager) -> None:
    def fill(k: int) -> str:
        return put(manager, f"s{k}", "a", 190 * KB)

    with ThreadPoolExecutor(8) as several:
        types = list(several.map(fill, range(8)))
    assert sorted(types) == [REFUSED + "server"] * 3 + ["text/plain"] * 5
    manager.remove_session_files(f"s{types.index('text/plain')}")
    assert put(manager, "new", "a", 190 * KB) == "text/plain"


def test_names_without_bytes_are_bounded_too(manager: MemoryUploadedFileManager) -> None:
    for k in range(uploads.MOST_FILES + 50):
        manager.add_file("s", UploadedFileRec(str(k), "n" * 9_000, "text/plain", b""))
    held = manager.file_storage["s"].values()
    assert len(held) == uploads.MOST_FILES
    assert sum(len(file.name) for file in held if file.type.startswith(REFUSED)) <= 255 * len(held)


def upload(page: AppTest, *files: tuple[str, int]) -> AppTest:
    page.file_uploader(key="upload").set_value([(name, b"word " * (size // 5), "text/plain") for name, size in files])
    return page.run()


def test_what_is_over_is_said_with_the_bound_and_the_rest_can_run(
    manager: MemoryUploadedFileManager, store: Path
) -> None:
    page = open_page([])
    page.segmented_control(key="source").set_value("Upload").run()
    upload(page, ("a.txt", 120 * KB), ("b.txt", 120 * KB))
    assert not page.exception
    assert "b.txt was not taken: the files of one visit may have 200 MB together" in said(page).replace("\\", "")
    assert not page.button(key="run").disabled
    upload(page, ("b.txt", 120 * KB))
    assert not page.sidebar.error, "the first one was removed"


def test_what_no_page_shows_is_let_go_of(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone: list[str] = []
    monkeypatch.setattr(MemoryUploadedFileManager, "remove_file", lambda self, session, file: gone.append(file))
    page = open_page([])
    page.segmented_control(key="source").set_value("Upload").run()
    upload(page, ("a.txt", KB))
    page.run()
    assert not gone, "it is shown"
    page.segmented_control(key="source").set_value("Sample").run()
    assert len(gone) == 1
    page.run()
    assert len(gone) == 1, "once"
