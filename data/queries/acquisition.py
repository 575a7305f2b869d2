"""Customer-acquisition links (获客链接): what WeCom tells of them, and which channel their customers came by."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import func, select, update
from sqlmodel import Session

from data.bulk import among
from data.models import (
    AcquisitionCustomer,
    AcquisitionDay,
    AcquisitionQuota,
    ChannelKind,
    ChannelPlan,
    ChannelStatus,
    FigurePull,
    Follow,
)
from data.queries.erasures import list_erased
from data.queries.upsert import upsert
from data.rules.acquisition import ADD_WAY, Quota, due_days, quota_of
from data.rules.behaviour import CHINA

P: Any = ChannelPlan.__table__  # type: ignore[attr-defined]
C: Any = AcquisitionCustomer.__table__  # type: ignore[attr-defined]
F: Any = Follow.__table__  # type: ignore[attr-defined]
D: Any = AcquisitionDay.__table__  # type: ignore[attr-defined]
K: Any = FigurePull.__table__  # type: ignore[attr-defined]
#: Of `FigurePull`.
LINK = "link"


class OurLink(NamedTuple):
    """A link of ours at WeCom."""

    plan_id: int
    link_id: str
    state: str
    made_at: datetime


_LINKS = (
    select(P.c.id, P.c.config_id, P.c.state, P.c.made_at)
    .where(P.c.kind == ChannelKind.LINK, P.c.status == ChannelStatus.MADE)
    .order_by(P.c.id)
)


def has_links(session: Session) -> bool:
    """Whether WeCom has any link of ours."""
    return session.execute(_LINKS.limit(1)).first() is not None


def list_due_links(session: Session, today: date) -> list[OurLink]:
    """Links of ours that were not read on this day (in China)."""
    pulled = select(K.c.key).where(K.c.kind == LINK, K.c.pulled_on >= today)
    return [OurLink(*row) for row in session.execute(_LINKS.where(P.c.config_id.not_in(pulled)))]


def note_read(session: Session, link: OurLink, today: date, now: datetime) -> None:
    """All of a link was read."""
    row = {"kind": LINK, "key": link.link_id, "pulled_on": today, "pulled_at": now}
    upsert(session, FigurePull, [row])


def find_plan(session: Session, link_id: str) -> ChannelPlan | None:
    """The channel that is this link."""
    return session.execute(select(ChannelPlan).where(P.c.config_id == link_id)).scalar_one_or_none()


def list_due_days(session: Session, link: OurLink, today: date) -> list[date]:
    """The days of which a link's figures are to be read."""
    pulled = select(D.c.day, D.c.pulled_on).where(D.c.link_id == link.link_id)
    return due_days(dict(session.execute(pulled).all()), link.made_at.astimezone(CHINA).date(), today)


def save_day(session: Session, link_id: str, day: date, clicks: int, added: int, today: date) -> None:
    """Write what WeCom counts of a link on a day."""
    row = {"link_id": link_id, "day": day, "clicks": clicks, "added": added, "pulled_on": today}
    upsert(session, AcquisitionDay, [row])


def list_days(session: Session, link_id: str, since: date, until: date) -> list[tuple[date, int, int]]:
    """(day, clicks, added) of a link, the latest day first."""
    query = select(D.c.day, D.c.clicks, D.c.added).where(D.c.link_id == link_id, D.c.day >= since, D.c.day <= until)
    return [(day, clicks, added) for day, clicks, added in session.execute(query.order_by(D.c.day.desc()))]


# -- customers


def save_customers(session: Session, link: OurLink, told: Sequence[Mapping[str, Any]], now: datetime) -> int:
    """Write a page of a link's customers, without those who were erased, and by which channel they came where WeCom's
    events did not say; of how many that was."""
    erased = list_erased(session, [str(each["external_userid"]) for each in told])
    rows: dict[tuple[str, str], dict[str, Any]] = {
        (str(each["external_userid"]), str(each["userid"])): {
            "external_userid": str(each["external_userid"])[:64], "userid": str(each["userid"])[:64],
            "link_id": link.link_id, "state": str(each.get("state") or "")[:64],
            "chat_status": int(each.get("chat_status") or 0), "seen_at": now,
        }
        for each in told
        if each.get("external_userid") and each.get("userid") and each["external_userid"] not in erased
    }  # fmt: skip
    upsert(session, AcquisitionCustomer, [{**row, "messages": 0} for row in rows.values()], keep=["messages"])
    bare = [row["external_userid"] for row in rows.values() if not row["state"]]
    return _attribute(session, link, bare)


def _attribute(session: Session, link: OurLink, external_userids: Collection[str]) -> int:
    """Customers who opened the link without the parameter that names the channel came by it all the same."""
    if not external_userids:
        return 0
    dialect = session.get_bind().dialect.name
    theirs = (
        select(C.c.external_userid)
        .where(C.c.external_userid == F.c.external_userid, C.c.userid == F.c.userid, C.c.link_id == link.link_id)
        .exists()
    )
    changed: Any = session.execute(
        update(F)
        .where(among(dialect, F.c.external_userid, "people"), F.c.state == "", F.c.add_way == ADD_WAY, theirs)
        .values(state=link.state),
        {"people": sorted(set(external_userids))},
    )
    return int(changed.rowcount)


def note_chat(
    session: Session, link_id: str, userid: str, external_userid: str, now: datetime, messages: int = 1
) -> bool:
    """A customer who came by a link has written; `messages` so far. False: nothing is kept of them (any more)."""
    if list_erased(session, [external_userid]):
        return False
    known = session.get(AcquisitionCustomer, (external_userid, userid))
    row = {
        "external_userid": external_userid, "userid": userid, "link_id": link_id,
        "state": known.state if known else "", "chat_status": 1,
        "messages": max(messages, known.messages if known else 0), "seen_at": now,
    }  # fmt: skip
    upsert(session, AcquisitionCustomer, [row])
    return True


def count_written(session: Session, link_ids: Collection[str]) -> dict[str, tuple[int, int]]:
    """Of each link: customers whom WeCom lists, and how many of them have written."""
    dialect = session.get_bind().dialect.name
    query = (
        select(C.c.link_id, func.count(), func.count().filter(C.c.chat_status == 1))
        .where(among(dialect, C.c.link_id, "links"))
        .group_by(C.c.link_id)
    )
    found = session.execute(query, {"links": sorted(link_ids)})
    return {link_id: (customers, written) for link_id, customers, written in found}


def tell_link(session: Session, link_id: str, since: date, until: date) -> dict[str, Any]:
    """What came of a link over some days: the days, the latest first; all its customers, and how many have written."""
    customers, written = count_written(session, [link_id]).get(link_id, (0, 0))
    days = [
        {"day": f"{day}", "clicks": clicks, "added": added}
        for day, clicks, added in list_days(session, link_id, since, until)
    ]
    return {"days": days, "customers": customers, "written": written}


# -- quota


def find_quota(session: Session) -> tuple[Quota, datetime] | None:
    """What is left, and when WeCom was asked last."""
    row = session.get(AcquisitionQuota, 1)
    return (quota_of(row.total, row.balance, row.parts), row.read_at) if row is not None else None


def save_quota(session: Session, quota: Quota, now: datetime) -> None:
    """Write what is left."""
    parts = [[f"{part.day}", part.balance] for part in quota.parts]
    row = {"id": 1, "total": quota.total, "balance": quota.balance, "parts": parts, "warned": "", "read_at": now}
    upsert(session, AcquisitionQuota, [row], keep=["warned"])


def claim_warning(session: Session, warning: str) -> bool:
    """Whether managers are to be told this now: they were not told the same the last time."""
    row = session.get(AcquisitionQuota, 1, with_for_update=True, populate_existing=True)
    if row is None or row.warned == warning:
        return False
    row.warned = warning
    return bool(warning)
