"""What is asked about: a document and a fact in it. No torch here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from titans_core.documents import Document, Section
from titans_core.errors import StoreError

_KINDS: dict[str, type | tuple[type, ...]] = {
    "title": str,
    "text": str,
    "start": int,
    "end": int,
    "cue": str,
    "answer": str,
    "planted": bool,
    "pages": list,
    "sections": list,
    "files": list,
    "depth": (int, float),
}


@dataclass(frozen=True)
class Subject:
    """A document in which a fact stands, and how the fact is asked for. Offsets count the characters of `text`.

    text: with the fact. start, end: of the fact; 0, 0 for none. planted: it was put in, at `depth` of the document,
    0..1, as it was asked for. pages: where each begins. sections: (start, level, title) of each heading. files: of a
    text of several, (start, name) of each.
    """

    title: str
    text: str
    start: int
    end: int
    cue: str
    answer: str
    planted: bool
    pages: tuple[int, ...] = ()
    sections: tuple[tuple[int, int, str], ...] = ()
    depth: float = 0.0
    files: tuple[tuple[int, str], ...] = ()

    @property
    def fact(self) -> str:
        return self.text[self.start : self.end]

    def place(self, offset: int) -> str:
        """Where a character stands: "page 41, Methods, paragraph 12", as far as it is known."""
        return self._document.place(offset)

    @cached_property
    def _document(self) -> Document:
        sections = tuple(Section(*section) for section in self.sections)
        return Document(self.title, "text", self.text, pages=self.pages, sections=sections, files=self.files)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Any) -> Subject:
        """What `to_dict` gave, once it was JSON. Raises StoreError for anything else."""
        if not isinstance(values, dict) or values.keys() != _KINDS.keys():
            raise StoreError("this is not a document with a fact, as this version stores one")
        for name, kind in _KINDS.items():
            if not isinstance(values[name], kind) or (isinstance(values[name], bool) and name != "planted"):
                raise StoreError(f"the stored document is damaged: its {name} is a {type(values[name]).__name__}")
        whole = (
            all(type(page) is int for page in values["pages"])
            and all(_is(section, int, int, str) for section in values["sections"])
            and all(_is(file, int, str) for file in values["files"])
        )
        if not whole or not 0 <= values["start"] <= values["end"] <= len(values["text"]):
            raise StoreError("the stored document is damaged: its fact or its places lie outside its text")
        listed = {name: tuple(map(tuple, values[name])) for name in ("sections", "files")}
        return cls(**values | listed | {"pages": tuple(values["pages"])})


def _is(found: Any, *kinds: type) -> bool:
    return isinstance(found, list) and [type(part) for part in found] == list(kinds)
