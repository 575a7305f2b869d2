"""`siyu knowledge`: questions with their answers, for customer service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands.customers import who_types
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
)

if TYPE_CHECKING:
    from bot.knowledge import Imported

app = typer.Typer(no_args_is_help=True, help="Knowledge (知识库): questions with their answers.")
synonyms = typer.Typer(no_args_is_help=True, help="Synonyms (同义词): words that mean the same when answers are found.")
app.add_typer(synonyms, name="synonyms")

GroupId = Annotated[int, typer.Argument(metavar="ID", min=1, help="The number of a group of one's own.")]
Words = Annotated[list[str], typer.Argument(metavar="WORD…", help="Words that mean the same.")]


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


@synonyms.command("list")
def list_synonyms(
    words: Annotated[str, typer.Option("--words", help="Only groups with a word that has this in it.")] = "",
    own: Annotated[bool, typer.Option("--own", help="Only those that are the company's own.")] = False,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """All groups that are in use, the company's own first."""

    async def read(place: Workplace) -> list[dict[str, Any]]:
        from bot.synonyms import list_all, to_json

        return [to_json(each) for each in await place.db.read(list_all, words) if each.id or not own]

    found = work(config, read)
    if as_json:
        say_json(found)
        return
    say_table(
        ("ID", "IN PLACE OF", "WORDS"),
        (
            (each["id"] or "-", each["replaces"] if each["id"] else "", cut("、".join(each["words"]), 90))
            for each in found
        ),
        "There is none: siyu knowledge synonyms add WORD WORD",
    )


@synonyms.command("add")
def add_synonyms(
    words: Words,
    replaces: Annotated[
        str, typer.Option("--replaces", help="The program's group, by its first word, that they take the place of.")
    ] = "",
    config: Config = None,
) -> None:
    """Make a group of one's own. It counts for the next question."""
    say(f"Group {_save(config, words, replaces=replaces)} is in use.")


@synonyms.command("change")
def change_synonyms(group_id: GroupId, words: Words, config: Config = None) -> None:
    """Let a group of one's own have these words, and no others."""
    say(f"Group {_save(config, words, group_id)} is changed.")


@synonyms.command("remove")
def remove_synonyms(group_id: GroupId, config: Config = None) -> None:
    """Remove a group of one's own; what the program has in its place is in use again."""

    async def action(place: Workplace) -> None:
        from bot.synonyms import remove as remove_it
        from data.queries.audit import Actor

        await place.db.write(remove_it, group_id, Actor(None, who_types()), place.now)

    work(config, action)
    say(f"Group {group_id} is removed.")


def _save(config: Path | None, words: list[str], id_: int = 0, *, replaces: str = "") -> int:
    async def action(place: Workplace) -> int:
        from bot.synonyms import save
        from data.queries.audit import Actor
        from data.rules.synonyms import Synonyms, words_from

        group = Synonyms(words_from("\n".join(words)), id_, replaces)
        return (await place.db.write(save, group, Actor(None, who_types()), place.now)).id

    return work(config, action)
