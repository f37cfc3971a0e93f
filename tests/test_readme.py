"""What README says to type, typed; and what it says of files."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.exports import signals
from app.jobs import store
from titans_core.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLE, TABLE = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
COMMANDS = re.findall(r"^titans (.*?)(?:  +#.*)?$", README, re.MULTILINE)


def test_the_example_in_python_does_what_its_comments_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    names: dict[str, object] = {}
    exec(compile(EXAMPLE, "README.md", "exec"), names)  # noqa: S102 (our own)
    assert names["ds"]["surprise"].dims == ("layer", "token")  # type: ignore[index]
    assert names["apart"]["surprise"].dims == ("layer", "head", "token")  # type: ignore[index]
    assert '"wipe_at": 200' in names["changed"].attrs["settings"]  # type: ignore[attr-defined]


def test_every_option_in_it_is_one() -> None:
    assert {line.split()[0] for line in COMMANDS} == {
        "trace",
        "compare",
        "memory",
        "recall",
        "retention",
        "niah",
        "bench",
        "eval",
        "sweep",
        "train",
    }
    for line in COMMANDS:
        command, *words = shlex.split(line)
        asked = [command, words[0]] if command == "sweep" else [command]
        known = CliRunner().invoke(main, [*asked, "--help"]).output
        assert all(f"{word} " in known for word in words if word.startswith("--")), line


def test_what_it_draws_is_what_the_commands_above_it_wrote() -> None:
    (line,) = re.findall(r"^python -m app figures (.*?)  +#", README, re.MULTILINE)
    written = re.findall(r"--out (\S+)", README[: README.index("python -m app figures")])
    assert set(line.split()) <= set(written)


def test_a_table_is_read_as_its_own_notes_say() -> None:
    call = TABLE.partition("pandas.")[2].strip()
    assert any(call in note for note in signals._NOTES)


def test_stored_runs_are_where_it_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TITANSCOPE_RUNS", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    (said,) = re.findall(r"`~/(\.cache/[a-z/]+/runs)`", README)
    assert store.root() == tmp_path / said
    assert f"nobody opened for {'seven' if store.MAX_AGE == 7 * 24 * 3600 else '?'} days" in README
    assert f"beyond {store.MAX_BYTES // 1024**3} GiB" in README
