"""Message content: WeCom's limits, the JSON it takes, and where the faults of a message are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.rules.messages import (
    MessageContent,
    MissingMediaError,
    TrackedAddress,
    attachment_problems,
    links_of,
    media_needed,
    problems,
    to_wecom,
)
from data.rules.problems import InvalidRuleError, parse

LINK = {"msgtype": "link", "link": {"title": "新品", "url": "https://example.com/a?b=c"}}
CARD = {"msgtype": "miniprogram", "miniprogram": {"title": "商城", "pic_media": "m1", "appid": "wx1", "page": "p/i"}}
IMAGE = {"msgtype": "image", "image": {"media": "m1"}}
VIDEO = {"msgtype": "video", "video": {"media": "m2"}}
FILE = {"msgtype": "file", "file": {"media": "m3"}}


def content(*attachments: dict[str, Any], text: str = "您好") -> MessageContent:
    return parse(MessageContent, {"text": text, "attachments": list(attachments)})


def changed(attachment: dict[str, Any], **fields: Any) -> dict[str, Any]:
    kind = attachment["msgtype"]
    return {"msgtype": kind, kind: attachment[kind] | fields}


def faults(message: MessageContent) -> list[str]:
    return [str(problem) for problem in problems(message)]


def test_the_body_is_what_wecom_documents() -> None:
    full_link = changed(LINK, picurl="https://example.com/p.png", desc="看看")
    picture = {"msgtype": "image", "image": {"pic_url": "https://wework.qpic.cn/x"}}
    message = content(IMAGE, picture, LINK, full_link, CARD, VIDEO, FILE)
    assert problems(message) == []
    assert to_wecom(message, {"m1": "M1", "m2": "M2", "m3": "M3"}) == {
        "text": {"content": "您好"},
        "attachments": [
            {"msgtype": "image", "image": {"media_id": "M1"}},
            {"msgtype": "image", "image": {"pic_url": "https://wework.qpic.cn/x"}},
            {"msgtype": "link", "link": {"title": "新品", "url": "https://example.com/a?b=c"}},
            {
                "msgtype": "link",
                "link": {
                    "title": "新品",
                    "picurl": "https://example.com/p.png",
                    "desc": "看看",
                    "url": "https://example.com/a?b=c",
                },
            },
            {
                "msgtype": "miniprogram",
                "miniprogram": {"title": "商城", "pic_media_id": "M1", "appid": "wx1", "page": "p/i"},
            },
            {"msgtype": "video", "video": {"media_id": "M2"}},
            {"msgtype": "file", "file": {"media_id": "M3"}},
        ],
    }


def test_an_empty_part_is_left_out() -> None:
    assert to_wecom(content(), {}) == {"text": {"content": "您好"}}
    assert list(to_wecom(content(LINK, text=" \n"), {})) == ["attachments"]


def test_media_are_listed_once_with_what_they_are() -> None:
    assert media_needed(content(IMAGE, CARD, VIDEO, LINK, FILE)) == (("m1", "image"), ("m2", "video"), ("m3", "file"))


def test_missing_media_are_named_and_can_be_left_out() -> None:
    message = content(IMAGE, LINK, VIDEO)
    with pytest.raises(MissingMediaError, match="m2"):
        to_wecom(message, {"m1": "M1", "m2": ""})
    assert [each["msgtype"] for each in to_wecom(message.without_media(), {})["attachments"]] == ["link"]


def test_a_text_takes_the_place_of_its_template() -> None:
    message = content(LINK, text="{{ customer_name }}").with_text("小鱼")
    assert to_wecom(message, {})["text"] == {"content": "小鱼"}
    assert len(message.attachments) == 1


def test_a_link_leads_by_a_tracked_one_where_that_can_be_told() -> None:
    message = content(IMAGE, changed(LINK, url="", tracked="spring"))
    assert [each.path for each in attachment_problems(message)] == ["attachments[1].link.tracked"]
    assert attachment_problems(message, tracked=True) == []
    both = content(changed(LINK, tracked="spring"))
    assert [each.path for each in attachment_problems(both, tracked=True)] == ["attachments[0].link.tracked"]
    assert links_of(message) == {"spring": "content.attachments[1].link.tracked"}
    led = message.with_links({"spring": TrackedAddress("https://bot.example.com/l/x/1", "x-1")})
    assert to_wecom(led, {"m1": "M"})["attachments"][1]["link"]["url"] == "https://bot.example.com/l/x/1"
    assert attachment_problems(led) == []


@pytest.mark.parametrize(("page", "told"), [("p/i", "p/i?siyu=x-1"), ("p/i.html?id=3", "p/i.html?id=3&siyu=x-1")])
def test_a_mini_programs_page_is_told_the_mark_of_a_tracked_link(page: str, told: str) -> None:
    message = content(changed(CARD, page=page, tracked="spring"))
    assert [each.path for each in attachment_problems(message)] == ["attachments[0].miniprogram.tracked"]
    assert attachment_problems(message, tracked=True) == []
    assert links_of(message) == {"spring": "content.attachments[0].miniprogram.tracked"}
    for mark, expected in (("x-1", told), ("", page)):
        led = message.with_links({"spring": TrackedAddress("https://bot.example.com/l/x/1", mark)})
        assert to_wecom(led, {"m1": "M"})["attachments"][0]["miniprogram"]["page"] == expected
    for bad in ("p/i#top", "p" * 993):
        wrong = content(changed(CARD, page=bad, tracked="spring"))
        assert [each.path for each in attachment_problems(wrong, tracked=True)] == ["attachments[0].miniprogram.page"]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (content(text="你" * 1333 + "a"), []),
        (content(text="你" * 1333 + "ab"), ["text: 共 4001 字节，最多 4000 字节（一个汉字 3 字节）"]),
        (content(text="a\x00"), ["text: 有不可见的控制字符，请删掉它后重新输入"]),
        (content(text=" "), ["文字和附件不能都为空"]),
        (content(*[LINK] * 9), []),
        (content(*[LINK] * 10), ["attachments: 最多 9 个附件，现有 10 个"]),
        (content({"msgtype": "image", "image": {}}), ["attachments[0].image: 请选择图片：media 或 pic_url 必填一个"]),
        (content(changed(LINK, title="a" * 128, desc="d" * 512)), []),
        (
            content(LINK, LINK, changed(LINK, title="a" * 129, desc="d" * 513)),
            [
                "attachments[2].link.title: 共 129 字节，最多 128 字节（一个汉字 3 字节）",
                "attachments[2].link.desc: 共 513 字节，最多 512 字节（一个汉字 3 字节）",
            ],
        ),
        (
            content(changed(LINK, title=" ", url="")),
            ["attachments[0].link.title: 必填", "attachments[0].link.url: 必填"],
        ),
        (
            content(changed(LINK, title="{{ customer_name }}")),
            ["attachments[0].link.title: 附件里的文字不会替换变量，请写成固定文字"],
        ),
        (content(changed(CARD, title="商" * 21)), []),
        (
            content(changed(CARD, title="商" * 22, appid="", page="")),
            [
                "attachments[0].miniprogram.title: 共 66 字节，最多 64 字节（一个汉字 3 字节）",
                "attachments[0].miniprogram.appid: 必填",
                "attachments[0].miniprogram.page: 必填",
            ],
        ),
    ],
)
def test_what_wecom_would_refuse_is_named_by_its_path(message: MessageContent, expected: list[str]) -> None:
    assert faults(message) == expected


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://example.com/",
        "//example.com/",
        "example.com",
        "https://",
        "http:///path",
        "https://exa mple.com/",
        "https://example.com/\u3000x",
        "https://example.com:port/",
        "https://[::1",
        "https://example.com/\n",
        "https://example.com/" + "a" * 2048,
    ],
)
def test_an_address_that_is_no_web_page_is_refused(url: str) -> None:
    assert [problem.path for problem in problems(content(changed(LINK, url=url)))] == ["attachments[0].link.url"]
    assert [problem.path for problem in problems(content(changed(LINK, picurl=url)))] == ["attachments[0].link.picurl"]


def test_addresses_with_chinese_and_ports_are_accepted() -> None:
    assert problems(content(changed(LINK, url="HTTP://例子.中国:8080/路径?q=茶#顶"))) == []


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ({"text": 1}, "text: 应为文字"),
        ({"attachments": [LINK, {"link": {}}]}, "attachments[1]: 缺少 msgtype"),
        ({"attachments": [{"msgtype": "file"}]}, "attachments[0].file: 缺少必填项"),
        ({"attachments": [{"msgtype": "file", "file": {}}]}, "attachments[0].file.media: 缺少必填项"),
        ({"attachments": [changed(LINK, color="red")]}, "attachments[0].link.color: 没有这个字段"),
        ({"attachments": [LINK | {"image": {}}]}, "attachments[0].image: 没有这个字段"),
        ({"attachments": "x"}, "attachments: 应为一个列表"),
        ('{"text": ', ": 不是有效的 JSON"),
    ],
)
def test_json_that_cannot_be_read_names_the_field(data: Any, fault: str) -> None:
    with pytest.raises(InvalidRuleError) as error:
        parse(MessageContent, data)
    assert [f"{problem.path}: {problem.message}" for problem in error.value.problems] == [fault]


TEXTS = st.text(max_size=6) | st.sampled_from(["https://a.cn/", "题" * 43, "a" * 600, "{{ x }}", " "])
ATTACHMENTS = st.one_of(
    st.fixed_dictionaries({"title": TEXTS, "url": TEXTS, "picurl": TEXTS, "desc": TEXTS}).map(
        lambda link: {"msgtype": "link", "link": link}
    ),
    st.fixed_dictionaries({"title": TEXTS, "appid": TEXTS, "page": TEXTS}).map(
        lambda card: {"msgtype": "miniprogram", "miniprogram": card | {"pic_media": "m1"}}
    ),
    st.sampled_from([IMAGE, VIDEO, FILE]),
)


@settings(deadline=None)
@given(text=TEXTS, attachments=st.lists(ATTACHMENTS, max_size=10))
def test_a_message_without_problems_is_within_every_limit(text: str, attachments: list[dict[str, Any]]) -> None:
    message = content(*attachments, text=text)
    assert parse(MessageContent, message.model_dump_json()) == message
    assert [each for each in problems(message) if each.path.startswith("attachments")] == attachment_problems(message)
    if problems(message):
        return
    body = to_wecom(message, {"m1": "M1", "m2": "M2", "m3": "M3"})
    assert body
    assert len(body.get("text", {}).get("content", "").encode()) <= 4000
    assert len(body.get("attachments", [])) <= 9
    limits = {("link", "title"): 128, ("link", "desc"): 512, ("link", "url"): 2048, ("miniprogram", "title"): 64}
    for each in body.get("attachments", []):
        for (kind, field), limit in limits.items():
            assert len(each.get(kind, {}).get(field, "").encode()) <= limit
