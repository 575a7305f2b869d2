"""Campaigns: what is refused, and that a customer is reached once, by whom the policy says, however it is planned."""

from __future__ import annotations

from collections import Counter
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
    CustomerWave,
    Filled,
    after,
    audience_problems,
    grouped,
    problems,
)
from data.rules.problems import InvalidRuleError, parse
from data.rules.senders import Decision

WAITING = RecipientState.WAITING


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


follows_decided = st.tuples(st.sampled_from("abc"), st.sampled_from(["", "A", "B"]), st.booleans())


@given(st.lists(st.lists(follows_decided, max_size=12), max_size=6), st.integers(1, 4))
def test_batches_hold_one_senders_recipients_of_one_content_and_no_more_than_fit(pieces: list[Any], most: int) -> None:
    number = 0
    rows: list[tuple[int, int | None]] = []
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
        assigned, grown = batches.assign(grouped(decisions))
        rows += [(int(each), part.batch_no) for part in assigned for each in part.ids.split(",")]
        filled |= grown
        for batch_no, (userid, variant, recipients) in grown.items():
            assert owners.setdefault(batch_no, (userid, variant)) == (userid, variant)
            sizes[batch_no] = recipients
        # A process that starts anew knows as much from the rows.
        open_ = {batch_no: each for batch_no, each in filled.items() if each.recipients < most}
        batches = Batches(open_, max(filled, default=0), most)
    assert all(1 <= size <= most for size in sizes.values())
    assert Counter(batch_no for _, batch_no in rows if batch_no is not None) == Counter(sizes)
    assert all(owners[batch_no] == senders[follow_id] for follow_id, batch_no in rows if batch_no is not None)
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
