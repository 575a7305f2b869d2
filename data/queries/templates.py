"""Message templates that were edited: drafts, and the versions that were published."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlmodel import Session, col

from bot.phrases import Phrase
from data.errors import NotFoundError, StaleError
from data.models import TemplateRow, TemplateVersion
from data.queries.upsert import insert_into


def read_stamp(session: Session) -> int:
    """A number that every publication raises: how many there are, for their ids need not be seen in order."""
    return int(session.execute(select(func.count()).select_from(TemplateVersion)).scalar_one())


def map_published(session: Session) -> dict[tuple[str, str], str]:
    """What edited templates say, by kind and slug; those that are as shipped are left out."""
    query = select(col(TemplateVersion.kind), col(TemplateVersion.slug), col(TemplateVersion.source)).join(
        TemplateRow, col(TemplateRow.published) == col(TemplateVersion.id)
    )
    return {(kind, slug): source for kind, slug, source in session.execute(query) if source is not None}


def list_edited(session: Session) -> dict[tuple[str, str], TemplateRow]:
    """The templates that were ever edited."""
    return {(row.kind, row.slug): row for row in session.execute(select(TemplateRow)).scalars()}


def find_template(session: Session, kind: str, slug: str) -> TemplateRow | None:
    """An edited template; None: nobody has touched it."""
    return session.get(TemplateRow, (kind, slug))


def list_versions(session: Session, kind: str, slug: str, limit: int = 100) -> list[TemplateVersion]:
    """What it has said, the newest first."""
    query = select(TemplateVersion).where(col(TemplateVersion.kind) == kind, col(TemplateVersion.slug) == slug)
    return list(session.execute(query.order_by(col(TemplateVersion.id).desc()).limit(limit)).scalars())


def get_version(session: Session, kind: str, slug: str, version_id: int) -> TemplateVersion:
    """One version. Raises NotFoundError."""
    found = session.get(TemplateVersion, version_id)
    if found is None or (found.kind, found.slug) != (kind, slug):
        raise NotFoundError(
            Phrase("模板 %(kind)s/%(slug)s 没有版本 %(version_id)s。", kind=kind, slug=slug, version_id=version_id),
            Phrase("请从版本列表里选择。"),
        )
    return found


def save_draft(
    session: Session, kind: str, slug: str, draft: str | None, revision: int, by: str, now: datetime
) -> TemplateRow:
    """Keep a draft, or drop it. Raises StaleError when somebody has edited the template since `revision`."""
    row = _lock(session, kind, slug, revision, by, now)
    row.draft = draft
    return row


def publish(
    session: Session, kind: str, slug: str, source: str | None, revision: int, by: str, now: datetime
) -> TemplateVersion:
    """It says this from now on; None: what is shipped. The draft is over. Raises StaleError."""
    row = _lock(session, kind, slug, revision, by, now)
    version = TemplateVersion(kind=kind, slug=slug, source=source, made_by=by[:80], made_at=now)
    session.add(version)
    session.flush()
    row.draft, row.published = None, version.id
    return version


def _lock(session: Session, kind: str, slug: str, revision: int, by: str, now: datetime) -> TemplateRow:
    """The row of a template, made if need be; `revision` 0: nobody had touched it."""
    session.execute(
        insert_into(session, TemplateRow)
        .values(kind=kind, slug=slug, revision=0, changed_by="", changed_at=now)
        .on_conflict_do_nothing(index_elements=["kind", "slug"])
    )
    row = session.get_one(TemplateRow, (kind, slug), with_for_update=True, populate_existing=True)
    if row.revision != revision:
        raise StaleError(
            Phrase("模板 %(kind)s/%(slug)s 在您打开之后被修改过。", kind=kind, slug=slug), Phrase("请核对后再保存。")
        )
    row.revision, row.changed_by, row.changed_at = revision + 1, by[:80], now
    return row
