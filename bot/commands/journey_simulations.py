"""`siyu journeys simulate`: what a journey would do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands.campaign_files import read_definition
from bot.commands.terminal import AsJson, Config, cut, say, say_json, say_table, work_with_wecom

if TYPE_CHECKING:
    from bot.context import Context


def simulate(
    journey: Annotated[str, typer.Argument(metavar="FILE|ID", help="A journey in a file, or the number of one.")],
    days: Annotated[int, typer.Option("--days", min=1, max=60, help="For so many days to come.")] = 30,
    existing: Annotated[bool, typer.Option("--existing", help="Everybody in its audience begins now.")] = False,
    per_day: Annotated[
        int,
        typer.Option(
            "--per-day", min=0, max=10_000, help="So many begin a day, where something that happens begins it."
        ),
    ] = 0,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Try it out on the customers that there are: what it would do, with nothing written or sent."""
    which: dict[str, Any] = (
        {"journey_id": int(journey)} if journey.isdecimal() else {"journey": _journey_in(Path(journey))}
    )

    async def action(ctx: Context) -> dict[str, Any]:
        from bot.journey_simulations import Simulate
        from bot.journey_simulations import simulate as try_out
        from data.rules.problems import parse

        return await try_out(ctx, parse(Simulate, {**which, "days": days, "existing": existing, "per_day": per_day}))

    told = work_with_wecom(config, action)
    if as_json:
        say_json(told)
        return
    _say_simulation(told)


def _journey_in(file: Path) -> dict[str, Any]:
    return {name: value for name, value in read_definition(file).items() if name not in ("version", "owner")}


def _say_simulation(told: dict[str, Any]) -> None:
    sample = f" (of whom {told['simulated']:,} were gone through, and stand for all)" if told["is_sample"] else ""
    say(
        f"{cut(told['name'], 40)}: {told['customers']:,} customers{sample}, {told['on_it']:,} are on it,"
        f" {told['begun']:,} would begin, {told['barred']:,} may not begin again."
    )
    for reason, number in (told["left_out"] | told["held_back"]).items():
        say(f"  {reason}: {number:,}")
    say_table(
        ("STEP", "DOES", "OUTCOMES"),
        (
            (each["step"], each["does"], ", ".join(f"{name} {number:,}" for name, number in each["outcomes"].items()))
            for each in told["steps"]
        ),
        "",
    )
    say_table(
        ("DAY", "BEGIN", "TASKS", "BROADCASTS", "OTHERS", "HELD BACK"),
        (
            (each["day"], *(f"{each[name]:,}" for name in ("begun", "tasks", "broadcasts", "others", "held_back")))
            for each in told["days"]
        ),
        "Nothing would happen.",
    )
    staff = told["staff"]
    if staff["members"]:
        over = f", {staff['members_over']:,} of them more than a list holds ({staff['list_holds']})"
        say(
            f"Tasks go to {staff['members']:,} of the staff: {staff['mean']:.1f} a day on average, {staff['most']:,} on"
            f" the fullest day{over if staff['list_holds'] else ''}."
        )
    for each in told["assumed"]:
        say(f"* {each}")
