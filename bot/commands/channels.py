"""`siyu channels`: codes and links that lead to whom they should lead at each time, made, changed and printed."""

from __future__ import annotations

import secrets
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands import channel_links
from bot.commands.channel_links import ChannelId
from bot.commands.rule_options import given
from bot.commands.terminal import AsJson, Config, Limit, cut, refuse, say, say_json, say_table, work, work_with_wecom

if TYPE_CHECKING:
    from sqlmodel import Session

    from bot.context import Context
    from data.db import Database

app = typer.Typer(
    no_args_is_help=True, help="Channels (渠道活码, 获客链接): codes and links through which customers come."
)

Members = Annotated[list[str] | None, typer.Option("--member", "-m", help="Userid on the code; may be repeated.")]
Departments = Annotated[list[int] | None, typer.Option("--department", help="Department on the code; may be repeated.")]
Fallback = Annotated[str | None, typer.Option("--fallback", help="Userid that takes over where nobody else can.")]
Cap = Annotated[int | None, typer.Option("--daily-cap", min=1, help="So many a day for each member.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="tag_id that customers get; may be repeated.")]
Welcome = Annotated[str | None, typer.Option("--welcome", help="A welcome of its own.")]
Remark = Annotated[str | None, typer.Option("--remark", help="What customers are called: {name} is their name.")]
Shifts = Annotated[
    list[str] | None,
    typer.Option("--shift", help="On the code at times, like '1-5 09:00-18:00 ZhangSan,LiSi'; may be repeated."),
]


@app.command("list")
def list_all(
    text: Annotated[str, typer.Option("--name", help="Those whose name holds this.")] = "",
    archived: Annotated[bool, typer.Option("--archived", help="Archived ones.")] = False,
    limit: Limit = 100,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Channels that were made here, newest first, and who is on their codes."""

    def read(session: Session) -> list[dict[str, Any]]:
        from bot.channels import list_told
        from data.queries.channel_plans import PlanFilter

        return list_told(session, PlanFilter(archived=archived, text=text), limit)

    found = work(config, lambda place: place.db.read(read))
    if as_json:
        say_json(found)
        return
    say_table(
        ("ID", "KIND", "NAME", "STATUS", "ON THE CODE", "BECAUSE", "TO DO"),
        (
            (
                each["id"], each["kind"], cut(each["name"], 24), each["status"], cut(",".join(each["on_code"]), 30),
                each["because"] or "", cut(each["error"], 60),
            )
            for each in found
        ),
        "There is none: siyu channels add --name 前台 --member ZhangSan --fallback LiSi",
    )  # fmt: skip


@app.command()
def show(channel_id: ChannelId, config: Config = None) -> None:
    """One channel as JSON."""
    say_json(work(config, lambda place: _read(place.db, channel_id)))


@app.command()
def add(
    name: Annotated[str, typer.Option("--name", help="How staff of yours find it; customers do not see it.")],
    fallback: Fallback = None,
    members: Members = None,
    departments: Departments = None,
    shifts: Shifts = None,
    daily_cap: Cap = None,
    tags: Tags = None,
    welcome: Welcome = None,
    remark: Remark = None,
    state: Annotated[str | None, typer.Option("--state", help="Its state, made up if not given.")] = None,
    link: Annotated[
        bool, typer.Option("--link", help="A customer-acquisition link (获客链接) instead of a code.")
    ] = False,
    config: Config = None,
) -> None:
    """Make one, and have WeCom make its code, or its link."""
    if fallback is None:
        refuse("--fallback names who takes over where nobody else can, so that the code never dies.")

    async def keep(ctx: Context) -> int:
        from bot.channel_files import editing_for
        from bot.channels import make
        from data.rules.channels import ChannelDraft, made_up_state
        from data.rules.problems import parse

        draft = parse(ChannelDraft, {
            "kind": "link" if link else "code", "name": name, "userids": members or [],
            "department_ids": departments or [],
            **_options(fallback, None, None, shifts, daily_cap, tags, welcome, remark), **given(state=state),
        })  # fmt: skip
        made = made_up_state(secrets.token_bytes(10))
        return await ctx.db.write(
            lambda session: make(session, draft, "command", editing_for(ctx, ctx.clock.now()), state=made)
        )

    _bring(config, keep)


@app.command()
def edit(
    channel_id: ChannelId,
    name: Annotated[str | None, typer.Option("--name", help="The new name.")] = None,
    fallback: Fallback = None,
    members: Members = None,
    departments: Departments = None,
    shifts: Shifts = None,
    daily_cap: Cap = None,
    tags: Tags = None,
    welcome: Welcome = None,
    remark: Remark = None,
    config: Config = None,
) -> None:
    """Change one; what is given replaces what was there, and the code stays the same."""
    options = _options(fallback, members, departments, shifts, daily_cap, tags, welcome, remark)
    changes = given(name=name) | options
    if not changes:
        refuse("Say what to change, such as --member.")

    async def keep(ctx: Context) -> int:
        from bot.channel_files import editing_for
        from bot.channels import change

        editing = editing_for(ctx, ctx.clock.now())
        await ctx.db.write(lambda session: change(session, channel_id, changes, editing).id)
        return channel_id

    _bring(config, keep)


@app.command()
def pause(channel_id: ChannelId, config: Config = None) -> None:
    """Hand its code to the fallback for a while."""
    _switch(config, channel_id, "pause")


@app.command()
def resume(channel_id: ChannelId, config: Config = None) -> None:
    """Give it back to those who are on duty."""
    _switch(config, channel_id, "resume")


@app.command()
def archive(channel_id: ChannelId, config: Config = None) -> None:
    """Put it out of sight; its code leads to the fallback from then on."""
    _switch(config, channel_id, "archive")


@app.command()
def restore(channel_id: ChannelId, config: Config = None) -> None:
    """Bring an archived one back."""
    _switch(config, channel_id, "restore")


@app.command()
def delete(channel_id: ChannelId, config: Config = None) -> None:
    """Delete a link in WeCom; a code is never deleted."""
    _switch(config, channel_id, "delete")


@app.command()
def again(channel_id: ChannelId, config: Config = None) -> None:
    """Have WeCom asked again for one that it refused or has no more."""
    _switch(config, channel_id, "again")


@app.command()
def code(
    channel_id: ChannelId,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to: .png, .jpg or .svg.", dir_okay=False)],
    poster: Annotated[bool, typer.Option("--poster", help="The poster around it (.svg).")] = False,
    config: Config = None,
) -> None:
    """Write the picture of its code to a file, or its poster."""

    async def action(ctx: Context) -> bytes:
        from bot.channel_calls import image_of
        from bot.channel_posters import code_svg, poster_svg, read_poster
        from data.queries.channel_plans import get_plan

        picture = await image_of(ctx, channel_id)
        if poster:
            found, background = await ctx.db.read(lambda session: read_poster(session, get_plan(session, channel_id)))
            return poster_svg(found.title, picture, background).encode()
        return code_svg(picture).encode() if file.suffix == ".svg" else picture

    file.write_bytes(work_with_wecom(config, action))
    say(f"Written to {file}.")


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="XLSX or CSV; see docs/channels.md.", dir_okay=False)],
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
        found = await ctx.db.read(read_file, file.read_bytes(), editing_for(ctx, now))
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
        say(f"Import {id_}: the bot makes them in WeCom; siyu channels list shows how far that is.")


@app.command()
def statistics(
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="So many days, today the last.")] = 30,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """What came of each channel: people and relations, who is still there, orders."""

    async def read(db: Database, until: date) -> list[dict[str, Any]]:
        from data.queries import channel_days as rows

        def unit(session: Session) -> list[dict[str, Any]]:
            names = rows.map_names(session)
            found = rows.list_channels(session, until - timedelta(days=days - 1), until)
            return [
                {
                    "state": each.key,
                    "name": names.get(each.key, ""),
                    **{name: getattr(each, name) for name in rows.NAMES},
                }
                for each in found
            ]

        return await db.read(unit)

    found = work(config, lambda place: read(place.db, place.now.astimezone(place.settings.zone).date()))
    if as_json:
        say_json(found)
        return
    names = ("added", "people", "welcomed", "kept_1", "kept_7", "kept_30", "orders", "amount_fen")
    say_table(
        ("CHANNEL", *(name.upper() for name in names)),
        ((cut(each["name"] or each["state"], 24), *(each[name] for name in names)) for each in found),
        "Nobody has come through a channel, or the bot has not counted yet.",
    )


app.command()(channel_links.link)
app.command()(channel_links.quota)


def _options(
    fallback: str | None,
    members: list[str] | None,
    departments: list[int] | None,
    shifts: list[str] | None,
    daily_cap: int | None,
    tags: list[str] | None,
    welcome: str | None,
    remark: str | None,
) -> dict[str, Any]:
    found = given(
        fallback=fallback, userids=members, department_ids=departments, daily_cap=daily_cap, tag_ids=tags, remark=remark
    )
    if shifts is not None:
        found["shifts"] = [_shift(each) for each in shifts]
    if welcome is not None:
        found["welcome"] = {"text": welcome} if welcome else None
    return found


def _shift(text: str) -> dict[str, Any]:
    try:
        days, times, members = text.split()
        start, end = times.split("-")
        first, _, last = days.partition("-")
        weekdays = list(range(int(first), int(last or first) + 1))
    except ValueError:
        refuse(f"{text!r} is no shift: write '1-5 09:00-18:00 ZhangSan,LiSi' (1 is Monday).")
    window = {"weekdays": weekdays, "start": start, "end": end}
    return {"windows": [window], "userids": [each for each in members.split(",") if each]}


def _switch(config: Config, channel_id: int, act: str) -> None:
    async def keep(ctx: Context) -> int:
        from bot.channel_files import editing_for
        from bot.channels import switch

        editing = editing_for(ctx, ctx.clock.now())
        await ctx.db.write(lambda session: switch(session, channel_id, act, editing).id)
        return channel_id

    _bring(config, keep)


def _bring(config: Config, keep: Any) -> None:
    """Do what `keep` writes down in WeCom as well, and say how it stands; ends with code 1 where a person is needed."""

    async def action(ctx: Context) -> dict[str, Any]:
        from bot.channel_calls import bring

        id_ = await keep(ctx)
        await bring(ctx, id_)
        return await _read(ctx.db, id_)

    told = work_with_wecom(config, action)
    say(
        f"Channel {told['id']} {told['name']}: {told['status']}, on the code: {', '.join(told['on_code']) or 'nobody'}."
    )
    if told["address"]:
        say(f"For customers: {told['address']}")
    if told["is_behind"]:
        typer.echo(f"The bot brings it to WeCom when it can. {told['error']}".strip(), err=True)
    if told["needs_person"]:
        typer.echo(f"{told['error']} Then siyu channels again {told['id']}.", err=True)
        raise typer.Exit(1)


async def _read(db: Database, channel_id: int) -> dict[str, Any]:
    from bot.channels import to_json
    from data.queries.channel_plans import get_plan

    return await db.read(lambda session: to_json(session, get_plan(session, channel_id)))
