"""bAbI QA1 to QA5 as in BABILong: the statements of one story scattered in order through prose, a question after."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from titans_core.errors import ConfigError
from titans_core.tasks.compose import Composer, Piece
from titans_core.tasks.exam import Exam
from titans_core.tasks.scatter import Thread, size
from titans_core.tasks.vocabulary import Split

TASKS = ("babi", "babi1", "babi2", "babi3", "babi4", "babi5")
PER_STORY = 1024  # tokens of a training text for each story

_LINE = re.compile(r"(\d+) ([^\t|]*[^\t| ]) ?(?:[\t|]([a-z,A-Z]+)[\t|][\d ]+)?")
_QUESTION = "{question} Answer:{answers}"
_BEGIN = " Here a new story begins."


class Story(NamedTuple):
    """A story up to one of its questions.

    told: the statements before it; question: that question, its answer at the end; steps: statements and
    questions with their answers in the order of the file, that question last.
    """

    told: tuple[Piece, ...]
    question: Piece
    steps: tuple[Piece, ...]


class Stories:
    """The stories of a folder of bAbI files, from its qaN_*_train.txt or qaN_*_test.txt.

    Raises ConfigError for a folder without the files of QA1 to QA5, and for a line that is not bAbI, naming it.
    """

    def __init__(self, composer: Composer, folder: Path, split: Split) -> None:
        self._begin = composer.fact(_BEGIN, {})
        self._stories: list[list[Story]] = []
        for number in range(1, 6):
            files = sorted(Path(folder).glob(f"qa{number}_*_{split}.txt"))
            if len(files) != 1:
                name = f"qa{number}_*_{split}.txt"
                raise ConfigError(
                    f"{folder} holds {len(files)} files {name} instead of one; give the folder en of bAbI"
                )
            self._stories.append(sorted(_stories(composer, files[0]), key=_size))
            if not self._stories[-1]:
                raise ConfigError(f"{files[0]} holds no question; give the folder en of bAbI")
        self._sizes = [np.array([_size(story) for story in group]) for group in self._stories]

    def threads(self, task: str, rng: np.random.Generator, length: int, room: int) -> list[Thread]:
        """A story with all its questions, several in a long text, each from the larger half of those that fit."""
        count = max(1, length // PER_STORY)
        steps: list[Piece] = []
        for n in range(count):
            fits = {g: int(np.searchsorted(self._sizes[g], room / count, side="right")) for g in _groups(task)}
            which = [g for g, stories in fits.items() if stories]
            if not which:
                return []
            group = which[int(rng.integers(len(which)))]
            story = self._stories[group][int(rng.integers(fits[group] // 2, fits[group]))]
            steps += [self._begin, *story.steps] if n else story.steps
        return [Thread(tuple(steps))]

    def exam(self, task: str, rng: np.random.Generator, length: int) -> Exam:
        """A random question, equally often of each QA, and all statements of its story before it.

        Only stories that fit `length` tokens are drawn, as in BABILong: some of QA3 take more than a thousand.
        """
        groups = _groups(task)
        group = groups[int(rng.integers(len(groups)))]
        fitting = int(np.searchsorted(self._sizes[group], length, side="right")) if length else len(self._sizes[group])
        story = self._stories[group][int(rng.integers(max(fitting, 1)))]
        return Exam(story.told, story.question)


def _groups(task: str) -> list[int]:
    return [int(task[4:]) - 1] if task[4:] else [0, 1, 2, 3, 4]


def _size(story: Story) -> int:
    return size(story.steps) + 8  # room for the sentence between stories


def _stories(composer: Composer, file: Path) -> Iterator[Story]:
    told: list[Piece] = []
    steps: list[Piece] = []
    for where, number, text, answer in _lines(file):
        if number == 1:
            told, steps = [], []
        if not answer:
            told.append(composer.fact(" " + text, {}))
            steps.append(told[-1])
            continue
        values = [composer.word(word) for word in answer.split(",")]
        asked = _QUESTION.replace("{question}", "\n" + text)
        steps.append(composer.question(asked + ".", {}, values))
        if not told:
            raise ConfigError(f"{where}: a question before any statement; this is not a bAbI file")
        yield Story(tuple(told), composer.question(asked, {}, values), tuple(steps))


def _lines(file: Path) -> Iterator[tuple[str, int, str, str]]:
    """Of each line: where it is, its number in the story, its sentence, and the answer, "" for a statement."""
    for n, line in enumerate(file.read_text("utf-8").splitlines(), 1):
        found = _LINE.fullmatch(line.rstrip())
        if not found:
            raise ConfigError(f"{file}, line {n} is not a line of bAbI: {line[:40]!r}")
        yield f"{file}, line {n}", int(found[1]), found[2], found[3] or ""
