"""Pages, sections and files of a text are kept with its trace, judged when it is opened, and told of every token."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from titans_core import tracing
from titans_core.documents import PLACES, Document, Section, of_trace, packed, unpacked
from titans_core.errors import DocumentError, StoreError
from titans_core.record import open_trace, save_trace

TEXT = "One of two.\n\nMethods\n\nTwo of two, and a little more."
PAPER = Document("a paper.pdf", "pdf", TEXT, "", (0, 13), (Section(13, 1, "Methods"),))

starts = st.lists(st.integers(0, len(TEXT)), max_size=6).map(sorted)
titles = st.text(max_size=30)


@given(starts, st.lists(st.tuples(st.integers(0, len(TEXT)), st.integers(1, 9), titles)), starts)
def test_what_is_packed_comes_back(pages: list[int], sections: list[tuple[int, int, str]], files: list[int]) -> None:
    given_sections = tuple(Section(*section) for section in sorted(sections))
    paper = Document("x", "files", TEXT, "", tuple(pages), given_sections, (), tuple((at, "a name") for at in files))
    said = packed(paper)
    back = unpacked(said, TEXT)
    assert (back.name, back.kind, back.text, back.pages, back.files) == ("x", "files", TEXT, paper.pages, paper.files)
    assert [(s.start, s.level) for s in back.sections] == [(s.start, s.level) for s in given_sections]
    assert packed(back) == packed(unpacked(packed(back), TEXT))


def test_a_plain_text_keeps_nothing() -> None:
    assert packed(Document("a.txt", "text", TEXT)) == ""
    assert of_trace({"text": TEXT}) is None


def test_titles_that_turn_a_line_around_are_shown_without_it() -> None:
    hostile = '{"version":1,"kind":"docx","name":"a\\u202eb","sections":[[0,1,"one\\u202e two\\u0000\\nthree\\ud800"]]}'
    found = unpacked(hostile, TEXT)
    assert found.place(0) == "one two three\ufffd, paragraph 1"
    assert found.name == "a\\u202eb"


FORGED: list[tuple[Any, str]] = [
    (7, "no JSON"),
    ("x" * 12_000_001, "no JSON"),
    ("[" * 100_000, "no valid JSON"),
    ("{", "no valid JSON"),
    ("[1]", "version none"),
    ({"version": 2}, "version 2; this version of Titanscope reads 1"),
    ({"kind": "exe"}, "'exe'"),
    ({"name": 3}, "none of"),
    ({"pages": {}}, "pages are no list"),
    ({"pages": [0] * 20_001}, "no list of up to 20,000"),
    ({"pages": [0, "13"]}, "number 2 of its pages begins at 13"),
    ({"pages": [0, 13.0]}, "number 2 of its pages"),
    ({"pages": [True]}, "number 1 of its pages"),
    ({"pages": [13, 0]}, "begins at 0, not at 13 to"),
    ({"pages": [-1]}, "begins at -1, not at 0"),
    ({"pages": [len(TEXT) + 1]}, f"not at 0 to {len(TEXT)}"),
    ({"pages": [10**400]}, "number 1 of its pages"),
    ({"sections": [[0, 1]]}, "a start, a level of 1 to 99 and a title"),
    ({"sections": [[0, 0, "x"]]}, "a level of 1 to 99"),
    ({"sections": [[0, 1, 2]]}, "a title"),
    ({"sections": ["abc"]}, "a title"),
    ({"sections": [[5, 1, "x"], [0, 1, "y"]]}, "number 2 of its sections"),
    ({"files": [[0]]}, "a start and a name"),
    ({"files": [[len(TEXT) + 1, "x"]]}, "number 1 of its files"),
]


def forged(change: Any) -> Any:
    return json.dumps({"version": 1, "kind": "pdf"} | change) if isinstance(change, dict) else change


@pytest.mark.parametrize(("change", "says"), FORGED, ids=[says for _, says in FORGED])
def test_forged_places_are_refused_in_words(change: Any, says: str) -> None:
    with pytest.raises(DocumentError, match=says):
        unpacked(forged(change), TEXT)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, tiny_model: Callable[..., Any]) -> Path:
    path = tmp_path_factory.mktemp("stores") / "paper.zarr"
    tracing.trace_on(tiny_model("mag"), TEXT, store=path, document=PAPER)
    return path


def test_a_trace_keeps_the_places_of_its_text(stored: Path, tmp_path: Path, tiny_model: Callable[..., Any]) -> None:
    ds = open_trace(stored)
    save_trace(ds, tmp_path / "again.zarr", tiny_model("mag").tokenizer.pieces)
    for trace in (ds, open_trace(tmp_path / "again.zarr")):
        found = of_trace(trace.attrs)
        assert found is not None
        assert (found.name, found.kind, found.pages, found.sections) == ("a paper.pdf", "pdf", (0, 13), PAPER.sections)
        said = dict(zip(trace["piece"].values, found.places(trace["start"].values, trace["end"].values), strict=True))
        assert next(said[piece] for piece in said if "One" in piece) == "page 1, paragraph 1"
        assert next(said[piece] for piece in said if "little" in piece) == "page 2, Methods, paragraph 3"
    plain, _ = tracing.trace_on(tiny_model("mag"), TEXT, document=Document("a.txt", "text", TEXT))
    assert PLACES not in plain.attrs


@pytest.mark.parametrize("change", [{"pages": [13, 0]}, {"version": 2}, 7])
def test_a_store_whose_places_were_changed_is_refused(stored: Path, change: Any) -> None:
    attributes = zarr.open_group(stored, mode="r+").attrs
    before = attributes[PLACES]
    try:
        attributes[PLACES] = forged(change)
        with pytest.raises(StoreError, match=r"trace store paper.zarr is damaged .* its (places|pages)|number"):
            open_trace(stored)
    finally:
        attributes[PLACES] = before


def test_places_of_another_text_are_not_kept(tiny_model: Callable[..., Any]) -> None:
    with pytest.raises(DocumentError, match="number 2 of its pages"):
        tracing.trace_on(tiny_model("mag"), "Short.", document=Document("a", "pdf", "Short.", "", (0, 13)))


def test_a_million_tokens_with_300_pages_and_5000_sections_cost_little() -> None:
    paragraph = "Seven words stand in this short paragraph.\n\n"
    text = paragraph * (5_000_000 // len(paragraph))
    pages = tuple(range(0, len(text), len(text) // 299))
    sections = tuple(Section(at, 1, f"Section {at:,} of a long book") for at in range(0, len(text), len(text) // 4_999))
    end = np.linspace(1, len(text), 1_000_000).astype(np.int64)
    start = np.concatenate([[0], end[:-1]])
    begun = time.process_time()
    said = packed(Document("book.pdf", "pdf", text, "", pages, sections))
    book = unpacked(said, text)
    opened = time.process_time() - begun
    places = book.places(start, end)
    told = time.process_time() - begun - opened
    assert len(said) < 400_000
    assert opened < 0.5
    assert told < 5
    for token in (0, 1, 3_456, 777_777, 999_999):
        assert places[token] == book.place(max(int(start[token]), int(end[token]) - 1))
