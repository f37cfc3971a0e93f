"""On CUDA: the kernels of a memory of two layers, one by one: milliseconds, registers, spills; and their errors.

python benchmarks/memory_kernels.py [--precision highest,high,medium] [--batch 8] [--tokens 4096]

4 heads of width 64, 128 wide between the layers, chunk 64. Errors are relative to the plain form in float64, for one
text: of reads and of what is left by norm, of signals the largest of any token (alignment: absolute).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import click
import torch
from torch import Tensor
from triton.runtime.jit import JITFunction

from titans_core.memory import MemoryScan, memory_scan

HEADS, WIDTH, HIDDEN, CHUNK = 4, 64, 128, 64


@click.command()
@click.option("--precision", default="highest,high,medium", show_default=True)
@click.option("--batch", default=8, show_default=True)
@click.option("--tokens", default=4096, show_default=True)
def main(precision: str, batch: int, tokens: int) -> None:
    """Forward, with signals, and with gradients."""
    compiled = _compiled()
    given = _given(batch, tokens)
    single = [x.float() for x in given]
    for name in precision.split(","):
        torch.set_float32_matmul_precision(name)
        click.echo(f"\n{torch.cuda.get_device_name()}, {batch} x {tokens} tokens, products: {name}")
        with torch.inference_mode():
            _errors(_scan([x[:1] for x in given], signals=True), _scan([x[:1] for x in single], signals=True))
            for what, run in (("forward", lambda: _scan(single)), ("signals", lambda: _scan(single, signals=True))):
                _show(what, run, batch * tokens, compiled)
        leaves = [x.clone().requires_grad_() for x in single]
        towards = torch.randn_like(single[0])
        _show("gradients", lambda: _scan(leaves).reads.backward(towards), batch * tokens, compiled)  # noqa: B023


def _given(batch: int, tokens: int) -> list[Tensor]:
    random = torch.Generator("cuda").manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random, device="cuda", dtype=torch.float64)

    qkv = [torch.nn.functional.normalize(normal(batch, HEADS, tokens, WIDTH), dim=-1) for _ in range(3)]
    gates = [scale * normal(batch, HEADS, tokens).sigmoid() for scale in (0.06 / CHUNK, 0.9, 0.002)]
    return [*qkv, *gates, normal(batch, HEADS, WIDTH, HIDDEN), 0.1 * normal(batch, HEADS, HIDDEN, WIDTH)]


def _scan(given: list[Tensor], signals: bool = False) -> MemoryScan:
    return memory_scan(*given[:6], tuple(given[6:]), chunk=CHUNK, signals=signals)


def _errors(truth: MemoryScan, found: MemoryScan) -> None:
    pairs = [(found.reads, truth.reads), *zip(found.weights, truth.weights, strict=True)]
    norms = [((a.double() - b).norm() / b.norm()).item() for a, b in pairs]
    assert truth.signals is not None
    assert found.signals is not None
    worst = {}
    for name, wanted in truth.signals.items():
        size = 1 if name == "alignment" else wanted.abs()
        worst[name] = ((found.signals[name].double() - wanted).abs() / size).nan_to_num(0, 0).max().item()
    click.echo(f"errors: reads {norms[0]:.1e}, weights {norms[1]:.1e} {norms[2]:.1e}; signals at most")
    click.echo("  " + ", ".join(f"{name} {value:.1e}" for name, value in worst.items()))


def _compiled() -> dict[str, tuple[int, int]]:
    """Kernel -> registers and spills of the latest launch, filled as kernels run."""
    found: dict[str, tuple[int, int]] = {}
    launch = JITFunction.run

    def run(self: JITFunction, *args: object, **options: object) -> object:
        kernel = launch(self, *args, **options)
        found[self.fn.__name__] = kernel.n_regs, kernel.n_spills
        return kernel

    JITFunction.run = run
    return found


def _show(what: str, run: Callable[[], object], tokens: int, compiled: dict[str, tuple[int, int]]) -> None:
    run()
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(11)]
    for mark in marks[:-1]:
        mark.record()
        run()
    marks[-1].record()
    torch.cuda.synchronize()
    times = sorted(a.elapsed_time(b) for a, b in itertools.pairwise(marks))
    middle = times[len(times) // 2]
    click.echo(f"{what}: {middle:.3f} ms ({times[0]:.3f} to {times[-1]:.3f}), {tokens / middle / 1e3:.2f} M tokens/s")
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        run()
        torch.cuda.synchronize()
    for event in sorted(profile.key_averages(), key=lambda event: -event.self_device_time_total)[:8]:
        if event.self_device_time_total > 5:
            more = compiled.get(event.key)
            size = f"{more[0]} registers, {more[1]} spilled" if more else ""
            click.echo(f"  {event.self_device_time_total / 1e3:.3f} ms  {event.count} x {event.key[:50]:<50} {size}")


if __name__ == "__main__":
    main()
