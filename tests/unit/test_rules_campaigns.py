"""Campaigns: what is refused, and that a customer is reached once, by whom the policy says, however it is planned."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.render import Renderer
from data.models import RecipientState, RunStatus
from data.rules.campaigns import (
    ACTS,
    Act,
    Batches,
    CampaignDraft,
    Candidate,
    CustomerWave,
    Decision,
    Filled,
    SenderPolicy,
    after,
    audience_problems,
    choose,
    decide,
    problems,
)
from data.rules.problems import InvalidRuleError, parse

WAITING = RecipientState.WAITING
DAY = datetime(2026, 3, 1, tzinfo=UTC)


def wave(**more: Any) -> dict[str, Any]:
    return {"content": {"text": "周末有新品"}, "audience": {"everyone": True}, **more}


REFUSED = [
    (wave(content={"text": " "}), "content"),
    (wave(audience={}), "audience"),
    (wave(audience={"everyone": True, "external_userids": ["wm1"]}), "audience"),
    (wave(audience={"external_userids": []}), "audience"),
    (wave(content={"text": "x", "attachments": [{"msgtype": "link", "link": {"title": "长" * 43, "url": "http://a"}}]}),
     "content.attachments[0].link.title"),
    (wave(content={"text": "x", "attachments": [{"msgtype": "file", "file": {"media": "m"}}] * 10}),
     "content.attachments"),
]  # fmt: skip


@pytest.mark.parametrize(("draft", "path"), REFUSED)
def test_what_cannot_be_sent_is_refused_with_its_path(draft: dict[str, Any], path: str) -> None:
    refused = parse(CustomerWave, draft)
    assert path in [each.path for each in problems(refused.content) + audience_problems(refused.audience)]


def test_a_campaign_needs_a_name_and_a_wave_of_a_length_that_wecom_remembers() -> None:
    for draft, path in (
        ({"name": "", "waves": [wave()]}, "name"),
        ({"name": "x", "waves": []}, "waves"),
        ({"name": "x", "waves": [wave(valid_hours=721)]}, "waves[0].valid_hours"),
        ({"name": "x", "waves": [wave(kind="letters")]}, "waves[0]"),
    ):
        with pytest.raises(InvalidRuleError) as refused:
            parse(CampaignDraft, draft)
        assert path in [each.path for each in refused.value.problems]
    assert problems(parse(CustomerWave, wave()).content) == []


def test_faults_of_any_kind_of_wave_have_the_path_that_was_written() -> None:
    for kind, field in (("customers", "audience"), ("groups", "audience"), ("moments", "visible")):
        draft = {"name": "x", "waves": [{"kind": kind, "content": {"text": "x"}, field: {"nothing": 1}}]}
        with pytest.raises(InvalidRuleError) as refused:
            parse(CampaignDraft, draft)
        assert [each.path for each in refused.value.problems] == [f"waves[0].{field}.nothing"], kind


def test_one_text_for_all_names_the_staff_member_and_no_customer() -> None:
    renderer = Renderer()
    assert renderer.check("broadcast", "我是{{ staff_name }}，{{ company_name }}上新") == []
    (fault,) = renderer.check("broadcast", "{{ customer_name }}您好")
    assert fault.code == "withheld_variable"
    assert "customer_name" in fault.message
    assert "同一段文字" in fault.message
    assert renderer.check("broadcast", "长" * 1333) == []
    assert [each.code for each in renderer.check("broadcast", "长" * 1334)] == ["too_long"]


# -- who reaches whom

REFUSALS = [RecipientState.OPTED_OUT, RecipientState.PAUSED, RecipientState.CAPPED, RecipientState.BOUGHT]

follows = st.lists(
    st.builds(
        Candidate,
        follow_id=st.integers(1, 60),
        userid=st.sampled_from(["ann", "bo", "cy"]),
        external_userid=st.sampled_from([f"wm{number}" for number in range(6)]),
        added_at=st.one_of(st.none(), st.integers(0, 3).map(lambda days: DAY + timedelta(days=days))),
        refusal=st.none(),
    ),
    max_size=25,
    unique_by=lambda each: each.follow_id,
)
refusals = st.dictionaries(st.sampled_from([f"wm{number}" for number in range(6)]), st.sampled_from(REFUSALS))
pieces = st.lists(st.integers(0, 60), max_size=6).map(lambda cuts: sorted({0, 60, *cuts}))


def plan(
    policy: SenderPolicy, audience: list[Candidate], cuts: list[int], unable: frozenset[str], worlds: Any = None
) -> list[Decision]:
    """Decide piece by piece as planning does; `worlds` may change the audience before each piece."""
    found: list[Decision] = []
    whose = {each.follow_id: each.external_userid for each in audience}
    for number, (low, high) in enumerate(pairwise(cuts)):
        now = audience if worlds is None else worlds(number, audience)
        whose |= {each.follow_id: each.external_userid for each in now}
        inside = [each for each in now if low < each.follow_id <= high]
        whom = {each.external_userid for each in inside}
        seen = inside if policy is SenderPolicy.ALL else [each for each in now if each.external_userid in whom]
        reached = frozenset(whose[each.follow_id] for each in found if each.state is WAITING)
        known = frozenset(each.follow_id for each in found)
        found += decide(policy, seen, decided=known, reached=reached, unable=unable)
    return found


@given(st.sampled_from(SenderPolicy), follows, refusals, pieces, st.frozensets(st.sampled_from(["ann", "bo"])))
def test_each_follow_is_decided_once_and_each_customer_reached_once(
    policy: SenderPolicy,
    audience: list[Candidate],
    refused: dict[str, RecipientState],
    cuts: list[int],
    unable: frozenset[str],
) -> None:
    audience = [each._replace(refusal=refused.get(each.external_userid)) for each in audience]
    decided = plan(policy, audience, cuts, unable)
    assert sorted(each.follow_id for each in decided) == sorted(each.follow_id for each in audience)
    assert sorted(decided) == sorted(plan(policy, audience, [0, 60], unable)), "however it is cut"
    states = {each.follow_id: each.state for each in decided}
    for whom in {each.external_userid for each in audience}:
        mine = [each for each in audience if each.external_userid == whom]
        able = [each for each in mine if each.userid not in unable]
        reaching = [each for each in mine if states[each.follow_id] is WAITING]
        if whom in refused:
            assert {states[each.follow_id] for each in mine} == {refused[whom]}
        elif policy is SenderPolicy.ALL:
            assert reaching == able
        else:
            assert reaching == ([choose(policy, able)] if able else [])
        assert all(states[each.follow_id] is RecipientState.SENDER_UNABLE for each in mine
                   if each.userid in unable and whom not in refused)  # fmt: skip


@given(
    st.sampled_from([SenderPolicy.FIRST_ADDED, SenderPolicy.LAST_ADDED]), follows, pieces,
    st.lists(st.frozensets(st.integers(1, 60)), min_size=8, max_size=8),
)  # fmt: skip
def test_nobody_is_reached_twice_in_an_audience_that_changes_meanwhile(
    policy: SenderPolicy, audience: list[Candidate], cuts: list[int], gone: list[frozenset[int]]
) -> None:
    def world(number: int, everybody: list[Candidate]) -> list[Candidate]:
        return [each for each in everybody if each.follow_id not in gone[number]]

    decided = plan(policy, audience, cuts, frozenset(), world)
    assert max(Counter(each.follow_id for each in decided).values(), default=0) <= 1
    whose = {each.follow_id: each.external_userid for each in audience}
    reached = Counter(whose[each.follow_id] for each in decided if each.state is WAITING)
    assert max(reached.values(), default=0) <= 1


def test_who_is_first_and_who_is_last() -> None:
    early, late = (Candidate(id_, "ann", "wm", DAY + timedelta(days=id_), None) for id_ in (1, 2))
    unknown = Candidate(3, "bo", "wm", None, None)
    everybody = [late, unknown, early]
    assert choose(SenderPolicy.FIRST_ADDED, everybody) is early
    assert choose(SenderPolicy.LAST_ADDED, everybody) is late
    assert choose(SenderPolicy.FIRST_ADDED, [unknown]) is unknown
    assert choose(SenderPolicy.LAST_ADDED, []) is None


follows_decided = st.tuples(st.sampled_from("abc"), st.sampled_from(["", "A", "B"]), st.booleans())


@given(st.lists(st.lists(follows_decided, max_size=12), max_size=6), st.integers(1, 4))
def test_batches_hold_one_senders_recipients_of_one_content_and_no_more_than_fit(pieces: list[Any], most: int) -> None:
    number = 0
    rows: list[tuple[int, int | None, int]] = []
    sizes: dict[int, int] = {}
    filled: dict[int, Filled] = {}
    owners: dict[int, tuple[str, str]] = {}
    batches = Batches({}, 0, most)
    wanted: Counter[tuple[str, str]] = Counter()
    senders: dict[int, tuple[str, str]] = {}
    for piece in pieces:
        decisions = []
        for userid, variant, able in piece:
            number += 1
            senders[number] = (userid, variant)
            wanted[userid, variant] += able
            decisions.append(Decision(number, userid, WAITING if able else RecipientState.CAPPED, variant))
        assigned, grown = batches.assign(decisions)
        rows += assigned
        filled |= grown
        for batch_no, (userid, variant, recipients) in grown.items():
            assert owners.setdefault(batch_no, (userid, variant)) == (userid, variant)
            sizes[batch_no] = recipients
        # A process that starts anew knows as much from the rows.
        open_ = {batch_no: each for batch_no, each in filled.items() if each.recipients < most}
        batches = Batches(open_, max(filled, default=0), most)
    assert all(1 <= size <= most for size in sizes.values())
    assert Counter(batch_no for _, batch_no, _ in rows if batch_no is not None) == Counter(sizes)
    assert all(owners[batch_no] == senders[follow_id] for follow_id, batch_no, _ in rows if batch_no is not None)
    assert sorted(sizes) == list(range(1, len(sizes) + 1))
    assert len(sizes) == sum(-(-count // most) for count in wanted.values())


def test_where_acts_lead() -> None:
    assert after(Act.RESUME, written=True, started=True, planned=True) is RunStatus.SENDING
    assert after(Act.RESUME, written=True, started=True, planned=False) is RunStatus.PLANNING
    assert after(Act.RESUME, written=True, started=False, planned=False) is RunStatus.DUE
    assert after(Act.RESUME, written=False, started=False, planned=False) is RunStatus.WORDS_DUE
    assert after(Act.CANCEL, written=True, started=True, planned=True) is RunStatus.CANCELLED
    final = {RunStatus.FINISHED, RunStatus.FAILED, RunStatus.CANCELLED}
    assert all(not allowed & final for allowed in ACTS.values())
