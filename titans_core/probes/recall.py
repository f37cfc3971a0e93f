"""Does it still know? A fact of a document is asked for as the reading goes on: of the memory, and of the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from titans_core.errors import ConfigError, TextError
from titans_core.model import Model, ModelState
from titans_core.probes.asking import Said, ask, near, without_reads
from titans_core.probes.held import Held, bystanders, followers, held
from titans_core.probes.places import Place, tokens_of
from titans_core.probes.questions import Question
from titans_core.probes.reading_on import read_on
from titans_core.probes.recalled import POINTS, QUESTION, QUESTIONS

STEP = 32  # tokens: a memory tells its weights at least so often
ALIGNED = 64  # tokens: a model is asked after multiples of these, so that no segment is read twice


@dataclass(frozen=True)
class Asked:
    """What a model says to the cue after so many tokens of the document.

    memory: as it is. zeroed: with all reads of the memory zeroed. removed: of a document without the fact.
    """

    tokens: int
    memory: Said
    zeroed: Said
    removed: Said


@dataclass(frozen=True)
class Recall:
    """start, end: the tokens of the fact; total: of the document. held: by layer; asked: at fewer points."""

    checkpoint: str
    start: int
    end: int
    total: int
    cue: str
    answer: str
    held: Held
    asked: tuple[Asked, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON: NaN as None."""
        found = asdict(self)
        found["held"] = {name: _plain(values) for name, values in self.held._asdict().items()}
        found["asked"] = [
            {"tokens": one.tokens} | {name: getattr(one, name)._asdict() for name in ("memory", "zeroed", "removed")}
            for one in self.asked
        ]
        return found


def recall(
    model: Model,
    place: Place,
    cue: str,
    answer: str,
    *,
    points: int = POINTS,
    questions: int = QUESTIONS,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Recall:
    """Read the document of `place` and ask for its fact at later points, as near to its end and as far as there are.

    points: of the memory itself, every 32 tokens at most; questions: of the model, every 64. Both lie denser near the
    fact, where most is lost.
    progress(done, total): tokens to be read, with those that are read again for windows alone, and 250 for a question,
    which takes about as long; may raise to cancel.
    Raises ConfigError for a model without memory or counts below 1, TextError where the document ends with the fact.
    """
    if not model.config.has_memory:
        raise ConfigError(f"{model.name} is a {model.config.variant}, which has no memory to be probed")
    for name, value in (("points", points), ("questions", questions)):
        if value < 1:
            raise ConfigError(f"{name} is {value}; it must be at least 1")
    question = Question.of(model.tokenizer, cue, answer)
    encoding = model.tokenizer.encode(place.text)
    start, end = tokens_of(encoding, place)
    total, span = len(encoding.ids), end - start
    stops = spaced(end, total, questions, ALIGNED)
    if not len(stops):
        raise TextError(f"fewer than {ALIGNED} tokens follow the fact: add text that is read after it")
    listeners = followers(model, start, end, spaced(end, total, points, STEP))
    windows = sum(near(model, stop) for stop in stops.tolist())
    telling = _Telling(progress, 2 * total - span + windows + 3 * len(stops) * QUESTION)

    def put(state: ModelState) -> Said:
        said = ask(model, state, question)
        telling(QUESTION)
        return said

    remembered = {
        stop: put(state)
        for stop, state in read_on(model, encoding.ids, stops.tolist(), listeners=listeners, progress=telling)
        if stop in set(stops.tolist())
    }
    others = bystanders(listeners)
    without = np.delete(encoding.ids, slice(start, end))
    cuts = (stops - span).tolist()
    removed = {
        stop + span: put(state)
        for stop, state in read_on(model, without, cuts, listeners=others, progress=telling)
        if stop in set(cuts)
    }
    asked = []
    for stop in stops.tolist():
        zeroed = without_reads(model, encoding.ids[:stop], question, telling)
        telling(QUESTION)
        asked.append(Asked(stop, remembered[stop], zeroed, removed[stop]))
    return Recall(model.name, start, end, total, cue, answer, held(listeners, others), tuple(asked))


def spaced(end: int, total: int, count: int, step: int) -> np.ndarray:
    """`count` multiples of `step` from `end` to `total`, all where there are fewer; denser near the beginning."""
    low, high = -(-end // step), total // step
    if low > high:
        return np.empty(0, np.int64)
    if count == 1:
        return np.array([high * step])
    near = np.geomspace(1, high - low + 1, count // 2).round().astype(np.int64) - 1
    rest = np.setdiff1d(np.arange(high - low + 1), near)[::-1]  # the last first: it is always one
    more = min(count - len(np.unique(near)), len(rest))
    far = rest[np.linspace(0, len(rest) - 1, more).round().astype(np.int64)]
    return (low + np.union1d(near, far)) * step


class _Telling:
    """Adds up what was read."""

    def __init__(self, progress: Callable[[int, int], None], total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self, tokens: int) -> None:
        self._done += tokens
        self._progress(min(self._done, self._total), self._total)


def _plain(values: np.ndarray) -> list[Any]:
    told = values.astype(object)
    told[~np.isfinite(values)] = None
    return list(told.tolist())
