"""`siyu journeys start`, `pause`, `resume`, `close`, `stop`, `existing`, `move`, `withdraw`: what a person does with a
journey."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands.terminal import (
    AsJson,
    Config,
    Workplace,
    cut,
    refuse,
    say,
    say_json,
    say_table,
    work,
    work_with_wecom,
)

if TYPE_CHECKING:
    from bot.context import Context
    from data.models import Enrolment, JourneyScan

JourneyId = Annotated[int, typer.Argument(metavar="ID", min=1, help="The journey's number.")]


def start(
    journey_id: JourneyId,
    existing: Annotated[bool, typer.Option("--existing", help="All of its audience begin it too.")] = False,
    config: Config = None,
) -> None:
    """Have the running bot begin it for customers from now on."""

    async def action(ctx: Context) -> dict[str, Any]:
        from bot.journey_enrolling import start_journey

        return await start_journey(ctx, journey_id, "command", existing=existing)

    _say(work_with_wecom(config, action))


def enrol(
    journey_id: JourneyId,
    customers: Annotated[
        list[str] | None, typer.Argument(metavar="[CUSTOMER]...", help="The customers' external_userids.")
    ] = None,
    existing: Annotated[bool, typer.Option("--existing", help="All of its audience.")] = False,
    config: Config = None,
) -> None:
    """Have it begin for some customers now, or for all of its audience, as far as they may."""
    if bool(customers) == existing:
        refuse("Name the customers, or --existing for all of its audience.")

    async def action(ctx: Context) -> str:
        from bot.journey_enrolling import Listed, enrol_listed
        from data.queries.journey_scans import ask_existing
        from data.rules.problems import parse

        if existing:
            await ctx.db.write(ask_existing, journey_id, ctx.clock.now())
            return "The running bot begins it for all of its audience: siyu journeys list tells how many are on it."
        listed = parse(Listed, {"external_userids": customers or []})
        told = await enrol_listed(ctx, journey_id, listed.external_userids, "command")
        off = ", ".join(cut(each, 64) for each in told["not_on_it"])
        return f"{told['begun']:,} of {told['asked']:,} begin it." + (f" Not on it: {off}" if off else "")

    say(work_with_wecom(config, action))


def pause(journey_id: JourneyId, config: Config = None) -> None:
    """Let it rest: it begins for nobody, nobody goes on, its broadcasts rest."""
    _act(journey_id, "pause", config)


def resume(journey_id: JourneyId, config: Config = None) -> None:
    """Let one that is paused or closed go on and begin again; not for what happened meanwhile."""
    _act(journey_id, "resume", config)


def close(journey_id: JourneyId, config: Config = None) -> None:
    """Have it begin for nobody any more; who is on it goes on."""
    _act(journey_id, "close", config)


def stop(journey_id: JourneyId, config: Config = None) -> None:
    """End it for everybody, for good: tasks are withdrawn and its broadcasts cancelled."""
    _act(journey_id, "stop", config)


def _act(journey_id: int, name: str, config: Config) -> None:
    async def action(ctx: Context) -> dict[str, Any]:
        from bot import journey_edits
        from data.rules.journey_acts import Act

        return await journey_edits.act_on(ctx, journey_id, Act(name))

    _say(work_with_wecom(config, action))


def _say(told: dict[str, Any]) -> None:
    say(f"Journey {told['id']} {told['name']} is {told['status']}, {told['running']:,} customers are on it.")


def existing(journey_id: JourneyId, config: Config = None) -> None:
    """Have the running bot begin it for everybody in its audience; while that goes on, how far it is."""

    async def ask(place: Workplace) -> JourneyScan:
        from data.queries.journey_scans import ask_existing

        return await place.db.write(ask_existing, journey_id, place.now)

    scan = work(config, ask)
    say(f"Journey {journey_id} begins for everybody in its audience; so far for {scan.begun:,} customers.")


def move(
    journey_id: JourneyId,
    steps: Annotated[
        list[str] | None,
        typer.Option(
            "--step", help="OLD=NEW: who waits for OLD, which the newest version does not have, goes on at NEW."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Have those who are on older versions go on with the newest, at the step of the same key."""
    ways = dict(_way(each) for each in steps or ())

    async def action(ctx: Context) -> dict[str, Any]:
        from bot.journey_moves import move_journey

        return await move_journey(ctx, journey_id, ways, dry_run=dry_run)

    told = work_with_wecom(config, action)
    if as_json:
        say_json(told)
        return
    say(f"{told['customers']:,} customers {'would go' if dry_run else 'went'} on with version {told['version']}.")
    if told["steps"]:
        say_table(
            ("VERSION", "STEP", "CUSTOMERS", "GO ON AT"),
            (
                (each["version"], each["step"] or "(end)", f"{each['customers']:,}",
                 "? (--step)" if each["to"] is None else each["to"] or "(end)")
                for each in told["steps"]
            ),
            "",
        )  # fmt: skip


def _way(text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not old or not equals or not new:
        refuse(f"{text!r} is no way: write OLD=NEW, such as day_three=day_four.")
    return old, new


def withdraw(
    journey_id: JourneyId,
    external_userid: Annotated[str, typer.Argument(metavar="CUSTOMER", help="The customer's external_userid.")],
    config: Config = None,
) -> None:
    """Take a customer off it: what is asked of staff for them is withdrawn."""

    async def write(place: Workplace) -> Enrolment:
        from data.queries import enrolment_lists as rows
        from data.queries import journeys as journey_rows

        await place.db.read(journey_rows.get_journey, journey_id)
        wanted = rows.EnrolmentFilter(running=True, external_userid=external_userid)
        found = await place.db.read(rows.list_enrolments, journey_id, wanted, 1, None)
        if not found:
            refuse(f"That customer is not on journey {journey_id}.")
        return await place.db.write(rows.withdraw, found[0].id or 0, place.now)

    row = work(config, write)
    say(f"The customer {cut(row.external_userid, 64)} is taken off journey {journey_id}.")
