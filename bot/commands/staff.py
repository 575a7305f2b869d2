"""`siyu staff`: the company's people: when they are on leave, and who stands in for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bot.commands.terminal import AsJson, Config, Workplace, say, say_json, say_table, work

if TYPE_CHECKING:
    from data.models import Leave

app = typer.Typer(no_args_is_help=True, help="Staff: who is on leave, and who stands in for them.")
leave = typer.Typer(no_args_is_help=True, help="Leaves (请假): staff who send nothing for some days.")
app.add_typer(leave, name="leave")


@leave.command("list")
def list_leaves(as_json: AsJson = False, config: Config = None) -> None:
    """Leaves that are not over, the next first."""

    async def read(place: Workplace) -> list[Leave]:
        from data.queries import leaves as rows

        return await place.db.read(rows.list_leaves, place.now.astimezone(place.settings.zone).date())

    found = work(config, read)
    if as_json:
        say_json([each.model_dump() for each in found])
        return
    say_table(
        ("ID", "USERID", "FIRST DAY", "LAST DAY", "SUBSTITUTE"),
        ((each.id, each.userid, each.first_day, each.last_day, each.substitute) for each in found),
        "Nobody is on leave.",
    )


@leave.command("add")
def add_leave(
    userid: Annotated[str, typer.Argument(metavar="USERID", help="Who is on leave.")],
    first_day: Annotated[str, typer.Option("--from", help="The first day: 2026-10-01.")],
    last_day: Annotated[str, typer.Option("--until", help="The last day, included: 2026-10-07.")],
    substitute: Annotated[
        str | None, typer.Option("--substitute", help="userid of who reaches the customers whom both follow.")
    ] = None,
    config: Config = None,
) -> None:
    """Write down that a staff member is on leave: others reach their customers."""

    async def action(place: Workplace) -> Leave:
        from bot.leaves import make_leave
        from data.rules.leaves import LeaveDraft
        from data.rules.problems import parse

        draft = parse(
            LeaveDraft, {"userid": userid, "first_day": first_day, "last_day": last_day, "substitute": substitute}
        )
        return await place.db.write(make_leave, draft, "command", place.now)

    made = work(config, action)
    say(f"Leave {made.id}: {made.userid}, {made.first_day} to {made.last_day}.")


@leave.command("remove")
def remove_leave(
    leave_id: Annotated[int, typer.Argument(metavar="ID", min=1, help="The leave's number.")], config: Config = None
) -> None:
    """Remove a leave: the member sends again."""
    from data.queries import leaves as rows

    removed = work(config, lambda place: place.db.write(rows.delete_leave, leave_id))
    say(f"Leave {leave_id} of {removed.userid} is removed.")
