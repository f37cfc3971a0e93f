"""A whole evaluation: every job of a plan, saved after each, so that it can be stopped and gone on with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from titans_core.corpus import token_stream, validation_documents
from titans_core.errors import ConfigError
from titans_core.evaluation.answering import device_name
from titans_core.evaluation.cells import CONTROLS, Cell, Job
from titans_core.evaluation.lambada import read_passages, run_lambada
from titans_core.evaluation.needles import digest, episode, run_cell
from titans_core.evaluation.report import Report
from titans_core.evaluation.validation import evaluate
from titans_core.model import Model
from titans_core.tasks import Episode, Prose, TaskSource
from titans_core.tokenizer import Tokenizer

Progress = Callable[[int], None]
_WITHOUT_CORPUS = {"passkey", "lambada"}  # tasks


@dataclass(frozen=True)
class Materials:
    """What is read: the validation file of `corpus` for haystacks, and `evaluation`/babi/en and /lambada.

    Each is read when first used, or by `read`. Raises ConfigError then for what is not there.
    """

    tokenizer: Tokenizer
    corpus: Path | None = None
    evaluation: Path | None = None

    def read(self, jobs: Sequence[Job]) -> None:
        """Read what these jobs need, the quick to check first: nothing is to be found missing after hours."""
        tasks = {job.key.task for job in jobs}
        if tasks - _WITHOUT_CORPUS:
            _ = self.validation_files
        if any(task.startswith("babi") for task in tasks):
            self._check("babi/en")
        if "lambada" in tasks:
            _ = self.passages
        if tasks - {"lambada", "validation"}:
            _ = self.source

    @cached_property
    def source(self) -> TaskSource:
        prose = None
        if self.corpus is not None:
            prose = Prose(token_stream(self.validation_files, self.tokenizer, 1), self.tokenizer)
        babi = self.evaluation / "babi" / "en" if self.evaluation is not None else None
        folder = babi if babi is not None and babi.is_dir() else None
        return TaskSource(self.tokenizer, "test", prose, folder, pairs=1.0)  # adjective-noun keys, as in RULER

    @cached_property
    def passages(self) -> list[Episode]:
        if self.evaluation is None:
            raise ConfigError("LAMBADA is read from the folder of evaluation data; give --eval-data")
        return read_passages(self._check("lambada/lambada_test.jsonl"), self.tokenizer)

    @property
    def validation_files(self) -> list[Path]:
        if self.corpus is None:
            raise ConfigError("held-out documents are read from the folder of the corpus; give --data")
        files = sorted(self.corpus.glob("validation.jsonl*"))
        if not files:
            raise ConfigError(f"{self.corpus} holds no validation.jsonl, .jsonl.gz or .jsonl.xz; give a corpus folder")
        return files

    def files(self, task: str) -> list[Path]:
        """All files that the texts of this task come from. Raises ConfigError for what is not there."""
        found = [] if task in _WITHOUT_CORPUS else list(self.validation_files)
        if task == "lambada":
            found.append(self._check("lambada/lambada_test.jsonl"))
        if task.startswith("babi"):
            found += sorted(self._check("babi/en").iterdir())
        return found

    def _check(self, name: str) -> Path:
        path = (self.evaluation or Path()) / name
        if not path.exists():
            raise ConfigError(
                f"there is no {path}; give as --eval-data the folder that holds {name}, or other --tasks that need none"
            )
        return path

    def lacking(self, job: Job) -> str:
        """The option that this job needs and that was not given, or ""."""
        task = job.key.task
        if (task == "lambada" or task.startswith("babi")) and self.evaluation is None:
            return "--eval-data"
        return "--data" if self.corpus is None and task not in _WITHOUT_CORPUS else ""


def run_job(model: Model, materials: Materials, job: Job, report: Report, progress: Progress) -> Cell | None:
    """Fill one cell of `report`, unless it is filled. Returns the cell, None for held-out documents."""
    task, _, control = job.key
    if task == "validation":
        _validate(model, materials, control, report)
        return None
    if task == "lambada":
        passages = materials.passages[: job.n]
        if not report.has(Job(job.key, len(passages)), digest(passages[0])):
            report.cells[job.key] = run_lambada(model, passages, control, progress)
    else:
        n = job.n or 0
        if not report.has(job, digest(episode(materials.source, report.header["seed"], job.key, 0))):
            report.cells[job.key] = run_cell(model, materials.source, report.header["seed"], job.key, n, progress)
    return report.cells[job.key]


def _validate(model: Model, materials: Materials, control: str, report: Report) -> None:
    if control in report.validation:
        return
    documents = validation_documents(materials.validation_files, model.tokenizer)
    found = evaluate(model, documents, CONTROLS[control])
    report.validation[control] = {
        **found._asdict(),
        "documents": len(documents),
        "device": device_name(model.device),
    }


def possible(jobs: Sequence[Job], materials: Materials) -> tuple[list[Job], dict[str, list[str]]]:
    """The jobs that can be run, and by missing option the tasks that cannot."""
    done: list[Job] = []
    left: dict[str, list[str]] = {}
    for job in jobs:
        if option := materials.lacking(job):
            left.setdefault(option, []).append(job.key.task)
        else:
            done.append(job)
    return done, {option: list(dict.fromkeys(tasks)) for option, tasks in left.items()}
