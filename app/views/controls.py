"""The sidebar: which text, which memories, which device, and what it will cost."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from app import memories, runs, samples, theme
from app.state import plain
from titans_core.documents import check_text, read_text
from titans_core.errors import TextError

UPLOAD_MB = 20
PASTE_MOST = 1_000_000  # characters; the browser sends a pasted text again with every click


@dataclass(frozen=True)
class Request:
    """What the sidebar asks for. problem: why it cannot be run, in words; notices: what to know before."""

    title: str
    text: str
    checkpoints: tuple[str, ...]
    device: str = "cpu"
    problem: str = ""
    notices: tuple[str, ...] = ()


def request() -> Request:
    """Draw the controls and return what they ask for."""
    title, text, problem = _text()
    available = memories.names()
    st.caption("MEMORY")
    chosen = st.pills(
        "Memory",
        available,
        selection_mode="multi",
        default=available[:1],
        format_func=theme.label,
        key="checkpoints",
        label_visibility="collapsed",
    )
    device = _device()
    notices: tuple[str, ...] = ()
    if not problem:
        try:
            notices = tuple(check_text(text))
        except TextError as error:
            problem = sentence(error)
    if not problem and not chosen:
        problem = "Choose at least one memory."
    picked = tuple(name for name in available if name in chosen)
    return Request(title, text, picked, device, problem, notices)


def _text() -> tuple[str, str, str]:
    """(title, text, problem) of the chosen source."""
    st.caption("TEXT")
    source = st.segmented_control(
        "Text",
        ["Sample", "Paste", "Upload"],
        default="Sample",
        required=True,
        key="source",
        label_visibility="collapsed",
        width="stretch",
    )
    if source == "Paste":
        pasted = st.text_area("Text to run", key="pasted", height=180, placeholder="Paste or type a text here")
        return "Pasted text", pasted or "", _too_long(pasted or "")
    if source == "Upload":
        return _upload()
    listed = {sample.title: sample for sample in samples.samples()}
    title = st.selectbox("Sample", list(listed), key="sample", label_visibility="collapsed")
    st.caption(listed[title].shows)
    return title, listed[title].text, ""


def _too_long(pasted: str) -> str:
    if len(pasted) <= PASTE_MOST:
        return ""
    return (
        f"The pasted text has {len(pasted):,} characters. The page takes pastes of up to {PASTE_MOST:,}; "
        f"save a longer text as a .txt file and choose Upload, which takes up to {UPLOAD_MB} MB."
    )


def _upload() -> tuple[str, str, str]:
    file = st.file_uploader("A .txt or .md file", type=["txt", "md"], key="upload", max_upload_size=UPLOAD_MB)
    if file is None:
        return "", "", "No file is chosen yet. Choose a .txt or .md file."
    try:
        return file.name, read_text(file.getvalue()), ""
    except TextError as error:
        return file.name, "", sentence(error)


def _device() -> str:
    """The chosen device; a choice is offered only where there is one."""
    devices = runs.engine().devices()
    st.caption("DEVICE")
    chosen = st.segmented_control(
        "Device",
        devices,
        default=devices[-1],
        required=True,
        format_func=str.upper,
        key=f"device {devices}",
        label_visibility="collapsed",
    )
    return str(chosen)


def cost(asked: Request) -> None:
    """Say what a run will take, before it is run."""
    if asked.problem:
        return
    tokens = runs.count_tokens(asked.text)
    if tokens is None:
        return
    expected = runs.cost(tokens, asked.checkpoints, asked.device)
    many = f" × {len(asked.checkpoints)} memories" if len(asked.checkpoints) > 1 else ""
    basis = "as measured on this machine" if expected.measured else "a first guess, not yet measured here"
    seconds = f"About {theme.duration(expected.seconds)}" if expected.seconds >= 1 else "Under 1 s"
    st.caption(f"{seconds} and {theme.size(expected.bytes)} on disk for {tokens:,} tokens{many}, {basis}.")
    for notice in asked.notices:
        st.caption(plain(notice))


def sentence(error: Exception) -> str:
    """An error's message as a sentence."""
    message = str(error)
    return message[:1].upper() + message[1:] + ("" if message.endswith(".") else ".")
