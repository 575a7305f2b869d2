"""Files of channels: what of them is to be made, and how far that is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session, col

from data.errors import ConflictError, NotFoundError
from data.models import ChannelImport, ChannelPlan
from data.queries.upsert import PER_STATEMENT

PREVIEWED, RUNNING, DONE = "previewed", "running", "done"


def add_import(
    session: Session, filename: str, rows: Sequence[Any], faults: Sequence[Any], made_by: str, account_id: int | None,
    now: datetime,
) -> int:  # fmt: skip
    """Keep what was read of a file; its number."""
    row = ChannelImport(
        filename=filename[:128], rows=list(rows), faults=list(faults), status=PREVIEWED, made_by=made_by[:80],
        account_id=account_id, made_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    assert row.id is not None
    return row.id


def get_import(session: Session, id_: int, account_id: int | None = None) -> ChannelImport:
    """One of them; with an account, of theirs alone. Raises NotFoundError."""
    row = session.get(ChannelImport, id_)
    if row is None or (account_id is not None and row.account_id != account_id):
        raise NotFoundError(f"没有编号为 {id_} 的导入。", "请在导入页面里核对。")
    return row


def list_imports(session: Session, account_id: int | None = None, limit: int = 20) -> list[ChannelImport]:
    """Files that were handed in, the newest first; of an account alone."""
    query = select(ChannelImport).order_by(col(ChannelImport.id).desc()).limit(limit)
    if account_id is not None:
        query = query.where(col(ChannelImport.account_id) == account_id)
    return list(session.execute(query).scalars())


def start_import(session: Session, id_: int) -> ChannelImport:
    """Have its channels made. Raises NotFoundError, and ConflictError where there is none to be made."""
    row = session.get(ChannelImport, id_, with_for_update=True, populate_existing=True) or get_import(session, id_)
    if not row.rows:
        raise ConflictError("这个文件里没有可以创建的渠道。", "请按提示修改后重新上传。")
    if row.status == PREVIEWED:
        row.status = RUNNING
    return row


def find_running(session: Session) -> int | None:
    """The oldest file whose rows were not all looked at."""
    query = select(col(ChannelImport.id)).where(col(ChannelImport.status) == RUNNING).order_by(col(ChannelImport.id))
    return session.execute(query.limit(1)).scalar()


def lock_import(session: Session, id_: int) -> ChannelImport:
    """One of them, locked until the transaction ends. Raises NotFoundError."""
    row = session.get(ChannelImport, id_, with_for_update=True, populate_existing=True)
    return row if row is not None else get_import(session, id_)


def count_statuses(session: Session, id_: int) -> dict[str, int]:
    """How the channels of a file stand at WeCom."""
    query = select(col(ChannelPlan.status), func.count()).where(col(ChannelPlan.import_id) == id_)
    return dict(session.execute(query.group_by(col(ChannelPlan.status))).all())


def count_present(session: Session, row: ChannelImport) -> int:
    """How many of a file's rows are channels already."""
    if row.status != PREVIEWED:
        return row.present
    states = [each["state"] for each in row.rows]
    found = 0
    for start in range(0, len(states), PER_STATEMENT):
        query = select(func.count()).where(col(ChannelPlan.state).in_(states[start : start + PER_STATEMENT]))
        found += int(session.execute(query).scalar_one())
    return found
