"""What is built is whole, installs beside nothing of this checkout, runs there, and is typed."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import titans_core as tc

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "assets" / "samples" / "keeper-and-piano.txt"
PROGRAM = ROOT / "tests" / "user_program.py"
CARRIED = {"assets/tokenizer.json", "assets/checkpoints/", "assets/words/"}  # by the wheel, inside the package


def command(*words: str | Path, cwd: Path) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tracked(*folders: str) -> set[str]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: what is tracked is not known")
    return set(command("git", "ls-files", "--", *folders, cwd=ROOT).splitlines())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the sdist, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    command(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def elsewhere(wheel: Path) -> Path:
    """A folder with an environment that has the wheel, and what it depends on from the environment of the tests.

    That comes by one line of a .pth file, in which Python looks for no further .pth: so not the checkout, which is
    installed there by one.
    """
    folder = wheel.parent
    venv.create(folder / "env", symlinks=True)
    python = folder / "env" / "bin" / "python"
    command(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    own = Path(command(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    (own / "dependencies.pth").write_text(sysconfig.get_path("purelib"), "utf-8")
    return folder


def test_the_source_archive_holds_what_is_tracked(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    missing = tracked() - held
    assert not missing, "add them to the sdist's include in pyproject.toml"
    assert not {name for name in held - tracked() if name.startswith((".", "docs/_build"))}, "only what belongs to it"


def test_the_wheel_made_from_it_holds_the_package_and_its_assets_as_they_are(wheel: Path) -> None:
    wanted = {name: name for name in tracked("titans_core")}
    wanted |= {f"titans_core/{name}": name for name in tracked("assets") if name.startswith(tuple(CARRIED))}
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert set(wanted) <= held
        assert {name.partition("/")[0] for name in held} == {"titans_core"}
        assert all(archive.read(inside) == (ROOT / name).read_bytes() for inside, name in wanted.items())


def test_one_version_is_said_everywhere(elsewhere: Path) -> None:
    assert command(elsewhere / "env" / "bin" / "titans", "--version", cwd=elsewhere).split()[-1] == tc.__version__
    assert {path.name.split("-")[1].removesuffix(".tar.gz") for path in elsewhere.glob("titanscope-*")} == {
        tc.__version__
    }
    newest = re.search(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert newest is not None
    assert newest[1] in (tc.__version__, "Unreleased")


def test_it_traces_in_another_folder(elsewhere: Path) -> None:
    (elsewhere / "text.txt").write_text(SAMPLE.read_text("utf-8")[:600], "utf-8")
    titans = elsewhere / "env" / "bin" / "titans"
    command(titans, "trace", "text.txt", "--checkpoint", "mac", "--out", "run.zarr", cwd=elsewhere)
    assert set(tc.open_trace(elsewhere / "run.zarr").data_vars) >= {"surprise", "momentum", "forgotten", "nll"}


def test_a_program_that_uses_it_runs(elsewhere: Path) -> None:
    (elsewhere / "long.txt").write_text(SAMPLE.read_text("utf-8")[:2000], "utf-8")
    python = elsewhere / "env" / "bin" / "python"
    said = command(python, PROGRAM, "long.txt", "program.zarr", cwd=elsewhere).splitlines()
    assert "none of these" in said[0]
    version, where = said[-1].split()[:2]
    assert version == tc.__version__
    assert Path(where).is_relative_to(elsewhere / "env"), "the wheel's, not this checkout's"
    assert float(said[-1].split()[-1]) < 1e-10


def test_that_program_is_typed_through_and_through(elsewhere: Path) -> None:
    python = elsewhere / "env" / "bin" / "python"
    mypy = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--python-executable", python]
    # kept beside the cache of `make lint`: torch's own types take a quarter of a minute the first time
    mypy += ["--cache-dir", ROOT / ".mypy_cache" / "strict"]
    command(*mypy, PROGRAM, cwd=elsewhere)
    wrong = elsewhere / "wrong.py"
    wrong.write_text("import titans_core as tc\n\ntc.trace(tc.load('mac'), 5)\n", "utf-8")
    done = subprocess.run([*mypy, wrong], capture_output=True, text=True, check=False, cwd=elsewhere)
    assert 'expected "str"' in done.stdout, "else the package counts as untyped, and nothing was checked"
