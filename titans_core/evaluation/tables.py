"""An evaluation as Markdown, for a card."""

from __future__ import annotations

from collections.abc import Sequence

from titans_core.evaluation.cells import CONTROLS, Cell, length_name
from titans_core.evaluation.plan import BABI
from titans_core.evaluation.report import Report


def markdown(report: Report) -> str:
    """Tables of all filled cells: rates in percent with their 95 % intervals and n, and what belongs to them."""
    cells = list(report.cells.values())
    needles = [cell for cell in cells if cell.length is not None and cell.task not in BABI]
    babi = [cell for cell in cells if cell.task in BABI]
    parts = [
        _grid("Needles: exact answers in percent, Wilson's 95 % interval, number of texts", needles),
        _grid("bAbI questions with their facts scattered in prose (0K: facts alone)", babi),
        _absent([cell for cell in cells if cell.invented is not None]),
        _baselines([cell for cell in babi if cell.control == "live"]),
        _words([cell for cell in cells if cell.task == "lambada"]),
        _validation(report),
    ]
    return "\n\n".join(part for part in parts if part)


def rate(cell: Cell) -> str:
    """98.5 [95.7, 99.5] n=200"""
    return f"{100 * cell.rate:.1f} [{100 * cell.low:.1f}, {100 * cell.high:.1f}] n={cell.n}"


def _grid(title: str, cells: Sequence[Cell]) -> str:
    shown = [cell for cell in cells if cell.control != "absent"]
    lengths = sorted({cell.length or 0 for cell in shown})
    by_row: dict[tuple[str, str], dict[int, str]] = {
        (task, control): {} for task in dict.fromkeys(cell.task for cell in shown) for control in CONTROLS
    }
    for cell in shown:
        by_row[cell.task, cell.control][cell.length or 0] = rate(cell)
    rows = [
        [task, control, *(row.get(length, "") for length in lengths)] for (task, control), row in by_row.items() if row
    ]
    return _table(title, ["task", "memory", *map(length_name, lengths)], rows)


def _absent(cells: Sequence[Cell]) -> str:
    rows = [
        [cell.task, length_name(cell.length or 0), str(cell.n), str(cell.invented), str(cell.right)] for cell in cells
    ]
    title = "The facts left out: texts in which a well-formed value is invented with over 0.5 mean probability"
    return _table(title, ["task", "length", "n", "invented", "right by luck"], rows)


def _baselines(cells: Sequence[Cell]) -> str:
    rows = [
        [
            cell.task,
            length_name(cell.length or 0),
            f"{100 * (cell.majority or 0):.1f}",
            f"{100 * (cell.random or 0):.1f}",
        ]
        for cell in cells
    ]
    title = "What guessing gives: always the most frequent answer of these texts, or one of their answers at random"
    return _table(title, ["task", "length", "majority", "random"], rows)


def _words(cells: Sequence[Cell]) -> str:
    rows = [
        [cell.control, rate(cell), f"{cell.bits:.2f}", "" if cell.perplexity is None else f"{cell.perplexity:,.0f}"]
        for cell in cells
    ]
    return _table("LAMBADA, last word", ["memory", "exact", "bits of the word", "perplexity"], rows)


def _validation(report: Report) -> str:
    rows = [
        [control, f"{s['bits_per_byte']:.4f}", f"{s['bits_per_token']:.4f}", f"{s['late_bits_per_token']:.4f}"]
        for control, s in report.validation.items()
    ]
    return _table("Held-out documents", ["memory", "bits per byte", "bits per token", "the same past 512 tokens"], rows)


def _table(title: str, names: list[str], rows: list[list[str]]) -> str:
    if not rows:
        return ""
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join([f"**{title}**", "", *("| " + " | ".join(line) + " |" for line in lines)])
