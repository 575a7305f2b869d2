"""A campaign beside the local WeCom: made, worked on until it rests, and compared with the world row by row."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, timedelta
from typing import Any

from sqlmodel import Session, col, select

from bot import campaigns
from bot.sandbox.world import World
from data.models import Batch, Follow, GroupRecipient, Recipient, RecipientState, Run, Touch
from data.rules.campaigns import CampaignDraft
from data.rules.schedule import TimeWindow
from data.rules.timings import Calendar
from scheduler.campaign_lookups import look_up_unknown
from scheduler.campaign_results import follow_results
from scheduler.campaigns import send_when_due
from scheduler.moment_results import follow_moments
from tests.scenarios.conftest import Company
from tests.scenarios.test_sync import sync

ADD = "externalcontact/add_msg_template"
#: No hour and no day is closed.
ALWAYS = Calendar(UTC, TimeWindow(), ())
STATES = ("waiting", "sent", "not_friend", "over_cap", "refused", "stopped")


def wave(**more: Any) -> dict[str, Any]:
    """A part of a campaign."""
    return {"content": {"text": "我是{{ staff_name }}，周末有新品"}, "audience": {"everyone": True}, **more}


async def begin(company: Company, **more: Any) -> int:
    """A campaign that was started; its number."""
    draft = CampaignDraft.model_validate({"name": "周末", "waves": [wave(**more)]})
    made = await campaigns.make_campaign(company.bot.context, draft, "test")
    assert made.id is not None
    await campaigns.start_campaign(company.bot.context, made.id, None)
    return made.id


async def ready(company: Company) -> None:
    """All customers are known, and WeCom hands out group-sends at once."""
    company.sandbox.machine.settings.group_send_settle_seconds = 0
    await sync(company)


async def work(company: Company) -> None:
    """Do once what the jobs do."""
    ctx = company.bot.context
    await send_when_due(ctx)
    await look_up_unknown(ctx)
    await follow_results(ctx)
    await follow_moments(ctx)


async def until(
    company: Company, campaign_id: int, done: Callable[[list[Run], list[Batch]], bool], **step: int
) -> None:
    """Work, moving the clock between, until that is so."""
    async with asyncio.timeout(60):
        while not done(*await company.read(runs_and_batches, campaign_id)):
            await work(company)
            company.bot.clock.advance(timedelta(**(step or {"seconds": 30})))
            await asyncio.sleep(0)


def runs_and_batches(session: Session, campaign_id: int) -> tuple[list[Run], list[Batch]]:
    """What the ledger says of a campaign."""
    runs = list(session.exec(select(Run).where(col(Run.campaign_id) == campaign_id)))
    batches = list(session.exec(select(Batch).where(col(Batch.run_id).in_([run.id for run in runs]))))
    return runs, batches


def has_status(*statuses: str) -> Callable[[list[Run], list[Batch]], bool]:
    """All runs have one of these."""
    return lambda runs, _: all(run.status in statuses for run in runs)


def is_ended(runs: list[Run], _: list[Batch]) -> bool:
    """Nothing can change any more."""
    return all(run.ended_at is not None for run in runs)


def confirm(world: World, machine: Any, *, share: int = 1) -> int:
    """Every so many-th member confirms what they have; how many tasks."""
    confirmed = 0
    for number, userid in enumerate(member.userid for member in world.population.service):
        if number % share == 0:
            for send, _ in list(machine.group_send_acts.tasks_of(userid, waiting=True)):
                machine.group_send_acts.confirm(userid, send.msgid)
                confirmed += 1
    return confirmed


Row = tuple[str, str, str, str]


def ledger_rows(session: Session) -> tuple[set[Row], Counter[str], set[Row], list[str]]:
    """Ours: (msgid, sender, customer, WeCom's state) of all tasks; states by name; touches; msgids."""
    query = (
        select(Batch, Recipient, Follow)
        .join(Recipient, (col(Recipient.run_id) == Batch.run_id) & (col(Recipient.batch_no) == Batch.batch_no))
        .join(Follow, col(Follow.id) == Recipient.follow_id)
    )
    tasks: set[Row] = set()
    states: Counter[str] = Counter()
    for batch, recipient, follow in session.execute(query).all():
        states[RecipientState(recipient.state).name.lower()] += 1
        if batch.msgid and recipient.state not in (RecipientState.REFUSED, *range(10, 20)):
            state = 0 if recipient.state == RecipientState.STOPPED else recipient.state
            tasks.add((batch.msgid, batch.userid, follow.external_userid, str(int(state))))
    of_groups = select(Batch, GroupRecipient).join(
        GroupRecipient,
        (col(GroupRecipient.run_id) == Batch.run_id) & (col(GroupRecipient.batch_no) == Batch.batch_no),
    )
    for batch, group in session.execute(of_groups).all():
        states[RecipientState(group.state).name.lower()] += 1
        if batch.msgid and group.state < RecipientState.REFUSED:
            tasks.add((batch.msgid, batch.userid, group.chat_id, str(int(group.state))))
    touched = {
        (each.origin.split(":")[1], each.userid, each.external_userid, str(each.campaign_id))
        for each in session.exec(select(Touch).where(col(Touch.kind) == "broadcast"))
    }
    msgids = [each for each in session.exec(select(Batch.msgid)) if each]
    return tasks, states, touched, msgids


def world_rows(world: World) -> list[Row]:
    """The local WeCom's: every recipient of every task."""
    return [
        (send.msgid, task.userid, id_, result)
        for send in world.group_sends
        for task in world.group_sends.tasks(send.msgid).values()
        for id_, result in task.slice(0, len(task))
    ]


async def agree(company: Company) -> Counter[str]:
    """Each recipient has exactly one task in the world, and the ledger says of each what the world says."""
    return compare(company.world, await company.read(ledger_rows))


def compare(world: World, ours: Any) -> Counter[str]:
    """The same with the rows at hand; the states of ours by name."""
    tasks, states, touched, msgids = ours
    theirs = world_rows(world)
    twice = [pair for pair, number in Counter((row[1], row[2]) for row in theirs).items() if number > 1]
    assert twice == [], "somebody has two tasks"
    assert sorted(msgids) == sorted(send.msgid for send in world.group_sends)
    assert tasks == set(theirs)
    to_groups = {send.msgid for send in world.group_sends if send.chat_type == "group"}
    sent = {(row[1], row[2]) for row in theirs if row[3] == "1" and row[0] not in to_groups}
    assert {(row[1], row[2]) for row in touched} == sent
    return Counter(states)
