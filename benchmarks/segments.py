"""Asking segments about a million follows with five tags each: counts beside the best SQL written by hand, and going
through all of them.

The company is made by set SQL (`benchmarks/million.py`). `SIYU_BENCH_SQLITE` and `SIYU_BENCH_POSTGRES` name a database
that is filled already.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import psutil
from sqlalchemy import text
from sqlmodel import Session

from benchmarks.million import NOW, Company, tag_id
from benchmarks.results import Result, at_least, at_most
from benchmarks.sync import postgres
from data import migrate
from data.db import Database, open_database
from data.queries import segments
from data.rules.problems import parse
from data.rules.segments import Node, Segment

FOLLOWS = int(os.environ.get("SIYU_BENCH_FOLLOWS", "1000000"))
ROUNDS = int(os.environ.get("SIYU_BENCH_ROUNDS", "12"))
ZONE = ZoneInfo("Asia/Shanghai")
MIB = 1024 * 1024


@dataclass(frozen=True)
class Question:
    """A segment, and the same asked by hand on SQLite and on PostgreSQL, if there is a goal beside it."""

    name: str
    tree: dict[str, Any]
    sqlite: str = ""
    postgres: str = ""


def tag(percent: float, number: int = 0) -> dict[str, Any]:
    """The condition that one of the tags is on, which so many per cent have."""
    return {"tags": {"tag_ids": [tag_id(percent, number)]}}


_FEMALE, _SHOP = {"gender": {"genders": ["female"]}}, {"channel": {"state_prefixes": ["store_0"]}}
_NO_ORDER, _RECENT = {"orders": {"count_at_most": 0}}, {"added": {"within_days": 400}}
_TOUCHED_LATELY = {"last_touch": {"within_days": 60}}
#: Instants in questions asked by hand; the segments' days begin at these.
_ADDED, _TOUCHED = "2025-01-27 16:00:00.000000", "2026-01-02 16:00:00.000000"
_BY_TAG = (
    "SELECT count(*) FROM follow_tags t CROSS JOIN follows f ON f.id = t.follow_id "
    "WHERE t.tag_no = 36 AND t.live AND {rest}"
)
_BY_TAG_POSTGRES = (
    "SELECT count(*) FROM follow_tags t JOIN follows f ON f.id = t.follow_id WHERE t.tag_no = 36 AND t.live AND {rest}"
)
_PAID = "o.external_userid = f.external_userid AND o.status IN ('paid', 'finished')"
_REST = (
    f"f.added_at >= '{_ADDED}+00' AND EXISTS (SELECT 1 FROM follow_tags x WHERE x.follow_id = f.id AND x.tag_no = 1)"
    f" AND NOT EXISTS (SELECT 1 FROM orders o WHERE {_PAID})"
)
_WOMEN = (
    "EXISTS (SELECT 1 FROM customers c WHERE c.external_userid = f.external_userid AND c.gender = 2) AND EXISTS"
    f" (SELECT 1 FROM touches o WHERE o.external_userid = f.external_userid AND o.touched_at >= '{_TOUCHED}+00')"
    " AND substr(f.state, 1, 7) = 'store_0'"
)


def _both(name: str, tree: dict[str, Any], rest: str) -> Question:
    return Question(name, tree, _BY_TAG.format(rest=rest.replace("+00'", "'")), _BY_TAG_POSTGRES.format(rest=rest))


#: Four conditions, the rarest tag on at most 2 %.
RARE = (
    _both("tag, tag, added, no order", {"all": [tag(2.0), tag(20.0), _RECENT, _NO_ORDER]}, _REST),
    _both("tag, female, touched, channel", {"all": [tag(2.0), _FEMALE, _TOUCHED_LATELY, _SHOP]}, _WOMEN),
    Question(
        "tag, department, amount, no group",
        {"all": [tag(0.5), {"department": {"department_ids": [2]}}, {"orders": {"yuan_at_most": 500}},
                 {"not": {"group": {}}}]},
    ),
    Question(
        "tag, not tag, touched or bought, WeChat",
        {"all": [tag(2.0), {"not": tag(10.0)}, {"type": {"types": ["wechat"]}},
                 {"any": [{"last_touch": {"within_days": 30}}, {"orders": {"count_at_least": 1}}]}]},
    ),
)  # fmt: skip
#: Any four conditions.
ANY = (
    Question(
        "female, WeChat, added, no order", {"all": [_FEMALE, {"type": {"types": ["wechat"]}}, _RECENT, _NO_ORDER]}),
    Question(
        "tag, not tag, not tag, never touched",
        {"all": [tag(20.0), {"not": tag(20.0, 1)}, {"not": tag(10.0)}, {"last_touch": {"never": True}}]},
    ),
    Question(
        "amount, touches, field, channel",
        {"all": [{"orders": {"yuan_at_least": 100}}, {"touches": {"at_most": 2, "within_days": 90}},
                 {"field": {"name": "level", "at_least": 3}}, {"channel": {"states": ["store_01", "store_02"]}}]},
    ),
    Question(
        "silent, not tag, female, touched",
        {"all": [{"silent": {"for_days": 60}}, {"not": tag(20.0)}, _FEMALE, _TOUCHED_LATELY]},
    ),
    Question(
        "four that do not hold", {"all": [{"not": tag(20.0)}, {"not": tag(10.0)}, {"not": {"group": {}}}, _NO_ORDER]}
    ),
    Question(
        "any of touched, bought, tag, birthday",
        {"any": [{"last_touch": {"within_days": 30}}, {"orders": {"count_at_least": 1}}, tag(20.0),
                 {"birthday": {"within_days": 7}}]},
    ),
    Question(
        "new, not sent to, touched, added",
        {"all": [{"origin": {"origins": ["new"]}}, {"campaign": {"campaign_id": 3, "did": "not_received"}},
                 {"touches": {"at_least": 1}}, {"added": {"more_than_days_ago": 30}}]},
    ),
)  # fmt: skip


def segments_sqlite(folder: Path) -> list[Result]:
    """Goals: p95 of 250 ms with a rare tag, 1 s for anything, 20 ms for one tag; twice the best by hand."""
    ready = os.environ.get("SIYU_BENCH_SQLITE")
    path = Path(ready) if ready else folder / "million.db"
    if not ready:
        fill(f"sqlite:///{path}")
    return asyncio.run(_measure(f"sqlite:///{path}", "SQLite"))


def segments_postgres(_folder: Path) -> list[Result]:
    """The same goals."""
    ready = os.environ.get("SIYU_BENCH_POSTGRES")
    if ready:
        return asyncio.run(_measure(ready, "PostgreSQL"))
    with postgres() as url:
        fill(url)
        return asyncio.run(_measure(url, "PostgreSQL"))


def fill(url: str, *then: str, follows: int = FOLLOWS, now: datetime = NOW) -> None:
    """Make the tables and a million follows in an empty database; `then`: statements after it; `now`: the company's."""
    if url.startswith("sqlite:///"):
        _fill_sqlite(Path(url.removeprefix("sqlite:///")), then, Company("sqlite", follows, now))
    else:
        asyncio.run(_fill_postgres(url, then, Company("postgresql", follows, now)))


def _fill_sqlite(path: Path, then: Sequence[str], company: Company) -> None:
    asyncio.run(migrate.prepare(f"sqlite:///{path}", "main"))
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -1000000"):
        connection.execute(f"PRAGMA {pragma}")
    indexes = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    ).fetchall()
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    for statement in [*company.statements(), *(sql for _, sql in indexes), company.recount, *then, "ANALYZE"]:
        connection.execute(statement)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()


async def _fill_postgres(url: str, then: Sequence[str], company: Company) -> None:
    await migrate.prepare(url, "main")
    connection = await asyncpg.connect(url)
    indexes = await connection.fetch(
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexname LIKE 'ix\\_%'"
    )
    dropped = [f"DROP INDEX {name}" for name, _ in indexes]
    made = [definition for _, definition in indexes]
    # The recount leaves each row twice, as no real company's are; what tells pages that all see comes with the second.
    analyse = ("VACUUM FULL follows", "VACUUM ANALYZE")
    # Where the next ones get their numbers from does not know of those that were given.
    numbers = [
        f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), max({column})) FROM {table}"
        for table, column in (("follows", "id"), ("tags", "tag_no"))
    ]
    for statement in [*dropped, *company.statements(), *made, "ANALYZE", company.recount, *numbers, *then, *analyse]:
        await connection.execute(statement)
    await connection.close()


async def _measure(url: str, name: str) -> list[Result]:
    db = open_database(url, pool_size=4)
    try:
        return [
            *await _one_tag(db, name),
            *await _counts(db, name, RARE, 250),
            *await _counts(db, name, ANY, 1000),
            *await _iterate(db, name),
        ]
    finally:
        await db.close()


async def _one_tag(db: Database, name: str) -> list[Result]:
    return [
        at_most(f"segments: one tag, {percent:g} %, p95, {name}", await _p95(partial(_count, db, tree)), "ms", 20)
        for percent in (20.0, 2.0)
        for tree in [_tree(tag(percent))]
    ]


async def _counts(db: Database, name: str, questions: tuple[Question, ...], goal: float) -> list[Result]:
    results: list[Result] = []
    for question in questions:
        tree = _tree(question.tree)
        found = await _count(db, tree)
        milliseconds = await _p95(partial(_count, db, tree))
        results.append(at_most(f"segments: {question.name} ({found:,}), p95, {name}", milliseconds, "ms", goal))
        by_hand = question.sqlite if db.dialect == "sqlite" else question.postgres
        if by_hand:
            assert await db.read(_by_hand, by_hand) == found, "the two ask the same"
            other = await _p95(partial(db.read, _by_hand, by_hand))
            ratio = milliseconds / other
            results.append(
                Result(f"segments: beside SQL by hand, {name}", milliseconds, "ms", other, ratio, "< 2 x", ratio < 2)
            )
    return results


def _by_hand(session: Session, statement: str) -> int:
    return int(session.execute(text(statement)).scalar_one())


async def _iterate(db: Database, name: str) -> list[Result]:
    process = psutil.Process()
    async for _ in segments.iterate(db, _tree(tag(0.5)), NOW, ZONE):
        pass
    rows, before, peak, began = 0, process.memory_info().rss, 0, time.perf_counter()
    async for part in segments.iterate(db, _tree({"status": {"statuses": list(_STATUSES)}}), NOW, ZONE):
        rows += len(part)
        peak = max(peak, process.memory_info().rss)
    rate = rows / (time.perf_counter() - began)
    return [
        at_least(f"segments: going through {rows:,}, {name}", rate, "rows/s", 100_000),
        at_most(f"segments: memory that grew meanwhile, {name}", (peak - before) / MIB, "MiB", 50),
    ]


_STATUSES = ("present", "half", "deleted_by_customer", "deleted_by_staff", "out_of_sight")


def _tree(source: dict[str, Any]) -> Node:
    return parse(Segment, {"name": "benchmark", "definition": source}).definition


async def _count(db: Database, tree: Node) -> int:
    return await db.read(segments.count, tree, NOW, ZONE)


async def _p95(ask: Callable[[], Awaitable[Any]]) -> float:
    """Milliseconds within which 95 of 100 are answered; the first one is not counted."""
    await ask()
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        await ask()
        times.append((time.perf_counter() - began) * 1000)
    return sorted(times)[min(ROUNDS - 1, int(ROUNDS * 0.95))]
