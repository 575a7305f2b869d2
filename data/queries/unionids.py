"""Customers by their unionid, as shops and imports name them: those whom a member has or had.

On SQLite it is found as names are (`data/queries/follow_words.py`).
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import literal_column, select, text
from sqlmodel import Session

from data.bulk import among
from data.models import Customer, Follow
from data.rules.grams import coded_id

F: Any = Follow.__table__  # type: ignore[attr-defined]
C: Any = Customer.__table__  # type: ignore[attr-defined]

# Ids have words in common by chance: so each is compared.
_WITH_UNIONID = text(
    "SELECT DISTINCT c.unionid, c.external_userid FROM json_each(:wanted) n "
    "CROSS JOIN follow_grams g ON g.follow_grams MATCH n.value ->> 1 CROSS JOIN follows f ON f.id = g.rowid "
    "CROSS JOIN customers c ON c.external_userid = f.external_userid WHERE c.unionid = n.value ->> 0"
)
_WITH_UNIONID_ON_POSTGRES = select(C.c.unionid, C.c.external_userid).where(
    among("postgresql", C.c.unionid, "wanted"),
    select(literal_column("1")).where(F.c.external_userid == C.c.external_userid).exists(),
)


def list_by_unionid(session: Session, unionids: Collection[str]) -> list[tuple[str, str]]:
    """The customers with one of some unionids that a member has or had, as (unionid, external_userid)."""
    wanted = sorted({*unionids} - {""})
    if not wanted:
        return []
    if session.get_bind().dialect.name == "sqlite":
        words = json.dumps([(unionid, f'"{coded_id(unionid)}"') for unionid in wanted])
        rows = session.connection().execute(_WITH_UNIONID, {"wanted": words})
    else:
        rows = session.connection().execute(_WITH_UNIONID_ON_POSTGRES, {"wanted": wanted})
    return [(unionid, external_userid) for unionid, external_userid in rows]
