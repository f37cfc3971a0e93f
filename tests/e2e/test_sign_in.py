"""Sign-in: off unless secrets.toml has [auth]; then nothing is shown or sent without Streamlit's cookie."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value

from tests.e2e.serving import ask, served

SECRET = "only-this-server-knows-it"  # noqa: S105
AUTH = f"""
[auth]
redirect_uri = "http://127.0.0.1/oauth2callback"
cookie_secret = "{SECRET}"
client_id = "titanscope"
client_secret = "x"
server_metadata_url = "http://127.0.0.1:9/.well-known/openid-configuration"
"""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a server that asks for sign-in. No identity provider is there, so nobody can get a cookie from it."""
    home = tmp_path_factory.mktemp("guarded")
    (home / ".streamlit").mkdir()
    (home / ".streamlit" / "secrets.toml").write_text(AUTH)
    with served(home) as (address, _):
        yield address


def cookie(secret: str, **said: object) -> str:
    return create_signed_value(secret, "_streamlit_user", json.dumps(said)).decode()


@pytest.mark.parametrize("path", ["text", "values", "figure", "drawn", "export/csv", "export/report", "nothing"])
def test_nothing_is_sent_to_whom_nobody_knows(guarded: str, server: str, path: str) -> None:
    path = f"/titanscope/{path}?run={'0' * 32}"
    wrong = [cookie("another", is_logged_in=True), cookie(SECRET, is_logged_in=False), cookie(SECRET), "x", ""]
    for value in wrong:
        assert ask(guarded, path, Cookie=f"_streamlit_user={value}")[0] == 401
    assert ask(guarded, path, Cookie=f"_streamlit_user={cookie(SECRET, is_logged_in=True)}")[0] in (204, 404)
    assert ask(server, path)[0] in (204, 404), "nobody has to sign in where that is not set up"


def test_no_run_is_begun_for_whom_nobody_knows(guarded: str, server: str) -> None:
    assert ask(guarded, "/")[0] == 200
    assert ask(server, "/")[0] == 307


def test_a_server_that_guards_its_runs_says_that_it_is_there(guarded: str) -> None:
    assert ask(guarded, "/_stcore/health")[0] == 200
    assert ask(guarded, "/titanscope/ready")[0] in (200, 503)


def test_pages_ask_for_sign_in_and_open_with_it(guarded: str, browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    for path in ("/", "/compare", "/recall"):
        page.goto(guarded + path)
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        expect(page.get_by_text("Run", exact=True)).to_have_count(0)
        expect(page.get_by_test_id("stSidebarContent")).to_have_count(0)
    signed = {"name": "_streamlit_user", "domain": "127.0.0.1", "path": "/"}
    context.add_cookies([{**signed, "value": cookie(SECRET, is_logged_in=True, origin=guarded, email="a@b.c")}])
    page.goto(guarded + "/recall")
    expect(page.get_by_role("link", name="Explore")).to_be_visible()
    expect(page.get_by_role("button", name="Sign in")).to_have_count(0)
    context.close()


def test_the_cookie_is_of_this_server(guarded: str, browser: Browser) -> None:
    """One that another site's sign-in made is refused by the websocket, whose pages then ask again."""
    context = browser.new_context()
    signed = {"name": "_streamlit_user", "domain": "127.0.0.1", "path": "/"}
    context.add_cookies([{**signed, "value": cookie(SECRET, is_logged_in=True, origin="http://evil.example")}])
    page = context.new_page()
    page.goto(guarded + "/recall")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    context.close()
