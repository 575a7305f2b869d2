"""Accounts on real rows: whose customers each sees, and the last admin."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

import pytest
from sqlmodel import Session

from data.db import Database
from data.errors import ConflictError
from data.models import Account, Department, Role, Staff
from data.queries import accounts as rows


def fill(session: Session, now: datetime) -> None:
    for number, parent in ((1, 0), (2, 1), (3, 2), (4, 1)):
        session.add(Department(id=number, name=f"部门{number}", parent_id=parent))
    for userid, number in (("ann", 3), ("bo", 2), ("cy", 4), ("di", 1)):
        session.add(Staff(userid=userid, name=userid, department_ids=[number], main_department_id=number, seen_at=now))
    accounts: tuple[tuple[Role, str | None, list[int]], ...] = (
        (Role.ADMIN, None, []), (Role.MANAGER, "cy", [2]), (Role.STAFF, "bo", []), (Role.STAFF, None, [1]),
    )  # fmt: skip
    for role, member, chosen in accounts:
        session.add(Account(role=role, userid=member, department_ids=chosen, made_at=now))
    session.flush()


async def test_each_role_sees_whom_it_should(db: Database, now: datetime) -> None:
    await db.write(fill, now)

    def read(session: Session) -> list[frozenset[str] | None]:
        return [rows.list_visible(session, each) for each in rows.list_accounts(session)]

    assert await db.read(read) == [None, {"ann", "bo", "cy"}, {"bo"}, set()]


async def test_one_admin_is_left(db: Database, now: datetime) -> None:
    await db.write(fill, now)
    wanted: dict[str, Any] = {"name": "x", "userid": None, "department_ids": [], "now": now}
    changes: tuple[dict[str, Any], ...] = (
        {"role": Role.STAFF, "disabled": False}, {"role": Role.ADMIN, "disabled": True},
    )  # fmt: skip
    for change in changes:
        with pytest.raises(ConflictError, match="管理员"):
            await db.write(partial(rows.change_account, account_id=1, **wanted, **change))
    assert await db.read(rows.has_admin)
    with pytest.raises(ConflictError, match="已有账号"):
        await db.write(
            partial(rows.change_account, account_id=4, **{**wanted, "userid": "bo"}, role=Role.ADMIN, disabled=False)
        )
    await db.write(partial(rows.change_account, account_id=4, **wanted, role=Role.ADMIN, disabled=False))
    await db.write(partial(rows.change_account, account_id=1, **wanted, role=Role.ADMIN, disabled=True))
    assert await db.read(rows.has_admin)
