"""What members of staff change about their customers and their day, wherever they do it: in the console, beside a chat,
on their list, in the app. Who it was, and what it was before and after, is written down in the same transaction.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlmodel import Session

from bot import notes, staff_tasks
from bot.config import Settings
from bot.staff_tasks import Asked
from data.models import NextContact, Note, StaffTask
from data.queries import follow_tags as mark_rows
from data.queries import notes as rows
from data.queries import scripts as script_rows
from data.queries import tags as tag_rows
from data.queries.audit import Actor, add_entry
from data.rules.staff_tasks import Later


class TaskAct(StrEnum):
    """What a member answers about a task."""

    DONE = "done"
    LATER = "later"
    REFUSE = "refuse"


def _write_down(
    session: Session,
    actor: Actor,
    action: str,
    whose: str,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
    now: datetime,
) -> None:
    add_entry(session, actor, f"customers.{action}", f"customer {whose}", before, after, now, external_userid=whose)


# -- notes and the next contact


def write_note(
    session: Session,
    actor: Actor,
    userid: str,
    whose: str,
    words: str,
    settings: Settings,
    now: datetime,
    *,
    author: str = "",
    on: date | None = None,
) -> Note:
    """Note something about a member's contact, and with `on` when they mean to be in touch next. Raises NotFoundError,
    InvalidRuleError."""
    planned = _planned(session, userid, whose) if on is not None else None
    note = rows.add_note(session, userid, whose, words, now, author=author)
    after = {"userid": userid, "note": note.id, "words": note.words}
    if on is not None:
        notes.plan_contact(session, userid, whose, on, settings, now)
        after["on"] = f"{on}"
    _write_down(session, actor, "note", whose, None if planned is None else {"on": planned}, after, now)
    return note


def remove_note(session: Session, actor: Actor, whose: str, note_id: int, userid: str | None, now: datetime) -> None:
    """Remove a note. `userid`: only where this member wrote it. Raises NotFoundError."""
    note = rows.remove_note(session, whose, note_id, userid)
    before = {"userid": note.userid, "note": note.id, "words": note.words}
    _write_down(session, actor, "note_remove", whose, before, None, now)


def plan_contact(
    session: Session, actor: Actor, userid: str, whose: str, on: date | None, settings: Settings, now: datetime
) -> NextContact:
    """A member means to be in touch on a day, or not any more. Raises NotFoundError, InvalidRuleError."""
    before = {"on": _planned(session, userid, whose)}
    row = notes.plan_contact(session, userid, whose, on, settings, now)
    after = {"userid": userid, "on": _planned(session, userid, whose)}
    _write_down(session, actor, "next_contact", whose, before, after, now)
    return row


def note_contacted(session: Session, actor: Actor, userid: str, whose: str, now: datetime) -> None:
    """A member has been in touch as they meant to. Raises NotFoundError."""
    before = {"on": _planned(session, userid, whose)}
    rows.mark_contacted(session, userid, whose, now)
    _write_down(session, actor, "contacted", whose, before, {"userid": userid, "on": None}, now)


def answer_contact(
    session: Session,
    actor: Actor,
    userid: str,
    owners: Collection[str],
    whose: str,
    settings: Settings,
    now: datetime,
    *,
    later: bool = False,
) -> None:
    """The same of what stands on a member's list: what they meant to, or those for whom they stand in (`owners`);
    `later`: tomorrow. Raises NotFoundError."""
    for owner in owners:
        before = {"on": _planned(session, owner, whose)}
        notes.answer_due(session, userid, owner, whose, settings, now, later=later)
        after = {"userid": owner, "on": _planned(session, owner, whose)}
        _write_down(session, actor, "next_contact" if later else "contacted", whose, before, after, now)


def _planned(session: Session, userid: str, whose: str) -> str | None:
    found = (each.due_on for each in rows.list_next_contacts(session, whose) if each.userid == userid)
    return next((f"{on}" for on in found), None)


# -- tags and remarks, which WeCom has changed already


def tags_of(session: Session, userid: str, whose: str) -> list[str]:
    """The names of a contact's tags, as they are written down."""
    on = set(mark_rows.list_tag_ids(session, userid, whose))
    named = {str(tag["tag_id"]): f"{tag['group_name']}/{tag['name']}" for tag in tag_rows.list_tags(session)}
    return sorted(named.get(each, each) for each in on)


def note_tags(session: Session, actor: Actor, userid: str, whose: str, before: list[str], now: datetime) -> None:
    """Write down what became of a contact's tags; nothing where nothing has changed."""
    after = tags_of(session, userid, whose)
    if after != before:
        _write_down(session, actor, "tags", whose, {"tags": before}, {"userid": userid, "tags": after}, now)


def note_remark(
    session: Session, actor: Actor, whose: str, before: dict[str, Any], after: dict[str, Any], now: datetime
) -> None:
    """Write down what a contact's remark, description and telephone numbers became."""
    _write_down(session, actor, "remark", whose, before, after, now)


# -- tasks


def answer_task(
    session: Session,
    actor: Actor,
    asked: Asked,
    act: TaskAct,
    settings: Settings,
    now: datetime,
    *,
    until: Later = Later.TOMORROW,
    why: str = "",
) -> StaffTask:
    """A member has done a task, puts it off, or refuses it. Raises as `bot.staff_tasks` does."""
    before = _task(session.get(StaffTask, asked.task_id))
    match act:
        case TaskAct.DONE:
            task = staff_tasks.do_task(session, asked, settings, now)
        case TaskAct.LATER:
            task = staff_tasks.put_off_task(session, asked, until, settings, now)
        case TaskAct.REFUSE:
            task = staff_tasks.refuse_task(session, asked, why, settings, now)
    session.flush()
    after = _task(task)
    if after != before:
        after = {"userid": task.userid, **after}
        add_entry(
            session, actor, f"tasks.{act}", f"task {task.id}", before, after, now, external_userid=task.external_userid
        )
    return task


def _task(task: StaffTask | None) -> dict[str, Any]:
    if task is None:
        return {}
    later = task.later_until.isoformat() if task.later_until else None
    return {"status": str(task.status), "later_until": later, "answered_by": task.answered_by, "why": task.why}


# -- scripts


def set_favourite(session: Session, actor: Actor, script_id: int, userid: str, wanted: bool, now: datetime) -> None:
    """A script is to be at hand for a member, or not any more."""
    was = script_rows.is_favourite(session, script_id, userid)
    if was != wanted:
        script_rows.set_favourite(session, script_id, userid, wanted, now)
        before, after = {"favourite": was}, {"userid": userid, "favourite": wanted}
        add_entry(session, actor, "scripts.favourite", f"script {script_id}", before, after, now)
