"""The needle grid and `titans niah`."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from titans_core import checkpoint
from titans_core.cli import main
from titans_core.errors import ConfigError, TextError
from titans_core.probes import grid
from titans_core.probes.spots import Found, Spot, effective_length, haystack, texts
from titans_core.tasks import Role
from titans_core.tokenizer import Tokenizer

BOOK = "The keeper walked along the shore, and it rained. She found many stones there. Nobody saw the piano. " * 20


@pytest.fixture(scope="module")
def source(tokenizer):
    return haystack(tokenizer, BOOK)


@pytest.mark.parametrize("depth", [0.0, 0.5, 1.0])
def test_the_fact_stands_where_it_should_in_the_document(depth: float, source, tokenizer) -> None:
    for episode in texts(source, Spot("number", 512, depth), 3, 0):
        assert len(episode) == 512
        text = tokenizer.decode(episode.ids)
        (answer,) = episode.answers
        before = tokenizer.decode(episode.ids[: int(np.flatnonzero(episode.role == Role.ANSWER)[0])])
        intro, haystack_end = before.index("afterwards."), before.index("What is the special magic")
        assert (before.index(answer) - intro) / (haystack_end - intro) == pytest.approx(depth, abs=0.12)
        assert "keeper" in text


def test_every_model_reads_the_same_texts_and_every_depth_others(source) -> None:
    one, same = (texts(source, Spot("word", 512, 0.5), 2, 7) for _ in range(2))
    for a, b in zip(one, same, strict=True):
        np.testing.assert_array_equal(a.ids, b.ids)
    assert one[0].answers != one[1].answers
    other = texts(source, Spot("word", 512, 0.25), 1, 7)[0]
    assert other.answers != one[0].answers


def test_without_the_fact_it_stands_nowhere(source, tokenizer) -> None:
    (episode,) = texts(source, Spot("number", 512, 0.5, "absent"), 1, 0)
    asked = int(np.flatnonzero(episode.role == Role.ANSWER)[0])
    assert episode.answers[0] not in tokenizer.decode(episode.ids[:asked])


def test_the_effective_length_is_the_first_one_below() -> None:
    rights = [(1024, 10), (1024, 8), (2048, 9), (2048, 8), (4096, 2), (4096, 9)]
    cells = [Found(length, 10, right) for length, right in rights]
    assert effective_length(cells, 0.9) == 2048
    assert effective_length(cells, 0.85) == 4096
    assert effective_length(cells, 0.5) is None


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (lambda s: texts(s, Spot("number", 40, 0.5), 1, 0), ConfigError, "needs .* tokens here"),
        (lambda s: texts(s, Spot("number", 512, 1.5), 1, 0), ConfigError, "depth is 1.5"),
        (lambda s: texts(s, Spot("babi", 512, 0.5), 1, 0), ConfigError, "there is no needle 'babi'"),
        (lambda s: texts(s, Spot("number", 512, 0.5, "half"), 1, 0), ConfigError, "there is no control 'half'"),
    ],
)
def test_what_is_no_cell_is_refused(act, error: type[Exception], words: str, source) -> None:
    with pytest.raises(error, match=words):
        act(source)


def test_a_document_without_a_sentence_is_refused(tokenizer) -> None:
    with pytest.raises(TextError, match=r"the document cannot hide a fact: .* hold no full sentence"):
        haystack(tokenizer, "nothing here ends or begins " * 30)


@pytest.fixture(scope="module")
def folder(tiny_model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("grid")
    for variant in ("mag", "lmm"):
        checkpoint.save(tiny_model(variant, chunk=1), made / variant, {})
    (made / "book.txt").write_text(BOOK, encoding="utf-8")
    return made


def titans(folder: Path, *arguments: str) -> Result:
    given = ["niah", str(folder / "book.txt"), "--out", str(folder / "grid.json"), "--lengths", "256,320", "--n", "2"]
    return CliRunner().invoke(main, [*given, "--depths", "0,1", *arguments])


def test_a_grid_is_written_and_gone_on_with(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled: list[Spot] = []
    fill = grid.fill
    monkeypatch.setattr(grid, "fill", lambda *a, **k: filled.append(a[2]) or fill(*a, **k))
    first = titans(folder, "--checkpoint", str(folder / "mag"))
    assert first.exit_code == 0, first.output
    assert len(filled) == 4
    found = json.loads((folder / "grid.json").read_text())
    # As if it had been stopped after three cells.
    (folder / "grid.json").write_text(json.dumps(found | {"results": found["results"][:3]}))
    again = titans(folder, "--checkpoint", str(folder / "mag"), "--checkpoint", str(folder / "lmm"))
    assert again.exit_code == 0, again.output
    assert len(filled) == 4 + 1 + 4
    results = json.loads((folder / "grid.json").read_text())["results"]
    assert [(one["checkpoint"], one["length"], one["depth"]) for one in results] == [
        (name, length, depth) for name in ("mag", "lmm") for length in (256, 320) for depth in (0.0, 1.0)
    ]
    assert [one["outcomes"] for one in results[:4]] == [one["outcomes"] for one in found["results"]]
    rows = list(csv.DictReader((folder / "grid.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 8
    for row, one in zip(rows, results, strict=True):
        wrong = sum(int(row[kind]) for kind in ("other", "invented", "malformed"))
        assert (int(row["n"]), int(row["right"]) + wrong) == (2, 2)
        assert (float(row["low"]), float(row["high"])) == (one["low"], one["high"])
    assert "less than 85% right from 256 tokens on" in again.output
    other = titans(folder, "--checkpoint", str(folder / "mag"), "--seed", "1")
    assert other.exit_code == 2
    assert "is of another question (seed differ)" in other.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--lengths", "1K"], "--lengths '1K' is no list of numbers with commas"),
        (["--depths", "0,2"], "from 0 (its beginning) to 1 (its end)"),
        (["--lengths", "999999999999"], "up to 16,777,216 tokens"),
        (["--lengths", "20"], "tokens here without any haystack; length is 20"),
    ],
)
def test_what_niah_refuses(arguments: list[str], words: str, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "none.json"
    result = titans(folder, "--checkpoint", str(folder / "mag"), "--out", str(out), *arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())
    assert not out.exists()


def test_a_model_reads_the_tokens_of_its_own_tokenizer(
    folder: Path, tiny_model, tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = json.loads(tokenizer.data)
    file["model"]["merges"] = file["model"]["merges"][:300]
    model = tiny_model("lmm", chunk=1)
    model.tokenizer = Tokenizer(json.dumps(file).encode())
    checkpoint.save(model, folder / "other", {})
    read: dict[str, str] = {}
    fill = grid.fill

    def told(model, source, spot, *rest, **named):
        read[model.name] = model.tokenizer.decode(texts(source, spot, 1, 0)[0].ids)
        return fill(model, source, spot, *rest, **named)

    monkeypatch.setattr(grid, "fill", told)
    both = ("--checkpoint", str(folder / "mag"), "--checkpoint", str(folder / "other"))
    result = titans(folder, *both, "--lengths", "600", "--out", str(folder / "two.json"))
    assert result.exit_code == 0, result.output
    assert all("What is the special magic number" in text for text in read.values())
    assert len(read) == 2
