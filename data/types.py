"""Column types that mean the same on SQLite and on PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Index, Integer, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC instant: SQLite keeps no offset, so none may enter without one and none leaves without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; times in the database are aware UTC")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


#: A whole number that may outgrow 32 bits; INTEGER on SQLite, where only that makes an autoincrementing key.
BigInt = BigInteger().with_variant(Integer, "sqlite")

#: Structured values; indexable on PostgreSQL.
Json: Any = JSON().with_variant(JSONB(), "postgresql")


def partial_index(name: str, *columns: str, where: str) -> Index:
    """An index over the rows that satisfy `where`, on both databases."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


def postgres_index(name: str, *columns: str, where: str = "") -> Index:
    """An index on PostgreSQL alone, over all rows or those that satisfy `where`."""
    index = Index(name, *columns, postgresql_where=text(where) if where else None, info={"only_on": "postgresql"})
    index.ddl_if(dialect="postgresql")
    return index


def no_items() -> list[Any]:
    """A new empty list. Not `list` itself: pydantic parses a builtin's signature from text for every row, 0.2 ms."""
    return []
