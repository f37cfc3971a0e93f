import numpy as np
import pytest
import torch

from titans_core import tracing
from titans_core.layers.memory import _unit
from titans_core.memory.equations import memory_steps
from titans_core.settings import Settings
from titans_core.signals import BY_HEAD, OUTPUTS, SIGNALS, sum_heads, sum_layers

TEXT = "The keeper walked along the shore, and it rained. The piano stood there; then it rained again."
NORMS = ["surprise", "momentary", "past_surprise", "momentum", "update", "forgotten", "memory", "read"]
GATES = ["theta", "eta", "alpha", "share_persistent", "share_memory", "share_segment", "gate"]


def test_every_signal_is_labelled_and_has_a_rule_for_heads() -> None:
    assert {*NORMS, *GATES, "loss", "alignment"} == set(SIGNALS)
    assert set(OUTPUTS) == {"nll", "entropy", "id"}
    assert set(BY_HEAD) == {"head_eta", "head_alpha", "head_momentary"}
    everything = SIGNALS | BY_HEAD | OUTPUTS
    for signal in everything.values():
        assert all(signal.attrs().values())
        assert signal.granularity in ("token", "chunk", "segment")
    assert len({signal.long_name for signal in everything.values()}) == len(everything)


def test_heads_add_up_like_the_stacked_heads() -> None:
    """Each head's push and past are built as matrices; over heads, all signals are those of the stack."""
    rng = np.random.default_rng(5)
    layers, heads, tokens = 2, 3, 7
    push, past = rng.normal(size=(2, layers, heads, tokens, 4, 5))
    past[:, 1, 2] = 0  # one head carries nothing
    past[:, :, 0] = 0  # no head does, as at the first token
    push[0, 2, 4] = 0  # one head pushes nothing
    push[1, :, 5] = 0  # none does
    norm = lambda x, *axes: np.sqrt(np.square(x).sum(axes))  # noqa: E731
    with np.errstate(invalid="ignore"):
        cosine = (push * past).sum((-2, -1)) / (norm(push, -2, -1) * norm(past, -2, -1))
        stacked = (push * past).sum((1, 3, 4)) / (norm(push, 1, 3, 4) * norm(past, 1, 3, 4))
    named = {name: rng.random((layers, heads, tokens), np.float32) for name in SIGNALS}
    named |= {"momentary": norm(push, -2, -1), "past_surprise": norm(past, -2, -1), "alignment": cosine}
    named = {name: values.astype(np.float32) for name, values in named.items()}
    result = sum_heads(named)
    assert all(values.shape == (layers, tokens) and values.dtype == np.float32 for values in result.values())
    np.testing.assert_allclose(result["momentary"], norm(push, 1, 3, 4), rtol=1e-6)
    np.testing.assert_allclose(result["past_surprise"], norm(past, 1, 3, 4), rtol=1e-6)
    np.testing.assert_allclose(result["alignment"], stacked, rtol=1e-5, atol=1e-6)
    assert np.isnan(result["alignment"]).sum() == layers + 1
    np.testing.assert_allclose(result["loss"], named["loss"].sum(1), rtol=1e-6)
    for name in GATES:
        np.testing.assert_allclose(result[name], named[name].mean(1), rtol=1e-6, err_msg=name)
    for name in NORMS:
        np.testing.assert_allclose(result[name], np.sqrt(np.square(named[name]).sum(1)), rtol=1e-6, err_msg=name)


def test_one_head_stays_as_it_is() -> None:
    rng = np.random.default_rng(6)
    named = {name: rng.random((2, 1, 5), np.float32) + 0.1 for name in SIGNALS}
    for name, values in sum_heads(named).items():
        np.testing.assert_allclose(values, named[name][:, 0], rtol=1e-6, err_msg=name)


def test_layers_add_up_by_the_same_rules() -> None:
    rng = np.random.default_rng(8)
    values = rng.random((3, 5), np.float32)
    for name in NORMS:
        np.testing.assert_allclose(sum_layers(name, values), np.sqrt((values**2).sum(0)), rtol=1e-6, err_msg=name)
    for name in GATES:
        np.testing.assert_allclose(sum_layers(name, values), values.mean(0), rtol=1e-6, err_msg=name)
    np.testing.assert_allclose(sum_layers("loss", values), values.sum(0), rtol=1e-6)
    values[1:, 1], values[:, 2] = np.nan, np.nan
    alignment = sum_layers("alignment", values)
    assert alignment.dtype == np.float32
    np.testing.assert_allclose(
        alignment[[0, 1, 3]], [values[:, 0].mean(), values[0, 1], values[:, 3].mean()], rtol=1e-6
    )
    assert np.isnan(alignment).tolist() == [False, False, True, False, False]


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("variant", ["mac", "mag", "mal", "lmm"])
def test_a_trace_holds_what_the_equations_give(variant, depth, tiny_model) -> None:
    """End to end: each layer's stream is caught, written token by token in float64, and compared with the trace."""
    model = tiny_model(variant, memory_depth=depth, memory_hidden=6)
    streams = [catch_inputs(block.memory) for block in model.blocks]
    traced = tracing.trace(model, TEXT, heads=True)
    for layer, (block, stream) in enumerate(zip(model.blocks, streams, strict=True)):
        memory = block.memory.double()
        wanted = oracle(memory, torch.cat(stream, 1).double())
        for name, values in wanted.items():
            np.testing.assert_allclose(
                traced[name][layer], values, rtol=1e-3, atol=1e-5, err_msg=f"{name}, layer {layer}"
            )
    assert set(wanted) == {*NORMS, "theta", "eta", "alpha", "loss", "alignment"}


def catch_inputs(memory) -> list[torch.Tensor]:
    seen: list[torch.Tensor] = []
    memory.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    return seen


def oracle(memory, x: torch.Tensor) -> dict[str, np.ndarray]:
    """All signals of one memory layer that reads the stream x (1, T, dim), name -> (heads, T)."""
    start = memory.start(1)
    mixed, _ = memory._convolve(memory.qkv(x), start.tail, memory.conv)
    q, k, v = (memory._split(part) for part in mixed.chunk(3, -1))
    gates = memory.gate(x)
    steps = memory_steps(
        _unit(q), _unit(k), v, *gates, start.weights, chunk=memory.chunk, signals=True, step_cap=memory.step_cap
    )
    named = {**gates._asdict(), **steps.signals, "read": steps.reads.norm(dim=-1)}
    named["momentary"] = named["theta"] * named["surprise"]
    return {name: values[0].numpy() for name, values in named.items()}


def test_the_gate_of_mag_is_the_memory_s_share_of_the_mix(tiny_model) -> None:
    model = tiny_model("mag")
    block, seen = model.blocks[0], []
    block.combine.register_forward_hook(lambda _, inputs, output: seen.append((*inputs, *output)))
    gate = tracing.trace(model, TEXT, heads=True)["gate"][0].values
    (y, m, out, share), combine = seen[0], block.combine
    mixed = share * combine.memory_norm(m) + (1 - share) * combine.attention_norm(y)
    torch.testing.assert_close(combine.out(mixed), out)
    np.testing.assert_allclose(gate, share[0].unflatten(-1, (2, 8)).mean(-1).T, rtol=1e-6)


def test_zeroed_reads_do_not_change_what_the_first_layer_writes(tiny_model) -> None:
    model = tiny_model("mal")
    live = tracing.trace(model, TEXT)
    zeroed = tracing.trace(model, TEXT, settings=Settings(zero_reads=True))
    for name in ("surprise", "memory", "update", "read"):
        np.testing.assert_array_equal(live[name][0], zeroed[name][0])
        assert not np.array_equal(live[name][1], zeroed[name][1])
