import math

import numpy as np
import pytest
import torch

from titans_core.config import VARIANTS
from titans_core.errors import ConfigError
from titans_core.evaluation import validation as module
from titans_core.evaluation.validation import evaluate
from titans_core.settings import Settings

LENGTHS = [33, 1, 7, 40, 17, 33]


@pytest.fixture(scope="module")
def documents() -> list[tuple[np.ndarray, int]]:
    rng = np.random.default_rng(4)
    return [(rng.integers(0, 4095, n, dtype=np.int32), 3 * n + i) for i, n in enumerate(LENGTHS)]


def losses_of(model, ids: np.ndarray, settings: Settings) -> torch.Tensor:
    """Bits of each token of one document, read alone after a separator."""
    stream = torch.tensor([[model.tokenizer.separator, *ids.tolist()]])
    p = model(stream[:, :-1], settings=settings).logits[0].double().log_softmax(-1)
    return -p.gather(1, stream[0, 1:, None])[:, 0] / math.log(2)


def brute(model, documents, settings: Settings) -> tuple[float, float, int]:
    bits = sum(losses_of(model, ids, settings).sum().item() for ids, _ in documents)
    tokens = sum(len(ids) for ids, _ in documents)
    return bits / sum(size for _, size in documents), bits / tokens, tokens


@pytest.mark.parametrize("zero_reads", [False, True])
@pytest.mark.parametrize("variant", VARIANTS)
def test_bits_per_byte_are_those_of_each_document_read_alone(variant, zero_reads, tiny_model, documents) -> None:
    model, settings = tiny_model(variant), Settings(zero_reads=zero_reads)
    score = evaluate(model, documents, settings)
    per_byte, per_token, tokens = brute(model, documents, settings)
    assert score.bits_per_byte == pytest.approx(per_byte, rel=1e-5)
    assert score.bits_per_token == pytest.approx(per_token, rel=1e-5)
    assert score.tokens == tokens == sum(LENGTHS)
    assert score.late_bits_per_token == 0
    assert 0 < score.seconds < 60


@pytest.mark.parametrize("batch", [1, 2, 100])
def test_the_batch_size_does_not_matter(batch, tiny_model, documents) -> None:
    model = tiny_model("mac")
    one, other = (evaluate(model, documents, Settings(), batch=n) for n in (16, batch))
    np.testing.assert_allclose(other[:-1], one[:-1], rtol=1e-6)


def test_the_order_of_the_documents_does_not_matter(tiny_model, documents) -> None:
    model = tiny_model("mal")
    np.testing.assert_allclose(
        evaluate(model, documents[::-1], Settings())[:-1], evaluate(model, documents, Settings())[:-1], rtol=1e-6
    )


def test_slabs_do_not_matter(tiny_model, documents, monkeypatch) -> None:
    model = tiny_model("mag")
    whole = evaluate(model, documents, Settings())
    monkeypatch.setattr(module, "SLAB", 16)
    np.testing.assert_allclose(evaluate(model, documents, Settings())[:-1], whole[:-1], rtol=1e-5)


def test_late_tokens_are_those_after_the_first_512_of_each_document(tiny_model) -> None:
    model = tiny_model("transformer")
    rng = np.random.default_rng(5)
    documents = [(rng.integers(0, 4095, n, dtype=np.int32), n) for n in (512, 513, 600, 20)]
    late = torch.cat([losses_of(model, ids, Settings())[512:] for ids, _ in documents])
    assert len(late) == 89
    assert evaluate(model, documents, Settings()).late_bits_per_token == pytest.approx(late.mean().item(), rel=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_zeroed_reads_change_the_score_of_models_with_memory_only(variant, tiny_model, documents) -> None:
    model = tiny_model(variant)
    live, zeroed = (evaluate(model, documents, Settings(zero_reads=z)).bits_per_byte for z in (False, True))
    assert (live == zeroed) == (not model.config.has_memory)


def test_an_empty_document_counts_nothing(tiny_model, documents) -> None:
    model = tiny_model("lmm")
    with_empty = evaluate(model, [*documents, (np.empty(0, np.int32), 0)], Settings())
    np.testing.assert_allclose(with_empty[:-1], evaluate(model, documents, Settings())[:-1], rtol=1e-6)


def test_no_documents_is_refused(tiny_model) -> None:
    with pytest.raises(ConfigError, match="no documents"):
        evaluate(tiny_model("lmm"), [], Settings())
