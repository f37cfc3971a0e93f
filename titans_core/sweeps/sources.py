"""Where what cells name by sha256 is found: checkpoints, documents and corpora. No torch here."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from titans_core.assets import ROOT
from titans_core.errors import CheckpointError, ConfigError
from titans_core.sweeps.cells import Identity


@dataclass(frozen=True)
class Sources:
    """Sent to every process that measures.

    checkpoints: the shipped name or the folder of each model. documents: texts by their sha256. corpus, evaluation:
    folders, as of `titans eval`. Folders have to be at the same path on every machine.
    """

    checkpoints: dict[Identity, str] = field(default_factory=dict)
    documents: dict[str, str] = field(default_factory=dict)
    corpus: Path | None = None
    evaluation: Path | None = None

    def checkpoint(self, model: Identity) -> str:
        """Raises CheckpointError for a model that is not among them."""
        if model not in self.checkpoints:
            raise CheckpointError(f"no checkpoint was given for the weights {model.weights[:12]}")
        return self.checkpoints[model]

    def haystack(self, digest: str) -> str | None:
        """The document of this sha256; None for the sample texts. Raises ConfigError where they are others here."""
        if digest in self.documents:
            return self.documents[digest]
        if digest != (here := samples_sha256()):
            raise ConfigError(f"the text {digest[:12]} was not given, and the sample texts here are {here[:12]}")
        return None


def text_sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def samples_sha256() -> str:
    """Of the texts that `probes.spots.haystack` takes without a document."""
    return files_sha256(sorted(ROOT.glob("samples/*.txt")))


def files_sha256(files: Sequence[Path]) -> str:
    """Of the names and contents of these files. Raises ConfigError for one that cannot be read."""
    told = hashlib.sha256()
    for path in files:
        try:
            with open(path, "rb") as file:
                one = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
        told.update(f"{path.name} {one}\n".encode())
    return told.hexdigest()
