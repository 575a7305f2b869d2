"""`siyu group-welcomes`: what customer groups say to those who join, brought into WeCom's stock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands.media import attachment_from_json, attachment_of_file
from bot.commands.rule_options import given
from bot.commands.terminal import AsJson, Config, cut, refuse, say, say_json, say_table, work, work_with_wecom

if TYPE_CHECKING:
    from bot.context import Context
    from data.db import Database

app = typer.Typer(no_args_is_help=True, help="Group welcomes (入群欢迎语素材): what groups say to those who join.")

WelcomeId = Annotated[int, typer.Argument(metavar="ID", min=1, help="The group welcome's number.")]
Text = Annotated[str | None, typer.Option("--text", help="The words; %NICKNAME% is who joins.")]
MediaKey = Annotated[
    str | None, typer.Option("--media", help="File of the media library, by its key or a beginning; '' for none.")
]
Attachment = Annotated[
    str | None,
    typer.Option("--attachment", help='One, as JSON, like \'{"msgtype":"link","link":{…}}\'; \'\' for none.'),
]


@app.command("list")
def list_all(
    retired: Annotated[bool, typer.Option("--retired", help="Those that are over.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Group welcomes, and how they stand in WeCom's stock."""

    async def read(db: Database) -> list[dict[str, Any]]:
        from bot.group_welcomes import to_json
        from data.queries import group_welcomes as rows

        return [to_json(row) for row in await db.read(rows.list_group_welcomes, retired=retired)]

    found = work(config, lambda place: read(place.db))
    if as_json:
        say_json(found)
        return
    say_table(
        ("ID", "NAME", "STATUS", "WORDS", "ATTACHMENT", "TO DO"),
        (
            (
                each["id"], cut(each["name"], 24), each["status"], cut(each["content"]["text"], 40),
                (each["content"]["attachment"] or {}).get("msgtype", ""), cut(_trouble(each), 60),
            )
            for each in found
        ),
        "There is none: siyu group-welcomes add --name 新人 --text '欢迎 %NICKNAME%！'",
    )  # fmt: skip


@app.command()
def show(welcome_id: WelcomeId, config: Config = None) -> None:
    """One group welcome as JSON."""
    say_json(work(config, lambda place: _read(place.db, welcome_id)))


@app.command()
def add(
    name: Annotated[str, typer.Option("--name", help="How staff of yours find it; members of groups do not see it.")],
    text: Text = None,
    media: MediaKey = None,
    attachment: Attachment = None,
    notify: Annotated[bool, typer.Option(help="WeCom tells staff that they can choose it.")] = True,
    config: Config = None,
) -> None:
    """Make one, and add it to WeCom's stock."""

    async def keep(ctx: Context) -> int:
        from bot.group_welcomes import make
        from data.rules.group_welcomes import GroupWelcomeDraft
        from data.rules.problems import parse

        content = await _content(ctx.db, text, media, attachment)
        draft = parse(GroupWelcomeDraft, {"name": name, "content": content, "notify": notify})
        return await ctx.db.write(make, draft, "command", ctx.clock.now())

    _bring(config, keep)


@app.command()
def edit(
    welcome_id: WelcomeId,
    name: Annotated[str | None, typer.Option("--name", help="The new name.")] = None,
    text: Text = None,
    media: MediaKey = None,
    attachment: Attachment = None,
    config: Config = None,
) -> None:
    """Change one, in WeCom too; groups that use it say the new words from then on."""

    async def keep(ctx: Context) -> int:
        from bot.group_welcomes import change

        content = await _content(ctx.db, text, media, attachment)
        changes = given(name=name) | ({"content": content} if content else {})
        if not changes:
            refuse("Say what to change, such as --text.")
        await ctx.db.write(change, welcome_id, changes, ctx.clock.now())
        return welcome_id

    _bring(config, keep)


@app.command()
def retire(
    welcome_id: WelcomeId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: Config = None,
) -> None:
    """Retire one, and delete it from WeCom's stock; groups that use it greet nobody from then on."""
    found = work(config, lambda place: _read(place.db, welcome_id))
    if not yes:
        typer.confirm(f"Retire group welcome {welcome_id} {found['name']}?", abort=True)
    _bring(config, _written(lambda rows: rows.retire_group_welcome, welcome_id))


@app.command()
def again(welcome_id: WelcomeId, config: Config = None) -> None:
    """Say that WeCom's stock has nothing of an unknown one: it is added again."""
    _bring(config, _written(lambda rows: rows.add_again, welcome_id))


@app.command()
def repair(welcome_id: WelcomeId, config: Config = None) -> None:
    """Write ours once more where WeCom shows something else, has it no more, or refused it."""
    _bring(config, _written(lambda rows: rows.write_again, welcome_id))


@app.command()
def check(config: Config = None) -> None:
    """Read each from WeCom, and say which are not as they were written."""

    async def action(ctx: Context) -> list[dict[str, Any]]:
        from bot import group_welcomes
        from data.queries import group_welcomes as rows

        for each in await ctx.db.read(rows.list_checkable):
            await group_welcomes.check(ctx, *each)
        return [group_welcomes.to_json(row) for row in await ctx.db.read(rows.list_troubled)]

    say_table(
        ("ID", "NAME", "STATUS", "TO DO"),
        (
            (each["id"], cut(each["name"], 24), each["status"], _trouble(each))
            for each in work_with_wecom(config, action)
        ),
        "All are in WeCom as they were written.",
    )


def _written(act: Callable[[Any], Any], welcome_id: int) -> Callable[[Context], Awaitable[int]]:
    async def keep(ctx: Context) -> int:
        from data.queries import group_welcomes as rows

        await ctx.db.write(act(rows), welcome_id, ctx.clock.now())
        return welcome_id

    return keep


def _bring(config: Config, keep: Callable[[Context], Awaitable[int]]) -> None:
    """Do what `keep` writes down in WeCom as well, and say how it stands; ends with code 1 where a person is needed."""

    async def action(ctx: Context) -> dict[str, Any]:
        from bot.group_welcomes import bring

        id_ = await keep(ctx)
        await bring(ctx, id_)
        return await _read(ctx.db, id_)

    told = work_with_wecom(config, action)
    say(f"Group welcome {told['id']} {told['name']}: {told['status']}.")
    if told["next_at"] is not None:
        typer.echo(f"The bot writes it to WeCom when it can. {told['error']}".strip(), err=True)
    if told["needs_person"]:
        typer.echo(_trouble(told), err=True)
        raise typer.Exit(1)


async def _read(db: Database, welcome_id: int) -> dict[str, Any]:
    from bot.group_welcomes import to_json
    from data.queries import group_welcomes as rows

    return to_json(await db.read(rows.get_group_welcome, welcome_id))


async def _content(db: Database, text: str | None, media: str | None, attachment: str | None) -> dict[str, Any]:
    """The options as (a change of) a content."""
    content = given(text=text)
    if media is not None and attachment is not None:
        refuse("A group welcome has one attachment: --media or --attachment.")
    if media is not None:
        content["attachment"] = await attachment_of_file(db, media) if media else None
    if attachment is not None:
        content["attachment"] = attachment_from_json(attachment) if attachment else None
    return content


def _trouble(told: dict[str, Any]) -> str:
    if told["status"] == "unknown":
        return (
            f"Whether WeCom has it is unknown ({told['error']}) Look there (客户群 → 入群欢迎语): is it not there, "
            f"siyu group-welcomes again {told['id']}; is it there, delete it there first."
        )
    if told["drift"]:
        return f"WeCom shows other {', '.join(told['drift'])}: siyu group-welcomes repair {told['id']}."
    if told["needs_person"]:
        return f"{told['error']} Then siyu group-welcomes repair {told['id']}."
    return str(told["error"])
