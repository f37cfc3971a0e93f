"""Trace a model that is not ours into the Dataset that `tc.trace` makes. Needs no torch, unless its adapter does."""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from titans_core import __version__
from titans_core.adapters.protocol import About, Adapter
from titans_core.assets import checkpoint_names
from titans_core.config import VARIANTS
from titans_core.documents import check_text
from titans_core.errors import ConfigError, TextError, shown
from titans_core.record import Recording
from titans_core.signals import ABSENT, BY_HEAD, FOREIGN, SIGNALS, Arrays, sum_heads
from titans_core.storage import as_path
from titans_core.tokenizer import Encoding

PREDICTED = ("nll", "entropy")
GRANULARITIES = ("token", "chunk", "segment")
LONGEST_NAME = 100  # characters, as the dashboard takes them
LONGEST_WORDS = 500


def trace_foreign(
    adapter: Adapter,
    text: str,
    *,
    store: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> xr.Dataset:
    """The signals that the adapter's model has of every token of `text`, as `tc.trace` gives ours.

    Dims (layer, token); heads are put together as ours are: norms in squares, losses as sums, gates as means. A signal
    that the model does not have is no variable; the attribute "absent" names all of them. "foreign" says which library
    read. What a variable has otherwise than ours stands in its attributes "granularity", "source" and "differs".
    store: a new folder to stream to (Zarr), which the dashboard imports.
    progress(done, total) is called as tokens are done and may raise to cancel: nothing is left behind.
    Raises TextError for a text without anything to read, ConfigError for an adapter that gives something else than it
    should, StoreError for a store that exists or cannot be written, and what the adapter raises.
    """
    begun = time.monotonic()
    check_text(text)
    about = _checked(adapter)
    target = None if store is None else as_path(store)
    encoding = adapter.tokenizer.encode(text)
    pieces = list(adapter.tokenizer.pieces)
    _check_tokens(encoding, pieces, text)
    recording = Recording(encoding.ids, encoding.start, encoding.end, pieces, text, target, _labels(about))
    names: set[str] = set()
    try:
        for done, arrays in _spans(adapter, encoding.ids):
            names = set(arrays)
            recording.add(arrays)
            if progress is not None:
                progress(done, len(encoding))
        absent = [name for name in (*SIGNALS, *BY_HEAD, *PREDICTED) if name not in names]
        return recording.finish({**_attributes(adapter.name, about, text, time.monotonic() - begun), ABSENT: absent})
    except BaseException:
        recording.abandon()
        raise


def _checked(adapter: Adapter) -> About:
    name = adapter.name
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise ConfigError(f"the adapter's name is {shown(name)}; give 1 to {LONGEST_NAME} characters that can be shown")
    if name in checkpoint_names():
        raise ConfigError(f"{name!r} is the name of a checkpoint that ships; give the adapter another one")
    about = adapter.about()
    if not isinstance(about, About):
        raise ConfigError(f"about() gave {shown(about)}; it must give a titans_core.adapters.About")
    if about.variant in VARIANTS:
        raise ConfigError(f"{about.variant!r} is a variant of ours; call the adapter's kind of memory otherwise")
    if unknown := sorted(set(about.differs) - set(SIGNALS) - set(PREDICTED)):
        raise ConfigError(f"about().differs names {', '.join(unknown)}; {_known()}")
    if wrong := {d.granularity for d in about.differs.values()} - set(GRANULARITIES):
        raise ConfigError(f"a granularity is {shown(wrong.pop())}; it must be one of {', '.join(GRANULARITIES)}")
    words = [word for told in about.differs.values() for word in (told.source, told.differs)]
    if not all(len(word) <= LONGEST_WORDS and word.isprintable() for word in words):
        raise ConfigError(f"a source or differs has over {LONGEST_WORDS} characters, or some that cannot be shown")
    for word in (about.library, about.variant, about.device):
        if not isinstance(word, str) or not 0 < len(word) <= LONGEST_NAME or not word.isprintable():
            raise ConfigError(f"the adapter tells {shown(word)} of itself; give 1 to {LONGEST_NAME} characters")
    return about


def _check_tokens(encoding: Encoding, pieces: list[str], text: str) -> None:
    ids, start, end = encoding.ids, encoding.start, encoding.end
    if not len(ids):
        raise TextError("the tokenizer makes no token of this text; give another text or tokenizer")
    if len(start) != len(ids) or len(end) != len(ids):
        raise ConfigError(f"the tokenizer gave {len(ids)} ids, {len(start)} starts and {len(end)} ends; each has one")
    if ids.min() < 0 or ids.max() >= len(pieces):
        raise ConfigError(f"the tokenizer gave ids {ids.min()} to {ids.max()} and has {len(pieces)} pieces to show")
    if start.min() < 0 or end.max() > len(text) or (end < start).any() or (np.diff(start) < 0).any():
        raise ConfigError(
            "the tokenizer's places are not those of the text, in its order; start and end count characters"
        )


def _spans(adapter: Adapter, ids: np.ndarray) -> Iterator[tuple[int, Arrays]]:
    """Tokens done, and the variables of the span: float32 (layers, t) or (t,), whose names and layers do not change."""
    done, shapes = 0, None
    for given in adapter.read(ids):
        arrays = _put_together({name: np.asarray(values) for name, values in given.items()})
        sizes = {values.shape[-1] for values in arrays.values()}
        found = {name: values.shape[:-1] for name, values in arrays.items()}
        layers = {shape for shape in found.values() if shape}
        if len(sizes) != 1 or len(layers) > 1 or (shapes is not None and found != shapes):
            raise ConfigError(
                f"after token {done} the adapter gave {_told(given)}; every span has the same, of equal size"
            )
        shapes, done = found, done + sizes.pop()
        yield done, arrays
    if done != len(ids):
        raise ConfigError(f"the adapter gave {done} tokens of {len(ids)}; each needs its values")


def _put_together(given: Arrays) -> Arrays:
    if unknown := sorted(set(given) - set(SIGNALS) - set(PREDICTED)):
        raise ConfigError(f"the adapter gave {', '.join(unknown)}; {_known()}")
    wrong = {name: v for name, v in given.items() if v.ndim not in ((1,) if name in PREDICTED else (2, 3))}
    if wrong or not given:
        raise ConfigError(
            f"the adapter gave {_told(wrong)}; signals are (layers, [heads,] tokens), nll and entropy (tokens,)"
        )
    apart = {name: values for name, values in given.items() if values.ndim == 3}
    if "alignment" in apart and not {"past_surprise", "momentary"} <= set(apart):
        raise ConfigError("alignment of heads needs momentary and past_surprise of heads; give it as (layers, tokens)")
    return {name: values.astype(np.float32) for name, values in {**given, **sum_heads(apart)}.items()}


def _known() -> str:
    return f"the signals of a memory are {', '.join(SIGNALS)}, those of the model {' and '.join(PREDICTED)}"


def _told(arrays: Arrays) -> str:
    return ", ".join(f"{name} {np.shape(values)}" for name, values in arrays.items()) or "nothing"


def _labels(about: About) -> dict[str, dict[str, str]]:
    """name -> the attributes in which a variable is not as ours."""
    return {
        name: {key: value for key, value in told._asdict().items() if value} for name, told in about.differs.items()
    }


def _attributes(name: str, about: About, text: str, seconds: float) -> dict[str, Any]:
    versions = {"titanscope": __version__, "python": platform.python_version(), **about.versions}
    return {
        "text_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "checkpoint": name,
        "variant": about.variant,
        "parameters": about.parameters,
        "weights_sha256": about.weights_sha256,
        "config": json.dumps(dict(about.config)),
        "settings": "{}",
        "chunk": about.chunk,
        "versions": json.dumps(versions),
        "device": about.device,
        "dtype": about.dtype,
        "seconds": round(seconds, 3),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        FOREIGN: about.library,
    }
