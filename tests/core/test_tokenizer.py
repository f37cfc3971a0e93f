import json
import pickle
import random
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Library

from titans_core import assets
from titans_core import tokenizer as module
from titans_core.errors import CheckpointError, TextError
from titans_core.tokenizer import Tokenizer
from titans_core.training import tokenizer as training

TEXTS = {
    "prose": "The memory isn't surprised. It's 12,345 words long\n\n  and it  ends here. ",
    "emoji ZWJ": "a👩🏽‍🚀b👨‍👩‍👧‍👦",
    "Arabic": "مرحبا بالعالم",
    "Hebrew": "שָׁלוֹם עולם",
    "Devanagari": "नमस्ते दुनिया",
    "combining": "e\u0301 a\u0308\u0323 Z̷̢͝",
    "CJK": "日本語の文章、数字一二三。",
    "NUL": "a\0b\0",
    "CRLF": "one\r\ntwo\r\n\r\nthree\r",
    "separators": "a\u2028b\u2029c\u0085d\x1ce",
    "BOM": "\ufeffa\ufeff",
    "noncharacters": "\uffff\U0010ffff\U000e0001",
    "special": "<|endoftext|></s><s>[PAD][SEP]<unk>‹separator› <0x41>",
    "spaces": "   \t \u00a0\u3000 \n \n x  ",
}
texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.text(st.sampled_from(" \n\r\tab1.é’語🚀\0\u0301\u2028\ufeff'tdsl")),
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.load()


@pytest.fixture(scope="module")
def library() -> Library:
    return Library.from_file(str(assets.ROOT / "tokenizer.json"))


def slow_spans(tokenizer: Tokenizer, text: str, ids: np.ndarray) -> list[tuple[int, int]]:
    """Character by character: the definition of a span."""
    owner = [i for i, character in enumerate(text) for _ in character.encode()]
    spans, byte = [], 0
    for piece in (tokenizer._bytes[i] for i in ids):
        spans.append((owner[byte], owner[byte + len(piece) - 1] + 1))
        byte += len(piece)
    return spans


def check(tokenizer: Tokenizer, text: str) -> None:
    encoding = tokenizer.encode(text)
    assert tokenizer.decode(encoding.ids) == text
    assert encoding.ids.dtype == np.int32
    assert encoding.start.dtype == encoding.end.dtype == np.int64
    assert not len(encoding) or 0 <= encoding.ids.min() <= encoding.ids.max() < tokenizer.separator
    spans = list(zip(encoding.start.tolist(), encoding.end.tolist(), strict=True))
    assert spans == slow_spans(tokenizer, text, encoding.ids)
    end = 0  # without gaps: a token begins where the one before ended, or inside its last character
    for a, b in spans:
        assert a == end or (a == end - 1 and len(text[a].encode()) > 1)
        assert b > a
        end = b
    assert end == len(text)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_awkward_text_round_trips_with_exact_spans(tokenizer: Tokenizer, text: str) -> None:
    check(tokenizer, text)


@settings(max_examples=300, deadline=None)
@given(texts)
def test_any_text_round_trips_with_exact_spans(tokenizer: Tokenizer, text: str) -> None:
    check(tokenizer, text)


@settings(max_examples=300, deadline=None)
@given(texts, st.integers(1, 4))
def test_cutting_a_long_text_changes_no_token(tokenizer: Tokenizer, library: Library, text: str, size: int) -> None:
    stretches = module._stretches(text, size)
    assert "".join(stretches) == text
    assert np.concatenate(tokenizer.encode_ids(stretches)).tolist() == library.encode(text).ids


def test_a_long_text_is_cut(tokenizer: Tokenizer, library: Library) -> None:
    text = "A word, 20 words; more words 1234567890.\n" * 5000
    assert len(module._stretches(text)) == len(text) // (1 << 16) + 1
    assert tokenizer.encode(text).ids.tolist() == library.encode(text).ids


def test_empty_text_has_no_tokens(tokenizer: Tokenizer) -> None:
    encoding = tokenizer.encode("")
    assert len(encoding) == len(encoding.start) == len(encoding.end) == 0
    assert tokenizer.decode([]) == ""


def test_tokens_of_one_emoji_share_its_span(tokenizer: Tokenizer) -> None:
    encoding = tokenizer.encode("a🚀b")
    inside = (encoding.start == 1) & (encoding.end == 2)
    assert inside.sum() == len(encoding) - 2 > 1


def test_every_digit_is_its_own_token(tokenizer: Tokenizer) -> None:
    for text in ("1234567890", " 1234567890", "x1234567890", "$1234567890"):
        shown = [tokenizer.pieces[i] for i in tokenizer.encode(text).ids]
        assert "".join(shown[-10:]) == "1234567890"


def test_the_library_holds_no_special_tokens(library: Library) -> None:
    assert library.get_added_tokens_decoder() == {}
    assert library.get_vocab_size() == module.SEPARATOR == module.VOCAB_SIZE - 1 == 4095
    assert max(library.get_vocab().values()) < module.SEPARATOR


def test_pieces_are_readable_and_tell_ids_apart(tokenizer: Tokenizer) -> None:
    def shown(text: str) -> list[str]:
        return [tokenizer.pieces[i] for i in tokenizer.encode(text).ids]

    assert len(tokenizer.pieces) == tokenizer.vocab_size
    assert len(set(tokenizer.pieces)) == tokenizer.vocab_size
    assert tokenizer.pieces[tokenizer.separator] == "‹separator›"
    assert shown("the\0\t\x7f") == ["the", "␀", "␉", "␡"]
    assert shown("the the") == ["the", " the"]
    assert shown("a\nb") == ["a", "⏎", "b"]
    assert shown("a 7") == ["a", "␠", "7"]
    assert shown("\U0001f9ff")[0] == "‹F0›"
    assert all(not any(c in piece for c in "\0\n\r\t\u200b\ufeff") for piece in tokenizer.pieces)


@pytest.mark.parametrize(
    ("piece", "shown"),
    [(b"\xf0\x9f", "‹F0 9F›"), (b" the", " the"), ("a\u200bb".encode(), "a‹U+200B›b"), (b" \n", "␠⏎")],
)
def test_display(piece: bytes, shown: str) -> None:
    assert module.display(piece) == shown


@pytest.mark.parametrize("text", ["ab\ud800cd", "ab\udc00", "ab\ud83d\ude00"])
def test_a_lone_surrogate_is_named_with_its_place(tokenizer: Tokenizer, text: str) -> None:
    with pytest.raises(TextError, match=rf"U\+{ord(text[2]):04X} at character offset 2 "):
        tokenizer.encode(text)


def test_decode_leaves_separators_out_and_refuses_unknown_ids(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("one").ids.tolist()
    assert tokenizer.decode([*ids, tokenizer.separator, *ids]) == "oneone"
    assert tokenizer.decode(tokenizer.encode("é").ids[:1]) == "\ufffd"
    for wrong in (-1, 4096):
        with pytest.raises(TextError, match=f"token id {wrong} is outside 0..4095"):
            tokenizer.decode([wrong])


@pytest.mark.parametrize("unit", ["a", "🚀", " ", "7", "-", "\n", "e\u0301", "A few words. "], ids=ascii)
def test_time_grows_with_length_not_its_square(tokenizer: Tokenizer, unit: str) -> None:
    def seconds(n: int) -> float:
        text = unit * (n // len(unit))
        times = []
        for _ in range(3):
            start = time.perf_counter()
            tokenizer.encode(text)
            times.append(time.perf_counter() - start)
        return min(times)

    seconds(1_000)
    assert seconds(160_000) < 8 * seconds(40_000) + 0.05  # linear: 4 times; quadratic: 16 times


def test_a_bad_file_is_refused(tmp_path, tokenizer: Tokenizer) -> None:
    good = (assets.ROOT / "tokenizer.json").read_bytes()
    file = tmp_path / "tokenizer.json"
    with pytest.raises(CheckpointError, match="cannot read the tokenizer file"):
        Tokenizer.load(file)
    unigram = b'{"version":"1.0","model":{"type":"Unigram","unk_id":0,"vocab":[["a",0.0]]}}'
    fewer = Library.from_str(good.decode())
    fewer.add_special_tokens(["<|endoftext|>"])
    renamed = good.replace('"Ā":'.encode(), '"€":'.encode())
    assert renamed != good
    for bad in (b"", good[:-1000], b"\xff" + good, b"{}", unigram, fewer.to_str().encode(), renamed):
        file.write_bytes(bad)
        with pytest.raises(CheckpointError, match=r"tokenizer\.json"):
            Tokenizer.load(file)
    file.write_bytes(good)
    assert Tokenizer.load(file).digest == tokenizer.digest


def test_a_file_that_truncates_is_refused_when_it_does(tokenizer: Tokenizer) -> None:
    cut = Library.from_file(str(assets.ROOT / "tokenizer.json"))
    cut.enable_truncation(4)
    with pytest.raises(CheckpointError, match="do not add up"):
        Tokenizer(cut.to_str().encode()).encode("one two three four five six seven")


def test_it_travels_between_processes(tokenizer: Tokenizer) -> None:
    copy = pickle.loads(pickle.dumps(tokenizer))  # noqa: S301
    assert copy.digest == tokenizer.digest
    assert copy.encode("one two").ids.tolist() == tokenizer.encode("one two").ids.tolist()


def test_it_does_not_import_torch() -> None:
    code = "import sys, titans_core.tokenizer as t; t.Tokenizer.load(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_training_is_deterministic_and_gives_a_usable_file(tmp_path, monkeypatch, tokenizer: Tokenizer) -> None:
    rng = random.Random(0)  # noqa: S311 (any made-up words do, if they are enough for 4,095 pieces)
    words = ["".join(rng.choices("etaoinshrdlu", k=rng.randint(2, 9))) for _ in range(9000)]
    file = tmp_path / "one.jsonl"
    file.write_text("".join(json.dumps({"text": " ".join(words[i : i + 90])}) + "\n" for i in range(0, 9000, 90)))
    monkeypatch.setattr(training, "SHARDS", (file.name,))
    data = training.train(tmp_path)
    assert data == training.train(tmp_path)
    trained = Tokenizer(data)
    assert trained.digest != tokenizer.digest
    check(trained, " ".join(words) + TEXTS["emoji ZWJ"])
    assert len(trained.encode(" ".join(words))) < 0.8 * len(tokenizer.encode(" ".join(words)))


def test_the_shipped_file_is_what_the_training_split_says() -> None:
    shipped = json.loads((assets.ROOT / "tokenizer.json").read_text())
    split, bytes_ = shipped["pre_tokenizer"]["pretokenizers"]
    assert split["pattern"] == {"Regex": training.SPLIT}
    assert bytes_["type"] == "ByteLevel"
    assert not bytes_["add_prefix_space"]
    assert shipped["normalizer"] is None
