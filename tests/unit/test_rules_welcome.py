"""Which welcome rule applies, why, and whether its words are sent."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest

from data.rules.conditions import Outcome
from data.rules.problems import InvalidRuleError, parse
from data.rules.welcome import (
    CODE_LIFE_SECONDS,
    MISSED_SENTENCES,
    SKIP_SENTENCES,
    Inheritance,
    Match,
    Missed,
    MissedCause,
    PriorWelcome,
    RetrySend,
    Send,
    SendTextOnly,
    Skip,
    SkipReason,
    WelcomeDecision,
    WelcomeFacts,
    WelcomeRule,
    decide_refusal,
    decide_welcome,
    find_inheritance,
    match,
    problems,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
#: A Wednesday, 10:00 in Shanghai.
AT = datetime(2026, 5, 20, 2, 0, tzinfo=UTC)


def rule(rule_id: int, priority: int = 0, **conditions: Any) -> WelcomeRule:
    return parse(
        WelcomeRule,
        {
            "id": rule_id,
            "name": f"rule {rule_id}",
            "priority": priority,
            "conditions": conditions,
            "content": {"text": "您好"},
        },
    )


def facts(**changes: Any) -> WelcomeFacts:
    values: dict[str, Any] = {
        "userid": "ZhangSan",
        "external_userid": "wm1",
        "at": AT,
        "zone": SHANGHAI,
        "state": "shop-2",
        "department_ids": frozenset({5, 2, 1}),
        "followed_by_colleague": False,
    }
    return WelcomeFacts(**(values | changes))


def matched(result: Match) -> int | None:
    return result.rule.id if result.rule else None


@pytest.mark.parametrize(
    ("conditions", "holds"),
    [
        ({}, True),
        ({"states": ["shop-1", "shop-2"]}, True),
        ({"states": ["shop-1"]}, False),
        ({"states": ["SHOP-2"]}, False),
        ({"state_prefixes": ["shop-"]}, True),
        ({"states": ["x"], "state_prefixes": ["shop-"]}, True),
        ({"state_prefixes": ["web-"]}, False),
        ({"userids": ["zhangsan"]}, True),
        ({"userids": ["lisi"]}, False),
        ({"department_ids": [2]}, True),
        ({"department_ids": [3]}, False),
        ({"windows": [{"weekdays": [3], "start": "09:00", "end": "18:00"}]}, True),
        ({"windows": [{"weekdays": [4], "start": "09:00", "end": "18:00"}]}, False),
        ({"customer": "new"}, True),
        ({"customer": "followed"}, False),
        ({"states": ["shop-2"], "userids": ["zhangsan"], "department_ids": [5], "customer": "new"}, True),
        ({"states": ["shop-2"], "userids": ["zhangsan"], "department_ids": [9], "customer": "new"}, False),
    ],
)
def test_a_rule_matches_when_all_its_conditions_hold(conditions: dict[str, Any], holds: bool) -> None:
    assert (matched(match([rule(1, **conditions)], facts())) == 1) is holds


def test_an_unknown_relation_matches_neither_new_nor_followed() -> None:
    rules = [rule(1, customer="new"), rule(2, customer="followed")]
    result = match(rules, facts(followed_by_colleague=None))
    assert matched(result) is None
    assert [verdict.failed[0].got for verdict in result.verdicts] == ["unknown", "unknown"]


def test_higher_priority_wins_then_the_lower_id_and_the_default_comes_last() -> None:
    rules = [
        rule(1, 99),
        rule(4, 5, states=["shop-2"]),
        rule(3, 5, states=["shop-2"]),
        rule(2, 1, userids=["zhangsan"]),
    ]
    result = match(rules, facts())
    assert [verdict.rule_id for verdict in result.verdicts] == [3, 4, 2, 1]
    assert [verdict.outcome for verdict in result.verdicts] == [Outcome.MATCHED] + [Outcome.OUTRANKED] * 3
    assert matched(match(rules, facts(state="", userid="lisi"))) == 1


def test_a_disabled_rule_is_passed_over_and_says_so() -> None:
    off = rule(1, 9, states=["shop-2"]).model_copy(update={"enabled": False})
    result = match([off, rule(2)], facts())
    assert matched(result) == 2
    assert result.verdicts[0].outcome is Outcome.DISABLED


def test_the_explanation_names_each_failed_condition_with_what_was_the_case() -> None:
    result = match([rule(7, states=["a"], state_prefixes=["b"], userids=["lisi"]), rule(8)], facts())
    assert json.loads(json.dumps(result.to_json())) == {
        "rule_id": 8,
        "rules": [
            {"rule_id": 8, "rule_name": "rule 8", "priority": 0, "outcome": "matched"},
            {
                "rule_id": 7,
                "rule_name": "rule 7",
                "priority": 0,
                "outcome": "failed",
                "failed": [
                    {"condition": "state", "wanted": ["a", "b*"], "got": "shop-2"},
                    {"condition": "userid", "wanted": ["lisi"], "got": "ZhangSan"},
                ],
            },
        ],
        "left_out": 0,
    }


def test_the_explanation_stays_small_with_many_rules() -> None:
    rules = [rule(n, states=[f"s{i}" for i in range(200)]) for n in range(1, 301)] + [rule(999)]
    told = match(rules, facts()).to_json()
    assert told["rules"][0]["rule_id"] == 999
    assert told["left_out"] == 281
    assert len(json.dumps(told)) < 5_000


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ({"name": "x", "content": {"text": "a"}, "colour": 1}, "colour: 没有这个字段"),
        ({"name": "x"}, "content: 缺少必填项"),
        (
            {"name": "x", "content": {"text": "a"}, "conditions": {"windows": [{"start": "25:00"}]}},
            "conditions.windows[0].start: 应为 24 小时制的时间，如 09:30",
        ),
        (
            {"name": "x", "content": {"attachments": [{"msgtype": "link", "link": {"url": "u"}}]}},
            "content.attachments[0].link.title: 缺少必填项",
        ),
        (
            {"name": "x", "content": {"attachments": [{"msgtype": "voice"}]}},
            "content.attachments[0]: 没有类型 voice，只能是 image、link、miniprogram、video、file",
        ),
    ],
)
def test_a_rule_that_cannot_be_read_names_the_field(data: dict[str, Any], fault: str) -> None:
    with pytest.raises(InvalidRuleError) as error:
        parse(WelcomeRule, data)
    assert [str(problem) for problem in error.value.problems] == [fault]


def test_a_rule_survives_json() -> None:
    original = rule(
        3, 7, states=["b", "a"], windows=[{"weekdays": [6, 7], "start": "22:00", "end": "06:00"}], customer="new"
    )
    assert parse(WelcomeRule, original.model_dump_json()) == original


def test_problems_of_a_rule_name_the_field() -> None:
    broken = parse(
        WelcomeRule,
        {
            "name": "x",
            "conditions": {"windows": [{"weekdays": []}]},
            "content": {
                "attachments": [{"msgtype": "image", "image": {}}, {"msgtype": "file", "file": {"media": "1"}}]
            },
        },
    )
    assert [problem.path for problem in problems(broken)] == [
        "conditions.windows[0].weekdays",
        "content.attachments[0].image",
    ]
    assert problems(rule(1)) == []


def test_media_without_words_needs_a_fallback_text() -> None:
    content = {"attachments": [{"msgtype": "file", "file": {"media": "1"}}]}
    assert [p.path for p in problems(parse(WelcomeRule, {"name": "x", "content": content}))] == ["fallback_text"]
    assert problems(parse(WelcomeRule, {"name": "x", "content": content, "fallback_text": "您好"})) == []


RULE = rule(1)


def decide(
    *,
    has_code: bool = True,
    age_seconds: float = 0.5,
    mode: Literal["live", "observe"] = "live",
    with_rule: bool = True,
    inheritance: Inheritance | None = None,
    prior: PriorWelcome | None = None,
) -> WelcomeDecision:
    return decide_welcome(
        rule=RULE if with_rule else None,
        has_code=has_code,
        age_seconds=age_seconds,
        mode=mode,
        inheritance=inheritance,
        prior=prior,
    )


def test_a_fresh_code_and_a_rule_are_sent() -> None:
    assert decide() == Send(RULE)
    assert decide(age_seconds=CODE_LIFE_SECONDS - 0.001) == Send(RULE)
    assert decide(age_seconds=-3) == Send(RULE), "WeCom's clock may be ahead of ours"


def test_a_code_of_twenty_seconds_is_missed() -> None:
    assert decide(age_seconds=CODE_LIFE_SECONDS) == Missed(MissedCause.TOO_LATE)


@pytest.mark.parametrize(
    ("situation", "reason"),
    [
        ({"prior": PriorWelcome.SENT}, SkipReason.ALREADY_SENT),
        ({"prior": PriorWelcome.SENT, "has_code": False}, SkipReason.ALREADY_SENT),
        ({"inheritance": Inheritance.ADD_WAY}, SkipReason.INHERITED),
        ({"inheritance": Inheritance.TRANSFER_ROW, "age_seconds": 60}, SkipReason.INHERITED),
        ({"with_rule": False}, SkipReason.NO_RULE),
        ({"has_code": False}, SkipReason.NO_CODE),
        ({"has_code": False, "prior": PriorWelcome.SENDING}, SkipReason.BEING_SENT),
        ({"has_code": False, "prior": PriorWelcome.MISSED}, SkipReason.ALREADY_MISSED),
        ({"has_code": False, "prior": PriorWelcome.SKIPPED}, SkipReason.NO_CODE),
        ({"age_seconds": 60, "prior": PriorWelcome.MISSED}, SkipReason.ALREADY_MISSED),
        ({"mode": "observe"}, SkipReason.OBSERVE),
        ({"mode": "observe", "age_seconds": 60}, SkipReason.OBSERVE),
    ],
)
def test_what_is_not_sent_says_why(situation: dict[str, Any], reason: SkipReason) -> None:
    assert decide(**situation) == Skip(reason)


def test_a_crash_during_the_call_is_tried_again_while_the_code_lives_and_unknown_after() -> None:
    assert decide(prior=PriorWelcome.SENDING) == Send(RULE)
    assert decide(prior=PriorWelcome.SENDING, age_seconds=30) == Missed(MissedCause.OUTCOME_UNKNOWN)


def test_the_code_of_the_second_event_makes_up_for_a_missed_first() -> None:
    assert decide(prior=PriorWelcome.MISSED) == Send(RULE)


def test_every_reason_and_cause_has_its_sentence() -> None:
    assert set(SKIP_SENTENCES) == set(SkipReason)
    assert set(MISSED_SENTENCES) == set(MissedCause)
    assert Skip(SkipReason.NO_CODE).sentence
    assert Missed(MissedCause.TOO_LATE).sentence


@pytest.mark.parametrize(
    ("transfer", "add_way", "deleted", "evidence"),
    [
        (True, 1, True, Inheritance.TRANSFER_ROW),
        (False, 201, True, Inheritance.ADD_WAY),
        (False, 202, False, Inheritance.ADD_WAY),
        (False, None, True, Inheritance.COLLEAGUE_DELETED_BY_TRANSFER),
        (False, 1, False, None),
        (False, None, False, None),
    ],
)
def test_inheritance_is_known_by_its_evidence(
    transfer: bool, add_way: int | None, deleted: bool, evidence: Inheritance | None
) -> None:
    found = find_inheritance(transfer_pending=transfer, add_way=add_way, colleague_deleted_by_transfer=deleted)
    assert found is evidence


@pytest.mark.parametrize(
    ("errcode", "age", "attachments", "expected"),
    [
        (41096, 1, True, RetrySend()),
        (41096, 21, True, Missed(MissedCause.OTHER_APP)),
        (-1, 1, False, RetrySend()),
        (-1, 21, False, Missed(MissedCause.REFUSED)),
        (41051, 1, True, Skip(SkipReason.CHAT_STARTED)),
        (41050, 1, True, Missed(MissedCause.CODE_REFUSED)),
        (41053, 1, True, Missed(MissedCause.ARCHIVE_NOT_AGREED)),
        (40007, 1, True, SendTextOnly()),
        (40007, 1, False, Missed(MissedCause.REFUSED)),
        (40007, 21, True, Missed(MissedCause.REFUSED)),
        (48002, 1, True, Missed(MissedCause.REFUSED)),
    ],
)
def test_what_follows_a_refusal(errcode: int, age: float, attachments: bool, expected: object) -> None:
    assert decide_refusal(errcode=errcode, age_seconds=age, sent_attachments=attachments) == expected
