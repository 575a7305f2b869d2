"""What staff note about customers, and whom they mean to be in touch with, for pages, the API and the assistant."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlmodel import Session

from bot.config import Settings
from bot.phrases import Phrase
from data.errors import NotFoundError
from data.models import NextContact
from data.queries import notes as rows
from data.queries.notes import DueContact
from data.queries.staff_tasks import map_stand_ins
from data.rules.notes import check_day
from data.rules.schedule import local_datetime
from data.rules.staff_tasks import may_answer, owners_of


def plan_contact(
    session: Session, userid: str, external_userid: str, on: date | None, settings: Settings, now: datetime
) -> NextContact:
    """A member means to be in touch with a contact on a day, or not any more (None). Raises InvalidRuleError for a day
    that is over or far away, NotFoundError where the two are no contacts."""
    if on is not None:
        check_day(on, local_datetime(now, settings.zone).date())
    return rows.set_next_contact(session, userid, external_userid, on, now)


def list_due(session: Session, userid: str, settings: Settings, now: datetime) -> list[DueContact]:
    """With whom a member means to be in touch today or meant to before, and those for whom they stand in today."""
    today = local_datetime(now, settings.zone).date()
    owners = owners_of(userid, map_stand_ins(session, today))
    return rows.list_due_contacts(session, userid, today, owners=owners)


def answer_due(
    session: Session,
    userid: str,
    owner: str,
    external_userid: str,
    settings: Settings,
    now: datetime,
    *,
    later: bool = False,
) -> NextContact:
    """A member has been in touch as they, or whom they stand in for (`owner`), meant to; `later`: they mean to do so
    tomorrow.

    Raises NotFoundError where nobody meant to, or it is none of theirs.
    """
    today = local_datetime(now, settings.zone).date()
    if not may_answer(owner, userid, map_stand_ins(session, today)):
        raise NotFoundError(Phrase("没有和这位客户约好的日子。"), Phrase("请刷新页面再看看。"))
    if later:
        return rows.put_off_contact(session, owner, external_userid, today + timedelta(days=1), now)
    return rows.mark_contacted(session, owner, external_userid, now)
