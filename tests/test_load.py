"""The load script makes load on this machine alone."""

import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[1] / "tools"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(TOOLS)
    import load

    return load


@pytest.mark.parametrize(
    "address", ["http://example.com", "http://10.0.0.1:8501", "https://127.0.0.1:8501", "127.0.0.1", ""]
)
def test_no_other_address_is_taken(address: str, load, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (argparse names the address)
        load.loopback(address)
    monkeypatch.setattr(sys, "argv", ["load.py", "--address", address, "--server", "1"])
    with pytest.raises(SystemExit):
        load.main()


def test_this_machine_is(load) -> None:
    assert load.loopback("http://127.0.0.1:8501/") == "http://127.0.0.1:8501"
    assert load.loopback("http://[::1]:8501") == "http://[::1]:8501"


def test_it_says_how_long_each_kind_took_and_how_memory_grows(load) -> None:
    seen = load.Seen()
    seen.answers["typed"] += [0.1] * 96
    seen.answers["token"] += [2.0] * 4
    seen.samples += [(second, 100 + (0 if second < 50 else second / 60), 50.0, 0.0, 0.0, 0.0) for second in range(100)]
    told = load.result(seen, 20, 100, 5.0)
    assert told["think_s"] == {"mean": 5.0, "from": 2.5, "to": 7.5}
    assert told["widgets"]["count"] == 100
    assert told["widgets"]["token"]["p50_s"] == 2.0
    assert told["under_the_bar"], "95 of 100 are"
    assert told["memory_mb"]["server"]["a_minute"] == pytest.approx(1.0), "of the second half alone"
    seen.answers["token"] += [2.0] * 4
    assert not load.result(seen, 20, 100, 5.0)["under_the_bar"]


def test_nothing_answered_is_not_under_the_bar(load) -> None:
    seen = load.Seen()
    seen.samples.append((0.0, 1.0, 1.0, 0.0, 0.0, 0.0))
    assert not load.result(seen, 1, 1, 5.0)["under_the_bar"]
