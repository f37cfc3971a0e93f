"""The directive `commands`: every command of `titans` with what its --help says."""

from __future__ import annotations

from typing import Any

import click
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from titans_core.cli import main


class Commands(SphinxDirective):
    """A section for each command."""

    def run(self) -> list[nodes.Node]:
        found: list[nodes.Node] = []
        context = click.Context(main, info_name="titans", max_content_width=100, terminal_width=100)
        for name in main.list_commands(context):
            command = main.get_command(context, name)  # some are loaded only here
            section = nodes.section(ids=[f"titans-{name}"], names=[f"titans-{name}"])
            section += nodes.title("", f"titans {name}")
            inside = click.Context(command, info_name=name, parent=context, max_content_width=100, terminal_width=100)
            said = nodes.literal_block("", command.get_help(inside))
            said["language"] = "text"
            section += said
            found.append(section)
        return found


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
