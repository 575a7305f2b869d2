"""docs/reference/commands.md holds exactly the commands that there are, each with what it says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import typer

from bot import cli

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "commands.md"


def commands_of(app: typer.Typer, prefix: str = "siyu") -> Iterator[tuple[str, str]]:
    """(words to type, first paragraph of the help) of every command."""
    for command in app.registered_commands:
        assert command.callback is not None
        says = (command.callback.__doc__ or "").split("\n\n")[0]
        yield f"{prefix} {command.name or command.callback.__name__}", " ".join(says.split())
    for group in app.registered_groups:
        assert group.typer_instance is not None
        yield from commands_of(group.typer_instance, f"{prefix} {group.name}")


def test_the_reference_holds_every_command() -> None:
    rows = re.findall(r"^\| `(siyu [\w -]+)` \| (.+) \|$", REFERENCE.read_text("utf-8"), re.M)
    assert dict(rows) == dict(commands_of(cli.app))
    assert len(rows) == len(dict(rows))
