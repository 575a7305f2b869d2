"""Storing, claiming and finishing rows of the inbox."""

from __future__ import annotations

from datetime import datetime, timedelta

from data.db import Database
from data.models.inbox import Lane, OutcomeStatus, TaskStatus
from data.queries import events as event_rows
from data.queries import inbox as rows
from data.queries import inbox_claims as claim_rows
from data.queries.inbox import ClaimedTask, NewEvent, NewTask, OutcomeRow, StoredEvent, TaskResult, digest_of


def event(
    body: str,
    subject: str = "customer:a",
    lane: Lane = Lane.NORMAL,
    collapse_key: str = "",
    refresh: bool = False,
    awaited: bool = False,
) -> NewEvent:
    return NewEvent(
        digest=digest_of(body, None),
        callback="app",
        kind="kind",
        subject=subject,
        body=body,
        disposition="queued",
        tasks=(NewTask(lane, "" if lane == Lane.WELCOME else subject, collapse_key),),
        refresh=refresh,
        awaited=awaited,
    )


async def store(db: Database, now: datetime, *events: NewEvent, claim_welcomes: int = 0) -> list[StoredEvent]:
    stored = await db.write(rows.store_events, list(events), now, "me-1", now + timedelta(seconds=8), claim_welcomes)
    return [stored[each.digest] for each in events]


async def claim(db: Database, now: datetime, limit: int = 10, holder: str = "me-2") -> list[ClaimedTask]:
    return await db.write(claim_rows.claim_tasks, now, holder, now + timedelta(seconds=60), limit)


async def finish(db: Database, now: datetime, task: ClaimedTask, status: TaskStatus = TaskStatus.DONE) -> None:
    due = now + timedelta(seconds=30) if status == TaskStatus.WAITING else None
    await db.write(claim_rows.finish_tasks, [TaskResult(task, status, due, "why")], now)


async def test_an_event_that_comes_again_is_stored_once(inbox_db: Database, now: datetime) -> None:
    first, again = event("x"), event("x")
    (stored, same) = await store(inbox_db, now, first, again)
    assert stored.is_new
    assert stored.event_id == same.event_id
    (later,) = await store(inbox_db, now, event("x"))
    assert not later.is_new
    assert len(await claim(inbox_db, now)) == 1


async def test_events_of_one_subject_are_claimed_one_after_the_other(inbox_db: Database, now: datetime) -> None:
    await store(inbox_db, now, event("1"), event("2"), event("3", subject="customer:b"))
    claimed = await claim(inbox_db, now)
    assert [task.body for task in claimed] == ["1", "3"]
    assert await claim(inbox_db, now) == []
    await finish(inbox_db, now, claimed[0])
    assert [task.body for task in await claim(inbox_db, now)] == ["2"]


async def test_an_event_that_waits_for_its_retry_holds_back_later_ones(inbox_db: Database, now: datetime) -> None:
    await store(inbox_db, now, event("1"), event("2"))
    (task,) = await claim(inbox_db, now)
    await finish(inbox_db, now, task, TaskStatus.WAITING)
    assert await claim(inbox_db, now) == []
    later = now + timedelta(seconds=31)
    (again,) = await claim(inbox_db, later)
    assert (again.body, again.attempts) == ("1", 1)
    await finish(inbox_db, later, again, TaskStatus.DEAD)
    assert [task.body for task in await claim(inbox_db, later)] == ["2"], "a dead letter does not block the customer"


async def test_a_welcome_waits_for_nobody_and_goes_first(inbox_db: Database, now: datetime) -> None:
    await store(inbox_db, now, event("1"), event("2"), event("hello", lane=Lane.WELCOME))
    assert [task.body for task in await claim(inbox_db, now, limit=1)] == ["hello"]


async def test_a_welcome_is_stored_as_claimed_when_there_is_room(inbox_db: Database, now: datetime) -> None:
    first, second = await store(
        inbox_db, now, event("1", lane=Lane.WELCOME), event("2", lane=Lane.WELCOME), claim_welcomes=1
    )
    assert [task.body for task in first.claimed] == ["1"]
    assert second.claimed == ()
    assert [task.body for task in await claim(inbox_db, now)] == ["2"]


async def test_what_a_request_waits_for_is_claimed_where_it_is_stored(inbox_db: Database, now: datetime) -> None:
    """Another process would answer it, and the request would wait in vain."""
    first, second, other = await store(
        inbox_db, now, event("1", awaited=True), event("2", awaited=True), event("3", "customer:b", awaited=True),
        claim_welcomes=9,
    )  # fmt: skip
    assert [[task.body for task in each.claimed] for each in (first, second, other)] == [["1"], [], ["3"]]
    assert await claim(inbox_db, now) == [], "a member's messages are answered in their order"
    await finish(inbox_db, now, first.claimed[0])
    (task,) = await claim(inbox_db, now)
    assert (task.body, task.received_at) == ("2", now)
    full, _ = await store(inbox_db, now, event("4", "customer:c", awaited=True), event("5", "customer:d"))
    assert full.claimed == (), "there is no room"
    assert (await store(inbox_db, now, event("3", "customer:b", awaited=True)))[0] == (other.event_id, False, ())


async def test_waiting_edits_of_one_customer_are_answered_by_one(inbox_db: Database, now: datetime) -> None:
    await store(inbox_db, now, *(event(str(n), lane=Lane.STORM, collapse_key="edit:a") for n in range(50)))
    (task,) = await claim(inbox_db, now)
    assert (task.body, task.collapsed) == ("0", 49)
    await finish(inbox_db, now, task)
    assert await claim(inbox_db, now) == []


async def test_a_repeat_after_handling_refreshes_again_where_it_only_says_changed(
    inbox_db: Database, now: datetime
) -> None:
    edit = event("edit", refresh=True)
    await store(inbox_db, now, edit)
    (task,) = await claim(inbox_db, now)
    await store(inbox_db, now, edit)
    await finish(inbox_db, now, task)
    (again,) = await claim(inbox_db, now)
    assert again.run == 2, "the repeat came while the first was under way: what it saw may be old"
    await finish(inbox_db, now, again)
    await store(inbox_db, now, edit)
    assert [task.run for task in await claim(inbox_db, now)] == [3]


async def test_a_repeat_of_an_add_never_runs_again(inbox_db: Database, now: datetime) -> None:
    await store(inbox_db, now, event("add"))
    (task,) = await claim(inbox_db, now)
    await finish(inbox_db, now, task)
    await store(inbox_db, now, event("add"))
    assert await claim(inbox_db, now) == []


async def test_a_claim_comes_back_when_its_lease_ends_and_the_late_holder_changes_nothing(
    inbox_db: Database, now: datetime
) -> None:
    await store(inbox_db, now, event("1"))
    (lost,) = await claim(inbox_db, now, holder="dead-1")
    later = now + timedelta(seconds=61)
    assert await inbox_db.write(claim_rows.release_tasks, later) == 1
    (task,) = await claim(inbox_db, later, holder="alive-1")
    await finish(inbox_db, later, lost, TaskStatus.DEAD)
    await finish(inbox_db, later, task)
    assert await inbox_db.read(event_rows.count_tasks) == {}


async def test_only_handlers_that_did_not_finish_run_again(inbox_db: Database, now: datetime) -> None:
    await store(inbox_db, now, event("1"))
    (task,) = await claim(inbox_db, now)
    outcomes = (OutcomeRow("a", OutcomeStatus.DONE), OutcomeRow("b", OutcomeStatus.FAILED, "no"))
    await inbox_db.write(claim_rows.finish_tasks, [TaskResult(task, TaskStatus.WAITING, now, "b", outcomes)], now)
    (again,) = await claim(inbox_db, now)
    assert again.finished == {"a"}
    await finish(inbox_db, now, again)
    assert await inbox_db.write(event_rows.replay_events, now, event_id=again.event_id) == 1
    (replayed,) = await claim(inbox_db, now)
    assert replayed.finished == frozenset(), "a replay runs everything"


async def test_a_replay_does_not_wait_for_the_pause_of_a_retry(inbox_db: Database, now: datetime) -> None:
    await store(inbox_db, now, event("1"))
    (task,) = await claim(inbox_db, now)
    await finish(inbox_db, now, task, TaskStatus.WAITING)
    assert await claim(inbox_db, now) == []
    assert await inbox_db.write(event_rows.replay_events, now, event_id=task.event_id) == 1
    assert [each.attempts for each in await claim(inbox_db, now)] == [1]


async def test_retention_keeps_what_is_open_or_dead(inbox_db: Database, now: datetime) -> None:
    await store(inbox_db, now, event("done", "x"), event("dead", "y"), event("open", "z"))
    for task in await claim(inbox_db, now, limit=2):
        await finish(inbox_db, now, task, TaskStatus.DONE if task.body == "done" else TaskStatus.DEAD)
    assert await inbox_db.write(event_rows.purge_events, now + timedelta(days=1)) == 1
    bodies = [row["body"] for row in await inbox_db.read(event_rows.list_events)]
    assert sorted(bodies) == ["dead", "open"]
