"""`siyu rosters`: lists of customers handed in as files, for segments, campaigns and markings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.commands.terminal import AsJson, Config, Workplace, refuse, say, say_json, say_table, work

if TYPE_CHECKING:
    from data.models import Roster

app = typer.Typer(no_args_is_help=True, help="Rosters (客户名单): customers listed in a file.")

RosterId = Annotated[int, typer.Argument(metavar="ID", min=1, help="The roster's number.")]


@app.command()
def add(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV or XLSX with a column external_userid, unionid or mobile.")
    ],
    name: Annotated[str | None, typer.Option("--name", help="Its name; the file's if not given.")] = None,
    skip_faulty: Annotated[bool, typer.Option("--skip-faulty", help="Leave faulty rows out.")] = False,
    config: Config = None,
) -> None:
    """Keep the customers whom a file names; with a faulty row nothing is kept."""

    async def action(place: Workplace) -> Roster:
        from datetime import UTC, datetime

        from bot.rosters import make_roster
        from bot.table_files import FILE_BYTES_MAX

        try:
            size = file.stat().st_size
        except OSError as error:
            refuse(f"{file} cannot be read ({error.strerror}).")
        if not file.is_file() or size > FILE_BYTES_MAX:
            refuse(f"{file} is no file of at most {FILE_BYTES_MAX:,} bytes.")
        return await make_roster(
            place.db, file, name or file.stem[:64], "command", lambda: datetime.now(UTC), skip_faulty=skip_faulty
        )

    made = work(config, action)
    skipped = f", {made.skipped:,} faulty ones left out" if made.skipped else ""
    say(f"Roster {made.id} {made.name}: {made.customers:,} customers of {made.rows:,} rows{skipped}.")


@app.command("list")
def list_rosters(as_json: AsJson = False, config: Config = None) -> None:
    """The rosters, newest first."""

    async def read(place: Workplace) -> None:
        from bot.rosters import tell_rosters
        from data.queries import rosters as rows

        found = await place.db.read(lambda session: tell_rosters(session, rows.list_rosters(session)))
        if as_json:
            say_json(found)
            return
        say_table(
            ("ID", "NAME", "MADE", "BY", "CUSTOMERS", "ROWS", "SKIPPED", "USED BY"),
            (
                (each["id"], each["name"], place.local(each["made_at"]), each["made_by"], f"{each['customers']:,}",
                 f"{each['rows']:,}", f"{each['skipped']:,}", len(each["used_by"]) or "-")
                for each in found
            ),
            "There is no roster: siyu rosters add customers.csv",
        )  # fmt: skip

    work(config, read)


@app.command()
def remove(
    roster_id: RosterId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also while it is used: what asks for it is nobody then.")
    ] = False,
    config: Config = None,
) -> None:
    """Remove a roster that no segment, campaign or marking uses."""

    async def action(place: Workplace) -> None:
        from bot.rosters import remove_roster

        await remove_roster(place.db, roster_id, place.now, force=force)

    if not yes:
        typer.confirm(f"Remove roster {roster_id}?", abort=True)
    work(config, action)
    say(f"Roster {roster_id} is removed.")
