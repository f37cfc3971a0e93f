"""Sign-in by an identity provider (OIDC), where secrets.toml has a section [auth]; without one everybody is let in."""

from __future__ import annotations

import json

import streamlit as st
from starlette.requests import HTTPConnection
from starlette.types import Scope
from streamlit.auth_util import get_cookie_with_chunks, get_secrets_auth_section, is_authlib_installed
from streamlit.web.server.server_util import get_cookie_secret
from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME


def wanted() -> bool:
    return bool(get_secrets_auth_section())


def gate() -> None:
    """Of a page: stop it with a button where the person has to sign in first."""
    if not wanted() or st.user.get("is_logged_in") is True:
        return
    st.title("Titanscope")
    st.write("Sign in to see runs and to start one.")
    able = is_authlib_installed()
    st.button("Sign in", on_click=st.login, type="primary", disabled=not able)
    if not able:
        st.error(
            'Nobody can sign in yet: this server lacks the extra `sign-in`; `pip install -e ".[app,sign-in]"` adds it.'
        )
    st.stop()


def leave() -> None:
    """Of a sidebar: who has signed in, and a button to sign out; nothing where nobody has to."""
    if wanted():
        st.text(str(st.user.get("email") or st.user.get("name") or "Signed in")[:80])
        st.button("Sign out", on_click=st.logout)


def known(scope: Scope) -> bool:
    """Of a request: whether who asks has signed in, as Streamlit's signed cookie says, or need not."""
    if not wanted():
        return True
    cookies, secret = HTTPConnection(scope).cookies, get_cookie_secret()

    def signed(name: str) -> bytes | None:
        return decode_signed_value(secret, name, cookies[name]) if name in cookies else None

    try:
        said = json.loads(get_cookie_with_chunks(signed, USER_COOKIE_NAME) or b"{}")
    except ValueError:
        return False
    return isinstance(said, dict) and said.get("is_logged_in") is True
