"""`siyu knowledge`: questions with their answers, for customer service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands.terminal import AsJson, Config, Limit, Workplace, cut, refuse, say, say_json, say_table, work

if TYPE_CHECKING:
    from bot.knowledge import Imported

app = typer.Typer(no_args_is_help=True, help="Knowledge (知识库): questions with their answers.")


@app.command("list")
def list_pairs(
    words: Annotated[str, typer.Option("--words", help="Only those that say this.")] = "",
    limit: Limit = 50,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """The pairs, newest first."""

    async def read(place: Workplace) -> list[dict[str, Any]]:
        from bot.knowledge import to_json
        from data.queries import knowledge as rows

        found = await place.db.read(lambda session: rows.list_pairs(session, words=words, limit=limit))
        return [to_json(*each) for each in found]

    found = work(config, read)
    if as_json:
        say_json(found)
        return
    say_table(
        ("ID", "QUESTION", "MORE", "ANSWER", "USES", "STATE"),
        (
            (
                each["id"], cut(each["phrasings"][0], 30), len(each["phrasings"]) - 1 or "-",
                cut(each["text"] or f"[{each['attachment']['msgtype']}]", 40), each["uses"],
                "on" if each["enabled"] else "off",
            )
            for each in found
        ),
        "There is none: siyu knowledge import pairs.csv",
    )  # fmt: skip


@app.command()
def ask(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="As a customer would ask.")],
    account: Annotated[str | None, typer.Option("--account", help="open_kfid of an account; any if not given.")] = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Which answer a customer would get, and why."""

    async def read(place: Workplace) -> list[dict[str, Any]]:
        from bot.knowledge import answers_json
        from data.queries.knowledge import find_answers

        found = await place.db.read(
            lambda session: find_answers(session, question, open_kfid=account, limit=5, enough=0.0)
        )
        return answers_json(found)

    found = work(config, read)
    if as_json:
        say_json(found)
        return
    say_table(
        ("SCORE", "GIVEN", "ID", "QUESTION", "SHARED", "ANSWER"),
        (
            (
                f"{each['score']:.2f}", "yes" if each["given"] else "no", each["pair_id"], cut(each["phrasing"], 30),
                cut(" ".join(each["shared"]), 24), cut(each["text"], 40),
            )
            for each in found
        ),
        "Nothing shares a word with it.",
    )  # fmt: skip


@app.command("import")
def import_pairs(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV or XLSX with the columns 问题 and 答案.")],
    skip_faulty: Annotated[bool, typer.Option("--skip-faulty", help="Leave faulty rows out.")] = False,
    config: Config = None,
) -> None:
    """Keep the pairs of a file; with a faulty row nothing is kept. A known number or question changes its pair."""

    async def action(place: Workplace) -> Imported:
        from datetime import UTC, datetime

        from bot.knowledge import import_file
        from bot.table_files import FILE_BYTES_MAX

        try:
            size = file.stat().st_size
        except OSError as error:
            refuse(f"{file} cannot be read ({error.strerror}).")
        if not file.is_file() or size > FILE_BYTES_MAX:
            refuse(f"{file} is no file of at most {FILE_BYTES_MAX:,} bytes.")
        return await import_file(place.db, file, "command", lambda: datetime.now(UTC), skip_faulty=skip_faulty)

    done = work(config, action)
    skipped = f", {done.skipped:,} faulty ones left out" if done.skipped else ""
    say(f"{done.rows:,} rows: {done.made:,} new pairs, {done.changed:,} changed, {done.same:,} as they were{skipped}.")


@app.command("export")
def export_pairs(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; .xlsx makes a workbook, anything else CSV.")],
    config: Config = None,
) -> None:
    """Write all pairs to a file, which can be changed and imported again."""

    async def action(place: Workplace) -> int:
        from bot.knowledge import HEAD, cells_of
        from bot.spreadsheets import WRITERS, CsvWriter, SheetWriter
        from data.queries import knowledge as rows

        writer: SheetWriter = WRITERS.get(file.suffix.lstrip(".").lower(), CsvWriter)(HEAD)
        count, after = 0, 0
        with file.open("wb") as opened:
            while found := await place.db.read(rows.iterate_pairs, after, 500):
                opened.write(writer.write([cells_of(row, phrasings, place.local) for row, phrasings in found]))
                count, after = count + len(found), found[-1][0].id or 0
            opened.write(writer.end())
        return count

    try:
        count = work(config, action)
    except OSError as error:
        refuse(f"{file} cannot be written ({error.strerror}).")
    say(f"{count:,} pairs are in {file}.")


@app.command()
def remove(
    pair_id: Annotated[int, typer.Argument(metavar="ID", min=1, help="The pair's number.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: Config = None,
) -> None:
    """Remove a pair."""

    async def action(place: Workplace) -> None:
        from data.queries.knowledge import remove_pair

        await place.db.write(remove_pair, pair_id)

    if not yes:
        typer.confirm(f"Remove pair {pair_id}?", abort=True)
    work(config, action)
    say(f"Pair {pair_id} is removed.")


@app.command()
def unanswered(limit: Limit = 50, as_json: AsJson = False, config: Config = None) -> None:
    """What customers asked and no answer was found for, what is asked most first."""

    async def read(place: Workplace) -> None:
        from data.queries.unanswered import list_unanswered

        found = await place.db.read(list_unanswered, limit)
        if as_json:
            say_json([each._asdict() for each in found])
            return
        say_table(
            ("ID", "QUESTION", "PEOPLE", "TIMES", "LAST"),
            ((each.id, cut(each.words, 60), each.people, each.times, place.local(each.asked_at)) for each in found),
            "Nothing was asked without an answer.",
        )

    work(config, read)
