from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from starlette.requests import Request
from starlette.responses import Response

from app import routes, runs
from app.components import blob, text_heatmap
from app.figures import aggregate
from app.jobs import Progress


def ask(endpoint: Any, query: str, **headers: str) -> Response:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return endpoint(Request({"type": "http", "method": "GET", "headers": named, "query_string": query.encode()}))


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    length = struct.unpack("<I", data[:4])[0]
    header, at, sections = json.loads(data[4 : 4 + length]), 4 + length, {}
    assert at % 4 == 0
    for entry in header["sections"]:
        values = sections[entry["name"]] = np.frombuffer(data, f"<{entry['kind']}", entry["length"], at)
        at += -(-values.nbytes // 4) * 4
    assert at == len(data)
    return header, sections


def test_text_spans_count_as_javascript_does(finished: dict[str, str], traces: list[xr.Dataset]) -> None:
    header, sections = unpack(ask(routes.text, f"run={finished['mac']}").body)
    ds = traces[0]
    assert header["text"] == ds.attrs["text"]
    units = header["text"].encode("utf-16-le")
    start = np.cumsum(sections["step"], dtype=int)
    end = np.append(start[1:], len(units) // 2)
    odd = np.cumsum(sections["odd"], dtype=int)
    assert len(odd)
    end[odd] = start[odd] + sections["size"]
    for low, high, a, b in zip(start, end, ds.start.values, ds.end.values, strict=True):
        assert units[2 * low : 2 * high].decode("utf-16-le") == ds.attrs["text"][a:b]
    assert [header["pieces"][str(i)] for i in sections["id"]] == list(ds.piece.values)


def test_a_text_is_compressed_for_browsers_that_can_read_that(finished: dict[str, str]) -> None:
    plain = ask(routes.text, f"run={finished['mac']}")
    packed = ask(routes.text, f"run={finished['mac']}", accept_encoding="gzip, deflate, br")
    assert (plain.headers["content-encoding"], packed.headers["content-encoding"]) == ("identity", "gzip")
    assert gzip.decompress(packed.body) == plain.body
    assert int(packed.headers["content-length"]) == len(packed.body) < len(plain.body)
    assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"


def test_values_are_the_trace_with_one_scale(finished: dict[str, str], traces: list[xr.Dataset]) -> None:
    query = "&".join(f"run={run}" for run in finished.values())
    header, sections = unpack(ask(routes.values, query + "&signal=surprise&signal=gate").body)
    for k, ds in enumerate(traces):
        np.testing.assert_array_equal(sections[f"{k}/surprise"], aggregate.column(ds, "surprise"))
    assert [name for name in sections if "gate" in name] == ["1/gate"]
    everything = np.concatenate([aggregate.column(ds, "surprise") for ds in traces])
    assert header["scales"]["surprise"]["high"] == pytest.approx(np.percentile(everything, 99))


def test_a_block_of_one_layer(finished: dict[str, str], traces: list[xr.Dataset]) -> None:
    _, sections = unpack(ask(routes.values, f"run={finished['mag']}&signal=theta&layer=2&from=3&to=8").body)
    np.testing.assert_array_equal(sections["0/theta"], traces[1].theta.values[2, 3:8])


def test_a_block_ends_with_the_text(finished: dict[str, str], traces: list[xr.Dataset]) -> None:
    header, sections = unpack(ask(routes.values, f"run={finished['mag']}&signal=surprise&from=200&to=4296").body)
    np.testing.assert_array_equal(sections["0/surprise"], aggregate.column(traces[1], "surprise")[200:])
    assert header["scales"] == {}, "only of whole columns"
    _, sections = unpack(ask(routes.values, f"run={finished['mag']}&signal=nll&from=9000&to=9999").body)
    assert len(sections["0/nll"]) == 0


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 404),
        ("run=../../etc/passwd&signal=surprise", 404),
        ("run=" + "0" * 32 + "&signal=surprise", 404),
        ("run=RUN&signal=nope", 404),
        ("run=RUN&signal=surprise&layer=99", 400),
        ("run=RUN&signal=surprise&layer=x", 400),
        ("run=RUN&signal=surprise&from=a&to=b", 400),
    ],
)
def test_wrong_addresses(query: str, status: int, finished: dict[str, str]) -> None:
    assert ask(routes.values, query.replace("RUN", finished["mac"])).status_code == status


def test_a_figure_is_the_trace(finished: dict[str, str], traces: list[xr.Dataset]) -> None:
    query = "&".join(f"run={run}" for run in finished.values())
    header, sections = unpack(ask(routes.figure, f"kind=timelines&{query}&layer=1&from=20&to=60").body)
    assert (header["extent"], header["size"]) == ([20, 60], 1)
    for row, name in enumerate(("surprise", "momentum", "forgotten")):
        for run, ds in enumerate(traces):
            np.testing.assert_array_equal(sections[f"{row}/{run}/value"], ds[name].values[1, 20:60])
    header, sections = unpack(ask(routes.figure, f"kind=layer_map&{query}&signal=gate&how=mean").body)
    assert [run["label"] for run in header["runs"]] == ["MAG"]
    np.testing.assert_array_equal(sections["0/value"].reshape(3, -1), traces[1]["gate"].values)


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("kind=timelines", 404, "no such run"),
        ("kind=timelines&run=../../etc/passwd", 404, "no such run"),
        ("kind=timelines&run=RUN&run=" + "0" * 32, 404, "no such run"),
        ("kind=nope&run=RUN", 400, "kind must be"),
        ("run=RUN", 400, "kind must be"),
        ("kind=timelines&run=RUN&layer=99", 400, "no layer 99"),
        ("kind=timelines&run=RUN&layer=-1", 400, "layer must be"),
        ("kind=timelines&run=RUN&layer=", 400, "layer must be"),
        ("kind=timelines&run=RUN&from=5&to=5", 400, "part of 0 to"),
        ("kind=timelines&run=RUN&from=0&to=99999", 400, "part of 0 to"),
        ("kind=timelines&run=RUN&from=9", 400, "to must be"),
        ("kind=timelines&run=RUN&from=a&to=9", 400, "from must be"),
        ("kind=timelines&run=RUN&from=1e2&to=200", 400, "from must be"),
        ("kind=layer_map&run=RUN&signal=nope&how=max", 400, "signal must be"),
        ("kind=layer_map&run=RUN&signal=surprise&how=median", 400, "how must be"),
        ("kind=layer_map&run=RUN&signal=surprise", 400, "how must be"),
    ],
)
def test_wrong_addresses_of_figures(query: str, status: int, words: str, finished: dict[str, str]) -> None:
    reply = ask(routes.figure, query.replace("RUN", finished["mac"]))
    assert reply.status_code == status
    assert words in bytes(reply.body).decode()


def test_a_figure_is_of_one_text(finished: dict[str, str], finish: Callable[..., Progress]) -> None:
    other = runs.engine().submit(runs.Job("mag", "Another text of a figure.", "Other"))
    finish(other)
    reply = ask(routes.figure, f"kind=timelines&run={finished['mac']}&run={other}")
    assert (reply.status_code, bytes(reply.body)) == (400, b"the runs are of different texts")


def test_a_figure_of_a_damaged_run_is_refused_in_words(finish: Callable[..., Progress], store: Path) -> None:
    run = runs.engine().submit(runs.Job("mac", "A text whose surprise is damaged later.", "Damaged"))
    finish(run)
    assert runs.opened(run) is not None
    for path in (store / run / "trace.zarr" / "surprise" / "c").rglob("*"):
        if path.is_file():
            path.write_bytes(b"not a chunk")
    reply = ask(routes.figure, f"kind=timelines&run={run}")
    assert reply.status_code == 500
    assert b"cannot be read" in reply.body


def test_lone_surrogates_do_not_break_offsets() -> None:
    assert list(blob.utf16_offsets("a😀b")) == [0, 1, 3, 4]
    assert list(blob.utf16_offsets("\ud83d!")) == [0, 1, 2]


def test_the_browser_is_told_rules_and_granularity(finished: dict[str, str], traces: list[xr.Dataset]) -> None:
    facts = text_heatmap.facts(list(zip(finished.values(), traces, strict=True)))
    surprise = facts["signals"][0]
    assert surprise["over"] == "root of summed squares over 3 layers"
    assert surprise["granularity"] == traces[0].surprise.attrs["granularity"]
    assert [run["label"] for run in facts["runs"]] == ["MAC", "MAG", "MAL"]
    assert json.dumps(facts, allow_nan=False)
