"""Tombstones, and what the inbox holds about one customer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, SQLModel

from bot.erasing import SETTLE, erase_customer, export_customer, finish_erasures
from data import migrate
from data.db import Database, open_database
from data.errors import ErasedError, NotFoundError
from data.models import Customer, Erasure, Follow, RecipientState, Run, RunStatus, Touch, inbox_metadata
from data.models.inbox import Lane, OutcomeStatus, TaskStatus
from data.queries import alerts as alert_rows
from data.queries import batch_results as result_rows
from data.queries import batches as batch_rows
from data.queries import customers as customer_rows
from data.queries import erasures as rows
from data.queries import groups as group_rows
from data.queries import inbox as inbox_rows
from data.queries import inbox_claims as claim_rows
from data.queries import orders as order_rows
from data.queries import sync_pages as page_rows
from data.queries import touches as touch_rows
from data.queries import welcomes as welcome_rows
from data.queries.batch_results import Result
from data.queries.inbox import ClaimedTask, NewEvent, NewTask, OutcomeRow, TaskResult, digest_of
from data.rules.orders import OrderGiven, OrderItem, OrderStatus
from data.rules.preferences import TouchKind
from tests.privacy import ID, MOBILE, OTHER, UNIONID, rows_with
from tests.queries.test_batch_rows import fill as fill_campaign

SECOND = timedelta(seconds=1)


def body_of(kind: str, *ids: str) -> str:
    members = "".join(f"<Item><![CDATA[{each}]]></Item>" for each in ids)
    return f"<xml><Kind>{kind}</Kind><MemChangeList>{members}</MemChangeList></xml>"


async def store(inbox_db: Database, now: datetime, kind: str, subject: str, *ids: str) -> int:
    body = body_of(kind, *ids)
    event = NewEvent(digest_of(body, 0), "app", kind, subject, body, "queued", tasks=(NewTask(Lane.NORMAL, subject),))
    stored = await inbox_db.write(inbox_rows.store_events, [event], now, "claim", now + SECOND, 0)
    return stored[event.digest].event_id


async def claim(inbox_db: Database, now: datetime) -> list[ClaimedTask]:
    return await inbox_db.write(claim_rows.claim_tasks, now, "claim", now + 60 * SECOND, 50)


def ended(task: ClaimedTask, status: TaskStatus, note: str = "", **more: Any) -> TaskResult:
    outcome = OutcomeRow(
        "customers.on_added", OutcomeStatus.DONE, "recorded", {"whom": OTHER if f"[{ID}]" not in task.body else ID}
    )
    return TaskResult(task, status, note=note, outcomes=(outcome,), **more)


async def traces(db: Database, trace: str = ID, metadata: Any = SQLModel.metadata) -> list[str]:
    return await db.read(rows_with, trace, metadata)


async def test_events_go_dead_letters_too_and_their_id_leaves_the_others(
    db: Database, inbox_db: Database, now: datetime
) -> None:
    await store(inbox_db, now, "add", f"customer:{ID}", ID)
    dead = await store(inbox_db, now, "edit", f"customer:{ID}", ID)
    chat = await store(inbox_db, now, "chat", "chat:wr1", "staff", ID, OTHER)
    other = await store(inbox_db, now, "add", f"customer:{OTHER}", OTHER)
    while tasks := await claim(inbox_db, now):
        for task in tasks:
            status = TaskStatus.DEAD if task.event_id == dead else TaskStatus.DONE
            await inbox_db.write(
                claim_rows.finish_tasks, [ended(task, status, f"about {ID if task.event_id != other else OTHER}")], now
            )
    told = await export_customer(db, inbox_db, ID, now)
    assert len(told["tables"]["inbox_events"]) == 3
    assert len(told["tables"]["inbox_outcomes"]) == 3
    bodies = {row["id"]: row["body"] for row in told["tables"]["inbox_events"]}
    assert bodies[chat] is None, "others are in the group as well"
    assert ID in bodies[dead]
    done = await erase_customer(db, inbox_db, ID, "test", now)
    assert done.events == 3
    for table in ("inbox_events", "inbox_tasks", "inbox_outcomes"):
        kept = [row for row in await traces(inbox_db, "", inbox_metadata) if row.startswith(table)]
        assert len(kept) == 2, table
    assert [row for row in await traces(inbox_db, f"{ID}'", inbox_metadata) if OTHER not in row] == []
    kept = [row for row in await traces(inbox_db, OTHER, inbox_metadata) if f"'id': {other}" in row]
    assert [row.split(":")[0] for row in kept] == ["inbox_events", "inbox_tasks"]
    body = next(row for row in await traces(inbox_db, "chat:wr1", inbox_metadata) if f"'id': {chat}" in row)
    assert body_of("chat", "staff", "", OTHER) in body


async def test_what_a_handler_under_way_says_afterwards_goes_when_the_erasure_is_finished(
    db: Database, inbox_db: Database, now: datetime
) -> None:
    await store(inbox_db, now, "add", f"customer:{ID}", ID)
    (task,) = await claim(inbox_db, now)
    await erase_customer(db, inbox_db, ID, "test", now)
    await inbox_db.write(claim_rows.finish_tasks, [ended(task, TaskStatus.DONE)], now)
    await db.write(
        lambda session: session.add(Follow(userid="u", external_userid=ID, status="present", changed_at=now))
    )
    late = await store(inbox_db, now, "late", f"customer:{ID}", ID)
    assert late
    assert await finish_erasures(db, inbox_db, now + SECOND) == 0
    assert await traces(db) != []
    assert await finish_erasures(db, inbox_db, now + SETTLE) == 1
    assert await traces(db) == []
    assert await traces(inbox_db, "", inbox_metadata) == []
    assert await finish_erasures(db, inbox_db, now + SETTLE) == 0


async def test_a_crash_between_the_databases_is_made_good(db: Database, inbox_db: Database, now: datetime) -> None:
    await store(inbox_db, now, "add", f"customer:{ID}", ID)
    await db.write(lambda session: session.add(Customer(external_userid=ID, name="小鱼", first_seen_at=now)))
    await db.write(rows.begin_erasure, ID, "test", now)
    # Here the process ends; the tombstone holds, the inbox was not looked at.
    with pytest.raises(ErasedError):
        await db.write(customer_rows.lock_customer, ID, now)
    assert await traces(inbox_db, ID, inbox_metadata) != []
    assert await finish_erasures(db, inbox_db, now + SETTLE) == 1
    assert await traces(inbox_db, ID, inbox_metadata) == []
    assert await traces(db) == []


async def test_a_crash_after_the_events_were_noted_is_made_good(
    db: Database, inbox_db: Database, now: datetime
) -> None:
    event_id = await store(inbox_db, now, "add", f"customer:{ID}", ID)
    await db.write(rows.begin_erasure, ID, "test", now)
    await db.write(rows.note_events, ID, [event_id], event_id)
    await finish_erasures(db, inbox_db, now + SETTLE)
    assert await traces(inbox_db, ID, inbox_metadata) == []


async def test_nobody_writes_an_erased_customer_down_again(db: Database, inbox_db: Database, now: datetime) -> None:
    await erase_customer(db, inbox_db, ID, "test", now)
    later = now + SETTLE
    await finish_erasures(db, inbox_db, later)
    contact = {"external_userid": ID, "name": "小鱼"}
    follow = {"userid": "zhangsan", "createtime": 1_700_000_000}

    def add(session: Session) -> None:
        customer_rows.record_add(session, "u", ID, state="", half=False, inherited=False, event_at=later, now=later)

    def fetched(session: Session) -> None:
        customer_rows.apply_fetched(session, contact, [follow], asked_at=later, now=later)

    def alert(session: Session) -> None:
        alert_rows.add_alert(session, dedupe_key="k", kind="k", userid="u", external_userid=ID, words="w", now=later)

    def welcome(session: Session) -> None:
        values = {"event_id": 1, "kind": "k", "userid": "u", "external_userid": ID, "received_at": later}
        welcome_rows.begin_welcome(session, values)

    for unit in (add, fetched, alert, welcome):
        with pytest.raises(ErasedError):
            await db.write(unit)

    def touch(session: Session) -> bool:
        return touch_rows.record(session, origin="o", kind=TouchKind.TASK, external_userid=ID, touched_at=later)

    assert not await db.write(touch)

    def page(session: Session) -> tuple[set[str], dict[str, int], set[str]]:
        told = [
            {"external_contact": {"external_userid": whom, "name": whom}, "follow_info": follow} for whom in (ID, OTHER)
        ]
        listed, problems = page_rows.read_page("zhangsan", told, later)
        assert problems == []
        before = page_rows.list_differing(session, listed, {}, later)
        changes = page_rows.apply_listed(session, listed, {}, later)
        return before, changes["zhangsan"].counts(), page_rows.list_differing(session, listed, {}, later)

    assert await db.write(page) == ({"zhangsan"}, {"customers_new": 1, "follows_new": 1}, set())

    def group(session: Session) -> None:
        members = [{"userid": whom, "type": 2, "join_time": 1_700_000_000} for whom in (ID, OTHER)]
        told = {"chat_id": "wr1", "member_list": members, "member_version": "a"}
        assert group_rows.apply_fetched(session, told, asked_at=later, now=later).joined == 1
        applied = group_rows.apply_member_change(
            session, "wr1", joined=[ID], left=[], join_scene=1, quit_scene=None, last_version="a",
            current_version="b", at=later, now=later,
        )  # fmt: skip
        assert applied

    await db.write(group)
    assert [row for row in await traces(db) if OTHER not in row] == []


async def test_an_order_of_an_erased_customer_is_an_order_of_nobody(
    db: Database, inbox_db: Database, now: datetime
) -> None:
    await db.write(lambda session: session.add(Customer(external_userid=ID, unionid=UNIONID, first_seen_at=now)))
    await erase_customer(db, inbox_db, ID, "test", now)
    await finish_erasures(db, inbox_db, now + SETTLE)

    def order(number: str, **clues: str) -> OrderGiven:
        return OrderGiven(
            source="shop", number=number, status=OrderStatus.PAID, amount_fen=100, placed_at=now,
            items=(OrderItem(name="a thing"),), mobile=MOBILE, **clues,
        )  # fmt: skip

    given = [order("1", external_userid=ID), order("2", unionid=UNIONID), order("3", unionid="o_other")]
    for _ in range(2):
        saved = await db.write(order_rows.save_orders, given, now)
        assert [each.external_userid for each in saved] == [None] * 3
    assert [each.result for each in saved] == ["unchanged"] * 3
    assert await traces(db) == await traces(db, UNIONID) == []
    assert [row.split("'number': ")[1][:3] for row in await traces(db, MOBILE)] == ["'3'"]


async def test_an_event_about_an_erased_customer_is_forgotten_when_it_is_handled(
    inbox_db: Database, now: datetime
) -> None:
    await store(inbox_db, now, "add", f"customer:{ID}", ID)
    (task,) = await claim(inbox_db, now)
    await inbox_db.write(claim_rows.finish_tasks, [ended(task, TaskStatus.DONE, forget=True)], now)
    assert await traces(inbox_db, "", inbox_metadata) == []


async def test_only_a_later_add_lifts_a_tombstone(db: Database, inbox_db: Database, now: datetime) -> None:
    await db.write(lambda session: session.add(Customer(external_userid=ID, unionid=UNIONID, first_seen_at=now)))
    await db.write(rows.begin_erasure, ID, "test", now)
    assert await db.read(rows.list_erased_unionids, [UNIONID, "o_other"]) == {UNIONID}
    assert not await db.write(rows.lift_erasure, ID, now + SECOND), "the inbox is still to be read"
    await erase_customer(db, inbox_db, ID, "again", now)
    assert await db.read(rows.list_erased_unionids, [UNIONID]) == {UNIONID}, "it was not known any more the second time"
    assert not await db.write(rows.lift_erasure, ID, now)
    assert await db.write(rows.lift_erasure, ID, now + SECOND)
    assert await db.read(rows.find_erased_at, ID) is None
    assert await db.read(rows.list_erased_unionids, [UNIONID]) == set()
    assert await finish_erasures(db, inbox_db, now + SETTLE) == 0


async def test_a_tombstone_says_of_nobody_that_they_were_erased(
    db: Database, inbox_db: Database, now: datetime
) -> None:
    assert await db.read(rows.find_erased_at, ID) is None
    await erase_customer(db, inbox_db, ID, "test", now)
    await finish_erasures(db, inbox_db, now + SETTLE)
    (row,) = await db.read(lambda session: [session.get(Erasure, each) for each in _digests(session)])
    assert row is not None
    assert (row.pending, row.erased_by, row.unionid_digest) == ({}, "test", "")
    assert await db.read(rows.list_erased, [OTHER, ID]) == {ID}
    with pytest.raises(NotFoundError):
        await export_customer(db, inbox_db, ID, now)


def _digests(session: Session) -> list[str]:
    key = rows._KEY
    return [rows.digest_of(session.execute(key).scalar_one(), ID)]


async def test_on_sqlite_what_is_deleted_is_overwritten(tmp_path: Path, now: datetime) -> None:
    path = tmp_path / "main.db"
    await migrate.prepare(f"sqlite:///{path}", "main")
    await migrate.prepare(f"sqlite:///{path}", "inbox")
    db = open_database(f"sqlite:///{path}")

    def put(session: Session) -> None:
        session.add(Customer(external_userid=ID, name="only here", first_seen_at=now))
        session.add(Touch(origin="o", kind="task", external_userid=ID, touched_at=datetime(2026, 1, 1, tzinfo=UTC)))

    await db.write(put)
    await store(db, now, "add", f"customer:{ID}", ID)
    await erase_customer(db, db, ID, "test", now)
    await finish_erasures(db, db, now + SETTLE)
    await db.close()
    assert b"only here" not in path.read_bytes()
    assert ID.encode() not in path.read_bytes()


async def test_a_campaign_goes_on_without_one_who_was_erased(db: Database, now: datetime) -> None:
    run_id, batch_id = await db.write(fill_campaign, now, RunStatus.AWAITING)
    sent = [Result("wm2", "ann", RecipientState.SENT, now)]
    await db.write(result_rows.write_results, batch_id, sent)
    for whom in ("wm1", "wm2"):
        await db.write(rows.begin_erasure, whom, "test", now)
    run = await db.read(lambda session: session.get_one(Run, run_id))
    batch = await db.read(batch_rows.get_batch, batch_id)
    assert (run.recipients, batch.recipients, batch.sent) == (1, 1, 1), "of whom nothing is known is waited for no more"
