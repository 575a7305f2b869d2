"""Planning on real rows: the same for any size of the pieces, interrupted or not, and as a preview says."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from bot import campaign_plans, campaigns, customer_waves
from bot.assembly import open_context
from bot.campaign_plans import calendar_of
from bot.clock import FrozenClock
from bot.config import AppSettings, CampaignsSettings, CompanySettings, Settings
from bot.context import Context
from bot.metrics import Metrics
from data.db import Database
from data.models import (
    Batch,
    Customer,
    Follow,
    FollowTag,
    Leave,
    Preference,
    Recipient,
    RecipientState,
    Run,
    RunStatus,
    Staff,
    StaffTask,
    StaffTaskStatus,
    Tag,
    Touch,
)
from data.queries import campaigns as rows
from data.queries import follow_facts, touches
from data.rules import campaigns as rules
from data.rules.campaigns import CampaignDraft, CustomerWave
from data.rules.preferences import TouchKind
from data.rules.senders import SenderPolicy
from tests.conftest import in_turn

STAFF = ["ann", "bo", "cy", "007", "gone"]
CUSTOMERS = 80
#: Who stands in for one who stands in for another: nobody, somebody who can, and one for whom they do.
CHAINS = ("", "cy", "007")


@pytest.fixture
async def ctx(db: Database, now: datetime) -> Any:
    """A context on the database; nothing is asked of WeCom."""
    settings = Settings(
        company=CompanySettings(corpid="ww0123456789abcdef", name="云杉生活"),
        app=AppSettings.model_validate({"agentid": 1, "secret": "s" * 43}),
    )
    async with AsyncExitStack() as stack:
        yield await open_context(stack, settings, FrozenClock(now), db, Metrics())


def fill(session: Session, now: datetime, seed: int) -> None:
    """A company in which customers are shared, some have left and some want to hear nothing; of odd `seed`, one in
    which staff are on leave."""
    rng = random.Random(seed)
    for userid in STAFF:
        able = userid != "gone"
        session.add(Staff(userid=userid, name=f"员工{userid}", follows_customers=able, seen_at=now,
                          gone_at=None if able else now))  # fmt: skip
    ids = [f"wm{number:03}" for number in range(CUSTOMERS)]
    for external_userid in ids:
        session.add(Customer(external_userid=external_userid, first_seen_at=now))
    session.flush()
    for tag_no in (1, 2):
        session.add(Tag(tag_id=f"et{tag_no}", tag_no=tag_no, group_id="etg", name=str(tag_no)))
    today = now.date()
    away = {"007": "bo", "bo": CHAINS[seed // 2 % 3], "ann": rng.choice(["cy", "bo", "gone"])} if seed % 2 else {}
    for userid, substitute in away.items():
        ends = today + timedelta(days=-1 if userid == "bo" and seed == 7 else 3)
        session.add(
            Leave(
                userid=userid, substitute=substitute, first_day=today - timedelta(days=1), last_day=ends,
                made_by="test", made_at=now,
            )
        )  # fmt: skip
    pairs = [(userid, whom) for whom in ids for userid in rng.sample(STAFF, rng.choice([1, 1, 2, 3]))]
    rng.shuffle(pairs)
    for userid, whom in pairs:
        session.add(
            Follow(
                userid=userid, external_userid=whom, changed_at=now, state=rng.choice(["", "shop"]),
                status=rng.choice(["present"] * 5 + ["deleted_by_customer"]),
                added_at=rng.choice([None, *(now - timedelta(days=each) for each in range(9))]),
            )
        )  # fmt: skip
    for whom in rng.sample(ids, 9):
        kind = rng.choice(["opted_out", "paused"])
        session.add(
            Preference(
                external_userid=whom, changed_at=now, opted_out_at=now if kind == "opted_out" else None,
                paused_until=now + timedelta(days=1) if kind == "paused" else None,
            )
        )  # fmt: skip
    session.flush()
    follow_ids = list(session.execute(select(col(Follow.id))).scalars())
    for follow_id in rng.sample(follow_ids, len(follow_ids) // 2):
        session.add(FollowTag(follow_id=follow_id, tag_no=rng.choice([1, 2]), live=True))
    session.flush()
    follow_facts.note_tags(session, [each or 0 for each in follow_ids])
    follow_facts.note_facts(session, ids)


AUDIENCES: list[dict[str, Any]] = [
    {"everyone": True},
    {"segment": {"channel": {"states": ["shop"]}}},
    {"segment": {"staff": {"userids": ["ann", "bo"]}}},
    {"external_userids": [*(f"wm{number:03}" for number in range(0, CUSTOMERS, 3)), "wmNobody", "wm000"]},
    {"pairs": [{"userid": userid, "external_userid": f"wm{number:03}"} for number in range(30) for userid in STAFF]},
]


CHOICES: list[dict[str, Any]] = [
    {"sender_policy": "first_added"},
    {"sender_policy": "last_added", "excluded_userids": ["bo"]},
    {"sender_policy": "tag_owner", "sender_tag_ids": ["et2", "et1"], "sender_fallback": "last_added"},
    {"sender_policy": "all"},
]


def wave(audience: dict[str, Any], **choice: Any) -> CustomerWave:
    return CustomerWave.model_validate({"content": {"text": "我是{{ staff_name }}"}, "audience": audience, **choice})


def split_wave(policy: SenderPolicy, percent: int, *variants: tuple[str, int]) -> CustomerWave:
    """One with several contents, or with a hold-out alone."""
    contents = [{"name": name, "weight": weight, "content": {"text": f"{name}版"}} for name, weight in variants]
    one = {} if variants else {"content": {"text": "只有一种"}}
    split = {"variants": contents, "hold_out_percent": percent, **one}
    choice = next(each for each in CHOICES if each["sender_policy"] == policy)
    return CustomerWave.model_validate({"audience": {"everyone": True}, **choice, **split})


async def start_run(ctx: Context, draft: CustomerWave) -> int:
    """A run that is to be planned."""
    made = await campaigns.make_campaign(ctx, CampaignDraft(name="x", waves=(draft,)), "test")
    (run,) = await ctx.db.write(rows.start_campaign, made.id or 0, ctx.clock.now(), calendar_of(ctx.settings))
    assert run.id is not None
    await ctx.db.write(begin, run.id, ctx.clock.now())
    return run.id


def begin(session: Session, run_id: int, now: datetime) -> None:
    run = session.get_one(Run, run_id)
    run.status, run.planned_as_of = RunStatus.PLANNING, now


def ledger(session: Session, run_id: int) -> tuple[Run, list[Batch], dict[int, Recipient], dict[int, Follow]]:
    batches = session.execute(select(Batch).where(col(Batch.run_id) == run_id)).scalars().all()
    recipients = session.execute(select(Recipient).where(col(Recipient.run_id) == run_id)).scalars().all()
    follows = session.execute(select(Follow)).scalars().all()
    run = session.get_one(Run, run_id)
    return run, list(batches), {each.follow_id: each for each in recipients}, {each.id or 0: each for each in follows}


@in_turn(2 * len(AUDIENCES))
async def test_a_run_is_planned_alike_in_any_pieces_and_as_its_preview_said(
    ctx: Context, now: datetime, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ctx.db.write(fill, now, number)
    monkeypatch.setattr(rules, "BATCH_RECIPIENTS", 7)
    for choice in CHOICES:
        outcomes = []
        draft = wave(AUDIENCES[number // 2], **choice)
        preview = await customer_waves.preview_draft(ctx, draft)
        for span in (1000, 17):
            monkeypatch.setattr(campaign_plans, "SPAN", span)
            run_id = await start_run(ctx, draft)
            assert await campaign_plans.plan_run(ctx, run_id) == RunStatus.SENDING
            run, batches, recipients, follows = await ctx.db.read(ledger, run_id)
            outcomes.append(states := {each: row.state for each, row in recipients.items()})
            tally = preview.tally
            assert (run.matched, run.recipients, run.left_out) == (tally.matched, tally.recipients, tally.left_out)
            assert run.matched == run.recipients + sum(run.left_out.values())
            assert len(states) == run.matched - run.left_out.get("unknown", 0)
            assert all(follows[each].status == "present" for each in states)
            waiting = {each: row for each, row in recipients.items() if row.state == RecipientState.WAITING}
            assert Counter(follows[each].userid for each in waiting) == tally.by_sender
            assert all((row.batch_no is None) == (row.state != RecipientState.WAITING) for row in recipients.values())
            held = Counter(row.batch_no for row in waiting.values())
            assert {each.batch_no: each.recipients for each in batches} == held
            owners = {each.batch_no: each.userid for each in batches}
            assert all(owners[row.batch_no or 0] == follows[each].userid for each, row in waiting.items())
            assert len(batches) == tally.calls
            reached = Counter(follows[each].external_userid for each in waiting)
            assert draft.sender_policy is SenderPolicy.ALL or set(reached.values()) <= {1}
            assert not {follows[each].userid for each in waiting} & draft.excluded_userids
        assert outcomes[0] == outcomes[1]


def touch(session: Session, now: datetime, seed: int) -> None:
    """Some have been reached lately, some want only so much, and staff are asked to write to some."""
    rng = random.Random(seed)
    ids = list(session.execute(select(col(Customer.external_userid))).scalars())
    touched = [(whom, number) for whom in rng.sample(ids, 30) for number in range(rng.choice([1, 2]))]
    touches.record_many(
        session,
        [
            touches.NewTouch(f"{whom}:{number}", whom, "ann", now - timedelta(hours=number + 1))
            for whom, number in touched
        ],
        TouchKind.OWN_SEND,
    )
    for number, whom in enumerate(rng.sample(ids, 15)):
        status = StaffTaskStatus.OPEN if number % 3 else StaffTaskStatus.LAPSED
        session.add(
            StaffTask(
                enrolment_id=number, journey_id=1, step=0, userid="ann", external_userid=whom, content={}, worth=1,
                due_at=now, valid_until=now + timedelta(days=1), status=status,
            )
        )  # fmt: skip
    for whom in rng.sample(ids, 40):
        if session.get(Preference, whom) is None:
            session.add(Preference(external_userid=whom, changed_at=now, cap_count=rng.choice([1, 2]), cap_days=2))


@pytest.mark.drawn
@pytest.mark.parametrize(("seed", "cap_count"), [(2, 1), (3, 2), (5, 1), (4, 0), (4, 3)])
async def test_all_of_the_staff_reach_a_customer_no_more_often_than_caps_leave(
    ctx: Context, now: datetime, seed: int, cap_count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ctx.db.write(fill, now, seed)
    await ctx.db.write(touch, now, seed)
    settings = ctx.settings.model_copy(update={"campaigns": CampaignsSettings(cap_count=cap_count, cap_days=2)})
    ctx = replace(ctx, settings=settings)
    for draft in (wave({"everyone": True}, sender_policy="all"), wave(AUDIENCES[1], sender_policy="all")):
        tally = (await customer_waves.preview_draft(ctx, draft)).tally
        outcomes = []
        for span in (1000, 17):
            monkeypatch.setattr(campaign_plans, "SPAN", span)
            run_id = await start_run(ctx, draft)
            assert await campaign_plans.plan_run(ctx, run_id) == RunStatus.SENDING
            run, _, recipients, follows = await ctx.db.read(ledger, run_id)
            assert (run.matched, run.recipients, run.left_out) == (tally.matched, tally.recipients, tally.left_out)
            outcomes.append({each: row.state for each, row in recipients.items()})
            waiting = [each for each, row in recipients.items() if row.state == RecipientState.WAITING]
            assert Counter(follows[each].userid for each in waiting) == tally.by_sender
            reached = Counter(follows[each].external_userid for each in waiting)
            room = await ctx.db.read(rooms, cap_count)
            assert all(number <= room.get(whom, number) for whom, number in reached.items())
            capped = {
                follows[each].external_userid for each, row in recipients.items() if row.state == RecipientState.CAPPED
            }
            assert not {whom for whom in capped if reached[whom] < room[whom]}, "as many as there is room for"
            await ctx.db.write(rows.act_on, run.campaign_id, rules.Act.CANCEL, now)
        assert outcomes[0] == outcomes[1]


def rooms(session: Session, cap_count: int) -> dict[str, int]:
    """How many more messages may reach each customer for whom there is a cap."""
    found: dict[str, int] = {}
    touched = Counter(session.execute(select(col(Touch.external_userid))).scalars())
    open_tasks = select(col(StaffTask.external_userid)).where(col(StaffTask.status) == StaffTaskStatus.OPEN)
    asked = Counter(session.execute(open_tasks).scalars())
    wants = {each.external_userid: each for each in session.execute(select(Preference)).scalars()}
    for whom in session.execute(select(col(Customer.external_userid))).scalars():
        own = wants[whom].cap_count if whom in wants else None
        lefts = [own - touched[whom]] if own is not None else []
        lefts += [cap_count - touched[whom] - asked[whom]] if cap_count else []
        if lefts:
            found[whom] = min(lefts)
    return found


@pytest.mark.drawn
@pytest.mark.parametrize("policy", SenderPolicy)
async def test_a_split_is_planned_alike_in_any_pieces_and_as_its_preview_said(
    ctx: Context, now: datetime, policy: SenderPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ctx.db.write(fill, now, 3)
    monkeypatch.setattr(rules, "BATCH_RECIPIENTS", 4)
    for percent, variants in ((30, [("A", 3), ("B", 1)]), (0, [("甲<b>", 1), ("乙", 1), ("丙", 2)]), (50, [])):
        run_id = await start_run(ctx, split_wave(policy, percent, *variants))
        run = await ctx.db.read(rows.get_run, run_id)
        wave = await ctx.db.read(rows.get_wave, run.wave_id)
        split = rows.split_of_wave(wave)
        assert split is not None
        preview = (await customer_waves.preview_wave(ctx, wave)).tally
        outcomes: list[dict[int, Any]] = []
        for span in (1000, 5):
            monkeypatch.setattr(campaign_plans, "SPAN", span)
            if outcomes:
                run_id = await ctx.db.write(run_again, run_id, ctx.clock.now())
            assert await campaign_plans.plan_run(ctx, run_id) == RunStatus.SENDING
            run, batches, recipients, follows = await ctx.db.read(ledger, run_id)
            variant_of: dict[int | None, str] = {each.batch_no: each.variant for each in batches}
            outcomes.append({each: (row.state, variant_of.get(row.batch_no)) for each, row in recipients.items()})
            assert (run.matched, run.recipients, run.left_out) == (
                preview.matched,
                preview.recipients,
                preview.left_out,
            )
            waiting = [row for row in recipients.values() if row.state == RecipientState.WAITING]
            assert Counter(variant_of[row.batch_no] for row in waiting) == (
                preview.variants if variants else {"": run.recipients}
            )
            assert len(batches) == preview.calls
            assert all(each.recipients <= 4 for each in batches)
            assert {(each.userid, each.variant) for each in batches} == {
                (follows[row.follow_id].userid, variant_of[row.batch_no]) for row in waiting
            }
            places: dict[str, set[str]] = {}
            for row in recipients.values():
                if row.state in (RecipientState.WAITING, RecipientState.HOLD_OUT):
                    whom = follows[row.follow_id].external_userid
                    places.setdefault(whom, set()).add(variant_of.get(row.batch_no, "nothing"))
            names = ["nothing", *split.names]
            assert places == {whom: {names[split.place(whom) + 1]} for whom in places}
            assert ("hold_out" in run.left_out) == (percent > 0)
        assert outcomes[0] == outcomes[1], "at every sending of a wave alike"


def run_again(session: Session, run_id: int, now: datetime) -> int:
    """Another sending of the same wave."""
    run = rows.new_run(rows.get_wave(session, session.get_one(Run, run_id).wave_id), now + timedelta(days=1))
    run.status, run.planned_as_of = RunStatus.PLANNING, now
    session.add(run)
    session.flush()
    assert run.id is not None
    return run.id


async def test_a_list_counts_those_who_are_nobodys_contact(ctx: Context, now: datetime) -> None:
    await ctx.db.write(fill, now, 2)
    run_id = await start_run(ctx, wave({"everyone": True}))
    follows = (await ctx.db.read(ledger, run_id))[3].values()
    known = next(each for each in follows if each.status == "present" and each.userid == "ann")
    pair = {"userid": "ann", "external_userid": known.external_userid}
    preview = await customer_waves.preview_draft(
        ctx, wave({"pairs": [pair, pair, {**pair, "userid": "nobody"}, {**pair, "external_userid": "wmNobody"}]})
    )
    assert (preview.tally.matched, preview.tally.left_out["unknown"]) == (3, 2)


@pytest.mark.parametrize("variants", [[("A", 1), ("B", 1)], []])
async def test_planning_goes_on_where_it_was_interrupted(
    ctx: Context, now: datetime, variants: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await ctx.db.write(fill, now, 4)
    monkeypatch.setattr(rules, "BATCH_RECIPIENTS", 7)
    # Split, so that it is seen as well that nobody gets another content for it; and not, as most are.
    draft = split_wave(SenderPolicy.FIRST_ADDED, 20, *variants) if variants else wave({"everyone": True})
    whole = await start_run(ctx, draft)
    await campaign_plans.plan_run(ctx, whole)
    monkeypatch.setattr(campaign_plans, "SPAN", 5)
    run_id = await ctx.db.write(run_again, whole, ctx.clock.now())
    write, tries = campaign_plans._write, iter([0, 2, 1, 3, 0, 1000])
    left = 0

    async def dies(*args: Any) -> Run:
        nonlocal left
        left -= 1
        if left < 0:
            raise ConnectionError
        return await write(*args)

    monkeypatch.setattr(campaign_plans, "_write", dies)
    for _ in range(5):
        left = next(tries)
        with pytest.raises(ConnectionError):
            await campaign_plans.plan_run(ctx, run_id)
    left = next(tries)
    assert await campaign_plans.plan_run(ctx, run_id) == RunStatus.SENDING
    (one, batches, recipients, _), (other, others, all_recipients, _) = (
        await ctx.db.read(ledger, run_id), await ctx.db.read(ledger, whole),
    )  # fmt: skip
    assert (one.matched, one.recipients, one.left_out) == (other.matched, other.recipients, other.left_out)
    assert {each: row.state for each, row in recipients.items()} == {
        each: row.state for each, row in all_recipients.items()
    }
    assert ("hold_out" in one.left_out) == bool(variants)
    assert Counter((each.userid, each.variant, each.recipients) for each in batches) == Counter(
        (each.userid, each.variant, each.recipients) for each in others
    )
    assert await campaign_plans.plan_run(ctx, run_id) == RunStatus.SENDING, "once more changes nothing"
    assert (await ctx.db.read(ledger, run_id))[0].matched == one.matched


async def test_a_run_that_was_stopped_is_planned_no_further(
    ctx: Context, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ctx.db.write(fill, now, 5)
    monkeypatch.setattr(campaign_plans, "SPAN", 5)
    run_id = await start_run(ctx, wave({"everyone": True}))
    run = await ctx.db.read(rows.get_run, run_id)
    await ctx.db.write(rows.act_on, run.campaign_id, rules.Act.PAUSE, now)
    assert await campaign_plans.plan_run(ctx, run_id) == RunStatus.PAUSED
    assert (await ctx.db.read(ledger, run_id))[2] == {}
