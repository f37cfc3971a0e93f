"""The adapter that docs/adapters.md shows, run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import titans_core as tc
from titans_core.signals import BY_HEAD, SIGNALS

GUIDE = (Path(__file__).parents[2] / "docs" / "adapters.md").read_text("utf-8")


def code() -> str:
    return re.findall(r"```python\n(.*?)```", GUIDE.partition("## One's own")[2], re.DOTALL)[0]


def test_the_adapter_of_the_guide_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(code().splitlines()) < 60
    monkeypatch.chdir(tmp_path)
    exec(compile(code(), "docs/adapters.md", "exec"), {})  # noqa: S102
    ds = tc.open_trace("hebbian.zarr")
    has = {"momentary", "forgotten", "update", "memory", "read", "alpha", "nll", "entropy"}
    assert set(ds.data_vars) == has | {"id"}
    assert ds.attrs["absent"] == [name for name in (*SIGNALS, *BY_HEAD) if name not in has]
    assert "absent: loss surprise past_surprise" in capsys.readouterr().out
    memory, alpha = (ds[name].values[0].astype(np.float64) for name in ("memory", "alpha"))
    np.testing.assert_allclose(ds["forgotten"].values[0, 1:], alpha[1:] * memory[:-1], rtol=1e-5)
    assert ds["momentary"].attrs["source"] == "size of k^T v"
