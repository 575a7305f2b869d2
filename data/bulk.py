"""Many rows in one statement, on both databases.

SQLite's driver gives up the interpreter lock at each step of a statement, and an event loop that is busy gives it back
only after the switch interval: a statement per row would make a writer that shares the process with it many times
slower. PostgreSQL takes the rows as one JSON text, whatever their number: its driver looks for long at each value of an
array.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import asyncpg
from pydantic_core import to_json
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    ColumnElement,
    Dialect,
    Float,
    Integer,
    Text,
    TextClause,
    any_,
    bindparam,
    exc,
    func,
    text,
)
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlalchemy.util import await_only
from sqlmodel import Session, SQLModel

from data.types import UtcDateTime

#: Statements of these sizes are prepared once and kept; far below SQLite's limit of parameters.
ROWS_PER_STATEMENT, ROWS_PER_LONG_STATEMENT = 64, 256


def insert_on_sqlite(
    session: Session, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, ending: str = ""
) -> list[int]:
    """Insert rows in the order given; the ids of those that were inserted, ascending.

    Only for tables whose key is SQLite's own row number: the one writer gives them without gaps.
    Values are as SQLite keeps them; `ending` is what stands behind the values, such as ON CONFLICT ... DO NOTHING.
    """
    ids: list[int] = []
    for cursor in _insert_on_sqlite(session, table, columns, rows, ending):
        if cursor.rowcount and cursor.lastrowid is not None:
            ids.extend(range(cursor.lastrowid - cursor.rowcount + 1, cursor.lastrowid + 1))
    return ids


def _insert_on_sqlite(
    session: Session, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], ending: str
) -> Iterator[sqlite3.Cursor]:
    connection = session.connection().connection.driver_connection
    assert connection is not None
    one = f"({', '.join('?' * len(columns))})"
    start = 0
    while left := len(rows) - start:
        size = ROWS_PER_LONG_STATEMENT if left >= ROWS_PER_LONG_STATEMENT else min(left, ROWS_PER_STATEMENT)
        values, given = ", ".join([one] * size), list(chain.from_iterable(rows[start : start + size]))
        # FAIL: of a statement that fails SQLite need undo nothing, for the unit it is part of is undone. Else it would
        # keep a copy of each page that the statement changes. Names and `ending` are constants of this program.
        yield connection.execute(f"INSERT OR FAIL INTO {table} ({', '.join(columns)}) VALUES {values} {ending}", given)  # noqa: S608
        start += size


def sqlite_time(at: datetime) -> str:
    """An aware instant as `UtcDateTime` keeps it on SQLite."""
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    return at.isoformat(" ", "microseconds")[:-6]  # without its +00:00


def sqlite_times(instants: Sequence[datetime | None]) -> list[str | None]:
    """As `sqlite_time`; in a column of one batch many are the very same instant."""
    last: datetime | None = None
    text_: str | None = None
    kept = []
    for instant in instants:
        if instant is not last:
            last = instant
            text_ = None if instant is None else sqlite_time(instant)
        kept.append(text_)
    return kept


class _Values(TypeDecorator[list[Any]]):
    """A list as one parameter: an array, or JSON where there are no arrays."""

    impl = Text
    cache_ok = True

    def __init__(self, item: type[TypeEngine[Any]]) -> None:
        super().__init__()
        self.item = item

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else ARRAY(self.item))

    def process_bind_param(self, value: list[Any] | None, dialect: Dialect) -> Any:
        return json.dumps(value) if dialect.name == "sqlite" else value


def among(dialect: str, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """The column's value is one of the list that parameter `name` will be; the statement's text is the same for any.

    An IN with a parameter for each value is compiled again for each length, which takes longer than many a statement.
    """
    item = BigInteger if isinstance(column.type, Integer) else Text
    values: Any = bindparam(name, type_=_Values(item))
    if dialect == "sqlite":
        return column.in_(func.json_each(values).table_valued("value").select())
    return column == any_(values)


class BulkUpsert:
    """Writes many rows of a table: new ones as they are, known ones over what was there.

    `keep`: columns of a known row that stay. All columns kept: known rows stay as they are.
    `key`: the unique columns by which a row is known, where they are not the primary key; `key_where`: the words of
    their index, where it is a partial one.
    `returning`: columns of each row that was written that `write_returning` gives back.
    """

    def __init__(
        self,
        model: type[SQLModel],
        columns: Sequence[str],
        *,
        keep: Sequence[str] = (),
        key: Sequence[str] = (),
        key_where: str = "",
        returning: Sequence[str] = (),
    ) -> None:
        table: Any = model.__table__  # type: ignore[attr-defined]
        self._table = table.name
        self._columns = tuple(columns)
        keys = list(key) or [column.name for column in table.primary_key]
        changed = [name for name in columns if name not in keys and name not in keep]
        action = f"UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in changed)}" if changed else "NOTHING"
        partial = f" WHERE {key_where}" if key_where else ""
        self._ending = f"ON CONFLICT ({', '.join(keys)}){partial} DO {action}"
        if returning:
            self._ending += f" RETURNING {', '.join(returning)}"
        types = [table.c[name].type for name in columns]
        self._instants = [number for number, type_ in enumerate(types) if isinstance(type_, UtcDateTime)]
        self._structures = [number for number, type_ in enumerate(types) if isinstance(type_, JSON)]
        self._postgres = self._for_postgres(types)

    def _for_postgres(self, types: Sequence[Any]) -> TextClause:
        names = [f"c{number}" for number in range(len(types))]
        typed = ", ".join(f"{name} {_postgres_name(type_)}" for name, type_ in zip(names, types, strict=True))
        return text(
            f"INSERT INTO {self._table} ({', '.join(self._columns)}) "  # noqa: S608 - names of our own tables
            f"SELECT {', '.join(names)} FROM json_to_recordset(CAST(:rows AS JSON)) AS given ({typed}) {self._ending}"
        )

    def write(self, session: Session, rows: Sequence[Sequence[Any]]) -> int:
        """Write rows, each with the values of the columns in their order; no key may occur twice.

        How many were written: rows that stayed as they are do not count.
        """
        if not rows:
            return 0
        if session.get_bind().dialect.name == "sqlite":
            return sum(cursor.rowcount for cursor in self._on_sqlite(session, rows))
        return int(self._on_postgres(session, rows).rowcount)

    def write_returning(self, session: Session, rows: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
        """The same; the `returning` columns of the rows that were written."""
        if not rows:
            return []
        if session.get_bind().dialect.name == "sqlite":
            return [row for cursor in self._on_sqlite(session, rows) for row in cursor]
        return [tuple(row) for row in self._on_postgres(session, rows)]

    def _on_sqlite(self, session: Session, rows: Sequence[Sequence[Any]]) -> Iterator[sqlite3.Cursor]:
        if not self._structures and not self._instants:
            return _insert_on_sqlite(session, self._table, self._columns, rows, self._ending)
        columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
        for number in self._structures:
            columns[number] = [
                json.dumps(value, ensure_ascii=False) if value else EMPTY[type(value)] for value in columns[number]
            ]
        for number in self._instants:
            columns[number] = sqlite_times(columns[number])
        kept = list(zip(*columns, strict=True))
        return _insert_on_sqlite(session, self._table, self._columns, kept, self._ending)

    def _on_postgres(self, session: Session, rows: Sequence[Sequence[Any]]) -> Any:
        names = [f"c{number}" for number in range(len(self._columns))]
        given = to_json([dict(zip(names, row, strict=True)) for row in rows]).decode()
        return session.connection().execute(self._postgres, {"rows": given})


class BulkUpdate:
    """Changes rows that are there, each by its `id`: `columns` get the values given."""

    def __init__(self, model: type[SQLModel], columns: Sequence[str]) -> None:
        table: Any = model.__table__  # type: ignore[attr-defined]
        types = [table.c[name].type for name in columns]
        self._names = ("id", *columns)
        self._instants = [number for number, type_ in enumerate(types, 1) if isinstance(type_, UtcDateTime)]
        given = ", ".join(f"{name} = given.{name}" for name in columns)
        # SQLite reads every value with the type that it has in JSON; names are those of our own tables.
        listed = ", ".join(f"value ->> '$[{number}]' AS {name}" for number, name in enumerate(columns, 1))
        self._sqlite = (
            f"UPDATE {table.name} SET {given} FROM (SELECT CAST(value ->> '$[0]' AS INTEGER) AS id, {listed} "  # noqa: S608
            f"FROM json_each(?)) AS given WHERE {table.name}.id = given.id"
        )
        typed = ", ".join(f"{name} {_postgres_name(type_)}" for name, type_ in zip(columns, types, strict=True))
        self._postgres = text(
            f"UPDATE {table.name} SET {given} FROM json_to_recordset(CAST(:rows AS JSON)) "  # noqa: S608
            f"AS given (id BIGINT, {typed}) WHERE {table.name}.id = given.id"
        )

    def write(self, session: Session, rows: Sequence[Sequence[Any]]) -> int:
        """Change rows, each given as its id and the values of the columns; how many there were of them."""
        if not rows:
            return 0
        if session.get_bind().dialect.name == "sqlite":
            columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
            for number in self._instants:
                columns[number] = sqlite_times(columns[number])
            connection = session.connection().connection.driver_connection
            assert connection is not None
            kept = json.dumps(list(zip(*columns, strict=True)), ensure_ascii=False)
            return int(connection.execute(self._sqlite, (kept,)).rowcount)
        given = to_json([dict(zip(self._names, row, strict=True)) for row in rows]).decode()
        done: Any = session.connection().execute(self._postgres, {"rows": given})
        return int(done.rowcount)


def copy_on_postgres(
    session: Session, model: type[SQLModel], columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Put rows into a table that are surely not in it: PostgreSQL's COPY, the quickest way in, knows no conflict.

    Raises sqlalchemy.exc.IntegrityError where one is in it after all.
    """
    if not rows:
        return
    table: Any = model.__table__  # type: ignore[attr-defined]
    structures = [number for number, name in enumerate(columns) if isinstance(table.c[name].type, JSON)]
    if structures:
        by_column: list[Sequence[Any]] = list(zip(*rows, strict=True))
        for number in structures:
            by_column[number] = [json.dumps(value, ensure_ascii=False) for value in by_column[number]]
        rows = list(zip(*by_column, strict=True))
    driver: Any = session.connection().connection.driver_connection
    try:
        await_only(driver.copy_records_to_table(table.name, records=rows, columns=list(columns)))
    except asyncpg.PostgresError as error:  # as SQLAlchemy wraps it for what it sends: a deadlock is tried again
        wrapped = exc.IntegrityError if isinstance(error, asyncpg.IntegrityConstraintViolationError) else exc.DBAPIError
        raise wrapped(f"COPY {table.name}", None, error, hide_parameters=True) from error


def take_numbers(session: Session, model: type[SQLModel], count: int) -> list[int]:
    """New values of a table's `id` on PostgreSQL, for rows that are copied in."""
    numbers = text("SELECT nextval(pg_get_serial_sequence(:name, 'id')) FROM generate_series(1, :count)")
    given = {"name": model.__table__.name, "count": count}  # type: ignore[attr-defined]
    return [int(number) for number in session.connection().execute(numbers, given).scalars()] if count else []


def _postgres_name(type_: Any) -> str:
    names = {
        Integer: "BIGINT",
        Boolean: "BOOLEAN",
        Float: "DOUBLE PRECISION",
        UtcDateTime: "TIMESTAMPTZ",
        JSON: "JSONB",
    }
    return next((name for kind, name in names.items() if isinstance(type_, kind)), "TEXT")


#: JSON of the usual values.
EMPTY = {list: "[]", dict: "{}", type(None): None}
