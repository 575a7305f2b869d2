"""Which tags rules put on and take off, and why."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.rules.conditions import Outcome
from data.rules.problems import parse
from data.rules.tagging import Fact, TagFacts, TagRule, Trigger, match_tags, needs_fetch, problems

SHANGHAI = ZoneInfo("Asia/Shanghai")
#: A Wednesday, 10:00 in Shanghai.
AT = datetime(2026, 5, 20, 2, 0, tzinfo=UTC)


def rule(
    rule_id: int = 1,
    put_on: tuple[str, ...] = ("vip",),
    take_off: tuple[str, ...] = (),
    priority: int = 0,
    triggers: tuple[str, ...] = ("add",),
    **conditions: Any,
) -> TagRule:
    return parse(
        TagRule,
        {
            "id": rule_id,
            "name": f"rule {rule_id}",
            "priority": priority,
            "triggers": list(triggers),
            "conditions": conditions,
            "put_on": list(put_on),
            "take_off": list(take_off),
        },
    )


def facts(**changes: Any) -> TagFacts:
    values: dict[str, Any] = {
        "trigger": Trigger.ADD,
        "userid": "zhangsan",
        "external_userid": "wm1",
        "at": AT,
        "zone": SHANGHAI,
        "state": "shop-2",
        "department_ids": frozenset({5, 1}),
        "add_way": 1,
        "name": "小鱼 ＶＩＰ客户",
        "remark": "Straße 3 号",
    }
    return TagFacts(**(values | changes))


@pytest.mark.parametrize(
    ("conditions", "holds"),
    [
        ({}, True),
        ({"states": ["shop-2"]}, True),
        ({"state_prefixes": ["web"]}, False),
        ({"add_ways": [1, 16]}, True),
        ({"add_ways": [16]}, False),
        ({"userids": ["ZHANGSAN"]}, True),
        ({"department_ids": [7]}, False),
        ({"windows": [{"weekdays": [3], "start": "10:00", "end": "10:01"}]}, True),
        ({"words": ["vip"]}, True),
        ({"words": ["nothing", "ＶｉＰ"]}, True),
        ({"words": ["STRASSE"]}, True),
        ({"words": ["vip"], "search_in": "remark"}, False),
        ({"words": ["vip"], "search_in": "name"}, True),
        ({"words": ["3 号"], "search_in": "name"}, False),
        ({"words": ["vip.*"]}, False),
        ({"pattern": r"vip|黄金"}, True),
        ({"pattern": r"^小鱼\s"}, True),
        ({"pattern": r"ＶＩＰ"}, True),
        ({"pattern": r"\d+ ?号$", "search_in": "remark"}, True),
        ({"pattern": r"\d+ ?号$", "search_in": "name"}, False),
        ({"words": ["vip"], "pattern": "黄金"}, False),
        ({"words": ["vip"], "add_ways": [1], "states": ["shop-2"]}, True),
        ({"words": ["vip"], "add_ways": [2], "states": ["shop-2"]}, False),
    ],
)
def test_a_rule_applies_when_all_its_conditions_hold(conditions: dict[str, Any], holds: bool) -> None:
    decision = match_tags([rule(**conditions)], facts())
    assert decision.add == (("vip",) if holds else ())
    assert decision.is_empty is not holds


def test_only_rules_of_the_trigger_are_asked() -> None:
    rules = [rule(1, ("a",)), rule(2, ("b",), triggers=("edit",)), rule(3, ("c",), triggers=("edit", "order"))]
    decision = match_tags(rules, facts(trigger=Trigger.EDIT))
    assert decision.add == ("b", "c")
    assert [verdict.rule_id for verdict in decision.verdicts] == [2, 3]


def test_a_group_rule_asks_which_group_was_joined() -> None:
    one = rule(triggers=("group_join",), chat_ids=["wr1"])
    assert match_tags([one], facts(trigger=Trigger.GROUP_JOIN, chat_id="wr1")).add == ("vip",)
    assert match_tags([one], facts(trigger=Trigger.GROUP_JOIN, chat_id="wr2")).is_empty


def test_all_matching_rules_count_together() -> None:
    rules = [rule(1, ("a", "b")), rule(2, ("b", "c"), ("d",)), rule(3, ("e",), states=["x"])]
    decision = match_tags(rules, facts())
    assert (decision.add, decision.remove) == (("a", "b", "c"), ("d",))
    assert [verdict.outcome for verdict in decision.verdicts] == [Outcome.MATCHED, Outcome.MATCHED, Outcome.FAILED]


def test_of_two_that_disagree_the_higher_priority_decides_then_the_lower_id() -> None:
    on, off = rule(5, ("t",), priority=1), rule(1, (), ("t",))
    decision = match_tags([off, on], facts())
    assert (decision.add, decision.remove) == (("t",), ())
    assert [conflict.to_json() for conflict in decision.conflicts] == [{"tag_id": "t", "rule_id": 1, "winner_id": 5}]
    equal = match_tags([off, rule(5, ("t",))], facts())
    assert (equal.add, equal.remove) == ((), ("t",))


def test_what_is_so_already_is_not_done_again() -> None:
    rules = [rule(1, ("a", "b"), ("c", "d"))]
    decision = match_tags(rules, facts(tag_ids=frozenset({"a", "c"})))
    assert (decision.add, decision.remove, decision.redundant) == (("b",), ("c",), ("a", "d"))
    assert match_tags(rules, facts(tag_ids=None)).redundant == ()


def test_a_disabled_rule_says_so() -> None:
    decision = match_tags([rule().model_copy(update={"enabled": False})], facts())
    assert decision.is_empty
    assert decision.verdicts[0].outcome is Outcome.DISABLED


def test_the_explanation_is_json_without_the_customers_words() -> None:
    rules = [rule(1, words=["金卡"]), rule(2, pattern="银卡"), rule(3, add_ways=[2, 16]), rule(4)]
    told = match_tags(rules, facts(add_way=None)).to_json()
    assert json.loads(json.dumps(told)) == told
    assert told["add"] == ["vip"]
    assert [(each["rule_id"], each.get("failed")) for each in told["rules"]] == [
        (4, None),
        (1, [{"condition": "words", "wanted": ["金卡"], "got": "not_found"}]),
        (2, [{"condition": "pattern", "wanted": "银卡", "got": "not_found"}]),
        (3, [{"condition": "add_way", "wanted": [2, 16], "got": "unknown"}]),
    ]
    assert "小鱼" not in json.dumps(told, ensure_ascii=False)


def test_what_is_unknown_matches_nothing_and_is_asked_for() -> None:
    one = rule(words=["vip"], add_ways=[1])
    assert one.needs_fetch == {Fact.NAME, Fact.REMARK, Fact.ADD_WAY}
    assert rule(words=["vip"], search_in="remark").needs_fetch == {Fact.REMARK}
    assert rule(states=["x"]).needs_fetch == frozenset()
    bare = facts(name=None, remark=None, add_way=None)
    assert match_tags([one], bare).is_empty
    assert needs_fetch([one], bare) == {Fact.NAME, Fact.REMARK, Fact.ADD_WAY}


@pytest.mark.parametrize(
    ("one", "known"),
    [
        (rule(words=["vip"], states=["other"]), {"name": None, "remark": None}),
        (rule(words=["vip"], triggers=("edit",)), {"name": None, "remark": None}),
        (rule(words=["vip"]).model_copy(update={"enabled": False}), {"name": None, "remark": None}),
        (rule(words=["vip"], search_in="name"), {"remark": None}),
        (rule(words=["vip"]), {"remark": None}),
        (rule(words=["金卡"], add_ways=[99]), {"name": None}),
        (rule(states=["shop-2"]), {"name": None, "remark": None, "add_way": None}),
    ],
    ids=["other channel", "other trigger", "disabled", "known", "already found", "other add way", "asks nothing"],
)
def test_nothing_is_fetched_that_cannot_decide_a_rule(one: TagRule, known: dict[str, Any]) -> None:
    assert needs_fetch([one], facts(**known)) == frozenset()


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        ({}, []),
        ({"put_on": ()}, ["put_on"]),
        ({"triggers": ()}, ["triggers"]),
        ({"put_on": ("a", "b"), "take_off": ("b",)}, ["take_off"]),
        ({"words": ["\u3000"]}, ["conditions.words"]),
        ({"pattern": "["}, ["conditions.pattern"]),
        ({"pattern": r"(a)\1"}, ["conditions.pattern"]),
        ({"pattern": r"(?=a)"}, ["conditions.pattern"]),
        ({"pattern": "(a{1000}){1000}"}, ["conditions.pattern"]),
        ({"pattern": r"(\pL{50}\pN{50}){20}"}, ["conditions.pattern"]),
        ({"pattern": "a*"}, ["conditions.pattern"]),
        ({"chat_ids": ["wr1"]}, ["conditions.chat_ids"]),
        ({"chat_ids": ["wr1"], "triggers": ("group_join",)}, []),
        ({"windows": [{"weekdays": []}]}, ["conditions.windows[0].weekdays"]),
    ],
)
def test_problems_name_the_field(changes: dict[str, Any], paths: list[str]) -> None:
    assert [problem.path for problem in problems(rule(**changes))] == paths


def test_an_unusable_pattern_matches_nothing() -> None:
    decision = match_tags([rule(pattern="[")], facts())
    assert decision.is_empty
    assert decision.verdicts[0].failed[0].got == "invalid_pattern"


def test_a_catastrophic_pattern_is_searched_in_linear_time() -> None:
    begun = time.process_time()
    match_tags([rule(pattern=r"(a+)+(a|aa)+(.*.*)*x$")], facts(name="a" * 100_000, remark="\ufdfa" * 100_000))
    assert time.process_time() - begun < 1


def test_a_rule_survives_json_in_a_stable_form() -> None:
    original = rule(3, ("b", "a"), ("c",), 7, ("edit", "add"), words=["y", "x"], add_ways=[16, 1], pattern="^a")
    text = original.model_dump_json()
    assert parse(TagRule, text) == original
    assert json.loads(text)["put_on"] == ["a", "b"]
    assert json.loads(text)["triggers"] == ["add", "edit"]


TAGS = st.frozensets(st.sampled_from("abcd"), max_size=3)
RULES = st.lists(
    st.builds(
        lambda n, p, on, off, e: rule(n, tuple(on), tuple(off - on), p).model_copy(update={"enabled": e}),
        st.integers(1, 5),
        st.integers(0, 2),
        TAGS,
        TAGS,
        st.booleans(),
    ),
    max_size=6,
    unique_by=lambda each: each.id,
)


@settings(deadline=None)
@given(rules=RULES, tags=st.none() | TAGS, data=st.data())
def test_decisions_never_contradict_themselves(rules: list[TagRule], tags: frozenset[str] | None, data: Any) -> None:
    decision = match_tags(rules, facts(tag_ids=tags))
    assert not set(decision.add) & set(decision.remove)
    enabled = sorted((each for each in rules if each.enabled), key=lambda each: (-each.priority, each.id))
    for tag_id in "abcd":
        first = next((each for each in enabled if tag_id in each.put_on | each.take_off), None)
        on = first is not None and tag_id in first.put_on
        had = None if tags is None else tag_id in tags
        assert (tag_id in decision.add) is (on and had is not True)
        assert (tag_id in decision.remove) is (first is not None and not on and had is not False)
    shuffled = data.draw(st.permutations(rules))
    assert match_tags(shuffled, facts(tag_ids=tags)).to_json() == decision.to_json()


@settings(deadline=None)
@given(name=st.text(st.characters(codec=None, exclude_categories=())), word=st.text(min_size=1, max_size=5))
def test_any_name_can_be_searched(name: str, word: str) -> None:
    one = rule(words=[word], pattern="vip")
    match_tags([one], facts(name=name))
    padded = match_tags([rule(words=[word])], facts(name=f"小{word}鱼"))
    assert padded.add == ("vip",) or problems(rule(words=[word]))
