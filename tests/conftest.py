"""What every test can ask for. Databases are real: SQLite files and a PostgreSQL server from its wheel."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import logging
import os
import re
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
import uvloop
from hypothesis import settings
from sqlalchemy import Engine, util
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlmodel import Session

from bot.clock import Clock
from data import migrate
from data.db import Database, open_database
from data.queries import follow_facts, follow_words, order_credits
from data.sqlite import sqlite_engine
from tests.drawing import draw_number
from tests.postgres import MIGRATED, Server, make_cluster

pytest_plugins = ["tests.workers"]

# How long an example takes is for benchmarks to tell; the first one may load modules.
#: A third of what is usual: every run of the tests asks anew. `make everywhere` asks three times as often.
settings.register_profile("siyu", deadline=None, max_examples=100 if "SIYU_EVERYWHERE" in os.environ else 33)
settings.load_profile("siyu")

#: Tests run on the loop that the program runs on, which takes less time besides.
asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
#: Each bot that a test starts compiles the patterns of its routes; there are more than Python keeps otherwise.
re._MAXCACHE = 5_000  # type: ignore[attr-defined]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Which tests are run, and in which order."""
    _leave_out(config, items)
    items[:] = _long_ones_first(items)


def _long_ones_first(items: list[pytest.Item]) -> list[pytest.Item]:
    """Each worker begins with an equal part of all tests: the long ones come first in each, or one would be left alone
    with them at the end."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    long = [item for item in items if item.get_closest_marker("slow")]
    others = [item for item in items if not item.get_closest_marker("slow")]
    ordered: list[pytest.Item] = []
    for worker in range(workers):
        begin, end = (len(others) * part // workers for part in (worker, worker + 1))
        ordered += [*long[worker::workers], *others[begin:end]]
    return ordered


def _leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what another database has shown already, unless SIYU_EVERYWHERE is set (`make everywhere`).

    Tests of queries run on both databases. Of other tests each runs on the one that its name decides, so that half of
    them run on either. Of `first_case_on_both` the first case runs on both and the others on SQLite only; of `drawn`
    one case runs on either, others in the next run.
    """
    if "SIYU_EVERYWHERE" in os.environ:
        return
    databases, cases = dict[str, set[str]](), dict[str, list[str]]()
    for item in items:
        databases.setdefault(_case(item), set()).add(_database(item))
        known = cases.setdefault(_function(item), [])
        if _case(item) not in known:
            known.append(_case(item))
    on_both = [item for item in items if len(databases[_case(item)]) == 2]
    left_out = {item for item in on_both if _is_left_out(item, cases[_function(item)])}
    if left_out:
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]


def _is_left_out(item: pytest.Item, cases: list[str]) -> bool:
    if item.get_closest_marker("drawn"):
        drawn = draw_number(_function(item), len(cases))
        if drawn is not None:
            return cases[(drawn + (_database(item) == "postgresql")) % len(cases)] != _case(item)
    if item.get_closest_marker("first_case_on_both") or item.get_closest_marker("drawn"):
        return _case(item) != cases[0] and _database(item) == "postgresql"
    if item.path.parent.name == "queries":
        return False
    return _database(item) != ("sqlite", "postgresql")[zlib.crc32(_case(item).encode()) % 2]


#: The fixtures that run a test on both databases.
DATABASE_PARAMETERS = ("urls", "empty_url")


def _database(item: pytest.Item) -> str:
    params: dict[str, Any] = item.callspec.params if hasattr(item, "callspec") else {}
    return next((str(params[each]) for each in DATABASE_PARAMETERS if each in params), "")


def _function(item: pytest.Item) -> str:
    return item.nodeid.split("[", 1)[0]


def _case(item: pytest.Item) -> str:
    """A test and its parameters, whatever the database."""
    return item.nodeid.replace(_database(item), "", 1) if _database(item) else item.nodeid


def pytest_collection_finish() -> None:
    """Thousands of tests and all modules stay until the end: the garbage collector need not look through them.

    Nor need it begin every 700 objects: the program sets the same.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


@pytest.fixture(scope="session", autouse=True)
def plain_tracebacks() -> None:
    """What is logged before `configure_logs`: structlog itself paints each error with all variables, for seconds."""
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """A command that runs in the test's process sets logging up, to a stream that ends with the test."""
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.configure(**before)
    root.handlers = handlers
    root.setLevel(level)


@pytest.fixture(scope="session", autouse=True)
def compiled_statements() -> Iterator[None]:
    """Every test opens databases of its own; what SQLAlchemy compiles for one of them serves those after it.

    SQLAlchemy keeps compiled statements per engine and per dialect object. In one run dialects of one class are alike:
    one SQLite library, one PostgreSQL server. To compile all statements anew in every test is a quarter of the time.
    """
    kept: util.LRUCache[Any, Any] = util.LRUCache(5_000)

    def is_alike(self: Any, other: object) -> bool:
        return type(self) is type(other) and self.statement_compiler is other.statement_compiler  # type: ignore[attr-defined]

    def share(_dialect: type, engine: Engine) -> None:
        engine._compiled_cache = kept

    with pytest.MonkeyPatch.context() as patch:
        for dialect in (SQLiteDialect_pysqlite, PGDialect_asyncpg):
            patch.setattr(dialect, "__eq__", is_alike)
            patch.setattr(dialect, "__hash__", lambda self: hash(type(self)))
            patch.setattr(dialect, "engine_created", classmethod(share))
        yield


def _made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Coroutine[Any, Any, None]]) -> Path:
    """A folder that one worker of this run makes; the others wait for it."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            making = folder.with_suffix(".making")
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir()
            # The fixture may be asked for while a test's event loop runs.
            with ThreadPoolExecutor(1) as thread:
                thread.submit(asyncio.run, make(making)).result()
            making.rename(folder)
    return folder


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A PostgreSQL server with a migrated template to copy."""
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
    cluster = _made_once(tmp_path_factory, "postgres-cluster", make_cluster)
    # Not below pytest's own folder: another run of pytest closes that to the user that the server runs as.
    with tempfile.TemporaryDirectory(prefix="siyu-postgres-", ignore_cleanup_errors=True) as folder:
        subprocess.run(["cp", "-a", cluster / "data", folder], check=True)
        server = Server(Path(folder) / "data")
        yield server
        server.stop()


@dataclass(frozen=True)
class Urls:
    """Addresses of a fresh pair of databases with their tables."""

    main: str
    inbox: str


async def _make_files(folder: Path) -> None:
    for tree in migrate.TREES:
        await migrate.prepare(f"sqlite:///{folder}/{tree}.db", tree)


@pytest.fixture(scope="session")
def sqlite_templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with migrated files to copy: `main.db` and `inbox.db`."""
    return _made_once(tmp_path_factory, "sqlite-templates", _make_files)


def killed_on(database: str) -> pytest.MarkDecorator:
    """A test that starts and kills process after process: on one database, unless SIYU_KILLS asks for endurance."""
    databases = ["sqlite", "postgresql"] if "SIYU_KILLS" in os.environ else [database]
    return pytest.mark.parametrize("urls", databases, indirect=True)


def in_turn(numbers: int) -> pytest.MarkDecorator:
    """A test of `number`, each on one database: of two neighbours one on either, the next two the other way round."""
    databases = ("sqlite", "postgresql")
    cases = [
        (database, number)
        for number in range(numbers)
        for at, database in enumerate(databases)
        if "SIYU_EVERYWHERE" in os.environ or (number + number // 2) % 2 == at
    ]
    return pytest.mark.parametrize(("urls", "number"), cases, indirect=["urls"])


@pytest.fixture(params=["sqlite", "postgresql"])
async def urls(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Urls]:
    """A fresh database of each kind: a test that asks for it runs on both."""
    if request.param == "sqlite":
        for tree in migrate.TREES:
            shutil.copy(request.getfixturevalue("sqlite_templates") / f"{tree}.db", tmp_path)
        found = Urls(f"sqlite:///{tmp_path}/main.db", f"sqlite:///{tmp_path}/inbox.db")
        yield found
        await _check_facts(found.main)
        return
    server: Server = request.getfixturevalue("postgres")
    async with server.database(MIGRATED) as url:
        yield Urls(url, url)
        await _check_facts(url)


async def _check_facts(url: str) -> None:
    """Whatever a test did, follows know of other tables what those say."""
    if url.startswith("sqlite:///"):
        engine = sqlite_engine(Path(url.removeprefix("sqlite:///")), writes=False)
        with Session(engine) as session:
            _check(session)
        engine.dispose()
        return
    database = open_database(url, pool_size=1)
    try:
        await database.read(_check)
    finally:
        await database.close()


def _check(session: Session) -> None:
    wrong, _ = follow_facts.list_wrong(session, 0, 10_000)
    assert wrong == [], "somebody wrote another table without follow_facts.note_facts"
    orders, _ = order_credits.list_wrong(session, 0, 10_000)
    assert orders == [], "somebody wrote an order or a status without order_credits.note_orders"
    words, _ = follow_words.list_wrong(session, 0, 10_000)
    # Rows that a test wrote itself may have none.
    old = [each for each in words if each.kept]
    assert old == [], "somebody wrote a name without follow_words.note_words"


@pytest.fixture(params=["sqlite", "postgresql"])
async def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """A database of each kind without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.db"
        return
    server: Server = request.getfixturevalue("postgres")
    async with server.database() as url:
        yield url


@pytest.fixture
async def db(urls: Urls) -> AsyncIterator[Database]:
    """The main database."""
    database = open_database(urls.main, pool_size=5)
    yield database
    await database.close()


@pytest.fixture
async def inbox_db(urls: Urls) -> AsyncIterator[Database]:
    """The inbox's database."""
    database = open_database(urls.inbox, pool_size=5)
    yield database
    await database.close()


@pytest.fixture
def clock() -> Clock:
    """The clock of the test: it runs, from an hour at which one may send, whenever the tests do."""
    return working_clock()


def working_clock() -> Clock:
    """A running clock that begins at ten on a Wednesday morning in Shanghai."""
    clock = Clock()
    clock.advance(datetime(2026, 3, 4, 2, tzinfo=UTC) - clock.now())
    return clock


@pytest.fixture
def now() -> datetime:
    """An instant with no special meaning."""
    return datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
