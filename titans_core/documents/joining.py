"""Several documents as one text, the places shifted to where each begins."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from titans_core.documents.anchors import MOST_PLACES, Document, Section
from titans_core.documents.building import BETWEEN


def join(documents: Sequence[Document]) -> Document:
    """The texts one after another, a blank line between them. One document stays as it is; there is at least one.

    More than 20,000 pages, or sections, are not kept at all, which `left_out` then says: a part would mislead.
    """
    if len(documents) == 1:
        return documents[0]
    starts = list(accumulate((len(d.text) + len(BETWEEN) for d in documents[:-1]), initial=0))
    placed = list(zip(starts, documents, strict=True))
    pages = [at + page for at, document in placed for page in document.pages]
    sections = [Section(at + s.start, s.level, s.title) for at, document in placed for s in document.sections]
    left_out = []
    for what, places in (("pages", pages), ("headings", sections)):
        if len(places) > MOST_PLACES:
            left_out.append(f"The {len(places):,} {what} are not shown beside words: that is done for {MOST_PLACES:,}.")
            places.clear()
    return Document(
        f"{documents[0].name} and {len(documents) - 1} more",
        "files",
        BETWEEN.join(document.text for document in documents),
        pages=tuple(pages),
        sections=tuple(sections),
        left_out=tuple(left_out),
        files=tuple((at, document.name) for at, document in placed),
    )
