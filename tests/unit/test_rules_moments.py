"""Moments posts: what may be posted, and which of WeCom's posts is one whose answer never came."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from bot.render import Renderer
from data.rules.batches import CALL_SECONDS, SKEW_SECONDS
from data.rules.campaigns import CampaignDraft, CustomerWave, WaveDraft
from data.rules.group_waves import GroupWave
from data.rules.messages import MissingMediaError
from data.rules.moments import (
    SETTLE_SECONDS,
    Asked,
    Found,
    MomentContent,
    MomentWave,
    Visible,
    content_asked,
    content_told,
    fits,
    in_range,
    match,
    problems,
    range_problems,
    to_wecom,
)
from data.rules.problems import InvalidRuleError, parse, parse_as

WAVE: TypeAdapter[CustomerWave | GroupWave | MomentWave] = TypeAdapter(WaveDraft)
IMAGE = {"msgtype": "image", "image": {"media": "aa"}}
VIDEO = {"msgtype": "video", "video": {"media": "bb"}}
LINK = {"msgtype": "link", "link": {"title": "新", "url": "https://example.com/", "media": "cc"}}
RENDERER = Renderer()


def content(text: str = "新品", *attachments: Any) -> MomentContent:
    return MomentContent.model_validate({"text": text, "attachments": attachments})


@pytest.mark.parametrize(
    ("given_content", "path"),
    [
        (content(""), "content"),
        (content("x", *[IMAGE] * 10), "content.attachments"),
        (content("x", VIDEO, VIDEO), "content.attachments"),
        (content("x", LINK, LINK), "content.attachments"),
        (content("x", IMAGE, LINK), "content.attachments"),
        (content("x", {**LINK, "link": {**LINK["link"], "url": "ftp://x"}}), "content.attachments[0].link.url"),  # type: ignore[dict-item]
        (content("x", {**LINK, "link": {**LINK["link"], "url": ""}}), "content.attachments[0].link.url"),  # type: ignore[dict-item]
        (content("x", {**LINK, "link": {**LINK["link"], "tracked": "a"}}), "content.attachments[0].link.tracked"),  # type: ignore[dict-item]
        (content("x", {**LINK, "link": {**LINK["link"], "title": "长" * 43}}), "content.attachments[0].link.title"),  # type: ignore[dict-item]
        (content("x", {**LINK, "link": {**LINK["link"], "title": "{{ date }}"}}), "content.attachments[0].link.title"),  # type: ignore[dict-item]
    ],
)
def test_what_wecom_would_refuse_has_a_path(given_content: MomentContent, path: str) -> None:
    assert [each.path for each in problems(given_content)] == [path]


@pytest.mark.parametrize("attachments", [(), (IMAGE,) * 9, (VIDEO,), (LINK,)])
def test_what_wecom_takes_has_no_fault(attachments: tuple[Any, ...]) -> None:
    assert problems(content("新品", *attachments)) == []
    assert not attachments or problems(content("", *attachments)) == []


@pytest.mark.parametrize(
    ("text", "ok"),
    [
        ("{{ campaign_name }} {{ company_name }} {{ date }}", True),
        ("{{ staff_name }}", False),
        ("{{ customer_name }}", False),
        ("x" * 2000, True),
        ("x" * 2001, False),
        ("长" * 1333, True),
        ("长" * 1334, False),
        ("x" * 1900 + "{{ date }}", True),
        ("x" * 1950 + "{{ date }}", False),
    ],
)
def test_one_text_for_all_members_within_both_of_wecoms_limits(text: str, ok: bool) -> None:
    assert (RENDERER.check("moment", text) == []) is ok


def test_only_files_of_the_right_kind_can_be_named() -> None:
    for wrong in (
        {"msgtype": "file", "file": {"media": "x"}},
        {"msgtype": "image", "image": {"pic_url": "https://example.com/"}},
        {"msgtype": "link", "link": {"title": "x", "url": "https://example.com/"}},
    ):
        with pytest.raises(InvalidRuleError):
            parse(MomentContent, {"attachments": [wrong]})


def test_a_wave_is_of_customers_unless_it_says_another_kind() -> None:
    audience = {"everyone": True}
    assert isinstance(parse_as(WAVE, {"content": {"text": "x"}, "audience": audience}), CustomerWave)
    post = {"kind": "moments", "content": {"text": "x"}}
    assert isinstance(parse_as(WAVE, post), MomentWave)
    for body, path in (
        ({"kind": "moments", "content": {"text": "x"}, "audience": audience}, "audience"),
        ({"kind": "moments", "content": {"text": "x", "attachments": [{"msgtype": "image", "image": {}}]}},
         "content.attachments[0].image.media"),
        ({"kind": "moments", "content": {}, "visible": {"tag_ids": [""]}}, "visible.tag_ids[0]"),
        ({"content": {"text": "x"}}, "audience"),
    ):  # fmt: skip
        with pytest.raises(InvalidRuleError) as refused:
            parse_as(WAVE, body)
        assert [each.path for each in refused.value.problems] == [path]
        with pytest.raises(InvalidRuleError) as refused:
            parse(CampaignDraft, {"name": "x", "waves": [post, body]})
        assert [each.path for each in refused.value.problems] == [f"waves[1].{path}"]
    with pytest.raises(InvalidRuleError) as refused:
        parse_as(WAVE, {"kind": "letters", "content": {}})
    assert "letters" in str(refused.value)


def test_what_is_not_there_is_named_where_it_stands() -> None:
    visible = Visible(userids=("a", "b"), department_ids=(1, 2), tag_ids=("t",))
    unknown = Visible(userids=("b",), department_ids=(1,), tag_ids=("t",))
    paths = [each.path for each in range_problems(visible, unknown)]
    assert paths == ["visible.userids[1]", "visible.department_ids[0]", "visible.tag_ids[0]"]


def test_the_body_that_is_asked_for() -> None:
    ids = {"aa": "WW1", "cc": "WW3"}
    visible = Visible(userids=("a",), tag_ids=("t",))
    assert in_range(to_wecom(content("x", IMAGE), "words", ids), visible) == {
        "text": {"content": "words"},
        "attachments": [{"msgtype": "image", "image": {"media_id": "WW1"}}],
        "visible_range": {
            "sender_list": {"user_list": ["a"], "department_list": []}, "external_contact_list": {"tag_list": ["t"]},
        },
    }  # fmt: skip
    assert in_range(to_wecom(content("", LINK), "", ids), Visible()) == {
        "attachments": [{"msgtype": "link", "link": {"media_id": "WW3", "title": "新", "url": "https://example.com/"}}]
    }
    with pytest.raises(MissingMediaError):
        to_wecom(content("x", VIDEO), "x", ids)


def told(body: dict[str, Any]) -> dict[str, Any]:
    """The row of `get_moment_list` that WeCom makes of a body: files come back under ids of WeCom's own."""
    row: dict[str, Any] = {"visible_type": int("external_contact_list" not in body.get("visible_range", {}))}
    row |= {"text": body["text"]} if "text" in body else {}
    for each in body.get("attachments", ()):
        kind, inner = each["msgtype"], each[each["msgtype"]]
        if kind == "image":
            row.setdefault("image", []).append({"media_id": "WWCISP_other"})
        elif kind == "video":
            row["video"] = {"media_id": "WWCISP_other", "thumb_media_id": "WWCISP_thumb"}
        else:
            row["link"] = {"title": inner["title"], "url": inner["url"]}
    return row


bodies = st.builds(
    lambda words, attachments, tags: in_range(
        to_wecom(content("x", *attachments), words, {"aa": "1", "bb": "2", "cc": "3"}), Visible(tag_ids=tags)
    ),
    st.sampled_from(["一", "二", "一\r\n二", " 一 "]),
    st.sampled_from([(), (IMAGE,), (IMAGE, IMAGE), (VIDEO,), (LINK,)]),
    st.sampled_from([(), ("t",)]),
)


@given(bodies)
def test_what_wecom_tells_back_is_what_was_asked(body: dict[str, Any]) -> None:
    assert content_told(told(body)) == content_asked(body)


members = st.frozensets(st.sampled_from("abcd"), min_size=1)
asked_rows = st.lists(st.tuples(bodies, members, st.integers(0, 5000)), max_size=4)


@given(asked_rows, st.lists(st.tuples(st.integers(0, 3), members, st.integers(0, 9000)), max_size=4))
def test_no_post_is_given_to_two_rows_and_none_that_does_not_fit(rows: Any, extra: Any) -> None:
    asked = [
        Asked(number, content_asked(body), whom, float(at), float(at)) for number, (body, whom, at) in enumerate(rows)
    ]
    found = [
        Found(f"mom{number}", float(at), asked[of % len(asked)].content, whom)
        for number, (of, whom, at) in enumerate(extra)
        if asked
    ]
    verdicts = match(asked, found)
    taken = [verdict.msgid for verdict in verdicts.values() if verdict.msgid]
    assert len(taken) == len(set(taken))
    by_id = {each.msgid: each for each in found}
    for one in asked:
        verdict = verdicts[one.batch_id]
        if verdict.msgid:
            assert fits(one, by_id[verdict.msgid])
        if verdict.is_absent:
            assert not any(fits(one, each) for each in found if each.msgid not in taken)


def test_time_and_members_have_to_agree() -> None:
    said = content_asked({"text": {"content": "x"}})
    asked = Asked(1, said, frozenset("abc"), 10_000.0, 10_100.0)
    latest = 10_100 + CALL_SECONDS + SETTLE_SECONDS
    assert fits(asked, Found("m", 10_000 - SKEW_SECONDS, said, frozenset("abc")))
    assert fits(asked, Found("m", latest, said, frozenset("abd"))), "WeCom knows members whom we do not"
    assert not fits(asked, Found("m", latest + 1, said, frozenset("abc")))
    assert not fits(asked, Found("m", 10_000 - SKEW_SECONDS - 1, said, frozenset("abc")))
    by_another_clock = Found("m", latest + 1, said, frozenset("abc"))
    assert match([asked], [by_another_clock])[1].candidates == ("m",)
    assert match([asked], [by_another_clock._replace(created_at=-100_000.0)])[1].is_absent
    assert not fits(asked, Found("m", 10_000, said, frozenset("axyz")))
    assert not fits(asked, Found("m", 10_000, said, frozenset()))
    other = content_told({"text": {"content": "x"}, "visible_type": 0})
    assert match([asked], [Found("m", 10_000, other, frozenset("a"))])[1].candidates == ("m",)
    assert match([asked], [Found("m", 10_000, other, frozenset("z"))])[1].is_absent
    assert match([asked], [Found("m", 10_000, said, frozenset())])[1].candidates == ("m",)
