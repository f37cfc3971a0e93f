"""Waiting for an expression on pages whose policy forbids to evaluate strings."""

from __future__ import annotations

import re
import time

from playwright.sync_api import Error, Page, TimeoutError

EVERY = 25  # ms
_FUNCTION = re.compile(r"\s*(async\s+)?(\(.*?\)|\w+)\s*=>|\s*function\b", re.DOTALL)


def wait_for_function(
    page: Page, expression: str, *, arg: object = None, timeout: float = 30_000, polling: object = None
) -> None:
    """In place of Page.wait_for_function, which evaluates its string within the page, later: a policy without
    'unsafe-eval' forbids that, and allows what the debugger evaluates at once. polling: ms, else EVERY.
    """
    asked = f"(arg) => !!({expression})(arg)" if _FUNCTION.match(expression) else f"!!({expression})"
    every = polling if isinstance(polling, int) else EVERY
    until, said = time.monotonic() + timeout / 1000, ""
    while time.monotonic() < until:
        try:
            if page.evaluate(asked, arg):
                return
        except Error as error:  # it throws until there is what it asks for, or the page is being left
            said = str(error)
        page.wait_for_timeout(every)
    raise TimeoutError(f"{timeout:.0f} ms passed before {expression} held {said}")
