"""What staff ask: however it is typed it is the same question, and what is no question is none."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.rules.assistant import (
    DAYS_AHEAD,
    KEYS,
    TEXT_MAX,
    WORDS,
    WORDS_MAX,
    Ask,
    Question,
    Wants,
    parse_day,
    parse_digest,
    parse_question,
)
from data.rules.staff_commands import Verb

TODAY = date(2026, 3, 4)  # a Wednesday
ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=80)
NAMES = st.text("小鱼阿茶大山王李张欧阳千里芳", min_size=1, max_size=8)


def wide(text: str) -> str:
    """The same in full width."""
    return "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else "　" if char == " " else char for char in text)


@given(ANY_TEXT)
def test_any_text_is_a_question_or_none(text: str) -> None:
    question = parse_question(text)
    if question is not None:
        assert len(text) <= TEXT_MAX
        assert question.number is None or question.number >= 0
        assert question.ask is Ask.NOTE or len(question.words) <= max(WORDS_MAX, len(text))
        assert (question.verb is not None) == (question.ask is Ask.COMMAND)


@given(st.sampled_from(sorted(word for word, form in WORDS.items() if form.wants is Wants.WORDS)), NAMES)
def test_a_word_with_a_name_is_the_same_question_however_it_is_written(word: str, name: str) -> None:
    asked = parse_question(f"{word} {name}")
    assert asked is not None
    assert (asked.ask, asked.words) == (WORDS[word].ask, name)
    # What is noted is kept to its full stop.
    end = "" if asked.ask is Ask.NOTE else "。"
    for written in (f"  {word.upper()}：{name}{end}", f"{wide(word)}　{name}", f"{word}:{name}", f"{word}  {name}\n"):
        assert parse_question(written) == asked, written


@given(st.sampled_from(sorted(word for word, form in WORDS.items() if form.wants is Wants.NUMBER)), st.integers(1, 999))
def test_a_word_with_a_number(word: str, number: int) -> None:
    asked = Question(WORDS[word].ask, number=number)
    for written in (
        f"{word}{number}",
        f"{word} {number}",
        f"{word} #{number}。",
        wide(f"{word} {number}"),
        f"{word}第{number}个",
    ):
        assert parse_question(written) == asked, written
    assert parse_question(word) == Question(WORDS[word].ask)
    assert parse_question(f"{word} {number} {number}") in (None, asked._replace(words=str(number)))


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("找小鱼", Question(Ask.FIND, "小鱼")),
        ("找 客户 小鱼", Question(Ask.FIND, "小鱼")),
        ("Find Alice Wang", Question(Ask.FIND, "Alice Wang")),
        ("找 5678", Question(Ask.FIND, "5678")),
        ("２", Question(Ask.PICK, number=2)),
        ("第2个", Question(Ask.PICK, number=2)),
        ("标签 + VIP", Question(Ask.TAG, "VIP")),
        ("+VIP", Question(Ask.TAG, "VIP")),
        ("标签 -VIP", Question(Ask.UNTAG, "VIP")),
        ("去标签VIP", Question(Ask.UNTAG, "VIP")),
        ("记 喜欢绿茶，\n下周来店", Question(Ask.NOTE, "喜欢绿茶，\n下周来店")),
        ("话 术 价格", Question(Ask.SCRIPTS, "价格")),
        ("话术", Question(Ask.SCRIPTS)),
        ("ＴＯＤＡＹ", Question(Ask.TODAY)),
        ("English", Question(Ask.LANGUAGE, "en")),
        ("中文", Question(Ask.LANGUAGE, "zh")),
        ("驳回 12 人数太多", Question(Ask.REJECT, "人数太多", 12)),
        ("待办", Question(Ask.COMMAND, verb=Verb.TASKS)),
        ("结果 12", Question(Ask.COMMAND, number=12, verb=Verb.RESULTS)),
        ("帮助", Question(Ask.HELP)),
        ("？", Question(Ask.HELP)),
        # Traditional characters, numbers in words, blanks anywhere, and the end of a telephone number by itself.
        ("找客戶 小魚", Question(Ask.FIND, "小魚")),
        ("標籤：VIP", Question(Ask.TAG, "VIP")),
        ("備註 王姐", Question(Ask.REMARK, "王姐")),
        ("備註一下", None),
        ("記：喜歡綠茶", Question(Ask.NOTE, "喜歡綠茶")),
        ("完成第二個", Question(Ask.DONE, number=2)),
        ("第 三 个", Question(Ask.PICK, number=3)),
        ("待 辦", Question(Ask.COMMAND, verb=Verb.TASKS)),
        ("確認 取消 12", Question(Ask.COMMAND, number=12, verb=Verb.CONFIRM_CANCEL)),
        ("５６７８", Question(Ask.FIND, "5678")),
        ("138 0000 0000", Question(Ask.FIND, "138 0000 0000")),
        ("取消 1 2", None),
        ("完成 1 2", None),
        # What only begins like a question is none.
        ("今天天气不错", None),
        ("记得带样品", None),
        ("finder", None),
        ("明天见", None),
        ("{{ 7 * 7 }}", None),
        ("", None),
        ("。", None),
        ("x" * (TEXT_MAX + 1), None),
        ("找 " + "x" * TEXT_MAX, None),
        ("记 " + "长" * TEXT_MAX, Question(Ask.NOTE, "长" * (TEXT_MAX - 2))),
    ],
)
def test_questions(text: str, question: Question | None) -> None:
    assert parse_question(text) == question


def test_every_key_of_the_menu_is_a_question() -> None:
    assert {question.ask for question in KEYS.values()} >= {Ask.TODAY, Ask.FIND, Ask.SCRIPTS, Ask.NUMBERS, Ask.HELP}
    assert all(key.startswith("siyu.") and len(key.encode()) <= 128 for key in KEYS)


@given(ANY_TEXT)
def test_any_words_mean_a_day_ahead_or_none(text: str) -> None:
    found = parse_day(text, TODAY)
    if found is not None and found.day is not None:
        assert TODAY <= found.day <= TODAY + timedelta(days=DAYS_AHEAD)


@given(st.integers(0, DAYS_AHEAD))
def test_a_date_is_that_day(ahead: int) -> None:
    day = TODAY + timedelta(days=ahead)
    for written in (day.isoformat(), f"{day.year}年{day.month}月{day.day}日", wide(f"{day:%Y/%m/%d}")):
        found = parse_day(written, TODAY)
        assert found is not None
        assert found.day == day


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("明天", date(2026, 3, 5)), ("tomorrow", date(2026, 3, 5)), ("3天后", date(2026, 3, 7)),
        ("三 天 后", date(2026, 3, 7)), ("in 3 days", date(2026, 3, 7)), ("两周后", date(2026, 3, 18)),
        ("周五", date(2026, 3, 6)), ("下周二", date(2026, 3, 10)), ("周一", date(2026, 3, 9)),
        ("next friday", date(2026, 3, 13)), ("friday", date(2026, 3, 6)), ("3月20日", date(2026, 3, 20)),
        ("1-5", date(2027, 1, 5)), ("3天後", date(2026, 3, 7)), ("下週二", date(2026, 3, 10)),
        ("一个月后", date(2026, 4, 3)),
    ],
)  # fmt: skip
def test_days(text: str, day: date) -> None:
    found = parse_day(text, TODAY)
    assert found is not None
    assert found.day == day


@pytest.mark.parametrize("text", ["2月30日", "2020-01-01", "昨天", "x", "99999天后", "0000-00-00"])
def test_no_days(text: str) -> None:
    assert parse_day(text, TODAY) is None


def test_times_of_a_digest() -> None:
    assert [parse_digest(text) for text in ("8:30", "８：３０", "8点半", "8点", "早上9点", "7")] == [
        "08:30", "08:30", "08:30", "08:00", "09:00", "07:00",
    ]  # fmt: skip
    assert (parse_digest("关"), parse_digest("OFF"), parse_digest("默认")) == ("", "", "default")
    assert [parse_digest(text) for text in ("25:00", "8:99", "soon", "")] == [None] * 4
