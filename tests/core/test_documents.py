import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from titans_core.documents import check_text, read_text
from titans_core.errors import TextError

TEXT = "Line one\r\nline two\n\tשלום 🚀\0"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_marked_encodings_are_read_exactly(encoding: str) -> None:
    assert read_text(TEXT.encode(encoding)) == TEXT


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [(b"\xfe\xff", "utf-16-be"), (b"\xff\xfe", "utf-16-le"), (b"\0\0\xfe\xff", "utf-32-be")],
)
def test_both_byte_orders_are_read(mark: bytes, encoding: str) -> None:
    assert read_text(mark + TEXT.encode(encoding)) == TEXT


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff")))
def test_utf8_is_read_exactly(text: str) -> None:
    assert read_text(text.encode()) == text


def test_an_empty_file_is_an_empty_text() -> None:
    assert read_text(b"") == read_text(b"\xef\xbb\xbf") == ""


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"caf\xe9 au lait", "byte 0xE9 at offset 3 is not valid UTF-8"),
        (b"\xef\xbb\xbfcaf\xe9 au lait", "byte 0xE9 at offset 6 is not valid UTF-8"),
        (b"cut \xf0\x9f\x9a", "byte 0xF0 at offset 4 is not valid UTF-8"),
        (b"\xed\xa0\x80", "byte 0xED at offset 0 is not valid UTF-8"),
        (b"\xff\xfea\0b", "byte 0x62 at offset 4 is not valid UTF-16-LE"),
        (b"\xfe\xff\xd8\x00\x00a", "byte 0xD8 at offset 2 is not valid UTF-16-BE"),
    ],
)
def test_a_wrong_byte_is_named_with_its_offset_and_a_way_out(data: bytes, said: str) -> None:
    with pytest.raises(TextError, match=f"{said}; save the file as UTF-8") as caught:
        read_text(data)
    assert "binary" not in str(caught.value)


@pytest.mark.parametrize("data", [b"\x7fELF" + bytes(100), b"\x89PNG\r\n\x1a\n\0", "plain".encode("utf-16-le")])
def test_a_binary_file_is_called_one(data: bytes) -> None:
    with pytest.raises(TextError, match="looks like a binary file"):
        read_text(data)


def test_a_few_zero_bytes_are_still_text() -> None:
    assert read_text(b"a\0b") == "a\0b"
    assert read_text(b"many words " * 100 + bytes(4)).count("\0") == 4


@pytest.mark.parametrize("text", ["", " ", "\n\t\r\n \u00a0\u2028\u3000"])
def test_nothing_to_run_is_an_error(text: str) -> None:
    with pytest.raises(TextError, match=r"empty|blank"):
        check_text(text)


def test_a_lone_surrogate_is_an_error_with_its_place() -> None:
    with pytest.raises(TextError, match=r"U\+DC80 at character offset 4 .*replace it by U\+FFFD"):
        check_text("two \udc80 words")


@pytest.mark.parametrize("text", ["Two words.", "It is a day,\r\n\twith “quotes” and naïve café.", "12 4"])
def test_plain_text_needs_no_notice(text: str) -> None:
    assert check_text(text) == []


def test_control_characters_are_counted_and_the_first_is_named() -> None:
    assert check_text("some words \0 and\x1b\x7f more") == [
        "3 control characters (first: U+0000 NULL at character offset 11) are shown as pictures like ␀."
    ]
    assert check_text("some words\x7f") == [
        "1 control character (U+007F DELETE at character offset 10) is shown as a picture like ␡."
    ]


@pytest.mark.parametrize("text", ["مرحبا بالعالم", "日本語 の文章", "👩🏽‍🚀 👩🏽‍🚀"])
def test_text_far_from_the_training_text_is_said_to_be(text: str) -> None:
    (notice,) = check_text(text)
    assert "of the characters are not ASCII" in notice


def test_a_single_word_is_said_to_be_little() -> None:
    for text in ("a", " word\n"):
        (notice,) = check_text(text)
        assert "single word" in notice


@pytest.mark.parametrize("unit", ["Some words. ", "a", "🚀", "\0", " \n", "a\x1b"], ids=ascii)
def test_five_megabytes_are_checked_fast(unit: str) -> None:
    text = unit * (5_000_000 // len(unit))
    start = time.perf_counter()
    try:
        check_text(text)
    except TextError:
        assert text.isspace()
    assert time.perf_counter() - start < 3


def test_it_does_not_import_torch() -> None:
    code = "import sys, titans_core.documents; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
