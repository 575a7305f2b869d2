"""The one way to read and to write."""

from __future__ import annotations

import asyncio
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.util import await_only
from sqlmodel import Session

from data import migrate
from data.db import Database, open_database
from data.errors import StorageError
from data.models import Follow, Tag
from data.postgres_database import MANY_AT_A_TIME
from data.queries.statistics import refresh_statistics
from data.queries.tags import list_live_ids
from data.sqlite import CHECKPOINT_PAGES, INBOX_CHECKPOINT_PAGES, copy_log, sqlite_engine
from tests.conftest import Urls


def add_tag(session: Session, tag_id: str) -> str:
    session.add(Tag(tag_id=tag_id, group_id="g", name=tag_id))
    return tag_id


def add_then_fail(session: Session, tag_id: str) -> None:
    add_tag(session, tag_id)
    session.flush()
    raise RuntimeError("after writing")


async def test_what_was_written_is_read(db: Database) -> None:
    assert await db.write(add_tag, "t1") == "t1"
    assert await db.read(list_live_ids) == ["t1"]


async def test_a_failed_unit_leaves_nothing_and_harms_no_other(db: Database) -> None:
    results = await asyncio.gather(
        db.write(add_tag, "a"),
        db.write(add_then_fail, "b"),
        db.write(add_tag, "c"),
        db.write(add_tag, "a"),
        return_exceptions=True,
    )
    first, failed, other, same = results
    assert isinstance(failed, RuntimeError)
    assert other == "c"
    assert sorted([isinstance(first, Exception), isinstance(same, Exception)]) == [False, True], "one key, one row"
    assert sorted(await db.read(list_live_ids)) == ["a", "c"]


async def test_a_reader_cannot_write(db: Database) -> None:
    await db.read(add_tag, "t1")
    assert await db.read(list_live_ids) == []


async def test_many_writers_at_once_all_get_their_answer(db: Database) -> None:
    names = [f"t{number}" for number in range(300)]
    assert await asyncio.gather(*(db.write(add_tag, name) for name in names)) == names
    assert sorted(await db.read(list_live_ids)) == sorted(names)


async def test_a_long_unit_on_sqlite_runs_in_no_savepoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def is_in_savepoint(session: Session) -> bool:
        return session.connection().in_nested_transaction()

    def short(session: Session) -> bool:
        return session.connection().in_nested_transaction()

    db = open_database(f"sqlite:///{tmp_path / 'siyu.db'}")
    limit = "data.sqlite_database.GROUP_SECONDS"
    monkeypatch.setattr(limit, 60.0)
    assert await asyncio.gather(*(db.write(is_in_savepoint) for _ in range(3))) == [False, True, True]
    monkeypatch.setattr(limit, -1.0)
    assert not any(await asyncio.gather(*(db.write(is_in_savepoint) for _ in range(3))))
    monkeypatch.setattr(limit, 60.0)
    units = (short, is_in_savepoint, short)
    assert await asyncio.gather(*map(db.write, units)) == [False, False, True], "what was long last comes first"
    assert await asyncio.gather(*map(db.write, units)) == [False, True, True], "it was not long this time"
    await db.close()


async def test_the_log_of_sqlite_is_copied_beside_the_writer(tmp_path: Path) -> None:
    path, copy = tmp_path / "siyu.db", tmp_path / "copy.db"
    await migrate.upgrade(f"sqlite:///{path}", "main")
    db, engine = open_database(f"sqlite:///{path}"), sqlite_engine(path, writes=False)

    async def copied() -> list[str]:
        shutil.copy(path, copy)  # without its log
        there = open_database(f"sqlite:///{copy}")
        try:
            return await there.read(list_live_ids)
        finally:
            await there.close()

    await db.write(add_tag, "new")
    assert await copied() == []
    await asyncio.to_thread(copy_log, engine)
    assert await copied() == ["new"]
    engine.dispose()
    await db.close()


async def test_how_long_a_log_may_become_is_for_who_opens_the_file(tmp_path: Path) -> None:
    pages = {"main.db": CHECKPOINT_PAGES, "inbox.db": INBOX_CHECKPOINT_PAGES}
    for name, expected in pages.items():
        db = open_database(f"sqlite:///{tmp_path / name}", checkpoint_pages=expected)
        for write in (db.write, db.write_here):
            assert await write(lambda session: session.execute(text("PRAGMA wal_autocheckpoint")).scalar()) == expected
        await db.close()


async def test_who_writes_many_rows_takes_turns_and_keeps_nobody_else_waiting(db: Database) -> None:
    running = most = 0
    free = asyncio.Event()

    def write(session: Session, name: str) -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        add_tag(session, name)
        session.flush()
        if db.dialect == "postgresql":  # where units run side by side
            await_only(free.wait())
        running -= 1
        return name

    names = [f"t{number}" for number in range(3 * MANY_AT_A_TIME)]
    many = [asyncio.create_task(db.write_many(write, name)) for name in names]
    assert await db.write(add_tag, "other") == "other"
    free.set()
    assert await asyncio.gather(*many) == names
    assert 1 <= most <= MANY_AT_A_TIME
    assert sorted(await db.read(list_live_ids)) == sorted([*names, "other"])


async def test_between_units_on_many_rows_is_a_rest_for_others(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REST", "LONGEST_REST_SECONDS"):
        monkeypatch.setattr(f"data.postgres_database.{name}", 1e6)
    first = [f"t{number}" for number in range(MANY_AT_A_TIME)]
    assert await asyncio.gather(*(db.write_many(add_tag, name) for name in first)) == first
    next_one = asyncio.create_task(db.write_many(add_tag, "next"))
    for number in range(30):  # far more than the next one would take
        await db.write(add_tag, f"other{number}")
    if db.dialect == "postgresql":
        assert not next_one.done()
        next_one.cancel()
    else:  # one writer, which many may share
        assert await next_one == "next"


@pytest.mark.parametrize("slow_disk", [False, True])
async def test_units_of_both_kinds_at_once(db: Database, monkeypatch: pytest.MonkeyPatch, slow_disk: bool) -> None:
    if slow_disk:
        monkeypatch.setattr("data.sqlite_database.QUICK_COMMIT_SECONDS", 0.0)
    names = [f"t{number}" for number in range(90)]
    units = [(db.write, db.write_here)[number % 2](add_tag, name) for number, name in enumerate(names)]
    failing = [db.write_here(add_then_fail, "x"), db.write_here(add_tag, "t0"), db.write_here(add_tag, "late")]
    results = await asyncio.gather(*units, *failing, return_exceptions=True)
    assert sum(isinstance(result, Exception) for result in results) == 2
    assert results[-1] == "late"
    for number in range(5):
        await db.write_here(add_tag, f"alone{number}")
    with pytest.raises(RuntimeError):
        await db.write_here(add_then_fail, "y")
    assert sorted(await db.read(list_live_ids)) == sorted([*names, "late", *(f"alone{number}" for number in range(5))])


def fill(session: Session, tag_id: str) -> None:
    """An ORM unit that runs into the full disk at its flush."""
    session.add(Tag(tag_id=tag_id, group_id="g", name="x" * 2_000_000))


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
@pytest.mark.parametrize("here", [False, True])
async def test_on_a_full_disk_nobody_is_told_of_success_in_vain(
    db: Database, here: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data.sqlite_database.GROUP_SECONDS", 60.0)  # all four in one transaction
    write = db.write_here if here else db.write

    def limit(session: Session) -> None:
        pages = session.execute(text("PRAGMA page_count")).scalar_one()
        session.execute(text(f"PRAGMA max_page_count={pages + 8}"))

    await write(limit)
    names = ["a", "b", "c", "d"]
    units = [write(fill if name == "b" else add_tag, name) for name in names]
    results = await asyncio.gather(*units, return_exceptions=True)
    told = [name for name, result in zip(names, results, strict=True) if not isinstance(result, Exception)]
    assert isinstance(results[1], StorageError)
    assert sorted(await db.read(list_live_ids)) == told


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_nobody_waits_for_a_database_that_is_closed(db: Database, urls: Urls) -> None:
    other = open_database(urls.main)
    await other.close()
    for write in (other.write, other.write_here):
        with pytest.raises(StorageError):
            await write(add_tag, "t1")


def stop_iteration(_session: Session) -> None:
    next(iter(()))


async def test_a_unit_that_lets_stop_iteration_out_harms_no_other(db: Database) -> None:
    results = await asyncio.gather(
        db.write(stop_iteration), db.write(add_tag, "a"), db.write_here(add_tag, "b"), return_exceptions=True
    )
    assert isinstance(results[0], Exception)
    assert sorted(await db.read(list_live_ids)) == ["a", "b"]


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_the_loop_goes_on_while_another_process_writes(db: Database, urls: Urls) -> None:
    other = sqlite_engine(Path(urls.main.removeprefix("sqlite:///")), writes=True)
    with other.connect() as connection, connection.begin():
        waiting = asyncio.ensure_future(db.write_here(add_tag, "t1"))
        for _ in range(5):
            await asyncio.sleep(0.01)
        assert not waiting.done()
    assert await waiting == "t1"
    other.dispose()
    assert await db.read(list_live_ids) == ["t1"]


async def test_a_time_without_a_zone_is_refused(db: Database) -> None:
    def write_naive(session: Session) -> None:
        session.add(Tag(tag_id="t", group_id="g", name="n", deleted_at=datetime(2026, 1, 1)))  # noqa: DTZ001

    with pytest.raises(Exception, match="has no time zone"):
        await db.write(write_naive)


@pytest.mark.parametrize("tree", list(migrate.TREES))
async def test_migrations_make_the_tables_that_the_models_say(urls: Urls, tree: migrate.Tree) -> None:
    url = urls.main if tree == "main" else urls.inbox
    assert await migrate.differences(url, tree) == []
    await migrate.prepare(url, tree)
    await migrate.upgrade(url, tree)


#: One of these finds one row, the other all.
_BY_TWO = "EXPLAIN QUERY PLAN SELECT remark FROM follows WHERE state = 'door1' AND changed_at = '2026-01-01'"


def _plan(session: Session) -> str:
    return str(session.execute(text(_BY_TWO)).all())


CHANGED_AT = datetime(2026, 1, 1, tzinfo=UTC)


def _follows(session: Session, many: int) -> None:
    known = session.execute(text("SELECT count(*) FROM follows")).scalar_one()
    for number in range(known, many):
        row = Follow(userid="a", external_userid=f"wm{number}", status="present", changed_at=CHANGED_AT)
        row.state = f"door{number}"
        session.add(row)


async def test_statements_are_planned_by_what_the_tables_hold(db: Database) -> None:
    await db.write(_follows, 1)
    await db.write(refresh_statistics)
    if db.dialect != "sqlite":
        return
    assert "ix_follows_state" not in await db.read(_plan)
    await db.write(_follows, 500)
    await db.write(refresh_statistics)
    assert "ix_follows_state" not in await db.read(_plan), "a connection knows what it was told when it was opened"
    db.plan_anew()
    assert "ix_follows_state" in await db.read(_plan)
    assert await db.write_here(add_tag, "t1") == "t1"
