"""`siyu import` and `siyu imports`: tables of customers from other tools, checked, corrected and applied."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands.terminal import (
    AsJson,
    Config,
    Limit,
    Workplace,
    cut,
    refuse,
    say,
    say_json,
    say_table,
    work,
    work_with_wecom,
)

if TYPE_CHECKING:
    from bot.context import Context

app = typer.Typer(no_args_is_help=True, help="Imports (导入): tables of customers from other tools.")

ImportId = Annotated[int, typer.Argument(metavar="ID", min=1, help="The import's number.")]
State = Annotated[
    str,
    typer.Option("--state", help="unread, found, ready, same, review, left_out, bad, done or failed; all."),
]


def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV or XLSX with headings in its first row.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there already.")] = False,
    make_tags: Annotated[bool, typer.Option("--make-tags", help="Make tags that do not exist.")] = False,
    tag_group: Annotated[str, typer.Option("--tag-group", help="The group of tags whose group is not named.")] = "导入",
    order_source: Annotated[str, typer.Option("--order-source", help="The shop of its orders.")] = "import",
    source_agentid: Annotated[
        int, typer.Option("--source-agentid", min=0, help="The other provider's app whose ids WeCom is to convert.")
    ] = 0,
    columns: Annotated[
        list[str] | None, typer.Option("--column", help="HEADING=TARGET, where a heading is not known (repeatable).")
    ] = None,
    start: Annotated[bool, typer.Option("--start", help="Have the running bot apply what is not in doubt.")] = False,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Read a table of customers from another tool, and say what it would change; with --start have that done."""

    async def action(ctx: Context) -> dict[str, Any]:
        from bot import imports
        from bot.table_files import FILE_BYTES_MAX
        from data.rules.imports import Options
        from data.rules.problems import parse
        from scheduler.imports import run_import
        from scheduler.leases import LeaseHeldError

        given = {
            "overwrite": overwrite, "make_tags": make_tags, "tag_group": tag_group, "order_source": order_source,
            "source_agentid": source_agentid,
        }  # fmt: skip
        options = parse(Options, given)
        try:
            if not file.is_file() or file.stat().st_size > FILE_BYTES_MAX:
                refuse(f"{file} is no file of at most {FILE_BYTES_MAX:,} bytes.")
            opened = file.open("rb")
        except OSError as error:
            refuse(f"{file} cannot be read ({error.strerror}).")
        with opened:
            made = await imports.take_file(ctx.db, opened, file.name, "command", options, ctx.clock.now)
        import_id = made.id or 0
        if columns:
            targets = _targets(made.headings, made.targets, columns)
            await ctx.db.write(imports.describe, import_id, targets, options)
        try:
            await run_import(ctx, import_id)
            if start:
                await ctx.db.write(imports.start, import_id, ctx.clock.now())
        except LeaseHeldError:
            if start:
                refuse(f"The running bot is at work on imports: it checks this one ({import_id}), start it afterwards.")
        return await ctx.db.read(_told, import_id)

    told = work_with_wecom(config, action)
    say_json(told) if as_json else _say(told)


def _targets(headings: list[str], targets: list[str], columns: list[str]) -> list[str]:
    found = list(targets)
    for each in columns:
        heading, sign, target = each.rpartition("=")
        if not sign or heading not in headings:
            refuse(f"{each!r}: write HEADING=TARGET; the headings are {', '.join(headings)}.")
        found[headings.index(heading)] = target
    return found


def _told(session: Any, import_id: int) -> dict[str, Any]:
    from bot import imports
    from data.queries import imports as rows

    return imports.tell(session, rows.get_import(session, import_id))


def _say(told: dict[str, Any]) -> None:
    say(f"Import {told['id']} {told['name']} ({told['read_as']}): {told['status']}, {told['rows']:,} rows")
    for heading, target in zip(told["headings"], told["targets"], strict=True):
        say(f"  {cut(heading, 30)} -> {target or '(not imported)'}")
    states = ", ".join(f"{count:,} {state}" for state, count in told["states"].items() if count)
    say(f"  rows: {states or 'none'}")
    if told["converted"]["asked"]:
        say(
            f"  ids of app {told['options']['source_agentid']}: {told['converted']['asked']:,} asked about, "
            f"{told['converted']['found']:,} of them are ours"
        )
    tally = told["tally"]
    if tally:
        gains = sum(tally["gains"].values())
        say(
            f"  changes: {tally['customers']:,} customers; {gains:,} tags for {tally['tagged']:,} contacts, "
            f"{tally['remarks']:,} remarks, {sum(tally['fields'].values()):,} fields, {tally['orders']:,} orders; "
            f"{tally['kept']:,} that are there already stay"
        )
        if tally["missing"]:
            say(f"  tags to be made: {', '.join(tally['missing'])}")
    if told["error"]:
        say(f"  {told['error']}")
    if told["status"] == "draft":
        say("  Say what its columns are: siyu import FILE --column HEADING=TARGET, or in the console.")
    if told["states"]["bad"] or told["states"]["review"] or told["states"]["failed"]:
        say(f"  What was not taken, and why: siyu imports rows {told['id']} --state bad (or review, failed)")
    if told["status"] == "ready":
        say(f"  Have it done: siyu imports start {told['id']}")


@app.command("list")
def list_imports(limit: Limit = 20, as_json: AsJson = False, config: Config = None) -> None:
    """Imports, newest first."""

    async def read(place: Workplace) -> None:
        from bot.imports import tell
        from data.queries import imports as rows

        found = await place.db.read(lambda session: [tell(session, each) for each in rows.list_imports(session, limit)])
        if as_json:
            say_json(found)
            return
        say_table(
            ("ID", "FILE", "MADE", "BY", "STATUS", "ROWS", "DONE", "BAD", "REVIEW"),
            (
                (each["id"], cut(each["name"], 40), place.local(each["made_at"]), cut(each["asked_by"], 30),
                 each["status"], f"{each['rows']:,}", f"{each['states']['done']:,}",
                 f"{each['states']['bad'] + each['states']['failed']:,}", f"{each['states']['review']:,}")
                for each in found
            ),
            "No import yet: siyu import customers.csv",
        )  # fmt: skip

    work(config, read)


@app.command()
def show(import_id: ImportId, as_json: AsJson = False, config: Config = None) -> None:
    """What one would change, or how far it is."""
    told = work(config, lambda place: place.db.read(_told, import_id))
    say_json(told) if as_json else _say(told)


@app.command("rows")
def list_rows(
    import_id: ImportId,
    state: State = "",
    limit: Limit = 100,
    after: Annotated[int, typer.Option("--after", min=0, help="Behind this line.")] = 0,
    config: Config = None,
) -> None:
    """Its rows as JSON, one a line, with what is wrong with each; of those in doubt the `people` it may be about."""

    async def read(place: Workplace) -> None:
        import json

        from bot.imports import tell_rows
        from data.models import RowState
        from data.queries import imports as rows

        if state and state not in list(RowState):
            refuse(f"{state!r} is no state: {', '.join(RowState)}.")
        found = await place.db.read(rows.get_import, import_id)
        wanted = RowState(state) if state else None
        zone = place.settings.zone
        for row in await place.db.read(lambda session: tell_rows(session, found, wanted, after, limit, zone)):
            say(json.dumps(row, ensure_ascii=False))

    work(config, read)


@app.command()
def rejected(import_id: ImportId, config: Config = None) -> None:
    """The rows that were not taken as CSV, with why: to be mended and imported again."""

    async def write(place: Workplace) -> None:
        import csv

        from bot.imports import not_taken
        from bot.spreadsheets import guarded
        from data.queries import imports as rows

        found = await place.db.read(rows.get_import, import_id)
        writer = csv.writer(sys.stdout)
        writer.writerow([*map(guarded, found.headings), "行号", "原因"])
        async for some in not_taken(place.db, found):
            writer.writerows(map(guarded, row) for row in some)

    work(config, write)


@app.command()
def decide(
    import_id: ImportId,
    line: Annotated[int, typer.Argument(metavar="LINE", min=1, help="The row's line in the file.")],
    external_userid: Annotated[
        str | None, typer.Argument(metavar="[EXTERNAL_USERID]", help="The customer; without: the row is left out.")
    ] = None,
    config: Config = None,
) -> None:
    """Say whom a doubtful row is about, or leave it out."""
    from bot import imports

    work(config, lambda place: place.db.write(imports.decide, import_id, line, external_userid, None))
    say(f"Line {line} is {'about ' + external_userid if external_userid else 'left out'}.")


@app.command()
def start(import_id: ImportId, config: Config = None) -> None:
    """Have the running bot apply it; rows in doubt and faulty ones are left out."""
    from bot import imports

    work(config, lambda place: place.db.write(imports.start, import_id, place.now))
    say(f"Import {import_id} is left to the running bot: siyu imports show {import_id}")


@app.command()
def cancel(import_id: ImportId, config: Config = None) -> None:
    """End it; what is imported stays."""
    from bot import imports

    work(config, lambda place: place.db.write(imports.cancel, import_id, place.now))
    say(f"Import {import_id} is cancelled; what is imported stays.")
