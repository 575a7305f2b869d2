"""Messages of customer service in rows: stored once, worked on by one, sent for journeys and counted as touches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from bot.kf_work import servicers_of
from data.db import Database
from data.models import KfAccount, KfSession
from data.models.kf import KfStatus
from data.queries import kf_accounts, kf_pulls, kf_sessions, kf_work, touches
from data.queries.kf_work import Ended, Sent
from data.rules.kf import KfChoices
from data.rules.kf_messages import read_item

NOW = datetime(2026, 3, 4, 2, 0, tzinfo=UTC)


def page(cursor: str, following: str, *msgids: str) -> kf_pulls.Page:
    items = [
        read_item(
            {"msgid": each, "open_kfid": "wk1", "external_userid": "wm1", "send_time": int(NOW.timestamp()),
             "origin": 3, "msgtype": "text", "text": {"content": "a\x00b"}}, NOW,
        )
        for each in msgids
    ]  # fmt: skip
    return kf_pulls.Page("wk1", cursor, following, False, [each for each in items if each], NOW)


async def test_a_page_is_stored_once_and_a_journey_writes_where_the_customer_wrote(db: Database) -> None:
    assert await db.write(kf_accounts.find_cursor, "wk1", NOW) == ""
    assert await db.write(kf_pulls.store_page, page("", "c1", "m1", "m2", "m1"), NOW) == 2
    assert await db.write(kf_pulls.store_page, page("", "c9", "m3"), NOW) is None, "another has moved the cursor"
    assert await db.write(kf_pulls.store_page, page("c1", "c2", "m2"), NOW) == 0
    until = NOW + timedelta(seconds=30)
    (work,) = await db.write(kf_work.claim_due, NOW, "me", until, 9)
    assert [(each.words, each.status) for each in work.open] == [("ab", "open")] * 2
    assert await db.write(kf_work.claim_due, NOW, "other", until, 9) == [], "one works on it at a time"
    number = work.session.id or 0
    decided = {number: [kf_work.Decided(each.id or 0, "") for each in work.open]}
    assert await db.write(kf_work.record_decisions, "other", decided, NOW) == {}
    assert await db.write(kf_work.record_decisions, "me", decided, NOW) == {number: []}
    await db.write(kf_work.finish, "me", [Ended(number), Ended(number + 1)], NOW)
    await db.write(kf_sessions.write_for_journey, "wm1", "", "还满意吗？", 7, NOW)
    (work,) = await db.write(kf_work.claim_due, NOW, "me", until, 9)
    (ours,) = work.open
    sent = Sent(ours.id or 0, KfStatus.SENT, counts=True, attempts=1)
    await db.write(kf_work.finish, "me", [Ended(number, [sent])], NOW)
    row = await db.read(kf_sessions.get_session, number)
    assert (row.replies, row.due_at, ours.journey_id) == (1, None, 7)
    touch = await db.read(touches.last_of, "wm1")
    assert touch is not None
    assert (touch.kind, touch.origin) == ("kf", f"kf:{ours.id}")


async def test_who_serves_by_a_department_is_known_by_what_events_told_and_hears_of_who_waits(db: Database) -> None:
    def read() -> list[dict[str, Any]]:
        servicers = [{"userid": "ann", "receives": False}, {"userid": "bo", "receives": None}]
        return [{"open_kfid": "wk1", "name": "客服", "servicers": servicers}]

    async def servicers() -> list[dict[str, Any]]:
        account = await db.read(kf_accounts.get_account, "wk1")
        return list(account.servicers)

    await db.write(kf_accounts.write_read, read(), NOW)
    assert await servicers() == [{"userid": "ann", "receives": False}, {"userid": "bo", "receives": True}]
    account = await db.read(kf_accounts.get_account, "wk1")
    assert told_of(account) == {"bo"}
    await db.write(lambda session: kf_accounts.note_servicer(session, "wk1", "bo", receives=False))
    await db.write(kf_accounts.write_read, read(), NOW)
    assert [each["receives"] for each in await servicers()] == [False, False]
    assert told_of(await db.read(kf_accounts.get_account, "wk1")) == {"ann", "bo"}, "a customer waits"


def told_of(account: KfAccount) -> set[str]:
    """Who hears that a customer waits."""
    session = KfSession(
        open_kfid="wk1", external_userid="wm1", contact_id="wm1", state_at=NOW, began_at=NOW, changed_at=NOW
    )
    return servicers_of(kf_work.Work(session, account, KfChoices(), []))


async def test_a_code_ends_by_the_clock_that_gave_it(db: Database) -> None:
    """WeCom's clock is 25 s behind ours: what it gave now looks 25 s old, and is good for 20 s more."""
    given = NOW - timedelta(seconds=25)
    told = {"event_type": "enter_session", "open_kfid": "wk1", "external_userid": "wm1", "welcome_code": "code"}
    item = {"msgid": "e1", "send_time": int(given.timestamp()), "origin": 4, "msgtype": "event", "event": told}
    read = read_item(item, NOW)
    assert read is not None
    await db.write(kf_accounts.find_cursor, "wk1", NOW)
    page = kf_pulls.Page("wk1", "", "c1", False, [read], NOW, timedelta(seconds=-25))
    assert await db.write(kf_pulls.store_page, page, NOW) == 1
    (work,) = await db.write(kf_work.claim_due, NOW, "me", NOW + timedelta(seconds=30), 9)
    assert work.open[0].code_until == NOW + timedelta(seconds=20)
