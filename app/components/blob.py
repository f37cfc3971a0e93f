"""Arrays for the browser: [u32 length of header][JSON header, padded to 8 bytes][sections of 4-byte numbers]."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

_KINDS = {"f": "<f4", "u": "<u4"}


def pack(facts: Mapping[str, Any], sections: Mapping[str, np.ndarray]) -> bytes:
    """facts (JSON, no NaN) and named float32 or uint32 arrays in one blob, little-endian."""
    arrays = {name: np.ascontiguousarray(a, _KINDS[a.dtype.kind]) for name, a in sections.items()}
    listed = [{"name": name, "kind": a.dtype.kind, "length": a.size} for name, a in arrays.items()]
    header = json.dumps({**facts, "sections": listed}, allow_nan=False).encode()
    header += b" " * (-(len(header) + 4) % 8)
    return b"".join([struct.pack("<I", len(header)), header, *(a.tobytes() for a in arrays.values())])


def text(ds: xr.Dataset) -> bytes:
    """The exact text of a trace, its token ids, the piece of each id, and its spans in UTF-16 units."""
    content = str(ds.attrs["text"])
    ids = ds["id"].values.astype(np.uint32)
    known, first = np.unique(ids, return_index=True)
    pieces = {int(i): str(p) for i, p in zip(known, ds["piece"].values[first], strict=True)}
    units = utf16_offsets(content)
    spans = {name: units[ds[name].values].astype(np.uint32) for name in ("start", "end")}
    return pack({"text": content, "pieces": pieces}, {"id": ids, **spans})


def utf16_offsets(content: str) -> np.ndarray:
    """(len + 1,) where each character begins when counted in UTF-16 units."""
    codes = np.frombuffer(content.encode("utf-32-le", "surrogatepass"), np.uint32)
    return np.concatenate([[0], np.cumsum(1 + (codes > 0xFFFF))])
