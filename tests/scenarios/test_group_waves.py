"""Broadcasts to customer groups, on both databases: each gets exactly one, by its owner, and the ledger knows it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, select

from bot import campaigns
from bot.batches import adopt
from bot.sandbox.faults import Fault
from data.models import CustomerGroup, GroupRecipient, RecipientState
from data.queries import group_waves as rows
from data.rules import group_waves as rules
from data.rules.campaigns import Act, CampaignDraft
from data.rules.group_waves import GroupAudience
from data.rules.problems import InvalidRuleError
from tests.scenarios.campaign_ledger import ADD, confirm, has_status, is_ended, ready, runs_and_batches, until, work
from tests.scenarios.conftest import Company

GROUPS = 7


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several calls for each owner."""
    monkeypatch.setattr(rules, "BATCH_GROUPS", 2)


async def found_groups(company: Company) -> None:
    """Some of the staff have groups of their own, of which we know."""
    for number in range(GROUPS):
        owner = company.followers[number % 2]
        company.sandbox.machine.group_acts.create(owner, f"茶友{number}群", [])
    await company.settle()
    await ready(company)


async def begin(company: Company, **audience: Any) -> int:
    wave = {"kind": "groups", "content": {"text": "我是{{ staff_name }}"}, "audience": audience or {"everyone": True}}
    draft = CampaignDraft.model_validate({"name": "群", "waves": [wave]})
    made = await campaigns.make_campaign(company.bot.context, draft, "test")
    await campaigns.start_campaign(company.bot.context, made.id or 0, None)
    return made.id or 0


def ledger(session: Session) -> dict[str, str]:
    return {each.chat_id: RecipientState(each.state).name.lower() for each in session.exec(select(GroupRecipient))}


def received(company: Company) -> Counter[str]:
    """How many tasks of ours each group has in the local WeCom."""
    sends = company.world.group_sends
    return Counter(
        id_ for send in sends for task in sends.tasks(send.msgid).values() for id_, _ in task.slice(0, len(task))
    )


def known(session: Session) -> list[CustomerGroup]:
    return list(session.exec(select(CustomerGroup)))


async def test_each_group_is_sent_to_once_by_its_owner_and_known_to_the_last(company: Company) -> None:
    await found_groups(company)
    groups = {each.chat_id: each.owner for each in await company.read(known) if each.dismissed_at is None}
    campaign_id = await begin(company)
    await until(company, campaign_id, has_status("awaiting"))
    (run,), batches = await company.read(runs_and_batches, campaign_id)
    assert run.recipients + sum(run.left_out.values()) == len(groups) >= GROUPS
    assert all(each.recipients <= 2 for each in batches)
    assert received(company) == Counter({each: 1 for each, state in (await company.read(ledger)).items()
                                         if state == "waiting"})  # fmt: skip
    await work(company)
    confirm(company.world, company.sandbox.machine)
    await until(company, campaign_id, is_ended, minutes=10)
    (run,), batches = await company.read(runs_and_batches, campaign_id)
    assert run.status == "finished"
    assert sum(each.sent for each in batches) == run.recipients
    states = await company.read(ledger)
    assert set(states.values()) <= {"sent", "sender_unable"}
    listed = await company.read(rows.list_recipients, run.id, 3)
    assert [each["state"] for each in listed] == [states[each["chat_id"]] for each in listed]


@pytest.mark.drawn
@pytest.mark.parametrize("kind", ["lose_answer", "drop"])
async def test_a_lost_answer_is_looked_up_among_what_wecom_tells_of_groups(company: Company, kind: Any) -> None:
    await found_groups(company)
    owner = company.followers[0]
    company.sandbox.machine.faults.add(Fault(id=0, target="api", on=ADD, kind=kind, count=1))
    campaign_id = await begin(company, owners=[owner], name_contains="茶友0")
    await until(company, campaign_id, lambda _, batches: bool(batches) and all(each.msgid for each in batches))
    _, (batch,) = await company.read(runs_and_batches, campaign_id)
    assert (batch.status == "reconciled") == (kind == "lose_answer")
    assert set(received(company).values()) == {1}


async def test_two_that_read_alike_are_told_apart_by_a_person(company: Company) -> None:
    await found_groups(company)
    owner = company.followers[0]
    company.sandbox.machine.faults.add(Fault(id=0, target="api", on=ADD, kind="lose_answer", count=2))
    campaign_id = await begin(company, owners=[owner])
    await until(company, campaign_id, lambda _, batches: sum(bool(each.candidates) for each in batches) == 2, minutes=5)
    _, batches = await company.read(runs_and_batches, campaign_id)
    for batch in (each for each in batches if each.candidates):
        mine = {row.chat_id for row in await company.read(lambda session: list(session.exec(select(GroupRecipient))))
                if row.batch_no == batch.batch_no}  # fmt: skip
        sends = company.world.group_sends
        (msgid,) = [
            each
            for each in batch.candidates or ()
            if {id_ for task in sends.tasks(each).values() for id_, _ in task.slice(0, len(task))} == mine
        ]
        await adopt(company.bot.context, batch.id or 0, msgid)
    confirm(company.world, company.sandbox.machine)
    await until(company, campaign_id, is_ended, minutes=10)
    assert set(received(company).values()) == {1}
    assert set((await company.read(ledger)).values()) == {"sent"}


async def test_a_group_that_was_dismissed_or_handed_on_is_left_out_at_the_last_moment(company: Company) -> None:
    await found_groups(company)
    owner = company.followers[0]
    fault = company.sandbox.machine.faults.add(Fault(id=0, target="api", on=ADD, kind="errcode", errcode=48002))
    campaign_id = await begin(company, owners=[owner])
    await until(company, campaign_id, has_status("paused"))

    def change(session: Session) -> None:
        one, other = [each for each in known(session) if each.owner == owner][:2]
        one.dismissed_at, other.owner = company.bot.clock.now(), company.followers[1]

    await company.bot.db.write(change)
    company.sandbox.machine.faults.clear(fault.id)
    await campaigns.act_on(company.bot.context, campaign_id, Act.RESUME)
    await until(company, campaign_id, has_status("awaiting"))
    (run,), _ = await company.read(runs_and_batches, campaign_id)
    assert run.left_out == {"left": 1, "sender_unable": 1}
    assert received(company).total() == run.recipients


async def test_what_owners_let_lie_is_withdrawn_in_the_end(company: Company) -> None:
    await found_groups(company)
    campaign_id = await begin(company)
    await until(company, campaign_id, has_status("awaiting"))
    await campaigns.act_on(company.bot.context, campaign_id, Act.CANCEL)
    await until(company, campaign_id, is_ended)
    assert set((await company.read(ledger)).values()) <= {"stopped", "sender_unable"}
    company.bot.clock.advance(timedelta(hours=3))
    await work(company)
    assert confirm(company.world, company.sandbox.machine) == 0


async def test_the_preview_counts_as_planning_does(company: Company) -> None:
    await found_groups(company)
    ctx = company.bot.context
    owner = company.followers[0]
    for audience in ({"everyone": True}, {"owners": [owner]}, {"name_contains": "茶友1"}, {"department_ids": [1]}):
        wave = {"kind": "groups", "content": {"text": "x"}, "audience": audience}
        draft = CampaignDraft.model_validate({"name": "群", "waves": [wave]})
        told = await campaigns.tell_draft(ctx, draft.waves[0])
        groups = await company.read(
            rows.list_groups, GroupAudience.model_validate(audience), company.bot.clock.now(), UTC
        )
        assert told["matched"] == len(groups) > 0
        assert told["groups"] + sum(told["left_out"].values()) == told["matched"]
    for audience, path in (({}, "waves[0].audience"), ({"chat_ids": ["wrNone"]}, "waves[0].audience.chat_ids")):
        wave = {"kind": "groups", "content": {"text": "x"}, "audience": audience}
        draft = CampaignDraft.model_validate({"name": "群", "waves": [wave]})
        with pytest.raises(InvalidRuleError) as refused:
            await campaigns.make_campaign(ctx, draft, "test")
        assert [each.path for each in refused.value.problems] == [path]


async def test_groups_of_an_age_are_those_created_so_many_days_of_the_company_ago(company: Company) -> None:
    zone, noon = company.bot.context.settings.zone, datetime(2026, 3, 8, 12, tzinfo=UTC)

    def fill(session: Session) -> None:
        for name, created in (
            ("a", "2026-03-06T23:59:59"), ("b", "2026-03-07T00:00:00"), ("c", "2026-03-07T23:59:59"),
            ("d", "2026-03-08T00:00:00"),
        ):  # fmt: skip
            at = datetime.fromisoformat(created).replace(tzinfo=zone)
            session.add(CustomerGroup(chat_id=name, owner="li", created_at=at))

    await company.bot.db.write(fill)

    async def found(days: int, **more: Any) -> str:
        audience = GroupAudience(created_days_ago=days, **more)
        return "".join(each.chat_id for each in await company.read(rows.list_groups, audience, noon, zone))

    assert [await found(days) for days in (0, 1, 2, 3)] == ["d", "bc", "a", ""]
    assert await found(1, chat_ids=("c", "d")) == "c"

    # Of a wave that repeats each group is reached once, whatever days it is not sent on.
    async def since(days: int, last: datetime) -> str:
        audience = GroupAudience(created_days_ago=days)
        return "".join(each.chat_id for each in await company.read(rows.list_groups, audience, noon, zone, last))

    assert [await since(1, noon - timedelta(days=days)) for days in (0, 1, 2, 9)] == ["", "bc", "abc", "abc"]
    assert await since(0, noon - timedelta(days=1)) == "d"
    assert not rules.audience_problems(GroupAudience(created_days_ago=0), [])
    assert rules.audience_problems(GroupAudience(created_days_ago=0, everyone=True), [])
