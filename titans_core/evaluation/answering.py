"""Scoring answers: many episodes side by side, read in slabs of tokens, at constant memory on the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from titans_core.config import ModelConfig
from titans_core.errors import ConfigError
from titans_core.evaluation.forms import Form, error_kind, find_value
from titans_core.evaluation.reading import Greedy, Rows, decode, read
from titans_core.model import Model
from titans_core.settings import Settings
from titans_core.tasks import Episode, Role

SPREAD = 16  # tokens that the beginnings of the answers of one batch may lie apart
_SMALLEST = 1e-300  # keeps the logarithm finite


class Answer(NamedTuple):
    """What the model made of one episode.

    exact: greedy decoding gives the answer, which is the same event as: every answer token is the most likely one
    after the true tokens before it. (Where an episode has several answers, what stands between them is given.)
    tokens, right: answer tokens, and how many of them were the most likely; bits: -log2 p of the whole answer.
    value: the well-formed value that greedy decoding begins with, or None; confidence: the mean probability of its
    tokens, 0.0 without one; kind: "right" or one of forms.KINDS. Without a form these three are None, 0.0 and "".
    """

    exact: bool
    tokens: int
    right: int
    bits: float
    value: str | None = None
    confidence: float = 0.0
    kind: str = ""
    said: str = ""


class Batching(NamedTuple):
    """rows: episodes read side by side; tokens: of all rows in one forward. Results do not depend on it."""

    rows: int
    tokens: int

    @classmethod
    def of(cls, device: torch.device) -> Batching:
        return cls(256, 262_144) if device.type == "cuda" else cls(32, 4096)


def device_name(device: torch.device) -> str:
    """cpu, or which card: what a number was measured on."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def score(
    model: Model,
    episodes: Sequence[Episode],
    settings: Settings,
    form: Form | None = None,
    *,
    batching: Batching | None = None,
    progress: Callable[[int], None] = lambda tokens: None,
) -> list[Answer]:
    """One Answer per episode, in order. The rows of a batch never mix, so each is what it would be alone.

    form: decode greedily what the model says instead where it is wrong. progress: called with tokens just read.
    Raises ConfigError for an episode without an answer, or whose answer is its first token.
    """
    batching = Batching.of(model.device) if batching is None else batching
    starts = np.array([_answer_start(episode) for episode in episodes], np.int64)
    answers: dict[int, Answer] = {}
    with torch.inference_mode():
        for group in _groups(starts, batching.rows):
            texts = [episodes[i] for i in group]
            scored = _score_group(model, texts, starts[group], settings, form, batching.tokens, progress)
            answers.update(zip(group, scored, strict=True))
    return [answers[i] for i in range(len(episodes))]


def _answer_start(episode: Episode) -> int:
    at = np.flatnonzero(episode.role == Role.ANSWER)
    if not len(at) or not at[0]:
        raise ConfigError(f"an episode of {episode.task} has no answer after its first token; nothing can be scored")
    return int(at[0])


def _groups(starts: np.ndarray, rows: int) -> Iterator[list[int]]:
    """Indices of at most `rows` episodes whose answers begin within SPREAD tokens of each other."""
    group: list[int] = []
    for i in np.argsort(starts, kind="stable").tolist():
        if group and (len(group) == rows or starts[i] - starts[group[0]] > SPREAD):
            yield group
            group = []
        group.append(i)
    if group:
        yield group


def _score_group(
    model: Model,
    episodes: list[Episode],
    starts: np.ndarray,
    settings: Settings,
    form: Form | None,
    budget: int,
    progress: Callable[[int], None],
) -> list[Answer]:
    cut = unseen(model.config, settings, int(starts.min()))
    progress(cut * len(episodes))
    rows = _rows(episodes, starts, model.tokenizer.separator, cut)
    unit = model.config.unit
    slab = max(unit, budget // len(episodes) // unit * unit)  # whole units, so that nothing is computed twice
    # persistent tokens have no position, but what asks them has: so the stream goes on at `cut`, from nothing
    state = replace(model.start(len(episodes)), position=cut) if cut else None
    marks, forked = read(model, rows, slab, settings, progress, state)
    answers = []
    for row in range(len(episodes)):
        right, p = marks.right[marks.row == row], marks.p[marks.row == row]
        bits = -float(np.log2(np.maximum(p, _SMALLEST)).sum())
        answers.append(Answer(bool(right.all()), len(right), int(right.sum()), bits, None, float(p.mean())))
    if form is None:
        return [answer._replace(confidence=0.0) for answer in answers]
    if all(answer.exact for answer in answers):
        greedy = Greedy(np.empty((len(answers), 0), np.int32), np.empty((len(answers), 0)))
    else:
        greedy = decode(model, rows, forked, form.tokens, settings)
    return [
        _explained(model, episode, answer, form, greedy.tokens[row], greedy.p[row], int(starts[row]))
        for row, (episode, answer) in enumerate(zip(episodes, answers, strict=True))
    ]


def _explained(
    model: Model, episode: Episode, answer: Answer, form: Form, decoded: np.ndarray, p: np.ndarray, start: int
) -> Answer:
    """With what was decoded instead, where it is wrong; p: the probabilities of the decoded tokens."""
    if answer.exact:
        return answer._replace(value=episode.answers[0], kind="right", said=episode.answers[0])
    tokens = decoded.tolist()
    value = find_value(model.tokenizer, tokens, form)
    first_right = len(episode.answers) > 1 and value is not None and value.text == episode.answers[0]
    kind = error_kind(episode.ids[:start], tokens, value, first_right)
    if value is None:
        return answer._replace(value=None, confidence=0.0, kind=kind, said=model.tokenizer.decode(tokens))
    return answer._replace(value=value.text, confidence=float(p[: value.tokens].mean()), kind=kind, said=value.text)


def unseen(config: ModelConfig, settings: Settings, start: int) -> int:
    """How many tokens at the start have no part in what is said at `start`: without reads only windows look back."""
    without = settings.zero_reads or settings.freeze_writes or not config.has_memory
    if not without or config.variant == "lightning":
        return 0
    return max(0, start - config.layers * config.window) // config.window * config.window  # of whole segments


def _rows(episodes: list[Episode], starts: np.ndarray, filler: int, cut: int) -> Rows:
    """Side by side from token `cut` on, filled up at the right: what stands after a row changes nothing in it."""
    longest = max(map(len, episodes)) - cut
    ids = np.full((len(episodes), longest), filler, np.int32)
    wanted = np.zeros((len(episodes), longest), bool)
    for row, episode in enumerate(episodes):
        ids[row, : len(episode) - cut] = episode.ids[cut:]
        wanted[row, : len(episode) - cut] = episode.role[cut:] == Role.ANSWER
    return Rows(ids, wanted, starts - cut, int(starts.min()) - cut - 1)
