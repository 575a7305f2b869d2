"""Answers to forms on real rows: with all that follows in one transaction, and once."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from bot.forms import change_form, make_form
from data.db import Database
from data.errors import ConflictError, NotFoundError
from data.models import FormAnswer, Happening, JourneyRow, LinkClick
from data.queries import fields, form_answers, forms, preferences
from data.queries.form_answers import ChangedFormError, ClosedFormError, Page, TooManyAnswersError, record_answer
from data.rules.fields import FieldDefinition, FieldKind
from tests.facts import settle
from tests.staff_tasks import add_contact

QUESTIONS: list[dict[str, Any]] = [
    {"key": "birthday", "ask": "birthday", "title": "生日"},
    {"key": "tea", "ask": "choice", "title": "口味", "choices": [{"text": "绿茶"}, {"text": "红茶"}], "field": "taste"},
    {"key": "agree", "ask": "consent", "title": "消息", "text": "我同意。", "field": "agrees", "wish": "opt_in"},
]
SOURCE = {"name": "tea", "title": "喜好", "questions": QUESTIONS, "tells_staff": True}
BORN = {"calendar": "lunar", "month": 8, "day": 15, "leap_month": False, "year": None}


def fill(session: Session, now: datetime) -> Page:
    """A customer, a form, and a journey that listens for it."""
    add_contact(session, now, "wm1", "ann")
    for name, kind in (("taste", FieldKind.TEXT), ("agrees", FieldKind.FLAG)):
        fields.add_definition(session, FieldDefinition(name=name, kind=kind), now)
    form = make_form(session, SOURCE, "test", now)
    session.add(
        JourneyRow(name="x", status="running", made_by="test", made_at=now, started_at=now, listens_to=["form:tea"])
    )
    session.add(
        LinkClick(link_id=form.link_id, external_userid="wm1", userid="ann", first_at=now, last_at=now)
    )  # fmt: skip
    settle(session)
    return Page(form.id or 0, 1, "0" * 32)


def state(session: Session) -> tuple[dict[str, Any], bool, list[tuple[str, Any]], int]:
    """The customer's fields, whether they want to hear nothing, what has happened, and how many answers there are."""
    wanted = preferences.find_rule(session, "wm1")
    happened = session.execute(select(Happening).order_by(col(Happening.id))).scalars()
    answers = session.execute(select(FormAnswer)).scalars().all()
    return (
        fields.get_values(session, "wm1"),
        wanted is not None and wanted.opted_out,
        [(each.kind, each.detail) for each in happened],
        len(answers),
    )


async def test_an_answer_brings_fields_wishes_and_a_happening_and_a_correction_takes_them_back(
    db: Database, now: datetime
) -> None:
    page = await db.write(fill, now)
    first = {"birthday": BORN, "tea": "绿茶", "agree": True}
    # Pressed twice at once, and once more when the network was slow: one answer.
    both = await asyncio.gather(*(db.write(record_answer, page, "wm1", first, now) for _ in range(2)))
    assert both[0].id == both[1].id
    form = ("form", {"form": "tea"})
    assert await db.read(state) == ({"birthday": BORN, "taste": "绿茶", "agrees": True}, False, [form], 1)
    (told,) = await db.read(form_answers.list_of_customer, "wm1", 10)
    assert (told["form"], told["userid"], told["due_at"]) == ("tea", "ann", now)
    assert told["answers"][2] == {"key": "agree", "title": "消息", "text": "我同意。", "value": True}

    # Corrected on the page that the back button shows.
    second = {"tea": "红茶", "agree": False}
    corrected = await db.write(record_answer, page, "wm1", second, now + timedelta(minutes=1))
    assert await db.read(state) == (
        {"taste": "红茶", "agrees": False}, True, [form, form, ("opted_out", {})], 2,
    )  # fmt: skip
    # The first comes once more, late: it does not undo the correction.
    assert (await db.write(record_answer, page, "wm1", first, now + timedelta(minutes=2))).id == both[0].id
    last = await db.read(form_answers.find_last, page.form_id, "wm1")
    assert last is not None
    assert last.id == corrected.id
    await db.write(record_answer, page, "wm1", {**second, "agree": True}, now + timedelta(minutes=3))
    assert (await db.read(state))[1] is False, "they want to hear again"
    assert await db.read(forms.count_answers, [page.form_id]) == {page.form_id: (1, 3)}

    # The same once more, on a page that was opened anew: for journeys the form was sent again.
    anew = page._replace(key="1" * 32)
    once_more = {**second, "agree": True}
    again = [(await db.write(record_answer, anew, "wm1", once_more, now + timedelta(days=30))).id for _ in range(2)]
    assert again[0] == again[1]
    assert (await db.read(state))[2:] == ([form, form, ("opted_out", {}), form, form], 4)


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_a_form_that_is_closed_or_changed_and_a_stranger_write_nothing(db: Database, now: datetime) -> None:
    page = await db.write(fill, now)
    with pytest.raises(NotFoundError):
        await db.write(record_answer, page, "wmStranger", {}, now)
    await db.write(change_form, page.form_id, {"version": 1, "title": "新"})
    with pytest.raises(ChangedFormError):
        await db.write(record_answer, page, "wm1", {"tea": "绿茶"}, now)
    page = page._replace(version=2)
    # What is kept nowhere any more is kept with the answer.
    while await db.write(fields.delete_values, "taste"):
        pass
    await db.write(fields.delete_definition, "taste")
    await db.write(record_answer, page, "wm1", {"tea": "绿茶", "agree": False}, now)
    assert await db.read(state) == ({"agrees": False}, False, [("form", {"form": "tea"})], 1)
    for number in range(form_answers.ANSWERS_MAX - 1):
        await db.write(record_answer, page, "wm1", {"tea": f"{number}"}, now)
    with pytest.raises(TooManyAnswersError):
        await db.write(record_answer, page, "wm1", {"tea": "红茶"}, now)
    await db.write(forms.close_form, page.form_id, now)
    with pytest.raises(ClosedFormError):
        await db.write(record_answer, page, "wm1", {"tea": "红茶"}, now)
    with pytest.raises(ConflictError):
        await db.write(make_form, {**SOURCE, "questions": QUESTIONS[:1]}, "test", now)
