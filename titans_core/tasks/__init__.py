"""Generated tasks with known answers: what a memory is trained on and tested with. Numpy only, seeded by the caller."""

from titans_core.tasks.background import Prose, Repeat, Words
from titans_core.tasks.episode import Episode, Role
from titans_core.tasks.source import TASKS, TaskSource
from titans_core.tasks.vocabulary import Split, Vocabulary, frequent_words

__all__ = [
    "TASKS",
    "Episode",
    "Prose",
    "Repeat",
    "Role",
    "Split",
    "TaskSource",
    "Vocabulary",
    "Words",
    "frequent_words",
]
