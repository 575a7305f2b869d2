"""Erasing a customer, exporting all that is kept about one, and letting one who was erased back in.

First the tombstone, with what is in the main database, in one transaction; then the inbox, read through in windows. A
crash in between is made good by `finish_erasures`, which also looks once more for what a handler that was under way
wrote meanwhile. Only then the tombstone forgets whom it is about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.context import Context
from bot.wecom.errors import NotAFollowerError
from bot.wecom.events import AddedEvent, AddHalfExternalContact
from data.db import Database
from data.errors import ErasedError, NotFoundError
from data.queries import erasures as rows
from data.queries import inbox_privacy as inbox_rows
from data.queries import privacy as privacy_rows
from data.queries.privacy import Person
from data.rules.follows import INHERITED_WAYS

#: No transaction and no handler that began before a tombstone stood lives longer.
SETTLE = timedelta(minutes=2)
#: Events that are erased or shown in one go.
CHUNK = 200


@dataclass(frozen=True, slots=True)
class Erased:
    """What was removed: rows of the main database by table, and events in which the customer was."""

    rows: Mapping[str, int]
    events: int


async def export_customer(db: Database, inbox: Database, external_userid: str, now: datetime) -> dict[str, Any]:
    """All that is kept about a customer, by table. Raises NotFoundError when it is nothing."""
    person = await db.read(privacy_rows.find_person, external_userid)
    found = await db.read(privacy_rows.export_person, person)
    events, _ = await _find_events(inbox, person, 0)
    for name in inbox_rows.HELD:
        found[name] = []
    for start in range(0, len(events), CHUNK):
        for name, some in (await inbox.read(inbox_rows.export_events, person, events[start : start + CHUNK])).items():
            found[name] += some
    if not any(found.values()):
        raise NotFoundError("Nothing is kept about this customer.")
    return {"external_userid": external_userid, "exported_at": now, "tables": found}


async def erase_customer(db: Database, inbox: Database, external_userid: str, by: str, now: datetime) -> Erased:
    """Remove all that is kept about a customer, and keep a tombstone so that it does not come back.

    Somebody who is not known gets a tombstone all the same. To be finished by `finish_erasures` some minutes later.
    """
    person = await db.read(privacy_rows.find_person, external_userid)
    removed = await db.write(rows.begin_erasure, external_userid, by, now)
    return Erased(removed, await _erase_events(db, inbox, person, (), 0))


async def finish_erasures(db: Database, inbox: Database, now: datetime) -> int:
    """Finish what was begun more than SETTLE ago, whoever began it; how many."""
    unfinished = await db.read(rows.list_unfinished, now - SETTLE)
    for pending in unfinished:
        person = Person(pending["external_userid"], pending["unionid"], tuple(pending["mobiles"]))
        await _erase_events(db, inbox, person, pending["event_ids"], pending["read_to"] or 0)
        await db.write(rows.finish_erasure, person, now)
    return len(unfinished)


async def _erase_events(db: Database, inbox: Database, person: Person, known: Sequence[int], after_id: int) -> int:
    found, read_to = await _find_events(inbox, person, after_id)
    events = sorted({*known, *found})
    # First noted, then erased: what a handler under way says of them afterwards is found by their numbers.
    await db.write(rows.note_events, person.external_userid, events, read_to)
    erased = 0
    for start in range(0, len(events), CHUNK):
        erased += await inbox.write(inbox_rows.erase_events, person, events[start : start + CHUNK])
    return erased


async def _find_events(inbox: Database, person: Person, after_id: int) -> tuple[list[int], int]:
    found: list[int] = []
    last = await inbox.read(inbox_rows.find_last_id)
    for start in range(after_id, last, inbox_rows.WINDOW):
        found += await inbox.read(inbox_rows.list_mentions, person, start)
    return found, max(last, after_id)


async def forget_late(db: Database, inbox: Database, since: datetime) -> int:
    """Take customers who were erased out of the events received since an instant; how many events were changed.

    WeCom goes on telling of them: in the events of groups, and in edits that were answered together with another.
    """
    changed = 0
    after_id = await inbox.read(inbox_rows.find_id_before, since) if await db.read(rows.has_any) else None
    while after_id is not None:
        named, after_id = await inbox.read(inbox_rows.list_named, after_id)
        for external_userid in await db.read(rows.list_erased, named.keys()):
            person = Person(external_userid)
            changed += await inbox.write(inbox_rows.erase_events, person, named[external_userid])
    return changed


async def let_back_in(ctx: Context, event: AddedEvent, *, patient: bool) -> None:
    """Let a customer who was erased be known again where they added a staff member anew, by their own wish.

    An old event that is handled again is none, nor is a hand-over. Raises ErasedError when they stay erased, WeComError
    when it cannot be found out now; `patient`: that WeCom does not know of the add may pass.
    """
    erased_at = await ctx.db.read(rows.find_erased_at, event.external_userid)
    if erased_at is None:
        return
    added_at = event.created_at or erased_at
    try:
        wished = added_at > erased_at and await _is_own_wish(ctx, event)
    except NotAFollowerError:
        # Right after an add WeCom may not know it yet.
        if patient:
            raise
        wished = False
    if wished and await ctx.db.write(rows.lift_erasure, event.external_userid, added_at):
        return
    raise ErasedError("The customer was erased.", "They are known again once they add a staff member anew.")


async def _is_own_wish(ctx: Context, event: AddedEvent) -> bool:
    """Whether no hand-over made this add. A half-add can only be the customer's act."""
    if isinstance(event, AddHalfExternalContact):
        return True
    answer = await ctx.wecom.external_contact.get(event.external_userid)
    ways = [told.get("add_way") for told in answer.get("follow_user") or () if told.get("userid") == event.userid]
    return bool(ways) and ways[0] not in INHERITED_WAYS
