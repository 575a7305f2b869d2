"""Senders: a customer is reached once, by whom the policy says, and by nobody who is not to send."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.models import RecipientState
from data.rules import leaves
from data.rules.problems import parse
from data.rules.senders import (
    Candidate,
    Decision,
    SenderChoice,
    SenderPolicy,
    Senders,
    choice_problems,
    choose,
    decide,
    list_stand_ins,
)

WAITING, DUPLICATE = RecipientState.WAITING, RecipientState.DUPLICATE
DAY = datetime(2026, 3, 1, tzinfo=UTC)
STAFF = ["ann", "bo", "cy", "di"]
#: So few that most are shared.
CUSTOMERS = ["wm0", "wm1", "wm2"]
REFUSALS = [RecipientState.OPTED_OUT, RecipientState.PAUSED, RecipientState.CAPPED, RecipientState.BOUGHT]

follows = st.lists(
    st.builds(
        Candidate,
        follow_id=st.integers(1, 60),
        userid=st.sampled_from(STAFF),
        external_userid=st.sampled_from(CUSTOMERS),
        added_at=st.one_of(st.none(), st.integers(0, 3).map(lambda days: DAY + timedelta(days=days))),
        refusal=st.none(),
        tag_place=st.integers(0, 2),
        stands_in=st.just(False),
        room=st.none(),
    ),
    min_size=4,
    max_size=12,
    unique_by=(lambda each: each.follow_id, lambda each: (each.userid, each.external_userid)),
)
refusals = st.dictionaries(st.sampled_from(CUSTOMERS), st.sampled_from(REFUSALS), max_size=2)
rooms = st.fixed_dictionaries({whom: st.sampled_from([None, 1, 1, 2]) for whom in CUSTOMERS})
pieces = st.lists(st.integers(0, 60), max_size=6).map(lambda cuts: sorted({0, 60, *cuts}))
some_staff = st.frozensets(st.sampled_from(STAFF), max_size=2)
all_senders = st.builds(
    Senders,
    day=st.just(DAY.date()),
    policy=st.sampled_from(SenderPolicy),
    fallback=st.sampled_from([SenderPolicy.FIRST_ADDED, SenderPolicy.LAST_ADDED]),
    unable=some_staff,
    excluded=some_staff,
    on_leave=st.dictionaries(st.sampled_from(STAFF), st.sampled_from([*STAFF, ""]), max_size=3),
)


def plan(
    senders: Senders, audience: list[Candidate], outside: list[Candidate], cuts: list[int], worlds: Any = None
) -> list[Decision]:
    """Decide piece by piece as planning does; `worlds` may change the audience before each piece."""
    found: list[Decision] = []
    whose = {each.follow_id: each.external_userid for each in (*audience, *outside)}
    for number, (low, high) in enumerate(pairwise(cuts)):
        now = audience if worlds is None else worlds(number, audience)
        whom = {each.external_userid for each in now if low < each.follow_id <= high}
        seen = [each for each in now if each.external_userid in whom]
        rows = [(each.follow_id, each.userid, each.external_userid, "present") for each in (*audience, *outside)]
        reached = Counter(whose[each.follow_id] for each in found if each.state is WAITING)
        known = frozenset(each.follow_id for each in found)
        seen += list_stand_ins(senders, seen, [row for row in rows if row[2] in whom])
        found += decide(senders, seen, decided=known, reached=reached)
    return found


def split(
    everybody: list[Candidate], refused: dict[str, RecipientState], room: dict[str, int | None] | None = None
) -> tuple[list[Candidate], list[Candidate]]:
    """Of all follows those of the audience, and those that are not of it."""
    found = [
        each._replace(refusal=refused.get(each.external_userid), room=(room or {}).get(each.external_userid))
        for each in everybody
    ]
    return [each for each in found if each.follow_id % 4], [each for each in found if not each.follow_id % 4]


@given(all_senders, follows, refusals, rooms, pieces)
def test_each_follow_is_decided_once_and_each_customer_reached_once(
    senders: Senders,
    everybody: list[Candidate],
    refused: dict[str, RecipientState],
    room: dict[str, int | None],
    cuts: list[int],
) -> None:
    audience, outside = split(everybody, refused, room)
    decided = plan(senders, audience, outside, cuts)
    assert sorted(decided) == sorted(plan(senders, audience, outside, [0, 60])), "however it is cut"
    states = {each.follow_id: each.state for each in decided}
    assert len(states) == len(decided)
    sending = [each for each in (*audience, *outside) if states.get(each.follow_id) is WAITING]
    assert {each.follow_id for each in audience} <= states.keys()
    assert all(states[each] is WAITING for each in states.keys() - {each.follow_id for each in audience})
    for each in sending:
        assert senders.refusal_of(each.userid) is None
        assert each.external_userid not in refused
    for whom in {each.external_userid for each in audience}:
        mine = [each for each in audience if each.external_userid == whom]
        able = [each for each in mine if senders.refusal_of(each.userid) is None]
        reaching = [each for each in sending if each.external_userid == whom]
        if whom in refused:
            assert {states[each.follow_id] for each in mine} == {refused[whom]}
        elif senders.policy is SenderPolicy.ALL:
            left = room.get(whom)
            assert left is None or len(reaching) <= left
            assert set(able) <= set(reaching) or len(reaching) == left
            capped = {each.follow_id for each in mine if states[each.follow_id] is RecipientState.CAPPED}
            assert not capped or len(reaching) == left
        else:
            assert len(reaching) <= 1
            assert reaching or not able
            left_out = {states[each.follow_id] for each in mine if each not in reaching}
            assert left_out <= {DUPLICATE} if reaching else DUPLICATE not in left_out
        if not senders.substitutes and whom not in refused and senders.policy is not SenderPolicy.ALL:
            assert reaching == ([choose(senders, able)] if able else [])


@given(
    all_senders, follows, pieces, st.integers(1, 2),
    st.lists(st.frozensets(st.integers(1, 60)), min_size=8, max_size=8),
)  # fmt: skip
def test_nobody_is_reached_too_often_in_an_audience_that_changes_meanwhile(
    senders: Senders, everybody: list[Candidate], cuts: list[int], room: int, gone: list[frozenset[int]]
) -> None:
    def world(number: int, audience: list[Candidate]) -> list[Candidate]:
        return [each for each in audience if each.follow_id not in gone[number]]

    audience, outside = split(everybody, {}, {each.external_userid: room for each in everybody})
    decided = plan(senders, audience, outside, cuts, world)
    assert max(Counter(each.follow_id for each in decided).values(), default=0) <= 1
    whose = {each.follow_id: each.external_userid for each in everybody}
    reached = Counter(whose[each.follow_id] for each in decided if each.state is WAITING)
    assert max(reached.values(), default=0) <= (room if senders.policy is SenderPolicy.ALL else 1)


def senders(policy: SenderPolicy = SenderPolicy.FIRST_ADDED, **more: Any) -> Senders:
    return Senders(DAY.date(), policy, **more)


def test_who_is_first_and_who_is_last() -> None:
    early, late = (Candidate(id_, "ann", "wm", DAY + timedelta(days=id_), None) for id_ in (1, 2))
    unknown = Candidate(3, "bo", "wm", None, None)
    everybody = [late, unknown, early]
    assert choose(senders(), everybody) is early
    assert choose(senders(SenderPolicy.LAST_ADDED), everybody) is late
    assert choose(senders(), [unknown]) is unknown
    assert choose(senders(SenderPolicy.LAST_ADDED), []) is None


def test_whose_follow_wears_the_first_of_the_tags_is_the_owner() -> None:
    plain, second, early, late = (
        Candidate(id_, "ann", "wm", DAY + timedelta(days=id_), None, place)
        for id_, place in ((1, 2), (2, 1), (3, 0), (4, 0))
    )
    first, last = (
        senders(SenderPolicy.TAG_OWNER, tag_nos=(7, 8), fallback=fallback)
        for fallback in (SenderPolicy.FIRST_ADDED, SenderPolicy.LAST_ADDED)
    )
    assert [choose(each, [plain, second, early, late]) for each in (first, last)] == [early, late]
    assert choose(last, [plain, second]) is second
    assert choose(last, [plain]) is plain


def states(who: Senders, *everybody: Candidate) -> dict[str, RecipientState]:
    audience = [each for each in everybody if not each.stands_in]
    rows = [(each.follow_id, each.userid, each.external_userid, "present") for each in everybody]
    return {each.userid: each.state for each in decide(who, [*audience, *list_stand_ins(who, audience, rows)])}


def test_who_stands_in_reaches_the_customers_of_both_and_nobody_elses() -> None:
    ann, bo, cy = (
        Candidate(id_, who, "wm", DAY + timedelta(days=id_), None) for id_, who in enumerate(("ann", "bo", "cy"))
    )
    away = senders(on_leave={"ann": "cy"})
    assert states(away, ann, bo, cy) == {"ann": DUPLICATE, "bo": DUPLICATE, "cy": WAITING}
    assert states(away, ann, bo) == {"ann": DUPLICATE, "bo": WAITING}, "who stands in does not follow the customer"
    assert states(away, ann) == {"ann": RecipientState.SENDER_ON_LEAVE}
    assert states(away, ann, bo, cy._replace(stands_in=True)) == {"ann": DUPLICATE, "bo": DUPLICATE, "cy": WAITING}
    assert states(away, bo, cy._replace(stands_in=True)) == {"bo": WAITING}
    both = senders(on_leave={"ann": "cy", "cy": "bo"})
    assert states(both, ann, bo, cy) == {"ann": DUPLICATE, "bo": WAITING, "cy": DUPLICATE}, "cy is on leave as well"
    assert states(both, ann, bo._replace(stands_in=True)) == {"ann": DUPLICATE, "bo": WAITING}, "bo stands in for cy"
    assert states(both, ann, cy) == dict.fromkeys(("ann", "cy"), RecipientState.SENDER_ON_LEAVE), "bo is not theirs"
    without = senders(on_leave={"ann": "cy"}, excluded=frozenset({"cy"}))
    assert states(without, ann, cy) == {"ann": RecipientState.SENDER_ON_LEAVE, "cy": RecipientState.SENDER_EXCLUDED}
    everybody = senders(SenderPolicy.ALL, on_leave={"ann": "cy"})
    assert states(everybody, ann, bo, cy) == {"ann": DUPLICATE, "bo": WAITING, "cy": WAITING}
    assert states(everybody, ann, bo, cy._replace(stands_in=True)) == {"ann": DUPLICATE, "bo": WAITING, "cy": WAITING}


@pytest.mark.parametrize(
    ("on_leave", "substitutes"),
    [
        ({"ann": "bo", "bo": "cy", "cy": "di"}, {"ann": "di", "bo": "di", "cy": "di"}),
        ({"ann": "bo", "bo": ""}, {}),
        ({"ann": "ann"}, {}),
        ({"ann": "bo", "bo": "cy", "cy": "bo"}, {}),
        ({"ann": "bo", "bo": "gone"}, {}),
        ({"ann": "gone", "gone": "bo"}, {}),
        ({"ann": "bo", "bo": "out", "out": "cy"}, {}),
        ({"out": "bo", "ann": "bo"}, {"ann": "bo"}),
    ],
)
def test_a_substitute_on_leave_has_a_substitute(on_leave: dict[str, str], substitutes: dict[str, str]) -> None:
    away = senders(on_leave=on_leave, unable=frozenset({"gone"}), excluded=frozenset({"out"}))
    assert away.substitutes == substitutes


@given(all_senders)
def test_who_stands_in_can_send_and_nobody_on_leave_is_asked(senders: Senders) -> None:
    for userid, substitute in senders.substitutes.items():
        assert senders.refusal_of(userid) is RecipientState.SENDER_ON_LEAVE
        assert senders.refusal_of(substitute) is None
        if senders.refusal_of(senders.on_leave[userid]) is None:
            assert substitute == senders.on_leave[userid]
        else:
            assert substitute == senders.substitutes[senders.on_leave[userid]]


@pytest.mark.parametrize(
    ("choice", "paths"),
    [
        ({}, []),
        ({"sender_policy": "tag_owner"}, ["sender_tag_ids"]),
        ({"sender_tag_ids": ["et1"]}, ["sender_tag_ids"]),
        ({"sender_policy": "tag_owner", "sender_tag_ids": ["et1", "et2", "et1"]},
         ["sender_tag_ids[1]", "sender_tag_ids[2]"]),
        ({"excluded_userids": ["ann", "nobody"]}, ["excluded_userids"]),
    ],
)  # fmt: skip
def test_a_choice_names_tags_and_staff_that_there_are(choice: dict[str, Any], paths: list[str]) -> None:
    found = choice_problems(parse(SenderChoice, choice), {"et1"}, {"ann"})
    assert [each.path for each in found] == paths


def test_a_leave_is_of_somebody_for_some_days() -> None:
    def faults(**more: Any) -> list[str]:
        days = {"first_day": "2026-10-01", "last_day": "2026-10-07"}
        draft = parse(leaves.LeaveDraft, {"userid": "ann", **days, **more})
        return [each.path for each in leaves.problems(draft, {"ann", "bo"})]

    assert faults() == faults(substitute="bo") == faults(last_day="2026-10-01") == []
    assert faults(last_day="2026-09-30") == ["last_day"]
    assert faults(last_day=date(2029, 1, 1)) == ["last_day"]
    assert faults(userid="nobody") == ["userid"]
    assert faults(substitute="nobody") == faults(substitute="ann") == ["substitute"]
