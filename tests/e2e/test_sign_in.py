"""Sign-in: off unless secrets.toml has [auth]; then nothing is shown or sent without Streamlit's cookie."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, expect
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value

from tests.e2e.provider import EMAIL, provider
from tests.e2e.serving import ask, served

SECRET = "only-this-server-knows-it"  # noqa: S105
AUTH = """
[auth]
redirect_uri = "http://127.0.0.1:{{port}}/oauth2callback"
cookie_secret = "{secret}"
client_id = "titanscope"
client_secret = "x"
server_metadata_url = "{provider}/.well-known/openid-configuration"
"""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a server that asks for sign-in with a provider on this machine."""
    home = tmp_path_factory.mktemp("guarded")
    (home / ".streamlit").mkdir()
    with provider("titanscope") as address:
        (home / ".streamlit" / "secrets.toml").write_text(AUTH.format(secret=SECRET, provider=address))
        with served(home) as (guarded, _):
            yield guarded


def cookie(secret: str, **said: object) -> str:
    return create_signed_value(secret, "_streamlit_user", json.dumps(said)).decode()


def _known(context: BrowserContext) -> bool:
    return any(one["name"] == "_streamlit_user" and one["value"] for one in context.cookies())


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


def test_pages_ask_for_sign_in_open_with_it_and_shut_again(guarded: str, browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    for path in ("/", "/compare", "/recall"):
        page.goto(guarded + path)
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        expect(page.get_by_text("Run", exact=True)).to_have_count(0)
        expect(page.get_by_test_id("stSidebarContent")).to_have_count(0)
    page.get_by_role("button", name="Sign in").click()
    sidebar = page.get_by_test_id("stSidebar")
    expect(sidebar.get_by_text(EMAIL)).to_be_visible(timeout=20_000)
    page.goto(guarded + "/recall")
    expect(page.get_by_role("link", name="Explore")).to_be_visible()
    cookies = "; ".join(f"{one['name']}={one['value']}" for one in context.cookies())
    assert ask(guarded, f"/titanscope/text?run={'0' * 32}", Cookie=cookies)[0] == 404, "let in, and no such run"
    assert all(one["httpOnly"] for one in context.cookies() if one["name"] == "_streamlit_user")
    sidebar.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible(timeout=20_000)
    until = time.monotonic() + 10  # the button is back before the answer that takes the cookie
    while (known := _known(context)) and time.monotonic() < until:
        page.wait_for_timeout(100)
    assert not known
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
