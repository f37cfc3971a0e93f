"""Where in its document a token of a run stood, where that is known."""

from __future__ import annotations

import xarray as xr

from titans_core.documents import Document


def places(document: Document | None, ds: xr.Dataset, part: slice) -> list[str]:
    """Of each token of a part, as "page 41, Methods, paragraph 12"; empty strings where the document is not known."""
    start, end = ds["start"].values[part], ds["end"].values[part]
    return [""] * len(start) if document is None else document.places(start, end)


def place(document: Document | None, ds: xr.Dataset, token: int) -> str:
    """Of one token."""
    return places(document, ds, slice(token, token + 1))[0]
