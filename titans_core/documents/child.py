"""The process that parses a file: `python -m titans_core.documents.child < REQUEST > REPLY`, under limits.

REQUEST: one line of JSON {kind, encoding}, then the bytes of the file. REPLY: JSON, the fields of a
Document or {error}.

Windows has no such limits of a process: there the 30 s of the reader hold, and the most bytes of a file, of a part of
a docx and of a reply. On macOS the limit of memory is not enforced.
"""

from __future__ import annotations

import json
import sys
from typing import Any

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

MEMORY = 1 << 30  # bytes of address space
CPU = 10  # seconds
REPLY = 200_000_000  # bytes


def limit(memory: int = MEMORY, cpu: int = CPU, file: int = REPLY) -> None:
    """Take away what a parser does not need, where the system can. A limit that is lower already stays.

    memory: bytes of address space. cpu: seconds. file: bytes of the largest file that it writes.
    """
    if resource is None:
        return
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_FSIZE, file),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))


def answer(kind: str, encoding: str | None, data: bytes) -> dict[str, Any]:
    """The fields of a Document, or {error}."""
    from titans_core.documents import docx, encodings, html, pdf  # noqa: PLC0415 (under the limits)
    from titans_core.errors import DocumentError  # noqa: PLC0415

    try:
        if kind == "html":
            text, used, notes = encodings.decode(data, encoding, html=True)
            taken = html.take(text)
            return taken | {"encoding": used, "left_out": [*notes, *taken["left_out"]]}
        return pdf.take(data) if kind == "pdf" else docx.take(data)
    except DocumentError as error:
        return {"error": str(error)}
    except ImportError as error:
        return {"error": f"reading {kind} needs {error.name}; pip install 'titanscope[documents]'"}
    except MemoryError:
        return {
            "error": f"it needs more than {MEMORY >> 20:,} MB of memory to be read. Split it, or save its text as txt"
        }


def encoded(reply: dict[str, Any]) -> bytes:
    return json.dumps(reply, ensure_ascii=False).encode("utf-8", "replace")


def main() -> None:
    limit()
    request = json.loads(sys.stdin.buffer.readline())
    reply = encoded(answer(request["kind"], request["encoding"], sys.stdin.buffer.read()))
    if len(reply) > REPLY:
        reply = encoded({"error": f"its text has more than {REPLY / 1e6:.0f} MB. Split it"})
    sys.stdout.buffer.write(reply)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
