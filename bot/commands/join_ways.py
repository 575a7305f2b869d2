"""`siyu join-ways`: codes that lead into customer groups."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands.rule_options import given
from bot.commands.terminal import (
    AsJson,
    Config,
    Limit,
    Workplace,
    refuse,
    say,
    say_json,
    say_table,
    work,
    work_with_wecom,
)

if TYPE_CHECKING:
    from bot.context import Context

app = typer.Typer(no_args_is_help=True, help="Join codes (群活码): codes that lead into customer groups.")

WayId = Annotated[int, typer.Argument(metavar="ID", min=1, help="As `siyu join-ways list` shows it.")]


@app.command("list")
def list_all(limit: Limit = 50, as_json: AsJson = False, config: Config = None) -> None:
    """Join codes, newest first."""

    async def read(place: Workplace) -> list[dict[str, Any]]:
        from bot.join_ways import to_json
        from data.queries import join_ways as rows

        found = await place.db.read(rows.list_join_ways, limit)
        joined = await place.db.read(rows.count_joined, [each.state for each in found])
        return [{**to_json(each), "joined": joined.get(each.state, 0)} for each in found]

    found = work(config, read)
    if as_json:
        say_json(found)
        return
    say_table(
        ("ID", "NAME", "STATUS", "GROUPS", "JOINED", "CODE"),
        (
            (each["id"], each["name"], each["status"], len(each["chat_ids"]), each["joined"], each["qr_code"])
            for each in found
        ),
        "There is none: siyu join-ways add --name 门店 --group wrAAA --base-name 会员群",
    )


@app.command()
def add(
    name: Annotated[str, typer.Option("--name", help="How staff find it; customers do not see it.")],
    groups: Annotated[list[str], typer.Option("--group", help="chat_id of a group that it leads to (up to 5).")],
    base_name: Annotated[str, typer.Option("--base-name", help="Name of the groups that WeCom opens.")] = "",
    base_id: Annotated[int, typer.Option("--base-id", help="The number behind the first one's name.")] = 1,
    auto_create: Annotated[bool, typer.Option(help="WeCom opens another group when all are full.")] = True,
    config: Config = None,
) -> None:
    """Make a join code in WeCom."""

    async def action(ctx: Context) -> dict[str, Any]:
        from bot.join_ways import make, to_json
        from data.rules.join_ways import JoinWayDraft
        from data.rules.problems import parse

        values = {
            "name": name, "chat_ids": groups, "base_name": base_name, "base_id": base_id, "auto_create": auto_create,
        }  # fmt: skip
        return to_json(await make(ctx, parse(JoinWayDraft, values), "command"))

    _tell(work_with_wecom(config, action))


@app.command()
def edit(
    way_id: WayId,
    name: Annotated[str | None, typer.Option("--name", help="The new name.")] = None,
    groups: Annotated[
        list[str] | None, typer.Option("--group", help="chat_id of a group that it leads to, instead of those now.")
    ] = None,
    base_name: Annotated[str | None, typer.Option("--base-name", help="Name of the groups that WeCom opens.")] = None,
    base_id: Annotated[int | None, typer.Option("--base-id", help="The number behind the next one's name.")] = None,
    auto_create: Annotated[bool | None, typer.Option(help="WeCom opens another group when all are full.")] = None,
    config: Config = None,
) -> None:
    """Change one in WeCom; what is printed stays good, and so do groups that WeCom has opened meanwhile."""
    changes = given(name=name, chat_ids=groups, base_name=base_name, base_id=base_id, auto_create=auto_create)
    if not changes:
        refuse("Say what to change, such as --group.")

    async def action(ctx: Context) -> dict[str, Any]:
        from bot.join_ways import change, draft_of, to_json
        from data.queries.join_ways import get_join_way
        from data.rules.join_ways import JoinWayDraft
        from data.rules.problems import parse

        row = await ctx.db.read(get_join_way, way_id)
        draft = parse(JoinWayDraft, draft_of(row) | changes)
        return to_json(await change(ctx, way_id, draft, row.chat_ids))

    _tell(work_with_wecom(config, action))


@app.command()
def read(way_id: WayId, config: Config = None) -> None:
    """Read one from WeCom: which groups it leads to by now. The bot does every hour."""

    async def action(ctx: Context) -> dict[str, Any]:
        from bot import join_ways
        from data.queries.join_ways import get_join_way

        row = await ctx.db.read(get_join_way, way_id)
        if row.config_id is not None:
            await join_ways.read(ctx, way_id, row.config_id)
        return join_ways.to_json(await ctx.db.read(get_join_way, way_id))

    _tell(work_with_wecom(config, action))


@app.command()
def again(way_id: WayId, config: Config = None) -> None:
    """Make one again of which no answer came, or that WeCom has no more."""

    async def action(ctx: Context) -> dict[str, Any]:
        from bot.join_ways import make_again, to_json

        return to_json(await make_again(ctx, way_id))

    _tell(work_with_wecom(config, action))


@app.command()
def code(
    way_id: WayId,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to: .png, .jpg or .svg.", dir_okay=False)],
    config: Config = None,
) -> None:
    """Write the picture of its code to a file."""

    async def action(ctx: Context) -> bytes:
        from bot.channel_posters import code_svg
        from bot.join_ways import image_of
        from data.queries.join_ways import get_join_way

        picture = await image_of(ctx, await ctx.db.read(get_join_way, way_id))
        return code_svg(picture).encode() if file.suffix == ".svg" else picture

    file.write_bytes(work_with_wecom(config, action))
    say(f"Written to {file}.")


@app.command()
def remove(
    way_id: WayId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: Config = None,
) -> None:
    """Remove a join code: what is printed leads nowhere from then on."""
    if not yes:
        typer.confirm(f"Remove join code {way_id}? What is printed of it leads nowhere then.", abort=True)

    async def action(ctx: Context) -> None:
        from bot.join_ways import remove

        await remove(ctx, way_id)

    work_with_wecom(config, action)
    say(f"Join code {way_id} is removed.")


def _tell(told: dict[str, Any]) -> None:
    groups = f"groups: {', '.join(told['chat_ids'])}"
    say(f"Join code {told['id']} {told['name']}: {told['status']}, {groups}. {told['qr_code']}{told['error']}")
