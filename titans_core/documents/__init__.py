"""Bytes of a file to text with places: txt, md, html, pdf and docx, known by their content.

Formats that need a parser are read in a child process with limits on memory and time. The parsers (the extra
`documents`) are loaded only there.
"""

from titans_core.documents.anchors import Document, Section
from titans_core.documents.encodings import ENCODINGS
from titans_core.documents.joining import join
from titans_core.documents.kinds import kind_of
from titans_core.documents.names import shown_name
from titans_core.documents.places import PLACES, of_trace, packed, unpacked
from titans_core.documents.plain import check_text, lone_surrogate, read_text
from titans_core.documents.reader import MOST_BYTES, read_document

__all__ = [
    "ENCODINGS",
    "MOST_BYTES",
    "PLACES",
    "Document",
    "Section",
    "check_text",
    "join",
    "kind_of",
    "lone_surrogate",
    "of_trace",
    "packed",
    "read_document",
    "read_text",
    "shown_name",
    "unpacked",
]
