"""INSERT … ON CONFLICT in the dialect of the session's database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel

#: Both databases refuse a statement with more than some 32,000 values.
PER_STATEMENT = 500


def insert_into(session: Session, model: type[SQLModel]) -> Any:
    """An INSERT that knows ON CONFLICT."""
    return insert_on(session.get_bind().dialect.name, model)


def insert_on(dialect: str, model: type[SQLModel]) -> Any:
    """The same for a statement that is built once."""
    table: Any = model.__table__  # type: ignore[attr-defined]
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def upsert(
    session: Session,
    model: type[SQLModel],
    rows: Sequence[dict[str, Any]],
    *,
    keep: Sequence[str] = (),
    key: str = "",
) -> None:
    """Insert rows (all with the same columns), or update the ones that exist; columns in `keep` stay as they are.

    `key`: the unique column by which they are known, where it is not the primary key.
    """
    if not rows:
        return
    table: Any = model.__table__  # type: ignore[attr-defined]
    keys = [key] if key else [column.name for column in table.primary_key]
    statement = insert_into(session, model)
    changed = {name: statement.excluded[name] for name in rows[0] if name not in keys and name not in keep}
    statement = (
        statement.on_conflict_do_update(index_elements=keys, set_=changed)
        if changed
        else statement.on_conflict_do_nothing(index_elements=keys)
    )
    session.execute(statement, list(rows))


def upsert_differing(
    session: Session,
    model: type[SQLModel],
    rows: Sequence[dict[str, Any]],
    *,
    key: str,
    beside: Sequence[str] = (),
) -> list[Any]:
    """`upsert` of the rows that are new or differ from what is there; their keys.

    Columns in `beside` are written with the others, and alone are no difference.
    """
    table: Any = model.__table__  # type: ignore[attr-defined]
    if not rows:
        return []
    names = [name for name in rows[0] if name not in beside]
    columns = [table.c[name] for name in (key, *names)]
    differing = []
    for start in range(0, len(rows), PER_STATEMENT):
        some = rows[start : start + PER_STATEMENT]
        there = {
            row[0]: tuple(row[1:])
            for row in session.execute(select(*columns).where(table.c[key].in_([row[key] for row in some])))
        }
        differing += [row for row in some if there.get(row[key]) != tuple(row[name] for name in names)]
    upsert(session, model, differing, key=key)
    return [row[key] for row in differing]
