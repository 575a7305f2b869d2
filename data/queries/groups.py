"""Customer groups and their members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlmodel import Session, col

from data.models import CustomerGroup, GroupMember, Staff
from data.queries.erasures import list_erased
from data.queries.follow_facts import Facts, note_facts
from data.queries.happenings import note
from data.queries.upsert import upsert
from data.rules.happenings import GROUP, Happened


@dataclass(frozen=True, slots=True)
class GroupChanges:
    """What a fetch of a group changed; `kept`: nothing, for the group changed while the request was under way."""

    new: bool = False
    changed: bool = False
    joined: int = 0
    left: int = 0
    kept: bool = False


def find_group(session: Session, chat_id: str) -> CustomerGroup | None:
    """The group, if known."""
    return session.get(CustomerGroup, chat_id)


def count_members(session: Session, chat_id: str) -> int:
    """Members now in the group; of a dismissed one, those who were in it to the end."""
    group = session.get(CustomerGroup, chat_id)
    ended_at = group.dismissed_at if group else None
    query = select(func.count()).where(
        col(GroupMember.chat_id) == chat_id,
        or_(col(GroupMember.left_at).is_(None), col(GroupMember.left_at) == ended_at),
    )
    return int(session.execute(query).scalar_one())


def apply_member_change(
    session: Session,
    chat_id: str,
    *,
    joined: Sequence[str],
    left: Sequence[str],
    join_scene: int | None,
    quit_scene: int | None,
    last_version: str,
    current_version: str,
    at: datetime,
    now: datetime,
) -> bool:
    """Apply a change of members if it continues the version we hold; False: the group has to be fetched."""
    group = session.get(CustomerGroup, chat_id, with_for_update=True)
    if group is None or not last_version or group.member_version != last_version:
        return False
    erased = list_erased(session, joined)
    joined = [userid for userid in joined if userid not in erased]
    staff = set(session.execute(select(col(Staff.userid)).where(col(Staff.userid).in_(joined))).scalars())
    there = _list_there(session, chat_id, [*joined, *left])
    upsert(
        session,
        GroupMember,
        [
            {
                "chat_id": chat_id,
                "userid": userid,
                "type": 1 if userid in staff else 2,
                "join_scene": join_scene,
                "invitor": "",
                "state": "",
                "joined_at": at,
                "left_at": None,
                "quit_scene": None,
            }
            for userid in joined
        ],
    )
    session.execute(
        update(GroupMember)
        .where(col(GroupMember.chat_id) == chat_id, col(GroupMember.userid).in_(left))
        .values(left_at=at, quit_scene=quit_scene)
    )
    note_facts(session, [*joined, *left], Facts.GROUPS)
    came = [(userid, at) for userid in joined if userid not in there and userid not in staff]
    _note_members(session, chat_id, came, [(userid, at) for userid in left if userid in there])
    group.member_version = current_version
    group.changed_at = now
    return True


def _list_there(session: Session, chat_id: str, userids: Sequence[str]) -> set[str]:
    """Those of some who are in the group."""
    query = select(col(GroupMember.userid)).where(
        col(GroupMember.chat_id) == chat_id, col(GroupMember.userid).in_(userids), col(GroupMember.left_at).is_(None)
    )
    return set(session.execute(query).scalars())


def _note_members(
    session: Session, chat_id: str, joined: Sequence[tuple[str, datetime]], left: Sequence[tuple[str, datetime]]
) -> None:
    """Who has come and who has gone, and when."""
    happened = [
        Happened(GROUP, userid, at, {"chat_id": chat_id, "did": did})
        for did, members in (("joined", joined), ("left", left))
        for userid, at in members
    ]
    note(session, happened)


def apply_fetched(session: Session, told: Mapping[str, Any], *, asked_at: datetime, now: datetime) -> GroupChanges:
    """Write what `groupchat/get` answered to a request made at `asked_at`: the group and exactly its members.

    A group that an event changed since then is newer than the answer and stays. What is already so is not written.
    """
    chat_id = str(told["chat_id"])
    group = session.get(CustomerGroup, chat_id, with_for_update=True)
    if group is not None and group.changed_at is not None and group.changed_at > asked_at:
        return GroupChanges(kept=True)
    facts = {
        "name": str(told.get("name") or "")[:256],
        "owner": str(told.get("owner") or "")[:64],
        "notice": str(told.get("notice") or ""),
        "member_version": str(told.get("member_version") or "")[:64],
        "created_at": _instant(told.get("create_time")),
        "dismissed_at": None,
    }
    new = group is None
    changed = group is None or any(getattr(group, name) != value for name, value in facts.items())
    wanted = {str(member["userid"]): _member_facts(member) for member in told.get("member_list") or []}
    for userid in list_erased(session, wanted):
        del wanted[userid]
    known = {
        row[0]: tuple(row[1:])
        for row in session.execute(
            select(col(GroupMember.userid), *[getattr(GroupMember, name) for name in MEMBER_FACTS]).where(
                col(GroupMember.chat_id) == chat_id
            )
        )
    }
    differing = [userid for userid, member in wanted.items() if known.get(userid) != member]
    gone = [userid for userid, member in known.items() if userid not in wanted and member[LEFT_AT] is None]
    if changed:
        upsert(session, CustomerGroup, [{"chat_id": chat_id, **facts, "fetched_at": now, "changed_at": now}])
    rows = [{"chat_id": chat_id, "userid": userid, **dict(zip(MEMBER_FACTS, wanted[userid], strict=True))}
            for userid in differing]  # fmt: skip
    upsert(session, GroupMember, rows)
    if gone:
        session.execute(
            update(GroupMember)
            .where(col(GroupMember.chat_id) == chat_id, col(GroupMember.userid).in_(gone))
            .values(left_at=now)
        )
    note_facts(session, [*differing, *gone], Facts.GROUPS)
    came = [
        (userid, wanted[userid][JOINED_AT] or now)
        for userid in differing
        if wanted[userid][TYPE] == EXTERNAL and (userid not in known or known[userid][LEFT_AT] is not None)
    ]
    _note_members(session, chat_id, came, [(userid, now) for userid in gone])
    return GroupChanges(new=new, changed=changed or bool(differing or gone), joined=len(differing), left=len(gone))


#: What a fetch tells of a member; `left_at` and `quit_scene` are empty for one who is there.
MEMBER_FACTS = ("type", "join_scene", "invitor", "state", "joined_at", "left_at", "quit_scene")
TYPE, JOINED_AT, LEFT_AT = (MEMBER_FACTS.index(name) for name in ("type", "joined_at", "left_at"))
#: The type of members who are not of the staff.
EXTERNAL = 2


def _member_facts(member: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        int(member.get("type") or 2),
        member.get("join_scene"),
        str((member.get("invitor") or {}).get("userid") or "")[:64],
        str(member.get("state") or "")[:64],
        _instant(member.get("join_time")),
        None,
        None,
    )


def list_owners(session: Session) -> set[str]:
    """Owners of the groups that we know: those who left too, whose groups WeCom lists only by name."""
    known = select(col(CustomerGroup.owner)).where(col(CustomerGroup.dismissed_at).is_(None))
    return set(session.execute(known).scalars()) - {""}


def list_known(session: Session) -> list[str]:
    """Groups that are not dismissed as far as we know."""
    return list(
        session.execute(select(col(CustomerGroup.chat_id)).where(col(CustomerGroup.dismissed_at).is_(None))).scalars()
    )


def list_named(session: Session, limit: int) -> list[tuple[str, str]]:
    """(chat_id, name) of groups that are not dismissed, the newest first."""
    query = select(col(CustomerGroup.chat_id), col(CustomerGroup.name)).where(col(CustomerGroup.dismissed_at).is_(None))
    return list(
        session.execute(query.order_by(col(CustomerGroup.created_at).desc(), CustomerGroup.chat_id).limit(limit))
    )


def mark_dismissed(session: Session, chat_id: str, at: datetime, now: datetime) -> bool:
    """The group is no more. False when that was known."""
    group = session.get(CustomerGroup, chat_id)
    if group is None:
        session.add(CustomerGroup(chat_id=chat_id, dismissed_at=at, changed_at=now))
        return True
    if group.dismissed_at is not None:
        return False
    group.dismissed_at, group.changed_at = at, now
    there = (col(GroupMember.chat_id) == chat_id, col(GroupMember.left_at).is_(None))
    members = session.execute(select(col(GroupMember.userid)).where(*there)).scalars().all()
    session.execute(update(GroupMember).where(*there).values(left_at=at))
    note_facts(session, members, Facts.GROUPS)
    return True


def _instant(epoch_seconds: Any) -> datetime | None:
    return datetime.fromtimestamp(int(epoch_seconds), UTC) if epoch_seconds else None
