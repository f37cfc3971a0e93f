"""What is made to do harm gives a text or a plain message, within the limits, and harms nobody."""

from __future__ import annotations

import json
import pickle
import random
import socket
import subprocess
import sys
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests import attacks, making
from titans_core.documents import join, read_document, reader, shown_name
from titans_core.errors import DocumentError

GOOD = {
    "good.pdf": making.pdf(["good"]),
    "good.docx": making.docx(making.paragraph("good")),
    "good.html": b"<html><p>good",
}
# every attack after the other, under the limits of one child; a line as each is over
CHILD = """
import json, pickle, sys, time
from titans_core.documents import child
child.limit()
for kind, data in pickle.load(sys.stdin.buffer):
    begun = time.monotonic()
    said = child.answer(kind, None, data)
    parts = said.get("error", ""), said.get("text", "")[:200], str(said.get("left_out")), time.monotonic() - begun
    print(json.dumps(parts), flush=True)
"""


def in_one_child(cases: Sequence[tuple[str, bytes]]) -> list[str]:
    """What came of each (kind, bytes): message, start of the text, what was left out. None may crash or take long."""
    ran = subprocess.run(
        [sys.executable, "-c", CHILD], input=pickle.dumps(list(cases)), capture_output=True, check=False, timeout=60
    )
    lines = [json_line(line) for line in ran.stdout.splitlines()]
    assert ran.returncode == 0, f"case {len(lines)} ended the child: {ran.stderr.decode()[-500:]}"
    assert max(seconds for *_, seconds in lines) < 5
    return [" ".join(said) for *said, _ in lines]


def json_line(line: bytes) -> tuple[str, str, str, float]:
    message, text, left_out, seconds = json.loads(line)
    assert bool(message) != bool(text), "a text or a message"
    assert "\n" not in message
    return message, text, left_out, seconds


def outcome(data: bytes, name: str, encoding: str | None = None) -> str:
    """The text or the message of one file, read as the page reads it."""
    try:
        return read_document(data, name, encoding).text
    except DocumentError as error:
        return str(error).removeprefix(f"{shown_name(name)}: ")


@pytest.fixture(autouse=True, scope="module")
def the_next_are_read() -> Iterator[None]:
    yield
    for name, data in GOOD.items():
        assert read_document(data, name).text == "good"


@pytest.mark.parametrize(("kind", "made"), [("pdf", attacks.pdfs), ("docx", attacks.docxs), ("html", attacks.htmls)])
def test_attacks_are_read_or_named(kind: str, made: Callable[[], attacks.Attacks]) -> None:
    cases = made()
    found = in_one_child([(kind, data) for data, _ in cases.values()])
    wrong = {name: said for (name, (_, says)), said in zip(cases.items(), found, strict=True) if says not in said}
    assert not wrong


def test_a_pdf_that_outgrows_its_reader_is_named() -> None:
    assert "within the limits of memory" in outcome(attacks.forms_in_a_ring(), "ring.pdf")


@pytest.mark.parametrize("kind", ["pdf", "docx"])
def test_a_file_cut_anywhere_is_a_text_or_a_message(kind: str) -> None:
    lines = [f"Line {k} of {k * k * 7919 % 104729} words, {k * 31337 % 9973}." for k in range(4_000)]
    if kind == "pdf":
        pages = ["\n".join(lines[k : k + 50]) for k in range(0, len(lines), 50)]
        whole = making.pdf(pages, outline="The end", packed=True)
    else:
        whole = making.docx("".join(making.paragraph(line, "berschrift1") for line in lines))
    cuts = [*range(1, len(whole), 1_024), len(whole) - 1, len(whole)]
    assert len(cuts) > 40
    found = in_one_child([(kind, whole[:cut]) for cut in cuts])
    assert "Line 0 of 0 words" in found[-1]
    told = [any(word in said for word in ("damaged", "cut", "no text", "ends early")) for said in found[:-2]]
    assert all(told), "each says that it is not whole"


def test_files_with_wrong_bytes_are_a_text_or_a_message() -> None:
    paragraphs = "".join(making.paragraph(f"Line {k}", "berschrift1") for k in range(30))
    wholes = {
        "pdf": making.pdf(["\n".join(f"Line {k}" for k in range(30))] * 3, outline="X"),
        "docx": making.docx(paragraphs),
        "html": b"<html><h2>One<p>two<br>three<pre>x\ny</pre><table><td>1<td>2</table><script>z</script>" * 10,
    }
    chance = random.Random(7)  # noqa: S311 (not for secrets)
    cases = [(kind, spoiled(whole, chance)) for kind, whole in wholes.items() for _ in range(150)]
    part = f"<w:document {making.W}>{paragraphs}</w:document>".encode()
    cases += [("docx", attacks.zipped(spoiled(part, chance))) for _ in range(150)]
    assert len(in_one_child(cases)) == 600


def spoiled(data: bytes, chance: random.Random) -> bytes:
    """With some bytes changed, lost or said again."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        at, other = chance.randrange(len(changed)), chance.randrange(len(changed))
        match chance.randrange(3):
            case 0:
                changed[at] = chance.randrange(256)
            case 1:
                del changed[at : at + chance.randint(1, 20)]
            case _:
                changed[at:at] = changed[other : other + chance.randint(1, 100)]
    return bytes(changed)


def test_nothing_is_fetched_and_no_file_of_this_machine_is_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("THE SECRET")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        here = f"http://127.0.0.1:{server.getsockname()[1]}/x"
        words, cases = making.paragraph("words &x;"), []
        for address in (here, (tmp_path / "secret").as_uri()):
            declared = [f'<!DOCTYPE d [<!ENTITY x SYSTEM "{address}">]>', f'<!DOCTYPE d SYSTEM "{address}">']
            declared += [f'<!DOCTYPE d [<!ENTITY % p SYSTEM "{address}"> %p;]>']
            cases += [("docx", making.docx(words, before)) for before in declared]
            include = f'<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="{address}" parse="text"/>'
            cases.append(
                ("docx", making.docx(include + making.paragraph("words"), f'<?xml-stylesheet href="{address}"?>'))
            )
            tags = f"<base href={address}><link rel=stylesheet href={address}><img src={address}><iframe src={address}>"
            refresh = f"<meta http-equiv=refresh content='0;url={address}'><script src={address}></script>"
            page = f"<html>{refresh}{tags}</iframe>words"
            cases += [("html", (before + page).encode()) for before in ("", declared[0], '<?xml version="1.0"?>')]
            opened = b"/Catalog/OpenAction<</S/URI/URI(%s)>>" % address.encode()
            cases.append(("pdf", attacks.one_page().replace(b"/Catalog", opened)))
        found = in_one_child(cases)
        assert "THE SECRET" not in " ".join(found)
        unread = [said for said in found if not any(known in said for known in ("document type", "words", "hello"))]
        assert not unread
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty; choose one with text"),
        (b"\0" * 1_000, "binary file"),
        (b"\xef\xbb\xbf", "no text was found"),
        (b"\xff\xfe", "no text was found"),
        (b"\xff\xfea", "offset 2 is not valid utf-16-le"),
        ("Plain words.".encode("utf-16-le"), "choose utf-16-le as its encoding"),
        ("Plain words.".encode("utf-16-be"), "choose utf-16-be as its encoding"),
        ("这是一个中文句子 x".encode("utf-16-be"), "choose utf-16-be as its encoding"),
        ("Plain words.".encode("utf-32-le"), "binary file"),
        (b"a\0b words", "a\0b words"),
        (b"+ADw-p+AD4- words", "+ADw-p+AD4- words"),
        (b"<html>" + "<p>words".encode("utf-16-le"), "utf-16-le"),
    ],
)
def test_odd_bytes_are_a_text_or_named(data: bytes, says: str) -> None:
    assert says in outcome(data, "a.txt")


def test_utf_16_without_a_mark_is_read_when_chosen() -> None:
    for order in ("utf-16-le", "utf-16-be"):
        assert outcome("Plain wörds.".encode(order), "a.txt", order) == "Plain wörds."


@pytest.mark.parametrize(
    ("data", "name", "says"),
    [
        (GOOD["good.pdf"], "a.docx", "good"),
        (GOOD["good.docx"], "a.pdf:.txt", "good"),
        (b"MZ\x90\0" + bytes(600), "a.txt", "a Windows program"),
        (b"\x7fELF" + bytes(600), "a.md", "a Linux program"),
        (attacks.archived(b"x", 1), "a.html", "a zip archive without a Word document"),
        (b"GIF89a" + bytes(600), "a.pdf", "a GIF image"),
        (b"{\\rtf1 words}", "a.docx", "an RTF file"),
        (b"Plain words.", "a.pdf", "Plain words."),
        (b"Plain words.", "a.docx", "Plain words."),
    ],
)
def test_an_ending_that_lies_is_not_believed(data: bytes, name: str, says: str) -> None:
    assert says in outcome(data, name)


HOSTILE = ["../../etc/passwd", "..\\..\\x.pdf", "/etc/passwd", "a\nb\r\tc.txt", "\u202efdp.txt", "x" * 300 + ".md"]
HOSTILE += [
    "<img src=x onerror=alert(1)>.txt",
    "a\0.pdf",
    "\x1b[31mred",
    "e" + "\u0301" * 300,
    ".",
    "CON",
    "a" * 100_000,
]


def test_hostile_names_are_shown_on_one_line_alone_and_among_others() -> None:
    found = join([read_document(b"words", name) for name in HOSTILE])
    for number, (_, name) in enumerate(found.files):
        assert 0 < len(name) <= 80
        assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in name)
        assert found.place(found.files[number][0]) == f"{name}, paragraph 1"


def test_while_a_file_takes_long_another_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "WALL", 2.0)
    said: list[str] = []
    slow = threading.Thread(target=lambda: said.append(outcome(attacks.slow_pdf(9_999), "slow.pdf")))
    slow.start()
    times = []
    while slow.is_alive():
        begun = time.monotonic()
        assert outcome(GOOD["good.html"], "good.html") == "good"
        times.append(time.monotonic() - begun)
    assert "longer than 2 s" in said[0]
    assert len(times) > 1
    assert sorted(times)[len(times) // 2] < 1


WINDOWS = """
import sys
sys.modules["resource"] = None
from titans_core.documents import child
child.limit()
print(child.answer("html", None, b"<html>words")["text"])
"""


def test_a_system_without_limits_of_a_process_reads_too(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = subprocess.run([sys.executable, "-c", WINDOWS], capture_output=True, text=True, check=True)
    assert ran.stdout == "words\n"
    for name in ("SIGXCPU", "SIGKILL"):
        monkeypatch.delattr(f"signal.{name}")
    assert "made its reader crash" in reader._ended(3221225477)  # an access violation, as Windows counts
