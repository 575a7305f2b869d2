"""What comes with the program to be changed as one likes: `siyu journeys shipped` and the like."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from bot.commands.terminal import refuse, say_json, say_table

Name = Annotated[str | None, typer.Argument(metavar="[NAME]", help="Which one to print.")]
Language = Annotated[str, typer.Option("--language", help="zh or en.")]


def journeys(name: Name = None, language: Language = "zh") -> None:
    """The journeys that come with the program, or one of them as JSON, to be changed as you like."""
    _say("journeys", "steps", name, language)


def campaigns(name: Name = None, language: Language = "zh") -> None:
    """The campaigns that come with the program, or one of them as JSON, to be changed as you like."""
    _say("campaigns", "waves", name, language)


def forms(name: Name = None, language: Language = "zh") -> None:
    """The forms that come with the program, or one of them as JSON, to be changed as you like."""
    _say("forms", "questions", name, language)


def _say(kind: Literal["journeys", "campaigns", "forms"], parts: str, name: str | None, language: str) -> None:
    from bot.shipped import list_shipped, read_shipped

    try:
        if name is not None:
            say_json(read_shipped(kind, name, language))
            return
        found = {each: read_shipped(kind, each, language) for each in list_shipped(kind)}
    except LookupError as error:
        refuse(str(error))
    rows = ((each, told.get("title", told["name"]), len(told[parts])) for each, told in found.items())
    say_table(("NAME", "TITLE", parts.upper()), rows, "")
