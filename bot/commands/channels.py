"""`siyu channels`: codes and links that lead to whom they should lead at each time, made, changed and printed."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands import channel_files, channel_links
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
Cap = Annotated[int | None, typer.Option("--daily-cap", min=0, help="So many a day for each member; 0: no cap.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="tag_id that customers get; may be repeated.")]
Welcome = Annotated[str | None, typer.Option("--welcome", help="A welcome of its own.")]
Title = Annotated[str | None, typer.Option("--title", help="What stands on its poster.")]
Background = Annotated[
    str | None, typer.Option("--background", help="Key of the picture behind its poster: siyu media list.")
]
Verify = Annotated[
    bool | None, typer.Option("--auto-accept/--ask-first", help="Whether customers come in before a member has agreed.")
]
Remark = Annotated[str | None, typer.Option("--remark", help="What customers are called: {name} is their name.")]
Shifts = Annotated[
    list[str] | None,
    typer.Option("--shift", help="On the code at times, like '1-5 09:00-18:00 ZhangSan,LiSi'; may be repeated."),
]


@app.command("list")
def list_all(
    text: Annotated[str, typer.Option("--name", help="Those whose name holds this.")] = "",
    archived: Annotated[bool, typer.Option("--archived", help="Archived ones.")] = False,
    links: Annotated[bool, typer.Option("--links", help="Links (获客链接) alone.")] = False,
    member: Annotated[str, typer.Option("--member", help="Those that name this userid, or fall back on it.")] = "",
    trouble: Annotated[bool, typer.Option("--trouble", help="Those that need somebody.")] = False,
    limit: Limit = 100,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Channels that were made here, newest first, and who is on their codes."""

    def read(session: Session) -> list[dict[str, Any]]:
        from bot.channels import list_told
        from data.queries.channel_plans import PlanFilter

        kind = "link" if links else ""
        wanted = PlanFilter(archived=archived, text=text, trouble=trouble, kind=kind, member=member)
        return list_told(session, wanted, limit)

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
    title: Title = None,
    background: Background = None,
    auto_accept: Verify = None,
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
            **_more(title, background, auto_accept),
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
    title: Title = None,
    background: Background = None,
    auto_accept: Verify = None,
    config: Config = None,
) -> None:
    """Change one; what is given replaces what was there, and the code stays the same."""
    options = _options(fallback, members, departments, shifts, daily_cap, tags, welcome, remark)
    changes = given(name=name) | options | _more(title, background, auto_accept)
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
def copy(
    channel_id: ChannelId,
    name: Annotated[str, typer.Option("--name", help="How the copy is called.")],
    config: Config = None,
) -> None:
    """Make one like it, with a code of its own."""

    async def keep(ctx: Context) -> int:
        from bot.channel_files import editing_for
        from bot.channels import copy_of, make
        from data.queries.channel_plans import get_plan
        from data.rules.channels import made_up_state

        editing, state = editing_for(ctx, ctx.clock.now()), made_up_state(secrets.token_bytes(10))

        def do(session: Session) -> int:
            draft = copy_of(session, get_plan(session, channel_id), name)
            return make(session, draft, "command", editing, state=state)

        return await ctx.db.write(do)

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


app.command("import")(channel_files.import_file)
app.command()(channel_files.codes)
app.command()(channel_files.statistics)
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
    found = given(fallback=fallback, userids=members, department_ids=departments, tag_ids=tags, remark=remark)
    if daily_cap is not None:
        found["daily_cap"] = daily_cap or None
    if shifts is not None:
        found["shifts"] = [_shift(each) for each in shifts]
    if welcome is not None:
        found["welcome"] = {"text": welcome} if welcome else None
    return found


def _more(title: str | None, background: str | None, auto_accept: bool | None) -> dict[str, Any]:
    poster = given(title=title, background=background)
    return given(skip_verify=auto_accept) | ({"poster": poster} if poster else {})


def _shift(text: str) -> dict[str, Any]:
    from data.rules.channels import read_shift

    found = read_shift(text)
    if found is None:
        refuse(f"{text!r} is no shift: write '1-5 09:00-18:00 ZhangSan,LiSi' (1 is Monday).")
    return {"windows": [found.window], "userids": found.names}


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
