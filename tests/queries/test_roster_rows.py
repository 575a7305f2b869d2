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
from data.errors import ConflictError
from data.models import Campaign, Customer, Follow, FollowMobile, Marking, Roster, RosterMember, Run, SegmentRow, Wave
from data.queries import rosters as rows
from data.queries.roster_uses import RosterUse, list_uses
from data.rules.problems import InvalidRuleError
from tests.facts import settle


def fill(session: Session, now: datetime) -> None:
    """Three customers; two of them have one telephone number."""
    for number in range(3):
        whom = f"wm{number}"
        session.add(Customer(external_userid=whom, unionid=f"u{number}", first_seen_at=now))
        follow = Follow(userid="ann", external_userid=whom, status="present", changed_at=now)
        session.add(follow)
        session.flush()
        session.add(FollowMobile(mobile=f"1380013800{min(number, 1)}", follow_id=follow.id or 0))
    settle(session)


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


async def test_a_roster_that_is_used_is_removed_by_force_only(db: Database, now: datetime) -> None:
    roster_id = await db.write(rows.begin_roster, "老客户", "test", now)
    await db.write(rows.finish_roster, roster_id, 1, 1, 0, now)
    asked = {"any": [{"not": {"roster": {"roster_id": roster_id}}}, {"tags": {"tag_ids": ["et1"]}}]}

    def furnish(session: Session) -> Wave:
        session.add(SegmentRow(id=4, name="没买过", definition=asked, changed_at=now))
        session.add(SegmentRow(id=5, name="别的", definition={"all": []}, changed_at=now))
        for number, name in ((6, "三月"), (7, "四月")):
            session.add(Campaign(id=number, name=name, made_by="test", made_at=now))
            audience = {"segment": asked} if number == 6 else {"everyone": True}
            wave = Wave(
                id=number, campaign_id=number, kind="customers", content={}, audience=audience, sender_policy="",
                valid_hours=72,
            )  # fmt: skip
            session.add(wave)
        for number, planned_at in ((8, None), (9, now)):
            session.add(Marking(
                id=number, asked_by="test", audience={"segment": asked}, put_on=["et1"], take_off=[], status="running",
                planned_at=planned_at, gains={}, losses={}, asked_at=now,
            ))  # fmt: skip
        return wave

    await db.write(furnish)
    uses = [RosterUse("segment", 4, "没买过"), RosterUse("campaign", 6, "三月"), RosterUse("marking", 8, "")]
    assert await db.read(list_uses) == {roster_id: uses}
    with pytest.raises(ConflictError, match="segment 4 没买过, campaign 6 三月, marking 8"):
        await rosters.remove_roster(db, roster_id, now)

    def run(session: Session, ended_at: datetime | None) -> None:
        row = session.get(Run, 1) or Run(
            id=1, wave_id=6, campaign_id=6, due_at=now, status="finished", valid_until=now + timedelta(1)
        )
        row.ended_at = ended_at
        session.add(row)

    for ended_at, used in ((None, uses), (now, [uses[0], uses[2]])):
        await db.write(run, ended_at)
        assert (await db.read(list_uses))[roster_id] == used
    (told,) = await db.read(lambda session: rosters.tell_rosters(session, rows.list_rosters(session)))
    assert told["used_by"] == [each._asdict() for each in (uses[0], uses[2])]
    await rosters.remove_roster(db, roster_id, now, force=True)
    assert await db.read(rows.list_known, [roster_id]) == frozenset()
