"""What is taken away equals the trace, reads back exactly, and no word of a person's text can act."""

from __future__ import annotations

import asyncio
import io
import json
import re
import zipfile
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response

import titans_core as tc
from app import runs
from app.exports import archive, columns, names, report, routes, signals, spans, svg
from app.exports.names import View
from app.figures import aggregate
from app.jobs import Job, Progress
from app.runs import texts, traced
from app.theme import CIVIDIS
from titans_core.record import save_trace

ROOT = Path(__file__).parents[2]
ATTACK = (
    "=1+1 </span><script>window.__x=1</script><img src=x onerror='window.__x=1'> \"quoted\" -2 +3 @cmd 'four'\n"
    "\u202egnp.exe\u202c zero\u200bwidth NUL\0 e\u0301 👩‍👩‍👧 عربي &lt;b&gt; {{x}} ]]> <!-- end\n"
) * 2
TITLE = '</title><script>window.__x=1</script>, =cmd|"/c calc"!A1; \u202ereversed'


@pytest.fixture(scope="session")
def hostile(finish: Callable[..., Progress]) -> runs.Run:
    run = runs.engine().submit(Job("mag", ATTACK, TITLE))
    assert finish(run).state == "done"
    return opened(run)


def opened(run: str) -> runs.Run:
    found = runs.opened(run)
    assert found is not None
    return found


def ask(path: str, query: str) -> tuple[Response, bytes]:
    """A route's response and its whole body."""
    kind = path.rpartition("/")[2]
    scope = {
        "type": "http",
        "method": "GET",
        "headers": [],
        "query_string": query.encode(),
        "path_params": {"kind": kind},
    }
    response: Any = (routes.whole if kind == "report" else routes.one)(Request(scope))
    if not hasattr(response, "body_iterator"):
        return response, response.body

    async def collect() -> bytes:
        return b"".join([part async for part in response.body_iterator])

    return response, asyncio.run(collect())


def read_csv(data: bytes) -> pd.DataFrame:
    """As the notes in the file say."""
    return pd.read_csv(io.BytesIO(data), comment="#", converters={"piece": lambda piece: piece.removeprefix("'")})


def assert_columns_are_the_trace(frame: pd.DataFrame, ds: xr.Dataset) -> None:
    count = ds.sizes["token"]
    assert list(frame["token"]) == list(range(1, count + 1))
    for name in ("start", "end"):
        np.testing.assert_array_equal(frame[name], ds[name].values)
    seen = list(frame.columns[:4])
    for name, variable in ds.data_vars.items():
        for place in np.ndindex(*variable.shape[:-1]):
            parts = [f"{dim}{k + 1}" for dim, k in zip(variable.dims, place, strict=False)]
            column = "_".join([str(name), *parts])
            seen.append(column)
            np.testing.assert_array_equal(frame[column].to_numpy().astype(variable.dtype), variable.values[place])
    assert list(frame.columns) == seen


def test_csv_reads_back_exactly(finished: dict[str, str], traces: list[xr.Dataset]) -> None:
    for run, ds in zip(finished.values(), traces, strict=True):
        response, data = ask("csv", f"run={run}")
        assert response.headers["content-disposition"] == f'attachment; filename="{names.stem([opened(run)])}.csv"'
        assert_columns_are_the_trace(read_csv(data), ds)


def test_csv_pieces_are_no_formulas_and_come_back(hostile: runs.Run) -> None:
    data = b"".join(signals.csv(hostile))
    pieces = list(hostile.ds["piece"].values)
    assert sum(piece.lstrip().startswith(("=", "+", "-", "@", "'")) for piece in pieces) > 5
    assert list(read_csv(data)["piece"]) == pieces
    shown = pd.read_csv(io.BytesIO(data), comment="#", converters={"piece": str})["piece"]
    assert not any(piece.lstrip().startswith(("=", "+", "-", "@")) for piece in shown)


@given(st.text())
def test_the_guard_can_be_taken_away(piece: str) -> None:
    piece = piece.encode(errors="ignore").decode()
    shown = signals.guarded(pa.chunked_array([[piece]]))[0].as_py()
    assert shown.removeprefix("'") == piece
    assert not re.match(r"\s*[=+\-@\t\r＝＋－＠]", shown, re.ASCII)


def test_no_note_of_a_csv_begins_a_cell_with_a_persons_words(hostile: runs.Run) -> None:
    notes = [line for line in b"".join(signals.csv(hostile)).decode().split("\n") if line.startswith("#")]
    title = next(line for line in notes if line.startswith("# title: "))
    assert not set(title) & set(",;=|\t")
    assert json.loads(title.partition(": ")[2]) == TITLE
    surprise = next(line for line in notes if line.startswith("# surprise: "))
    assert hostile.ds["surprise"].attrs["long_name"] in surprise


def test_values_that_are_not_finite_are_named(tmp_path: Path, traces: list[xr.Dataset]) -> None:
    ds = traces[0].copy(deep=True)
    ds["loss"].values[0, :3] = np.nan, np.inf, -np.inf
    frame = read_csv(b"".join(signals.csv(runs.Run("0" * 32, "t", ds))))
    np.testing.assert_array_equal(frame["loss_layer1"].to_numpy()[:3], [np.nan, np.inf, -np.inf])
    assert "not defined" in report.report([runs.Run("0" * 32, "t", ds)], View("loss", 0, None), {})


def test_parquet_holds_values_names_and_attributes(hostile: runs.Run) -> None:
    _, data = ask("parquet", f"run={hostile.id}")
    table = pq.read_table(io.BytesIO(data))
    assert_columns_are_the_trace(table.to_pandas(), hostile.ds)
    assert table.column("piece").to_pylist() == list(hostile.ds["piece"].values)
    for name, value in hostile.ds.attrs.items():
        if name != "text":
            stored = table.schema.metadata[str(name).encode()].decode()
            assert stored == (value if isinstance(value, str) else json.dumps(value))
    assert table.schema.metadata[b"title"].decode() == TITLE
    assert table.schema.field("surprise_layer2").type == pa.float32()
    wanted = hostile.ds["surprise"].attrs["long_name"]
    assert table.schema.field("surprise_layer2").metadata[b"long_name"].decode() == wanted


def test_the_zarr_archive_is_the_run(tmp_path: Path, hostile: runs.Run) -> None:
    _, data = ask("zarr", f"run={hostile.id}")
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        assert file.testzip() is None
        file.extractall(tmp_path)
    (store,) = tmp_path.glob("*.zarr")
    xr.testing.assert_identical(tc.open_trace(store).load(), hostile.ds.load())


@pytest.fixture(scope="session")
def long_run(tmp_path_factory: pytest.TempPathFactory, traces: list[xr.Dataset]) -> tuple[runs.Run, Path]:
    """A run of about 100,000 tokens: one of the test text's, repeated."""
    ds = traces[1]
    times = -(-100_000 // ds.sizes["token"])
    text = str(ds.attrs["text"])
    shift = np.repeat(np.arange(times) * len(text), ds.sizes["token"])
    data = {str(n): (v.dims, np.tile(v.values, (*[1] * (v.ndim - 1), times)), v.attrs) for n, v in ds.data_vars.items()}
    places = {n: ("token", np.tile(ds[n].values, times) + shift) for n in ("start", "end")}
    whole = xr.Dataset(data, {"piece": ("token", np.tile(ds["piece"].values, times)), **places})
    whole.attrs = {**ds.attrs, "text": text * times}
    path = tmp_path_factory.mktemp("long") / "long.zarr"
    save_trace(whole, path, texts.tokenizer().pieces)
    return runs.Run("a" * 32, "A long text", tc.open_trace(path)), path


def test_long_runs_leave_in_small_pieces(long_run: tuple[runs.Run, Path]) -> None:
    run, path = long_run
    for parts in (signals.csv(run), signals.parquet(run), archive.archive(run, path)):
        sizes = [len(part) for part in parts]
        assert len(sizes) > 3
        assert max(sizes) < 16_000_000
    kept = [name for name, variable in run.ds.data_vars.items() if variable.variable._in_memory]
    assert kept == ["id"], "no signal is in memory as a whole"
    table = pq.read_table(io.BytesIO(b"".join(signals.parquet(run))))
    assert table.num_rows == run.ds.sizes["token"]
    np.testing.assert_array_equal(table["surprise_layer3"], tc.open_trace(path)["surprise"].values[2])


@given(st.text())
def test_file_names_are_safe_everywhere(title: str) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,47}", names.safe(title, "text"))


def test_file_names_say_what_they_are(finished: dict[str, str]) -> None:
    shown = [opened(run) for run in finished.values()]
    assert names.stem(shown) == f"a-test-text-mac-mag-mal-{finished['mac'][:6]}"
    assert names.text_stem("../../Café No. 5.txt") == "cafe-no-5"


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("csv", "", 404),
        ("csv", "run=../../etc/passwd", 404),
        ("zarr", "run=" + "0" * 32, 404),
        ("exe", "run=RUN", 404),
        ("report", "run=RUN&run=" + "0" * 32, 404),
        ("report", "run=RUN&signal=nope", 400),
        ("report", "run=RUN&signal=gate", 400),
        ("report", "run=RUN&signal=surprise&layer=9", 400),
        ("report", "run=RUN&signal=surprise&layer=-1", 400),
        ("report", "run=RUN&signal=surprise&token=x", 400),
        ("report", "run=RUN&signal=surprise&token=99999999", 400),
    ],
)
def test_wrong_addresses(path: str, query: str, status: int, finished: dict[str, str]) -> None:
    response, _ = ask(path, query.replace("RUN", finished["mac"]))
    assert response.status_code == status


class Page(HTMLParser):
    """Every tag with its attributes, and the text of each token's span."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tokens: list[tuple[str, str, str]] = []  # class, title, text
        self.depth: list[str] = []
        self.title = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "title" and not self.title:
            self.depth = ["title"]
        if tag == "span" and "title" in dict(attrs):
            self.tokens.append((dict(attrs).get("class") or "", dict(attrs)["title"] or "", ""))
            self.depth = ["span"]

    def handle_endtag(self, tag: str) -> None:
        if tag in self.depth:
            self.depth = []

    def handle_data(self, data: str) -> None:
        if self.depth == ["title"]:
            self.title += data
        if self.depth == ["span"]:
            css, title, text = self.tokens[-1]
            self.tokens[-1] = (css, title, text + data)


def made(shown: list[runs.Run], view: View) -> str:
    query = "&".join(f"run={run.id}" for run in shown) + f"&signal={view.signal}"
    picks = {"layer": view.layer, "token": view.token}
    query += "".join(f"&{name}={value}" for name, value in picks.items() if value is not None)
    response, data = ask("report", query)
    assert response.status_code == 200
    assert response.headers["content-disposition"].startswith("attachment")
    return data.decode()


def test_a_report_loads_and_runs_nothing(hostile: runs.Run) -> None:
    html = made([hostile], View("surprise", None, 3))
    page = Page(html)
    assert not {tag for tag, _ in page.tags} & {
        "script",
        "img",
        "iframe",
        "object",
        "embed",
        "link",
        "base",
        "form",
        "a",
    }
    for tag, attributes in page.tags:
        assert not {
            name for name in attributes if name.startswith("on") or name in ("src", "href", "srcset", "action")
        }, tag
    policy = next(a["content"] for t, a in page.tags if t == "meta" and a.get("http-equiv"))
    assert policy == report.POLICY
    assert "default-src 'none'" in str(policy)
    assert "script" not in str(policy)
    assert "url(" not in html
    assert "@import" not in html
    assert page.title.startswith('</title><script>window.__x=1</script>, =cmd|"/c calc"!A1; reversed')


def test_the_text_of_a_report_is_the_text_in_its_colours(hostile: runs.Run) -> None:
    ds = hostile.ds
    page = Page(made([hostile], View("surprise", None, None)))
    text = "".join(text for _, _, text in page.tokens)
    hidden = re.compile("[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\r]")
    assert text == hidden.sub("", str(ds.attrs["text"])).replace("\0", "\u2400")
    values = aggregate.column(ds, "surprise")
    limits = traced.shared_scale((hostile.id,), "surprise", None)
    firsts = [int(title.split(" ")[0].replace(",", "")) - 1 for _, title, _ in page.tokens]
    assert firsts[0] == 0
    for (css, _, _), low, high in zip(page.tokens, firsts, [*firsts[1:], len(values)], strict=True):
        step = int(svg.level(values[low:high].max(keepdims=True), limits.low, limits.high)[0])
        assert css == f"c{step}"


def test_a_report_of_several_runs_draws_each(finished: dict[str, str], traces: list[xr.Dataset]) -> None:
    html = made([opened(run) for run in finished.values()], View("momentum", 1, 5))
    for line in ("r0", "r1", "r2"):
        assert f'class="line {line}"' in html
    for name in traces[0].data_vars:
        if name not in ("id", "head_eta", "head_alpha", "head_momentary"):
            assert str(traces[0][name].attrs["long_name"]) in html
    assert html.count('<div class="text">') == 3
    assert "Token 6" in html
    assert len(html.encode()) < 1_000_000


def test_a_signal_of_only_one_run_and_signed_ones_are_drawn(finished: dict[str, str]) -> None:
    shown = [opened(run) for run in finished.values()]
    assert made(shown, View("gate", None, None)).count('<div class="text">') == 1
    assert 'class="d' in made(shown, View("alignment", None, None))
    assert "Layer × token" not in made(shown, View("nll", None, None))


def test_a_long_report_says_what_it_leaves_out(long_run: tuple[runs.Run, Path]) -> None:
    run, _ = long_run
    html = report.report([run], View("surprise", None, 70_000), {})
    assert f"The text has {run.ds.sizes['token']:,} tokens. Its first 20,000 are shown here" in html
    assert 'title="19,9' not in html  # titles are plain numbers
    assert len(html) < 3_000_000


def test_tokens_that_share_a_sign_are_one_span() -> None:
    text = "e\u0301👩‍👩x"
    start, end = np.array([0, 1, 2, 3, 4, 5]), np.array([1, 2, 3, 4, 5, 6])
    assert list(spans.cells(text, start, end)) == [(0, 2), (2, 5), (5, 6)]


def test_steps_of_a_scale_and_ticks() -> None:
    assert list(svg.level(np.array([-1, 0, 0.5, 1, np.inf, np.nan]), 0, 1)) == [0, 0, 16, 31, 31, -1]
    assert svg.ticks(0, 100) == [0, 50, 100]
    assert svg.ticks(0, 0) == svg.ticks(0, float("nan")) == []
    from plotly.colors import sequential

    assert list(CIVIDIS) == sequential.Cividis


def test_columns_of_heads_are_named(traces: list[xr.Dataset]) -> None:
    listed = [column.name for column in columns.columns(traces[0])]
    assert "surprise_layer1" in listed
    assert "nll" in listed
    assert "head_eta_layer3_head2" in listed


def test_what_was_recorded_stands_under_the_name_of_each_of_several_runs(finished: dict[str, str]) -> None:
    shown = [runs.opened(finished[name]) for name in ("mac", "mag")]
    html = report.report([run for run in shown if run is not None], View("surprise", None, None), {})
    recorded = html.partition("What was recorded of each run")[2]
    assert recorded.index("<h3>MAC</h3>") < recorded.index("<h3>MAG</h3>")
