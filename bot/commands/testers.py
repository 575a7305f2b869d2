"""`siyu testers`: customers who receive the contents of campaigns before the others do."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.commands.terminal import AsJson, Config, Workplace, say, say_json, say_table, work

app = typer.Typer(no_args_is_help=True, help="Test customers (测试客户) of campaigns.")


@app.command("list")
def list_testers(as_json: AsJson = False, config: Config = None) -> None:
    """Who receives tests, through whom, and whether they can be reached."""

    async def read(place: Workplace) -> None:
        from data.queries import testers as rows

        found = await place.db.read(rows.list_testers)
        if as_json:
            say_json([each._asdict() for each in found])
            return
        say_table(
            ("ID", "STAFF", "CUSTOMER", "ADDED", "BY", ""),
            (
                (each.id, each.userid, each.external_userid, place.local(each.added_at), each.added_by,
                 "" if each.present else "no contact any more")
                for each in found
            ),
            "There is no test customer: siyu testers add names one.",
        )  # fmt: skip

    work(config, read)


@app.command()
def add(
    userid: Annotated[str, typer.Argument(metavar="USERID", help="The staff member who follows them.")],
    external_userid: Annotated[str, typer.Argument(metavar="EXTERNAL_USERID", help="The customer.")],
    config: Config = None,
) -> None:
    """Have a customer receive tests, through one staff member."""

    async def action(place: Workplace) -> None:
        from data.queries import testers as rows
        from data.rules.problems import parse
        from data.rules.testers import TesterDraft

        draft = parse(TesterDraft, {"userid": userid, "external_userid": external_userid})
        added = await place.db.write(rows.add_tester, draft.userid, draft.external_userid, "command", place.now)
        say(f"{added.external_userid} of {added.userid} receives tests: number {added.id}.")

    work(config, action)


@app.command()
def remove(
    tester_id: Annotated[int, typer.Argument(metavar="ID", min=1, help="Their number in the list.")],
    config: Config = None,
) -> None:
    """Send somebody no tests any more."""

    async def action(place: Workplace) -> None:
        from data.queries import testers as rows

        await place.db.write(rows.remove_tester, tester_id)
        say(f"Number {tester_id} is removed.")

    work(config, action)
