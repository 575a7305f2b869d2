"""Each member is told once a day of what is on their list, in one message that names a few customers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from bot.assembly import open_context
from bot.clock import FrozenClock
from bot.config import AppSettings, CompanySettings, JourneysSettings, ServerSettings, Settings
from bot.context import Context
from bot.day_lists import SLUG, key_of, words_for
from bot.delivery import add_words
from bot.erasing import erase_customer
from bot.metrics import Metrics
from bot.staff_tasks import Asked, do_task
from data.db import Database
from data.models import Alert, StaffTask
from data.queries import digests as digest_rows
from data.queries import staff_tasks as rows
from scheduler.day_lists import tell_lists
from scheduler.digests import _tell, _Told, send_digests
from scheduler.staff_tasks import tend_tasks
from tests.staff_tasks import add_contact, add_journey, add_leave, add_staff, add_task

#: A Saturday, 09:30 in Shanghai.
NOW = datetime(2026, 3, 7, 1, 30, tzinfo=UTC)
TODAY = date(2026, 3, 7)


@pytest.fixture
async def ctx(db: Database) -> AsyncIterator[Context]:
    async with AsyncExitStack() as stack:
        yield await open_context(stack, settings(), FrozenClock(NOW), db, Metrics())


def settings(mode: Any = "live", public_url: str = "https://bot.example.com", **journeys: Any) -> Settings:
    return Settings(
        mode=mode,
        company=CompanySettings(corpid="ww0123456789abcdef"),
        app=AppSettings.model_validate({"agentid": 1, "secret": "s" * 43}),
        server=ServerSettings(public_url=public_url),
        journeys=JourneysSettings(**journeys),
    )


def fill(session: Session) -> None:
    """ann has five customers, bo one, cy none; dee has none yet but will at 10:30."""
    add_journey(session, NOW)
    add_staff(session, NOW, "ann", "bo", "cy", "dee")
    for number in range(1, 6):
        remark = "老张" if number == 5 else ""
        add_contact(session, NOW, f"wm{number}", "ann", "cy", name=f"客户{number}", remark=remark)
        add_task(session, NOW, "ann", f"wm{number}", worth=number)
    for userid, whom, due_at in (("bo", "wm8", NOW), ("dee", "wm9", NOW + timedelta(hours=1))):
        add_contact(session, NOW, whom, userid, name="{{ 7 * 7 }}\n小鱼")
        add_task(session, NOW, userid, whom, due_at=due_at)


def told(session: Session) -> dict[str, str]:
    return {each.userid: each.words for each in session.scalars(select(Alert)).all()}


def at(ctx: Context, later: timedelta, **more: Any) -> Context:
    return replace(ctx, clock=FrozenClock(NOW + later), settings=settings(**more))


async def test_who_has_something_to_do_is_told_once_a_day(ctx: Context) -> None:
    db = ctx.db
    await db.write(fill)
    assert await tell_lists(at(ctx, timedelta(minutes=-31))) == 0, "before its time"
    assert await tell_lists(at(ctx, timedelta(hours=13))) == 0, "nobody is disturbed at night"
    assert await tell_lists(at(ctx, timedelta(), mode="observe")) == 0
    assert await tell_lists(at(ctx, timedelta(), day_at="")) == 0
    assert sum(await asyncio.gather(tell_lists(ctx), tell_lists(ctx))) == 2, "two replicas tell nobody twice"
    words = await db.read(told)
    assert words["ann"] == (
        "【今日待办】有 5 位客户等您联系：老张、客户4、客户3 等。\nhttps://bot.example.com/staff/today"
    )
    assert words["bo"].startswith("【今日待办】有 1 位客户等您联系：{{ 7 * 7 }}")
    assert words.keys() == {"ann", "bo"}
    await db.write(do_task, Asked(1), ctx.settings, NOW)
    assert await tell_lists(at(ctx, timedelta(hours=1))) == 1, "who has something only later is told then"
    assert (await db.read(told)).keys() == {"ann", "bo", "dee"}
    assert await tell_lists(at(ctx, timedelta(hours=2))) == 0
    assert await tell_lists(at(ctx, timedelta(days=1))) == 3, "and on the next day"


def all_told(session: Session) -> list[tuple[str, str]]:
    return [(each.userid, each.words) for each in session.scalars(select(Alert).order_by(col(Alert.id))).all()]


async def test_a_digest_at_about_that_time_says_it_in_the_same_message(ctx: Context) -> None:
    db = ctx.db
    await db.write(fill)
    # Whose digest comes hours later, or never, is told of the list alone.
    await db.write(digest_rows.choose, "bo", "12:00", NOW)
    monday = timedelta(days=2, minutes=-30)
    assert await tell_lists(at(ctx, monday)) == 1
    bo = "【今日待办】有 1 位客户等您联系：{{ 7 * 7 }}\n小鱼。\nhttps://bot.example.com/staff/today"
    assert await db.read(all_told) == [("bo", bo)]
    assert sum(await asyncio.gather(send_digests(at(ctx, monday)), tell_lists(at(ctx, monday)))) == 3
    assert await tell_lists(at(ctx, monday + timedelta(hours=1))) == 0
    told_of = await db.read(all_told)
    assert sorted(userid for userid, _ in told_of) == ["ann", "bo", "cy", "dee"], "one message each"
    words = dict(told_of)
    listed, blank, digest = words["ann"].partition("\n\n")
    assert listed == "【今日待办】有 5 位客户等您联系：老张、客户4、客户3 等。\nhttps://bot.example.com/staff/today"
    assert (blank, digest.startswith("【早报】")) == ("\n\n", True)
    assert words["cy"].startswith("【早报】"), "with nothing on a list it is the digest alone"
    # Noon: the other's digest, without what was told. The same where a list was told while a digest was written.
    assert await send_digests(at(ctx, monday + timedelta(hours=3))) == 1
    assert (await db.read(all_told))[-1] == ("bo", "【早报】1 位新客户还没有备注；发送「今天」查看。")
    tuesday = TODAY + timedelta(days=3)
    await db.write(add_words, ctx, SLUG, "bo", "list", dedupe_key=key_of(tuesday))
    assert await db.write(_tell, ctx, tuesday, [_Told("bo", "list and more", "more")], NOW) == 1
    assert (await db.read(all_told))[-1] == ("bo", "more")
    english = words_for(ctx, ["老张", "Ann", "", "Bo"], "en")
    assert (
        english == "[Today] 4 customers are to be contacted: 老张, Ann and others.\nhttps://bot.example.com/staff/today"
    )


async def test_on_leave_a_substitute_is_told_instead(ctx: Context) -> None:
    await ctx.db.write(fill)
    await ctx.db.write(add_leave, TODAY, "ann", "cy")
    await ctx.db.write(add_leave, TODAY, "bo")
    assert await tell_lists(replace(ctx, settings=settings(public_url="", tasks_per_day=2))) == 1
    assert await ctx.db.read(told) == {"cy": "【今日待办】有 2 位客户等您联系：老张、客户4。"}


async def test_what_was_told_of_an_erased_customer_goes(ctx: Context, inbox_db: Database) -> None:
    await ctx.db.write(fill)
    await tell_lists(ctx)
    assert "老张" in (await ctx.db.read(told))["ann"]
    await erase_customer(ctx.db, inbox_db, "wm5", "test", NOW)
    assert (await ctx.db.read(told))["ann"] == "【今日待办】"
    assert "小鱼" in (await ctx.db.read(told))["bo"]


async def test_the_job_ends_what_is_over_and_notes_what_was_on_a_list(ctx: Context) -> None:
    await ctx.db.write(fill)
    assert await tend_tasks(replace(ctx, settings=settings(tasks_per_day=3))) == 0

    def listed(session: Session) -> dict[str, Any]:
        return {each.external_userid: each.first_listed_on for each in session.scalars(select(StaffTask)).all()}

    days = await ctx.db.read(listed)
    assert [whom for whom, day in sorted(days.items()) if day == TODAY] == ["wm3", "wm4", "wm5", "wm8"]
    assert await tend_tasks(at(ctx, timedelta(hours=72))) == 7
    why = {each.external_userid: each.why for each in await ctx.db.read(rows.list_tasks)}
    assert (why["wm1"], why["wm5"]) == ("never_listed", "not_done")
