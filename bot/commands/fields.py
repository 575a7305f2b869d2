"""`siyu fields`: the fields that the company has defined, and customers' values of them."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from bot.commands.terminal import AsJson, Config, Workplace, refuse, say, say_json, say_table, work

app = typer.Typer(no_args_is_help=True, help="Customers' own fields, and birthdays.")

Name = Annotated[str, typer.Argument(help="What programs call the field.")]
Whom = Annotated[str, typer.Argument(metavar="EXTERNAL_USERID", help="The customer, as WeCom calls them.")]


@app.command("list")
def list_fields(config: Config = None, as_json: AsJson = False) -> None:
    """The fields that are defined."""

    async def action(place: Workplace) -> None:
        from data.queries import fields as rows

        found = await place.db.read(rows.list_definitions)
        if as_json:
            say_json([row.model_dump() for row in found])
            return
        say_table(
            ("NAME", "KIND", "TITLE", "DEFINED"),
            ((row.name, row.kind, row.title, place.local(row.created_at)) for row in found),
            "No field is defined besides the birthday: siyu fields define",
        )

    work(config, action)


@app.command()
def define(
    name: Name,
    kind: Annotated[str, typer.Option("--kind", help="text, number, date or flag.")],
    title: Annotated[str, typer.Option("--title", help="What people read.")] = "",
    config: Config = None,
) -> None:
    """Define a field, or give it another title."""

    async def action(place: Workplace) -> None:
        from data.queries import fields as rows
        from data.rules.fields import FieldDefinition
        from data.rules.problems import parse

        given = parse(FieldDefinition, {"name": name, "kind": kind, "title": title})
        await place.db.write(rows.add_definition, given, place.now)

    work(config, action)
    say(f"Field {name} is defined.")


@app.command()
def delete(name: Name, config: Config = None) -> None:
    """Remove a field with all its values."""

    async def action(place: Workplace) -> int:
        from data.queries import fields as rows

        deleted = 0
        while some := await place.db.write(rows.delete_values, name):
            deleted += some
        await place.db.write(rows.delete_definition, name)
        return deleted

    say(f"Field {name} is removed, with {work(config, action):,} values.")


@app.command()
def show(external_userid: Whom, config: Config = None) -> None:
    """The values of one customer's fields as JSON."""
    from data.queries import fields as rows

    say_json(work(config, lambda place: place.db.read(rows.get_values, external_userid)))


@app.command("set")
def set_values(
    external_userid: Whom,
    values: Annotated[
        list[str],
        typer.Argument(metavar="FIELD=VALUE...", help="birthday=1990-08-15 level=金卡 vip=true; level= removes."),
    ],
    config: Config = None,
) -> None:
    """Change some of one customer's fields."""

    async def action(place: Workplace) -> dict[str, Any]:
        from data.queries import fields as rows

        kinds = {row.name: row.kind for row in await place.db.read(rows.list_definitions)}
        given = dict(_typed(each, kinds) for each in values)
        return await place.db.write(rows.save_values, external_userid, given, place.now, replace=False)

    say_json(work(config, action))


def _typed(typed: str, kinds: dict[str, str]) -> tuple[str, Any]:
    """A field and its value of `FIELD=VALUE`: JSON for numbers, flags and birthdays that are objects."""
    name, equals, text = typed.partition("=")
    if not equals:
        refuse(f"{typed!r} is not FIELD=VALUE.")
    if not text:
        return name, None
    if kinds.get(name) in ("number", "flag") or text.startswith("{"):
        try:
            return name, json.loads(text)
        except ValueError:
            return name, text
    return name, text
