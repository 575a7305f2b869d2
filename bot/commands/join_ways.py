"""`siyu join-ways`: codes that lead into customer groups."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands.terminal import AsJson, Config, Limit, Workplace, say, say_json, say_table, work, work_with_wecom

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

        return [to_json(each) for each in await place.db.read(rows.list_join_ways, limit)]

    found = work(config, read)
    if as_json:
        say_json(found)
        return
    say_table(
        ("ID", "NAME", "STATUS", "GROUPS", "CODE"),
        ((each["id"], each["name"], each["status"], len(each["chat_ids"]), each["qr_code"]) for each in found),
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

    told = work_with_wecom(config, action)
    say(f"Join code {told['id']} {told['name']}: {told['status']}. {told['qr_code']}{told['error']}")


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
