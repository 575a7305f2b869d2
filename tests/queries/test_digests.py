"""Digests from real rows: what each member is told, and that it is told once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, select

from bot.assembly import open_context
from bot.clock import FrozenClock
from bot.config import AppSettings, CampaignsSettings, CompanySettings, DigestSettings, Settings
from bot.context import Context
from bot.metrics import Metrics
from data.db import Database
from data.models import Alert, Approval, Batch, Campaign, Department, Publisher, Run, Staff
from data.queries import digests as rows
from data.queries.digests import Mine
from scheduler import digests
from scheduler.digests import send_digests

#: A Wednesday, 09:30 in Shanghai.
NOW = datetime(2026, 3, 4, 1, 30, tzinfo=UTC)


def context(stack: AsyncExitStack, db: Database, now: datetime, **more: Any) -> Any:
    settings = Settings(
        company=CompanySettings(corpid="ww0123456789abcdef", name="云杉生活", **more.pop("company", {})),
        app=AppSettings.model_validate({"agentid": 1, "secret": "s" * 43}),
        campaigns=CampaignsSettings(managers=("BOSS", "nobody")),
        **more,
    )
    return open_context(stack, settings, FrozenClock(now), db, Metrics())


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as found:
        yield found


@pytest.fixture
async def ctx(db: Database, stack: AsyncExitStack) -> Context:
    await db.write(fill, NOW)
    found: Context = await context(stack, db, NOW)
    return found


def fill(session: Session, now: datetime) -> None:
    """Staff of two shops; a broadcast, groups and a post that wait, one campaign that was stopped, one that ended."""
    for number, name in ((1, "总部"), (2, "一店"), (3, "二店")):
        session.add(Department(id=number, name=name))
    for userid, department in (("ann", 2), ("bo", 3), ("cy", 3), ("boss", 1), ("lead", 1)):
        session.add(
            Staff(userid=userid, name=userid, department_ids=[department], main_department_id=department, seen_at=now)
        )
    session.add(Staff(userid="gone", name="gone", department_ids=[], seen_at=now, gone_at=now))
    names = ("周末 {{ 7 * 7 }}", "已停", "已结束", "待写")
    for number, name in enumerate(names, 1):
        session.add(Campaign(id=number, name=name, owner="lead" if number == 4 else "", made_by="test", made_at=now))
    runs = [
        (1, "awaiting", None, "", ""), (1, "paused", None, "", "wecom"), (2, "paused", None, "多人离开", "leaving"),
        (3, "finished", now, "", ""), (4, "words_due", None, "", ""), (1, "due", None, "", ""),
    ]  # fmt: skip
    for number, (campaign_id, status, ended_at, error, rule) in enumerate(runs, 1):
        session.add(
            Run(
                id=number, wave_id=number, campaign_id=campaign_id, status=status, due_at=now, ended_at=ended_at,
                valid_until=now + timedelta(hours=9), error=error, pause_rule=rule, left_out={},
            )
        )  # fmt: skip
    batches: list[tuple[int, str, str, int, int, str, bool]] = [
        (1, "customers", "ann", 100, 60, "created", True), (1, "customers", "ann", 50, 0, "created", False),
        (1, "customers", "bo", 1200, 0, "reconciled", False), (2, "groups", "bo", 7, 0, "created", False),
        (1, "customers", "cy", 9, 0, "unknown", False), (1, "customers", "gone", 3, 0, "created", False),
        (2, "moments", "", 2, 1, "created", False), (3, "customers", "cy", 80, 30, "created", False),
        (4, "customers", "cy", 70, 0, "created", False),
    ]  # fmt: skip
    for number, (run_id, kind, userid, recipients, sent, status, confirmed) in enumerate(batches, 1):
        session.add(
            Batch(
                run_id=run_id, batch_no=number, kind=kind, userid=userid, recipients=recipients, sent=sent,
                status=status, made_at=now, confirmed_at=now if confirmed else None,
            )
        )  # fmt: skip
    for userid, state in (("ann", "published"), ("cy", "waiting"), ("bo", "refused")):
        session.add(Publisher(run_id=2, userid=userid, state=state))
    session.add(
        Approval(
            campaign_id=9, campaign_name="三月上新", version=1, status="pending", counts={}, recipients=4321, senders=2,
            submitted_by="shop", approvers=["Lead", "gone"], submitted_at=now, expires_at=now + timedelta(hours=1),
        )
    )  # fmt: skip


def alerts(session: Session) -> dict[str, str]:
    found = list(session.exec(select(Alert)))
    assert len({each.userid for each in found}) == len(found), "somebody has two messages"
    return {each.userid: each.words for each in found}


async def test_what_waits_for_whom(ctx: Context) -> None:
    found = await ctx.db.read(rows.read_overview, NOW)
    assert found.tasks == {
        "ann": Mine(tasks=1, customers=50), "bo": Mine(tasks=2, customers=1200, groups=7), "cy": Mine(posts=1),
        "gone": Mine(tasks=1, customers=3),
    }  # fmt: skip
    one, stopped, words = found.campaigns
    assert (one.tasks, one.confirmed, one.recipients, one.sent, one.unknown) == (6, 1, 1362, 60, 1)
    assert (one.groups, one.posts, one.published) == (7, 2, 1)
    assert one.departments == {"一店": (2, 3), "二店": (0, 4), "": (0, 1)}
    assert (stopped.tasks, words.is_running) == (1, False)
    later = await ctx.db.read(rows.read_overview, NOW + timedelta(hours=10))
    assert (later.tasks, later.approvals) == ({}, [])


async def test_everybody_is_told_once_in_one_message(ctx: Context, stack: AsyncExitStack) -> None:
    other = await context(stack, ctx.db, NOW)
    sent = await asyncio.gather(send_digests(ctx), send_digests(other), send_digests(ctx))
    assert sum(sent) == 5
    told = await ctx.db.read(alerts)
    assert set(told) == {"ann", "bo", "cy", "boss", "lead"}
    assert "1 个群发任务" in told["ann"]
    assert "50 位客户" in told["ann"]
    assert "1,200 位客户，7 个客户群" in told["bo"]
    assert "1 条朋友圈" in told["cy"]
    assert "群发任务" not in told["cy"]
    boss, lead = told["boss"], told["lead"]
    assert "1「周末 {{ 7 * 7 }}」已暂停：已确认 1/6 个任务，已收到 60/1,362 位客户" in boss
    assert "二店 0/4、一店 2/3" in boss
    assert "多人离开" in boss
    assert "1 个任务结果不明" in boss
    assert "已结束" not in boss
    assert "还没有内容" in lead
    assert "4,321 位客户" in lead
    assert "周末" not in lead
    assert await send_digests(ctx) == 0
    assert await send_digests(await context(stack, ctx.db, NOW + timedelta(hours=5))) == 0


async def test_one_that_was_interrupted_goes_on_with_the_others(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "CHUNK", 2)
    tell, times = digests._tell, iter(range(9))

    def dies(*args: Any) -> int:
        if next(times) == 1:
            raise RuntimeError
        return tell(*args)

    monkeypatch.setattr(digests, "_tell", dies)
    with pytest.raises(RuntimeError):
        await send_digests(ctx)
    assert len(await ctx.db.read(alerts)) == 2
    assert await send_digests(ctx) == 3
    assert len(await ctx.db.read(alerts)) == 5


@pytest.mark.parametrize(
    ("hours", "more"),
    [
        (-1, {}),
        (7, {}),
        (0, {"digest": DigestSettings(at="")}),
        (0, {"company": {"holidays": ("2026-03-04",)}}),
        (72, {}),
        (0, {"mode": "observe"}),
    ],
)
async def test_at_other_times_nobody_is_told(
    ctx: Context, stack: AsyncExitStack, hours: int, more: dict[str, Any]
) -> None:
    other = await context(stack, ctx.db, NOW + timedelta(hours=hours), **more)
    assert await send_digests(other) == 0
    assert await ctx.db.read(alerts) == {}


async def test_a_clock_that_is_put_back_tells_nothing_again(ctx: Context, stack: AsyncExitStack) -> None:
    assert await send_digests(ctx) == 5
    assert await send_digests(await context(stack, ctx.db, NOW - timedelta(minutes=20))) == 0
    worked = {"company": {"workdays": ("2026-03-07",)}, "digest": DigestSettings(at="09:15")}
    saturday = await context(stack, ctx.db, NOW + timedelta(days=3), **worked)
    await ctx.db.write(later, NOW + timedelta(days=3))
    assert await send_digests(saturday) == 5


def later(session: Session, now: datetime) -> None:
    """The same still waits three days on, and the first messages are gone."""
    for run in session.exec(select(Run)):
        run.valid_until = now + timedelta(hours=1)
    for approval in session.exec(select(Approval)):
        approval.expires_at = now + timedelta(hours=1)
    for alert in session.exec(select(Alert)):
        session.delete(alert)
