"""Steps of a post's ledger that come too late, or twice, change nothing; what WeCom tells is written once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import Session, select

from data.db import Database
from data.errors import ConflictError
from data.models import (
    Batch,
    BatchStatus,
    Customer,
    Department,
    Follow,
    MomentReaction,
    ReactionKind,
    Run,
    RunStatus,
    Staff,
    Touch,
    Wave,
)
from data.queries import batch_lookups as lookup_rows
from data.queries import batch_results as result_rows
from data.queries import batches as batch_rows
from data.queries import moments as rows
from data.queries import publishers as publisher_rows
from data.queries.erasures import begin_erasure
from data.queries.moments import Publishers
from data.queries.publishers import Published, Reaction
from data.rules.moments import Visible

ANN_AND_BOB = Publishers(["ann", "bob"], 2, {})
BODY = {"text": {"content": "x"}}


def fill(session: Session, now: datetime) -> int:
    """A run of a post that is being planned; its number."""
    wave = Wave(campaign_id=5, kind="moments", content={}, audience={}, sender_policy="", valid_hours=1)
    session.add(wave)
    session.flush()
    run = Run(wave_id=wave.id or 0, campaign_id=5, status="planning", due_at=now,
              valid_until=now + timedelta(hours=1))  # fmt: skip
    session.add(run)
    session.flush()
    assert run.id is not None
    return run.id


async def plan(db: Database, now: datetime) -> tuple[int, int]:
    """A run whose post can be asked for, and its row in the ledger."""
    run_id = await db.write(fill, now)
    assert await db.write(rows.plan_post, run_id, ANN_AND_BOB, 7, now) == RunStatus.SENDING
    (waiting,) = await db.read(batch_rows.list_planned, run_id, 0, 10)
    return run_id, waiting.batch_id


async def make(db: Database, now: datetime, moment_id: str = "mom1") -> tuple[int, int]:
    """The same with its post made."""
    run_id, batch_id = await plan(db, now)
    assert await db.write(rows.claim_post, batch_id, BODY, ANN_AND_BOB, now)
    assert await db.write(rows.note_job, batch_id, now, "job1", now)
    assert await db.write(rows.note_post, batch_id, moment_id, None, now)
    return run_id, batch_id


async def states(db: Database, run_id: int) -> dict[str, str]:
    return {each.userid: each.state for each in await db.read(publisher_rows.list_publishers, run_id, 100)}


async def test_planning_twice_makes_one_row(db: Database, now: datetime) -> None:
    run_id, batch_id = await plan(db, now)
    assert await db.write(rows.plan_post, run_id, ANN_AND_BOB, 9, now) == RunStatus.SENDING
    run, batch = await db.read(batch_and_run, batch_id)
    assert (run.recipients, run.reach, batch.recipients) == (2, 7, 2)
    assert [each.batch_id for each in await db.read(batch_rows.list_planned, run_id, 0, 10)] == [batch_id]


def batch_and_run(session: Session, batch_id: int) -> tuple[Run, Batch]:
    batch = batch_rows.get_batch(session, batch_id)
    return session.get_one(Run, batch.run_id), batch


async def test_a_post_is_claimed_once_and_only_while_its_run_is_sent(db: Database, now: datetime) -> None:
    run_id, batch_id = await plan(db, now)
    assert not await db.write(rows.claim_post, batch_id, BODY, ANN_AND_BOB, now + timedelta(hours=1))
    only = Publishers(["ann"], 2, {"sender_unable": 1})
    assert await db.write(rows.claim_post, batch_id, BODY, only, now)
    assert await states(db, run_id) == {"ann": "waiting"}
    assert not await db.write(rows.claim_post, batch_id, BODY, ANN_AND_BOB, now)
    run, batch = await db.read(batch_and_run, batch_id)
    assert (run.recipients, batch.recipients, run.left_out) == (1, 1, {"sender_unable": 1})


async def test_nobody_is_left_to_publish_it(db: Database, now: datetime) -> None:
    run_id, batch_id = await plan(db, now)
    assert not await db.write(rows.claim_post, batch_id, BODY, Publishers([], 2, {"sender_unable": 2}), now)
    _, batch = await db.read(batch_and_run, batch_id)
    assert (batch.status, batch.final_at) == ("cancelled", now)
    assert await states(db, run_id) == {}
    nobody = await db.write(fill, now)
    await db.write(rows.plan_post, nobody, Publishers([], 0, {}), 0, now)
    assert await db.read(batch_rows.list_planned, nobody, 0, 10) == []


async def test_an_answer_that_comes_after_it_was_given_up_is_no_second_post(db: Database, now: datetime) -> None:
    _, batch_id = await plan(db, now)
    await db.write(rows.claim_post, batch_id, BODY, ANN_AND_BOB, now)
    await db.write(batch_rows.note_unknown, batch_id, now, "silence", now)
    assert await db.write(rows.note_job, batch_id, now, "job1", now), "it came after all"
    assert await db.write(rows.note_job, batch_id, now, "job1", now)
    assert not await db.write(rows.note_job, batch_id, now, "job2", now)
    await db.write(rows.note_job_lost, batch_id, "gone", now)
    _, batch = await db.read(batch_and_run, batch_id)
    assert (batch.status, batch.jobid, batch.error) == ("unknown", None, "gone")
    await db.write(lookup_rows.ask_again, batch_id, now, absent=now)
    assert not await db.write(rows.note_job, batch_id, now, "job1", now)
    await db.write(rows.note_job_lost, batch_id, "late", now)
    await db.write(rows.note_job_failed, batch_id, 40068, "late", None, now)
    _, batch = await db.read(batch_and_run, batch_id)
    assert (batch.status, batch.jobid) == ("planned", None)


async def test_a_post_that_another_row_owns_rests_for_a_person(db: Database, now: datetime) -> None:
    await make(db, now)
    _, batch_id = await plan(db, now)
    await db.write(rows.claim_post, batch_id, BODY, ANN_AND_BOB, now)
    await db.write(rows.note_job, batch_id, now, "job2", now)
    assert not await db.write(rows.note_post, batch_id, "mom1", None, now)
    _, batch = await db.read(batch_and_run, batch_id)
    assert (batch.status, batch.next_at) == ("unknown", None)
    with pytest.raises(ConflictError):
        await db.write(lookup_rows.adopt, batch_id, "mom1", now)
    assert (await db.write(lookup_rows.adopt, batch_id, "mom2", now)).status == BatchStatus.RECONCILED
    assert not await db.write(rows.note_post, batch_id, "mom3", None, now)


async def test_posts_and_batches_are_each_followed_by_their_own(db: Database, now: datetime) -> None:
    _, batch_id = await make(db, now)
    assert [due.batch.id for due in await db.read(result_rows.list_due, now, 10, moments=True)] == [batch_id]
    assert await db.read(result_rows.list_due, now, 10) == []
    _, other = await plan(db, now)
    await db.write(rows.claim_post, other, BODY, ANN_AND_BOB, now)
    assert await db.write(batch_rows.note_interrupted, now) == 1
    assert [each.id for each in await db.read(lookup_rows.list_unknown, now, 10, moments=True)] == [other]
    assert await db.read(lookup_rows.list_unknown, now, 10) == []
    unanswered = await db.read(rows.list_unanswered)
    assert [(batch.id, members) for batch, members in unanswered] == [(other, frozenset({"ann", "bob"}))]


async def test_what_wecom_tells_of_members_is_counted_once(db: Database, now: datetime) -> None:
    run_id, batch_id = await make(db, now)
    for _ in range(2):
        await db.write(publisher_rows.write_tasks, batch_id, {"ann": True, "cat": False}, now, {"ann", "cat"})
        assert await states(db, run_id) == {"ann": "published", "bob": "refused", "cat": "waiting"}
        run, batch = await db.read(batch_and_run, batch_id)
        assert (run.recipients, batch.recipients, batch.sent, batch.refused) == (3, 3, 1, 1)
        assert batch.confirmed_at is None
    later = now + timedelta(minutes=5)
    await db.write(publisher_rows.write_tasks, batch_id, {"ann": True, "bob": False, "cat": True}, later, None)
    assert await states(db, run_id) == {"ann": "published", "bob": "waiting", "cat": "published"}
    told = {each.userid: each.seen_at for each in await db.read(publisher_rows.list_publishers, run_id, 100)}
    assert told == {"ann": now, "bob": None, "cat": later}
    await db.write(publisher_rows.end_post, batch_id, later)
    await db.write(publisher_rows.end_post, batch_id, later + timedelta(hours=1))
    assert await states(db, run_id) == {"ann": "published", "bob": "stopped", "cat": "published"}
    _, batch = await db.read(batch_and_run, batch_id)
    assert (batch.status, batch.final_at, batch.sent, batch.stopped) == ("created", later, 2, 1)
    assert await db.read(publisher_rows.list_published, run_id, "", 10) == []


def add_customers(session: Session, now: datetime) -> None:
    for whom in ("wm1", "wm2", "wm3"):
        session.add(Customer(external_userid=whom, first_seen_at=now))
        session.add(Follow(userid="ann", external_userid=whom, status="present", changed_at=now))


async def test_who_sees_it_is_a_touch_and_who_reacts_is_written_once(db: Database, now: datetime) -> None:
    await db.write(add_customers, now)
    run_id, batch_id = await make(db, now)
    await db.write(publisher_rows.write_tasks, batch_id, {"ann": True, "bob": False}, now, None)
    (ann,) = await db.read(publisher_rows.list_published, run_id, "", 10)
    assert ann == Published("ann", now, None)
    for _ in range(2):
        await db.write(publisher_rows.write_audience, run_id, ann, ["wm1", "wm2", "wmStranger"])
    await db.write(publisher_rows.note_audience, run_id, "ann", 3, now)
    touched = await db.read(lambda session: session.exec(select(Touch)).all())
    assert {(each.external_userid, each.kind, each.campaign_id, each.touched_at) for each in touched} == {
        ("wm1", "moment", 5, now), ("wm2", "moment", 5, now),
    }  # fmt: skip
    at = datetime(2026, 3, 1, tzinfo=UTC)
    liked = Reaction("wm1", ReactionKind.LIKE, at)
    told = [liked, Reaction("wm1", ReactionKind.COMMENT, at), Reaction("wm1", ReactionKind.COMMENT, at + timedelta(1))]
    assert await db.read(publisher_rows.has_news, run_id, "ann", [liked])
    for reactions in ([liked], told, told[1:], told):
        await db.write(publisher_rows.write_reactions, run_id, "ann", reactions)
    assert not await db.read(publisher_rows.has_news, run_id, "ann", told)
    kept = await db.read(publisher_rows.list_reactions, run_id, 10)
    assert len(kept) == 3, "what is taken back stays"
    assert (await db.read(publisher_rows.count_seen, [run_id, 99])) == {
        run_id: {"audience": 3, "likes": 1, "comments": 2}
    }


async def test_nothing_is_written_about_who_was_erased(db: Database, now: datetime) -> None:
    await db.write(add_customers, now)
    run_id, batch_id = await make(db, now)
    await db.write(publisher_rows.write_tasks, batch_id, {"ann": True, "bob": False}, now, None)
    (ann,) = await db.read(publisher_rows.list_published, run_id, "", 10)
    await db.write(publisher_rows.write_reactions, run_id, "ann", [Reaction("wm1", ReactionKind.LIKE, now)])
    await db.write(begin_erasure, "wm1", "test", now)
    await db.write(publisher_rows.write_audience, run_id, ann, ["wm1"])
    await db.write(publisher_rows.write_reactions, run_id, "ann", [Reaction("wm1", ReactionKind.LIKE, now)])
    assert await db.read(lambda session: session.exec(select(MomentReaction)).all()) == []
    assert await db.read(lambda session: session.exec(select(Touch)).all()) == []


def add_staff(session: Session, now: datetime) -> None:
    session.add(Department(id=1, name="all", parent_id=0))
    session.add(Department(id=2, name="shop", parent_id=1))
    session.add(Department(id=3, name="closed", parent_id=1, gone_at=now))
    for userid, department, status, follows in (
        ("Ann", 2, 1, True), ("bob", 1, 1, True), ("cat", 2, 4, True), ("dan", 2, 1, False),
    ):  # fmt: skip
        session.add(
            Staff(userid=userid, department_ids=[department], status=status, follows_customers=follows, seen_at=now)
        )
    session.add(Staff(userid="eve", department_ids=[2], follows_customers=True, seen_at=now, gone_at=now))


@pytest.mark.parametrize(
    ("visible", "userids", "matched"),
    [
        (Visible(), ["Ann", "bob"], 3),
        (Visible(userids=("ANN", "dan", "nobody", "eve")), ["Ann"], 2),
        (Visible(department_ids=(2,)), ["Ann"], 3),
        (Visible(department_ids=(1,)), ["Ann", "bob"], 4),
        (Visible(department_ids=(2,), userids=("bob",)), ["Ann", "bob"], 4),
        (Visible(tag_ids=("etNone",)), [], 3),
    ],
)
async def test_who_is_to_publish_it(
    db: Database, now: datetime, visible: Visible, userids: list[str], matched: int
) -> None:
    await db.write(add_staff, now)
    found = await db.read(rows.find_publishers, visible, now.date())
    assert (found.userids, found.matched) == (userids, matched)
    assert sum(found.left_out.values()) == matched - len(userids)


async def test_what_is_not_there_is_told(db: Database, now: datetime) -> None:
    await db.write(add_staff, now)
    visible = Visible(userids=("ann", "eve"), department_ids=(2, 3), tag_ids=("etNone",))
    assert await db.read(rows.list_unknown_names, visible) == Visible(
        userids=("eve",), department_ids=(3,), tag_ids=("etNone",)
    )
