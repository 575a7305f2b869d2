"""Media and their uploads to WeCom."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import and_, delete, or_, select
from sqlmodel import Session, col

from data.models import Media, MediaUpload
from data.queries.upsert import insert_into, upsert


def add_media(session: Session, kind: str, filename: str, content: bytes, now: datetime) -> str:
    """Keep a file; its SHA-256 in hex, which is what messages name it by. The same bytes are kept once."""
    sha256 = hashlib.sha256(content).hexdigest()
    session.execute(
        insert_into(session, Media)
        .values(
            sha256=sha256, kind=kind, filename=filename[:128], content=content, size_bytes=len(content), added_at=now
        )
        .on_conflict_do_nothing(index_elements=["sha256"])
    )
    return sha256


def find_media(session: Session, sha256: str) -> Media | None:
    """The file, with its bytes."""
    return session.get(Media, sha256)


def is_image(session: Session, sha256: str) -> bool:
    """Whether the library has a picture of this key."""
    return (
        session.execute(
            select(col(Media.sha256)).where(col(Media.sha256) == sha256, col(Media.kind) == "image")
        ).first()
        is not None
    )


def list_media(session: Session) -> list[tuple[str, str, str, int]]:
    """(sha256, kind, filename, size in bytes) of all files."""
    rows = session.execute(
        select(col(Media.sha256), col(Media.kind), col(Media.filename), col(Media.size_bytes)).order_by(
            col(Media.added_at)
        )
    )
    return list(rows)


class MediaRow(NamedTuple):
    """A file without its bytes."""

    sha256: str
    kind: str
    filename: str
    size_bytes: int
    added_at: datetime


def list_page(session: Session, limit: int, before: str = "") -> list[MediaRow]:
    """Files, the newest first. `before`: only older ones than this."""
    columns = (col(Media.sha256), col(Media.kind), col(Media.filename), col(Media.size_bytes), col(Media.added_at))
    query = select(*columns).order_by(col(Media.added_at).desc(), col(Media.sha256).desc()).limit(limit)
    if before:
        at = select(col(Media.added_at)).where(col(Media.sha256) == before).scalar_subquery()
        query = query.where(or_(col(Media.added_at) < at, and_(col(Media.added_at) == at, col(Media.sha256) < before)))
    return [MediaRow(*row) for row in session.execute(query)]


def map_uploads(session: Session, keys: Collection[str]) -> dict[str, list[tuple[str, datetime]]]:
    """(endpoint, when) of the uploads of some files to WeCom, by their keys."""
    query = select(col(MediaUpload.sha256), col(MediaUpload.endpoint), col(MediaUpload.uploaded_at))
    found: dict[str, list[tuple[str, datetime]]] = {}
    for sha256, endpoint, at in session.execute(query.where(col(MediaUpload.sha256).in_(list(keys)))):
        found.setdefault(sha256, []).append((endpoint, at))
    return found


def map_filenames(session: Session, keys: Collection[str]) -> dict[str, str]:
    """The names of some files, by their keys."""
    if not keys:
        return {}
    return dict(
        session.execute(select(col(Media.sha256), col(Media.filename)).where(col(Media.sha256).in_(keys))).all()
    )


def lock_media(session: Session, sha256: str) -> None:
    """One at a time beyond this, for one file, until the transaction ends."""
    session.execute(select(col(Media.sha256)).where(col(Media.sha256) == sha256).with_for_update())


def hold_media(session: Session, keys: Collection[str]) -> set[str]:
    """Those of the files that the library has; nobody removes them until the transaction ends."""
    query = select(col(Media.sha256)).where(col(Media.sha256).in_(keys)).order_by(col(Media.sha256))
    return set(session.scalars(query.with_for_update(read=True)))


def delete_media(session: Session, sha256: str) -> None:
    """Remove a file and what is known of its uploads."""
    session.execute(delete(MediaUpload).where(col(MediaUpload.sha256) == sha256))
    session.execute(delete(Media).where(col(Media.sha256) == sha256))


def find_upload(session: Session, sha256: str, endpoint: str, uploaded_since: datetime) -> str | None:
    """The id that WeCom gave for a file, if it was uploaded since then."""
    return session.execute(
        select(col(MediaUpload.media_id)).where(
            col(MediaUpload.sha256) == sha256,
            col(MediaUpload.endpoint) == endpoint,
            col(MediaUpload.uploaded_at) >= uploaded_since,
        )
    ).scalar_one_or_none()


def record_upload(session: Session, sha256: str, endpoint: str, media_id: str, now: datetime) -> None:
    """Keep the id that WeCom gave."""
    upsert(
        session,
        MediaUpload,
        [{"sha256": sha256, "endpoint": endpoint, "media_id": media_id, "uploaded_at": now}],
    )


def forget_upload(session: Session, sha256: str, endpoint: str) -> None:
    """WeCom does not know the id any more: upload again when next needed."""
    row = session.get(MediaUpload, (sha256, endpoint))
    if row is not None:
        session.delete(row)
