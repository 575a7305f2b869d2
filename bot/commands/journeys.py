"""`siyu journeys`: what keeps in touch with customers: written in files, checked, made, changed, looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands import journey_acts, journey_reports, journey_simulations, shipped
from bot.commands.campaign_files import File, read_definition
from bot.commands.journey_acts import JourneyId
from bot.commands.terminal import (
    AsJson,
    Config,
    Limit,
    Workplace,
    cut,
    parse_instant,
    say,
    say_json,
    say_table,
    work,
    work_with_wecom,
)

if TYPE_CHECKING:
    from bot.context import Context
    from data.models import JourneyRow

app = typer.Typer(no_args_is_help=True, help="Journeys (旅程): repeat touchpoints, written in files.")


app.command("shipped")(shipped.journeys)


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


@app.command()
def make(file: File, config: Config = None) -> None:
    """Make a journey of a file; it begins for nobody before it is started."""

    async def action(ctx: Context) -> JourneyRow:
        from bot import journey_edits

        said = {name: value for name, value in read_definition(file).items() if name != "version"}
        return await journey_edits.make_journey(ctx, said, "command")

    row = work_with_wecom(config, action)
    say(f"Journey {row.id} {row.name} is made: siyu journeys start {row.id}")


@app.command()
def edit(journey_id: JourneyId, file: File, config: Config = None) -> None:
    """Change what it says, as its next version: the file has the `version` that was read, and what is to be another."""

    async def action(ctx: Context) -> JourneyRow:
        from bot import journey_edits

        return await journey_edits.change_journey(ctx, journey_id, read_definition(file), "command")

    row = work_with_wecom(config, action)
    say(f"Journey {row.id} {row.name} is at version {row.version}. Who is on it goes on as before: siyu journeys move")


@app.command("list")
def list_journeys(limit: Limit = 20, as_json: AsJson = False, config: Config = None) -> None:
    """Journeys, newest first, and how many customers are on each."""

    async def read(place: Workplace) -> None:
        from bot import journey_edits
        from data.queries.enrolment_lists import count_running
        from data.queries.journeys import list_journeys

        found = [
            {**journey_edits.to_json(row), "running": await place.db.read(count_running, row.id or 0)}
            for row in await place.db.read(list_journeys, limit)
        ]
        if as_json:
            say_json(found)
            return
        say_table(
            ("ID", "NAME", "STATUS", "VERSION", "CUSTOMERS", "MADE", "BY", "STARTED"),
            (
                (each["id"], cut(each["name"], 32), each["status"], each["version"], f"{each['running']:,}",
                 place.local(each["made_at"]), cut(each["made_by"], 20), place.local(each["started_at"]))
                for each in found
            ),
            "There is no journey: siyu journeys make makes one of a file.",
        )  # fmt: skip

    work(config, read)


@app.command()
def show(
    journey_id: JourneyId,
    as_file: Annotated[bool, typer.Option("--file", help="Only what it says, for `edit` and `make`.")] = False,
    config: Config = None,
) -> None:
    """One journey as JSON."""

    async def read(place: Workplace) -> dict[str, Any]:
        from bot import journey_edits

        unit = journey_edits.export_journey if as_file else journey_edits.read_journey
        return await place.db.read(unit, journey_id)

    say_json(work(config, read))


app.command()(journey_acts.start)
app.command()(journey_acts.pause)
app.command()(journey_acts.resume)
app.command()(journey_acts.close)
app.command()(journey_acts.stop)
app.command()(journey_acts.existing)
app.command()(journey_acts.move)
app.command()(journey_acts.enrol)
app.command()(journey_acts.withdraw)
app.command()(journey_reports.explain)
app.command()(journey_reports.statistics)
app.command()(journey_simulations.simulate)
