"""HTML to text: what a page says, without what runs, styles or is fetched.

lxml's event interface builds no tree: nothing of a deeply nested page is lost or runs out of stack, and
nothing is loaded.
"""

from __future__ import annotations

import re
from typing import Any

from titans_core.documents.building import Building

_UNSAID = {"script", "style", "template", "title"}
_INLINE = {
    *("a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font"),
    *("i", "img", "ins", "kbd", "label", "mark", "q", "ruby", "rt", "rp", "s", "samp", "small", "span"),
    *("strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr", "input", "button", "select"),
    *("option", "nobr"),
}
_SPACE = re.compile(r"[ \t\n\r\f]+")
_PARTS = {"img": "image", "svg": "drawing", "script": "script", "iframe": "frame", "object": "object", "video": "video"}
_PIECE = 1 << 20  # bytes fed at once


def take(text: str) -> dict[str, Any]:
    """Fields of a Document. Raises DocumentError where there is no text."""
    from lxml import etree  # noqa: PLC0415 (an extra, and only in the child process)

    target = _Page()
    # The target keeps the page flat, so depth costs nothing: huge_tree lifts the limit past which text would be lost.
    parser = etree.HTMLParser(target=target, encoding="utf-8", huge_tree=True, no_network=True)
    data = text.replace("\0", "\ufffd").encode("utf-8", "replace")  # libxml2 ends at a zero byte
    for at in range(0, len(data), _PIECE):
        parser.feed(data[at : at + _PIECE])
    return parser.close()


class _Page:
    """Takes the parser's events and keeps the text."""

    def __init__(self) -> None:
        self._built = Building()
        self._said: list[str] = []
        self._level = 0
        self._unsaid = 0
        self._pre = 0
        self._seen = dict.fromkeys(_PARTS, 0)

    def start(self, tag: str, attributes: object) -> None:
        if tag in self._seen:
            self._seen[tag] += 1
        if tag in _UNSAID:
            self._unsaid += 1
        elif tag == "br":
            self._said.append("\v")
        elif tag in ("td", "th"):
            self._said.append("\t" if self._pre else " ")
        elif tag not in _INLINE:
            self._flush()
            self._pre += tag == "pre"
            self._level = int(tag[1]) if len(tag) == 2 and tag[0] == "h" and tag[1] in "123456" else 0

    def end(self, tag: str) -> None:
        if tag in _UNSAID:
            self._unsaid -= 1
        elif tag not in _INLINE and tag not in ("br", "td", "th"):
            self._flush()
            self._pre -= tag == "pre"
            self._level = 0

    def data(self, data: str) -> None:
        if not self._unsaid:
            self._said.append(data.replace("\v", " "))

    def comment(self, text: str) -> None:
        pass

    def pi(self, target: str, data: str | None = None) -> None:
        pass

    def _flush(self) -> None:
        if not self._said:
            return
        said = "".join(self._said)
        self._said.clear()
        if not self._pre:
            said = "\n".join(_SPACE.sub(" ", line).strip(" ") for line in said.split("\v"))
        said = said.replace("\v", "\n").strip("\n")
        if said.strip():
            self._built.block(said, self._level)

    def close(self) -> dict[str, Any]:
        self._flush()
        for tag, what in _PARTS.items():
            self._built.count(self._seen[tag], what)
        return self._built.done()
