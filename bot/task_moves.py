"""Tasks of customers who were handed over go to the list of who follows them now; where nobody does, they are
withdrawn.

However it was learnt, by a callback or by a sync: what counts is who follows whom.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple

from sqlmodel import Session

from bot.config import Settings
from bot.context import Context
from bot.journey_actions import links_in, words_of
from bot.journey_books import Book
from bot.journey_steps import of_members, through
from bot.links import UnusableLinkError
from bot.logs import get_logger
from bot.render import TemplateError
from data.models import EndReason
from data.queries import senders as sender_rows
from data.queries import staff_task_moves as rows
from data.queries.journey_dues import Contact, read_known
from data.queries.journey_names import read_names
from data.queries.staff_task_moves import Moved, Stranded
from data.rules.happenings import TAKEN_OVER
from data.rules.journeys import GiveTask, Journey
from data.rules.schedule import local_datetime
from data.rules.staff_tasks import NO_WORDS, MoveReason

log = get_logger("staff")

#: Tasks moved in one transaction.
CHUNK = 100


class _Found(NamedTuple):
    """Tasks that go to a contact each, with what they are to say, and those that nobody can do any more."""

    moving: list[tuple[Stranded, GiveTask, Contact]]
    lost: list[int]


async def move_stranded(ctx: Context) -> tuple[int, int]:
    """Look at all open tasks whose member cannot do them any more; how many were moved, and withdrawn."""
    ids = await ctx.db.read(rows.list_stranded)
    book, moved, withdrawn = Book(), 0, 0
    for start in range(0, len(ids), CHUNK):
        now = ctx.clock.now()
        found = await ctx.db.read(_judge, book, ids[start : start + CHUNK], now, ctx.settings)
        why = dict.fromkeys(found.lost, EndReason.LOST.value)
        ready = []
        for stranded, action, contact in found.moving:
            try:
                ready.append(await _worded(ctx, stranded, action, contact))
            except (TemplateError, UnusableLinkError) as error:
                log.warning("task_not_moved", task=stranded.task.id, cause=type(error).__name__)
                why[stranded.task.id or 0] = NO_WORDS
        moved += await ctx.db.write(rows.move_tasks, ready, now) if ready else 0
        withdrawn += await ctx.db.write(rows.withdraw_stranded, why, now) if why else 0
    if moved or withdrawn:
        log.info("tasks_moved", tasks=moved, withdrawn=withdrawn)
    return moved, withdrawn


def _judge(session: Session, book: Book, ids: Collection[int], now: datetime, settings: Settings) -> _Found:
    """To whom tasks go. One for whom nobody can be found now (on leave, not of the journey's senders) stays."""
    stranded = rows.read_stranded(session, ids)
    known = read_known(session, {each.task.external_userid for each in stranded}, None, now, settings.zone)
    book.read_others(session, {(each.task.journey_id, each.task.version) for each in stranded})
    day = local_datetime(now, settings.zone).date()
    senders = {key: sender_rows.read_journey_senders(session, journey, day) for key, journey in book.journeys.items()}
    found = _Found([], [])
    for each in stranded:
        task, key = each.task, (each.task.journey_id, each.task.version)
        contacts = known.contacts.get(task.external_userid, [])
        if key in senders:
            contacts = of_members(senders[key], contacts)
        if not contacts:
            left_at = known.left_at.get(task.external_userid)
            if left_at is None or left_at + TAKEN_OVER <= now:
                found.lost.append(task.id or 0)
            continue
        action = _action(book.find(key), task.step)
        if action is None:
            continue
        contact, _ = through(senders[key], task.userid, contacts)
        if contact is None or contact.userid == task.userid or _is_awaited(each, contact, now):
            continue
        found.moving.append((each, action, contact))
    return found


def _action(journey: Journey | None, step: int) -> GiveTask | None:
    """What a task is for; None where its journey is not understood any more."""
    action = journey.steps[step].action if journey is not None and step < len(journey.steps) else None
    return action if isinstance(action, GiveTask) else None


def _is_awaited(stranded: Stranded, contact: Contact, now: datetime) -> bool:
    """Whether somebody may still take over, and another would have the task meanwhile."""
    return not contact.inherited and stranded.left_at is not None and now < stranded.left_at + TAKEN_OVER


async def _worded(ctx: Context, stranded: Stranded, action: GiveTask, contact: Contact) -> Moved:
    names = await ctx.db.read(read_names, *_named(contact))
    content = words_of(ctx, action, contact, names, await links_in(ctx, [action]))
    if contact.inherited:
        why = MoveReason.HANDED_OVER
    else:
        why = MoveReason.UNABLE if stranded.is_contact else MoveReason.NOT_CONTACT
    return Moved(stranded.task, contact.userid, content, why)


def _named(contact: Contact) -> Iterable[set[str]]:
    return {contact.external_userid}, {contact.userid}, {contact.state} if contact.state else set()
