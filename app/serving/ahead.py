"""With a page goes word of what it will fetch; a newcomer is led to the first run."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders, QueryParams
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import titans_core as tc
from app import link, opening, runs
from app.runs import shared
from app.serving import sign_in
from app.theme import SIGNALS

PAGES = ("/", "/compare")  # those that draw text and timelines


class Ahead:
    """Middleware: with the page goes word of what it will fetch, so that browser and server begin while it starts.

    A newcomer is led to the first sample's run at once: its address is then one entry in the browser's history.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        page = scope["type"] == "http" and scope["method"] == "GET" and scope["path"] in PAGES and sign_in.known(scope)
        query = QueryParams(scope["query_string"]) if page else QueryParams()
        if page and scope["path"] == PAGES[0] and "run" not in query and tc.checkpoints():
            run = await run_in_threadpool(shared.welcome)
            address = f"?{urlencode([('run', run), *query.multi_items()])}"
            await RedirectResponse(address, 307, {"Cache-Control": "no-store"})(scope, receive, send)
            return
        wanted = _wanted(query)

        async def told(message: Message) -> None:
            if wanted and message["type"] == "http.response.start" and message["status"] == 200:
                links = (f"<{address}>; rel=preload; as=fetch; crossorigin=anonymous" for address in wanted)
                MutableHeaders(scope=message).append("Link", ", ".join(links))
            await send(message)

        await self.app(scope, receive, told)


def _wanted(query: QueryParams) -> list[str]:
    """The addresses that text and timelines will ask for first, as far as they do not hang on what the run has."""
    names = list(dict.fromkeys(query.getlist("run")))[:8]
    if not names or any(runs.engine().result(name) is None for name in names):
        return []
    opening.announce(names[0])
    look = link.read(query, SIGNALS)
    shown = [("run", name) for name in names]
    addresses = [f"titanscope/text?{urlencode(shown[:1])}"]
    if "layer" not in look:
        addresses.append(f"titanscope/values?{urlencode([*shown, ('signal', look.get('signal', 'surprise'))])}")
        if "span" not in look:
            addresses.append(f"titanscope/figure?{urlencode([('kind', 'timelines'), *shown])}")
    return addresses
