"""Staff and departments."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, select, update
from sqlmodel import Session, col

from data.models import Department, Staff
from data.queries.upsert import PER_STATEMENT, upsert_differing

ROOT_DEPARTMENT_ID = 1
_PARENTS = select(col(Department.id), col(Department.parent_id))
_DEPARTMENTS = select(col(Staff.userid), col(Staff.department_ids))


@dataclass(frozen=True, slots=True)
class StaffCard:
    """A staff member with the departments above; `known` is False for one we have not read from WeCom yet."""

    userid: str
    name: str = ""
    alias: str = ""
    position: str = ""
    department_name: str = ""
    department_ids: frozenset[int] = frozenset()
    known: bool = False


def find_staff(session: Session, userid: str) -> Staff | None:
    """The member, if known."""
    return session.get(Staff, userid)


_CARD = select(
    col(Staff.name), col(Staff.alias), col(Staff.position), col(Staff.department_ids), col(Staff.main_department_id)
).where(col(Staff.userid) == bindparam("userid"))

_UP = (
    select(col(Department.id), col(Department.parent_id))
    .where(col(Department.id).in_(bindparam("ids", expanding=True)))
    .cte("up", recursive=True)
)
#: A union of distinct rows, so that a circle of departments ends too.
_UP = _UP.union(select(col(Department.id), col(Department.parent_id)).where(col(Department.id) == _UP.c.parent_id))
_ABOVE = select(
    col(Department.id), col(Department.name), col(Department.parent_id), col(Department.leader_userids)
).where(col(Department.id).in_(select(_UP.c.id)))


class _Above(NamedTuple):
    id: int
    name: str
    parent_id: int
    leader_userids: list[str]


class Place(NamedTuple):
    """A member's name and main department; 0 and empty where it is not known."""

    name: str
    department_id: int
    department: str


NOWHERE = Place("", 0, "")


def map_places(session: Session) -> dict[str, Place]:
    """All members by userid."""
    query = (
        select(
            col(Staff.userid), col(Staff.name), func.coalesce(col(Staff.main_department_id), 0),
            func.coalesce(col(Department.name), ""),
        )
        .outerjoin(Department, col(Department.id) == col(Staff.main_department_id))
    )  # fmt: skip
    return {userid: Place(*row) for userid, *row in session.execute(query)}


def _departments_above(session: Session, department_ids: Iterable[int]) -> dict[int, _Above]:
    """These departments and those above them, as far as they are known."""
    rows = session.execute(_ABOVE, {"ids": list(department_ids)})
    return {row[0]: _Above(*row) for row in rows}


def get_card(session: Session, userid: str) -> StaffCard:
    """What rules and templates need of a member; empty words for one who is not known."""
    row = session.execute(_CARD, {"userid": userid}).one_or_none()
    if row is None:
        return StaffCard(userid)
    name, alias, position, department_ids, main_department_id = row
    departments = _departments_above(session, {*department_ids, main_department_id or 0})
    main = departments.get(main_department_id or 0)
    return StaffCard(
        userid=userid,
        name=name,
        alias=alias,
        position=position,
        department_name=main.name if main else "",
        department_ids=_with_ancestors(department_ids, {each.id: each.parent_id for each in departments.values()}),
        known=True,
    )


def _with_ancestors(department_ids: Sequence[int], parents: Mapping[int, int]) -> frozenset[int]:
    found: set[int] = set()
    waiting = list(department_ids)
    while waiting:
        department_id = waiting.pop()
        if department_id not in found and department_id > 0:
            found.add(department_id)
            waiting.append(parents.get(department_id, 0))
    return frozenset(found)


def map_departments(session: Session) -> dict[str, frozenset[int]]:
    """The departments of every known member, with those above them."""
    parents: dict[int, int] = dict(session.execute(_PARENTS).all())
    return {userid: _with_ancestors(theirs, parents) for userid, theirs in session.execute(_DEPARTMENTS)}


def list_within(session: Session, userids: Collection[str], department_ids: Collection[int]) -> frozenset[str]:
    """These members, and those of these departments and of the ones below."""
    if not department_ids:
        return frozenset(userids)
    below: dict[int, list[int]] = {}
    for department_id, parent_id in session.execute(_PARENTS):
        below.setdefault(parent_id, []).append(department_id)
    # The root's parent is 0, which is no department.
    within, waiting = set[int](), [each for each in department_ids if each > 0]
    while waiting:
        department_id = waiting.pop()
        if department_id not in within:  # a circle of departments ends too
            within.add(department_id)
            waiting += below.get(department_id, ())
    inside = (userid for userid, theirs in session.execute(_DEPARTMENTS) if not within.isdisjoint(theirs))
    return frozenset({*userids, *inside})


def list_managers(session: Session, userid: str) -> list[str]:
    """Who leads the member: the direct leader, else the leaders of the departments, nearest first.

    Nobody leads themselves; empty when WeCom does not show anybody.
    """
    staff = session.get(Staff, userid)
    if staff is None:
        return []
    direct = [leader for leader in staff.leader_userids if leader != userid]
    if direct:
        return direct
    departments = _departments_above(session, [staff.main_department_id or 0])
    department_id, seen = staff.main_department_id or 0, set[int]()
    while department_id in departments and department_id not in seen:
        seen.add(department_id)
        department = departments[department_id]
        leaders = [leader for leader in department.leader_userids if leader != userid]
        if leaders:
            return leaders
        department_id = department.parent_id
    return []


@dataclass(frozen=True, slots=True)
class DirectoryChange:
    """What a poll of the directory changed, by userid."""

    joined: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    gained_seat: tuple[str, ...] = ()
    lost_seat: tuple[str, ...] = ()


def replace_directory(
    session: Session,
    departments: Sequence[Mapping[str, Any]],
    members: Sequence[Mapping[str, Any]],
    followers: Sequence[str],
    now: datetime,
) -> DirectoryChange:
    """Write what differs in a complete reading of the directory: who is not in it is marked as gone, never removed."""
    upsert_differing(
        session,
        Department,
        [
            {
                "id": int(each["id"]),
                "name": str(each.get("name") or "")[:128],
                "parent_id": int(each.get("parentid") or 0),
                "leader_userids": [str(leader) for leader in each.get("department_leader") or []],
                "gone_at": None,
            }
            for each in departments
        ],
        key="id",
    )
    known = session.execute(select(col(Department.id)).where(col(Department.gone_at).is_(None))).scalars()
    closed = sorted(set(known) - {int(each["id"]) for each in departments})
    for start in range(0, len(closed), PER_STATEMENT):
        some = closed[start : start + PER_STATEMENT]
        session.execute(update(Department).where(col(Department.id).in_(some)).values(gone_at=now))
    before = {staff.userid: staff for staff in session.execute(select(Staff)).scalars()}
    was = {userid: (staff.gone_at is None, staff.follows_customers) for userid, staff in before.items()}
    seats = set(followers)
    rows = {str(each["userid"]): _member_row(each, seats, now) for each in members}
    for userid in seats - rows.keys():
        rows[userid] = _member_row({"userid": userid}, seats, now)
    upsert_differing(session, Staff, list(rows.values()), key="userid", beside=("seen_at",))
    gone = [userid for userid, (here, _) in was.items() if here and userid not in rows]
    for start in range(0, len(gone), PER_STATEMENT):
        here_no_more = col(Staff.userid).in_(gone[start : start + PER_STATEMENT])
        session.execute(
            update(Staff).where(here_no_more).values(gone_at=now, follows_customers=False),
            execution_options={"synchronize_session": False},
        )
    return DirectoryChange(
        joined=tuple(sorted(userid for userid in rows if not was.get(userid, (False, False))[0])),
        left=tuple(sorted(gone)),
        gained_seat=tuple(sorted(userid for userid in seats if not was.get(userid, (False, False))[1])),
        lost_seat=tuple(sorted(userid for userid, (_, seat) in was.items() if seat and userid not in seats)),
    )


def _member_row(member: Mapping[str, Any], seats: set[str], now: datetime) -> dict[str, Any]:
    department_ids = [int(each) for each in member.get("department") or []]
    return {
        "userid": str(member["userid"]),
        "name": str(member.get("name") or "")[:64],
        "alias": str(member.get("alias") or "")[:64],
        "position": str(member.get("position") or "")[:128],
        "department_ids": department_ids,
        "main_department_id": member.get("main_department") or (department_ids[0] if department_ids else None),
        "leader_userids": [str(leader) for leader in member.get("direct_leader") or []],
        "status": int(member.get("status") or 1),
        "follows_customers": str(member["userid"]) in seats,
        "seen_at": now,
        "gone_at": None,
    }


def list_staff(session: Session) -> list[Staff]:
    """Members whom the app may see, by userid."""
    return list(
        session.execute(select(Staff).where(col(Staff.gone_at).is_(None)).order_by(col(Staff.userid))).scalars()
    )


def list_departments(session: Session) -> list[Department]:
    """The company's departments, by id."""
    there = select(Department).where(col(Department.gone_at).is_(None)).order_by(col(Department.id))
    return list(session.execute(there).scalars())


def list_followers(session: Session) -> list[str]:
    """Members who can have customers."""
    return list(
        session.execute(
            select(col(Staff.userid))
            .where(col(Staff.follows_customers), col(Staff.gone_at).is_(None))
            .order_by(col(Staff.userid))
        ).scalars()
    )


def list_able(session: Session) -> list[str]:
    """Members who can be added by customers: active, and with the feature."""
    able = (col(Staff.follows_customers), col(Staff.gone_at).is_(None), col(Staff.status) == 1)
    return list(session.execute(select(col(Staff.userid)).where(*able)).scalars())


def map_members(session: Session, userids: Collection[str]) -> dict[str, str]:
    """Members of the company among these, as WeCom writes them, by their userids in lower case."""
    wanted = {each.casefold() for each in userids}
    found = session.execute(select(col(Staff.userid)).where(col(Staff.gone_at).is_(None))).scalars()
    return {userid.casefold(): userid for userid in found if userid.casefold() in wanted}
