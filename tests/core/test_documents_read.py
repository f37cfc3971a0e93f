"""Files of every kind to text with places; what is wrong with a file is said, and costs little."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import making
from titans_core.documents import ENCODINGS, child, join, joining, read_document, reader, shown_name
from titans_core.errors import DocumentError

PARAGRAPHS = making.paragraph("Einleitung", "berschrift1") + making.paragraph("Some text.")


def refused(data: bytes, name: str = "a.bin") -> str:
    with pytest.raises(DocumentError) as caught:
        read_document(data, name)
    assert str(caught.value).startswith(f"{shown_name(name)}: ")
    return str(caught.value)


def test_a_pdf_keeps_its_pages_and_outline_and_says_what_is_not_read() -> None:
    pages = ["First page (one)\nsecond line", making.SCANNED, "The third"]
    found = read_document(making.pdf(pages, outline="Results"), "paper.txt")
    assert found.kind == "pdf"
    assert found.text == "First page (one)\nsecond line\n\nThe third"
    assert [found.text[start : start + 5] for start in found.pages] == ["First", "The t", "The t"]
    assert [(s.title, s.level) for s in found.sections] == [("Results", 1)]
    assert found.place(found.text.index("third")) == "page 3, Results, paragraph 2"
    assert any("1 page has no text (2)" in fact for fact in found.left_out)
    assert any("1 image not read" in fact for fact in found.left_out)


def test_a_docx_keeps_its_headings_in_any_language() -> None:
    twice = '<mc:Fallback xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006">{}</mc:Fallback>'
    body = PARAGRAPHS + "<w:p><w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t></w:r></w:p>"
    body += twice.format(making.paragraph("again")) + "<w:p><w:r><w:delText>gone</w:delText></w:r></w:p>"
    found = read_document(making.docx(body, footnotes="<x/>"), "report.pdf")
    assert found.kind == "docx"
    assert found.text == "Einleitung\n\nSome text.\n\na\tb\nc"
    assert [(s.start, s.level, s.title) for s in found.sections] == [(0, 1, "Einleitung")]
    assert found.place(14) == "Einleitung, paragraph 2"
    assert sorted(found.left_out) == ["1 deleted passage (tracked change) not read.", "1 part with footnotes not read."]


def test_html_is_what_the_page_says_and_nothing_is_fetched_or_run() -> None:
    page = (
        "<!DOCTYPE html><title>t</title><style>p{}</style><h1>Top</h1><p>one <b>two</b>\n three<br>four</p>"
        "<script>alert('<p>')</script><img src='http://127.0.0.1:9/x'><pre> kept\n  so</pre><h2>Süd</h2>after\0 zero"
    )
    found = read_document(page.encode(), "notes.txt")
    assert found.kind == "html"
    assert found.text == "Top\n\none two three\nfour\n\n kept\n  so\n\nSüd\n\nafter\ufffd zero"
    assert [(found.text[s.start :][:3], s.level) for s in found.sections] == [("Top", 1), ("Süd", 2)]
    assert found.left_out == ("1 image not read.", "1 script not read.")


def test_markdown_stays_as_it_is_written() -> None:
    text = "# One\n\npara\n\n```\n# code\n```\n## Two ##\r\nend"
    found = read_document(text.encode(), "a.MD")
    assert found.text == text
    assert [(s.start, s.level, s.title) for s in found.sections] == [(0, 1, "One"), (text.index("##"), 2, "Two")]
    assert read_document(text.encode(), "a.py").sections == ()


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("windows-1252", "Le café est fermé, où étiez-vous déjà hier soir ?"),
        ("windows-1250", "Zażółć gęślą jaźń, to jest zwykły polski tekst o świecie."),
        ("koi8-r", "Это обычный русский текст о памяти"),
        ("shift_jis", "これは日本語の文章です。"),
        ("gb18030", "这是一个中文句子，用来测试编码。"),
    ],
)
def test_an_encoding_is_guessed_and_said_and_can_be_chosen(encoding: str, text: str) -> None:
    found = read_document(text.encode(encoding), "old.txt")
    assert (found.text, found.encoding) == (text, encoding)
    assert "guessed" in found.left_out[0]
    chosen = read_document(text.encode(encoding), "old.txt", encoding)
    assert (chosen.text, chosen.left_out) == (text, ())
    said = f"<html><meta charset={encoding}><p>{text}".encode(encoding)
    assert read_document(said, "old.html").text == text


def test_a_wrong_choice_of_encoding_is_refused() -> None:
    with pytest.raises(DocumentError, match="offset 3 is not valid utf-8"):
        read_document(b"caf\xe9 au lait", "a.txt", "utf-8")
    with pytest.raises(DocumentError, match="unknown; choose one of"):
        read_document(b"x", "a.txt", "rot13")
    assert all("x".encode(name).decode(name) == "x" for name in ENCODINGS)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b" \n ", "no text"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "docx without a password"),
        (b"\x89PNG\r\n\x1a\n\0", "PNG"),
        (b"MZ\x90\0" * 100, "Windows program"),
        (os.urandom(64) + b"\0" * 64, "binary"),
        (making.pdf(["text"], trailer=making.LOCK), "has a password"),
        (making.pdf(["text"] * 4)[:300], "damaged or cut short"),
        (making.pdf([making.SCANNED]), "no text (1): scanned"),
        (making.docx(PARAGRAPHS)[:400], "damaged, cut short"),
        (making.docx(""), "no text"),
        (making.docx("<w:p><w:r>"), "no valid XML"),
        (making.docx(PARAGRAPHS).replace(b"word/document.xml", b"xl/worksheet1.xml"), "spreadsheet"),
        (making.entities(), "document type"),
        (making.entities(attribute=True), "document type"),
        (
            making.docx(making.paragraph("&x;"), '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>'),
            "document type",
        ),
    ],
)
def test_what_cannot_be_read_is_named(data: bytes, says: str) -> None:
    assert says in refused(data, "bad.txt")


def test_too_large_a_file_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MOST_BYTES", 10)
    assert "up to 0 MB" in refused(b"x" * 11)


@pytest.mark.parametrize("name", making.BOMBS)
def test_a_bomb_costs_this_process_nothing_and_the_next_file_is_read(name: str) -> None:
    called, data = making.bomb(name)
    before, begun = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    if name == "nested":
        assert read_document(data, called).text == "at the bottom"
    else:
        refused(data, called)
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert time.monotonic() - begun < reader.WALL
    assert after.ru_utime - before.ru_utime < 0.5
    assert after.ru_maxrss - before.ru_maxrss < 50_000  # KiB
    assert read_document(making.pdf(["good"]), "good.pdf").text == "good"


@pytest.mark.parametrize("piece", [b"<!--", b"<a=", b"</", b"<![CDATA[", b"&amp"])
def test_broken_markup_takes_no_time(piece: bytes) -> None:
    begun = time.monotonic()
    assert read_document(b"<html><p>begin</p>" + piece * 50_000, "a.html").text.startswith("begin")
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("text", ["# " + "# " * 200_000 + "x", "<!--" + "--><!--" * 500, "\n \n" * 100_000 + "x"])
def test_plain_text_takes_no_time_either(text: str) -> None:
    begun = time.process_time()
    assert len(read_document(text.encode(), "a.md").paragraphs) == 1
    assert time.process_time() - begun < 1


def run_child(code: str) -> str:
    """How the reader would name the end of a child that runs under the limits."""
    start = "from titans_core.documents import child; child.CPU = 1; child.limit()\n"
    ended = subprocess.run([sys.executable, "-c", start + code], check=False, stderr=subprocess.DEVNULL)
    assert ended.returncode
    return reader._ended(ended.returncode)


def test_the_limits_hold() -> None:
    assert "processor time" in run_child("while True: pass")
    assert "memory" in run_child(f"bytearray({child.MEMORY})")


def test_a_child_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "WALL", 0.01)
    assert "longer than" in refused(making.pdf(["x"]), "slow.pdf")


def test_a_child_knows_nothing_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_SERVER", "x")
    given: list[dict[str, str]] = []
    start: Callable[..., object] = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: given.append(k["env"]) or start(*a, **k))
    read_document(making.pdf(["x"]), "a.pdf")
    assert set(given[0]) == {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}


def test_parsers_are_loaded_in_the_child_only(tmp_path: Path) -> None:
    code = (
        "import sys; from tests import making; from titans_core.documents import read_document as r; "
        "r(making.pdf(['x']), 'a'); r(b'<html>x', 'a'); "
        "print(sorted({'lxml', 'pypdfium2', 'chardet'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_several_files_are_one_text_whose_places_say_which_file(monkeypatch: pytest.MonkeyPatch) -> None:
    given = [
        ("paper.pdf", making.pdf(["One (a)\nb", "Two", making.SCANNED], outline="Results")),
        ("plain.txt", b"Words.\n\nMore words."),
        ("notes.md", b"Before.\n\n# Methods\n\nThird."),
        ("again.pdf", making.pdf(["Last one"])),
    ]
    parts = [read_document(data, name) for name, data in given]
    found = join(parts)
    assert found.text == "\n\n".join(part.text for part in parts)
    assert (found.kind, found.name) == ("files", "paper.pdf and 3 more")
    places = {word: found.place(found.text.index(word)) for word in ("Two", "More", "Before", "Third", "Last")}
    assert places == {
        "Two": "paper.pdf, page 2, paragraph 2",
        "More": "plain.txt, paragraph 2",
        "Before": "notes.md, paragraph 1",
        "Third": "notes.md, Methods, paragraph 3",
        "Last": "again.pdf, page 1, paragraph 1",
    }
    assert [found.text[start : start + 5] for start, _ in found.files] == ["One (", "Words", "Befor", "Last "]
    assert join(parts[:1]) is parts[0]
    monkeypatch.setattr(joining, "MOST_PLACES", 3)
    fewer = join(parts)
    assert (fewer.pages, len(fewer.sections)) == ((), 2)
    assert fewer.left_out == ("The 4 pages are not shown beside words: that is done for 3.",)


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a" * 300 + ".txt", "x\u202egpj.txt", "a\nb\0c\x1b[31m", "", "\ud800"]
)
def test_names_are_shown_and_nothing_else(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = read_document(b"words", name)
    assert 0 < len(found.name) <= 80
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs") for c in found.name)
    assert not list(tmp_path.iterdir())
