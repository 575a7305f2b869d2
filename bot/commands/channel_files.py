"""`siyu channels import`, `codes` and `statistics`: many channels at once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
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
    from sqlmodel import Session

    from bot.context import Context


def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="XLSX or CSV; see docs/channels.md.", dir_okay=False)],
    background: Annotated[str, typer.Option("--background", help="Key of the picture behind all posters.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Make them, instead of only telling what is wrong.")] = False,
    config: Config = None,
) -> None:
    """Read a file of channels, row by row; with --yes make those that are right."""
    if not file.is_file():
        refuse(f"{file} cannot be read.")

    async def action(ctx: Context) -> tuple[int, Any]:
        from bot.channel_files import editing_for, read_file, work_on_imports
        from data.queries import channel_imports as rows

        now = ctx.clock.now()
        found = await ctx.db.read(read_file, file.read_bytes(), editing_for(ctx, now), background)
        if not yes or not found.rows:
            return 0, found
        id_ = await ctx.db.write(rows.add_import, file.name, found.rows, found.faults, "command", None, now)
        await ctx.db.write(rows.start_import, id_)
        await work_on_imports(ctx)
        return id_, found

    id_, found = work_with_wecom(config, action)
    say_table(
        ("ROW", "COLUMN", "WRONG"),
        ((each["row"], each["path"], each["message"]) for each in found.faults),
        "No row is wrong.",
    )
    say(f"{len(found.rows) - found.present:,} can be made, {found.present:,} are there already.")
    if id_:
        say(f"Import {id_}: the bot makes them in WeCom; then siyu channels codes {id_} codes.zip")


def codes(
    import_id: Annotated[int, typer.Argument(metavar="IMPORT", min=1, help="As `siyu channels import` told it.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to: .zip.", dir_okay=False)],
    config: Config = None,
) -> None:
    """Write the codes and posters of a file's channels into a ZIP, with a list of them."""

    async def action(ctx: Context) -> tuple[int, dict[str, int]]:
        from bot.channel_zips import zip_codes
        from data.queries import channel_imports as rows
        from data.queries.channel_plans import PlanFilter

        await ctx.db.read(rows.get_import, import_id)
        with file.open("wb") as opened:
            count = await zip_codes(ctx, PlanFilter(import_id=import_id), opened)
        return count, await ctx.db.read(rows.count_statuses, import_id)

    count, statuses = work_with_wecom(config, action)
    standing = ", ".join(f"{number:,} {status}" for status, number in sorted(statuses.items()))
    say(f"{count:,} codes are in {file}. Its channels: {standing or 'none was made yet'}.")


NAMES = ("added", "people", "welcomed", "kept_1", "kept_7", "kept_30", "orders", "amount_fen")


def statistics(
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="So many days, today the last.")] = 30,
    channel: Annotated[int | None, typer.Option("--channel", min=1, help="Day by day, of this channel.")] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """What came of each channel, or of one by day: people and relations, who is still there, orders."""

    async def read(place: Workplace) -> list[dict[str, Any]]:
        from data.queries import channel_days as rows
        from data.queries.channel_plans import get_plan

        until = place.now.astimezone(place.settings.zone).date()
        since = until - timedelta(days=days - 1)

        def numbers(each: rows.DayOfChannels) -> dict[str, int]:
            return {name: getattr(each, name) for name in rows.NAMES}

        def unit(session: Session) -> list[dict[str, Any]]:
            if channel is not None:
                state = get_plan(session, channel).state
                by_day = rows.list_days(session, since, until, [state])
                return [{"day": f"{each.key}", **numbers(each)} for each in reversed(by_day)]
            names = rows.map_names(session)
            found = rows.list_channels(session, since, until)
            return [{"state": each.key, "name": names.get(each.key, ""), **numbers(each)} for each in found]

        return await place.db.read(unit)

    found = work(config, read)
    if as_json:
        say_json(found)
        return
    say_table(
        ("CHANNEL" if channel is None else "DAY", *(name.upper() for name in NAMES)),
        (
            (each.get("day") or cut(each["name"] or each["state"], 24), *(each[name] for name in NAMES))
            for each in found
        ),
        "Nobody has come through a channel, or the bot has not counted yet.",
    )
