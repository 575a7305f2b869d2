"""Whose an order is, decided from what is known: no database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from data.rules.orders import (
    AMOUNT_MAX_FEN,
    Candidates,
    Clues,
    Match,
    MatchedBy,
    OrderGiven,
    Waits,
    decide,
    decide_again,
    has_been_paid,
    is_stale,
    merge_clues,
)
from data.rules.problems import InvalidRuleError, parse
from data.rules.texts import normalised_mobile

ORDER = {
    "source": "shop", "number": "A1", "status": "paid", "amount_fen": 9900, "placed_at": "2026-03-04T10:00:00+08:00",
}  # fmt: skip
AT = datetime(2026, 3, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        ("13800138000", "13800138000"),
        ("+86 138-0013-8000", "13800138000"),
        ("0086 138 0013 8000", "13800138000"),
        ("8613800138000", "13800138000"),
        ("１３８ ００１３ ８０００", "13800138000"),
        ("(021) 6123-4567", "02161234567"),
        ("+852 6123 4567", "+85261234567"),
        ("00852 6123 4567", "+85261234567"),
        ("电话 138.0013.8000", "13800138000"),
        ("无", ""),
        ("", ""),
    ],
)
def test_a_telephone_number_is_compared_however_it_is_written(written: str, compared: str) -> None:
    assert normalised_mobile(written) == compared
    assert normalised_mobile(compared) == compared


@given(st.text(max_size=40))
@example("0:0")
@example("+8600852")
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalised_mobile(text)
    # What is left of `+86 00852…` or `0:0` looks like a code itself: no telephone has such a number.
    assert normalised_mobile(once) == once or once.startswith(("00", "861"))
    assert set(once) <= set("+0123456789")


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"amount_fen": 9900.0}, "amount_fen"),
        ({"amount_fen": "9900"}, "amount_fen"),
        ({"amount_fen": True}, "amount_fen"),
        ({"amount_fen": -1}, "amount_fen"),
        ({"amount_fen": AMOUNT_MAX_FEN + 1}, "amount_fen"),
        ({"amount_fen": 10**400}, "amount_fen"),
        ({"placed_at": "2026-03-04T10:00:00"}, "placed_at"),
        ({"placed_at": 1772590000}, "placed_at"),
        ({"placed_at": "1772590000"}, "placed_at"),
        ({"placed_at": "2026-03-04"}, "placed_at"),
        ({"placed_at": "0001-01-01T00:00:00+23:59"}, "placed_at"),
        ({"source": "The Shop"}, "source"),
        ({"source": ""}, "source"),
        ({"number": " "}, "number"),
        ({"number": "A\u0007"}, "number"),
        ({"number": "\ud800"}, "number"),
        ({"number": "x" * 65}, "number"),
        ({"number": 5}, "number"),
        ({"status": "lost"}, "status"),
        ({"items": [{"name": "茶"}] * 101}, "items"),
        ({"items": [{"name": "茶", "count": 1.5}]}, "items[0].count"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_an_order_that_cannot_be_is_refused_with_its_path(changes: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidRuleError) as refused:
        parse(OrderGiven, ORDER | changes)
    assert [problem.path for problem in refused.value.problems] == [path]


def test_strong_clues_go_before_weak_ones() -> None:
    clues = Clues("", "u1", "13800138000", "4200001")
    found = Candidates(by_unionid=["a"], by_number=["b"], by_mobile={"c": ""})
    assert decide(clues, found) == Match("a", MatchedBy.UNIONID, "")
    assert decide(clues, Candidates(by_number=["b"], by_mobile={"c": ""})) == Match("b", MatchedBy.NUMBER, "")
    assert decide(clues, Candidates(by_mobile={"c": ""})) == Match("c", MatchedBy.MOBILE, "")
    assert decide(clues, Candidates()).waits_because == Waits.NOBODY_KNOWN
    assert decide(Clues(), Candidates()).waits_because == Waits.NO_CLUE


def test_a_named_customer_who_is_unknown_is_waited_for() -> None:
    found = Candidates(by_unionid=["a"], by_mobile={"a": ""})
    assert decide(Clues("wm9", "u1", "138", ""), found) == Match(None, "", Waits.CUSTOMER_UNKNOWN)


def test_two_customers_with_one_number_leave_it_to_a_person() -> None:
    assert decide(Clues("", "", "138", ""), Candidates(by_mobile={"a": "", "b": ""})).waits_because == Waits.AMBIGUOUS
    assert decide(Clues("", "u", "138", ""), Candidates(by_unionid=["a", "b"])).waits_because == Waits.AMBIGUOUS


def test_the_telephone_of_somebody_with_another_unionid_does_not_count() -> None:
    clues = Clues("", "u1", "138", "")
    assert decide(clues, Candidates(by_mobile={"a": "u2"})).waits_because == Waits.CONTRADICTED
    assert decide(clues, Candidates(by_mobile={"a": "u2", "b": ""})).external_userid == "b"


def test_a_claim_stays_whatever_turns_up() -> None:
    claimed = Match("a", MatchedBy.CLAIM, "")
    for fresh in (Match("b", MatchedBy.UNIONID, ""), Match(None, "", Waits.AMBIGUOUS)):
        assert decide_again(claimed, fresh, clues_changed=True) == claimed


def test_a_match_stays_when_a_number_is_only_forgotten() -> None:
    matched, nobody = Match("a", MatchedBy.MOBILE, ""), Match(None, "", Waits.NOBODY_KNOWN)
    assert decide_again(matched, nobody, clues_changed=False) == matched
    assert decide_again(matched, nobody, clues_changed=True) == nobody
    ambiguous = Match(None, "", Waits.AMBIGUOUS)
    assert decide_again(matched, ambiguous, clues_changed=False) == ambiguous


def test_a_clue_that_is_left_out_stays_and_a_stale_message_only_adds() -> None:
    known, told = Clues("", "u1", "138", ""), Clues("", "u2", "", "42")
    assert merge_clues(known, told, stale=False) == Clues("", "u2", "138", "42")
    assert merge_clues(known, told, stale=True) == Clues("", "u1", "138", "42")
    assert is_stale(AT, AT.replace(year=2025))
    assert not is_stale(AT, AT)
    assert not is_stale(AT, None)
    assert not is_stale(None, AT)


def test_tags_are_asked_for_when_an_order_becomes_a_customers_and_paid() -> None:
    assert has_been_paid((None, "paid"), ("a", "paid"))
    assert has_been_paid(("a", "placed"), ("a", "paid"))
    assert has_been_paid(("a", "paid"), ("b", "paid"))
    assert not has_been_paid(("a", "paid"), ("a", "finished"))
    assert not has_been_paid(("a", "placed"), ("a", "placed"))
    assert not has_been_paid(("a", "paid"), (None, "paid"))
