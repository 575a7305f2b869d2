"""`siyu notes`: what staff have noted about a customer (跟进记录), and when they mean to be in touch next."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands.customers import who_types
from bot.commands.terminal import AsJson, Config, Limit, Workplace, refuse, say, say_json, say_table, work

if TYPE_CHECKING:
    from sqlmodel import Session

app = typer.Typer(no_args_is_help=True, help="Notes about customers (跟进记录), and next contacts (下次联系).")

Whom = Annotated[str, typer.Argument(metavar="EXTERNAL_USERID", help="The customer, as WeCom calls them.")]
Member = Annotated[str, typer.Option("--userid", "-u", help="Whose contact the customer is.")]
#: Notes that are read at once.
CHUNK = 200


@app.command("list")
def list_notes(external_userid: Whom, limit: Limit = 50, config: Config = None, as_json: AsJson = False) -> None:
    """What was noted about a customer, newest first, and when who means to be in touch next."""

    async def action(place: Workplace) -> None:
        from data.queries import notes as rows

        found = await place.db.read(rows.list_notes, external_userid, limit)
        planned = await place.db.read(rows.list_next_contacts, external_userid)
        if as_json:
            say_json([each.model_dump() for each in found])
            return
        say_table(
            ("ID", "WRITTEN", "MEMBER", "BY", "WORDS"),
            (
                (each.id, place.local(each.written_at), each.userid, each.author or each.userid, _line(each.words))
                for each in found
            ),
            "Nothing was noted about this customer: siyu notes add",
        )
        for each in planned:
            say(f"Next contact: {each.due_on} by {each.userid}")

    work(config, action)


def _line(words: str) -> str:
    return " ".join(words.split())


@app.command()
def add(
    external_userid: Whom,
    words: Annotated[str, typer.Argument(help="What is noted; up to 1000 characters.")],
    userid: Member,
    on: Annotated[str, typer.Option("--next", help="And on which day they mean to be in touch: 2026-12-01.")] = "",
    config: Config = None,
) -> None:
    """Note something about a member's contact."""
    day = _day(on) if on else None

    async def action(place: Workplace) -> int:
        from bot.staff_changes import write_note
        from data.queries.audit import Actor

        by = who_types()
        note = await place.db.write(
            write_note, Actor(None, by), userid, external_userid, words, place.settings, place.now, author=by, on=day
        )
        return note.id or 0

    say(f"Note {work(config, action)} is kept.")


@app.command()
def remove(
    external_userid: Whom,
    note_id: Annotated[int, typer.Argument(metavar="ID", min=1, help="The note's number.")],
    config: Config = None,
) -> None:
    """Remove a note."""

    async def action(place: Workplace) -> None:
        from bot.staff_changes import remove_note
        from data.queries.audit import Actor

        await place.db.write(remove_note, Actor(None, who_types()), external_userid, note_id, None, place.now)

    work(config, action)
    say(f"Note {note_id} is removed.")


@app.command("next")
def plan(
    external_userid: Whom,
    userid: Member,
    on: Annotated[str, typer.Option("--on", help="The day, like 2026-12-01; without it: not any more.")] = "",
    config: Config = None,
) -> None:
    """Say on which day a member means to be in touch with a contact, or that they do not any more."""
    day = _day(on) if on else None

    async def action(place: Workplace) -> None:
        from bot.staff_changes import plan_contact
        from data.queries.audit import Actor

        actor = Actor(None, who_types())
        await place.db.write(plan_contact, actor, userid, external_userid, day, place.settings, place.now)

    work(config, action)
    say(f"{userid} means to be in touch on {day}." if day else f"{userid} does not mean to be in touch any more.")


@app.command()
def export(external_userid: Whom, config: Config = None) -> None:
    """All notes about a customer and all next contacts, as JSON."""

    async def action(place: Workplace) -> dict[str, Any]:
        return await place.db.read(_read_all, external_userid)

    say_json(work(config, action))


def _read_all(session: Session, external_userid: str) -> dict[str, Any]:
    from data.queries import notes as rows

    found, before = [], None
    while some := rows.list_notes(session, external_userid, CHUNK, before):
        found += some
        before = some[-1].id
    return {
        "external_userid": external_userid,
        "notes": [each.model_dump() for each in found],
        "next_contacts": [each.model_dump() for each in rows.list_next_contacts(session, external_userid)],
    }


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        refuse(f"{text!r} is no day: write 2026-12-01.")
