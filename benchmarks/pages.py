"""The console's pages over HTTP at a million customers: how long each takes until all of it is there.

One browser asks for one page after the other, as somebody who looks through them would; beside it the bot has nothing
to do. What the pages show is the made-up company of `benchmarks/million.py`, here with Chinese names.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from sqlalchemy import select
from sqlmodel import Session, col

from benchmarks.million import copy_ready, draw
from benchmarks.processes import bot
from benchmarks.results import Result, at_most
from benchmarks.segments import ANY, RARE, fill
from benchmarks.sync import postgres
from benchmarks.welcome import percentile
from bot.console.logins import COOKIE
from bot.console.sidebar import TABS
from data.db import open_database
from data.models import Account, Follow, Role
from data.queries import account_sessions, follow_words, segment_names
from data.queries.staff import map_departments
from data.rules.problems import parse
from data.rules.segments import Segment

ROUNDS = 20
FOUND_AT_ONCE = 5_000
LISTS_MS, CUSTOMER_MS, COUNT_MS = 100.0, 50.0, 300.0
FAMILY, GIVEN = "王李张刘陈杨黄赵吴周", "伟芳娜敏静丽强磊军洋艳勇杰娟涛明超秀霞平刚桂英华玉兰鑫欣怡博"
#: What one customer alone is called.
RARE_NAME = "欧阳千里"

SEARCHED = {
    "a rare name": RARE_NAME, "a common name": "王伟", "nobody's name": "诸葛", "one character": "博",
    "a remark": "R77777",
}  # fmt: skip
LISTS = ("segments", "tags", "campaigns", "calendar", "journeys", "tasks", "media", "events", "syncs", "jobs", "calls",
         "audit", "accounts")  # fmt: skip
#: The manager's, of 50.
DEPARTMENT = 7

_NUMBER = "CAST(substr(name, 2) AS BIGINT)"


class Readers(NamedTuple):
    """The tokens of three signed-in browsers, the ids of saved segments by name, customers whom the first two may see,
    and those of the third, a member of the staff."""

    admin: str
    manager: str
    member: str
    segments: Mapping[str, int]
    customers: Sequence[str]
    members: Sequence[str]


class Page(NamedTuple):
    """What is asked for: in words, with whose token, where (several are taken in turn), within how long, if
    there is a goal."""

    words: str
    token: str
    paths: Sequence[str]
    goal_ms: float | None


def pages_sqlite(folder: Path) -> list[Result]:
    """Goals: p95 of 100 ms for lists and the home page, 50 ms for a customer and beside a chat, 300 ms for a count."""
    return _measure(folder, f"sqlite:///{folder}/siyu.db", "SQLite")


def pages_postgres(folder: Path) -> list[Result]:
    """The same without goals, which are SQLite's."""
    with postgres() as url:
        return [replace(result, goal="", met=None) for result in _measure(folder, url, "PostgreSQL")]


def _measure(folder: Path, url: str, name: str) -> list[Result]:
    ready = os.environ.get("SIYU_BENCH_PAGES") if url.startswith("sqlite") else None
    if ready:
        copy_ready(ready, folder / "siyu.db")
    else:
        fill(url, _named(), now=datetime.now(UTC))
        asyncio.run(_let_be_found(url))
    readers = asyncio.run(_sign_in(url))
    results: list[Result] = []
    with bot(folder, database=url) as ours:
        for page in _pages(readers):
            with _browser(ours.url, page.token) as ask:
                times = [ask(page.paths[number % len(page.paths)]) for number in range(ROUNDS + 2)][2:]
            words, milliseconds = f"pages: {page.words}, p95, {name}", percentile(times, 95) * 1000
            result = Result(words, milliseconds, "ms")
            results.append(result if page.goal_ms is None else at_most(words, milliseconds, "ms", page.goal_ms))
    return results


async def _let_be_found(url: str) -> None:
    """Fill what searches look through: the statements above wrote names past the queries."""
    db = open_database(url)
    after: int | None = 0
    try:
        while after is not None:
            after = await db.write(_find_some, after)
    finally:
        await db.close()


def _find_some(session: Session, after: int) -> int | None:
    wrong, last = follow_words.list_wrong(session, after, FOUND_AT_ONCE)
    follow_words.write_right(session, wrong)
    return last


def _named() -> str:
    """A statement that gives the customers Chinese names of two or three characters."""
    family, given = f"{draw(_NUMBER, 30, len(FAMILY))} + 1", f"{draw(_NUMBER, 31, len(GIVEN))} + 1"
    other, has_other = f"{draw(_NUMBER, 32, len(GIVEN))} + 1", f"{draw(_NUMBER, 33, 3)} > 0"
    return (
        f"UPDATE customers SET name = CASE {_NUMBER} WHEN 7 THEN '{RARE_NAME}' "
        f"ELSE substr('{FAMILY}', {family}, 1) || substr('{GIVEN}', {given}, 1) "
        f"|| CASE WHEN {has_other} THEN substr('{GIVEN}', {other}, 1) ELSE '' END END"
    )


def _pages(readers: Readers) -> Iterator[Page]:
    customers = "/console/customers"
    for who, token in (("an admin", readers.admin), ("a manager", readers.manager)):
        yield Page(f"home, {who}", token, ["/console"], LISTS_MS)
        yield Page(f"customers, {who}", token, [customers], LISTS_MS)
        yield Page(f"customers, far behind, {who}", token, [f"{customers}?before=300000"], LISTS_MS)
        for words, text in SEARCHED.items():
            yield Page(f"search for {words}, {who}", token, [f"{customers}?{urlencode({'q': text})}"], LISTS_MS)
        for question in RARE:
            path = f"{customers}?segment_id={readers.segments[question.name]}"
            yield Page(f"customers: {question.name}, {who}", token, [path], LISTS_MS)
        yield Page(f"report of a month, {who}", token, ["/console/reports?kind=month"], LISTS_MS)
        yield Page(f"one customer, {who}", token, [f"{customers}/{each}" for each in readers.customers], CUSTOMER_MS)
    sidebar = [f"/sidebar/customers/{each}" for each in readers.members]
    for tab in ("", *TABS):
        paths = [f"{each}/{tab}" if tab else each for each in sidebar]
        yield Page(f"beside a chat{', ' if tab else ''}{tab}, a member", readers.member, paths, CUSTOMER_MS)
    yield Page("beside no chat, a member", readers.member, ["/sidebar"], CUSTOMER_MS)
    for noun in LISTS:
        yield Page(f"{noun}, an admin", readers.admin, [f"/console/{noun}"], LISTS_MS)
    for question in (*RARE, *ANY):
        path = f"/console/segments/{readers.segments[question.name]}/count"
        yield Page(f"live count, {question.name}", readers.admin, [path], COUNT_MS)
        yield Page(f"all of it counted, {question.name}", readers.admin, [f"{path}?exact=yes"], None)


async def _sign_in(url: str) -> Readers:
    """An admin, a manager of one of 50 departments, and segments, written before the bot begins."""
    db = open_database(url)
    try:
        return await db.write(_make_readers)
    finally:
        await db.close()


def _make_readers(session: Session) -> Readers:
    now, segments = datetime.now(UTC), {}
    for question in (*RARE, *ANY):
        segment = parse(Segment, {"name": question.name, "definition": question.tree})
        segments[question.name] = segment_names.save_segment(session, segment, now).id
    admin, manager = (
        begin_session(session, Role.ADMIN, [], now),
        begin_session(session, Role.MANAGER, [DEPARTMENT], now),
    )
    of_members = select(col(Follow.external_userid)).where(col(Follow.userid).in_(_members(session)))
    userid = _members(session)[0]
    mine = select(col(Follow.external_userid)).where(col(Follow.userid) == userid, col(Follow.status) == "present")
    member = begin_session(session, Role.STAFF, [], now, userid)
    customers, members = (session.execute(each.limit(ROUNDS)).scalars().all() for each in (of_members, mine))
    return Readers(admin, manager, member, segments, customers, members)


def _members(session: Session) -> list[str]:
    return [userid for userid, within in map_departments(session).items() if DEPARTMENT in within]


def begin_session(
    session: Session, role: Role, departments: list[int], now: datetime, userid: str | None = None
) -> str:
    """A browser of somebody of that role is signed in; its token."""
    account = Account(name=role, role=role, made_at=now, department_ids=departments, userid=userid)
    token = secrets.token_urlsafe()
    session.add(account)
    session.flush()
    assert account.id is not None
    account_sessions.begin_session(session, token, account.id, now)
    return token


@contextmanager
def _browser(url: str, token: str) -> Iterator[Callable[[str], float]]:
    """A browser that keeps its connection; it tells how many seconds a page took, which has to be there."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    headers = {"Cookie": f"{COOKIE}={token}", "Accept-Encoding": "gzip"}

    def ask(path: str) -> float:
        began = time.perf_counter()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        taken = time.perf_counter() - began
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}")
        return taken

    try:
        yield ask
    finally:
        connection.close()
