"""What staff ask the assistant, in the words that people write or the keys of the app's menu; and what they mean.

Everything is forgiven that a thumb does on a phone: blanks in and around words, full width, upper case, a colon or
none, a full stop at the end. Words that are none of these are no question.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple

from data.rules.staff_commands import Verb, parse_command, simplified

#: A longer message is none of ours, unless it is a note.
TEXT_MAX = 2_000
#: What a member may look for, and the words of a tag.
WORDS_MAX = 60
#: How long a number means a line of what was shown, and "the customer" the one who was.
REMEMBERED = timedelta(minutes=15)
#: A next contact is at most so far away.
DAYS_AHEAD = 730


class Ask(StrEnum):
    """What is asked. Those that `staff_commands` knows are asked by `Question.command`."""

    COMMAND = "command"
    HELP = "help"
    FIND = "find"
    PICK = "pick"
    TAG = "tag"
    UNTAG = "untag"
    NOTE = "note"
    REMARK = "remark"
    NEXT = "next"
    TODAY = "today"
    DONE = "done"
    LATER = "later"
    TOMORROW = "tomorrow"
    SCRIPTS = "scripts"
    FAVOURITES = "favourites"
    NUMBERS = "numbers"
    TEAM = "team"
    PROGRESS = "progress"
    APPROVE = "approve"
    REJECT = "reject"
    DIGEST = "digest"
    LANGUAGE = "language"


class Shown(StrEnum):
    """What the numbered lines were that a member was shown last."""

    NOTHING = ""
    CUSTOMERS = "customers"
    SCRIPTS = "scripts"
    #: Tasks by their number, customers to be contacted by the negative number of their follow.
    DAY = "day"


class Question(NamedTuple):
    """A question. `words`: what stands behind the word that asks it, as it was written; `number`: where that is one."""

    ask: Ask
    words: str = ""
    number: int | None = None
    verb: Verb | None = None


class Wants(StrEnum):
    """What may stand behind a word: nothing, words, or a number."""

    NOTHING = "nothing"
    WORDS = "words"
    NUMBER = "number"


class Form(NamedTuple):
    ask: Ask
    wants: Wants


def _form(ask: Ask, wants: Wants = Wants.NOTHING) -> Form:
    return Form(ask, wants)


#: The words that ask, folded. A word of latin letters has to end where it ends; behind a Chinese one a name may follow.
WORDS: Mapping[str, Form] = {
    **dict.fromkeys(("找客户", "查客户", "客户", "找", "查", "查找", "搜索", "搜", "find", "customer", "search", "who"),
                    _form(Ask.FIND, Wants.WORDS)),
    **dict.fromkeys(("加标签", "打标签", "贴标签", "标签", "tag"), _form(Ask.TAG, Wants.WORDS)),
    **dict.fromkeys(("去标签", "删标签", "减标签", "去掉标签", "untag"), _form(Ask.UNTAG, Wants.WORDS)),
    **dict.fromkeys(("跟进", "记录", "记", "小记", "note"), _form(Ask.NOTE, Wants.WORDS)),
    **dict.fromkeys(("备注", "改备注", "备注名", "remark"), _form(Ask.REMARK, Wants.WORDS)),
    **dict.fromkeys(("下次联系", "下次", "提醒", "next"), _form(Ask.NEXT, Wants.WORDS)),
    **dict.fromkeys(("今天", "今日", "今日清单", "清单", "today"), _form(Ask.TODAY)),
    **dict.fromkeys(("完成", "做完", "done"), _form(Ask.DONE, Wants.NUMBER)),
    **dict.fromkeys(("稍后", "推迟", "later"), _form(Ask.LATER, Wants.NUMBER)),
    **dict.fromkeys(("明天", "tomorrow"), _form(Ask.TOMORROW, Wants.NUMBER)),
    **dict.fromkeys(("话术", "话术库", "怎么说", "怎么回", "script", "scripts", "say"),
                    _form(Ask.SCRIPTS, Wants.WORDS)),
    **dict.fromkeys(("收藏", "我的收藏", "favourite", "favourites", "favorite", "favorites", "star"),
                    _form(Ask.FAVOURITES, Wants.NUMBER)),
    **dict.fromkeys(("数据", "我的数据", "数字", "业绩", "numbers", "stats", "figures"), _form(Ask.NUMBERS)),
    **dict.fromkeys(("团队", "团队数据", "部门数据", "team"), _form(Ask.TEAM)),
    **dict.fromkeys(("进度", "计划", "群发进度", "progress", "campaigns"), _form(Ask.PROGRESS)),
    **dict.fromkeys(("批准", "同意", "通过", "approve"), _form(Ask.APPROVE, Wants.NUMBER)),
    **dict.fromkeys(("驳回", "拒绝", "reject"), _form(Ask.REJECT, Wants.NUMBER)),
    **dict.fromkeys(("早报", "日报", "每日提醒", "digest", "brief"), _form(Ask.DIGEST, Wants.WORDS)),
    **dict.fromkeys(("中文", "chinese"), _form(Ask.LANGUAGE)),
    **dict.fromkeys(("英文", "english"), _form(Ask.LANGUAGE)),
    **dict.fromkeys(("菜单", "menu"), _form(Ask.HELP)),
}  # fmt: skip
_ENGLISH = frozenset({"英文", "english"})
_LONGEST = max(map(len, WORDS))
_PICK = re.compile(r"(?:第|#|no\.?|选)?\s*([0-9]{1,3}|[一二两三四五六七八九十])\s*(?:个|号|位|条)?")
_NUMBER = re.compile(
    r"(?:第|#)?\s*([0-9]{1,18}|[一二两三四五六七八九十])\s*(?:个|号|位|条)?(?:[\s:,.，。：、-]+(.*))?", re.DOTALL
)
#: Who writes nothing but these means the end of a telephone number.
_DIGITS = re.compile(r"[0-9][0-9 -]{2,18}[0-9]")
_ENDS = "。.!！~～?？"
_BETWEEN = ":：,，、-—+＋#\"'“”「」"

#: The keys of the app's menu, and what each asks.
KEYS: Mapping[str, Question] = {
    "siyu.today": Question(Ask.TODAY),
    "siyu.tasks": Question(Ask.COMMAND, verb=Verb.TASKS),
    "siyu.posts": Question(Ask.COMMAND, verb=Verb.POSTS),
    "siyu.find": Question(Ask.FIND),
    "siyu.scripts": Question(Ask.SCRIPTS),
    "siyu.favourites": Question(Ask.FAVOURITES),
    "siyu.numbers": Question(Ask.NUMBERS),
    "siyu.team": Question(Ask.TEAM),
    "siyu.progress": Question(Ask.PROGRESS),
    "siyu.digest": Question(Ask.DIGEST),
    "siyu.help": Question(Ask.HELP),
}


def folded(text: str) -> str:
    """A text as words are compared."""
    return simplified(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()))


def parse_question(text: str) -> Question | None:
    """What a message asks; None: nothing that we know."""
    if len(text) > TEXT_MAX:
        # Whoever wrote a note that is too long is told that, by the length of what is left.
        found = parse_question(text[:TEXT_MAX])
        return found if found is not None and found.ask in (Ask.NOTE, Ask.REMARK) else None
    # A NUL or a mark of direction is nothing that anybody wrote.
    written = "".join(char for char in text if unicodedata.category(char) not in ("Cc", "Cf") or char in "\n\t").strip()
    command = parse_command(written)
    if command is not None:
        return (
            Question(Ask.HELP)
            if command.verb is Verb.HELP
            else Question(Ask.COMMAND, number=command.number, verb=command.verb)
        )
    plain = folded(written).strip().rstrip(_ENDS).strip()
    if not plain:
        return None
    if picked := _PICK.fullmatch(plain):
        return Question(Ask.PICK, number=_number_of(picked[1]))
    if _DIGITS.fullmatch(plain):
        return Question(Ask.FIND, plain)
    if written[0] in "+＋" and len(written) <= WORDS_MAX:
        return Question(Ask.TAG, written[1:].strip()) if written[1:].strip() else None
    for size in range(min(len(written), _LONGEST * 2), 0, -1):
        word = re.sub(r"\s", "", folded(written[:size]))
        form = WORDS.get(word)
        if form is not None and _ends_there(written, size, form.ask):
            question = _asked(form, word, written[size:])
            if question is not None:
                return question
    return None


def _ends_there(written: str, size: int, ask: Ask) -> bool:
    """Whether a word ends where it does: of latin letters no more follow. Blanks in a word are none behind it.

    `记得带样品` is no note, `备注一下` no remark: what is written down needs something between.
    """
    if written[:size] != written[:size].rstrip():
        return False
    last, after = folded(written[size - 1]), folded(written[size : size + 1])
    if ask in (Ask.NOTE, Ask.REMARK) and after and not after.isspace() and after not in _BETWEEN:
        return False
    return not (last.isascii() and last.isalpha() and after[:1].isascii() and after[:1].isalpha())


def _asked(form: Form, word: str, behind: str) -> Question | None:
    words = behind.strip().lstrip(_BETWEEN).strip() if form.ask is not Ask.TAG else behind.strip()
    match form.wants:
        case Wants.NOTHING:
            if words.rstrip(_ENDS).strip():
                return None
            return Question(form.ask, "en" if word in _ENGLISH else "zh" if form.ask is Ask.LANGUAGE else "")
        case Wants.NUMBER:
            plain = folded(words).rstrip(_ENDS).strip()
            if not plain:
                return Question(form.ask)
            found = _NUMBER.fullmatch(plain)
            if found is None or (found[2] and form.ask is not Ask.REJECT):
                return None
            return Question(form.ask, (found[2] or "").strip(), _number_of(found[1]))
        case _:
            return _with_words(form.ask, words)


def _number_of(text: str) -> int:
    return int(text) if text.isdecimal() else _CHINESE[text]


def _with_words(ask: Ask, words: str) -> Question | None:
    if ask is Ask.TAG and words[:1] in ("-", "－", "—"):
        ask = Ask.UNTAG
    if ask in (Ask.TAG, Ask.UNTAG):
        words = words.lstrip(_BETWEEN + "－ ").strip()
    if ask is Ask.NOTE:
        return Question(ask, words)
    words = " ".join(words.split()).rstrip("。！!").strip()
    return Question(ask, words) if len(words) <= WORDS_MAX else None


# -- days and times


class Day(NamedTuple):
    """A day that somebody meant; `day` None: no day any more."""

    day: date | None


_WEEKDAYS = {name: number for number, names in enumerate(
    (("一", "1", "mon", "monday"), ("二", "2", "tue", "tuesday"), ("三", "3", "wed", "wednesday"),
     ("四", "4", "thu", "thursday"), ("五", "5", "fri", "friday"), ("六", "6", "sat", "saturday"),
     ("日", "天", "7", "sun", "sunday"))
) for name in names}  # fmt: skip
_NAMED_DAYS = {
    "今天": 0, "today": 0, "明天": 1, "明日": 1, "tomorrow": 1, "后天": 2, "大后天": 3,
    "一周后": 7, "下周": 7, "nextweek": 7, "半个月后": 15, "一个月后": 30, "下个月": 30, "nextmonth": 30,
}  # fmt: skip
_NONE = frozenset({"不用", "取消", "无", "没有", "清除", "none", "never", "no", "clear"})
_CHINESE = {each: number for number, each in enumerate("零一二三四五六七八九十")} | {"两": 2}
_IN_DAYS = re.compile(
    r"(?:in)?([0-9]{1,3}|[一二两三四五六七八九十])(?:个)?(天|日|周|星期|月|days?|weeks?|months?)(?:后|以后|之后|later)?"
)
_DATE = re.compile(r"(?:([0-9]{4})[-/.年])?([0-9]{1,2})[-/.月]([0-9]{1,2})[日号]?")
_WEEKDAY = re.compile(r"(下|next)?(?:周|星期|礼拜|on)?([一二三四五六日天]|[a-z]+)")


def parse_day(text: str, today: date) -> Day | None:
    """The day that words mean, as `3天后`, `下周二`, `12-05`, `明天`, `next monday`; None: none that we know, one that
    is over, or is years away."""
    plain = re.sub(r"[\s,，。.!！]+$", "", folded(text))
    plain = re.sub(r"\s", "", plain)
    if plain in _NONE:
        return Day(None)
    found = _find_day(plain, today)
    return Day(found) if found is not None and today <= found <= today + timedelta(days=DAYS_AHEAD) else None


def _find_day(plain: str, today: date) -> date | None:
    if plain in _NAMED_DAYS:
        return today + timedelta(days=_NAMED_DAYS[plain])
    if (ahead := _IN_DAYS.fullmatch(plain)) is not None:
        count = int(ahead[1]) if ahead[1].isdecimal() else _CHINESE[ahead[1]]
        unit = ahead[2]
        each = 7 if unit in ("周", "星期") or unit.startswith("week") else 30 if unit[0] in "月m" else 1
        return today + timedelta(days=count * each)
    if (named := _DATE.fullmatch(plain)) is not None:
        return _dated(named, today)
    if (week := _WEEKDAY.fullmatch(plain)) is not None and week[2] in _WEEKDAYS:
        monday = today - timedelta(days=today.weekday())
        day = monday + timedelta(days=_WEEKDAYS[week[2]] + (7 if week[1] else 0))
        return day if day >= today else day + timedelta(days=7)
    return None


def _dated(named: re.Match[str], today: date) -> date | None:
    try:
        day = date(int(named[1] or today.year), int(named[2]), int(named[3]))
        # A day without a year that is over is next year's.
        return day.replace(year=day.year + 1) if not named[1] and day < today else day
    except ValueError:
        return None


_TIME = re.compile(r"(?:上午|早上|am)?([0-9]{1,2})(?:[:：点.时h]([0-9]{1,2}|半)?分?)?")
_OFF = frozenset({"关", "关闭", "停", "不要", "取消", "off", "none", "stop", "no"})
_DEFAULT = frozenset({"开", "默认", "恢复", "on", "default"})


def parse_digest(text: str) -> str | None:
    """When somebody wants to be told: `08:30`, empty for never, `default` for the company's time; None: not said."""
    plain = re.sub(r"\s", "", folded(text)).rstrip(_ENDS)
    if plain in _OFF:
        return ""
    if plain in _DEFAULT:
        return "default"
    found = _TIME.fullmatch(plain)
    if found is None:
        return None
    hour, minute = int(found[1]), 30 if found[2] == "半" else int(found[2] or 0)
    return f"{hour:02}:{minute:02}" if hour < 24 and minute < 60 else None
