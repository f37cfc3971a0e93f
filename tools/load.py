"""Many sessions at one dashboard, on this machine alone: `python tools/load.py --sessions 20 --minutes 10`.

Each session is a websocket client that speaks Streamlit's protocol: it pastes a text with a secret in it, runs it, and
uses widgets while that goes on: it types into the text (1 of 4), clicks a token (2 of 4) or chooses a signal (1 of 4).
Between two of these it thinks, --pause seconds in the mean, evenly from half to one and a half of it, by a fixed seed;
after three it runs its text again. Meanwhile it asks how far its run is, as often as a browser does.

Printed, and written as JSON: how long a widget takes to answer, from the act to the last of what it draws (bar: 95 %
under 1 s), how long the page of a new run takes, whether a session ever saw another's secret, how the resident memory
of the server and its workers grows over the second half, and how much of the cores they and all others used.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from load_session import Seen, Session, fetched

ROOT = Path(__file__).parents[1]
SENTENCE = "The keeper of the lamp wrote the number {} in the log, and nobody else has read it since. "
BAR = 1.0  # seconds


def loopback(address: str) -> str:
    """The address, where it is http on this machine. Raises ValueError for any other."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    if parts.scheme != "http" or not (host == "localhost" or ipaddress.ip_address(host).is_loopback):
        raise ValueError(f"{address} is not on this machine; load is made on http://127.0.0.1:PORT alone")
    return address.rstrip("/")


def used(process: int) -> tuple[float, ...]:
    """MB of the server and of its workers; seconds of cores of the server, of its workers, and of all this machine."""
    found, cores = [0.0, 0.0], [0.0, 0.0]
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(path.parent.name) == process or int(fields[1]) == process:
            found[int(path.parent.name) != process] += int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 1e6
            cores[int(path.parent.name) != process] += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    spent = [int(ticks) for ticks in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return *found, *cores, (sum(spent) - spent[3] - spent[4]) / os.sysconf("SC_CLK_TCK")


async def load(address: str, server: int, sessions: int, seconds: float, pause: float, sentences: int) -> Seen:
    """Let so many sessions use the dashboard for so long."""
    seen = Seen()
    until = seen.begun + seconds

    async def watch() -> None:
        while time.monotonic() < until:
            seen.samples.append((time.monotonic() - seen.begun, *used(server)))
            await asyncio.sleep(1)

    people = [Session(address, seen, SENTENCE * sentences, seed) for seed in range(sessions)]
    ended = await asyncio.gather(watch(), *(one.live(until, pause) for one in people), return_exceptions=True)
    for error in filter(None, ended):
        seen.counts[f"sessions ended by {type(error).__name__}: {error}"] += 1
    return seen


def grown(seconds: np.ndarray, sizes: np.ndarray) -> dict[str, float]:
    slope = float(np.polyfit(seconds / 60, sizes, 1)[0]) if len(sizes) > 2 else 0.0
    return {"first": float(sizes[0]), "last": float(sizes[-1]), "most": float(sizes.max()), "a_minute": slope}


def result(seen: Seen, sessions: int, seconds: float, pause: float) -> dict[str, object]:
    """What is printed and written. The first half, in which caches fill, says nothing of growth."""
    taken = [answer for each in seen.answers.values() for answer in each]
    samples = np.array(seen.samples)
    late = samples[samples[:, 0] >= seconds / 2] if (samples[:, 0] >= seconds / 2).any() else samples
    server, workers, machine = samples[-1, 3:] - samples[0, 3:]
    own = sum(os.times()[:2])
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "sessions": sessions,
        "seconds": seconds,
        "think_s": {"mean": pause, "from": pause / 2, "to": pause * 1.5},
        "widgets": times(taken) | {kind: times(each) for kind, each in sorted(seen.answers.items())},
        "polls": times(seen.polls),
        "pages_of_new_runs": times(seen.pages),
        "memory_mb": {"server": grown(late[:, 0], late[:, 1]), "workers": grown(late[:, 0], late[:, 2])},
        "core_seconds": {
            "cores": os.cpu_count(),
            "server": server,
            "workers": workers,
            "this_script": own,
            "all_others": machine - server - workers - own,
        },
        "leaks": seen.leaks,
        "counts": dict(seen.counts),
        "under_the_bar": bool(taken) and float(np.percentile(taken, 95)) < BAR,
    }


def times(seconds: list[float]) -> dict[str, float]:
    if not seconds:
        return {"count": 0}
    middle, most = np.percentile(seconds, [50, 95])
    return {"count": len(seconds), "p50_s": float(middle), "p95_s": float(most), "max_s": max(seconds)}


def start(folder: Path) -> tuple[str, subprocess.Popen[bytes]]:
    """A dashboard on a free port, whose runs and log lie in `folder`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with open(folder / "log", "wb") as log:
        env = os.environ | {"TITANSCOPE_RUNS": str(folder)}
        command = [sys.executable, "-m", "app", "--port", str(port)]
        server = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)  # noqa: S603 (our own)
    for _ in range(600):
        try:
            if fetched(f"http://127.0.0.1:{port}/_stcore/health"):
                break
        except OSError:
            time.sleep(0.1)
    return f"http://127.0.0.1:{port}", server


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=0.5)
    parser.add_argument("--pause", type=float, default=5.0, help="mean seconds between two things that a session does")
    parser.add_argument("--sentences", type=int, default=40, help="of a text, about 30 tokens each")
    parser.add_argument("--address", type=loopback, help="of a dashboard that runs already; needs --server")
    parser.add_argument("--server", type=int, help="its process id")
    parser.add_argument("--out", type=Path, help="a file for the result")
    asked = parser.parse_args()
    if (asked.address is None) != (asked.server is None):
        parser.error("--address and --server go together")
    with tempfile.TemporaryDirectory() as folder:
        own = None
        if asked.address is None:
            asked.address, own = start(Path(folder))
        try:
            seconds = 60 * asked.minutes
            process = own.pid if own else asked.server
            seen = asyncio.run(load(asked.address, process, asked.sessions, seconds, asked.pause, asked.sentences))
        finally:
            if own:
                own.send_signal(signal.SIGTERM)
                own.wait(30)
    told = json.dumps(result(seen, asked.sessions, seconds, asked.pause), indent=1, allow_nan=False)
    print(told)
    if asked.out:
        asked.out.write_text(told + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
