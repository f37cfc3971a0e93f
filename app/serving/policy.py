"""The headers of every reply: what a browser may do with what it got. See docs/decisions/0044-doors.md."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import streamlit

INDEX = Path(streamlit.__file__).parent / "static" / "index.html"
_INLINE = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


def content_policy() -> str:
    """The Content-Security-Policy of the pages. Scripts inline in Streamlit's index.html are allowed by their hash."""
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in _INLINE.findall(INDEX.read_bytes()))
    allowed = {
        "default-src": "'none'",
        "script-src": f"'self' blob: {hashes}",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": "'self'",
        "manifest-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {sources}" for name, sources in allowed.items())


def _digest(script: bytes) -> str:
    return base64.b64encode(hashlib.sha256(script).digest()).decode()


# Of a reply that has its own already, that one stays: an export may do less than a page.
HEADERS = {
    "content-security-policy": content_policy(),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",  # an address holds the ids of runs
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=(), display-capture=()",
}
