"""The signals of one run as CSV and as Parquet, in pieces: a million tokens are never in memory at once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from app.exports import columns
from app.exports.names import Finished, facts
from app.exports.pipe import Pipe

GROUP = 8  # blocks of a Parquet row group
GUARD = "'"
FORMULA = r"^\s*['=+\-@\t\r\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]"  # how a spreadsheet knows a formula, and the guard itself
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')  # in JSON
_SPLITS = re.compile("[,;=|]")
_NOTES = (
    "Titanscope: every signal of one run, one row a token. UTF-8. Lines that begin with # are notes; pandas: "
    'read_csv(file, comment="#", converters={"piece": lambda piece: piece.removeprefix("\'")})',
    "values: float32, written so that they read back exactly; nan: not defined; inf: beyond float32",
    f"piece: a piece that begins like a formula, or with {GUARD}, has one {GUARD} put before it: "
    f"take one leading {GUARD} away to have the piece; so it is with the place in a document, where there is one",
)


def csv(run: Finished) -> Iterator[bytes]:
    """Notes, a line of names, then a row a token. Values read back exactly as float32."""
    names = [*columns.about(run), *(column.name for column in columns.columns(run.ds))]
    yield ("\n".join(f"# {line}" for line in _notes(run)) + "\n" + ",".join(names) + "\n").encode()
    options = pyarrow.csv.WriteOptions(include_header=False)
    for block in columns.blocks(run):
        sink = pa.BufferOutputStream()
        for name in {"piece", "place"} & set(block.column_names):
            block = block.set_column(block.schema.get_field_index(name), name, guarded(block[name]))
        pyarrow.csv.write_csv(block, sink, options)
        yield sink.getvalue().to_pybytes()


def guarded(pieces: pa.ChunkedArray) -> pa.ChunkedArray:
    """Pieces that no spreadsheet takes for a formula. One leading ' is to be taken away to have the piece."""
    return pc.if_else(pc.match_substring_regex(pieces, FORMULA), pc.binary_join_element_wise(GUARD, pieces, ""), pieces)


def _notes(run: Finished) -> Iterator[str]:
    yield from _NOTES
    yield from (f"{name}: {_quoted(value)}" for name, value in facts(run).items())
    yield from (f"{name}: {text}" for name, text in columns.about(run).items())
    for name in map(str, run.ds.data_vars):
        labels = columns.meaning(name, run.ds)
        said = ", ".join(labels[key] for key in ("units", "source", "differs") if key in labels)
        yield f"{name}: {labels.get('long_name', name)} [{said}], per {labels.get('granularity', 'token')}"


def _quoted(value: Any) -> str:
    """JSON of a value in which nothing that a person wrote begins a cell of its own in a spreadsheet."""
    return _STRING.sub(_escaped, json.dumps(_unpacked(value), default=str))


def _unpacked(value: Any) -> Any:
    """The object of an attribute that is itself JSON, else the value."""
    try:
        inner = json.loads(value) if isinstance(value, str) else None
    except ValueError:
        return value
    return inner if isinstance(inner, dict) else value


def _escaped(string: re.Match[str]) -> str:
    return _SPLITS.sub(lambda sign: f"\\u{ord(sign[0]):04x}", string[0])


def parquet(run: Finished) -> Iterator[bytes]:
    """The same columns. The schema's metadata holds the trace's attributes, each field's what the signal is."""
    pipe = Pipe()
    writer = None
    waiting: list[pa.Table] = []
    for block in columns.blocks(run):
        if writer is None:
            schema = _described(block.schema, run)
            writer = pq.ParquetWriter(
                pa.PythonFile(pipe, mode="w"), schema, compression="zstd", use_dictionary=["piece", "place"]
            )
        waiting.append(block.cast(schema))
        if len(waiting) == GROUP:
            writer.write_table(pa.concat_tables(waiting))
            waiting.clear()
            yield pipe.take()
    if writer is not None:
        if waiting:
            writer.write_table(pa.concat_tables(waiting))
        writer.close()
    yield pipe.take()


def _described(schema: pa.Schema, run: Finished) -> pa.Schema:
    signal_of = {column.name: column.signal for column in columns.columns(run.ds)}
    fields = []
    for field in schema:
        signal = signal_of.get(field.name)
        labels = columns.meaning(signal, run.ds) if signal else {"long_name": columns.about(run)[field.name]}
        fields.append(field.with_metadata(labels))
    known = facts(run)
    metadata = {
        name: value if isinstance(value, str) else json.dumps(value, default=str) for name, value in known.items()
    }
    return pa.schema(fields, metadata=metadata)
