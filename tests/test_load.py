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
