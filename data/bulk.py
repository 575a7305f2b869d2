"""Many rows in one statement, on SQLite.

The driver gives up the interpreter lock at each step of a statement, and an event loop that is busy gives it back only
after the switch interval: a statement per row would make a writer that shares the process with it many times slower.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlmodel import Session

#: Statements of this size are prepared once and kept; far below SQLite's limit of parameters.
ROWS_PER_STATEMENT = 64


def insert_on_sqlite(
    session: Session, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, ending: str = ""
) -> list[int]:
    """Insert rows in the order given; the ids of those that were inserted, ascending.

    Only for tables whose key is SQLite's own row number: the one writer gives them without gaps.
    Values are as SQLite keeps them; `ending` is what stands behind the values, such as ON CONFLICT ... DO NOTHING.
    """
    connection = session.connection().connection.driver_connection
    assert connection is not None
    ids: list[int] = []
    one = f"({', '.join('?' * len(columns))})"
    for start in range(0, len(rows), ROWS_PER_STATEMENT):
        some = rows[start : start + ROWS_PER_STATEMENT]
        # Names and `ending` are constants of this program.
        statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([one] * len(some))} {ending}"  # noqa: S608
        cursor = connection.execute(statement, [value for row in some for value in row])
        if cursor.rowcount:
            ids.extend(range(cursor.lastrowid - cursor.rowcount + 1, cursor.lastrowid + 1))
    return ids


def sqlite_time(at: datetime) -> str:
    """An aware instant as `UtcDateTime` keeps it on SQLite."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
