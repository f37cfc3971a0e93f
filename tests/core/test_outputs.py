"""The place a command writes to: tried before any work, in all three commands, and left as it was if nothing came."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from titans_core import checkpoint, corpus
from titans_core.checkpoint import save
from titans_core.cli import main
from titans_core.errors import ConfigError
from titans_core.outputs import output_file, output_folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture
def story(tmp_path: Path) -> Path:
    file = tmp_path / "story.txt"
    file.write_text("The lamp was lit at dusk.")
    return file


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    file = tmp_path / "recipe.toml"
    file.write_text('[model]\nvariant = "mag"\n[training]\nsteps = 1\n')
    return file


def test_what_was_made_and_stayed_empty_is_removed(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    with output_folder(tmp_path / "old" / "a" / "b"):
        assert list((tmp_path / "old" / "a" / "b").iterdir()) == []
    assert list(tmp_path.iterdir()) == [tmp_path / "old"]
    with pytest.raises(KeyboardInterrupt), output_folder(tmp_path / "new"):
        raise KeyboardInterrupt
    assert not (tmp_path / "new").exists()
    with output_folder(tmp_path / "old"):
        pass
    assert (tmp_path / "old").exists(), "it was there before"
    with output_folder(tmp_path / "kept" / "deep"):
        (tmp_path / "kept" / "deep" / "file").write_text("")
    assert (tmp_path / "kept" / "deep" / "file").exists()


def test_a_name_must_leave_room_for_the_temporary_one(tmp_path: Path) -> None:
    with output_file(tmp_path / ("a" * 247)):
        (tmp_path / ("a" * 247 + ".partial")).write_text("")
    with pytest.raises(ConfigError, match="name too long"), output_file(tmp_path / ("a" * 248)):
        pass


@pytest.mark.parametrize("where", ["story.txt/below", "story.txt/far/below", "/proc/nope/x"])
@pytest.mark.parametrize("command", ["trace", "trace one", "eval", "train"])
def test_an_out_that_cannot_be_made_is_refused_before_any_work(
    command: str, where: str, story: Path, recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*_: object) -> None:
        raise AssertionError("work was begun")

    monkeypatch.setattr(checkpoint, "load", work)
    monkeypatch.setattr(corpus, "read_documents", work)
    out = story.parent / where
    (story.parent / "a.jsonl").write_text('{"text": "a"}')
    result = {
        "trace": lambda: run("trace", story, "--checkpoint", "mag", "--out", out),
        "trace one": lambda: run("trace", story, "--checkpoint", "mag", "--out", out / "a.zarr"),
        "eval": lambda: run("eval", "mag", "--out", out / "a.json"),
        "train": lambda: run("train", recipe, "--data", story.parent / "a.jsonl", "--out", out, "--device", "cpu"),
    }[command]()
    assert result.exit_code == 2, result.output
    assert result.output.count("\n") == 1
    assert f"titans: --out: nothing can be written in {out}: " in result.output
    assert "give one in a folder that you can write to" in result.output
    assert ("story.txt is a file, not a folder" in result.output) == ("story.txt" in where)
    assert story.read_text() == "The lamp was lit at dusk."


def test_a_file_is_no_folder_and_a_folder_no_file(story: Path, recipe: Path) -> None:
    for command in (
        ("trace", story, "--checkpoint", "mag", "--out", story),
        ("train", recipe, "--data", story, "--out", story),
    ):
        result = run(*command)
        assert result.exit_code == 2
        assert result.output.startswith("titans: --out: ")
        assert f"{story} is a file, not a folder" in result.output
    result = run("eval", "mag", "--out", story.parent)
    assert result.exit_code == 2
    assert f"{story.parent} is a folder; give the name of a file" in result.output


@pytest.mark.parametrize("damage", ["the second checkpoint", "the run"])
def test_a_failed_trace_of_several_leaves_nothing(damage: str, story: Path, tiny_model, monkeypatch) -> None:
    names = [story.parent / "one", story.parent / "two"]
    for name, variant in zip(names, ("mag", "mal"), strict=True):
        save(tiny_model(variant), name, {})
    if damage == "the run":

        def broken(*_: object, **__: object) -> None:
            raise ConfigError("it broke")

        monkeypatch.setattr("titans_core.tracing.trace_on", broken)
    else:
        (names[1] / "config.json").write_text("{")
    before = sorted(story.parent.iterdir())
    given = [part for name in names for part in ("--checkpoint", name)]
    result = run("trace", story, *given, "--out", story.parent / "runs" / "deep", "--device", "cpu")
    assert result.exit_code == 2
    assert "titans: " in result.output
    assert sorted(story.parent.iterdir()) == before


def test_a_trace_of_several_makes_its_folders(story: Path, tiny_model) -> None:
    save(tiny_model("mag"), story.parent / "one", {})
    out = story.parent / "runs" / "deep"
    result = run("trace", story, "--checkpoint", story.parent / "one", "--out", out, "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert [path.name for path in out.iterdir()] == ["one.zarr"]
