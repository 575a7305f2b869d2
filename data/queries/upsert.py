"""INSERT … ON CONFLICT in the dialect of the session's database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel


def insert_into(session: Session, model: type[SQLModel]) -> Any:
    """An INSERT that knows ON CONFLICT."""
    table: Any = model.__table__  # type: ignore[attr-defined]
    return sqlite.insert(table) if session.get_bind().dialect.name == "sqlite" else postgresql.insert(table)


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
