"""Backups: everything comes back, on either database and from one to the other; what is not whole touches nothing."""

from __future__ import annotations

import fcntl
import re
import uuid
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import JSON, Boolean, Date, Float, Integer, LargeBinary, Table, Time, insert, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Session, SQLModel, col

from bot.backups import is_due, list_backups, make_backup, name_for, remove_old, restore
from bot.config import DatabaseSettings, Settings
from data import migrate
from data.db import Database, open_database
from data.dumps import LEFT_OUT, MANIFEST, BackupError, StoppedError, Writer
from data.errors import ConflictError, SchemaError, StorageError
from data.models import Alert, ApiToken, Campaign, Customer, JourneyRow, Media, Run, inbox_metadata
from data.queries import kept as kept_rows
from data.queries.erasures import begin_erasure, list_erased
from data.queries.restores import settle_restored
from data.types import UtcDateTime
from tests.conftest import Urls
from tests.postgres import Server

#: What a restore itself writes.
WRITTEN = {"kept_values", "audit_entries"}
HOSTILE = "<script>'\"; DROP--\u202e\n{{7*7}} 🐟\u2028\\u0000"
ON_SQLITE = pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
NOW = datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC)


def settings(url: str) -> Settings:
    return Settings(database=DatabaseSettings(url=url))


@pytest.fixture
async def other_url(empty_url: str, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """An empty database of the other kind."""
    if not empty_url.startswith("sqlite"):
        yield f"sqlite:///{tmp_path}/other/siyu.db"
        return
    server: Server = request.getfixturevalue("postgres")
    async with server.database() as url:
        yield url


async def make_tables(url: str) -> Settings:
    found = settings(url)
    await migrate.prepare(found.database.url, "main")
    await migrate.prepare(found.inbox_url, "inbox")
    return found


def value_for(column: Any, number: int) -> Any:
    kind = column.type
    if isinstance(kind, Boolean):
        return bool(number % 2)
    if isinstance(kind, UtcDateTime):
        return NOW + timedelta(days=number)
    if isinstance(kind, Date):
        return date(2026, 3, number)
    if isinstance(kind, Time):
        return time(9, number)
    if isinstance(kind, Float):
        return number / 3
    if isinstance(kind, JSON | JSONB):
        return {"a": [number, None, HOSTILE, 1.5, {"b": True}]} if number < 3 else []
    if isinstance(kind, LargeBinary):
        return bytes(range(256))[::number][:32].ljust(32, b"x")
    if isinstance(kind, Integer) or "INT" in str(kind).upper():
        return number if column.primary_key else 2_000_000_000 + number
    return f"{number}{HOSTILE}"[: getattr(kind, "length", None) or 200]


def fill(session: Session, tables: list[Table]) -> None:
    for table in tables:
        for number in (1, 2, 3):
            values = {column.name: value_for(column, number) for column in table.columns}
            if number == 3:  # what may be nothing is nothing
                values |= {each.name: None for each in table.columns if each.nullable and not each.primary_key}
            session.execute(insert(table), [values])


def list_rows(session: Session, tables: list[Table]) -> dict[str, list[str]]:
    return {
        table.name: sorted(repr(tuple(row)) for row in session.execute(select(table)))
        for table in tables
        if table.name not in LEFT_OUT | WRITTEN
    }


async def with_databases(found: Settings, unit: Any) -> list[Any]:
    """What a unit of work gives back for the tables of the main database and of the inbox."""
    done = []
    for url, metadata in ((found.database.url, SQLModel.metadata), (found.inbox_url, inbox_metadata)):
        db = open_database(url, pool_size=1)
        try:
            done.append(await db.write(unit, list(metadata.tables.values())))
        finally:
            await db.close()
    return done


async def test_everything_comes_back_also_from_the_other_kind_of_database(
    empty_url: str, other_url: str, tmp_path: Path
) -> None:
    here, there = await make_tables(empty_url), settings(other_url)
    await with_databases(here, fill)
    before = await with_databases(here, list_rows)
    assert sum(map(len, before[0].values())) > 200
    file = tmp_path / "one.zip"
    manifest = await make_backup(here, file, NOW)
    assert file.stat().st_mode & 0o077 == 0, "nobody else may read it"
    assert (manifest.made_at, manifest.rows) == (NOW, 3 * len(manifest.tables))
    assert not LEFT_OUT & {each.name for each in manifest.tables}
    await restore(there, file, NOW, by="test", replace=False)
    assert await with_databases(there, list_rows) == before
    assert await migrate.differences(there.database.url, "main") == []
    with pytest.raises(ConflictError, match="--yes"):
        await restore(there, file, NOW, by="test", replace=False)
    # A new row does not get the number of one that is there.
    db = open_database(there.database.url, pool_size=1)

    def add(session: Session) -> int:
        token = ApiToken(name="new", digest="new", scopes=[], created_at=NOW)
        session.add(token)
        session.flush()
        return token.id or 0

    assert await db.write(add) == 4
    await db.close()

    back = tmp_path / "two.zip"
    await make_backup(there, back, NOW)
    await restore(here, back, NOW, by="test", replace=True)
    told, _ = await with_databases(here, list_rows)
    assert len(told["api_tokens"]) == 4
    assert {**told, "api_tokens": []} == {**before[0], "api_tokens": []}


@pytest.fixture
async def made(urls: Urls, tmp_path: Path) -> tuple[Settings, Path]:
    """A database with a few rows, and its backup."""
    found = Settings(database=DatabaseSettings(url=urls.main, inbox_url=urls.inbox))
    await with_databases(found, add_few)
    path = tmp_path / "backup.zip"
    await make_backup(found, path, NOW)
    return found, path


def add_few(session: Session, tables: list[Table]) -> None:
    if any(table.name == "staff" for table in tables):
        session.add(
            Media(sha256="a", kind="file", filename="a", content=b"\x00" * 70_000, size_bytes=70_000, added_at=NOW)
        )
        session.add(ApiToken(name="shop", digest="d", scopes=["a"], created_at=NOW))


def rewritten(path: Path, change: Any) -> Path:
    """The same file with other members."""
    new = path.with_name(f"{uuid.uuid4().hex}.zip")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(new, "w") as into:
        for name in old.namelist():
            if (content := change(name, old.read(name))) is not None:
                into.writestr(name, content)
    return new


@ON_SQLITE
async def test_what_is_not_whole_is_refused_before_anything_is_touched(made: tuple[Settings, Path]) -> None:
    found, path = made
    before = await with_databases(found, list_rows)
    token = "main/api_tokens.jsonl"
    torn = path.with_name("torn.zip")
    torn.write_bytes(path.read_bytes()[:-100])
    bad = path.with_name("bad.zip")
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as has:
        content[has.getinfo("main/media.jsonl").header_offset + 100] ^= 0xFF
    bad.write_bytes(content)
    text = path.with_name("text.zip")
    text.write_text("no backup")
    broken = [
        torn, text, bad, path.with_name("none.zip"),
        rewritten(path, lambda name, has: has.replace(b"shop", b"ship") if name == token else has),
        rewritten(path, lambda name, has: has + has if name == token else has),
        rewritten(path, lambda name, has: None if name == token else has),
        rewritten(path, lambda name, has: has.replace(b'"format": 1', b'"format": 2') if name == MANIFEST else has),
        rewritten(path, lambda name, has: None if name == MANIFEST else has),
    ]  # fmt: skip
    for each in broken:
        with pytest.raises(BackupError):
            await restore(found, each, NOW, by="test", replace=True)
    newer = rewritten(
        path, lambda name, has: re.sub(rb"main_\d{4}", b"main_9999", has) if name == "manifest.json" else has
    )
    with pytest.raises(SchemaError, match="newer"):
        await restore(found, newer, NOW, by="test", replace=True)
    assert await with_databases(found, list_rows) == before


@pytest.mark.parametrize("empty_url", ["sqlite"], indirect=True)
async def test_a_backup_of_an_older_version_is_brought_to_this_one(empty_url: str, tmp_path: Path) -> None:
    path, found = tmp_path / "old.zip", settings(empty_url)
    with Writer(path, Event()) as writer:
        columns = ["id", "name", "digest", "scopes", "created_at", "last_used_at", "revoked_at"]
        writer.add("main", "api_tokens", columns, [[7, "old", "d", '["a"]', "2025-01-02 03:04:05.000006", None, None]])
        writer.finish(made_at=NOW, dialect="sqlite", revisions={"main": "main_0030", "inbox": "inbox_0001"})
    await restore(found, path, NOW, by="test", replace=False)
    (row,) = (await with_databases(found, list_rows))[0]["api_tokens"]
    assert "datetime.datetime(2025, 1, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc)" in row
    assert await migrate.differences(empty_url, "main") == []


@ON_SQLITE
async def test_a_bot_that_runs_a_full_name_and_a_half_restore_are_noticed(made: tuple[Settings, Path]) -> None:
    found, path = made
    inbox, main = (Path(url.removeprefix("sqlite:///")) for url in (found.inbox_url, found.database.url))
    with Path(f"{inbox}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ConflictError, match="running"):
            await restore(found, path, NOW, by="test", replace=True)
    with pytest.raises(StorageError, match="already"):
        await make_backup(found, path, NOW)
    stop = Event()
    stop.set()
    with pytest.raises(StoppedError), Writer(path.with_name("never.zip"), stop) as writer:
        writer.add("main", "staff", ["userid"], [["a"]])
    assert {each.name for each in path.parent.glob("*never*")} == set()
    before = await with_databases(found, list_rows)
    # A process that is killed between the two files leaves databases that nobody works on by mistake.
    renamed = Path.rename

    def dies(self: Path, target: Any) -> Any:
        if self.name == f"{main.name}.restored":
            raise RuntimeError
        return renamed(self, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "rename", dies)
        with pytest.raises(RuntimeError):
            await restore(found, path, NOW, by="test", replace=True)
    with pytest.raises(SchemaError, match="siyu restore"):
        await migrate.prepare(found.database.url, "main")
    await restore(found, path, NOW, by="test", replace=True)
    await migrate.prepare(found.database.url, "main")
    assert await with_databases(found, list_rows) == before
    assert main.with_name(f"{main.name}.before-restore").exists()


async def test_what_may_have_been_sent_waits_for_a_person(db: Database) -> None:
    def prepare(session: Session) -> dict[str, int]:
        campaign = Campaign(name="a", made_by="x", made_at=NOW)
        journey = JourneyRow(name="j", status="running", made_by="x", made_at=NOW)
        session.add_all([campaign, journey])
        session.flush()
        own = Campaign(name="b", made_by="journey", made_at=NOW, journey_id=journey.id)
        session.add(own)
        session.flush()
        soon, past = NOW + timedelta(hours=1), NOW - timedelta(hours=1)
        runs = {
            "later": Run(wave_id=1, campaign_id=campaign.id or 0, status="due", due_at=soon, valid_until=soon),
            "due": Run(wave_id=2, campaign_id=campaign.id or 0, status="due", due_at=past, valid_until=soon),
            "sending": Run(wave_id=3, campaign_id=campaign.id or 0, status="sending", due_at=past, valid_until=soon,
                           started_at=past),
            "asked": Run(wave_id=4, campaign_id=campaign.id or 0, status="awaiting", due_at=past, valid_until=soon),
            "journey": Run(wave_id=5, campaign_id=own.id or 0, status="planning", due_at=past, valid_until=soon,
                           started_at=past),
        }  # fmt: skip
        session.add_all(runs.values())
        for number, status in enumerate(("waiting", "sent")):
            session.add(Alert(dedupe_key=str(number), kind="k", userid="u", words="w", status=status, created_at=past,
                              due_at=past))  # fmt: skip
        session.flush()
        return {name: run.id or 0 for name, run in runs.items()}

    ids = await db.write(prepare)
    held = await db.write(settle_restored, NOW - timedelta(hours=2), NOW, "siyu restore")
    assert held == (3, 1, 1, 0)

    def look(session: Session) -> Any:
        runs = {name: session.get_one(Run, number) for name, number in ids.items()}
        told = {name: (run.status, run.pause_rule, run.paused_by) for name, run in runs.items()}
        alerts = sorted(session.execute(select(col(Alert.status))).scalars())
        return told, alerts, session.execute(select(col(JourneyRow.status))).scalar_one()

    told, alerts, journey = await db.read(look)
    assert told == {
        "later": ("due", "", ""), "due": ("paused", "late", ""), "sending": ("paused", "", "siyu restore"),
        "asked": ("awaiting", "", ""), "journey": ("paused", "", "siyu restore"),
    }  # fmt: skip
    assert (alerts, journey) == (["failed", "sent"], "paused")
    row = await db.read(kept_rows.find_kept, kept_rows.RESTORED)
    assert row is not None
    assert row.value["waits"] is True


@pytest.mark.parametrize("urls", ["postgresql"], indirect=True)
async def test_who_was_erased_after_the_backup_is_erased_again(urls: Urls, tmp_path: Path) -> None:
    found, path = Settings(database=DatabaseSettings(url=urls.main, inbox_url=urls.inbox)), tmp_path / "backup.zip"
    db = open_database(found.database.url, pool_size=1)
    names = ("wm1", "wm2", "wm3")
    await db.write(lambda s: s.add_all(Customer(external_userid=each, first_seen_at=NOW) for each in names))
    await make_backup(found, path, NOW)
    await db.write(begin_erasure, "wm2", "an admin", NOW)
    await db.write(begin_erasure, "wm9", "an admin", NOW)
    await db.close()
    await restore(found, path, NOW, by="test", replace=True)
    db = open_database(found.database.url, pool_size=1)
    assert await db.read(lambda s: set(s.execute(select(col(Customer.external_userid))).scalars())) == {"wm1", "wm3"}
    assert await db.read(list_erased, ["wm1", "wm2", "wm3", "wm9"]) == {"wm2", "wm9"}
    await db.close()


def test_one_is_made_a_night_when_asked_for_and_the_newest_are_kept(tmp_path: Path) -> None:
    now = datetime(2026, 3, 4, 20, 0, tzinfo=UTC)
    assert is_due("02:30", UTC, now, None, None)
    assert is_due("02:30", UTC, now, now - timedelta(days=1), None)
    assert not is_due("02:30", UTC, now, now - timedelta(hours=1), None)
    assert is_due("02:30", UTC, now, now - timedelta(hours=1), now - timedelta(minutes=1))
    assert not is_due("", UTC, now, None, None)
    for hours in range(4):
        (tmp_path / name_for(now + timedelta(hours=hours))).touch()
    for odd in ("siyu-20261332T000000Z.zip.part", "mine.zip"):
        (tmp_path / odd).touch()
    assert list_backups(tmp_path / "none") == []
    assert remove_old(tmp_path, 3) == 1
    assert [each.made_at for each in list_backups(tmp_path)] == [now + timedelta(hours=hours) for hours in (3, 2, 1)]
    assert (tmp_path / "mine.zip").exists()
