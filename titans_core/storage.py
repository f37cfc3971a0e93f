"""What everything written to a trace store shares: its name, its arrays and its errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from titans_core.errors import StoreError, shown
from titans_core.signals import BY_HEAD, OUTPUTS, SIGNALS

if TYPE_CHECKING:  # only what touches a store loads it: a run without one does without zarr
    import zarr

LONGEST_NAME = 200  # leaves room for the temporary name
READ_ERRORS = (OSError, KeyError, ValueError, TypeError, RuntimeError)  # what zarr and its codecs raise


def as_path(path: object) -> Path:
    """Raises StoreError for what is not the path of anything."""
    if not isinstance(path, str | Path) or not str(path):
        raise StoreError(f'{shown(path)} names no trace store; give the path of one, such as "run.zarr"')
    return Path(path)


def check_name(store: Path) -> None:
    """Raises StoreError if `store` exists or cannot be the name of a folder."""
    try:
        exists = store.exists()
    except OSError as error:
        raise StoreError(f"{str(store)[:80]!r} cannot name a trace store: {error.strerror}") from error
    if "\0" in str(store):
        raise StoreError(f"{str(store)[:80]!r} cannot name a trace store: it holds a NUL character")
    if exists or len(store.name) > LONGEST_NAME:
        why = "exists already" if exists else f"has a name of over {LONGEST_NAME} characters"
        raise StoreError(f"{str(store)[:200]} {why}; choose another name{' or remove it' * exists}")


def check_there(path: Path) -> None:
    """Raises StoreError, which says what is there instead, where no folder `path` holds a store."""
    if not path.is_dir():
        raise StoreError(f"there is no trace store at {path.name}; {_makes(path.name)}")
    if not (path / "zarr.json").is_file():
        what = "is a folder without a store" if any(path.iterdir()) else "is an empty folder"
        raise StoreError(f"{path.name} {what}, not a trace; {_makes()}")


def foreign(path: Path, arrays: list[str]) -> StoreError:
    """The error for a Zarr store of these arrays that says nothing of being a trace."""
    what = f"holds {', '.join(arrays)[:80]}" if arrays else "is empty"
    return StoreError(f"{path.name} is a Zarr store but not a trace: it {what}; {_makes()}")


def _makes(name: str = "RUN.zarr") -> str:
    return f"`titans trace FILE --checkpoint mag --out {name}` makes one"


@contextmanager
def writing(store: Path | None) -> Iterator[None]:
    """Failures of the disk inside become StoreErrors that name `store`."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"cannot write the trace store {store}: {error.strerror or error}") from error


def create(
    group: zarr.Group,
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    dims: tuple[str, ...],
    *,
    chunk: int,
    labels: dict[str, str] | None = None,
    compressors: Any = "auto",
) -> Any:
    """A new array, stored in chunks of `chunk` along its last axis and whole along the others."""
    return group.create_array(
        name,
        shape=shape,
        chunks=(*(max(1, n) for n in shape[:-1]), min(chunk, shape[-1]) or 1),
        dtype=dtype,
        dimension_names=dims,
        attributes=dict(labels or {}),
        fill_value=np.nan if dtype.kind == "f" else 0,
        compressors=compressors,
    )


def dims_of(name: str, values: np.ndarray) -> tuple[str, ...]:
    """The dimensions of a variable of a trace."""
    if name in OUTPUTS:
        return ("token",)
    return ("layer", "token") if values.ndim == 2 else ("layer", "head", "token")


def labels_of(name: str) -> dict[str, str]:
    """The attributes of a variable of a trace; none of what is no signal."""
    signal = (SIGNALS | BY_HEAD | OUTPUTS).get(name)
    return signal.attrs() if signal else {}
