"""Pictures of channels' codes, as WeCom draws them, and those behind their posters."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlmodel import Session, col

from data.models import ChannelImage, ChannelKind, ChannelPlan, ChannelStatus

P: Any = ChannelPlan.__table__  # type: ignore[attr-defined]


def list_without_image(session: Session, limit: int = 100) -> list[tuple[int, str]]:
    """(number, address) of codes whose picture was not fetched yet, the newest first."""
    query = (
        select(P.c.id, P.c.qr_code)
        .outerjoin(ChannelImage, col(ChannelImage.plan_id) == P.c.id)
        .where(
            P.c.kind == ChannelKind.CODE,
            P.c.status == ChannelStatus.MADE,
            P.c.qr_code != "",
            col(ChannelImage.plan_id).is_(None),
        )
        .order_by(P.c.id.desc())
        .limit(limit)
    )
    return list(session.execute(query).all())


def find_image(session: Session, id_: int) -> bytes | None:
    """The picture of a code, if it was fetched."""
    return session.execute(select(col(ChannelImage.content)).where(col(ChannelImage.plan_id) == id_)).scalar()


def save_image(session: Session, id_: int, address: str, content: bytes, now: datetime) -> None:
    """Keep the picture of a code, unless the code is another one by now."""
    row = session.get(ChannelPlan, id_)
    if row is None or row.qr_code != address:
        return
    session.execute(delete(ChannelImage).where(col(ChannelImage.plan_id) == id_))
    session.add(ChannelImage(plan_id=id_, address=address, content=content, fetched_at=now))


def list_backgrounds(session: Session) -> list[tuple[int, str, str]]:
    """(number, name, media) of the pictures that posters show."""
    query = select(P.c.id, P.c.name, P.c.background).where(P.c.background != "").order_by(P.c.id)
    return list(session.execute(query).all())
