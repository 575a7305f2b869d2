"""Rules to start from: what `siyu demo` furnishes its company with. Sample data, made by us."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import segno

from data.rules.kf import KfRule
from data.rules.knowledge import KnowledgePair
from data.rules.problems import parse
from data.rules.tagging import TagRule
from data.rules.welcome import WelcomeRule

#: Channel of the sample company to the tag that its customers get.
CHANNEL_TAGS = {
    "store_poster": "门店",
    "website": "官网",
    "mp_menu": "公众号",
    "live_room": "直播间",
    "referral": "老客推荐",
    "expo": "展会",
}
#: Words in a remark to the tag they stand for.
REMARK_TAGS = {("已成交", "已下单"): "已成交", ("优惠", "折扣"): "关注优惠", ("礼盒", "团购"): "定制礼盒"}


def sample_media() -> dict[str, bytes]:
    """Pictures by name, as PNG: a coupon's code and the cover of a mini-program card."""
    coupon = io.BytesIO()
    segno.make("https://shop.example.com/coupon/welcome", error="m").save(
        coupon, kind="png", scale=10, border=3, dark="#1f5c4d", light="#f4efe4"
    )
    return {"coupon": coupon.getvalue(), "cover": _gradient(520, 416, (31, 92, 77), (222, 196, 144))}


def sample_knowledge(media: Mapping[str, str]) -> list[KnowledgePair]:
    """What customers of the sample company ask customer service, with the answers."""
    pairs: list[dict[str, Any]] = [
        {
            "phrasings": ["多久发货", "什么时候发货", "下单后几天能发出来", "when do you ship"],
            "text": "现货商品在付款后 48 小时内发货，定制礼盒需要 5 到 7 天。发货后会短信通知您。",
        },
        {
            "phrasings": ["怎么退货", "可以退款吗", "不喜欢能退吗", "退货运费谁出"],
            "text": "签收后七天内，未使用、不影响二次销售的商品都可以退。质量问题运费由我们承担。",
        },
        {
            "phrasings": ["营业时间", "门店几点开门", "你们几点关门"],
            "text": "门店每天 10:00 到 22:00 营业，节假日不休息。",
        },
        {
            "phrasings": ["有优惠券吗", "新人有优惠吗", "怎么领优惠券"],
            "text": "新朋友到店可以领一张礼券，结账时出示下面的二维码就行。",
            "attachment": {"msgtype": "image", "media": media["coupon"]},
        },
        {
            "phrasings": ["可以开发票吗", "怎么开发票"],
            "text": "可以的。下单时填写抬头和税号，电子发票会在发货后一个工作日内发到您的邮箱。",
        },
    ]
    return [parse(KnowledgePair, pair) for pair in pairs]


def sample_kf_rules() -> list[KfRule]:
    """What customer service of the sample company answers."""
    menu = {
        "msgtype": "msgmenu",
        "head": "您好，这里是客服。您可以直接提问，也可以选择：",
        "items": [
            {"kind": "click", "words": "查快递", "id": "parcel"},
            {"kind": "view", "words": "看本季新品", "url": "https://shop.example.com/catalogue"},
            {"kind": "click", "words": "转人工", "id": "person"},
        ],
    }
    person = {"notice": "正在为您转接，前面可能有人排队，请稍候。"}
    rules: list[dict[str, Any]] = [
        {"name": "欢迎", "on": "enter", "answers": [menu]},
        {
            "name": "查快递",
            "priority": 20,
            "conditions": {"menu_ids": ["parcel"]},
            "answers": [{"msgtype": "text", "text": "请把订单号发给我，我来查。"}],
        },
        {"name": "点了转人工", "priority": 20, "conditions": {"menu_ids": ["person"]}, "hand_over": person},
        {"name": "说要人工", "priority": 10, "conditions": {"words": ["人工", "human"]}, "hand_over": person},
        {"name": "知识库", "knowledge": True},
        {
            "name": "兜底",
            "answers": [{"msgtype": "text", "text": "这个问题我还不会，回复“人工”为您转接同事。"}],
            "again_minutes": 10,
        },
    ]
    return [parse(KfRule, rule) for rule in rules]


def sample_welcome_rules(media: Mapping[str, str]) -> list[WelcomeRule]:
    """A default with a link, and rules for some channels; `media` gives the keys of `sample_media`."""
    shop_link = {
        "msgtype": "link",
        "link": {
            "title": "本季新品图册",
            "desc": "床品、餐具、香薰，三分钟看完",
            "url": "https://shop.example.com/catalogue",
        },
    }
    rules: list[dict[str, Any]] = [
        {
            "name": "默认欢迎语",
            "content": {
                "text": "{{ customer_name }}，{{ time_of_day }}！我是{{ company_name }}的{{ staff_name }}，"
                "很高兴认识您。\n\n选品、售后、送礼搭配，随时在这里问我。",
                "attachments": [shop_link],
            },
        },
        {
            "name": "门店海报",
            "priority": 10,
            "conditions": {"states": ["store_poster"]},
            "content": {
                "text": "{{ customer_name }}，欢迎光临{{ company_name }}！我是{{ staff_name }}。\n\n"
                "这是您的到店礼券，结账时出示即可，{{ added_date }}起七天内有效。",
                "attachments": [{"msgtype": "image", "image": {"media": media["coupon"]}}, shop_link],
            },
            "fallback_text": "{{ customer_name }}，欢迎光临{{ company_name }}！我是{{ staff_name }}。"
            "到店礼券稍后发给您。",
        },
        {
            "name": "直播间",
            "priority": 10,
            "conditions": {"states": ["live_room"]},
            "content": {
                "text": "{{ customer_name }}，谢谢您来看直播！我是{{ staff_name }}，"
                "刚才讲到的款式都在下面的小程序里，下单备注「直播」有礼。",
                "attachments": [
                    {
                        "msgtype": "miniprogram",
                        "miniprogram": {
                            "title": "直播同款，一键下单",
                            "appid": "wx0123456789abcdef",
                            "page": "pages/live/index",
                            "pic_media": media["cover"],
                        },
                    }
                ],
            },
        },
        {
            "name": "老客户推荐",
            "priority": 10,
            "conditions": {"states": ["referral"]},
            "content": {
                "text": "{{ customer_name }}，{{ time_of_day }}！朋友介绍来的就是自己人，我是{{ staff_name }}。\n\n"
                "您和推荐您的朋友各有一份小礼物，告诉我收货地址就好。",
                "attachments": [],
            },
        },
    ]
    return [parse(WelcomeRule, rule) for rule in rules]


def sample_tag_rules(tags: Mapping[str, str]) -> list[TagRule]:
    """A tag per channel, and tags by words in the remark; `tags` gives the id by name. Missing tags are left out."""
    rules: list[dict[str, Any]] = [
        {"name": f"渠道：{name}", "conditions": {"states": [state]}, "put_on": [tags[name]]}
        for state, name in CHANNEL_TAGS.items()
        if name in tags
    ]
    if "初次咨询" in tags:
        rules.append({"name": "新客户：初次咨询", "put_on": [tags["初次咨询"]]})
    rules += [
        {
            "name": f"备注：{name}",
            "triggers": ["edit"],
            "conditions": {"words": list(words), "search_in": "remark"},
            "put_on": [tags[name]],
        }
        for words, name in REMARK_TAGS.items()
        if name in tags
    ]
    return [parse(TagRule, rule) for rule in rules]


def _gradient(width: int, height: int, top: tuple[int, int, int], bottom: tuple[int, int, int]) -> bytes:
    """A PNG that fades from one colour to another."""
    rows = bytearray()
    for y in range(height):
        share = y / (height - 1)
        pixel = bytes(round(a + (b - a) * share) for a, b in zip(top, bottom, strict=True))
        rows += b"\0" + pixel * width

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
