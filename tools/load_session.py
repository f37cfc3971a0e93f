"""One session of tools/load.py: a client that speaks Streamlit's websocket protocol as a browser does."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import time
import urllib.error
import urllib.request
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

PATIENCE = 60.0  # seconds
ACTIONS = 3  # between two runs
SIGNALS = ("surprise", "momentum", "forgotten", "gate", "nll")


@dataclass
class Seen:
    """What all sessions saw. answers: of each kind of widget the seconds from the act to the last of its answer.

    pages: seconds that the page of a new run took to come once a browser asked whether it was there.
    """

    begun: float = field(default_factory=time.monotonic)
    answers: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    polls: list[float] = field(default_factory=list)
    pages: list[float] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    leaks: list[str] = field(default_factory=list)
    samples: list[tuple[float, ...]] = field(default_factory=list)  # s, MB of server and workers, s of cores of both
    secrets: list[str] = field(default_factory=list)


class Session:
    """One person with one tab."""

    def __init__(self, address: str, seen: Seen, text: str, seed: int) -> None:
        self.address, self.seen = address, seen
        self.chance = random.Random(seed)  # noqa: S311 (of what is done when)
        self.secret = secrets.token_hex(8)
        seen.secrets.append(self.secret)
        self.text = text.replace("{}", self.secret)
        self.query = ""
        self.ids: dict[str, str] = {}  # key of a widget -> its id
        self.within: dict[str, str] = {}  # key of a widget -> the fragment that it is drawn in, "" for the page
        self.says: dict[str, Any] = {}  # key of a widget -> its state, of which a browser sends all each time
        self.bar, self.every = "", 0.3  # the fragment that shows how far a run is, and how often a browser asks
        self.told = ""  # the same, in an answer that is not whole yet
        self.whole = False  # all of the page was drawn anew in the last answer
        self.shown: set[tuple[str, ...]] = set()  # runs and signals that were fetched
        self.fetching: set[asyncio.Task[None]] = set()

    async def live(self, until: float, pause: float) -> None:
        """Run the text whenever that is done, and use widgets in between, every `pause` seconds more or less."""
        origin = self.address  # as a browser says it
        stream = self.address.replace("http", "ws", 1) + "/_stcore/stream"
        await asyncio.sleep(pause * self.chance.uniform(0, 1))
        async with connect(stream, subprotocols=["streamlit"], origin=origin, max_size=None) as socket:  # type: ignore[arg-type, list-item]
            await self._tell(socket)
            self.says["source"] = ["Paste"]
            await self._tell(socket, self.within["source"])  # the field to paste into is drawn
            run = 0
            while time.monotonic() < until:
                if not self.bar:
                    run += 1
                    await self._act(socket, "typed", run)
                    await self._act(socket, "run", run)
                    self.seen.counts["runs asked for"] += 1
                for _ in range(ACTIONS):
                    due = await self._think(socket, pause * self.chance.uniform(0.5, 1.5))  # not in step
                    await self._act(socket, self.chance.choice(("typed", "token", "token", "signal")), run, due)
                await self._own_text()

    async def _think(self, socket: ClientConnection, seconds: float) -> float:
        """While a bar is shown a browser asks how far the run is. Returns when the thinking was over."""
        due = time.monotonic() + seconds
        while (left := due - time.monotonic()) > 0:
            await asyncio.sleep(min(left, self.every))
            if self.bar:
                begun = time.monotonic()
                await self._tell(socket, self.bar, poll=True)
                (self.seen.pages if self.whole else self.seen.polls).append(time.monotonic() - begun)
        return due

    async def _act(self, socket: ClientConnection, kind: str, run: int, due: float | None = None) -> None:
        """Do one thing. due: when a person did it; if the server drew something else then, that counts as waiting."""
        begun = due or time.monotonic()
        name, now = "text_heatmap", int(time.time() * 1000)
        if kind == "typed":
            name = "pasted"
            self.says[name] = f"{self.text} {run} {'.' * self.chance.randrange(9)}"
        elif kind == "token":
            self.says[name] = self.says.get(name, {}) | {"token": [self.chance.randrange(80), now]}
        elif kind == "signal":
            self.says[name] = self.says.get(name, {}) | {"signal": [self.chance.choice(SIGNALS), now]}
        else:
            name = "run"
        if name not in self.within:  # nothing is shown yet
            return
        self.seen.counts["answers while its run goes"] += bool(self.bar)
        await self._tell(socket, self.within[name], pressed=kind == "run")
        self.seen.answers[kind].append(time.monotonic() - begun)

    async def _tell(
        self, socket: ClientConnection, fragment: str = "", *, pressed: bool = False, poll: bool = False
    ) -> None:
        """Send the state of all widgets, and take what is drawn until the server waits again."""
        message = BackMsg()
        state = message.rerun_script
        state.query_string, state.fragment_id, state.is_auto_rerun = self.query, fragment, poll
        for name, value in self.says.items():
            if name in self.ids:
                widget = state.widget_states.widgets.add(id=self.ids[name])
                if isinstance(value, list):
                    widget.string_array_value.data.extend(value)
                elif isinstance(value, dict):
                    widget.json_value = json.dumps(value)
                else:
                    widget.string_value = value
        if pressed:
            state.widget_states.widgets.add(id=self.ids["run"], trigger_value=True)
        await socket.send(message.SerializeToString())
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
        if kind == "new_session":
            self.told = ""
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            self._element(message.delta.new_element, message.delta.fragment_id)
        elif kind == "page_info_changed":
            self.query = message.page_info_changed.query_string
        elif kind == "auto_rerun":
            self.told, self.every = message.auto_rerun.fragment_id, message.auto_rerun.interval
        elif kind == "script_finished" and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            self.whole = message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY
            self.bar = self.told if self.whole else self.bar
            return True
        return False

    def _element(self, element: Any, fragment: str) -> None:
        kind = str(element.WhichOneof("type"))
        drawn = getattr(element, kind)
        if name := getattr(drawn, "id", "").partition("-")[2].partition("-")[2]:
            self.ids[name], self.within[name] = drawn.id, fragment
        if kind == "bidi_component" and drawn.component_name.endswith(".figures"):
            self._fetch(json.loads(drawn.json))
        if kind == "alert":
            self.seen.counts[f"said: {drawn.body[:60].replace(self.secret, '…')}"] += 1
        self.seen.counts["exceptions"] += kind == "exception"

    def _fetch(self, figure: dict[str, Any]) -> None:
        """What a browser does with a run or a signal that it has not shown yet: it fetches, and tells what it drew."""
        runs, signal, how = figure["runs"], figure["look"]["signal"], figure["look"]["how"]
        if figure["kind"] != "timelines" or (*runs, signal) in self.shown:
            return
        asked = "&".join(f"run={run}" for run in runs)
        wanted = [f"values?{asked}&signal={signal}", f"figure?kind=layer_map&{asked}&signal={signal}&how={how}"]
        if not any(set(runs) <= set(known) for known in self.shown):
            drawn = (f"drawn?run={runs[0]}&part={part}" for part in ("text", "timelines"))
            wanted = [f"text?run={runs[0]}", f"figure?kind=timelines&{asked}", *drawn, *wanted]
        self.shown.add((*runs, signal))
        task = asyncio.create_task(asyncio.to_thread(self._all_of, wanted))
        self.fetching.add(task)
        task.add_done_callback(self.fetching.discard)

    def _all_of(self, wanted: list[str]) -> None:
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
