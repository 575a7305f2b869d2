"""What was noted begins journeys and ends them, of one customer each after the one before it."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from sqlmodel import Session, col, select

from data.db import Database
from data.models import (
    Department,
    EndReason,
    Enrolment,
    FollowStatus,
    JourneyStatus,
    Preference,
    Staff,
    Tag,
)
from data.queries import customers as customer_rows
from data.queries import follow_tags as tag_rows
from data.queries import happenings as rows
from data.queries import journeys as journey_rows
from data.queries import preferences as preference_rows
from data.queries.enrolments import end_enrolments
from data.queries.happenings import note
from data.queries.orders import save_orders
from data.rules import preferences
from data.rules.happenings import TAKEN_OVER, Happened
from data.rules.journeys import Journey
from data.rules.orders import WECOM_PAY, OrderGiven
from data.rules.problems import parse
from scheduler.journey_triggers import Worked, work_on
from tests.queries.journey_world import (
    CALENDAR,
    NOW,
    SECOND,
    add,
    list_enrolled,
    start_journey,
)

LATER = NOW + 10 * SECOND


def work(session: Session, at: datetime = LATER, piece: int = 300) -> Worked:
    return work_on(session, at, CALENDAR, piece)


def order(number: str, whom: str = "wm1", **fields: Any) -> OrderGiven:
    given = {"source": "shop", "status": "paid", "amount_fen": 9900, "placed_at": LATER, "external_userid": whom}
    return OrderGiven.model_validate({**given, "number": number, **fields})


async def test_orders_count_as_they_are_when_journeys_are_asked(db: Database) -> None:
    def act(session: Session) -> list[tuple[str, str]]:
        first = start_journey(session, {"on": "ordered", "nth": 1, "product": "茶"})
        second = start_journey(session, {"on": "ordered", "nth": 2, "min_fen": 5000, "sources": ["shop"]})
        for whom in ("wm1", "wm2", "wm3"):
            add(session, whom)
        items = [{"name": "乌龙茶"}]
        given = [
            order("A1", items=items), order("A2"), order("A3"),
            order("B1", "wm2", items=items), order("B2", "wm2", amount_fen=4999),
            order("C1", "wm3", items=items),
        ]  # fmt: skip
        save_orders(session, given, LATER)
        save_orders(session, [order("C1", "wm3", items=items, status="refunded")], LATER)
        assert work(session) == Worked(6, 0, 3)
        return [*list_enrolled(session, first), *list_enrolled(session, second)]

    assert await db.write(act) == [("wm1", ""), ("wm2", ""), ("wm1", "")]


async def test_a_purchase_that_was_paid_in_a_chat_counts_once(db: Database) -> None:
    """As a payment, or as the shop's order, whichever comes first; for what it says more the shop's order counts."""

    def act(session: Session) -> list[list[str]]:
        any_ = start_journey(session, {"on": "ordered"}, goal={"on": "ordered"})
        tea = start_journey(session, {"on": "ordered", "product": "茶"})
        more: dict[str, Any] = {"trade_number": "T000001", "placed_at": LATER}
        for number, whom in enumerate(("first", "together", "late")):
            add(session, whom)
            more["trade_number"] = f"T00000{number}"
            shop = order(f"S{number}", whom, items=[{"name": "绿茶"}], **more)
            pay = order(f"P{number}", whom, source=WECOM_PAY, **more)
            for each in (shop, pay) if whom == "first" else (pay, shop):
                save_orders(session, [each], LATER + SECOND * (each is shop))
                if whom != "together":
                    work(session)
            work(session)
        return [[f"{whom} {reason}".strip() for whom, reason in list_enrolled(session, each)] for each in (any_, tea)]

    expected = ["first", "together", "late"]
    assert await db.write(act) == [expected, expected]


async def test_only_who_is_new_to_the_company_begins_the_first_week(db: Database) -> None:
    def act(session: Session) -> tuple[Any, ...]:
        new = start_journey(session, {"on": "added", "state_prefixes": ["shop-"]})
        known = start_journey(session, {"on": "added", "who": "known"})
        branch = start_journey(session, {"on": "added", "who": "all", "department_ids": [1]})
        session.add_all(Department(id=each, name=str(each), parent_id=each - 1) for each in (1, 2))
        session.add(Staff(userid="bo", name="博", department_ids=[2], seen_at=NOW))
        add(session, "old", "lin", at=NOW - SECOND)
        for userid, whom, state in (
            ("lin", "wm1", "shop-1"), ("lin", "wm2", ""), ("bo", "old", "shop-1"), ("bo", "gone", "shop-1"),
        ):  # fmt: skip
            add(session, whom, userid, at=LATER, state=state)
        customer_rows.record_end(session, "bo", "gone", FollowStatus.DELETED_BY_STAFF, event_at=LATER, now=LATER)
        work(session)
        session.flush()
        begun = session.exec(select(Enrolment).where(col(Enrolment.journey_id) == new)).one()
        assert (begun.userid, begun.cause, begun.started_at) == ("lin", "added shop-1", LATER)
        assert (begun.step, begun.due_at) == (0, LATER + timedelta(minutes=10))
        return tuple([whom for whom, _ in list_enrolled(session, each)] for each in (new, known, branch))

    assert await db.write(act) == (["wm1"], ["old"], ["old"])


async def test_an_add_waits_for_the_customers_card(db: Database) -> None:
    def act(session: Session) -> None:
        start_journey(session, {"on": "added"})
        customer_rows.record_add(
            session, "lin", "wm1", state="", half=False, inherited=False, event_at=LATER, now=LATER
        )  # fmt: skip
        assert not rows.is_waiting(session, LATER)
        assert work(session) == Worked()
        assert rows.is_waiting(session, LATER + rows.CARD_AWAITED)
        assert work(session, LATER + rows.CARD_AWAITED) == Worked(1, 0, 1)

    await db.write(act)


async def test_who_is_not_to_be_reached_begins_nothing(db: Database) -> None:
    audience = {"tags": {"tag_ids": ["et1"]}}

    def act(session: Session) -> list[tuple[str, str]]:
        session.add(Tag(tag_id="et1", group_id="eg1", name="常客"))
        session.flush()
        journey = start_journey(session, {"on": "event", "name": "visited"}, audience=audience)
        for whom in ("wm1", "wm2", "out", "gone"):
            add(session, whom)
            tag_rows.change_tags(session, "lin", whom, set() if whom == "wm2" else {"et1"}, set(), NOW)
        session.add(Preference(external_userid="out", opted_out_at=NOW, changed_at=NOW))
        customer_rows.record_end(session, "lin", "gone", FollowStatus.DELETED_BY_STAFF, event_at=LATER, now=LATER)
        happened = [
            Happened("event", whom, LATER, {"name": "visited"}) for whom in ("wm1", "wm2", "out", "gone", "nobody")
        ]
        assert note(session, happened) == 5
        work(session)
        return list_enrolled(session, journey)

    assert await db.write(act) == [("wm1", "")]


async def test_of_one_customer_each_happening_follows_the_one_before_it(db: Database) -> None:
    """Bought, begun; bought again: that reaches the goal, and begins it anew; left: it is over."""

    def act(session: Session, piece: int) -> list[tuple[str, str]]:
        journey = start_journey(session, {"on": "ordered"}, goal={"on": "ordered"}, again={"after_days": 0})
        paused = start_journey(session, {"on": "ordered"}, status=JourneyStatus.PAUSED)
        add(session, f"wm{piece}")
        for number in range(3):
            placed_at = LATER + number * SECOND
            save_orders(session, [order(f"{piece}-{number}", f"wm{piece}", placed_at=placed_at)], placed_at)
        later = LATER + timedelta(seconds=piece)
        while work(session, later, piece).happened:
            pass
        end = customer_rows.record_end
        end(session, "lin", f"wm{piece}", FollowStatus.DELETED_BY_STAFF, event_at=later, now=later)
        work(session, later)
        assert list_enrolled(session, paused) == []
        assert not rows.is_waiting(session, LATER)
        return list_enrolled(session, journey)

    for piece in (1, 2, 300):
        whom = f"wm{piece}"
        assert await db.write(act, piece) == [(whom, "goal"), (whom, "goal"), (whom, "lost")]


async def test_who_is_on_an_older_version_ends_as_that_says(db: Database) -> None:
    def act(session: Session) -> list[tuple[str, str]]:
        journey = start_journey(session, {"on": "event", "name": "a"}, goal={"on": "event", "name": "won"})
        for whom in ("wm1", "wm2"):
            add(session, whom)
        note(session, [Happened("event", "wm1", LATER, {"name": "a"})])
        work(session)
        row = journey_rows.get_journey(session, journey)
        newer = {**journey_rows.get_version(session, journey, 1).definition, "goal": {"on": "event", "name": "b"}}
        journey_rows.add_version(session, journey, row.version, parse(Journey, newer), "command", LATER)
        for whom, name in (("wm2", "a"), ("wm1", "b"), ("wm2", "won"), ("wm1", "won"), ("wm2", "b")):
            assert note(session, [Happened("event", whom, LATER, {"name": name})]) == 1
            work(session)
        return list_enrolled(session, journey)

    assert await db.write(act) == [("wm1", "goal"), ("wm2", "goal")]


async def test_a_journey_begins_anew_after_its_days(db: Database) -> None:
    def act(session: Session) -> list[tuple[str, str]]:
        journey = start_journey(session, {"on": "event", "name": "a"}, again={"after_days": 30})
        add(session, "wm1")
        for days in (0, 1, 29, 30):
            at = LATER + timedelta(days=days)
            note(session, [Happened("event", "wm1", at, {"name": "a"})])
            work(session, at)
            if days == 1:
                running = [each.id or 0 for each in session.exec(select(Enrolment)).all()]
                end_enrolments(session, running, EndReason.FINISHED, at)
        return list_enrolled(session, journey)

    assert await db.write(act) == [("wm1", "finished"), ("wm1", "")]


async def test_whoever_opts_out_is_on_no_journey_any_more(db: Database) -> None:
    def act(session: Session) -> list[tuple[str, str]]:
        journey = start_journey(session, {"on": "group"}, stops=[{"on": "clicked", "link": "menu"}])
        for whom in ("wm1", "wm2", "wm3"):
            add(session, whom)
        joined = [Happened("group", whom, LATER, {"did": "joined", "chat_id": "wr1"}) for whom in ("wm1", "wm2", "wm3")]
        note(session, joined)
        work(session)
        wish = preferences.Preference(opted_out=True)
        preference_rows.save_preference(session, "wm1", wish, "command", LATER)
        note(session, [Happened("clicked", "wm2", LATER, {"link": "menu"})])
        work(session)
        return list_enrolled(session, journey)

    assert await db.write(act) == [("wm1", "opted_out"), ("wm2", "stop"), ("wm3", "")]


async def test_a_journey_that_can_never_be_due_is_paused_and_keeps_no_other_waiting(db: Database) -> None:
    closed = CALENDAR._replace(holidays=((date(2026, 1, 1), date(2029, 1, 1)),))

    def act(session: Session) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        never = {"key": "ask", "when": {"days": 1, "only": "no_holidays"}, "action": {"do": "wait"}}
        first = start_journey(session, {"on": "event", "name": "a"}, steps=[never])
        second = start_journey(session, {"on": "event", "name": "a"})
        for whom in ("wm1", "wm2"):
            add(session, whom)
            note(session, [Happened("event", whom, LATER, {"name": "a"})])
        worked = work_on(session, LATER, closed)
        assert worked[:3] == (2, 0, 2)
        assert [(each, "never due" in why) for each, why in worked.broken.items()] == [(first, True)]
        return list_enrolled(session, first), list_enrolled(session, second)

    assert await db.write(act) == ([], [("wm1", ""), ("wm2", "")])


async def test_whoever_is_handed_over_goes_on_and_is_lost_only_if_nobody_takes_over(db: Database) -> None:
    def act(session: Session) -> list[tuple[str, str]]:
        journey = start_journey(session, {"on": "added", "who": "all"})
        for whom in ("taken", "left", "back"):
            add(session, whom, "lin", at=LATER)
        work(session)
        end = customer_rows.record_end
        for whom in ("taken", "left", "back"):
            handed_over = whom != "back"
            end(
                session, "lin", whom, FollowStatus.DELETED_BY_STAFF, event_at=LATER, now=LATER, handed_over=handed_over
            )  # fmt: skip
        add(session, "back", "lin", at=LATER + SECOND)
        assert work(session).ended == 0, "who is a contact again is not lost"
        add(session, "taken", "bo", at=LATER + SECOND)
        assert work(session, LATER + TAKEN_OVER - SECOND).ended == 0
        assert work(session, LATER + TAKEN_OVER).ended == 1
        return list_enrolled(session, journey)

    assert await db.write(act) == [("back", ""), ("left", "lost"), ("taken", "")]
