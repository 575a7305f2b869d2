"""`siyu groups`: the customer groups, who is in one, and WeCom's figures of them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands.terminal import AsJson, Config, Limit, Workplace, cut, say, say_json, say_table, work, work_with_wecom

if TYPE_CHECKING:
    from sqlmodel import Session

    from bot.context import Context
    from data.queries.group_figures import GroupFigures

app = typer.Typer(no_args_is_help=True, help="Customer groups (客户群).")

ChatId = Annotated[str, typer.Argument(metavar="CHAT_ID", help="As `siyu groups list` shows it.")]
#: How many came and went is told of so many days, and so many members at most.
DAYS, MEMBERS = 7, 500


@app.command("list")
def list_groups(
    text: Annotated[str, typer.Option("--name", help="A part of a group's or its owner's name, or an id.")] = "",
    dismissed: Annotated[bool, typer.Option("--dismissed", help="Those that are no more.")] = False,
    limit: Limit = 50,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Customer groups, newest first."""

    async def action(place: Workplace) -> None:
        from data.queries.group_pages import list_page

        found = await place.db.read(
            lambda session: list_page(session, None, text=text, dismissed=dismissed, limit=limit)
        )
        if as_json:
            say_json([each._asdict() for each in found])
            return
        say_table(
            ("CHAT_ID", "NAME", "OWNER", "MEMBERS", "CUSTOMERS", "MADE"),
            (
                (
                    each.chat_id, cut(each.name, 30), each.owner + (" (left)" if each.owner_left else ""), each.members,
                    each.customers, place.local(each.created_at),
                )
                for each in found
            ),
            "There is none: siyu sync reads them.",
        )  # fmt: skip

    work(config, action)


@app.command()
def show(chat_id: ChatId, config: Config = None) -> None:
    """One customer group as JSON: who is in it, and how many came and went in the last week."""

    async def action(place: Workplace) -> dict[str, Any]:
        def read(session: Session) -> dict[str, Any]:
            from data.queries import group_pages as rows

            found = rows.get_shown(session, chat_id, None)
            days = rows.list_days(session, chat_id, place.now, place.settings.zone, DAYS)
            members = rows.list_members(session, chat_id, None, limit=MEMBERS)
            return {
                **found._asdict(),
                "days": [each._asdict() for each in days],
                "members_now": [each._asdict() for each in members],
            }

        return await place.db.read(read)

    say_json(work(config, action))


@app.command()
def read(chat_id: ChatId, config: Config = None) -> None:
    """Read one from WeCom again, with who is in it."""

    async def action(ctx: Context) -> str:
        from bot.refresh import refresh_group
        from data.queries.group_pages import get_shown

        await ctx.db.read(get_shown, chat_id, None)
        await refresh_group(ctx, chat_id)
        found = await ctx.db.read(get_shown, chat_id, None)
        gone = ", dismissed" if found.dismissed_at is not None else ""
        return f"{found.name}: {found.members:,} members, {found.customers:,} of them customers{gone}."

    say(work_with_wecom(config, action))


@app.command()
def statistics(
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="So many days, yesterday the last.")] = 30,
    owner: Annotated[str, typer.Option("--owner", help="Of this member's groups alone.")] = "",
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """WeCom's own figures of the groups, as they were read every morning: by owner, and by day."""

    async def action(place: Workplace) -> tuple[list[GroupFigures], list[GroupFigures]]:
        def read(session: Session) -> tuple[list[GroupFigures], list[GroupFigures]]:
            from data.queries import group_figures as figures

            owners = [owner] if owner else None
            until = place.now.astimezone(place.settings.zone).date() - timedelta(days=1)
            when = (until - timedelta(days=days - 1), until, owners)
            return figures.list_by_owner(session, *when), figures.list_days(session, *when)

        return await place.db.read(read)

    by_owner, by_day = work(config, action)
    if as_json:
        say_json({"owners": [each._asdict() for each in by_owner], "days": [each._asdict() for each in by_day]})
        return
    names = ("chats_total", "chats_new", "members_total", "members_new", "chats_active", "members_active", "messages")
    head = tuple(name.upper() for name in names)
    nothing = "Nothing was read yet: the bot reads WeCom's figures every morning (reports.pull)."
    say_table(("OWNER", *head), ((each.key, *each[1:]) for each in by_owner), nothing)
    if by_day:
        say()
        say_table(("DAY", *head), ((f"{each.key}", *each[1:]) for each in by_day), nothing)
