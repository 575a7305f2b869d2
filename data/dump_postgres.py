"""Backups of PostgreSQL: read in one snapshot, and written back in one transaction."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, time
from typing import Any

import asyncpg
from sqlalchemy import JSON, Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlmodel import Session

from data import migrate
from data.dumps import Dumped, Manifest, Reader, Writer, rows_at_once, tables_of
from data.errors import ConflictError, StorageError
from data.migrate import TREES, Tree

Settle = Callable[[Session], object]
LOOKS, BETWEEN_LOOKS_SECONDS = 10, 0.2
_OTHERS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
)


def engine_of(url: str) -> AsyncEngine:
    """An engine for one piece of work."""
    return create_async_engine("postgresql+asyncpg://" + url.split("://", 1)[1], hide_parameters=True)


async def _driver(connection: AsyncConnection) -> Any:
    return (await connection.get_raw_connection()).driver_connection


async def dump(urls: dict[Tree, str], writer: Writer, now: datetime) -> Manifest:
    """Copy both databases. In one database both are seen as of the same instant; else the inbox is looked at first, see
    `data.dump_sqlite.dump`. Raises StorageError."""
    revisions: dict[Tree, str] = {}
    sequences: dict[str, int] = {}
    async with AsyncExitStack() as stack:
        looks: dict[str, AsyncConnection] = {}
        trees: tuple[Tree, ...] = ("inbox", "main")
        for tree in trees:
            url = urls[tree]
            if url not in looks:
                engine = engine_of(url)
                stack.push_async_callback(engine.dispose)
                connection = await stack.enter_async_context(engine.connect())
                looks[url] = await connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            found = await looks[url].execute(text(f"SELECT version_num FROM alembic_version_{tree}"))  # noqa: S608
            revisions[tree] = found.scalar_one()
        for tree in trees:
            driver = await _driver(looks[urls[tree]])
            for name, columns in tables_of(tree).items():
                # Else the driver would make objects of JSON, of which its own text is wanted.
                table = TREES[tree].tables[name]
                names = ", ".join(
                    f'"{each}"::text' if isinstance(table.columns[each].type, JSON) else f'"{each}"' for each in columns
                )
                cursor = await driver.cursor(f"SELECT {names} FROM {name}")  # noqa: S608 - names of our tables
                with writer.opened(tree, name, columns) as write:
                    while rows := await cursor.fetch(rows_at_once(name)):
                        write([tuple(row) for row in rows])
                if (sequence := await _sequence(driver, name, columns)) is not None:
                    sequences[name] = await driver.fetchval(f"SELECT last_value FROM {sequence}")  # noqa: S608
    return writer.finish(made_at=now, dialect="postgresql", revisions=revisions, sequences=sequences)


async def _sequence(driver: Any, table: str, columns: Sequence[str]) -> str | None:
    """What numbers a table's rows."""
    if "id" not in columns:
        return None
    found: str | None = await driver.fetchval("SELECT pg_get_serial_sequence($1, 'id')", table)
    return found


async def refuse_in_use(url: str) -> None:
    """Raises ConflictError while anybody else is connected: a bot that runs would be. One that has just ended may be
    seen for a moment."""
    engine, others = engine_of(url), 0
    try:
        async with engine.connect() as connection:
            for _ in range(LOOKS):
                others = (await connection.execute(_OTHERS)).scalar_one()
                if not others:
                    return
                await asyncio.sleep(BETWEEN_LOOKS_SECONDS)
    finally:
        await engine.dispose()
    raise ConflictError(
        f"Others are connected to the database ({others}): a bot that runs, or a program to look at tables.",
        "Stop every replica of the bot, and end the other connections.",
    )


async def load(urls: dict[Tree, str], reader: Reader, settle: Settle) -> None:
    """Put the backup in the place of what is there, in one transaction; of two databases the inbox's is first, and its
    new rows show when the main ones do, or a moment earlier."""
    async with AsyncExitStack() as stack:
        begun: dict[str, AsyncConnection] = {}
        # Ended in the opposite order: the main one, begun first, is committed last.
        for url in dict.fromkeys((urls["main"], urls["inbox"])):
            engine = engine_of(url)
            stack.push_async_callback(engine.dispose)
            begun[url] = await stack.enter_async_context(engine.begin())
        trees: tuple[Tree, ...] = ("inbox", "main")
        for tree in trees:
            await _load(begun[urls[tree]], tree, reader)

        def settled(connection: Connection) -> None:
            with Session(bind=connection, join_transaction_mode="create_savepoint") as session:
                settle(session)
                session.commit()

        await begun[urls["main"]].run_sync(settled)


async def _load(connection: AsyncConnection, tree: Tree, reader: Reader) -> None:
    from data import revisions

    at = reader.manifest.revisions[tree]
    version = f"alembic_version_{tree}"

    def remake(sync: Connection) -> None:
        revisions.lock(sync)
        there = set(inspect(sync).get_table_names())
        ours = {*TREES[tree].tables, *migrate.tables_ever(tree), version}
        for name in sorted(there & ours):
            sync.execute(text(f'DROP TABLE "{name}" CASCADE'))
        revisions.upgrade(sync, tree, at)

    await connection.run_sync(remake)
    driver = await _driver(connection)
    for table in reader.manifest.tables:
        if table.tree == tree:
            await driver.execute(f'TRUNCATE "{table.name}"')
            await _copy(driver, table, reader)
    await connection.run_sync(lambda sync: revisions.upgrade(sync, tree, migrate.revisions_of(tree)[-1]))
    for name, columns in tables_of(tree).items():
        if (sequence := await _sequence(driver, name, columns)) is not None:
            last = reader.manifest.sequences.get(name, 0)
            await driver.execute(
                f"SELECT setval('{sequence}', greatest((SELECT max(id) FROM {name}), {last}, 1))"  # noqa: S608
            )


async def _copy(driver: Any, table: Dumped, reader: Reader) -> None:
    names = ", ".join(f'"{each}"' for each in table.columns)
    asked = await driver.prepare(f'SELECT {names} FROM "{table.name}" WHERE false')  # noqa: S608 - names of our tables
    types = [attribute.type.name for attribute in asked.get_attributes()]
    converters = [_CONVERTERS.get(each) for each in types]
    for rows in reader.rows(table):
        records = [
            tuple(
                value if value is None or convert is None else convert(value)
                for value, convert in zip(row, converters, strict=True)
            )
            for row in rows
        ]
        try:
            await driver.copy_records_to_table(table.name, records=records, columns=table.columns)
        except (TypeError, ValueError, asyncpg.PostgresError) as error:
            raise StorageError(
                f"Rows of {table.name} do not fit into PostgreSQL ({error}).", "Nothing was changed."
            ) from error


def _instant(value: str) -> datetime:
    return datetime.fromisoformat(value).replace(tzinfo=UTC)


#: From a value of the file to what PostgreSQL's driver takes, by PostgreSQL's name of the type.
_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "timestamptz": _instant,
    "timestamp": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "bool": bool,
    "float8": float,
    # SQLite keeps a number as a number.
    "jsonb": lambda value: value if isinstance(value, str) else json.dumps(value),
}
