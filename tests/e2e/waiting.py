"""Waiting for an expression on pages whose policy forbids to evaluate strings."""

from __future__ import annotations

import time

from playwright.sync_api import Error, Page, TimeoutError

EVERY = 25  # ms


def wait_for_function(page: Page, expression: str, *, timeout: float = 30_000) -> None:
    """In place of Page.wait_for_function, which evaluates its string within the page, later: a policy without
    'unsafe-eval' forbids that, and allows what the debugger evaluates at once.
    """
    until, said = time.monotonic() + timeout / 1000, ""
    while time.monotonic() < until:
        try:
            if page.evaluate(f"!!({expression})"):
                return
        except Error as error:  # it throws until there is what it asks for, or the page is being left
            said = str(error)
        page.wait_for_timeout(EVERY)
    raise TimeoutError(f"{timeout:.0f} ms passed before {expression} held {said}")
