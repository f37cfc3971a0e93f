"""A server of one's own for tests that need other settings, and requests as a browser would not send them."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

ROOT = Path(__file__).parents[2]
STREAM = "/_stcore/stream"


def port_of(server: str) -> int:
    port = urlsplit(server).port
    assert port is not None
    return port


@contextlib.contextmanager
def served(folder: Path, command: tuple[str, ...] = ("-m", "app"), **env: str) -> Iterator[tuple[str, int]]:
    """The address and process id of `python COMMAND --port P`, run in `folder`, whose output is in its server.log."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    variables = os.environ | {"TITANSCOPE_RUNS": str(folder / "runs"), "PYTHONPATH": found} | env
    with open(folder / "server.log", "w+", encoding="utf-8") as log:
        line = [sys.executable, *command, "--port", str(port)]
        process = subprocess.Popen(line, cwd=folder, env=variables, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait(f"http://127.0.0.1:{port}/_stcore/health", process, folder / "server.log")
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            process.terminate()
            process.wait(30)


def wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert process.poll() is None, f"the server ended:\n{log.read_text()}"
        try:
            with urllib.request.urlopen(address, timeout=2) as reply:  # noqa: S310 (our own address)
                if reply.read() == b"ok":
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise TimeoutError(f"the server did not answer:\n{log.read_text()}")


def ask(
    server: str, path: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of one request whose path is sent as it stands. headers: names with _ for -."""
    at = urlsplit(server)
    assert at.hostname is not None
    connection = http.client.HTTPConnection(at.hostname, at.port, timeout=20)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.putrequest(method, path, skip_host="Host" in named, skip_accept_encoding=True)
        for name, value in named.items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        reply = connection.getresponse()
        return reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read()
    finally:
        connection.close()


def sent(server: str, page: str, query: str = "") -> bytes:
    """All that the server sends over the websocket of one page, until it is drawn."""
    everything = b""
    with connect(server.replace("http", "ws") + STREAM, max_size=None, close_timeout=0) as stream:
        begin = BackMsg()
        begin.rerun_script.query_string = query
        begin.rerun_script.page_name = page
        stream.send(begin.SerializeToString())
        while True:
            data = stream.recv(20)
            assert isinstance(data, bytes)
            everything += data
            message = ForwardMsg()
            message.ParseFromString(data)
            if message.WhichOneof("type") == "script_finished":
                return everything
