"""Rosters on real rows: who is named in which way, all or nothing, and nothing left of what was given up."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlmodel import Session

from bot import rosters
from data.db import Database
from data.models import Customer, Follow, FollowMobile, Roster, RosterMember
from data.queries import rosters as rows
from data.rules.problems import InvalidRuleError


def fill(session: Session, now: datetime) -> None:
    """Three customers; two of them have one telephone number."""
    for number in range(3):
        whom = f"wm{number}"
        session.add(Customer(external_userid=whom, unionid=f"u{number}", first_seen_at=now))
        follow = Follow(userid="ann", external_userid=whom, status="present", changed_at=now)
        session.add(follow)
        session.flush()
        session.add(FollowMobile(mobile=f"1380013800{min(number, 1)}", follow_id=follow.id or 0))


def count(session: Session) -> tuple[int, int]:
    return tuple(
        session.execute(select(func.count()).select_from(model)).scalar_one() for model in (Roster, RosterMember)
    )


async def test_customers_are_found_by_any_of_their_names_and_kept_once(
    db: Database, now: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await db.write(fill, now)
    monkeypatch.setattr(rosters, "CHUNK", 2)
    file = tmp_path / "file.csv"

    async def make(table: str, **more: Any) -> Roster:
        file.write_text(table, "utf-8")
        return await rosters.make_roster(db, file, "名单", "test", lambda: now, **more)

    good = "external_userid,unionid,mobile\nwm0,,\n,u1,\n,,13800138000\n,u0,\nwm2,u0,\n"
    made = await make(good)
    assert (made.rows, made.customers, made.skipped) == (5, 3, 0)
    faulty = f"{good},,13800138001\n,u9,\nwm9,,\n"
    monkeypatch.setattr(rosters, "PROBLEMS_TOLD", 2)
    with pytest.raises(InvalidRuleError) as refused:
        await make(faulty)
    assert [each.path for each in refused.value.problems] == ["file[7].mobile", "file[8].unionid", "file"]
    assert await db.read(count) == (1, 3), "nothing is kept of it"
    skipped = await make(faulty, skip_faulty=True)
    assert (skipped.rows, skipped.customers, skipped.skipped) == (8, 3, 3)
    with pytest.raises(InvalidRuleError):
        await make("external_userid\nwm9\n", skip_faulty=True)
    assert await db.read(count) == (2, 6)


async def test_what_was_given_up_is_removed_bit_by_bit(
    db: Database, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "SWEPT_ROWS", 2)
    roster_id = await db.write(rows.begin_roster, "x", "test", now)
    assert await db.write(rows.add_members, roster_id, ["wm1", "wm2", "wm1", "wm3"]) == 3
    assert await db.write(rows.add_members, roster_id, ["wm3", "wm4"]) == 1
    assert await db.read(rows.list_known, [roster_id]) == frozenset()
    await rosters.sweep(db, now)
    assert await db.read(count) == (1, 4), "somebody may still write it"
    await rosters.sweep(db, now + timedelta(hours=2))
    assert await db.read(count) == (0, 0)
