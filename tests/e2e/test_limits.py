"""What one client can take: uploads end at a cap, one that never reads keeps nobody waiting, one socket listens."""

from __future__ import annotations

import contextlib
import http.client
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

import titans_core as tc
from tests.e2e.serving import STREAM, ask, port_of, sent


@pytest.fixture
def session(server: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The id of an open session, and the headers by which an upload to it is let in."""
    _, headers, _ = ask(server, "/_stcore/health")
    token = headers["set-cookie"].partition("_streamlit_xsrf=")[2].partition(";")[0]
    with connect(server.replace("http", "ws") + STREAM, max_size=None, close_timeout=0) as socket_:
        begin = BackMsg()
        begin.rerun_script.query_string = ""
        socket_.send(begin.SerializeToString())
        while True:
            message = ForwardMsg()
            message.ParseFromString(socket_.recv(20))  # type: ignore[arg-type]
            if message.WhichOneof("type") == "new_session":
                break
        made = message.new_session.initialize.session_id
        yield made, {"X_Xsrftoken": token, "Cookie": f"_streamlit_xsrf={token}"}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_uploads_end_at_the_cap(server: str, session: tuple[str, dict[str, str]]) -> None:
    name, token = session
    path = f"/_stcore/upload_file/{name}/1"
    kind = {"Content_Type": "multipart/form-data; boundary=B"}
    good = b'--B\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\nwords\r\n--B--\r\n'
    assert ask(server, path, "PUT", good, **token, **kind)[0] == 204
    before = rss(server)
    large = 51 * 1024 * 1024
    assert status_of(server, path, {**token, **kind, "Content_Length": str(large)}, [b"x" * 1000]) == 413
    head, block = good.partition(b"words")[0], b"x" * 1_000_000
    chunked = {**token, **kind, "Transfer_Encoding": "chunked"}
    assert status_of(server, path, chunked, [head, *[block] * 60]) == 413
    parts = b"".join(b'--B\r\nContent-Disposition: form-data; name="f%d"\r\n\r\nx\r\n' % k for k in range(2_000))
    assert ask(server, path, "PUT", parts + b"--B--\r\n", **token, **kind)[0] == 400
    header = b'--B\r\nContent-Disposition: form-data; name="%s"\r\n\r\nx\r\n--B--\r\n' % (b"x" * 1_000_000)
    assert ask(server, path, "PUT", header, **token, **kind)[0] == 400
    assert rss(server) - before < 150_000_000
    assert ask(server, path, "PUT", good, **token, **kind)[0] == 204, "the next good one works"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_a_session_uploads_is_bounded(server: str, session: tuple[str, dict[str, str]]) -> None:
    name, token = session
    kind = {"Content_Type": "multipart/form-data; boundary=B"}
    head = b'--B\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\n'
    body = head + b"x" * 45_000_000 + b"\r\n--B--\r\n"
    before = rss(server)
    for k in range(10):
        assert ask(server, f"/_stcore/upload_file/{name}/many{k}", "PUT", body, **token, **kind)[0] == 204
    assert rss(server) - before < 300_000_000, "of 450 MB"


def status_of(server: str, path: str, headers: dict[str, str], body: list[bytes]) -> int:
    """Of a request whose body may be cut off by the reply; sent in chunks where the headers say so."""
    connection = http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=20)
    try:
        connection.putrequest("PUT", path)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        chunked = "Transfer_Encoding" in headers
        try:
            for part in body:
                connection.send(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
        except OSError:
            pass  # the reply is there already
        return connection.getresponse().status
    finally:
        connection.close()


def processes(server: str) -> list[Path]:
    """/proc of the process that listens at the server's address, and of those it started."""
    port, socket_ = f":{port_of(server):04X}", ""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        columns = line.split()
        if columns[1].endswith(port) and columns[3] == "0A":
            socket_ = f"socket:[{columns[9]}]"
    every = [path for path in Path("/proc").iterdir() if path.name.isdigit()]
    found = [path for path in every if socket_ in sockets(path)]
    parents = {path: parent(path) for path in every}
    for path in every:
        up = path.name
        while up and up != "1":
            up = parents.get(Path("/proc") / up, "")
            if Path("/proc") / up in found:
                found.append(path)
                break
    return found


def parent(process: Path) -> str:
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[1]
    except OSError:
        return ""


def sockets(process: Path) -> set[str]:
    found = set()
    with contextlib.suppress(OSError):  # it is not ours, or has ended
        for entry in (process / "fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                found.add(os.readlink(entry))
    return found


def rss(server: str) -> int:
    """Resident bytes of the server's own process."""
    pages = (processes(server)[0] / "statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nothing_else_listens(server: str) -> None:
    found = processes(server)
    assert len(found) > 1, "the server and its worker"
    open_here = {name for process in found for name in sockets(process)}
    listening = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            columns = line.split()
            if columns[3] == "0A" and f"socket:[{columns[9]}]" in open_here:
                listening.append(columns[1])
    assert listening == [f"0100007F:{port_of(server):04X}"], "127.0.0.1, one port"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_client_that_never_reads_keeps_nobody_waiting(server: str, publish: Callable[..., str]) -> None:
    run = publish(tc.load("mag"), "The lamp was lit at six. " * 400)
    before, slowest = rss(server), 0.0
    begin = BackMsg()
    begin.rerun_script.query_string = f"run={run}"
    with connect(server.replace("http", "ws") + STREAM, max_size=None, max_queue=1, close_timeout=0) as deaf:
        for _ in range(40):
            deaf.send(begin.SerializeToString())
            begun = time.monotonic()
            assert ask(server, "/_stcore/health")[0] == 200
            slowest = max(slowest, time.monotonic() - begun)
        assert b"titanscope" in sent(server, "answers").lower(), "another session is drawn meanwhile"
        assert rss(server) - before < 200_000_000
    assert slowest < 1
