"""Customers found by what people write of them: their id, the end of a telephone number, or any part of a name.

What is found are follows, the pairs of a staff member and a customer. `userids`: only of these members (None: all).
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import select, text
from sqlmodel import Session

from data.bulk import among
from data.models import Follow, FollowMobile
from data.models.customers import MOBILE_ENDING
from data.rules.grams import sought

F: Any = Follow.__table__  # type: ignore[attr-defined]
M: Any = FollowMobile.__table__  # type: ignore[attr-defined]

#: Of those whom a search finds so many at most are looked at: whoever finds more writes more.
SEARCHED = 1_000
#: Members who have more follows than these, and names that are more often there, are not counted to the end: among so
#: many the first thousand are soon met.
COUNTED = 40_000
_BETWEEN_DIGITS = dict.fromkeys(map(ord, " -"))

# SQLite's planner knows nothing of how often a pair is there: the order of the tables is what CROSS JOIN says. FTS5
# gives the newest first as well as the oldest.
_HITS = "SELECT g.rowid AS id FROM follow_grams g WHERE g.follow_grams MATCH :match ORDER BY g.rowid DESC"
_MINE = "f.userid IN (SELECT value FROM json_each(:userids))"
_ALL_ON_SQLITE = text(f"{_HITS} LIMIT :limit")
_COUNT_HITS = text(f"SELECT count(*) FROM ({_HITS} LIMIT :limit)")  # noqa: S608 - ours
_COUNT_MINE = text(f"SELECT count(*) FROM (SELECT 1 FROM follows f WHERE {_MINE} LIMIT :limit)")  # noqa: S608 - ours
_LED_BY_NAMES = text(f"SELECT f.id FROM ({_HITS}) h CROSS JOIN follows f ON f.id = h.id WHERE {_MINE} LIMIT :limit")  # noqa: S608 - ours
_LED_BY_FOLLOWS = text(
    "SELECT f.id FROM follows f CROSS JOIN follow_words w ON w.follow_id = f.id "  # noqa: S608 - ours
    f"WHERE {_MINE} AND instr(w.grams, :sought) > 0 LIMIT :limit"
)
# The words of `ix_follow_words_grams`: PostgreSQL takes the index for no others.
_NAMED = "array_to_tsvector(string_to_array(w.grams, ' ')) @@ CAST(:match AS tsquery) AND strpos(w.grams, :sought) > 0"
_ALL_ON_POSTGRES = text(f"SELECT w.follow_id FROM follow_words w WHERE {_NAMED} LIMIT :limit")  # noqa: S608 - ours
_MINE_ON_POSTGRES = text(
    "SELECT w.follow_id FROM follow_words w JOIN follows f ON f.id = w.follow_id "  # noqa: S608 - ours
    f"WHERE f.userid = ANY(CAST(:userids AS TEXT[])) AND {_NAMED} LIMIT :limit"
)


def search(session: Session, wanted: str, userids: Collection[str] | None = None, limit: int = SEARCHED) -> list[int]:
    """The follows that a text finds, at most so many, the newest first; `customer_pages.list_shown` shows them."""
    found = {each for find in (find_by_id, find_by_mobile, find_by_words) for each in find(session, wanted, userids)}
    return sorted(found, reverse=True)[:limit]


def find_by_id(session: Session, wanted: str, userids: Collection[str] | None = None) -> list[int]:
    """The follows of the customer with this id."""
    query = select(F.c.id).where(F.c.external_userid == wanted, *_mine(userids))
    return list(session.execute(query.limit(SEARCHED)).scalars())


def find_by_mobile(session: Session, wanted: str, userids: Collection[str] | None = None) -> list[int]:
    """The follows for which staff noted a telephone number that ends so; at least four digits have to be given."""
    wanted = wanted.translate(_BETWEEN_DIGITS)
    if not (wanted.isascii() and wanted.isdecimal() and len(wanted) >= MOBILE_ENDING):
        return []
    ends = (M.c.ending == wanted[-MOBILE_ENDING:], M.c.mobile.endswith(wanted, autoescape=True))
    noted = list(session.execute(select(M.c.follow_id).where(*ends)).scalars())
    if userids is None or not noted:
        return noted[:SEARCHED]
    query = select(F.c.id).where(among(session.get_bind().dialect.name, F.c.id, "noted"), *_mine(userids))
    return list(session.execute(query.limit(SEARCHED), {"noted": noted}).scalars())


def find_by_words(session: Session, wanted: str, userids: Collection[str] | None = None) -> list[int]:
    """The follows whose customer is called something with this in it: by themselves, their company or staff."""
    code = sought(wanted)
    if not code or (userids is not None and not userids):
        return []
    if session.get_bind().dialect.name == "sqlite":
        return _find_on_sqlite(session, code, userids)
    match = " & ".join(f"'{gram}'" for gram in set(code.split(" "))) + (":*" if len(code) == 1 else "")
    given = {"match": match, "sought": code, "limit": SEARCHED}
    if userids is None:
        return list(session.execute(_ALL_ON_POSTGRES, given).scalars())
    return list(session.execute(_MINE_ON_POSTGRES, {**given, "userids": sorted(userids)}).scalars())


def _find_on_sqlite(session: Session, code: str, userids: Collection[str] | None) -> list[int]:
    """Of some members: led by the names where they are there less often than those have follows, else by the follows.

    Whichever leads, a thousand are found, or there are no more, after some ten thousands of rows.
    """
    # Pairs that follow each other are a phrase; one character begins a pair wherever it stands.
    given: dict[str, Any] = {"match": f'"{code}"' + ("*" if len(code) == 1 else ""), "limit": SEARCHED}
    if userids is None:
        return list(session.execute(_ALL_ON_SQLITE, given).scalars())
    given["userids"] = json.dumps(sorted(userids))
    follows = session.execute(_COUNT_MINE, {**given, "limit": COUNTED}).scalar_one()
    hits = session.execute(_COUNT_HITS, {**given, "limit": follows + 1}).scalar_one()
    if hits <= follows:
        return list(session.execute(_LED_BY_NAMES, given).scalars())
    return list(session.execute(_LED_BY_FOLLOWS, {**given, "sought": code}).scalars())


def _mine(userids: Collection[str] | None) -> list[Any]:
    return [] if userids is None else [F.c.userid.in_(userids)]
