"""Files of the user: what was read of each is shown before anything is run."""

from __future__ import annotations

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from app.bare import bare
from app.runs import texts
from app.state import plain, uploads
from titans_core.documents import ENCODINGS, MOST_BYTES, Document, join, shown_name
from titans_core.errors import StoreError

UPLOAD_MB = MOST_BYTES // 1_000_000
_FIRST, _LINES = 160, 6  # characters and lines of a text that are shown
_FOUND_OUT = "found out"
_LISTED = 6  # files that are shown in full


def upload() -> tuple[Document | None, str]:
    """Draw the uploader and what was read. Returns (document, problem): several files are one text, in order."""
    files = st.file_uploader(
        "Files: txt, md, html, pdf, docx", key="upload", max_upload_size=UPLOAD_MB, accept_multiple_files=True
    )
    if not files:
        return None, "No file is chosen yet. Choose a txt, md, html, pdf or docx file."
    chosen = st.selectbox("Encoding of text and HTML", [_FOUND_OUT, *ENCODINGS], key="encoding")
    encoding = None if chosen == _FOUND_OUT else chosen
    documents: list[Document] = []
    problems: list[str] = []
    for file in files:
        with st.spinner(f"Reading {plain(shown_name(file.name))}"):
            document, problem = _read(file, encoding)
        if document:
            documents.append(document)
        else:
            problems.append(problem)
            st.error(plain(problem + "." * (not problem.endswith("."))), icon=":material/error:")
    for document in documents[:_LISTED]:
        _show(document)
    if len(documents) > _LISTED:
        st.caption(f"{len(documents) - _LISTED:,} more files were read.")
    if not documents:
        return None, "No file could be read."  # why is said above
    joined = join(documents)
    _say_order(joined, len(problems))
    return joined, ""


def _read(file: UploadedFile, encoding: str | None) -> tuple[Document | None, str]:
    try:
        return texts.document(uploads.data(file), file.name, encoding)
    except StoreError as error:
        return None, bare(error)


def _show(document: Document) -> None:
    """Counts, what was left out or guessed, and how the text begins."""
    st.caption(f"{plain(document.name)}  \n{plain(document.summary())}")
    if document.left_out:
        st.warning(plain(" ".join(document.left_out)))
    text = document.text.lstrip()
    start = "\n".join(text[:_FIRST].splitlines()[:_LINES]).rstrip()
    st.code(start + "…" * (len(start) < len(text.rstrip())), language=None, wrap_lines=True)


def _say_order(joined: Document, refused: int) -> None:
    if joined.files:
        starts = ", ".join(f"{start:,}" for start, _ in joined.files[1:])
        st.caption(f"The files run as one text, in this order; the later ones begin at characters {starts}.")
        if joined.left_out:
            st.caption(plain(" ".join(joined.left_out)))
    if refused:
        read = len(joined.files) or 1
        st.caption(f"{refused} of {refused + read} files could not be read and will not run.")
