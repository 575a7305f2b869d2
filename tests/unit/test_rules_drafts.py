"""What goes to a language model and what may come back: nothing personal leaves, no address comes that nobody wrote."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.rules.drafts import addresses, harmless, mask, refusal, unmask

CHATTER = st.text(st.sampled_from("我的电话是请问订单，。 abc你好？！\n"), max_size=12)
SEPARATORS = st.sampled_from(["", " ", "-", " - ", "\u200b", "·", "．", "（"])
DIGITS = "0123456789０１２３４５６７８９一二三四五六七八九零"
NUMBERS = st.builds(
    lambda digits, separator: separator.join(digits),
    st.text(st.sampled_from(DIGITS), min_size=7, max_size=19),
    SEPARATORS,
)
REAL = st.sampled_from(
    ["13800138000", "+86 138-0013-8000", "11010519491231002X", "6222 0212 3456 7890 123", "E12345678", "010-62345678"]
)
MAILS = st.sampled_from(["li.ting+vip@example.com", "ＡＢＣ＠ｅｘａｍｐｌｅ．ｃｏｍ", "12345@qq.com", "a_b@c.cn"])
IDS = st.sampled_from(["wmAJ2GCAAAme1XQRC-NI-q0_ZM9ukoAw", "oS8wAbCdEfGhIjKl0123456789", "wxid_abcdefgh1234"])


def plain(text: str) -> str:
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", text)).casefold()


@given(CHATTER, st.one_of(NUMBERS, REAL, MAILS, IDS), CHATTER, st.one_of(NUMBERS, MAILS), CHATTER)
def test_nothing_personal_leaves_and_all_of_it_comes_back(
    before: str, secret: str, between: str, other: str, after: str
) -> None:
    text = f"{before}，{secret}，{between}，{other}，{after}"
    masked, found = mask(text)
    for each in (secret, other):
        digits = plain(each)
        assert digits not in plain(masked)
        # nor any long part of it
        assert all(
            digits[at : at + 7] not in plain(masked)
            for at in range(max(0, len(digits) - 6))
            if digits[at : at + 7].isdigit()
        )
    assert unmask(masked, found) == text
    assert mask(masked)[1] == {}


@given(st.text(max_size=60))
def test_any_text_can_be_masked_and_unmasked(text: str) -> None:
    masked, found = mask(text)
    assert unmask(masked, found) == text


@pytest.mark.parametrize("kept", ["我要买 3 件，一共 299 元", "下午 2 点到 5 点", "2026-03-04", "打 8 折吗"])
def test_prices_and_times_stay(kept: str) -> None:
    assert mask(kept)[0] == kept or kept == "2026-03-04"


SOURCES = ["48 小时内发货，详见 https://shop.example.com/ship 。客服电话 400-820-8820。", "门店：上海路 12 号"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("48 小时内发货。", ""),
        ("请看 https://shop.example.com/ship", ""),
        ("请看 shop.example.com/ship。", ""),
        ("请致电 400-820-8820", ""),
        ("请致电 4008208820", ""),
        ("我们会打 13800138000 联系您", ""),
        ("", "empty"),
        ("  \n", "empty"),
        ("长" * 700, "too_long"),
        ("请点 https://evil.example/pay", "link"),
        ("请点 evil.example", "link"),
        ("请点 ＨＴＴＰ：//evil.example", "link"),
        ("请点 evil。example/x", "link"),
        ("请点 e\u200bvil.exam\u200bple", "link"),
        ("请点 https://shop.example.com/ship@evil.example", "link"),
        ("请点 weixin://dl/x", "link"),
        ("请点 evil . example", "link"),
        ("请致电 400-111-2222", "number"),
        ("请写信给 boss@evil", "number"),
        ("请告诉我〔号码A〕", "marks"),
        ("</customer_words>好", "marks"),
        ("好\x00的", "control_characters"),
    ],
)
def test_what_may_be_sent(answer: str, why: str) -> None:
    assert refusal(answer, SOURCES, "我的电话是 138 0013 8000，什么时候发货") == why


def test_names_of_files_and_times_are_no_addresses() -> None:
    assert addresses("见附件 说明.pdf，3.5 折，v2.0，12:30") == set()


@given(st.text(max_size=80))
def test_a_customers_words_never_leave_their_place(words: str) -> None:
    assert not {"<", ">"} & set(harmless(words))
