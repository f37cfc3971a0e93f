"""The sample texts are clean, listed, and contain what their descriptions promise."""

import re
import tomllib
import unicodedata
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "assets" / "samples"
INDEX = tomllib.loads((FOLDER / "index.toml").read_text(encoding="utf-8"))["sample"]
NAMES = [entry["file"] for entry in INDEX]


def sample(name: str) -> str:
    return (FOLDER / name).read_bytes().decode("utf-8")


def test_index_lists_every_file_once() -> None:
    assert sorted(NAMES) == sorted(path.name for path in FOLDER.iterdir() if path.name != "index.toml")
    assert len({entry["title"] for entry in INDEX}) == len(INDEX) >= 5


@pytest.mark.parametrize("entry", INDEX, ids=NAMES)
def test_entry_is_complete_and_points_at_words_that_are_there(entry: dict) -> None:
    assert set(entry) == {"file", "title", "shows", "watch"}
    assert entry["shows"].endswith((".", "?"))
    assert 1 <= len(entry["watch"]) <= 3
    text = sample(entry["file"])
    for pointer in entry["watch"]:
        for quote in re.findall(r'"([^"]+)"', pointer) + re.findall(r"\d{4,}", pointer):
            assert quote in text


@pytest.mark.parametrize("name", NAMES)
def test_text_is_plain(name: str) -> None:
    text = sample(name)
    assert text == unicodedata.normalize("NFC", text)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert not re.search(r"[ \t]+$|\t|\r|\ufeff|[\u2018\u2019\u201c\u201d]|^#|\*\*|```", text, re.MULTILINE)


def test_break_comes_once_after_repeated_days() -> None:
    text = sample(NAMES[0])
    assert 980 <= len(text.split()) <= 1080
    before, after = text.split("a grand piano", maxsplit=1)
    refrain = "Nine boats went out, and nine boats came back."
    assert "piano" not in before.split("\n", maxsplit=1)[1]
    assert before.count(refrain) >= 3
    assert after.count(refrain) >= 3


def test_letter_comes_back_exactly_once() -> None:
    paragraphs = sample("letter-read-twice.txt").rstrip("\n").split("\n\n")
    first, second = [at for at, paragraph in enumerate(paragraphs) if paragraph.startswith("Dear Orla,")]
    assert paragraphs[first] == paragraphs[second]
    assert len(paragraphs[first].split()) >= 100
    assert len(" ".join(paragraphs[first + 1 : second]).split()) >= 600
    assert len(set(paragraphs)) == len(paragraphs) - 1


def test_topic_switches_in_the_middle() -> None:
    text = sample("bread-then-orbits.txt")
    kitchen, space = text.split("A satellite in a circular orbit", maxsplit=1)
    assert 0.4 < len(kitchen) / len(text) < 0.6
    assert not re.search(r"orbit|satellite|velocity", kitchen)
    assert not re.search(r"dough|flour|loaf|oven", space)


def test_notebook_holds_number_date_table_code_and_command() -> None:
    text = sample("drying-oak.txt")
    assert re.findall(r"\b\d{7}\b", text) == ["4190327", "4190327"]
    for pattern in (r"\d{4}-\d{2}-\d{2}", r"^date +A \(g\)", r"^    return ", r"^\$ \w+"):
        assert re.search(pattern, text, re.MULTILINE)
    function = re.search(r"^def moisture.*?^    return [^\n]*\n", text, re.MULTILINE | re.DOTALL)
    assert function
    scope: dict = {}
    exec(function[0], scope)  # noqa: S102  our own sample: the code in it should run
    for a, a_percent, b, b_percent in re.findall(r"^2024\S+ +(\S+) +(\S+) +(\S+) +(\S+)$", text, re.MULTILINE):
        assert f"{scope['moisture'](float(a), 182.4):.1f}" == a_percent
        assert f"{scope['moisture'](float(b), 179.9):.1f}" == b_percent


def test_log_is_long_and_recalls_what_it_planted() -> None:
    text = sample("weather-ship.txt")
    assert len(text) > 42_000
    entries = re.split(r"^(\d+ (?:October|November))\b.*$", text, flags=re.MULTILINE)
    days = dict(zip(entries[1::2], entries[2::2], strict=True))
    for fact, planted, recalled in [
        ("62941", "2 October", "27 October"),
        ("Temperance", "3 October", "24 October"),
        ("7716", "9 October", "25 October"),
    ]:
        assert fact in days[planted]
        assert fact in days[recalled]
    assert not re.search(r"\b(?:ship|captain|balloon|barometer|Uncle)\b", days["17 October"])


def test_scripts_include_what_breaks_naive_offsets() -> None:
    text = sample("mind-the-step.txt")
    scripts = {unicodedata.name(char, "").split(" ")[0] for char in text}
    assert {"ARABIC", "HEBREW", "CJK", "DEVANAGARI", "COMBINING"} <= scripts
    assert "\u200d" in text
