"""How far surprise is surprisal, rarity or position: known answers, honest intervals, and the two controls."""

import math
import time
from collections import Counter

import numpy as np
import pytest
import torch
import xarray as xr

from titans_core.errors import ConfigError
from titans_core.probes import blocks
from titans_core.probes.controls import MIN_SENTENCES, beginning, compare, shuffled, untrained
from titans_core.probes.sanity import MEASURES, MIN_TOKENS, sanity
from titans_core.signals import SIGNALS
from titans_core.tracing import trace

WORDS = ("kettle", "oak", "ferry", "lamp", "quince", "marsh", "saffron", "wall", "tin", "parrot", "violet", "herons")
TEXT = "\n\n".join(
    f"Keeper {i} walked along the shore, and it rained. The piano of house {i * 7 % 31} stood there; “{word}!” she "
    f"said. Who else had seen {word} that year?"
    for i, word in enumerate(WORDS)
)


def dataset(signals: np.ndarray, nll: np.ndarray, ids: np.ndarray, name: str = "surprise") -> xr.Dataset:
    return xr.Dataset({name: (("layer", "token"), signals), "nll": ("token", nll), "id": ("token", ids)})


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def some_ids(seed: int, tokens: int) -> np.ndarray:
    return np.minimum(np.random.default_rng(seed).zipf(1.4, tokens), 400).astype(np.int32)


def smooth(seed: int, runs: int, tokens: int, keep: float) -> np.ndarray:
    """(runs, tokens): x_t = keep x_{t-1} + noise, variance 1."""
    drawn = noise(seed, tokens, runs)
    for t in range(1, tokens):
        drawn[t] = keep * drawn[t - 1] + math.sqrt(1 - keep**2) * drawn[t]
    return drawn.T


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """By the book: Pearson's correlation of the mean rank of equal values, each found by counting."""
    ranks = [[(v < value).sum() + ((v == value).sum() + 1) / 2 for value in v] for v in (x, y)]
    return float(np.corrcoef(ranks)[0, 1])


def test_perfect_reversed_and_absent_correlations() -> None:
    nll, ids = noise(1, 3000), some_ids(2, 3000)
    up, down, none = sanity(dataset(np.stack([np.exp(nll), -(nll**3), noise(3, 3000)]), nll, ids)).layers
    assert up.nll == pytest.approx((1, 1, 1), abs=1e-9)
    assert up.together == pytest.approx((1, 1, 1), abs=1e-9)
    assert down.nll == pytest.approx((-1, -1, -1), abs=1e-9)
    assert none.nll.low < 0 < none.nll.high
    assert none.nll.high - none.nll.low < 0.1
    assert none.together.low == 0
    assert none.together.high < 0.01


def test_position_and_rarity_are_what_they_say() -> None:
    ids = some_ids(4, 1000)
    counts = Counter(ids.tolist())
    common = np.array([counts[i] for i in ids.tolist()], float)
    later, frequent = sanity(dataset(np.stack([np.arange(1000.0), common]), noise(5, 1000), ids)).layers
    assert later.position.value == pytest.approx(1)
    assert frequent.rarity.value == pytest.approx(-1)
    assert abs(later.rarity.value) < 0.2


def test_ties_are_mid_ranks() -> None:
    values = np.round(noise(6, 300) * 2)
    nll, ids = np.round(noise(7, 300) + values / 2), some_ids(8, 300)
    (found,) = sanity(dataset(values[None], nll, ids)).layers
    counts = Counter(ids.tolist())
    assert found.nll.value == pytest.approx(spearman(values, nll))
    assert found.rarity.value == pytest.approx(spearman(values, np.array([-counts[i] for i in ids.tolist()])))
    assert found.position.value == pytest.approx(spearman(values, np.arange(300)))


def test_weighted_ranks_are_those_of_the_tokens_repeated() -> None:
    x, y = np.round(noise(9, 200)), np.round(noise(10, 200) * 3)
    drawn = next(blocks.resamples(200, 7, 1, seed=3))
    again = np.repeat(np.arange(200), drawn.astype(int))
    found = blocks.rank_correlations([blocks.ties(x), blocks.ties(y)], drawn)
    assert found[0, 1] == pytest.approx(spearman(x[again], y[again]))


def test_the_share_explained_is_that_of_a_least_squares_fit() -> None:
    nll, ids = noise(11, 2000), some_ids(12, 2000)
    signal = nll + 0.001 * np.arange(2000) + noise(13, 2000)
    (found,) = sanity(dataset(signal[None], nll, ids), count=400).layers
    counts = np.bincount(ids)[ids]
    design, target = np.stack([nll, -counts, np.arange(2000.0)]), signal
    ranks = np.stack([blocks.mid_ranks(blocks.ties(x), np.ones(2000)) for x in (*design, target)])
    fit = np.linalg.lstsq(ranks[:3].T, ranks[3], rcond=None)[0] @ ranks[:3]
    assert found.together.value == pytest.approx(fit.var() / ranks[3].var(), abs=0.005)  # less a small bias
    assert found.together.low < found.together.value < found.together.high


def test_intervals_by_hand() -> None:
    draws = np.array([0.2, 0.3, 0.4, 0.3, np.nan])
    share = blocks.share_interval(0.25, draws, blocks=31)
    half = 2.0423 * draws[:4].std(ddof=1)  # Student's t, 30 degrees of freedom
    assert share == pytest.approx((0.2, 0.2 - half, 0.2 + half), abs=1e-4)
    found = blocks.correlation_interval(0.25, draws, blocks=4)
    half = 3.1824 * np.arctanh(draws[:4]).std(ddof=1)  # 3 degrees of freedom
    assert found.value == 0.25
    assert math.atanh(found.high) - math.atanh(0.25) == pytest.approx(half, rel=0.01)
    assert math.atanh(0.25) - math.atanh(found.low) == pytest.approx(half, rel=0.01)
    assert np.isnan(blocks.correlation_interval(math.nan, draws, 10)).all()


def test_resamples_draw_whole_blocks_and_every_token_alike() -> None:
    drawn = np.array(list(blocks.resamples(103, 10, 3000, seed=1)))
    assert (drawn.sum(1) == 103).all()
    assert drawn.mean(0) == pytest.approx(1, abs=0.12)
    assert np.corrcoef(drawn[:, 50], drawn[:, 51])[0, 1] > 0.8
    assert np.corrcoef(drawn[:, 0], drawn[:, 102])[0, 1] > 0.8, "blocks go on from the end to the start"
    assert abs(np.corrcoef(drawn[:, 20], drawn[:, 60])[0, 1] + 0.1) < 0.15


def test_blocks_grow_with_dependence_and_stay_within_bounds() -> None:
    white, slow = noise(14, 4000), smooth(15, 1, 4000, 0.95)[0]
    least = math.ceil(4000 ** (1 / 3))
    assert least <= blocks.block_length(white) <= least + 4
    assert blocks.block_length(np.tile([1.0, -1.0], 2000)) >= least
    assert blocks.block_length(np.zeros(4000)) == least
    assert blocks.block_length(slow) > 3 * least
    assert blocks.block_length(np.linspace(-1, 1, 4000)) == int(3 * math.sqrt(4000))
    assert blocks.independent_share(white, 20) > 0.8
    # an AR(1) series of 0.95 is worth (1 - 0.95) / (1 + 0.95) of its length
    assert blocks.independent_share(slow, blocks.block_length(slow)) == pytest.approx(0.05 / 1.95, rel=1.0)


def test_intervals_cover_where_neighbours_are_alike() -> None:
    runs, tokens = 100, 1000
    shared, own = smooth(16, runs, tokens, 0.9), smooth(17, runs, tokens, 0.9)
    signals = 0.6 * shared + 0.8 * own
    truth = 6 / math.pi * math.asin(0.6 / 2)  # Spearman's of two normal variables that correlate by 0.6
    block = naive = 0
    for i in range(runs):
        (found,) = sanity(dataset(signals[i][None], shared[i], some_ids(i, tokens)), count=100).layers
        block += found.nll.low <= truth <= found.nll.high
        naive += abs(math.atanh(found.nll.value) - math.atanh(truth)) < 1.96 / math.sqrt(tokens - 3)
        assert found.effective < 0.5 * tokens
    assert naive < 0.6 * runs, "an interval for independent tokens would be far too narrow"
    assert block >= 0.87 * runs


def test_the_same_seed_gives_the_same_result() -> None:
    data = dataset(noise(18, 2, 500), noise(19, 500), some_ids(20, 500))
    assert sanity(data) == sanity(data)
    assert sanity(data, seed=1).layers[0].nll.low != sanity(data).layers[0].nll.low
    assert sanity(data, seed=1).layers[0].nll.value == sanity(data).layers[0].nll.value


def test_nan_and_infinite_values_are_left_out_and_counted() -> None:
    nll, ids = noise(21, 600), some_ids(22, 600)
    signals = np.stack([nll, nll + noise(23, 600), np.full(600, np.nan)])
    nll[0] = np.nan
    signals[0, 5:8] = np.nan
    signals[1, 9] = np.inf
    first, second, never = sanity(dataset(signals, nll, ids)).layers
    assert [(x.tokens, x.excluded) for x in (first, second, never)] == [(596, 4), (598, 2), (0, 600)]
    assert first.nll.value == pytest.approx(1)
    known = np.isfinite(nll) & np.isfinite(signals[1])
    assert second.nll.value == pytest.approx(spearman(signals[1][known], nll[known]))
    assert np.isnan([*never.nll, *never.together, never.effective]).all()


def test_constants_are_undefined_and_say_nothing_together() -> None:
    nll = noise(24, 400)
    constant, own = sanity(dataset(np.stack([np.ones(400), nll]), nll, np.zeros(400, np.int32))).layers
    assert np.isnan([*constant.nll, *constant.together, constant.effective]).all()
    assert constant.tokens == 400
    assert np.isnan(own.rarity).all(), "one token id only"
    assert own.together.value == pytest.approx(1)


def test_layers_stand_for_themselves() -> None:
    nll, ids, signals = noise(25, 800), some_ids(26, 800), noise(27, 3, 800)
    signals[1] += nll
    signals[2, 3] = np.nan
    order = [2, 0, 1]
    straight, turned = (sanity(dataset(x, nll, ids)).layers for x in (signals, signals[order]))
    for place, layer in enumerate(order):
        assert turned[place].layer == place
        ours, theirs = turned[place], straight[layer]
        assert (ours.tokens, ours.excluded) == (theirs.tokens, theirs.excluded)
        assert ours.effective == pytest.approx(theirs.effective)
        for measure in (*MEASURES, "together"):
            assert getattr(ours, measure) == pytest.approx(getattr(theirs, measure), abs=1e-9)


def test_rarity_against_a_background() -> None:
    ids = np.tile(np.arange(4), 100).astype(np.int32)
    signal = np.tile([1.0, 2.0, 4.0, 3.0], 100)
    assert np.isnan(sanity(dataset(signal[None], noise(28, 400), ids)).layers[0].rarity.value)
    background = np.array([900, 90, 0, 9, 1])
    found = sanity(dataset(signal[None], noise(28, 400), ids), background=background)
    assert found.layers[0].rarity.value == pytest.approx(1)
    assert found.rarity_from == "background"
    for wrong in (background[:3], background[None], -background, np.full(5, np.nan)):
        with pytest.raises(ConfigError, match="background has shape"):
            sanity(dataset(signal[None], noise(28, 400), ids), background=wrong)


def test_rows_are_the_table() -> None:
    found = sanity(dataset(noise(29, 2, 300), noise(30, 300), some_ids(31, 300)))
    rows = found.rows()
    assert [(r["layer"], r["measure"]) for r in rows[:5]] == [
        *((0, "nll"), (0, "rarity"), (0, "position"), (0, "together"), (1, "nll"))
    ]
    assert rows[5]["value"] == found.layers[1].rarity.value
    assert rows[5]["tokens"] == 300


def test_what_cannot_be_answered_is_refused() -> None:
    good = dataset(noise(32, 1, 300), noise(33, 300), some_ids(34, 300))
    with pytest.raises(ConfigError, match=f"at least {MIN_TOKENS} tokens; the text has 199"):
        sanity(good.isel(token=slice(199)))
    with pytest.raises(ConfigError, match=r"unknown signal 'gate'; choose one of surprise$"):
        sanity(good, "gate")
    with pytest.raises(ConfigError, match="without a memory"):
        sanity(good.drop_vars("surprise"))
    with pytest.raises(ConfigError, match="at least 20 resamples"):
        sanity(good, count=1)


def test_a_long_text_is_answered_in_seconds() -> None:
    nll, ids = noise(35, 50_000), some_ids(36, 50_000)
    begun = time.process_time()
    sanity(dataset((noise(37, 3, 50_000) + nll).astype(np.float32), nll, ids))
    assert time.process_time() - begun < 5  # about 1 s; twice as many tokens have 5 s


def test_heads_are_added_up(tiny_model) -> None:
    model = tiny_model("mal")
    for signal in ("surprise", "alignment", "theta"):
        with_heads, without = (sanity(trace(model, TEXT, heads=heads), signal) for heads in (True, False))
        assert with_heads == without


def test_every_signal_of_a_real_trace_has_an_answer(tiny_model) -> None:
    data = trace(tiny_model("mac"), TEXT)
    for signal in [name for name in SIGNALS if name in data]:
        found = sanity(data, signal)
        assert len(found.layers) == 2
        assert all(x.tokens + x.excluded == found.tokens == data.sizes["token"] for x in found.layers)
        assert all(-1 <= x.nll.low <= x.nll.value <= x.nll.high <= 1 for x in found.layers)


def test_sentences_move_with_all_their_tokens(tokenizer) -> None:
    mixed = shuffled(TEXT + "\n", tokenizer, seed=5)
    assert (mixed.unit, mixed.units) == ("sentence", 12 * 4 - 1)
    assert mixed.text != TEXT
    assert Counter(mixed.text) == Counter(TEXT + "\n")
    assert Counter(tokenizer.encode(mixed.text).ids.tolist()) == Counter(tokenizer.encode(TEXT + "\n").ids.tolist())
    assert mixed.text.startswith("Keeper 0 walked along the shore, and it rained.")
    assert mixed.text.count(" “parrot!”") == 1, "a quotation stays whole"
    assert mixed == shuffled(TEXT + "\n", tokenizer, seed=5)
    assert mixed != shuffled(TEXT + "\n", tokenizer, seed=6)


@pytest.mark.parametrize(
    "text", ["x" * 2000, "👩🏽‍🚀e\u0301日本" * 80, "word " * 300, "one\r\ntwo " * 150, "文。「文。」" * 60]
)
def test_any_text_can_be_shuffled_and_cut(tokenizer, text) -> None:
    mixed = shuffled(text, tokenizer)
    assert Counter(mixed.text) == Counter(text)
    mixed.text.encode()
    assert mixed.unit == ("sentence" if "\n" in text or "。" in text else "stretch")
    assert mixed.units >= min(MIN_SENTENCES, len(tokenizer.encode(text)) // 40)
    for limit in (1, 2, 7, 100, 10_000):
        head = beginning(text, tokenizer, limit)
        assert text.startswith(head)
        assert len(tokenizer.encode(head)) <= limit


def test_a_text_is_cut_between_words_close_to_the_limit(tokenizer) -> None:
    whole = tokenizer.encode(TEXT)
    for limit in range(200, 260):
        head = beginning(TEXT, tokenizer, limit)
        assert TEXT[len(head)].isspace()
        assert not head[-1].isspace()
        tokens = tokenizer.encode(head)
        assert limit - 12 < len(tokens) <= limit
        assert (tokens.ids == whole.ids[: len(tokens)]).all()


def test_the_untrained_model_has_the_shape_and_nothing_else(tiny_model) -> None:
    model = tiny_model("mac")
    before = torch.random.get_rng_state()
    blank, again, other = untrained(model), untrained(model), untrained(model, seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert blank.config == model.config
    assert not blank.training
    for (name, p), q, r in zip(blank.named_parameters(), again.parameters(), model.parameters(), strict=True):
        assert torch.equal(p, q)
        assert not p.requires_grad
        assert not torch.equal(p, r), name
    assert not torch.equal(blank.embed.weight, other.embed.weight)


def test_three_answers_side_by_side(tiny_model, tokenizer) -> None:
    model = tiny_model("mag")
    told: list[tuple[int, int]] = []
    found = compare(model, TEXT, limit=400, seed=2, progress=lambda done, total: told.append((done, total)))
    head = beginning(TEXT, tokenizer, 400)
    assert found.as_is == sanity(trace(model, head), seed=2)
    assert found.shuffled == sanity(trace(model, shuffled(head, tokenizer, 2).text), seed=2)
    assert found.untrained == sanity(trace(untrained(model, 2), head), seed=2)
    assert found.text_tokens == len(tokenizer.encode(TEXT)) > found.limit == 400
    assert found.tokens == found.as_is.tokens == found.untrained.tokens == len(tokenizer.encode(head))
    assert found.unit == "sentence"
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == told[-1][1] == sum(x.tokens for x in (found.as_is, found.shuffled, found.untrained))


def test_what_cannot_be_compared_is_refused_before_anything_runs(tiny_model) -> None:
    def never(done: int, total: int) -> None:
        raise AssertionError("ran")

    for variant in ("transformer", "lightning"):
        with pytest.raises(ConfigError, match=f"a {variant} has no memory"):
            compare(tiny_model(variant), TEXT, progress=never)
    model = tiny_model("mac")
    with pytest.raises(ConfigError, match=f"at least {MIN_TOKENS} tokens; the text has 6"):
        compare(model, "It rained all day.", progress=never)
    with pytest.raises(ConfigError, match="limit is 100"):
        compare(model, TEXT, limit=100, progress=never)
    with pytest.raises(ConfigError, match="unknown signal 'nll'"):
        compare(model, TEXT, "nll", progress=never)
