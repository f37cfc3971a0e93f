"""One session of tools/load.py: a client that speaks Streamlit's websocket protocol."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import time
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

PATIENCE = 60.0  # seconds
CHANCE = random.Random(1)  # noqa: S311 (of pauses)


@dataclass
class Seen:
    """What all sessions saw. answers: (seconds since the start, seconds that a widget took)."""

    begun: float = field(default_factory=time.monotonic)
    answers: list[tuple[float, float]] = field(default_factory=list)
    polls: list[float] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    leaks: list[str] = field(default_factory=list)
    memory: list[tuple[float, float, float]] = field(default_factory=list)  # (s, MB of the server, of workers)
    secrets: list[str] = field(default_factory=list)


class Session:
    """One person with one tab."""

    def __init__(self, address: str, seen: Seen, text: str) -> None:
        self.address, self.seen = address, seen
        self.secret = secrets.token_hex(8)
        seen.secrets.append(self.secret)
        self.text = text.replace("{}", self.secret)
        self.query = ""
        self.ids: dict[str, str] = {}  # key of a widget -> its id
        self.fragment = ""  # that shows how far a run is
        self.pressed = 0
        self.shown: set[tuple[str, ...]] = set()  # runs whose figures were fetched
        self.fetching: set[asyncio.Task[None]] = set()

    async def live(self, until: float, pause: float) -> None:
        """Run the text whenever that is done, and use widgets in between."""
        origin = self.address  # as a browser says it
        stream = self.address.replace("http", "ws", 1) + "/_stcore/stream"
        await asyncio.sleep(pause * CHANCE.uniform(0, 1))
        async with connect(stream, subprotocols=["streamlit"], origin=origin, max_size=None) as socket:  # type: ignore[arg-type, list-item]
            await self._tell(socket)
            await self._tell(socket, paste="")  # the field to paste into is drawn
            while time.monotonic() < until:
                if not self.fragment:
                    self.pressed += 1
                    await self._tell(socket, paste=f"{self.text} {self.pressed}", run=True)
                    self.seen.counts["runs asked for"] += 1
                for k in range(3):
                    self.seen.counts["answers while its run goes"] += bool(self.fragment)
                    begun = time.monotonic()
                    await self._tell(socket, paste=f"{self.text} {self.pressed} {'.' * k}")
                    self.seen.answers.append((begun - self.seen.begun, time.monotonic() - begun))
                    await asyncio.sleep(pause * CHANCE.uniform(0.5, 1.5))  # people do not act in step
                    await self._poll(socket)
                await self._own_text()

    async def _poll(self, socket: ClientConnection) -> None:
        """What a browser asks for while a bar is shown, though less often."""
        if self.fragment:
            begun = time.monotonic()
            await self._tell(socket, paste=f"{self.text} {self.pressed}", fragment=self.fragment)
            self.seen.polls.append(time.monotonic() - begun)

    async def _tell(
        self, socket: ClientConnection, paste: str | None = None, run: bool = False, fragment: str = ""
    ) -> None:
        """Send the state of all widgets, and take what is drawn until the server waits again."""
        message = BackMsg()
        state = message.rerun_script
        state.query_string, state.fragment_id, state.is_auto_rerun = self.query, fragment, bool(fragment)
        if paste is not None:
            state.widget_states.widgets.add(id=self.ids["source"]).string_array_value.data.append("Paste")
            if "pasted" in self.ids:
                state.widget_states.widgets.add(id=self.ids["pasted"], string_value=paste)
        if run:
            state.widget_states.widgets.add(id=self.ids["run"], trigger_value=True)
        await socket.send(message.SerializeToString())
        self.fragment = fragment
        await self._drawn(socket)

    async def _drawn(self, socket: ClientConnection) -> None:
        """Take what the server draws until it waits again."""
        async with asyncio.timeout(PATIENCE):
            async for raw in socket:
                if isinstance(raw, bytes) and self._last(ForwardMsg.FromString(raw), raw):
                    break
        self.seen.counts["script runs"] += 1

    def _last(self, message: ForwardMsg, raw: bytes) -> bool:
        """Take one message; whether it is the last of those that were asked for."""
        others = [secret for secret in self.seen.secrets if secret != self.secret and secret.encode() in raw]
        self.seen.leaks += [f"{self.secret} saw {other}" for other in others]
        kind = message.WhichOneof("type")
        if kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            element = message.delta.new_element
            drawn = getattr(element, str(element.WhichOneof("type")))
            if name := getattr(drawn, "id", "").partition("-")[2].partition("-")[2]:
                self.ids[name] = drawn.id
            if element.WhichOneof("type") == "bidi_component" and drawn.component_name.endswith(".figures"):
                self._fetch(json.loads(drawn.json))
            if element.WhichOneof("type") == "alert":
                self.seen.counts[f"said: {drawn.body[:60].replace(self.secret, '…')}"] += 1
            if element.WhichOneof("type") == "exception":
                self.seen.counts["exceptions"] += 1
        elif kind == "page_info_changed":
            self.query = message.page_info_changed.query_string
        elif kind == "auto_rerun":
            self.fragment = message.auto_rerun.fragment_id
        elif kind == "script_finished":
            if message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                return True
            self.fragment = ""  # all is drawn anew
        return False

    def _fetch(self, figure: dict[str, Any]) -> None:
        """What a browser does with runs that it has not shown yet: it fetches, and tells when it drew them."""
        runs = tuple(figure["runs"])
        if figure["kind"] == "timelines" and runs not in self.shown:
            self.shown.add(runs)
            asked = "&".join(f"run={run}" for run in runs)
            wanted = (
                f"text?run={runs[0]}",
                f"values?{asked}&signal={figure['look']['signal']}",
                f"figure?kind=timelines&{asked}",
                *(f"drawn?run={runs[0]}&part={part}" for part in ("text", "timelines")),
                f"figure?kind=layer_map&{asked}&signal={figure['look']['signal']}&how={figure['look']['how']}",
            )
            task = asyncio.create_task(asyncio.to_thread(self._all_of, wanted))
            self.fetching.add(task)
            task.add_done_callback(self.fetching.discard)

    def _all_of(self, wanted: tuple[str, ...]) -> None:
        for path in wanted:
            fetched(f"{self.address}/titanscope/{path}")

    async def _own_text(self) -> None:
        """The text of the run in the address, over HTTP: the session's own, or that of the newcomer's sample."""
        run = parse_qs(self.query).get("run", [""])[-1]
        data = await asyncio.to_thread(fetched, f"{self.address}/titanscope/text?run={run}")
        self.seen.leaks += [
            f"{self.secret} fetched {o}" for o in self.seen.secrets if o != self.secret and o.encode() in data
        ]
        self.seen.counts["texts with the own secret"] += self.secret.encode() in data


def fetched(address: str) -> bytes:
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE) as reply:  # noqa: S310 (loopback, see main)
            return bytes(reply.read())
    except urllib.error.HTTPError:
        return b""
