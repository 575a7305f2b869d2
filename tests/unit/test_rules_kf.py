"""Rules of customer service: which one answers, why, and that nothing a customer writes keeps the bot from its work."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.models.journeys import StepOutcome
from data.models.kf import KfState
from data.rules.conditions import Outcome
from data.rules.journey_steps import Facts, decide, first_standing
from data.rules.journeys import Journey
from data.rules.journeys import problems as journey_problems
from data.rules.kf import Happening, KfChoices, KfConditions, KfFacts, KfRule, is_open, match, problems, says_any
from data.rules.kf_answers import KfText
from data.rules.kf_messages import read_item, storable
from data.rules.kf_sessions import IDLE, REPLIES_MAX, WINDOW, state_after_message, window_of
from data.rules.problems import InvalidRuleError, parse
from data.rules.schedule import TimeWindow
from data.rules.timings import Calendar

NOW = datetime(2026, 3, 4, 2, 0, tzinfo=UTC)  # a Wednesday, 10:00 in Shanghai
ZONE = ZoneInfo("Asia/Shanghai")
ANYTHING = st.text(max_size=200) | st.text(alphabet="a多少钱 ＡＢ\x00\ud800💰", max_size=200)


def rule(id_: int, *words: str, how: str = "contains", priority: int = 0, **more: object) -> KfRule:
    conditions = {"words": words, "how": how, **more.pop("conditions", {})}  # type: ignore[dict-item]
    return parse(KfRule, {
        "id": id_, "name": f"r{id_}", "priority": priority, "conditions": conditions,
        "answers": [{"msgtype": "text", "text": "好"}], **more,
    })  # fmt: skip


def said(text: str, **more: object) -> KfFacts:
    return KfFacts(open_kfid="wk1", at=NOW, text=text, **more)  # type: ignore[arg-type]


def winner(rules: list[KfRule], facts: KfFacts) -> int | None:
    found = match(rules, facts).rule
    return found.id if found else None


def test_the_first_that_holds_answers_and_the_fallback_comes_last() -> None:
    rules = [
        rule(1), rule(2, "价格", "多少钱"), rule(3, "Price", priority=5), rule(4, "退款", how="exact"),
        rule(5, r"订单\d{4,}", how="pattern"), rule(6, open_kfid="wk2", priority=99), rule(7, "多少钱", enabled=False),
    ]  # fmt: skip
    assert winner(rules, said("这个多少钱？")) == 2
    assert winner(rules, said("ＰＲＩＣＥ 价格")) == 3, "case and width do not count; the higher one goes first"
    assert winner(rules, said("我要退款")) == 1
    assert winner(rules, said(" 退款 ")) == 4
    assert winner(rules, said("查订单20260304")) == 5
    told = match(rules, said("多少钱"))
    assert {each.rule_id: each.outcome for each in told.verdicts} == {
        3: Outcome.FAILED, 2: Outcome.MATCHED, 4: Outcome.FAILED, 5: Outcome.FAILED, 7: Outcome.DISABLED,
        1: Outcome.OUTRANKED,
    }  # fmt: skip
    assert "多少钱？" not in str(match(rules, said("多少钱？")).to_json()), "what the customer wrote stays out of it"


def test_menus_first_contact_hours_pauses_and_knowledge() -> None:
    rules = [
        rule(1, conditions={"menu_ids": ["m1"]}), rule(2, conditions={"first": True}),
        rule(3, conditions={"hours": "closed"}, again_minutes=60), rule(4, knowledge=True, answers=[]),
        rule(5, conditions={"msgtypes": ["image"]}), rule(9),
    ]  # fmt: skip
    assert winner(rules, said("查快递", menu_id="m1", first=True)) == 1
    assert winner(rules, said("你好", first=True)) == 2
    assert winner(rules, said("", msgtype="image")) == 5
    assert winner(rules, said("在吗", open=False)) == 3
    lately = {3: NOW - timedelta(minutes=59)}
    assert winner(rules, said("在吗", open=False, answered=lately, known=False)) == 9
    asked = match(rules, said("怎么退货"))
    assert asked.asks_knowledge
    assert asked.rule is not None
    assert asked.rule.id == 9
    assert winner(rules, said("怎么退货", known=True)) == 4
    assert not match(rules, said("查", menu_id="m1")).asks_knowledge, "nobody looks for what is not needed"
    entering = [rule(1), rule(2, on="enter", conditions={"scenes": ["poster"]}), rule(3, on="enter")]
    assert winner(entering, said("", on=Happening.ENTER, scene="poster")) == 2
    assert winner(entering, said("", on=Happening.ENTER)) == 3


def test_a_catastrophic_pattern_answers_at_once() -> None:
    words = ("(a+)+$", "(a|aa)+b", r"(.*){10}c")
    began = time.process_time()
    for _ in range(20):
        assert not says_any(words, "pattern", "a" * 1900 + "!")
    assert time.process_time() - began < 5, "each takes milliseconds; a backtracking engine would not end"
    assert problems(rule(1, "(?=a)b", how="pattern")), "what RE2 cannot do is refused"
    assert problems(rule(1, "a*", how="pattern")), "what matches anything is no condition"


@given(ANYTHING, st.lists(ANYTHING.filter(bool), max_size=4), st.sampled_from(["contains", "exact", "pattern"]))
def test_nothing_that_is_written_breaks_a_rule(text: str, words: list[str], how: str) -> None:
    found = says_any(words, how, text)
    assert isinstance(found, bool)
    if how == "exact" and found:
        assert says_any(words, "contains", text)


@given(st.permutations([rule(1), rule(2, "茶"), rule(3, "茶", priority=3), rule(4, "茶", open_kfid="wk1")]))
def test_the_order_in_which_rules_are_kept_does_not_count(rules: list[KfRule]) -> None:
    assert winner(rules, said("茶")) == 3
    assert winner([each for each in rules if each.id != 3], said("茶")) == 4, "the account's own goes before all's"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["msgid", "msgtype", "external_userid", "open_kfid", "origin", "send_time", "text", "event"])


@given(st.dictionaries(FIELDS, JSON, max_size=8) | JSON)
def test_whatever_is_handed_out_is_read_or_left(item: object) -> None:
    found = read_item(item, NOW)
    if found is not None:
        assert found.msgid
        assert found.msgtype
        assert "\x00" not in str(found.content) + found.words
        (found.words + str(storable(dict(found.content)))).encode()


@given(st.integers(0, 4), st.integers(0, 9), st.integers(-3, 200), st.booleans())
def test_the_window_never_promises_what_wecom_refuses(state: int, replies: int, hours: int, blocked: bool) -> None:
    written = NOW - timedelta(hours=hours)
    window = window_of(state, written, replies, blocked, NOW)
    may = state in (KfState.NEW, KfState.BOT) and replies < REPLIES_MAX and written + WINDOW > NOW and not blocked
    assert window.is_open is may
    assert bool(window.why) is not may
    assert window.left == (REPLIES_MAX - replies if may else 0)


def test_a_conversation_begins_anew_when_it_had_ended_or_lain_idle() -> None:
    assert state_after_message(KfState.ENDED, NOW, NOW, NOW) is KfState.NEW
    assert state_after_message(KfState.PERSON, NOW, NOW, NOW + timedelta(hours=1)) is KfState.PERSON
    assert state_after_message(KfState.PERSON, NOW, NOW, NOW + IDLE + timedelta(minutes=1)) is KfState.NEW


def test_opening_hours_know_holidays_and_weekends_that_are_worked() -> None:
    office = TimeWindow(weekdays=frozenset(range(1, 6)), start="09:00", end="18:00")
    holiday, worked = date(2026, 3, 5), date(2026, 3, 7)
    calendar = Calendar(ZONE, TimeWindow(), ((holiday, holiday),), ((worked, worked),))
    chosen = KfChoices(hours=(office,))
    assert is_open(chosen, NOW, calendar)
    assert not is_open(chosen, NOW + timedelta(hours=9), calendar)
    assert not is_open(chosen, NOW + timedelta(days=1), calendar), "a holiday"
    assert is_open(chosen, NOW + timedelta(days=3), calendar), "a Saturday that is worked"
    assert not is_open(chosen.model_copy(update={"by_holidays": False}), NOW + timedelta(days=3), calendar)
    assert is_open(KfChoices(), NOW + timedelta(hours=13), calendar), "without hours it is always open"


def test_hours_over_midnight_belong_to_the_day_on_which_they_begin_and_follow_the_wall_clock() -> None:
    late = TimeWindow(weekdays=frozenset(range(1, 6)), start="20:00", end="02:00")
    berlin = ZoneInfo("Europe/Berlin")
    holiday, worked = date(2026, 3, 26), date(2026, 3, 29)  # a Thursday; the Sunday on which summer time begins
    calendar = Calendar(berlin, TimeWindow(), ((holiday, holiday),), ((worked, worked),))

    def at(day: int, hour: int, minute: int = 0) -> bool:
        return is_open(KfChoices(hours=(late,)), datetime(2026, 3, day, hour, minute, tzinfo=berlin), calendar)

    assert [at(25, 21), at(26, 1), at(26, 21), at(27, 1), at(27, 21)] == [True, True, False, False, True]
    assert [at(29, 1), at(29, 20), at(30, 1, 59), at(30, 2)] == [False, True, True, False]
    morning = KfChoices(hours=(TimeWindow(weekdays=frozenset({1}), start="09:30", end="18:00"),))
    for hour, minute, is_so in ((9, 29, False), (9, 30, True), (17, 59, True), (18, 0, False)):
        assert is_open(morning, datetime(2026, 3, 29, hour, minute, tzinfo=berlin), calendar) is is_so


@pytest.mark.parametrize(
    ("fault", "path"),
    [
        ({"answers": []}, "answers"),
        ({"answers": [{"msgtype": "text", "text": " "}]}, "answers[0].text"),
        ({"answers": [{"msgtype": "text", "text": "字" * 700}]}, "answers[0].text"),
        ({"answers": [{"msgtype": "msgmenu", "items": []}]}, "answers[0].items"),
        ({"on": "enter", "conditions": {"words": ["x"]}}, "conditions"),
        ({"on": "enter", "hand_over": {}}, "on"),
        ({"on": "enter", "answers": [{"msgtype": "image", "media": "x"}]}, "answers[0]"),
    ],
)
def test_what_cannot_be_sent_is_refused_where_it_stands(fault: dict[str, object], path: str) -> None:
    whole = {"name": "r", "answers": [{"msgtype": "text", "text": "好"}], **fault}
    assert path in [each.path for each in problems(parse(KfRule, whole))]


def test_an_unknown_field_is_told_by_its_path() -> None:
    with pytest.raises(InvalidRuleError) as refused:
        parse(KfRule, {"name": "r", "answers": [{"msgtype": "text", "text": "好", "bold": True}]})
    assert [each.path for each in refused.value.problems] == ["answers[0].bold"]
    assert KfText(text="好") == parse(KfRule, {"name": "r", "answers": [{"msgtype": "text", "text": "好"}]}).answers[0]
    assert KfConditions().is_empty


def test_a_step_of_a_journey_waits_for_the_window_and_goes_without_a_sender() -> None:
    step = {"key": "ask", "action": {"do": "kf", "text": "还满意吗？"}, "hold_days": 1}
    journey = parse(Journey, {"name": "回访", "trigger": {"on": "event", "name": "x"}, "steps": [step]})
    calendar = Calendar(ZONE, TimeWindow(), ())
    assert not journey_problems(journey, calendar)
    standing = first_standing(journey, NOW, calendar, held_out=False)
    facts = Facts(lambda _path: True, no_sender="没有员工", no_window="客户没有通过微信客服咨询过")
    held = decide(journey, standing, facts, NOW, calendar)
    assert (held.outcome, held.acts) == (StepOutcome.MOVED, False)
    over = decide(journey, held.standing, facts, held.standing.due_at, calendar)
    assert (over.outcome, over.reason) == (StepOutcome.CLOSED, "客户没有通过微信客服咨询过")
    assert decide(journey, standing, facts._replace(no_window=""), NOW, calendar).acts


def test_what_the_knowledge_says_is_counted_among_the_five() -> None:
    text = {"msgtype": "text", "text": "好"}
    assert problems(rule(1, knowledge=True, answers=[text] * 3)) == []
    assert [each.path for each in problems(rule(1, knowledge=True, answers=[text] * 4))] == ["answers"]
    assert problems(rule(1, answers=[text] * 5)) == []
