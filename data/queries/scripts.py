"""Scripts: kept and found by what they say; whose favourites they are, and who has used which."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import delete, exists, func, insert, select
from sqlmodel import Session, col

from bot.phrases import Phrase
from data.errors import ConflictError, NotFoundError, StaleError
from data.models import ScriptDepartment, ScriptFavourite, ScriptGram, ScriptRow, ScriptUse, Staff
from data.queries.staff import get_card
from data.queries.upsert import insert_into
from data.rules.problems import parse
from data.rules.scripts import Script, asked_for, least_matches, weigh

R: Any = ScriptRow.__table__  # type: ignore[attr-defined]
D: Any = ScriptDepartment.__table__  # type: ignore[attr-defined]
G: Any = ScriptGram.__table__  # type: ignore[attr-defined]
V: Any = ScriptFavourite.__table__  # type: ignore[attr-defined]
U: Any = ScriptUse.__table__  # type: ignore[attr-defined]

#: Stands for everybody in `script_departments`.
EVERYBODY = 0


def _script(row: ScriptRow) -> Script:
    return parse(
        Script,
        {
            "id": row.id, "title": row.title, "category": row.category, "enabled": row.enabled,
            "department_ids": row.department_ids, "content": row.content,
        },
    )  # fmt: skip


# -- found


def search_scripts(
    session: Session, words: str, *, userid: str, category: str | None = None, limit: int
) -> list[Script]:
    """The scripts that a member may use and that say something of these words, the best first.

    Without words: the member's favourites, then what they use most, then the newest. `category`: of this one alone.
    """
    mine = [R.c.enabled, _is_for(session, userid)]
    if category is not None:
        mine.append(R.c.category == category)
    favourite = exists().where(V.c.userid == userid, V.c.script_id == R.c.id)
    if not words.strip():
        uses = select(func.coalesce(func.sum(U.c.uses), 0)).where(U.c.script_id == R.c.id, U.c.userid == userid)
        query = select(R.c.id).where(*mine).order_by(favourite.desc(), uses.scalar_subquery().desc(), R.c.id.desc())
        return list_by_ids(session, session.execute(query.limit(limit)).scalars().all())
    asked = asked_for(words)
    if not asked:
        return []
    score, matches = func.sum(G.c.weight), func.count()
    query = (
        select(R.c.id)
        .select_from(G.join(R, R.c.id == G.c.script_id))
        .where(G.c.gram.in_(asked), *mine)
        .group_by(R.c.id)
        .having(matches >= least_matches(len(asked)))
        .order_by(matches.desc(), score.desc(), favourite.desc(), R.c.id)
    )
    return list_by_ids(session, session.execute(query.limit(limit)).scalars().all())


def _is_for(session: Session, userid: str) -> Any:
    departments = sorted({EVERYBODY, *get_card(session, userid).department_ids})
    return exists().where(D.c.script_id == R.c.id, D.c.department_id.in_(departments))


def find_script(session: Session, script_id: int, *, userid: str) -> Script | None:
    """A script that a member may use."""
    query = select(ScriptRow).where(R.c.id == script_id, R.c.enabled, _is_for(session, userid))
    row = session.execute(query).scalar_one_or_none()
    return None if row is None else _script(row)


def list_by_ids(session: Session, ids: Sequence[int]) -> list[Script]:
    """These scripts, in this order."""
    if not ids:
        return []
    found = {row.id: row for row in session.execute(select(ScriptRow).where(R.c.id.in_(ids))).scalars()}
    return [_script(found[each]) for each in ids if each in found]


def list_categories(session: Session, userid: str | None = None) -> list[str]:
    """The categories there are; `userid`: with scripts that this member may use."""
    query = select(R.c.category).where(R.c.category != "").distinct().order_by(R.c.category)
    if userid is not None:
        query = query.where(R.c.enabled, _is_for(session, userid))
    return list(session.execute(query).scalars())


# -- favourites


def list_favourites(session: Session, userid: str, limit: int = 50) -> list[Script]:
    """A member's favourites that they may use, the latest first."""
    query = (
        select(R.c.id)
        .select_from(V.join(R, R.c.id == V.c.script_id))
        .where(V.c.userid == userid, R.c.enabled, _is_for(session, userid))
        .order_by(V.c.chosen_at.desc(), R.c.id.desc())
    )
    return list_by_ids(session, session.execute(query.limit(limit)).scalars().all())


def set_favourite(session: Session, script_id: int, userid: str, wanted: bool, at: datetime) -> bool:
    """A script is a member's favourite from now on, or is not any more. False: so it was before."""
    if wanted:
        added: Any = session.execute(
            insert_into(session, ScriptFavourite)
            .values(userid=userid, script_id=script_id, chosen_at=at)
            .on_conflict_do_nothing(index_elements=["userid", "script_id"])
        )
        return bool(added.rowcount)
    gone: Any = session.execute(delete(V).where(V.c.userid == userid, V.c.script_id == script_id))
    return bool(gone.rowcount)


def is_favourite(session: Session, script_id: int, userid: str) -> bool:
    """Whether a member keeps a script at hand."""
    return session.get(ScriptFavourite, (userid, script_id)) is not None


# -- uses


def count_use(session: Session, script_id: int, userid: str, at: datetime) -> None:
    """A member took a script. `at` in the company's time zone: its day is the one that counts."""
    statement = insert_into(session, ScriptUse).values(script_id=script_id, userid=userid, day=at.date(), uses=1)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["script_id", "userid", "day"], set_={"uses": U.c.uses + statement.excluded.uses}
        )
    )


class Used(NamedTuple):
    """How often a member took a script."""

    script_id: int
    title: str
    userid: str
    staff_name: str
    uses: int
    last_day: date


def list_uses(
    session: Session,
    since: date,
    *,
    userids: Collection[str] | None = None,
    script_id: int | None = None,
    limit: int = 200,
) -> list[Used]:
    """Who has used which script since a day, most first. `userids`: of these members alone."""
    total = func.sum(U.c.uses)
    query = (
        select(
            U.c.script_id, func.coalesce(R.c.title, ""), U.c.userid, func.coalesce(col(Staff.name), ""), total,
            func.max(U.c.day),
        )
        .select_from(U)
        .outerjoin(R, R.c.id == U.c.script_id)
        .outerjoin(Staff, col(Staff.userid) == U.c.userid)
        .where(U.c.day >= since)
        .group_by(U.c.script_id, R.c.title, U.c.userid, col(Staff.name))
        .order_by(total.desc(), U.c.script_id, U.c.userid)
        .limit(limit)
    )  # fmt: skip
    if userids is not None:
        query = query.where(U.c.userid.in_(sorted(userids)))
    if script_id is not None:
        query = query.where(U.c.script_id == script_id)
    return [
        Used(script, title, userid, name, int(uses), last_day)
        for script, title, userid, name, uses, last_day in session.execute(query)
    ]


def map_uses(session: Session, ids: Collection[int], since: date) -> dict[int, tuple[int, int]]:
    """(uses, members who used it) of some scripts since a day, by id."""
    query = (
        select(U.c.script_id, func.sum(U.c.uses), func.count(U.c.userid.distinct()))
        .where(U.c.script_id.in_(list(ids)), U.c.day >= since)
        .group_by(U.c.script_id)
    )
    return {row[0]: (int(row[1]), int(row[2])) for row in session.execute(query)} if ids else {}


# -- kept


def list_page(
    session: Session,
    words: str = "",
    *,
    category: str | None = None,
    before_id: int | None = None,
    limit: int = 50,
) -> list[Script]:
    """All scripts, those that are switched off too, for who edits them: newest first, or by words the best first."""
    conditions: list[Any] = [] if category is None else [R.c.category == category]
    if asked := asked_for(words):
        matches = func.count()
        query = (
            select(R.c.id)
            .select_from(G.join(R, R.c.id == G.c.script_id))
            .where(G.c.gram.in_(asked), *conditions)
            .group_by(R.c.id)
            .having(matches >= least_matches(len(asked)))
            .order_by(matches.desc(), func.sum(G.c.weight).desc(), R.c.id)
        )
    elif words.strip():
        return []
    else:
        query = select(R.c.id).where(*conditions).order_by(R.c.id.desc())
        if before_id is not None:
            query = query.where(R.c.id < before_id)
    return list_by_ids(session, session.execute(query.limit(limit)).scalars().all())


def list_all(session: Session) -> list[Script]:
    """Every script, by category and title."""
    rows = session.execute(select(ScriptRow).order_by(R.c.category, R.c.title, R.c.id)).scalars()
    return [_script(row) for row in rows]


def count_scripts(session: Session) -> int:
    """How many there are."""
    return int(session.execute(select(func.count()).select_from(R)).scalar_one())


def get_script(session: Session, script_id: int) -> Script:
    """One script, for who edits it. Raises NotFoundError."""
    return _script(_get(session, script_id))


def get_version(session: Session, script_id: int) -> int:
    """How often it was written. Raises NotFoundError."""
    return _get(session, script_id).version


def map_titles(session: Session) -> dict[str, int]:
    """The ids of all scripts, by title."""
    return dict(session.execute(select(R.c.title, R.c.id)).all())


def save_script(session: Session, script: Script, now: datetime, version: int | None = None) -> Script:
    """Make a script (id 0) or replace the one with its id, and let it be found by what it says now.

    Raises NotFoundError, ConflictError (title taken), and with `version` StaleError when it has another one by now.
    """
    namesake = session.execute(select(R.c.id).where(R.c.title == script.title)).scalar_one_or_none()
    if namesake is not None and namesake != script.id:
        raise ConflictError(
            Phrase("已经有标题为“%(title)s”的话术（编号 %(namesake)s）。", title=script.title, namesake=namesake),
            Phrase("请换一个标题。"),
        )
    values: Mapping[str, Any] = {
        "title": script.title, "category": script.category, "enabled": script.enabled,
        "content": script.content.model_dump(mode="json"), "department_ids": sorted(script.department_ids),
        "changed_at": now,
    }  # fmt: skip
    if script.id:
        row = _get(session, script.id, locked=True)
        if version is not None and row.version != version:
            raise StaleError(Phrase("话术 %(id)s 在您打开之后被修改过。", id=script.id), Phrase("请核对后再保存。"))
        for name, value in values.items():
            setattr(row, name, value)
        row.version += 1
    else:
        row = ScriptRow(**values)
        session.add(row)
    session.flush()
    _index(session, row.id or 0, script)
    return _script(row)


def _index(session: Session, script_id: int, script: Script) -> None:
    session.execute(delete(G).where(G.c.script_id == script_id))
    session.execute(delete(D).where(D.c.script_id == script_id))
    if weights := weigh(script):
        session.execute(
            insert(G), [{"gram": gram, "script_id": script_id, "weight": weight} for gram, weight in weights.items()]
        )
    departments = sorted(script.department_ids) or [EVERYBODY]
    session.execute(insert(D), [{"department_id": each, "script_id": script_id} for each in departments])


def delete_script(session: Session, script_id: int) -> None:
    """Remove a script; how often it was used stays counted. Raises NotFoundError."""
    row = _get(session, script_id)
    for table in (G, D, V):
        session.execute(delete(table).where(table.c.script_id == script_id))
    session.delete(row)
    session.flush()


def _get(session: Session, script_id: int, *, locked: bool = False) -> ScriptRow:
    row = session.get(ScriptRow, script_id, with_for_update=locked, populate_existing=locked)
    if row is None:
        raise NotFoundError(
            Phrase("没有编号为 %(script_id)s 的话术。", script_id=script_id), Phrase("请先列出现有的话术。")
        )
    return row
