"""`siyu scripts`: ready words for staff."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bot.commands.terminal import AsJson, Config, Limit, Workplace, cut, refuse, say, say_json, say_table, work

app = typer.Typer(no_args_is_help=True, help="Scripts (话术): ready words for staff.")


@app.command("list")
def list_scripts(
    words: Annotated[str, typer.Argument(metavar="[WORDS]", help="Those that say something of these words.")] = "",
    category: Annotated[str | None, typer.Option("--category", help="Only of this one.")] = None,
    limit: Limit = 50,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Scripts, newest first; with words the best first."""

    async def action(place: Workplace) -> None:
        from data.queries import scripts as rows

        found = await place.db.read(rows.list_page, words, category=category, limit=limit)
        if as_json:
            say_json([each.model_dump(mode="json") for each in found])
            return
        say_table(
            ("ID", "CATEGORY", "TITLE", "WORDS", ""),
            (
                (each.id, each.category, cut(each.title, 30), cut(each.content.text, 50),
                 "" if each.enabled else "disabled")
                for each in found
            ),
            "There is no such script. Import some: siyu scripts import scripts.xlsx",
        )  # fmt: skip

    work(config, action)


@app.command("import")
def import_scripts(
    file: Annotated[
        Path, typer.Argument(help="CSV or XLSX with 标题, 内容, 分类, 部门, 启用.", exists=True, dir_okay=False)
    ],
    config: Config = None,
) -> None:
    """Make the scripts of a file; one whose title is there already is changed, its attachments stay."""

    async def action(place: Workplace) -> Any:
        from bot.render import Renderer
        from bot.scripts import import_file

        try:
            content = file.read_bytes()
        except OSError as error:
            refuse(f"{file} cannot be read ({error.strerror}).")
        return await import_file(place.db, content, Renderer(), place.now)

    found = work(config, action)
    say(f"{found.made} made, {found.changed} changed, {len({each['row'] for each in found.faults})} rows left out.")
    for each in found.faults:
        say(f"row {each['row']} {each['path']}: {each['message']}")
    if found.faults:
        raise typer.Exit(1)


@app.command()
def uses(
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="Of the last so many days.")] = 30,
    limit: Limit = 50,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Who uses which script."""

    async def action(place: Workplace) -> None:
        from datetime import timedelta

        from data.queries import scripts as rows
        from data.rules.schedule import local_datetime

        since = local_datetime(place.now, place.settings.zone).date() - timedelta(days=days - 1)
        found = await place.db.read(rows.list_uses, since, limit=limit)
        if as_json:
            say_json([each._asdict() for each in found])
            return
        say_table(
            ("ID", "TITLE", "STAFF", "NAME", "USES", "LAST"),
            ((each.script_id, cut(each.title, 40), each.userid, each.staff_name, each.uses, each.last_day)
             for each in found),
            "Nobody has used a script.",
        )  # fmt: skip

    work(config, action)
