"""One engine, one worker (it imports torch once) and one run of each memory for all tests of the app."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import xarray as xr
from streamlit.web import bootstrap

import titans_core as tc
from app import drawn, runs
from app.figures.plot import Plot
from app.jobs import Job, Progress
from app.kept import Kept
from app.runs import server, traced
from app.serving.settings import settings, streamlits
from tests.app.plotted import plotted

MAIN = sys.modules["__main__"]
TEXT = (
    "The lamp was lit at six. The boats went out, and the boats came home.\n\n"
    "The lamp was lit at six. The boats went out, and a grand piano came home: 4190327 keys, café “Ṣọ́ra” 👩‍👩‍👧 عربي.\n"
) * 2


@pytest.fixture(scope="session", autouse=True)
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of runs of our own, and workers that end with the tests."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TITANSCOPE_RUNS", str(folder))
        yield folder
        server.shut_down()


@pytest.fixture(scope="session", autouse=True)
def all_figures_are_plotlys() -> Iterator[None]:
    """Whatever a page draws in a test is checked by plotly itself."""
    written = Plot.to_json
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Plot, "to_json", lambda plot: (plotted(plot), written(plot))[1])
        yield


@pytest.fixture(scope="session", autouse=True)
def as_served() -> None:
    """Pages are tested with the settings that they are served with; AppTest reads none."""
    bootstrap.load_config_options(streamlits(settings()))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of runs for one test alone."""
    monkeypatch.setenv("TITANSCOPE_RUNS", str(tmp_path))
    return tmp_path


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing drawn is kept, neither for a test that changes how figures are made nor from it."""
    monkeypatch.setattr(drawn, "_charts", Kept(10_000_000, drawn._unknown, lambda chart: chart.figure.bytes))
    monkeypatch.setattr(drawn, "_words", Kept(10_000_000, drawn._unknown, lambda said: 1))

    def forget() -> None:
        for kept in (traced.signals_at, traced.still, traced.lineage_of, traced.fate_of):
            kept.cache_clear()

    forget()
    yield
    forget()


@pytest.fixture(autouse=True)
def main_module() -> Iterator[None]:
    """Streamlit's AppTest leaves its script as __main__, which processes that later tests start would run."""
    yield
    sys.modules["__main__"] = MAIN


@pytest.fixture(scope="session")
def finish() -> Callable[..., Progress]:
    """Wait until a run is no longer live and return where it ended."""

    def wait(run: str, seconds: float = 120) -> Progress:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            at = runs.progress(run)
            assert at is not None
            if not at.live:
                return at
            time.sleep(0.02)
        raise TimeoutError(f"run {run} is still {at.state}")

    return wait


@pytest.fixture(scope="session")
def finished(store: Path, finish: Callable[..., Progress]) -> dict[str, str]:
    """Checkpoint name -> id of a finished run of TEXT."""
    names = [name for name in tc.checkpoints() if name in ("mac", "mag", "mal")]
    started = {name: runs.engine().submit(Job(name, TEXT, "A test text")) for name in names}
    assert {finish(run).state for run in started.values()} == {"done"}
    return started


@pytest.fixture(scope="session")
def traces(finished: dict[str, str]) -> list[xr.Dataset]:
    """The traces of those runs, in order mac, mag, mal."""
    opened = [runs.opened(run) for run in finished.values()]
    return [run.ds for run in opened if run is not None]
