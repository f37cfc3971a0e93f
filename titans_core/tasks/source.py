"""One episode of any task, for training or for testing, from nothing but the random generator handed in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from titans_core.errors import ConfigError
from titans_core.tasks import babi as stories
from titans_core.tasks import copying, needles, recall, tracking
from titans_core.tasks.background import Draw, Prose, Repeat, Source, Words
from titans_core.tasks.compose import Composer, Piece
from titans_core.tasks.episode import Episode
from titans_core.tasks.exam import Exam, Kit
from titans_core.tasks.scatter import Placed, Thread, scatter, size, weave
from titans_core.tasks.vocabulary import Split, Vocabulary
from titans_core.tokenizer import Tokenizer

TASKS: tuple[str, ...] = (*needles.TASKS, "recall", "copy", "tracking", *stories.TASKS)

_THREADS = {"recall": recall.threads, "copy": copying.threads, "tracking": tracking.threads}
_EXAMS = {"recall": recall.exam, "copy": copying.exam, "tracking": tracking.exam}
_SHARE = 0.7  # of a training text that facts and questions may take
_INTRO_FROM = 192  # tokens: shorter training texts have no introduction
_EMPTY = Draw(np.empty(0, np.int32), np.zeros(1, np.int64))


class TaskSource:
    """Episodes of the tasks TASKS, whose words and numbers are those of `split` (see Vocabulary).

    prose: background of the needles, of tracking and of bAbI, and half of that of recall and copy in training;
    give training and testing different documents. babi: the folder of the bAbI files. pairs: the share of keys
    that are adjective-noun pairs, as in RULER, instead of single words. more: see Vocabulary.

    train and test raise ConfigError for an unknown task, for a task that needs `prose` or `babi` where it is
    None, and for a length that holds no fact and question.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        split: Split,
        prose: Prose | None,
        babi: Path | None = None,
        *,
        pairs: float = 0.0,
        more: Sequence[str] = (),
    ) -> None:
        self._composer = Composer(tokenizer)
        self._kit = Kit(self._composer, Vocabulary(self._composer, split, more), pairs)
        self._prose = prose
        self._repeat = Repeat(self._composer)
        self._words = Words(self._composer, self._kit.vocabulary.words)
        self._stories = stories.Stories(self._composer, babi, split) if babi else None

    def train(self, task: str, rng: np.random.Generator, length: int) -> Episode:
        """`length` tokens full of facts and questions about them; after an answer the text goes on."""
        source = self._background(task, rng, training=True)
        intro: list[int] = []
        if task in needles.TASKS and length >= _INTRO_FROM and rng.random() < 0.5:
            intro = self._composer.ids(needles.intro(task))
        threads = _fitting(self._threads(task, rng, length), length - len(intro))
        if not threads:
            raise ConfigError(f"a training text of {length} tokens cannot hold a fact and a question of {task}")
        pieces = [piece for thread in threads for piece in (*thread.told, *thread.asked)]
        draw = source.draw(rng, length - len(intro) - size(pieces))
        return weave(task, intro, draw, scatter(rng, threads, draw))

    def test(
        self, task: str, rng: np.random.Generator, length: int, *, depth: float | None = None, absent: bool = False
    ) -> Episode:
        """`length` tokens: introduction, haystack with the facts, question, and the answer as the last tokens.

        depth: where in the haystack the facts asked for stand, 0 to 1, all together at the nearest start of a
        sentence; None: each somewhere. Other facts stand anywhere. absent: the same without the facts asked for;
        `answers` and Role.ANSWER are then what would be right if they stood there. length 0: facts and question
        alone, without a haystack, in as many tokens as they take.

        Also raises ConfigError for a depth outside 0..1.
        """
        if depth is not None and not 0 <= depth <= 1:
            raise ConfigError(f"depth is {depth}; it is a place in the haystack from 0 (its beginning) to 1 (its end)")
        source = self._background(task, rng, training=False)
        exam = self._exam(task, rng, length)
        told = () if absent else exam.told
        intro = self._composer.ids(exam.intro) if exam.intro else []
        needed = len(intro) + size([*told, *exam.others, exam.question])
        if (absent and length <= needed) or 0 < length < needed:
            raise ConfigError(f"{task} needs {needed} tokens here without any haystack; length is {length}")
        draw = source.draw(rng, length - needed) if length else _EMPTY
        placed = [*_at(rng, draw, exam.others, None), *_at(rng, draw, told, depth)]
        return weave(task, intro, draw, placed, tail=exam.question)

    def _threads(self, task: str, rng: np.random.Generator, length: int) -> list[Thread]:
        if task in needles.TASKS:
            return needles.threads(task, self._kit, rng, length)
        if task in stories.TASKS:
            return self._babi(task).threads(task, rng, length, int(_SHARE * length))
        return _THREADS[task](self._kit, rng, length)

    def _exam(self, task: str, rng: np.random.Generator, length: int) -> Exam:
        if task in needles.TASKS:
            return needles.exam(task, self._kit, rng)
        if task in stories.TASKS:
            return self._babi(task).exam(task, rng, length)
        return _EXAMS[task](self._kit, rng, length)

    def _background(self, task: str, rng: np.random.Generator, *, training: bool) -> Source:
        if task not in TASKS:
            raise ConfigError(f"there is no task {task!r}; there are {', '.join(TASKS)}")
        if task == "passkey":
            return self._repeat
        if task in ("recall", "copy") and (self._prose is None or (training and rng.random() < 0.5)):
            return self._words
        if self._prose is None:
            raise ConfigError(f"the task {task} hides its facts in prose; give TaskSource a Prose")
        return self._prose

    def _babi(self, task: str) -> stories.Stories:
        if self._stories is None:
            raise ConfigError(f"the task {task} reads bAbI files; give TaskSource babi=, the folder of qa1_*_train.txt")
        return self._stories


def _fitting(threads: list[Thread], room: int) -> list[Thread]:
    """As many of the threads, from the first, as leave enough background; the first if it fits at all."""
    ends = np.cumsum([size([*thread.told, *thread.asked]) for thread in threads])
    count = int(np.searchsorted(ends, _SHARE * room, side="right"))
    return threads[: max(count, 1)] if threads and ends[0] <= room else []


def _at(rng: np.random.Generator, draw: Draw, pieces: Sequence[Piece], depth: float | None) -> list[Placed]:
    """The pieces in their order: at the start of a sentence (or the end) nearest to `depth`, or each anywhere."""
    gaps = np.append(draw.starts, len(draw.ids))
    if depth is None:
        wanted = np.sort(rng.random(len(pieces))) * len(draw.ids)
    else:
        wanted = np.full(len(pieces), depth * len(draw.ids))
    after = np.searchsorted(gaps, wanted).clip(1, len(gaps) - 1)
    nearest = np.where(wanted - gaps[after - 1] <= gaps[after] - wanted, gaps[after - 1], gaps[after])
    return [Placed(at, False, piece) for at, piece in zip(nearest.tolist(), pieces, strict=True)]
