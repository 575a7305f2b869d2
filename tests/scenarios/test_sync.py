"""The sync: our rows become what the local WeCom's world says, whatever was missed; what is right stays."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from bot.config import SyncSettings
from bot.sandbox.faults import Fault
from bot.sandbox.records import LISTED
from bot.sandbox.server import Sandbox
from data.models import Customer, Follow, FollowStatus, FollowTag, SyncStatus, Tag
from data.queries import sync_runs as run_rows
from scheduler.sync import Sync, SyncBusyError, sync_when_due
from tests.scenarios.conftest import Company, Start

Pair = tuple[str, str]


def our_rows(session: Session) -> dict[Pair, tuple[Any, ...]]:
    """Every follow with its customer and tags, as WeCom would tell it."""
    tags: dict[Pair, set[str]] = {}
    marks = (
        select(Follow, FollowTag, Tag)
        .join(FollowTag, col(FollowTag.follow_id) == col(Follow.id))
        .join(Tag, col(Tag.tag_no) == col(FollowTag.tag_no))
    )
    for follow, mark, tag in session.execute(marks):
        assert mark.live == (follow.status == FollowStatus.PRESENT)
        tags.setdefault((follow.userid, follow.external_userid), set()).add(tag.tag_id)
    rows = session.execute(
        select(Follow, Customer).join(Customer, col(Customer.external_userid) == col(Follow.external_userid))
    )
    return {
        (follow.userid, follow.external_userid): (
            follow.status, customer.name, customer.unionid, customer.type, customer.gender, follow.remark,
            follow.state, follow.add_way, follow.added_at, follow.remark_mobiles,
            frozenset(tags.get((follow.userid, follow.external_userid), set())),
        )
        for follow, customer in rows
    }  # fmt: skip


def world_rows(company: Company) -> dict[Pair, tuple[Any, ...]]:
    """The same from the sandbox's own world."""
    world = company.world
    found: dict[Pair, tuple[Any, ...]] = {}
    for userid in company.followers:
        for external_userid in world.customers.listed_by(userid):
            customer, follow = (
                world.customers.get(external_userid),
                world.customers.find_follow(userid, external_userid),
            )
            assert follow is not None
            assert follow.friendship in LISTED
            found[userid, external_userid] = (
                FollowStatus.PRESENT, customer.name, customer.unionid, customer.type, customer.gender, follow.remark,
                follow.state, follow.add_way, datetime.fromtimestamp(follow.createtime, UTC), follow.remark_mobiles,
                frozenset(follow.tag_ids),
            )  # fmt: skip
    return found


async def sync(company: Company) -> tuple[dict[str, int], list[dict[str, str]]]:
    """Run one sync to its end: what it changed, and what it could not use."""
    run = await company.bot.db.write(run_rows.ask_for_run, "command", company.bot.clock.now())
    assert run.id is not None
    assert await Sync(company.bot.context).run(run.id) == SyncStatus.DONE
    return await company.bot.db.read(run_rows.sum_report, run.id)


async def test_everything_is_read_and_a_second_sync_writes_nothing(company: Company) -> None:
    changed, problems = await sync(company)
    assert problems == []
    assert await company.read(our_rows) == world_rows(company)
    assert changed["follows_new"] == len(world_rows(company))
    again, problems = await sync(company)
    assert (again, problems) == ({}, [])


async def test_what_missed_callbacks_broke_is_mended(company: Company) -> None:
    await sync(company)
    company.sandbox.machine.faults.add(Fault(id=0, target="callback", kind="drop"))
    world, first = company.world, company.followers[0]
    added = company.scan(name="没有回调的人")
    edited, lost = list(world.customers.listed_by(first))[:2]
    follow = world.customers.find_follow(first, edited)
    assert follow is not None
    follow.remark, follow.tag_ids = "改过的备注", [company.tag_ids[0]]
    world.customers.put_follow(follow)
    company.people.delete_by_staff(first, lost)
    await company.settle()
    company.bot.clock.advance(timedelta(minutes=5))

    changed, problems = await sync(company)
    assert problems == []
    ours = await company.read(our_rows)
    assert ours.pop((first, lost))[0] == FollowStatus.DELETED_BY_STAFF
    assert ours == world_rows(company)
    assert (added.follow.userid, added.follow.external_userid) in ours
    assert changed["follows_new"] == changed["follows_ended"] == changed["follows_changed"] == 1


async def test_a_customer_who_deleted_us_is_not_brought_back(company: Company) -> None:
    await sync(company)
    userid = company.followers[0]
    lost = next(iter(company.world.customers.listed_by(userid)))
    company.people.delete_by_customer(userid, lost)
    await company.settle()
    company.bot.clock.advance(timedelta(minutes=5))
    changed, _ = await sync(company)
    assert changed == {}, "WeCom lists it all the same"
    assert (await company.read(our_rows))[userid, lost][0] == FollowStatus.DELETED_BY_CUSTOMER


async def test_a_sync_that_is_cut_off_goes_on_where_it_stopped(company: Company) -> None:
    run = await company.bot.db.write(run_rows.ask_for_run, "command", company.bot.clock.now())
    assert run.id is not None
    reached = asyncio.Event()
    cut = Sync(company.bot.context, chains=1, on_progress=lambda *_: reached.set())
    work = asyncio.create_task(cut.run(run.id))
    await asyncio.wait_for(reached.wait(), 60)
    with pytest.raises(SyncBusyError):
        await Sync(company.bot.context).run(run.id)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    assert (await company.read(run_rows.get_run, run.id)).status == SyncStatus.RUNNING
    before = company.calls("externalcontact/batch/get_by_user")

    assert await Sync(company.bot.context).run(run.id) == SyncStatus.DONE
    assert await company.read(our_rows) == world_rows(company)
    changed, _ = await company.read(run_rows.sum_report, run.id)
    assert changed["follows_new"] == len(world_rows(company)), "what was done before the cut is counted too"
    assert before > 0


BATCH = "externalcontact/batch/get_by_user"
FAULTS: dict[str, dict[str, Any]] = {
    "busy": {"kind": "errcode", "on": BATCH, "errcode": -1, "count": 2},
    "the cursor is refused": {"kind": "errcode", "on": BATCH, "errcode": 50100, "count": 1},
    "the token expires": {"kind": "expire_token", "on": BATCH, "count": 2},
    "a connection is cut": {"kind": "drop", "on": "externalcontact/groupchat/get", "count": 2},
    "too many calls": {"kind": "throttle", "on": BATCH, "seconds": 1, "count": 1},
}


@pytest.mark.drawn
@pytest.mark.parametrize("name", FAULTS)
async def test_wecoms_faults_cost_time_and_nothing_else(company: Company, name: str) -> None:
    fault = company.sandbox.machine.faults.add(Fault(id=0, target="api", **FAULTS[name]))
    run = asyncio.create_task(sync(company))
    while not run.done():  # a pause that WeCom asked for is over as soon as the clock says so
        await asyncio.sleep(0.05)
        if fault.kind == "throttle":
            company.bot.clock.advance(timedelta(seconds=5))
    _, problems = run.result()
    assert problems == []
    assert await company.read(our_rows) == world_rows(company)


async def test_the_first_sync_begins_by_itself_once_the_staff_is_known(sandbox: Sandbox, start: Start) -> None:
    fault = sandbox.machine.faults.add(
        Fault(0, "api", "errcode", on="externalcontact/get_follow_user_list", errcode=60020)
    )
    company = await start(reads=False)
    settings = company.bot.settings.model_copy(update={"sync": SyncSettings(at="")})
    context = replace(company.bot.context, settings=settings)
    await company.bot.runner.run_now("poll_directory")
    assert not await sync_when_due(context), "WeCom does not let us in yet"
    sandbox.machine.faults.clear(fault.id)
    await company.bot.runner.run_now("poll_directory")
    assert await sync_when_due(context)
    assert not await sync_when_due(context)
    (first,) = await company.read(run_rows.list_runs)
    assert (first.cause, first.status) == ("first", "done")
    assert await company.read(our_rows) == world_rows(company)


async def test_the_night_begins_one_sync_once_there_was_a_first(company: Company) -> None:
    context = company.bot.context
    assert not await sync_when_due(context), "sync.first is off, and nobody has asked for one"
    await sync(company)
    assert not await sync_when_due(context)
    company.bot.clock.advance(timedelta(days=1))
    assert await sync_when_due(context)
    assert not await sync_when_due(context)
    (night, first) = await company.read(run_rows.list_runs)
    assert (night.cause, night.status, first.cause) == ("nightly", "done", "command")
