"""One cell of needles or of bAbI in prose: its texts, the same for every model and control, and their score."""

from __future__ import annotations

import hashlib
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import numpy as np

from titans_core.evaluation.answering import Answer, Batching, device_name, score
from titans_core.evaluation.cells import CONTROLS, Cell, Key, pack, wilson
from titans_core.evaluation.forms import form_of
from titans_core.model import Model
from titans_core.tasks import Episode, TaskSource

CONFIDENT = 0.5  # mean probability over which an invented value counts


def episode(source: TaskSource, seed: int, key: Key, i: int) -> Episode:
    """Text number i of a cell: a function of seed, task, length and i alone, whatever model or control it is for.

    Raises ConfigError as `TaskSource.test` does.
    """
    length = key.length or 0
    name = zlib.crc32(key.task.encode())
    rng = np.random.default_rng(np.random.SeedSequence([seed, name, length, i]))
    return source.test(key.task, rng, length, absent=key.control == "absent")


def run_cell(
    model: Model,
    source: TaskSource,
    seed: int,
    key: Key,
    n: int,
    progress: Callable[[int], None] = lambda tokens: None,
    batching: Batching | None = None,
) -> Cell:
    """The first n texts of the cell.

    In the absent control, `right` counts answers that are right by luck, and `invented` the texts in which the model
    confidently invents one: greedy decoding from the beginning of the answer gives a well-formed value (seven
    digits, adjective-noun, one word; see forms.py) whose tokens have a mean probability over 0.5.
    """
    begun = time.monotonic()
    batching = Batching.of(model.device) if batching is None else batching
    texts = (episode(source, seed, key, i) for i in range(n))
    answers: list[Answer] = []
    truths: list[str] = []
    sample = ""
    for batch in _batches(texts, batching.rows):  # only as many texts in memory as are read side by side
        sample = sample or digest(batch[0])
        form = form_of(key.task)
        answers += score(model, batch, CONTROLS[key.control], form, batching=batching, progress=progress)
        truths += [", ".join(text.answers) for text in batch]
    cell = summary(key, answers, sample, time.monotonic() - begun, device_name(model.device))
    extra: dict[str, object] = {}
    if key.control == "absent":
        extra["invented"] = sum(a.value is not None and a.confidence > CONFIDENT for a in answers)
    if key.task.startswith("babi"):
        counts = Counter(truths)
        extra |= {"majority": max(counts.values()) / n, "random": 1 / len(counts)}
    return Cell(**{**cell.to_dict(), "length": key.length, **extra})


def summary(key: Key, answers: Sequence[Answer], sample: str, seconds: float, device: str) -> Cell:
    """The cell of these answers. Raises ConfigError where there are none."""
    n, right = len(answers), sum(answer.exact for answer in answers)
    low, high = wilson(right, n)
    kinds = Counter(answer.kind for answer in answers if answer.kind not in ("", "right"))
    return Cell(
        **key._asdict(),
        n=n,
        right=right,
        rate=right / n,
        low=low,
        high=high,
        bits=float(np.mean([answer.bits for answer in answers])),
        token_rate=sum(answer.right for answer in answers) / sum(answer.tokens for answer in answers),
        outcomes=pack([answer.exact for answer in answers]),
        sample=sample,
        seconds=round(seconds, 2),
        device=device,
        kinds=dict(sorted(kinds.items())),
    )


def digest(text: Episode) -> str:
    """Of its tokens, to tell whether two evaluations read the same."""
    return hashlib.sha256(text.ids.astype("<i4").tobytes()).hexdigest()[:16]


def _batches(texts: Iterator[Episode], rows: int) -> Iterator[list[Episode]]:
    while batch := list(islice(texts, rows)):
        yield batch
