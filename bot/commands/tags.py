"""`siyu tags`: the company's tags, made and changed through WeCom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands import markings, tag_rules
from bot.commands.tag_options import made_by, one_group, one_tag
from bot.commands.terminal import AsJson, Config, say, say_json, say_table, work, work_with_wecom

if TYPE_CHECKING:
    from bot.context import Context

app = typer.Typer(no_args_is_help=True, help="The company's tags, and the rules that use them.")
groups_app = typer.Typer(no_args_is_help=True, help="The groups of the company's tags.")
app.add_typer(groups_app, name="groups")
app.add_typer(tag_rules.app, name="rules")
app.add_typer(markings.app, name="markings")
app.command("mark")(markings.mark)
app.command("apply")(markings.apply)

TheTag = Annotated[str, typer.Argument(metavar="TAG", help="Its id or name.")]
TheGroup = Annotated[str, typer.Argument(metavar="GROUP", help="Its id or name.")]
NewName = Annotated[str | None, typer.Option("--name", help="The new name, at most 30 characters.")]
Order = Annotated[int | None, typer.Option("--order", help="The larger is shown first.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@app.command("list")
def list_tags(config: Config = None, as_json: AsJson = False) -> None:
    """The company's tags, as last read from WeCom, and who made them."""
    from data.queries import tags as rows

    found = work(config, lambda place: place.db.read(rows.list_tags))
    if as_json:
        say_json(found)
        return
    say_table(
        ("GROUP", "TAG", "ID", "MADE BY"),
        ((tag["group_name"], tag["name"], tag["tag_id"], made_by(tag)) for tag in found),
        "No tag is known: the company has none, or the bot has not read them from WeCom yet.",
    )


@app.command("add")
def add(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of the new tags.")],
    group: Annotated[str, typer.Option("--group", help="Name of their group; made if there is none.")],
    order: Order = None,
    config: Config = None,
) -> None:
    """Make tags in WeCom."""

    async def action(ctx: Context) -> list[str]:
        from bot.tag_edits import add_tags
        from data.queries import tags as rows
        from data.rules.problems import parse
        from data.rules.tags import NewTags

        known = {each["group_id"] for each in await ctx.db.read(rows.list_groups)}
        tags = [{"name": name} | ({} if order is None else {"order": order}) for name in names]
        where = {"group_id": group} if group in known else {"group_name": group}
        return await add_tags(ctx, parse(NewTags, {**where, "tags": tags}))

    made = work_with_wecom(config, action)
    for name, tag_id in zip(names, made, strict=False):
        say(f"Tag {name} made: {tag_id}")


@app.command("edit")
def edit(tag: TheTag, name: NewName = None, order: Order = None, config: Config = None) -> None:
    """Rename or reorder a tag that this app made."""

    async def action(ctx: Context) -> str:
        from bot.tag_edits import change_tag

        found = await one_tag(ctx.db, tag)
        await change_tag(ctx, found["tag_id"], _edit(name, order))
        return str(found["name"])

    say(f"Tag {work_with_wecom(config, action)} changed.")


@app.command("delete")
def delete(tag: TheTag, yes: Yes = False, config: Config = None) -> None:
    """Delete a tag that this app made, off every customer."""
    from data.queries import tags as rows

    async def look(ctx: Context) -> dict[str, Any]:
        from bot.tag_edits import read_use

        found = await one_tag(ctx.db, tag)
        use = await ctx.db.read(read_use, [found["tag_id"]])
        last = len(await ctx.db.read(rows.list_ids_of_group, found["group_id"])) == 1
        return {**found, **use, "last": last}

    found = work_with_wecom(config, look)
    whole = f" It is the last of its group {found['group_name']}, which goes with it." if found["last"] else ""
    _confirm(f"Delete the tag {found['group_name']}/{found['name']}? {_use_words(found)}{whole}", yes)

    async def action(ctx: Context) -> None:
        from bot.tag_edits import delete_tag

        await delete_tag(ctx, found["tag_id"])

    work_with_wecom(config, action)
    say(f"Tag {found['name']} deleted.")


@groups_app.command("list")
def list_groups(config: Config = None, as_json: AsJson = False) -> None:
    """The groups of the company's tags, and who made them."""
    from data.queries import tags as rows

    found = work(config, lambda place: place.db.read(rows.list_groups))
    if as_json:
        say_json(found)
        return
    say_table(
        ("GROUP", "ID", "TAGS", "MADE BY"),
        ((group["name"], group["group_id"], group["tags"], made_by(group)) for group in found),
        "No group is known: the company has none, or the bot has not read them from WeCom yet.",
    )


@groups_app.command("edit")
def edit_group(group: TheGroup, name: NewName = None, order: Order = None, config: Config = None) -> None:
    """Rename or reorder a group that this app made."""

    async def action(ctx: Context) -> str:
        from bot.tag_edits import change_group

        found = await one_group(ctx.db, group)
        await change_group(ctx, found["group_id"], _edit(name, order))
        return str(found["name"])

    say(f"Group {work_with_wecom(config, action)} changed.")


@groups_app.command("delete")
def delete_group(group: TheGroup, yes: Yes = False, config: Config = None) -> None:
    """Delete a group that this app made, with all its tags, off every customer."""
    from data.queries import tags as rows

    async def look(ctx: Context) -> dict[str, Any]:
        from bot.tag_edits import read_use

        found = await one_group(ctx.db, group)
        return {**found, **await ctx.db.read(read_use, await ctx.db.read(rows.list_ids_of_group, found["group_id"]))}

    found = work_with_wecom(config, look)
    _confirm(f"Delete the group {found['name']} with its {found['tags']} tags? {_use_words(found)}", yes)

    async def action(ctx: Context) -> None:
        from bot.tag_edits import delete_group

        await delete_group(ctx, found["group_id"])

    work_with_wecom(config, action)
    say(f"Group {found['name']} deleted.")


def _edit(name: str | None, order: int | None) -> Any:
    from data.rules.problems import parse
    from data.rules.tags import TagEdit

    return parse(TagEdit, {"name": name, "order": order})


def _use_words(use: dict[str, Any]) -> str:
    rules = ", ".join(f"{rule['id']} {rule['name']}" for rule in use["rules"])
    return f"{use['worn']:,} customers wear it{f'; rules use it: {rules}' if rules else ''}. It cannot be undone."


def _confirm(question: str, yes: bool) -> None:
    if not yes:
        typer.confirm(question, abort=True)
