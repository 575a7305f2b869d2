"""A customer to look for, and the rows in which a text still stands."""

from __future__ import annotations

from typing import Any

from sqlalchemy import MetaData, select
from sqlmodel import Session

ID = "wmErasedCustomer0123456789abcdef"
#: Begins like it and is somebody else.
OTHER = f"{ID}X"
UNIONID = "oErasedUnion0123456789"
MOBILE = "13800138000"
NAME = "小鱼儿"


def rows_with(session: Session, trace: str, metadata: MetaData) -> list[str]:
    """Every row of every table in which a text stands, as a text that begins with the table's name."""
    found: list[str] = []
    for table in metadata.tables.values():
        for row in session.execute(select(table)).mappings():
            shown = f"{table.name}: { {name: _plain(value) for name, value in row.items()} }"
            if trace in shown:
                found.append(shown)
    return sorted(found)


def _plain(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
