"""What a person may read of an error: names of files, not where this machine keeps them."""

from __future__ import annotations

import re

_FOLDERS = re.compile(r"(?<![\w.:/\\])(?:[A-Za-z]:)?[/\\](?:[^\s/\\'\":;,]+[/\\])*(?=[^\s/\\])")


def bare(error: Exception | str) -> str:
    """The words of an error, every absolute path in them cut to its last name.

    >>> bare("cannot write /home/ann/.cache/runs/x.zarr: no space")
    'cannot write x.zarr: no space'
    """
    return _FOLDERS.sub("", str(error))


def sentence(error: Exception | str) -> str:
    """An error's words, bare, as a sentence."""
    message = bare(error)
    return message[:1].upper() + message[1:] + ("" if message.endswith(".") else ".")
