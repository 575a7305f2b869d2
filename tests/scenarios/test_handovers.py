"""Hand-overs: whoever is planned is asked for once, what becomes of it is told, and our rows agree with WeCom."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, col, delete, select

from bot import handovers
from bot.clock import Clock
from bot.errors import ObservingError
from bot.sandbox.faults import Fault
from bot.sandbox.server import Sandbox
from bot.sandbox.world import World
from data.db import open_database
from data.errors import ConflictError
from data.models import Follow, Handover, KfAccount, Lease, Transfer
from data.queries import groups as group_rows
from data.queries import handovers as rows
from data.queries import leavers as leaver_rows
from data.rules.handovers import Act, HandoverDraft
from data.rules.problems import InvalidRuleError
from scheduler.handovers import _group_answer, hand_over_when_due
from tests.conftest import Urls
from tests.forks import Fork
from tests.scenarios import handover_worker
from tests.scenarios.conftest import Company, Start, read_company
from tests.scenarios.test_campaign_killed import config_for
from tests.scenarios.test_sync import sync

ASK, LEFT = "externalcontact/transfer_customer", "externalcontact/resigned/transfer_customer"


def draft(userid: str, takers: list[Any], **more: Any) -> HandoverDraft:
    takeovers = [{"userid": each} if isinstance(each, str) else each for each in takers]
    return HandoverDraft.model_validate(
        {"userid": userid, "takeovers": takeovers, "customers": {"everyone": True}, **more}
    )


async def ask(company: Company, wanted: HandoverDraft) -> Handover:
    return await handovers.ask_for_handover(company.bot.context, wanted, "test")


async def work(company: Company, **passes: float) -> None:
    """The job, after some time has passed."""
    company.bot.clock.advance(timedelta(**passes))
    company.sandbox.machine.settle()
    await company.settle()
    await hand_over_when_due(company.bot.context)


async def counts(company: Company, handover: Handover) -> Counter[str]:
    found: Counter[str] = await company.read(rows.count_statuses, handover.id)
    return found


def follows_of(session: Session, userid: str) -> dict[str, Follow]:
    found = session.execute(select(Follow).where(col(Follow.userid) == userid)).scalars()
    return {each.external_userid: each for each in found}


@pytest.mark.first_case_on_both
async def test_a_leavers_customers_and_groups_go_to_others_unless_they_refuse(company: Company) -> None:
    await sync(company)
    leaver, first, second = company.followers[:3]
    for _ in range(4):
        company.scan(userid=leaver)
    group = company.sandbox.machine.group_acts.create(leaver, "会员群", [])
    await company.settle()
    theirs = sorted(company.world.customers.listed_by(leaver))
    company.sandbox.machine.staff_acts.leave(leaver)
    await company.bot.runner.run_now("poll_directory")
    await company.bot.runner.run_now("poll_unassigned")
    (told,) = [each for each in await company.read(leaver_rows.list_leavers) if each.userid == leaver]
    owned = sum(each.owner == leaver and not each.dismissed for each in company.world.groups)
    assert (told.customers, told.groups) == (len(theirs), owned)

    # Nobody else's, not to whoever has left, and nobody twice.
    for wrong in (
        draft(first, [leaver]),
        draft(leaver, [leaver]),
        draft(leaver, [first, first]),
        draft("nobody", [first]),
    ):
        with pytest.raises(InvalidRuleError):
            await ask(company, wrong)
    wanted = draft(leaver, [{"userid": first, "count": 3}, second], groups=True)
    outlook = await handovers.look_at(company.bot.context, wanted)
    assert (outlook.shares, outlook.left_out, outlook.groups) == ({first: 3, second: len(theirs) - 3}, {}, owned)
    assert company.calls(LEFT) == 0
    made = await ask(company, wanted)
    assert (made.status, made.resigned, made.planned) == ("running", True, len(theirs))
    await work(company)
    assert await counts(company, made) == {"waiting": len(theirs)}
    assert (
        company.world.groups.get(group.chat_id).owner == first
        or company.world.groups.get(group.chat_id).owner == second
    )
    known = await company.read(group_rows.find_group, group.chat_id)
    assert known.owner == company.world.groups.get(group.chat_id).owner
    assert await company.read(rows.count_statuses, made.id, rows.G) == {"done": owned}
    again = await ask(company, wanted)
    assert (again.planned, again.left_out) == (0, {"under_way": len(theirs)})

    # One refuses, which an event tells; another, whose event is lost; the others are there a day later.
    company.people.transfers.refuse(theirs[0])
    await company.settle()
    assert await counts(company, made) == {"waiting": len(theirs) - 1, "refused": 1}
    company.sandbox.machine.faults.add(Fault(0, "callback", "drop", on="transfer_fail"))
    company.people.transfers.refuse(theirs[1])
    await work(company, hours=2)
    assert await counts(company, made) == {"waiting": len(theirs) - 2, "refused": 2}
    await work(company, hours=23)
    assert await counts(company, made) == {"done": len(theirs) - 2, "refused": 2}
    assert (await company.read(rows.get_handover, made.id)).status == "done"
    shares = await company.read(rows.count_shares, made.id)
    assert sum(shares[first].values()) == 3
    for taker in (first, second):
        taken = {each.external_userid for each in await company.read(rows.list_customers, made.id, "done")
                 if each.takeover_userid == taker}  # fmt: skip
        follows = await company.read(follows_of, taker)
        assert all(follows[each].inherited and follows[each].status == "present" for each in taken)
    assert company.calls(LEFT) == 2, "one for each who takes over, whatever came between"
    await company.bot.runner.run_now("poll_unassigned")
    (told,) = [each for each in await company.read(leaver_rows.list_leavers) if each.userid == leaver] or [None]
    now = company.bot.clock.now()
    seats = (await company.read(leaver_rows.read_checklist, leaver, now.date())).seats
    for number, served in enumerate(([leaver], [f"{leaver}x"], [first, leaver])):
        servicers = [{"userid": each, "receives": True} for each in served]
        account = KfAccount(open_kfid=f"wk-test-{number}", servicers=servicers, seen_at=now)
        await company.bot.db.write(lambda session, account=account: session.add(account))
    checklist = await company.read(leaver_rows.read_checklist, leaver, company.bot.clock.now().date())
    assert (checklist.customers, checklist.under_way, checklist.groups, checklist.seats - seats) == (2, 0, 0, 2)


async def test_of_a_member_who_is_still_there(company: Company) -> None:
    await sync(company)
    giver, taker = company.followers[:2]
    theirs = sorted(company.world.customers.listed_by(giver))
    tag = company.tag_ids[0]
    follows = {each: company.world.customers.find_follow(giver, each) for each in theirs}
    wearing = {whom for whom, follow in follows.items() if follow is not None and tag in follow.tag_ids}
    outlook = await handovers.look_at(company.bot.context, draft(giver, [taker], customers={"tag_ids": [tag]}))
    assert outlook.customers == len(wearing)
    none = {"all": [{"staff": {"userids": [taker]}}]}
    assert (
        await handovers.look_at(company.bot.context, draft(giver, [taker], customers={"segment": none}))
    ).customers == 0

    # Handed over twice within 90 days: what we saw is left out, what we did not see is refused by WeCom.
    unseen, other = [each for each in theirs if company.world.customers.find_follow(taker, each) is None][:2]
    seen = company.scan(userid=company.followers[2]).follow.external_userid
    await company.settle()
    for path in ((company.followers[2], taker, giver, seen), (giver, taker, giver, unseen)):
        *members, whom = path
        if whom == unseen:
            company.sandbox.machine.faults.add(Fault(0, "callback", "drop"))
        for source, to in pairwise(members):
            company.people.hand_over(source, to, whom, at_once=True)
            await company.settle()
            company.bot.clock.advance(timedelta(minutes=1))
    company.sandbox.machine.faults.clear()
    listed = {"external_userids": [seen, unseen, other, "wmNobody"]}
    made = await ask(company, draft(giver, [taker], customers=listed, message="以后由我为您服务"))
    assert (made.planned, made.left_out) == (2, {"twice": 1, "not_theirs": 1})

    # The answer is lost: what WeCom did is found, and not done again.
    company.sandbox.machine.faults.add(Fault(0, "api", "lose_answer", on=ASK, count=1))
    await work(company)
    assert await counts(company, made) == {"asking": 2}
    await work(company, seconds=65)
    assert (await counts(company, made))["waiting"] == 1, "WeCom knows of it"
    assert (await counts(company, made), company.calls(ASK)) == ({"waiting": 1, "failed": 1}, 2)
    assert await company.read(rows.count_causes, made.id) == {40128: 1}
    assert [each.message for each in company.world.transfers.values() if each.external_userid == other] == [
        "以后由我为您服务"
    ]
    await work(company, hours=25)
    assert await counts(company, made) == {"done": 1, "failed": 1}
    assert (await company.read(follows_of, giver))[other].status == "deleted_by_staff"
    assert (await company.read(follows_of, taker))[other].inherited

    # WeCom busy: nobody knows what it did, and it is asked again when it did nothing. What only a person can mend
    # pauses it; cancelled, it asks for nothing more.
    rest = await ask(company, draft(giver, [taker]))
    busy = company.sandbox.machine.faults.add(Fault(0, "api", "errcode", on=ASK, errcode=-1))
    await work(company)
    assert (await counts(company, rest))["asking"] == rest.planned
    company.sandbox.machine.faults.clear(busy.id)
    stopped = company.sandbox.machine.faults.add(Fault(0, "api", "errcode", on=ASK, errcode=40205))
    await work(company, hours=1)
    found = await company.read(rows.get_handover, rest.id)
    assert (found.status, "40205" in found.error) == ("paused", True)
    company.sandbox.machine.faults.clear(stopped.id)
    await company.bot.db.write(rows.act_on, rest.id, Act.RESUME, company.bot.clock.now())
    await company.bot.db.write(rows.act_on, rest.id, Act.CANCEL, company.bot.clock.now())
    calls = company.calls(ASK)
    await work(company, seconds=1)
    assert (await counts(company, rest), company.calls(ASK)) == ({"cancelled": rest.planned}, calls)
    with pytest.raises(ConflictError):
        await company.bot.db.write(rows.act_on, rest.id, Act.RESUME, company.bot.clock.now())

    # Cancelled before it is known that a call came to nothing: then nothing of it is under way for ever.
    late = await ask(company, draft(giver, [taker]))
    busy = company.sandbox.machine.faults.add(Fault(0, "api", "errcode", on=ASK, errcode=-1))
    await work(company)
    assert (await counts(company, late))["asking"] > 0
    await company.bot.db.write(rows.act_on, late.id, Act.CANCEL, company.bot.clock.now())
    company.sandbox.machine.faults.clear(busy.id)
    await work(company, hours=1)
    assert await counts(company, late) == {"cancelled": late.planned}
    assert (await handovers.look_at(company.bot.context, draft(giver, [taker]))).customers == late.planned


def test_a_group_that_is_being_handed_over_is_looked_up_again_and_not_given_up() -> None:
    told = {errcode: _group_answer(errcode)[0] for errcode in (0, 90504, 90507, 90508, -1, 90501)}
    assert told == {0: "done", 90504: "done", 90507: "asking", 90508: "asking", -1: "asking", 90501: "failed"}


def let_leases_run_out(session: Session) -> None:
    """As their minute would."""
    session.execute(delete(Lease))


def transfers(session: Session) -> list[Transfer]:
    return list(session.execute(select(Transfer)).scalars())


@pytest.mark.slow
async def test_killed_in_the_middle_each_customer_is_asked_for_once(urls: Urls, tmp_path: Path) -> None:
    async with Sandbox(World(staff=8, customers=300, clock=Clock())) as sandbox:
        config = config_for(sandbox, tmp_path / "config.toml", urls)
        await read_company(sandbox, urls)
        world, db = sandbox.world, open_database(urls.main, pool_size=2)
        giver, *takers = [member.userid for member in world.population.service][:3]
        theirs = sorted(world.customers.listed_by(giver))
        made = await db.write(
            rows.add_handover, giver, resigned=False, takeovers=draft(giver, takers).takeovers,
            audience={"everyone": True}, message="", asked_by="test", now=world.clock.now() - timedelta(minutes=1),
        )  # fmt: skip
        sandbox.machine.faults.add(Fault(0, "api", "lose_answer", on=ASK, probability=0.2))
        sandbox.machine.faults.add(Fault(0, "api", "latency", on=ASK, seconds=0.05))
        for stop_at in (3, 0):
            calls = sum(count for (path, _), count in sandbox.machine.calls.counts.items() if path == ASK)
            process = await Fork.start(handover_worker.main, config)
            ended = asyncio.create_task(process.wait())
            while stop_at and not ended.done():
                await asyncio.sleep(0.005)
                now = sum(count for (path, _), count in sandbox.machine.calls.counts.items() if path == ASK)
                if now >= calls + stop_at:
                    process.kill()
                    break
            code = await asyncio.wait_for(ended, 240)
            assert code == (0 if not stop_at else -9)
            await db.write(let_leases_run_out)
        asked = Counter(each.external_userid for each in world.transfers.values())
        assert asked == Counter(theirs)
        ours = await db.read(transfers)
        assert sorted(each.external_userid for each in ours) == theirs
        assert {each.status for each in ours} == {"waiting"}
        placed = {(each.external_userid, each.takeover_userid) for each in world.transfers.values()}
        assert {(each.external_userid, each.takeover_userid) for each in ours} == placed
        assert (await db.read(rows.get_handover, made)).planned == len(theirs)
        await db.close()


async def test_nothing_is_handed_over_in_observe_mode(start: Start) -> None:
    company = await start("observe")
    await sync(company)
    with pytest.raises(ObservingError):
        await ask(company, draft(company.followers[0], company.followers[1:2]))
