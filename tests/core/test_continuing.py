"""What a model goes on with, held against its own predictions; and how a text is cut into passages."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

import titans_core as tc
from titans_core.errors import ConfigError, TextError
from titans_core.probes.asking import ZEROED, ask, blind, without_reads
from titans_core.probes.continuing import continued, cue_ids, spaced
from titans_core.probes.places import LEAST, MOST, passages
from titans_core.probes.questions import Question
from titans_core.probes.reading_on import read_on

TEXT = "The keeper walked along the shore, and it rained. The number of the harbour book is 730. " * 6


@pytest.mark.parametrize("variant", ["mac", "mag"])
def test_a_continuation_is_what_the_model_finds_likeliest_each_time(variant: str, tiny_model) -> None:
    model = tiny_model(variant)
    ids = model.tokenizer.encode(TEXT).ids
    ((_, state),) = read_on(model, ids)
    cue = cue_ids(model.tokenizer, " The keeper ")
    found = continued(model, state, cue, 5)
    whole = np.concatenate((ids, cue, found.ids))
    with torch.inference_mode():
        p = model(torch.from_numpy(whole.astype(np.int64))[None]).logits[0].double().softmax(-1).numpy()
    p = p[len(ids) + len(cue) - 1 : -1]
    np.testing.assert_array_equal(found.ids, p.argmax(-1))
    np.testing.assert_allclose(found.p, p.max(-1), rtol=1e-5)
    assert found.entropy == pytest.approx(-(p[0] * np.log2(p[0])).sum(), rel=1e-6)


def test_without_reads_is_blind_to_all_but_the_window(tiny_model) -> None:
    model = tiny_model("mag")
    ids = model.tokenizer.encode(TEXT).ids
    question = Question.of(model.tokenizer, "The keeper", "walked")
    assert ask(model, blind(model, ids), question, ZEROED) == without_reads(model, ids, question)
    cue = cue_ids(model.tokenizer, "The keeper")
    other = np.concatenate((ids[20:40], ids[20:]))
    before, after = (continued(model, blind(model, x), cue, 3, ZEROED) for x in (ids, other))
    np.testing.assert_array_equal(before.p, after.p)


def test_the_space_before_a_number_belongs_to_the_cue() -> None:
    model = tc.load("mac")
    text = "One of the special magic numbers for harbour is: 7304416. "
    ((_, state),) = read_on(model, model.tokenizer.encode(text).ids)
    cue = cue_ids(model.tokenizer, "The special magic number for harbour mentioned in the provided text is")
    asked = spaced(model, state, cue)
    assert model.tokenizer.decode(asked) == "\nThe special magic number for harbour mentioned in the provided text is "
    assert model.tokenizer.decode(continued(model, state, asked, 1).ids) == "7"


def test_what_says_nothing_is_refused(tiny_model) -> None:
    model = tiny_model("mag")
    with pytest.raises(TextError, match="the cue is empty"):
        cue_ids(model.tokenizer, " \n")
    model.embed.weight.fill_(float("nan"))
    with pytest.raises(ConfigError, match="not finite"):
        continued(model, model.start(1), np.array([5]), 1)


def test_passages_are_sentences_none_of_them_too_short_or_too_long(tokenizer) -> None:
    text = "It rained. " * 3 + TEXT + "word " * 200 + "\n\nThe end."
    encoding = tokenizer.encode(text)
    borders = passages(encoding, text)
    sizes = np.diff(borders)
    assert (borders[0], borders[-1]) == (0, len(encoding.ids))
    assert (sizes[:-1] >= LEAST).all()
    assert (sizes <= MOST).all()
    said = [text[encoding.start[low] : encoding.end[high - 1]] for low, high in pairwise(borders)]
    assert "".join(said) == text
    assert all(part.rstrip().endswith(".") for part in said if "word" not in part)
    np.testing.assert_array_equal(
        passages(tokenizer.encode("Short."), "Short."), [0, len(tokenizer.encode("Short.").ids)]
    )
