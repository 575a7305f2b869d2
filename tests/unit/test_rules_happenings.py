"""Which happenings a journey listens for, and which ones begin or end it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from data.models import EndReason
from data.rules.enrolments import Beginning
from data.rules.happenings import Happened, begins, cause_of, end_of, is_asked_for, list_ears
from data.rules.journey_triggers import Trigger
from data.rules.journeys import Journey
from data.rules.problems import parse
from tests.unit.test_rules_journeys import CALENDAR, GOOD

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
TRIGGER: TypeAdapter[Any] = TypeAdapter(Trigger)
ORDER: dict[str, Any] = {"nth": 2, "fen": 9900, "source": "youzan", "products": ["乌龙茶 250g", "茶杯"]}


def happened(kind: str, userid: str = "", departments: tuple[int, ...] = (), **detail: Any) -> Happened:
    return Happened(kind, "wm1", AT, detail, userid, frozenset(departments))


def added(**fields: Any) -> Happened:
    return happened("added", **{"userid": "lin", "state": "shop-1", "known": False, "departments": (3, 1), **fields})


@pytest.mark.parametrize(
    ("trigger", "what", "holds"),
    [
        ({"on": "added"}, added(), True),
        ({"on": "added"}, added(known=True), False),
        ({"on": "added", "who": "known"}, added(known=True), True),
        ({"on": "added", "who": "known"}, added(), False),
        ({"on": "added", "who": "all"}, added(known=True), True),
        ({"on": "added", "states": ["shop-1"]}, added(), True),
        ({"on": "added", "states": ["shop"]}, added(), False),
        ({"on": "added", "states": ["x"], "state_prefixes": ["shop-"]}, added(), True),
        ({"on": "added", "userids": ["LIN"]}, added(), True),
        ({"on": "added", "userids": ["bo"]}, added(), False),
        ({"on": "added", "department_ids": [1]}, added(), True),
        ({"on": "added", "department_ids": [2]}, added(), False),
        ({"on": "tagged", "tag_id": "et1"}, happened("tagged", tag_id="et1", put="on"), True),
        ({"on": "tagged", "tag_id": "et1"}, happened("tagged", tag_id="et1", put="off"), False),
        ({"on": "tagged", "tag_id": "et1", "put": "off"}, happened("tagged", tag_id="et1", put="off"), True),
        ({"on": "tagged", "tag_id": "et1"}, happened("tagged", tag_id="et2", put="on"), False),
        ({"on": "group"}, happened("group", did="joined", chat_id="wr1"), True),
        ({"on": "group", "chat_ids": ["wr1"]}, happened("group", did="joined", chat_id="wr1"), True),
        ({"on": "group", "chat_ids": ["wr2"]}, happened("group", did="joined", chat_id="wr1"), False),
        ({"on": "group", "did": "left"}, happened("group", did="joined", chat_id="wr1"), False),
        ({"on": "ordered"}, happened("ordered", **ORDER), True),
        ({"on": "ordered", "nth": 2, "min_fen": 9900}, happened("ordered", **ORDER), True),
        ({"on": "ordered", "nth": 1}, happened("ordered", **ORDER), False),
        ({"on": "ordered", "min_fen": 9901}, happened("ordered", **ORDER), False),
        ({"on": "ordered", "sources": ["youzan"], "product": "茶杯"}, happened("ordered", **ORDER), True),
        ({"on": "ordered", "sources": ["taobao"]}, happened("ordered", **ORDER), False),
        ({"on": "ordered", "product": "咖啡"}, happened("ordered", **ORDER), False),
        # A payment in a chat was told; then the shop tells what was bought.
        ({"on": "ordered"}, happened("ordered", **ORDER, told_as={**ORDER, "source": "wecom_pay"}), False),
        ({"on": "ordered", "product": "茶"}, happened("ordered", **ORDER, told_as={**ORDER, "products": []}), True),
        ({"on": "clicked", "link": "menu"}, happened("clicked", link="menu"), True),
        ({"on": "clicked", "link": "menu"}, happened("clicked", link="men"), False),
        ({"on": "form", "form": "birthday"}, happened("form", form="birthday"), True),
        ({"on": "event", "name": "shop.visited"}, happened("event", name="shop.visited"), True),
        ({"on": "event", "name": "shop.visited"}, happened("event", name="shop.left"), False),
        ({"on": "birthday"}, added(), False),
        ({"on": "added"}, happened("lost"), False),
    ],
)
def test_what_is_asked_for(trigger: dict[str, Any], what: Happened, holds: bool) -> None:
    assert is_asked_for(TRIGGER.validate_python(trigger), what) is holds


def journey(**changed: Any) -> Journey:
    return parse(Journey, GOOD | changed)


def test_a_journey_listens_for_what_begins_and_ends_it() -> None:
    assert list_ears(journey()) == ["added", "group:left", "ordered", "tagged:on:et9"]
    assert list_ears(journey(trigger={"on": "birthday"}, goal=None, stops=[])) == []


def test_what_happened_before_counts_for_nothing() -> None:
    first, bought, later = journey(), happened("ordered", **ORDER), AT + timedelta(microseconds=1)
    assert begins(first, AT, added()), "at the very instant of the start"
    assert not begins(first, later, added())
    assert end_of(first, AT, bought) is EndReason.GOAL
    assert end_of(first, later, bought) is None
    assert end_of(first, AT, happened("group", did="left", chat_id="wr1")) is EndReason.STOP
    assert end_of(first, AT, happened("group", did="joined", chat_id="wr1")) is None
    assert end_of(first, later, happened("lost")) is EndReason.LOST
    assert end_of(first, later, happened("opted_out")) is EndReason.OPTED_OUT


_WORDS = st.sampled_from(["et1", "et2", "et1:on", "on"])
_TRIGGERS = st.one_of(
    st.fixed_dictionaries({"on": st.just("tagged"), "tag_id": _WORDS, "put": st.sampled_from(["on", "off"])}),
    st.fixed_dictionaries({"on": st.just("group"), "did": st.sampled_from(["joined", "left"])}),
    st.fixed_dictionaries({"on": st.just("event"), "name": st.sampled_from(["a", "a.b", "b"])}),
    st.fixed_dictionaries({"on": st.just("ordered"), "nth": st.sampled_from([None, 1, 2])}),
    st.fixed_dictionaries({"on": st.just("added"), "who": st.sampled_from(["new", "known", "all"])}),
)
_HAPPENED = st.one_of(
    st.builds(lambda tag_id, put: happened("tagged", tag_id=tag_id, put=put), _WORDS, st.sampled_from(["on", "off"])),
    st.builds(lambda did: happened("group", did=did, chat_id="wr1"), st.sampled_from(["joined", "left"])),
    st.builds(lambda name: happened("event", name=name), st.sampled_from(["a", "a.b", "b"])),
    st.builds(lambda nth: happened("ordered", **{**ORDER, "nth": nth}), st.integers(1, 3)),
    st.builds(lambda known: added(known=known), st.booleans()),
)


@given(_TRIGGERS, st.lists(_TRIGGERS, max_size=3), _HAPPENED)
def test_a_journey_hears_whatever_begins_or_ends_it(
    trigger: dict[str, Any], stops: list[dict[str, Any]], what: Happened
) -> None:
    found = journey(trigger=trigger, goal=None, stops=stops)
    if begins(found, AT, what) or end_of(found, AT, what):
        assert what.ear in list_ears(found)
    assert len(cause_of(what)) <= 200


def test_who_is_held_out_always_is_and_the_others_stand_at_the_first_step() -> None:
    beginning = Beginning(7, journey(hold_out_percent=50), CALENDAR)
    customers = [f"wm{number}" for number in range(400)]
    held_out = {each for each in customers if beginning.is_held_out(each)}
    assert 150 < len(held_out) < 250
    again = Beginning(7, journey(hold_out_percent=50), CALENDAR)
    assert {each for each in customers if again.standing(each, AT).held_out} == held_out
    assert beginning.standing("wm1", AT)._replace(held_out=False).due_at == AT + timedelta(minutes=60)
    nobody = Beginning(7, journey(hold_out_percent=0), CALENDAR)
    assert not any(nobody.is_held_out(each) for each in customers)
