"""Arrays for the browser: [u32 length of header][JSON header, padded][sections]; all begin at multiples of 4 bytes."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr


def pack(facts: Mapping[str, Any], sections: Mapping[str, np.ndarray]) -> bytes:
    """facts (JSON, no NaN) and named arrays in one blob, little-endian: float32, or unsigned of 1, 2 or 4 bytes."""
    arrays = {name: np.ascontiguousarray(a, a.dtype.newbyteorder("<")) for name, a in sections.items()}
    listed = [{"name": n, "kind": f"{a.dtype.kind}{a.itemsize}", "length": a.size} for n, a in arrays.items()]
    header = json.dumps({**facts, "sections": listed}, allow_nan=False, ensure_ascii=False).encode()
    header += b" " * (-len(header) % 4)
    padded = (part for a in arrays.values() for part in (a.data, bytes(-a.nbytes % 4)))
    return b"".join((struct.pack("<I", len(header)), header, *padded))


def text(ds: xr.Dataset) -> bytes:
    """The exact text of a trace, its token ids, the piece of each id, and its spans in UTF-16 units.

    Spans are small numbers: "step" leads from the start of the token before to a token's own. A token ends where the
    next one starts, but for those whose number "odd" leads to from the odd one before, which have a "size".
    """
    content = str(ds.attrs["text"])
    ids = _narrow(ds["id"].values)
    known, first = np.unique(ids, return_index=True)
    pieces = {int(i): str(p) for i, p in zip(known, ds["piece"].values[first], strict=True)}
    units = utf16_offsets(content)
    start, end = (units[ds[name].values] for name in ("start", "end"))
    odd = np.flatnonzero(end != np.append(start[1:], units[-1]))
    spans = {"step": np.diff(start, prepend=0), "odd": np.diff(odd, prepend=0), "size": (end - start)[odd]}
    return pack({"text": content, "pieces": pieces}, {"id": ids, **{name: _narrow(v) for name, v in spans.items()}})


def _narrow(values: np.ndarray) -> np.ndarray:
    """Whole numbers from 0 as the smallest unsigned type that holds them all."""
    return values.astype(np.min_scalar_type(int(values.max(initial=0))))


def utf16_offsets(content: str) -> np.ndarray:
    """(len + 1,) where each character begins when counted in UTF-16 units."""
    codes = np.frombuffer(content.encode("utf-32-le", "surrogatepass"), np.uint32)
    offsets = np.arange(len(codes) + 1)
    above = codes > 0xFFFF
    if above.any():
        offsets[1:] += np.cumsum(above)
    return offsets
