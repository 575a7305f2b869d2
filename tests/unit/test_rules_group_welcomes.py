"""Group welcomes: what WeCom takes, what it shows again, and which call one needs next."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.models import GroupWelcomeStatus
from data.rules.group_welcomes import (
    GroupWelcomeContent,
    GroupWelcomeDraft,
    Standing,
    Step,
    drift,
    file_of,
    next_step,
    problems,
    wecom_body,
)
from data.rules.messages import MissingMediaError
from data.rules.problems import InvalidRuleError, parse

IMAGE = {"msgtype": "image", "image": {"media": "aa"}}
FILE = {"msgtype": "file", "file": {"media": "bb"}}
LINK = {"msgtype": "link", "link": {"title": "群规", "url": "https://shop.example/rules"}}
CARD = {"msgtype": "miniprogram", "miniprogram": {"title": "商城", "pic_media": "cc", "appid": "wx1", "page": "a"}}


def link(**fields: str) -> dict[str, Any]:
    return {"msgtype": "link", "link": {"title": "群规", "url": "https://shop.example", **fields}}


def content(text: str = "", attachment: dict[str, Any] | None = None) -> GroupWelcomeContent:
    return parse(GroupWelcomeContent, {"text": text, "attachment": attachment})


@pytest.mark.parametrize("attachment", [None, IMAGE, FILE, LINK, CARD])
def test_what_wecom_takes_has_one_attachment_beside_the_text(attachment: dict[str, Any] | None) -> None:
    welcome = content("欢迎 %NICKNAME%！\n请看群规", attachment)
    assert problems(welcome) == []
    body = wecom_body(welcome, {"aa": "m1", "bb": "m2", "cc": "m3"})
    assert body.pop("text") == {"content": welcome.text}
    assert list(body) == ([attachment["msgtype"]] if attachment else [])
    needed = file_of(welcome)
    assert (needed is None) == (attachment in (None, LINK))
    if needed is not None:
        with pytest.raises(MissingMediaError):
            wecom_body(welcome, {})


@pytest.mark.parametrize(
    ("text", "attachment", "path"),
    [
        ("", None, "content"),
        (" \n", None, "content"),
        ("汉" * 1001, None, "content.text"),
        ("您好，{{ staff_name }}", None, "content.text"),
        ("%nickname% 您好", None, "content.text"),
        ("％NICKNAME％ 您好", None, "content.text"),
        ("%NAME% 您好", None, "content.text"),
        ("%客户昵称% 您好", None, "content.text"),
        ("铃\x07", None, "content.text"),
        ("", link(title="汉" * 43), "content.attachment.link.title"),
        ("", link(title="%NICKNAME%"), "content.attachment.link.title"),
        ("", link(url="ftp://a.example"), "content.attachment.link.url"),
        ("", {"msgtype": "image", "image": {}}, "content.attachment.image"),
    ],
)  # fmt: skip
def test_what_wecom_would_refuse_or_leave_as_it_is(text: str, attachment: dict[str, Any] | None, path: str) -> None:
    assert {problem.path for problem in problems(content(text, attachment))} == {path}


@pytest.mark.parametrize(
    "text", ["打 8% 的折，会员 9%", "100% 正品，姓名牌 50% 折扣", "%NICKNAME%%NICKNAME%", "x" * 3000]
)
def test_a_percent_sign_is_no_placeholder(text: str) -> None:
    assert problems(content(text)) == []


def test_a_fault_in_the_attachment_has_the_path_that_was_written() -> None:
    draft = {"name": "新人", "content": {"attachment": {"msgtype": "image", "image": {"media": 1}}}}
    with pytest.raises(InvalidRuleError) as caught:
        parse(GroupWelcomeDraft, draft)
    assert [problem.path for problem in caught.value.problems] == ["content.attachment.image.media"]


def test_what_wecom_shows_is_compared_where_it_can_be() -> None:
    welcome = content("欢迎\n", LINK)
    shown = {"errcode": 0, "text": {"content": "欢迎"}, "link": {**LINK["link"], "picurl": "", "desc": ""}}  # type: ignore[dict-item]
    assert drift(welcome, shown) == []
    assert drift(welcome, {**shown, "text": {"content": "再见"}}) == ["text"]
    assert drift(welcome, {**shown, "link": {"title": "别的", "url": "https://shop.example/rules"}}) == ["link.title"]
    assert drift(welcome, {}) == ["text", "attachment"]
    assert drift(content("", IMAGE), {"image": {"pic_url": "https://wework.example/1"}}) == []
    assert drift(content("", FILE), {"image": {"pic_url": "https://wework.example/1"}}) == ["attachment"]


@given(
    st.recursive(
        st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_whatever_wecom_shows_can_be_compared(part: Any) -> None:
    drift(content("您好", CARD), {"text": part, "miniprogram": part})


STANDINGS = st.builds(
    Standing, st.sampled_from(GroupWelcomeStatus), st.integers(1, 3), st.integers(0, 3), st.booleans()
)


@given(STANDINGS)
def test_nothing_is_added_that_wecom_may_have(standing: Standing) -> None:
    step = next_step(standing)
    assert (step is Step.ADD) == (standing.status == GroupWelcomeStatus.PLANNED and not standing.is_retired)
    if step in (Step.EDIT, Step.DELETE):
        assert standing.status == GroupWelcomeStatus.MADE
    assert (step is Step.DELETE) == (standing.status == GroupWelcomeStatus.MADE and standing.is_retired)
