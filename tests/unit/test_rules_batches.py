"""Batches whose answer never came: what may be taken for one, what is left to a person, what is surely absent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.rules import batches as rules
from data.rules.batches import Asked, Found, Verdict, content_of, fits, look_pause, match, pull_pause, resembles

HELLO = content_of({"text": {"content": "周末有新品"}})
AT = 1_772_000_000.0


def asked(batch_id: int = 1, userid: str = "ann", whom: str = "abc", **more: Any) -> Asked:
    return Asked(batch_id, userid, more.get("content", HELLO), frozenset(whom), AT, more.get("until", AT))


def found(msgid: str = "m1", userid: str = "ann", whom: str = "abc", **more: Any) -> Found:
    return Found(msgid, more.get("at", AT + 1), more.get("content", HELLO), {userid: frozenset(whom)} if userid else {})


def test_one_that_fits_is_taken_though_wecom_left_some_out() -> None:
    assert match([asked()], [found()]) == {1: Verdict("m1")}
    assert match([asked()], [found(whom="a")]) == {1: Verdict("m1")}
    assert match([asked()], []) == {1: Verdict()}
    assert Verdict().is_absent


@pytest.mark.parametrize(
    "other",
    [
        found(content=content_of({"text": {"content": "别的"}})),  # the same member, other words
        found(userid="bo"),  # the same words, another member
        found(whom="abcd"),  # somebody whom we did not ask for
    ],
)
def test_what_only_resembles_is_left_to_a_person(other: Found) -> None:
    assert match([asked()], [other]) == {1: Verdict(candidates=("m1",))}


@pytest.mark.parametrize(
    "other",
    [
        found(whom="xyz"),
        found(userid=""),
        found(at=AT - rules.STRAY_SECONDS - 1),
        found(at=AT - rules.SKEW_SECONDS - 1, userid="bo"),
        found(at=AT + rules.SKEW_SECONDS + rules.CALL_SECONDS + 1, content=content_of({"text": {"content": "别的"}})),
        found(userid="bo", content=content_of({"text": {"content": "别的"}})),
    ],
)
def test_what_cannot_be_it_is_none(other: Found) -> None:
    assert match([asked()], [other])[1].is_absent


@pytest.mark.parametrize("seconds", [rules.SKEW_SECONDS + rules.CALL_SECONDS + 1, 40 * 86_400, -rules.STRAY_SECONDS])
def test_what_a_clock_that_jumped_may_have_dated_otherwise_is_left_to_a_person(seconds: float) -> None:
    assert match([asked()], [found(at=AT + seconds)]) == {1: Verdict(candidates=("m1",))}
    groups = asked()._replace(to_groups=True)
    assert match([groups], [found(at=AT + seconds, whom="")]) == {1: Verdict(candidates=("m1",))}


def test_two_that_fit_one_or_one_that_fits_two_are_left_to_a_person() -> None:
    assert match([asked()], [found(), found("m2")]) == {1: Verdict(candidates=("m1", "m2"))}
    both = match([asked(), asked(2)], [found()])
    assert both == {1: Verdict(candidates=("m1",)), 2: Verdict(candidates=("m1",))}


def test_each_of_a_senders_batches_finds_its_own() -> None:
    """The same words by the same member, to others; and to the same ones by another member."""
    batches = [asked(1, whom="abc"), asked(2, whom="def"), asked(3, "bo", whom="abc")]
    made = [found("m3", "bo", "abc"), found("m2", whom="def")]
    assert match(batches, made) == {1: Verdict(), 2: Verdict("m2"), 3: Verdict("m3")}


customers = st.frozensets(st.sampled_from("abcdefgh"), min_size=1)
worlds = st.lists(st.tuples(st.sampled_from(["ann", "bo"]), customers, st.booleans(), customers), max_size=6)


@given(worlds, st.lists(st.tuples(st.sampled_from(["ann", "bo", "cy"]), customers, st.booleans()), max_size=3))
def test_what_was_made_is_never_taken_for_absent_and_nothing_is_taken_twice(world: Any, strange: Any) -> None:
    """A world in which each call has its effect or has not, beside group-sends of others, in any words."""
    batches = [asked(number, userid, "".join(whom)) for number, (userid, whom, _, _) in enumerate(world)]
    made = {
        number: found(f"ours{number}", userid, "".join(whom & kept or whom))
        for number, (userid, whom, effect, kept) in enumerate(world)
        if effect
    }
    others = [
        found(f"other{number}", userid, "".join(whom), content=HELLO if same else content_of({}))
        for number, (userid, whom, same) in enumerate(strange)
    ]
    verdicts = match(batches, [*made.values(), *others])
    assert verdicts.keys() == {each.batch_id for each in batches}
    taken = [each.msgid for each in verdicts.values() if each.msgid]
    assert len(taken) == len(set(taken))
    for batch in batches:
        verdict = verdicts[batch.batch_id]
        if verdict.is_absent and batch.batch_id in made:
            # Only when it was taken for another batch that cannot be told from this one by anything WeCom tells.
            taken_by = [each for each in batches if verdicts[each.batch_id].msgid == made[batch.batch_id].msgid]
            assert taken_by
            assert fits(taken_by[0], made[batch.batch_id])
        if verdict.candidates:
            candidates = [each for each in [*made.values(), *others] if each.msgid in verdict.candidates]
            assert all(fits(batch, each) or resembles(batch, each) for each in candidates)


@given(worlds)
def test_disjoint_batches_of_one_run_are_always_told_apart(world: Any) -> None:
    """As planning makes them: nobody stands in two batches of one sender."""
    batches, made, used = [], {}, dict[str, set[str]]()
    for number, (userid, whom, effect, kept) in enumerate(world):
        mine = whom - used.setdefault(userid, set())
        used[userid] |= mine
        if mine:
            batches.append(asked(number, userid, "".join(mine)))
            if effect:
                made[number] = found(f"ours{number}", userid, "".join(mine & kept or mine))
    verdicts = match(batches, list(made.values()))
    for batch in batches:
        if batch.batch_id in made:
            assert verdicts[batch.batch_id].msgid == made[batch.batch_id].msgid
        else:
            assert not verdicts[batch.batch_id].msgid


groups = st.lists(
    st.tuples(st.sampled_from(["ann", "bo"]), customers, st.booleans(), st.frozensets(st.sampled_from("abcdefgh"))),
    max_size=5,
)


@given(groups)
def test_of_groups_that_wecom_does_not_tell_yet_none_is_absent_that_was_made_nor_another_ones(world: Any) -> None:
    """Only groups that were sent to are told, perhaps none; each group has one owner, as planning has it."""
    batches, made, used = [], {}, set[str]()
    for number, (userid, whom, effect, sent) in enumerate(world):
        mine = whom - used
        used |= mine
        if not mine:
            continue
        batches.append(asked(number, userid, "".join(mine))._replace(to_groups=True))
        if effect:
            made[number] = found(f"ours{number}", userid, "".join(mine & sent))
    verdicts = match(batches, list(made.values()))
    for batch in batches:
        verdict = verdicts[batch.batch_id]
        if batch.batch_id in made:
            assert not verdict.is_absent
            assert verdict.msgid in ("", made[batch.batch_id].msgid)
        alone = [each for each in batches if each.userid == batch.userid] == [batch]
        if alone:
            assert verdict.msgid == (made[batch.batch_id].msgid if batch.batch_id in made else "")


def test_what_a_group_send_says_is_told_by_what_wecom_keeps() -> None:
    link = {"msgtype": "link", "link": {"title": "新品", "url": "https://example.com/", "desc": "x"}}
    card = {"msgtype": "miniprogram", "miniprogram": {"title": "t", "appid": "a", "page": "p", "pic_media_id": "1"}}
    image = {"msgtype": "image", "image": {"media_id": "1"}}
    ours = {"text": {"content": "一\r\n二 "}, "attachments": [link, card, image]}
    theirs = {
        "text": {"content": "一\n二"},
        "attachments": [
            {**link, "link": {"title": "新品", "url": "https://example.com/"}},
            {**card, "miniprogram": {**card["miniprogram"], "pic_media_id": "2"}},  # type: ignore[dict-item]
            {"msgtype": "image", "image": {"pic_url": "https://x"}},
        ],
    }
    assert content_of(ours) == content_of(theirs)
    assert content_of(ours) != content_of({**theirs, "attachments": [image, link, card]})
    assert content_of({"attachments": [image]}) == content_of({"text": {"content": ""}, "attachments": [image]})


def test_pauses_grow_with_age() -> None:
    for pause in (look_pause, pull_pause):
        pauses = [pause(age) for age in (0, 59, 300, 3000, 50_000, 500_000)]
        assert pauses == sorted(pauses)
        assert pauses[0] > 0
    assert [rules.rest_pause(rests) for rests in (0, 1, 9)] == [1.0, 5.0, 60.0]
