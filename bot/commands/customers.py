"""`siyu customers`: what one customer wants to hear, what reached them, all that is kept about them, and its end."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands.terminal import AsJson, Config, Limit, Workplace, cut, refuse, say, say_json, say_table, work

if TYPE_CHECKING:
    from data.models import Preference

app = typer.Typer(no_args_is_help=True, help="Single customers: what they want to hear, what is kept about them.")

Whom = Annotated[str, typer.Argument(metavar="EXTERNAL_USERID", help="The customer, as WeCom calls them.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the change.")]


@app.command()
def optout(external_userid: Whom, reason: Reason = "", config: Config = None) -> None:
    """The customer wants no message any more."""
    _change(config, external_userid, {"opted_out": True}, reason)


@app.command()
def pause(
    external_userid: Whom,
    until: Annotated[str, typer.Option("--until", help="2026-12-01, or 2026-12-01T10:00: the company's time.")],
    reason: Reason = "",
    config: Config = None,
) -> None:
    """The customer wants no message before a day."""

    async def action(place: Workplace) -> None:
        await _save(place, external_userid, {"paused_until": _later(place, until).isoformat()}, reason)

    work(config, action)


@app.command()
def less(
    external_userid: Whom,
    count: Annotated[int, typer.Option("--count", min=1, max=1000, help="At most so many messages ...")],
    days: Annotated[int, typer.Option("--days", min=1, max=365, help="... within any so many days.")],
    reason: Reason = "",
    config: Config = None,
) -> None:
    """The customer wants at most so many messages within any so many days."""
    _change(config, external_userid, {"cap_count": count, "cap_days": days}, reason)


@app.command()
def allow(external_userid: Whom, reason: Reason = "", config: Config = None) -> None:
    """The customer may be written to again: lifts opt-out, pause and limit."""
    lifted = {"opted_out": None, "paused_until": None, "cap_count": None, "cap_days": None}
    _change(config, external_userid, lifted, reason)


@app.command()
def export(external_userid: Whom, config: Config = None) -> None:
    """Everything that is kept about a customer, as JSON."""

    async def action(place: Workplace) -> None:
        from bot.erasing import export_customer

        say_json(await export_customer(place.db, place.inbox, external_userid, place.now))

    work(config, action, inbox=True)


@app.command()
def erase(
    external_userid: Whom,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: Config = None,
) -> None:
    """Erase a customer for good; the sync does not bring the data back."""

    async def action(place: Workplace) -> None:
        from bot.erasing import erase_customer

        if not yes:
            await _ask(place, external_userid)
        done = await erase_customer(place.db, place.inbox, external_userid, who_types(), place.now)
        counts = ", ".join(f"{name} {count}" for name, count in done.rows.items()) or "no row"
        say(f"Erased: {counts}; {done.events} events of the inbox.")
        say("What was under way meanwhile is looked for once more by the running bot, within some minutes.")

    work(config, action, inbox=True)


async def _ask(place: Workplace, external_userid: str) -> None:
    from data.queries import customers as rows

    if not sys.stdin.isatty():
        refuse("Nobody can be asked here: add --yes.")
    customer = await place.db.read(rows.find_customer, external_userid)
    follows = await place.db.read(rows.list_follows, external_userid)
    name = "".join(char if char.isprintable() else " " for char in customer.name) if customer else ""
    who = f"{cut(name, 40) or 'without a name'}, followed by {len(follows)}" if customer else "not known"
    if not typer.confirm(f"Erase {external_userid} ({who})? This cannot be undone."):
        refuse("Nothing was erased.")


@app.command()
def touches(
    external_userid: Whom,
    limit: Limit = 50,
    words: Annotated[bool, typer.Option("--words", help="Show the words, which hold names.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """What reached a customer, newest first, and which rule sent it."""

    async def action(place: Workplace) -> None:
        from data.queries import touches as rows

        found = await place.db.read(rows.list_explained, external_userid, limit)
        if as_json:
            hidden: set[str] = set() if words else {"words"}
            say_json(
                [
                    each.touch.model_dump()
                    | {"because": {name: value for name, value in each.because.items() if name not in hidden}}
                    for each in found
                ]
            )
            return
        say_table(
            ("TIME", "KIND", "BY", "FROM", "RULE", *(["WORDS"] if words else [])),
            (
                (
                    place.local(each.touch.touched_at), each.touch.kind, each.touch.userid, each.touch.origin,
                    each.because.get("rule", ""), *([cut(each.because.get("words", ""), 60)] if words else []),
                )
                for each in found
            ),
            "Nothing has reached this customer.",
        )  # fmt: skip

    work(config, action)


def _change(config: Any, external_userid: str, changes: dict[str, Any], reason: str) -> None:
    work(config, lambda place: _save(place, external_userid, changes, reason))


async def _save(place: Workplace, external_userid: str, changes: dict[str, Any], reason: str) -> None:
    from data.queries import preferences as rows

    wanted = {**changes, "reason": reason}
    row = await place.db.write(rows.change_preference, external_userid, wanted, who_types(), place.now)
    say(_told(place, row))


def _told(place: Workplace, row: Preference) -> str:
    told = []
    if row.opted_out_at is not None:
        told.append("wants no message")
    if row.paused_until is not None and row.paused_until > place.now:
        told.append(f"wants none before {place.local(row.paused_until)}")
    if row.cap_count is not None:
        told.append(f"wants at most {row.cap_count} within {row.cap_days} days")
    return f"The customer {', '.join(told)}." if told else "The customer may be written to without limits."


def _later(place: Workplace, until: str) -> datetime:
    try:
        at = datetime.fromisoformat(until)
        at = (at if at.tzinfo else at.replace(tzinfo=place.settings.zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        refuse(f"{until!r} is no day: write 2026-12-01 or 2026-12-01T10:00.")
    if at <= place.now:
        refuse(f"{until} is over already.")
    return at


def who_types() -> str:
    """Who is at the terminal, as far as the system tells."""
    import getpass

    try:
        return f"siyu: {getpass.getuser()}"[:64]
    except (OSError, KeyError):
        return "siyu"
