"""`siyu journeys`: journeys to start from, and journeys written in files, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bot.commands.campaign_files import File, read_definition
from bot.commands.terminal import Config, parse_instant, refuse, say, say_json, say_table, work_with_wecom

if TYPE_CHECKING:
    from bot.context import Context

app = typer.Typer(
    no_args_is_help=True, help="Journeys: repeat touchpoints, written in files and checked. They cannot be started yet."
)


@app.command()
def shipped(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Which one to print.")] = None,
    language: Annotated[str, typer.Option("--language", help="zh or en.")] = "zh",
) -> None:
    """The journeys that come with the program, or one of them as JSON, to be changed as you like."""
    from bot import journeys

    try:
        if name is not None:
            say_json(journeys.read_shipped(name, language))
            return
        found = {each: journeys.read_shipped(each, language) for each in journeys.list_shipped()}
    except LookupError as error:
        refuse(str(error))
    rows = ((each, told["name"], len(told["steps"])) for each, told in found.items())
    say_table(("NAME", "TITLE", "STEPS"), rows, "")


@app.command()
def check(
    file: File,
    since: Annotated[
        str | None, typer.Option("--from", help="When a customer begins it, as 2026-03-04T10:00; else now.")
    ] = None,
    config: Config = None,
) -> None:
    """What is wrong with a journey in a file; if nothing is, when its steps would be due."""

    async def action(ctx: Context) -> None:
        from bot import journeys
        from bot.campaign_plans import calendar_of
        from data.rules.journeys import Journey
        from data.rules.problems import parse

        journey = parse(Journey, read_definition(file))
        await journeys.check_journey(ctx, journey)
        now, zone = ctx.clock.now(), ctx.settings.zone
        start = now if since is None else parse_instant(since, ctx.settings, now)
        say(f"{journey.name}: nothing is wrong with it. For a customer who begins it then and goes through all steps:")
        rows = (
            (each.step.key, each.step.action.do, f"{each.at.astimezone(zone):%Y-%m-%d %H:%M %a}")
            for each in journeys.timetable(journey, start, calendar_of(ctx.settings))
        )
        say_table(("STEP", "DOES", "DUE"), rows, "")

    work_with_wecom(config, action)
