"""Approvals: who may decide, until when, and how much is covered, for any input."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bot.phrases import Phrase
from data.models import Approval, ApprovalStatus
from data.rules.approval_cards import card_of, change_words, cut, outcome_words
from data.rules.approvals import (
    Decider,
    Refusal,
    asked,
    expected,
    expires_at,
    judge,
    limit_of,
    needs_approval,
)
from data.rules.timings import Timing

NOW = datetime(2026, 3, 4, 10, tzinfo=UTC)
names = st.text("abAB", min_size=1, max_size=3)
numbers = st.integers(0, 10**7)


@given(numbers, numbers)
def test_zero_means_never_and_what_needs_approval_is_beyond_the_limit_without_one(recipients: int, above: int) -> None:
    assert not needs_approval(recipients, 0)
    limit = limit_of(above, None, 10)
    assert needs_approval(recipients, above) == (limit is not None and recipients > limit)


@given(numbers, numbers, st.integers(0, 1000))
def test_what_was_approved_may_be_sent_and_grows_by_the_share_alone(above: int, approved: int, growth: int) -> None:
    limit = limit_of(above, approved, growth)
    if limit is None:
        assert above == 0
        return
    assert limit >= max(above, approved)
    assert limit <= max(above, approved * (100 + growth) / 100)


@given(st.lists(names, max_size=5), st.one_of(st.just(""), names))
def test_nobody_is_asked_twice_or_about_their_own_request(approvers: list[str], requested_by: str) -> None:
    found = [each.casefold() for each in asked(approvers, requested_by)]
    assert len(found) == len(set(found))
    assert set(found) == {each.casefold() for each in approvers} - {requested_by.casefold()}


@given(
    st.sampled_from(ApprovalStatus),
    st.integers(-100, 100),
    names,
    st.booleans(),
    st.lists(names, max_size=4),
    names,
    st.one_of(st.just(""), names),
)
def test_only_another_approver_decides_what_waits_in_time(
    status: ApprovalStatus,
    hours: int,
    name: str,
    is_program: bool,
    approvers: list[str],
    submitted_by: str,
    requested_by: str,
) -> None:
    ends = NOW + timedelta(hours=hours)
    refusal = judge(
        status, ends, NOW, Decider(name, is_program), approvers=approvers, submitted_by=submitted_by,
        requested_by=requested_by,
    )  # fmt: skip
    own = name == submitted_by if is_program else name.casefold() == requested_by.casefold()
    listed = name.casefold() in {each.casefold() for each in approvers}
    may = status == ApprovalStatus.PENDING and ends > NOW and not own and (is_program or listed)
    assert (refusal is None) == may
    if refusal is Refusal.DECIDED:
        assert status in (ApprovalStatus.APPROVED, ApprovalStatus.REJECTED)


@given(st.integers(1, 72), st.lists(st.integers(-5000, 5000), max_size=3))
def test_a_request_ends_in_time_and_never_after_a_start_that_it_is_about(hours: int, minutes: list[int]) -> None:
    starts = [NOW + timedelta(minutes=each) for each in minutes]
    ends = expires_at(NOW, hours, starts)
    assert NOW < ends <= NOW + timedelta(hours=hours)
    assert not any(NOW < each < ends for each in starts)


@given(st.dictionaries(st.integers(1, 5), numbers), st.dictionaries(st.integers(1, 5), numbers))
def test_what_is_planned_counts_in_place_of_what_was_counted(counts: dict[int, int], planned: dict[int, int]) -> None:
    waves = counts.keys() | planned.keys()
    assert expected(counts, planned) == sum(planned.get(each, counts.get(each, 0)) for each in waves)


@given(
    st.text(max_size=64),
    st.text(max_size=4000),
    st.text(max_size=64),
    st.sampled_from(ApprovalStatus),
    st.one_of(st.none(), st.just(NOW), st.just(NOW + timedelta(days=1))),
    st.lists(st.integers(0, 3_000_000), max_size=3),
)
def test_a_card_and_the_words_on_it_are_short_whatever_they_are_about(
    name: str, text: str, person: str, status: ApprovalStatus, start_at: datetime | None, waves: list[int]
) -> None:
    counts = {str(number): counted for number, counted in enumerate(waves)}
    approval = Approval(
        campaign_id=1, campaign_name=name, version=1, status=status, counts=counts, recipients=sum(waves), senders=5,
        start_at=start_at, submitted_by="command", approvers=[], submitted_at=NOW, expires_at=NOW, decided_at=NOW,
    )  # fmt: skip
    timings = [Timing(), Timing(at=NOW), Timing(cron="0 9 * * 1")]
    card = card_of(approval, "task", text=text, requester=person, timings=timings, zone=UTC)
    shown = [card["main_title"]["title"], *(each["value"] for each in card["horizontal_content_list"])]
    assert max(map(len, shown)) <= 26
    several = sum(counted > 0 for counted in waves) > 1
    customers = next(value for value in shown[1:] if value.endswith(("位", "位（各波次相加）")))
    assert customers == (f"至多 {sum(waves):,} 位（各波次相加）" if several else f"{sum(waves):,} 位")
    assert "command" not in shown
    assert len(card["sub_title_text"]) <= 112
    for words in (change_words(approval, person), outcome_words(approval, person, UTC)):
        assert isinstance(words, Phrase)
        assert 0 < len(cut(words, 30)) <= 30
