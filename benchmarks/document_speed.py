"""How long documents take to read: a PDF of 300 pages, a docx and an HTML page of the same text, and each bomb.

python -m benchmarks.document_speed
"""

from __future__ import annotations

import time
from html import escape
from pathlib import Path

from tests import making
from titans_core.documents import read_document
from titans_core.errors import DocumentError

SAMPLES = Path(__file__).parents[1] / "assets" / "samples"
PAGES, LINES, WIDTH = 300, 50, 15  # words a line


def pages() -> list[str]:
    """Pages of 50 lines from the sample texts, repeated."""
    words = " ".join(path.read_text("utf-8") for path in sorted(SAMPLES.glob("*.txt"))).split()
    need = PAGES * LINES * WIDTH
    words = (words * (need // len(words) + 1))[:need]
    lines = [" ".join(words[k : k + WIDTH]) for k in range(0, need, WIDTH)]
    return ["\n".join(lines[k : k + LINES]) for k in range(0, len(lines), LINES)]


def main() -> None:
    texts = pages()
    paragraphs = [escape(line) for text in texts for line in text.split("\n")]
    files = {
        "300 pages.pdf": making.pdf(texts, packed=True),
        "300 pages.docx": making.docx("".join(map(making.paragraph, paragraphs))),
        "300 pages.html": ("<html>" + "".join(f"<p>{p}" for p in paragraphs)).encode(),
        "50 MB.html": (b"<html>" + b"<p>Seven words stand in this short paragraph.\n" * 1_100_000)[:50_000_000],
        **dict(map(making.bomb, making.BOMBS)),
    }
    for name, data in files.items():
        begun = time.monotonic()
        try:
            said = read_document(data, name).summary()
        except DocumentError as error:
            said = f"refused: {error}"
        print(f"{time.monotonic() - begun:6.2f} s  {len(data):>12,} bytes  {name}: {said}", flush=True)


if __name__ == "__main__":
    main()
