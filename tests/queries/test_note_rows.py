"""Notes about customers, and when staff mean to be in touch next: of contacts alone, in the order of their days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import Session

from bot.config import Settings
from bot.notes import answer_due, list_due, plan_contact
from data.db import Database
from data.errors import NotFoundError
from data.models import Follow
from data.queries import notes as rows
from data.queries.timelines import list_entries
from data.rules.notes import NOTE_MAX_LENGTH, check_note
from data.rules.problems import InvalidRuleError
from tests.staff_tasks import add_contact, add_leave, add_staff

#: A Saturday, 09:30 in Shanghai.
NOW = datetime(2026, 3, 7, 1, 30, tzinfo=UTC)
TODAY = date(2026, 3, 7)
DAY = timedelta(days=1)
SETTINGS = Settings()


def fill(session: Session) -> None:
    add_staff(session, NOW, "anna", "bela", "cara")
    add_contact(session, NOW, "wm1", "anna", "bela", name="小鱼", remark="老客户")
    add_contact(session, NOW, "wm2", "anna", name="阿茶")
    add_contact(session, NOW, "wm3", "anna", "cara", name="大山")


def plan(session: Session, userid: str, whom: str, on: date | None) -> None:
    plan_contact(session, userid, whom, on, SETTINGS, NOW)


def due(session: Session, userid: str, now: datetime = NOW) -> list[tuple[Any, ...]]:
    return [(each.userid, each.external_userid, each.on) for each in list_due(session, userid, SETTINGS, now)]


def follows(session: Session) -> list[Follow]:
    return list(session.execute(select(Follow)).scalars())


async def test_a_note_is_of_a_contact_and_goes_by_its_author(db: Database) -> None:
    def act(session: Session) -> None:
        fill(session)
        first = rows.add_note(session, "anna", "wm1", " 想看春茶\r\n周五回电\x00 ", NOW)
        rows.add_note(session, "bela", "wm1", "已回电", NOW + DAY, author="经理")
        assert [(each.userid, each.words, each.author) for each in rows.list_notes(session, "wm1")] == [
            ("bela", "已回电", "经理"), ("anna", "想看春茶\n周五回电", ""),
        ]  # fmt: skip
        assert [each.words for each in rows.list_notes(session, "wm1", 1, before_id=2)] == [first.words]
        with pytest.raises(NotFoundError):
            rows.add_note(session, "bela", "wm2", "不是她的客户", NOW)
        for words in ("", " \n\t", "字" * (NOTE_MAX_LENGTH + 1)):
            with pytest.raises(InvalidRuleError):
                rows.add_note(session, "anna", "wm1", words, NOW)
        for userid, note_id in (("bela", 1), ("bela", 2), ("anna", 3)):
            with pytest.raises(NotFoundError):
                rows.remove_note(session, "wm1", note_id, userid)
        with pytest.raises(NotFoundError):
            rows.remove_note(session, "wm2", 1)
        rows.remove_note(session, "wm1", 1, "anna")
        rows.remove_note(session, "wm1", 2)
        assert rows.list_notes(session, "wm1") == []

    await db.write(act)
    assert check_note("字" * NOTE_MAX_LENGTH) == "字" * NOTE_MAX_LENGTH


async def test_what_is_due_comes_in_the_order_of_its_days_and_to_who_stands_in(db: Database) -> None:
    def act(session: Session) -> None:
        fill(session)
        for whom, on in (("wm1", TODAY + DAY), ("wm2", TODAY), ("wm3", TODAY)):
            plan(session, "anna", whom, on)
        assert due(session, "anna") == [("anna", "wm2", TODAY), ("anna", "wm3", TODAY)]
        assert due(session, "anna", NOW + DAY) == [
            ("anna", "wm2", TODAY), ("anna", "wm3", TODAY), ("anna", "wm1", TODAY + DAY),
        ]  # fmt: skip
        # It is this day by the company's clock, not by that of Greenwich.
        assert due(session, "anna", datetime(2026, 3, 7, 15, 59, tzinfo=UTC)) == due(session, "anna")
        assert len(due(session, "anna", datetime(2026, 3, 7, 16, 0, tzinfo=UTC))) == 3
        for on in (TODAY - DAY, TODAY + 800 * DAY):
            with pytest.raises(InvalidRuleError):
                plan(session, "anna", "wm1", on)
        with pytest.raises(NotFoundError):
            plan(session, "bela", "wm2", TODAY)

        # Whoever stands in sees to those whom they follow too, and to no others.
        add_leave(session, TODAY, "anna", "cara")
        assert due(session, "cara") == [("anna", "wm3", TODAY)]
        assert due(session, "bela") == []
        with pytest.raises(NotFoundError):
            answer_due(session, "bela", "anna", "wm3", SETTINGS, NOW)
        answer_due(session, "cara", "anna", "wm3", SETTINGS, NOW, later=True)
        assert due(session, "cara") == []
        answer_due(session, "cara", "anna", "wm3", SETTINGS, NOW + timedelta(minutes=1))
        for later in (True, False):
            with pytest.raises(NotFoundError):
                answer_due(session, "anna", "anna", "wm3", SETTINGS, NOW, later=later)
        kinds = [each.kind for each in list_entries(session, "wm3", None, 9)]
        assert kinds[0] == "contacted"
        planned = [each for each in list_entries(session, "wm2", None, 9) if each.kind == "next_contact"]
        assert [each.told for each in planned] == [{"userid": "anna", "on": TODAY.isoformat()}]

        # Taken back, and of a contact that is none any more.
        plan(session, "anna", "wm2", None)
        assert due(session, "anna") == []
        (follow,) = (each for each in follows(session) if (each.userid, each.external_userid) == ("anna", "wm1"))
        assert len(due(session, "anna", NOW + DAY)) == 1
        follow.status = "deleted_by_customer"
        session.flush()
        assert due(session, "anna", NOW + DAY) == []

    await db.write(act)


async def test_who_takes_a_customer_over_is_in_touch_with_them_on_that_day(db: Database) -> None:
    def act(session: Session) -> None:
        fill(session)
        for whom in ("wm1", "wm2", "wm3"):
            plan(session, "anna", whom, TODAY + DAY)
        plan(session, "bela", "wm1", TODAY)
        plan(session, "cara", "wm3", TODAY + 2 * DAY)
        assert rows.list_stranded(session) == []
        for follow in follows(session):
            if follow.userid == "anna":
                follow.status = "deleted_by_staff"
            else:
                follow.inherited = True
        session.flush()
        stranded = rows.list_stranded(session)
        assert sorted(stranded) == [("anna", "wm1", "bela"), ("anna", "wm3", "cara")], "nobody took wm2 over"
        assert rows.move_contacts(session, stranded, NOW) == 2
        assert rows.move_contacts(session, stranded, NOW) == 0
        assert rows.list_stranded(session) == []
        later = NOW + 9 * DAY
        assert due(session, "bela", later) == [("bela", "wm1", TODAY)]
        assert due(session, "cara", later) == [("cara", "wm3", TODAY + DAY)]
        assert due(session, "anna", later) == []

    await db.write(act)
