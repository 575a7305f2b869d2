"""`siyu channels link` and `quota`: what WeCom tells of customer-acquisition links (获客链接)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands.terminal import AsJson, Config, refuse, say, say_json, say_table, work, work_with_wecom

if TYPE_CHECKING:
    from sqlmodel import Session

    from bot.context import Context

ChannelId = Annotated[int, typer.Argument(metavar="ID", min=1, help="The channel's number.")]


def link(
    channel_id: ChannelId,
    days: Annotated[int, typer.Option("--days", min=1, max=180, help="So many days, today the last.")] = 30,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """What WeCom tells of a link: who opened it and who was added, day by day, and how many have written."""

    async def action(place: Any) -> dict[str, Any]:
        from data.models import ChannelKind
        from data.queries.acquisition import tell_link
        from data.queries.channel_plans import get_plan

        today = place.now.astimezone(place.settings.zone).date()

        def read(session: Session) -> dict[str, Any]:
            row = get_plan(session, channel_id)
            if row.kind != ChannelKind.LINK:
                refuse(f"Channel {channel_id} is a code; siyu channels statistics tells of those.")
            return tell_link(session, row.config_id or "", today - timedelta(days=days - 1), today)

        found: dict[str, Any] = await place.db.read(read)
        return found

    found = work(config, action)
    if as_json:
        say_json(found)
        return
    say_table(
        ("DAY", "OPENED", "ADDED"),
        ((each["day"], each["clicks"], each["added"]) for each in found["days"]),
        "WeCom tells a day's figures the next morning.",
    )
    say(f"{found['customers']:,} customers came by it, of whom {found['written']:,} have written.")


def quota(config: Config = None) -> None:
    """How many customers may still be added by links, asked of WeCom now."""

    async def action(ctx: Context) -> Any:
        from bot.acquisition import refresh_quota

        return await refresh_quota(ctx)

    found = work_with_wecom(config, action)
    say(f"{found.balance:,} of {found.total:,} are left.")
    for part in found.parts:
        say(f"{part.balance:,} end on {part.day}.")
