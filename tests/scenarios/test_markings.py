"""Markings: what was asked for is on in the local WeCom and in our rows, whatever came between."""

from __future__ import annotations

import asyncio
import gc
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from bot import marking_plans, markings
from bot.errors import ObservingError
from bot.sandbox.faults import Fault
from data.errors import ConflictError
from data.models import Marking, MarkingItem
from data.queries import marking_items as item_rows
from data.queries import markings as rows
from data.queries import segment_names as segment_rows
from data.queries import tags as tag_rows
from data.rules.markings import Act, MarkingDraft, Pair
from data.rules.problems import InvalidRuleError
from data.rules.segments import Segment
from scheduler.leases import LeaseHeldError, alone
from scheduler.markings import LEASE, Marker, run_marking
from tests.scenarios.conftest import Company, Start
from tests.scenarios.test_sync import our_rows, sync, world_rows

MARK = "externalcontact/mark_tag"
GET = "externalcontact/get"


def everyone(put_on: list[str], take_off: list[str] | None = None, **audience: Any) -> MarkingDraft:
    """A marking of all contacts, or of another audience."""
    return MarkingDraft.model_validate(
        {"audience": audience or {"everyone": True}, "put_on": put_on, "take_off": take_off or []}
    )


async def ask(company: Company, draft: MarkingDraft) -> int:
    """A marking that waits to be done; its number."""
    made = await markings.ask_for_marking(company.bot.context, draft, "test")
    assert made.id is not None
    return made.id


async def finish(company: Company, marking_id: int) -> Marking:
    """Work on a marking until it rests, after whoever holds its lease."""
    async with asyncio.timeout(60):
        while (await company.read(rows.get_marking, marking_id)).status == "running":
            try:
                await run_marking(company.bot.context, marking_id)
            except LeaseHeldError:
                await asyncio.sleep(0.05)
    found: Marking = await company.read(rows.get_marking, marking_id)
    return found


def items(session: Session, marking_id: int) -> list[MarkingItem]:
    """What is left of a marking's items."""
    found = select(MarkingItem).where(col(MarkingItem.marking_id) == marking_id)
    return list(session.exec(found.order_by(col(MarkingItem.follow_id))))


async def agree(company: Company) -> None:
    """Our rows say of contacts what the local WeCom's world says."""
    ours = {pair: row[-1] for pair, row in (await company.read(our_rows)).items() if row[0] == "present"}
    assert ours == {pair: row[-1] for pair, row in world_rows(company).items()}


async def test_everyone_gets_a_tag_and_loses_another_and_those_who_are_right_cost_no_call(company: Company) -> None:
    await sync(company)
    put, off = company.tag_ids[:2]
    world = world_rows(company)
    right = [pair for pair, row in world.items() if put in row[-1] and off not in row[-1]]
    draft = everyone([put], [off])
    counted = await markings.count_marking(company.bot.context, draft)
    assert company.calls(MARK) == 0
    fetches = company.calls(GET)
    marking = await finish(company, await ask(company, draft))
    assert (marking.status, marking.examined, marking.already, marking.done, marking.failed) == (
        "done", len(world), len(right), len(world) - len(right), 0,
    )  # fmt: skip
    assert company.calls(MARK) == marking.done
    assert (counted.examined, counted.already, counted.items) == (marking.examined, marking.already, marking.items)
    assert (counted.gains, counted.losses) == (marking.gains, marking.losses)
    assert counted.gains[put] == sum(put not in row[-1] for row in world.values())
    assert counted.losses[off] == sum(off in row[-1] for row in world.values())
    assert all(put in row[-1] and off not in row[-1] for row in world_rows(company).values())
    await agree(company)
    assert await company.read(items, marking.id) == []
    await company.settle()
    assert company.calls(GET) == fetches, "marking calls nothing back and fetches nothing"
    again = await finish(company, await ask(company, draft))
    assert (again.items, again.already) == (0, marking.examined)
    assert await sync(company) == ({}, [])


async def test_a_marking_of_some_staff_of_who_wear_a_tag_and_of_a_list(company: Company) -> None:
    await sync(company)
    tag, worn = company.tag_ids[:2]
    userid = company.followers[0]
    world = world_rows(company)
    of_staff = {pair for pair in world if pair[0] == userid}
    wearers = {pair for pair in of_staff if worn in world[pair][-1]}
    await finish(company, await ask(company, everyone([tag], userids=[userid], tag_ids=[worn])))
    assert {pair for pair, row in world_rows(company).items() if tag in row[-1] and tag not in world[pair][-1]} == {
        pair for pair in wearers if tag not in world[pair][-1]
    }
    third = company.tag_ids[2]
    some = sorted(pair for pair in world if third not in world[pair][-1])[:7]
    listed = [{"userid": each, "external_userid": whom} for each, whom in [*some, some[0], ("nobody", "wmNobody")]]
    marking = await finish(company, await ask(company, everyone([third], pairs=listed)))
    assert (marking.audience, marking.examined, marking.done) == ({"pairs": 8}, 7, 7)
    await agree(company)


FAULTS: dict[str, dict[str, Any]] = {
    "busy": {"kind": "errcode", "errcode": -1, "probability": 0.3, "count": 40},
    "another edits the same customer": {"kind": "errcode", "errcode": 45035, "probability": 0.3, "count": 30},
    "the token expires": {"kind": "expire_token", "count": 3},
    "answers are lost": {"kind": "lose_answer", "probability": 0.2, "count": 20},
    "too many calls": {"kind": "throttle", "seconds": 1, "count": 1},
}


@pytest.mark.drawn
@pytest.mark.parametrize("name", FAULTS)
async def test_wecoms_faults_cost_time_and_nothing_else(company: Company, name: str) -> None:
    await sync(company)
    tag = company.tag_ids[0]
    fault = company.sandbox.machine.faults.add(Fault(id=0, target="api", on=MARK, **FAULTS[name]))
    work = asyncio.create_task(finish(company, await ask(company, everyone([tag]))))
    while not work.done():  # a pause that WeCom asked for is over as soon as the clock says so
        await asyncio.sleep(0.05)
        if fault.kind == "throttle":
            company.bot.clock.advance(timedelta(seconds=5))
    marking = work.result()
    assert (marking.status, marking.failed, marking.error) == ("done", 0, "")
    assert all(tag in row[-1] for row in world_rows(company).values())
    await agree(company)


async def test_those_who_left_fail_with_the_cause_and_the_others_are_marked(company: Company) -> None:
    await sync(company)
    tag = company.tag_ids[0]
    company.sandbox.machine.faults.add(Fault(0, "callback", "drop"))
    userid = company.followers[0]
    left = sorted(pair for pair, row in world_rows(company).items() if pair[0] == userid and tag not in row[-1])[:3]
    for pair in left:
        company.people.delete_by_staff(*pair)
    marking = await finish(company, await ask(company, everyone([tag])))
    assert (marking.status, marking.failed, marking.done) == ("done", 3, marking.items - 3)
    assert await company.read(item_rows.count_causes, marking.id) == {84061: 3}
    failures = await company.read(item_rows.list_failures, marking.id)
    assert sorted((each["userid"], each["external_userid"]) for each in failures) == left
    assert all(tag in row[-1] for row in world_rows(company).values())


async def test_a_tag_that_is_deleted_meanwhile_is_left_out(company: Company) -> None:
    await sync(company)
    gone, kept = company.tag_ids[:2]
    company.sandbox.machine.faults.add(Fault(0, "callback", "drop"))
    marking_id = await ask(company, everyone([gone, kept]))
    company.people.delete_tags([gone], [])
    marking = await finish(company, marking_id)
    assert (marking.status, marking.failed) == ("done", 0)
    assert gone not in await company.read(tag_rows.list_live_ids)
    assert all(kept in row[-1] for row in world_rows(company).values())
    await agree(company)


async def test_a_marking_whose_only_tag_is_deleted_ends_with_the_cause(company: Company) -> None:
    await sync(company)
    company.sandbox.machine.faults.add(Fault(0, "callback", "drop"))
    marking_id = await ask(company, everyone(company.tag_ids[:1]))
    company.people.delete_tags(company.tag_ids[:1], [])
    marking = await finish(company, marking_id)
    assert (marking.status, marking.done) == ("done", 0)
    assert await company.read(item_rows.count_causes, marking_id) == {40068: marking.items}
    assert company.calls("externalcontact/get_corp_tag_list") <= 3, "learnt once, not per follow"
    await agree(company)


async def test_what_only_a_person_can_mend_pauses_it_and_resuming_goes_on(company: Company) -> None:
    await sync(company)
    tag = company.tag_ids[0]
    fault = company.sandbox.machine.faults.add(Fault(0, "api", "errcode", on=MARK, errcode=60020))
    marking = await finish(company, await ask(company, everyone([tag])))
    assert (marking.status, marking.done, marking.failed) == ("paused", 0, 0)
    assert "60020" in marking.error
    company.sandbox.machine.faults.clear(fault.id)
    await company.bot.db.write(rows.act_on, marking.id, Act.RESUME, company.bot.clock.now())
    marking = await finish(company, marking.id or 0)
    assert (marking.status, marking.error, marking.done) == ("done", "", marking.items)
    await agree(company)


async def test_failures_that_never_end_pause_it(company: Company) -> None:
    complaints = list[Any]()
    asyncio.get_running_loop().set_exception_handler(lambda _, about: complaints.append(about))
    await sync(company)
    company.sandbox.machine.faults.add(Fault(0, "api", "errcode", on=MARK, errcode=40035))
    marking = await finish(company, await ask(company, everyone(company.tag_ids[:1])))
    assert marking.status == "paused"
    assert "in a row" in marking.error
    gc.collect()
    assert complaints == [], "what was begun is awaited"
    assert 100 <= marking.failed <= marking.items

    company.sandbox.machine.faults.clear()
    await company.bot.db.write(rows.act_on, marking.id, Act.RETRY, company.bot.clock.now())
    marking = await finish(company, marking.id or 0)
    assert (marking.status, marking.error, marking.failed, marking.done) == ("done", "", 0, marking.items)
    with pytest.raises(ConflictError, match="failed"):
        await company.bot.db.write(rows.act_on, marking.id, Act.RETRY, company.bot.clock.now())
    await agree(company)


async def slowed(company: Company) -> int:
    """A marking whose calls take long enough to be caught in the middle."""
    await sync(company)
    company.sandbox.machine.faults.add(Fault(0, "api", "latency", on=MARK, seconds=0.15))
    return await ask(company, everyone(company.tag_ids[:1]))


async def caught(company: Company, marking_id: int, act: Act | None = None) -> Marking:
    """Begin it, and once some are marked do `act`, or cut it off; how it stands then."""

    async def work() -> None:
        reached = asyncio.Event()
        marker = Marker(company.bot.context, marking_id, in_flight=4, on_progress=lambda *_: reached.set())
        working = asyncio.create_task(marker.run())
        await reached.wait()
        if act is not None:
            await company.bot.db.write(rows.act_on, marking_id, act, company.bot.clock.now())
            await working
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)

    async with asyncio.timeout(60):
        await alone(company.bot.context, LEASE, work)
    found: Marking = await company.read(rows.get_marking, marking_id)
    return found


async def test_it_can_be_paused_resumed_and_cancelled(company: Company) -> None:
    marking_id = await slowed(company)
    marking = await caught(company, marking_id, Act.PAUSE)
    assert (marking.status, 0 < marking.done < marking.items) == ("paused", True)
    (slow,) = company.sandbox.machine.faults.all.values()
    assert slow.struck == marking.done, "what was under way has ended, and its result was written"
    await agree(company)
    calls = company.calls(MARK)
    await asyncio.wait_for(company.bot.runner.run_now("markings"), 60)
    assert company.calls(MARK) == calls
    await company.bot.db.write(rows.act_on, marking_id, Act.RESUME, company.bot.clock.now())
    marking = await caught(company, marking_id, Act.CANCEL)
    assert (marking.status, marking.done < marking.items) == ("cancelled", True)
    assert slow.struck == marking.done
    with pytest.raises(ConflictError):
        await company.bot.db.write(rows.act_on, marking_id, Act.RESUME, company.bot.clock.now())
    await asyncio.wait_for(company.bot.runner.run_now("markings"), 60)
    assert await company.read(items, marking_id) == [], "what a cancelled one had yet to do is removed"
    await agree(company)


async def test_one_that_is_cut_off_goes_on_where_it_stopped(company: Company) -> None:
    marking_id = await slowed(company)
    marking = await caught(company, marking_id)
    assert marking.status == "running"
    company.sandbox.machine.faults.clear()
    marking = await finish(company, marking_id)
    assert (marking.status, marking.done, marking.failed) == ("done", marking.items, 0)
    assert company.calls(MARK) <= marking.items + 8, "only what was under way is done twice"
    await agree(company)


async def test_planning_that_is_cut_off_goes_on_where_it_stopped(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sync(company)
    monkeypatch.setattr(marking_plans, "SPAN", 10)
    tag = company.tag_ids[0]
    counted = await markings.count_marking(company.bot.context, everyone([tag]))
    marking = await company.bot.db.write(
        rows.add_marking, {"everyone": True}, markings.change_of(everyone([tag])), asked_by="test", status="paused",
        now=company.bot.clock.now(),
    )  # fmt: skip
    assert await markings.plan_marking(company.bot.context, marking) == "paused", "one piece, then it looks"
    half = await company.read(rows.get_marking, marking.id)
    assert 0 < half.examined < counted.examined
    await company.bot.db.write(rows.act_on, marking.id, Act.RESUME, company.bot.clock.now())
    done = await finish(company, marking.id or 0)
    assert (done.examined, done.items, done.gains) == (counted.examined, counted.items, counted.gains)
    await agree(company)


async def test_a_hand_that_edits_while_a_marking_runs_is_not_overwritten(company: Company) -> None:
    marking_id = await slowed(company)
    tag, theirs = company.tag_ids[:2]
    pairs = sorted(world_rows(company))[:20]
    work = asyncio.create_task(finish(company, marking_id))
    for pair in pairs:
        company.people.edit(*pair, add_tags=[theirs])
        await asyncio.sleep(0.01)
    await work
    await company.settle()
    assert all({tag, theirs} <= world_rows(company)[pair][-1] for pair in pairs)
    await agree(company)


async def test_observing_counts_and_marks_nobody(start: Start) -> None:
    company = await start("observe")
    await sync(company)
    counted = await markings.count_marking(company.bot.context, everyone(company.tag_ids[:1]))
    assert counted.items > 0
    with pytest.raises(ObservingError):
        await ask(company, everyone(company.tag_ids[:1]))


@pytest.mark.drawn
@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ({"audience": {}, "put_on": ["t"]}, "audience"),
        ({"audience": {"everyone": True, "userids": ["a"]}, "put_on": ["t"]}, "audience"),
        ({"audience": {"pairs": []}, "put_on": ["t"]}, "audience.pairs"),
        ({"audience": {"everyone": True}}, "put_on"),
        ({"audience": {"everyone": True}, "put_on": ["t"], "take_off": ["t"]}, "take_off"),
        ({"audience": {"everyone": True}, "put_on": ["etNone"]}, "put_on"),
        ({"audience": {"tag_ids": ["etNone"]}, "put_on": ["t"]}, "audience.tag_ids"),
    ],
)
async def test_what_cannot_be_done_is_refused_with_the_path(company: Company, asked: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidRuleError) as refused:
        await markings.check(company.bot.context, MarkingDraft.model_validate(asked))
    assert path in [problem.path for problem in refused.value.problems]


async def test_a_long_list_begins_when_all_of_it_is_written(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    await sync(company)
    monkeypatch.setattr(markings, "SPAN", 5)
    pairs = [Pair(userid=userid, external_userid=whom) for userid, whom in sorted(world_rows(company))[:23]]
    change = markings.change_of(everyone(company.tag_ids[:1]))
    counted = await markings.count_pairs(company.bot.context, pairs, change)
    made = await markings.mark_pairs(company.bot.context, pairs, change, "test")
    marking = await finish(company, made.id or 0)
    assert (marking.examined, marking.items, marking.done) == (23, counted.items, counted.items)
    await agree(company)


async def test_a_segment_is_an_audience_too(company: Company) -> None:
    await sync(company)
    tag, worn = company.tag_ids[:2]
    userid = company.followers[0]
    tree = {"all": [{"tags": {"tag_ids": [worn]}}, {"not": {"staff": {"userids": [userid]}}}]}
    world = world_rows(company)
    meant = {pair for pair, row in world.items() if worn in row[-1] and pair[0] != userid}
    counted = await markings.count_marking(company.bot.context, everyone([tag], segment=tree))
    assert counted.examined == len(meant)
    marking = await finish(company, await ask(company, everyone([tag], segment=tree)))
    assert (marking.status, marking.items) == ("done", counted.items)
    gained = {pair for pair, row in world_rows(company).items() if tag in row[-1] and tag not in world[pair][-1]}
    assert gained == {pair for pair in meant if tag not in world[pair][-1]}
    await agree(company)

    segment = Segment.model_validate({"name": "分群", "definition": {"tags": {"tag_ids": [worn]}}})
    saved = await company.bot.db.write(segment_rows.save_segment, segment, company.bot.clock.now())
    third = company.tag_ids[2]
    marking = await finish(company, await ask(company, everyone([third], segment_id=saved.id)))
    assert marking.examined == sum(worn in row[-1] for row in world.values())
    assert marking.audience == {"segment": {"tags": {"tag_ids": [worn]}}}, "as it was when it was asked for"
    await agree(company)
    for audience, path in (
        ({"segment_id": 77}, "audience.segment_id"),
        ({"segment": {"tags": {"tag_ids": ["etNone"]}}}, "audience.segment.tags.tag_ids"),
    ):
        with pytest.raises(InvalidRuleError) as refused:
            await ask(company, everyone([third], **audience))
        assert [problem.path for problem in refused.value.problems] == [path]
