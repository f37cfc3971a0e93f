"""The real server asked as an attacker asks it: other names, other origins, other paths, too much at once."""

from __future__ import annotations

import io
import os
import socket
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import titans_core as tc
from tests.e2e.serving import STREAM, ask, port_of, sent

EVIL = "evil.example"
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec_WebSocket_Version": "13",
    "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec_WebSocket_Protocol": "streamlit",
}


def test_it_listens_on_loopback_only_unless_told(server: str) -> None:
    with pytest.raises(OSError, match=r"refused|unreachable|timed out"):
        socket.create_connection((_other_address(), port_of(server)), 2).close()


def _other_address() -> str:
    """An address of this machine that is not 127.0.0.1: of its network, else the loopback's next."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect(("203.0.113.1", 9))  # sends nothing
            return str(asked.getsockname()[0])
        except OSError:
            return "127.0.0.2"


def test_a_websocket_by_another_name_is_refused(server: str) -> None:
    host = f"{EVIL}:{port_of(server)}"
    status, _, _ = ask(server, STREAM, Host=host, Origin=f"http://{host}", **UPGRADE)
    assert status == 403
    own = urlsplit(server).netloc
    assert ask(server, STREAM, Host=own, Origin=server, **UPGRADE)[0] == 101


@pytest.mark.parametrize("origin", [f"http://{EVIL}", "null", "http://127.0.0.1.evil.example", "file://"])
def test_a_websocket_of_another_page_is_refused(server: str, origin: str) -> None:
    assert ask(server, STREAM, Origin=origin, **UPGRADE)[0] == 403


def test_it_answers_to_each_of_its_own_names(server: str) -> None:
    for name in ("localhost", "127.0.0.1", "[::1]", "LOCALHOST.", "localhost:1234"):
        assert ask(server, "/_stcore/host-config", Host=name)[0] == 200, name
        assert ask(server, STREAM, Host=name, Origin=f"http://{name}", **UPGRADE)[0] == 101, name


ROUTES = ["/", "/compare", "/_stcore/health", "/_stcore/host-config", "/titanscope/text?run=x", "/titanscope/nothing"]


@pytest.mark.parametrize("path", [*ROUTES, "/static/js/x.js", "/media/x.png", "/favicon.png"])
def test_no_route_answers_to_another_name(server: str, path: str) -> None:
    for host in (EVIL, "127.0.0.1.evil.example", "user@127.0.0.1", "", "127.0.0.1:x", "[2001:db8::1]"):
        status, headers, body = ask(server, path, Host=host)
        assert status == 403, host
        assert headers["x-content-type-options"] == "nosniff"
        assert EVIL.encode() not in body


@pytest.mark.parametrize("path", ROUTES)
def test_every_reply_says_what_a_browser_may_do_with_it(server: str, path: str) -> None:
    _, headers, _ = ask(server, path)
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self' blob: 'sha256-")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "unsafe-inline" not in policy.partition("style-src")[0]
    assert (headers["x-frame-options"], headers["x-content-type-options"]) == ("DENY", "nosniff")
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert len(headers["x-request-id"]) == 16
    assert "access-control-allow-origin" not in ask(server, path, Origin=f"http://{EVIL}")[1]


def test_an_export_may_do_even_less(server: str, publish: Callable[..., str]) -> None:
    run = publish(tc.load("mag"), "The lamp was lit at six. " * 8)
    for kind in ("csv", "report"):
        headers = ask(server, f"/titanscope/export/{kind}?run={run}")[1]
        assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'unsafe-inline'")
        assert headers["content-disposition"].startswith("attachment")
        assert headers["x-frame-options"] == "DENY"


def test_no_place_of_this_machine_and_no_variable_leaves_it(
    server: str, publish: Callable[..., str], folder: Path
) -> None:
    run = publish(tc.load("mag"), "The lamp was lit at six. " * 8)
    told = {f"page {name}": sent(server, name, f"run={run}") for name in ("", "compare", "recall", "answers")}
    for kind in ("csv", "parquet", "report", "text"):
        told[kind] = ask(server, f"/titanscope/export/{kind}?run={run}")[2]
    archive = zipfile.ZipFile(io.BytesIO(ask(server, f"/titanscope/export/zarr?run={run}")[2]))
    told["zarr"] = b"".join(archive.read(name) for name in archive.namelist())
    secret = {str(folder), str(Path(__file__).parents[2]), sys.prefix, sys.base_prefix, str(Path.home())}
    secret |= {value for value in os.environ.values() if len(value) > 11}
    secret -= {"/", "/usr"}
    for name, data in told.items():
        assert len(data) > 100, name
        assert not [value for value in secret if value.encode() in data], name


@pytest.mark.parametrize("path", ["/_stcore/metrics", "/_stcore/agent/openapi.json", "/_stcore/agent/mcp"])
def test_what_nobody_switched_on_is_not_there(server: str, path: str) -> None:
    assert ask(server, path)[0] == 404
    assert ask(server, "/titanscope/metrics")[0] == 404
    assert ask(server, "/_stcore/agent/interact", "POST", b"{}", Content_Type="application/json")[0] == 404


def test_an_upload_without_token_is_refused(server: str) -> None:
    status, _, body = ask(server, "/_stcore/upload_file/a/b", "PUT", b"x")
    assert (status, body) == (403, b"XSRF token missing or invalid")
    token = {"X_Xsrftoken": "2|a|b|c", "Cookie": "_streamlit_xsrf=2|d|e|f"}
    assert ask(server, "/_stcore/upload_file/a/b", "DELETE", **token)[0] == 403


UP = ["..%2f..%2f..%2f..%2fetc%2fpasswd", "%252e%252e%252f%252e%252e%252fetc/passwd", "../../../../etc/passwd"]
UP += ["%5c%5chost%5cshare", "\\\\host\\share", "%00/etc/passwd", "/etc/passwd", "%2fetc%2fpasswd", "..%5c..%5cetc"]
UP += ["..;/..;/etc/passwd", "%c0%ae%c0%ae/etc/passwd", "x/../../../../../../etc/passwd"]
WITHIN = ["component", "media", "app/static", "static", "_stcore/bidi-components/x", "titanscope", "titanscope/export"]


@pytest.mark.parametrize("within", WITHIN)
def test_no_path_leads_out(server: str, within: str) -> None:
    for up in UP:
        status, headers, body = ask(server, f"/{within}/{up}")
        shell = status == 200 and headers["content-type"].startswith("text/html") and b'<div id="root">' in body
        assert status in (400, 403, 404) or shell, f"{up} gave {status}; an unknown page is Streamlit's own shell"
        assert b"root:" not in body


@pytest.mark.parametrize("up", ["//host/share", "/\\\\host\\share", "//127.0.0.1/etc/passwd"])
def test_no_path_is_taken_for_a_share(server: str, up: str) -> None:
    assert ask(server, up)[0] == 400


def test_a_run_is_known_by_its_id_alone(server: str) -> None:
    for run in ("../../etc/passwd", "%2e%2e%2f", "0" * 32, "0" * 31, "G" * 32, "a" * 10_000, "\\\\host\\share", "%00"):
        for kind in ("text", "values", "figure", "export/csv", "export/zarr", "export/report", "export/memory"):
            path = f"/titanscope/{kind}?signal=surprise&run={run}"
            assert ask(server, path)[0] == 404, path
