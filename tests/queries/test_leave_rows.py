"""Leaves hold for customer groups and for posts in Moments: what a preview says is what is planned, and who goes on
leave between that and the call is asked for nothing."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete
from sqlmodel import Session, col, select

from bot import campaigns, group_waves, moments
from bot.campaign_plans import calendar_of
from bot.context import Context
from data.models import (
    Batch,
    CustomerGroup,
    Department,
    Follow,
    FollowTag,
    GroupRecipient,
    Leave,
    Publisher,
    RecipientState,
    Run,
    RunStatus,
    Staff,
    Tag,
    Wave,
)
from data.queries import batches as batch_rows
from data.queries import campaigns as rows
from data.queries import follow_facts
from data.queries import group_waves as group_rows
from data.queries import moments as moment_rows
from data.queries.caps import Limits
from data.rules.campaigns import CampaignDraft
from data.rules.moments import Visible
from scheduler.moments import plan_post
from tests.queries.test_campaign_rows import ctx

__all__ = ["ctx"]

STAFF = {"ann": 2, "bo": 2, "cy": 3, "di": 3, "gone": 3}
CONTENT = {"text": "周末见"}
ZONE = ZoneInfo("Asia/Shanghai")
Settings = settings(
    phases=(Phase.explicit, Phase.reuse, Phase.generate), max_examples=12, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
some_staff = st.frozensets(st.sampled_from(sorted(STAFF)))


def fill(session: Session, now: datetime) -> None:
    """Staff in two departments, each with a group and a customer; ann's and cy's customers wear a tag."""
    session.add(Department(id=1, name="all", parent_id=0))
    session.add_all(Department(id=number, name=f"D{number}", parent_id=1) for number in (2, 3))
    session.add(Tag(tag_id="et1", tag_no=1, group_id="etg", name="T"))
    for number, (userid, department) in enumerate(STAFF.items(), 1):
        able = userid != "gone"
        session.add(
            Staff(userid=userid, department_ids=[department], follows_customers=able, seen_at=now,
                  gone_at=None if able else now)
        )  # fmt: skip
        session.add_all(CustomerGroup(chat_id=f"wr{number}{each}", owner=userid) for each in range(number))
        session.add(
            Follow(id=number, userid=userid, external_userid=f"wm{number}", status="present", changed_at=now)
        )  # fmt: skip
        session.flush()
        if userid in ("ann", "cy"):
            session.add(FollowTag(follow_id=number, tag_no=1, live=True))
    session.flush()
    follow_facts.note_tags(session, [1, 2, 3, 4, 5])


@pytest.fixture
async def company(ctx: Context, now: datetime) -> Context:
    """A context on a filled database."""
    await ctx.db.write(fill, now)
    return ctx


def set_leaves(session: Session, userids: frozenset[str], now: datetime, *, lasts: int = 0) -> None:
    """These are on leave today, and nobody else."""
    session.execute(delete(Leave))
    today = now.astimezone(ZONE).date()
    session.add_all(
        Leave(userid=userid, first_day=today, last_day=today + timedelta(days=lasts), made_by="test", made_at=now)
        for userid in sorted(userids)
    )


async def begin(ctx: Context, **wave: Any) -> tuple[Wave, int]:
    """A wave that is kept, and its run that is to be planned."""
    draft = CampaignDraft.model_validate({"name": "x", "waves": [{"content": CONTENT, **wave}]})
    made = await campaigns.make_campaign(ctx, draft, "test")
    (run,) = await ctx.db.write(rows.start_campaign, made.id or 0, ctx.clock.now(), calendar_of(ctx.settings))
    assert run.id is not None
    await ctx.db.write(_set_planning, run.id, ctx.clock.now())
    return await ctx.db.read(rows.get_wave, run.wave_id), run.id


def _set_planning(session: Session, run_id: int, now: datetime) -> None:
    run = session.get_one(Run, run_id)
    run.status, run.planned_as_of = RunStatus.PLANNING, now


def ledger(session: Session, run_id: int) -> tuple[Run, list[Batch]]:
    batches = session.execute(select(Batch).where(col(Batch.run_id) == run_id)).scalars()
    return session.get_one(Run, run_id), list(batches)


GROUP_AUDIENCES: list[dict[str, Any]] = [{"everyone": True}, {"owners": ["ann", "di"]}, {"department_ids": [3]}]


@Settings
@given(away=some_staff, audience=st.sampled_from(GROUP_AUDIENCES))
async def test_groups_of_owners_on_leave_are_held_back_as_the_preview_says(
    company: Context, now: datetime, away: frozenset[str], audience: dict[str, Any]
) -> None:
    await company.db.write(set_leaves, away, now)
    wave, run_id = await begin(company, kind="groups", audience=audience)
    told = group_waves.preview_to_json(await group_waves.preview_wave(company, wave))
    assert await group_waves.plan_groups(company, run_id) == RunStatus.SENDING
    run, batches = await company.db.read(ledger, run_id)
    assert (run.matched, run.recipients, run.left_out) == (told["matched"], told["groups"], told["left_out"])
    asked = Counter({each.userid: each.recipients for each in batches})
    assert asked == {each["userid"]: each["groups"] for each in told["owners"]}
    assert not asked.keys() & away
    listed = await company.db.read(group_rows.list_recipients, run_id, 100)
    held = Counter(each["owner"] for each in listed if each["state"] == "sender_on_leave")
    assert held == {each["userid"]: each["groups"] for each in told["on_leave"]}
    assert held.keys() == {each["owner"] for each in listed} & away - {"gone"}
    assert held.total() == run.left_out.get("sender_on_leave", 0)


RANGES: list[dict[str, Any]] = [
    {}, {"department_ids": [2]}, {"department_ids": [3], "userids": ["ann"]}, {"tag_ids": ["et1"]},
    {"department_ids": [1], "tag_ids": ["et1"]},
]  # fmt: skip


@Settings
@given(away=some_staff, visible=st.sampled_from(RANGES))
async def test_members_on_leave_are_not_asked_to_publish_as_the_preview_says(
    company: Context, now: datetime, away: frozenset[str], visible: dict[str, Any]
) -> None:
    await company.db.write(set_leaves, frozenset[str](), now)
    everybody = await moments.find_publishers(company, Visible.model_validate(visible), now)
    assert everybody.asked == Visible.model_validate(visible)
    await company.db.write(set_leaves, away, now)
    wave, run_id = await begin(company, kind="moments", visible=visible or None)
    told = moments.preview_to_json(await moments.preview_wave(company, wave))
    assert await plan_post(company, run_id) == RunStatus.SENDING
    run, _ = await company.db.read(ledger, run_id)
    planned = await company.db.read(_publishers, run_id)
    assert (run.matched, run.recipients, run.left_out) == (told["matched"], told["publishers"], told["left_out"])
    assert run.reach == told["customers"]
    assert set(planned) == {each["userid"] for each in told["members"]} == set(everybody.userids) - away
    assert set(told["on_leave"]) <= away
    found = await moments.find_publishers(company, Visible.model_validate(visible), now)
    assert found.asked.tag_ids == tuple(visible.get("tag_ids", ()))
    if told["on_leave"]:
        assert set(planned) <= set(found.asked.userids)
        assert not set(found.asked.userids) & set(told["on_leave"])
        assert found.asked.department_ids == ()
    else:
        assert found.asked == everybody.asked


def _publishers(session: Session, run_id: int) -> list[str]:
    query = select(col(Publisher.userid)).where(col(Publisher.run_id) == run_id)
    return list(session.execute(query).scalars())


async def test_who_goes_on_leave_after_planning_is_asked_for_nothing(company: Context, now: datetime) -> None:
    wave, run_id = await begin(company, kind="groups", audience={"owners": ["bo"]})
    await group_waves.plan_groups(company, run_id)
    batch = (await company.db.read(ledger, run_id))[1][0]
    await company.db.write(set_leaves, frozenset({"bo"}), now)
    assert await company.db.write(batch_rows.claim_batch, batch.id or 0, {}, now, ZONE, Limits()) == []
    run, batches = await company.db.read(ledger, run_id)
    batch = batches[0]
    assert (batch.status, run.recipients, run.left_out) == ("cancelled", 0, {"sender_on_leave": 2})
    states = await company.db.read(lambda session: set(session.execute(select(col(GroupRecipient.state))).scalars()))
    assert states == {RecipientState.SENDER_ON_LEAVE}

    wave, run_id = await begin(company, kind="moments", visible={"userids": ["cy", "di"]})
    await plan_post(company, run_id)
    run, batches = await company.db.read(ledger, run_id)
    batch = batches[0]
    assert run.recipients == 2
    await company.db.write(set_leaves, frozenset({"cy", "di"}), now)
    nobody = await moments.find_publishers(company, moments.visible_of(wave), now)
    assert not await company.db.write(moment_rows.claim_post, batch.id or 0, {}, nobody, now), "no range is everybody"
    run, batches = await company.db.read(ledger, run_id)
    batch = batches[0]
    assert (batch.status, run.recipients, run.left_out) == ("cancelled", 0, {"sender_on_leave": 2})
    back = await moments.find_publishers(company, moments.visible_of(wave), now + timedelta(days=1))
    assert back.userids == ["cy", "di"]
