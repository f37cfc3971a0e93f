"""docs/reliability.md names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent
LISTED = (TESTS.parents[0] / "docs" / "reliability.md").read_text(encoding="utf-8")


def rows() -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in LISTED.splitlines() if line[:2] == "| "]


def test_every_threat_has_a_state() -> None:
    states = {cells[0]: cells[2] for cells in rows() if re.fullmatch(r"T\d+", cells[0])}
    assert list(states) == [f"T{k}" for k in range(1, 25)]
    assert all(states.values())


def test_every_test_that_is_named_is_there() -> None:
    named = 0
    for cells in rows():
        for file, parts in re.findall(
            r"`((?:core|app|e2e|cluster)/[\w/]+\.py|test_\w+\.py)`(?:: ([\w, ]+))?", cells[-1]
        ):
            tests = re.findall(r"^def (test_\w+)", (TESTS / file).read_text(encoding="utf-8"), re.MULTILINE)
            for part in filter(None, (part.strip() for part in parts.split(","))):
                assert any(part in test for test in tests), f"{file} has no test about {part}"
                named += 1
    assert named > 30
