"""Conversations in WeChat customer service: who has one, and how much may still be said in it.

WeCom lets an app write at most 5 messages within 48 hours of the customer's last one, and only while nobody of the
staff has the conversation (WeCom docs 94669, 94677).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from bot.phrases import Phrase
from data.models.kf import KfState

REPLIES_MAX = 5
WINDOW = timedelta(hours=48)
#: Lives of the codes that events carry: for a greeting or a farewell, and for whoever waits or is taken up.
SHORT_CODE = timedelta(seconds=20)
LONG_CODE = timedelta(hours=48)
#: A conversation that nobody goes on with ends by itself.
IDLE = timedelta(hours=48)

BOTS = frozenset({KfState.NEW, KfState.BOT})
PEOPLES = frozenset({KfState.QUEUED, KfState.PERSON})


class Window(NamedTuple):
    """How much may still be said to a customer: `left` messages until an instant; without any, `why`."""

    left: int
    until: datetime | None
    why: str = ""

    @property
    def is_open(self) -> bool:
        return self.left > 0


def window_of(state: int, written_at: datetime | None, replies: int, blocked: bool, now: datetime) -> Window:
    """What a conversation leaves room for."""
    if written_at is None:
        return Window(0, None, Phrase("客户还没有发来消息"))
    until = written_at + WINDOW
    if now >= until:
        return Window(0, until, Phrase("客户最后一次发来消息已超过 48 小时"))
    if state in PEOPLES:
        return Window(0, until, Phrase("会话由人工处理，机器人不能发消息"))
    if state == KfState.ENDED:
        return Window(0, until, Phrase("会话已结束，等客户再次发来消息"))
    if blocked:
        return Window(0, until, Phrase("接待人员设置了拒收这位客户的消息"))
    left = REPLIES_MAX - replies
    if left <= 0:
        return Window(0, until, Phrase("客户上次发来消息后已发满 5 条"))
    return Window(left, until)


class Talk(NamedTuple):
    """A conversation as far as it decides what may be said in it: see KfSession."""

    open_kfid: str
    state: int
    state_at: datetime
    written_at: datetime | None
    replies: int
    blocked: bool


def why_closed(talks: Sequence[Talk], open_kfid: str, now: datetime) -> str:
    """Why nothing can be written to a customer now in one account, or where they wrote last; empty: it can. `talks`:
    theirs, the one to which they wrote last first."""
    last = next((each for each in talks if open_kfid in ("", each.open_kfid)), None)
    if last is None:
        return Phrase("客户没有通过微信客服咨询过")
    state = shown_state(last.state, last.state_at, last.written_at, now)
    return window_of(state, last.written_at, last.replies, last.blocked, now).why


def state_after_message(state: int, state_at: datetime, written_at: datetime | None, at: datetime) -> KfState:
    """Who has a conversation once the customer has written at `at`: one that has ended begins anew."""
    last = max(state_at, written_at or state_at)
    if state == KfState.ENDED or at - last > IDLE:
        return KfState.NEW
    return KfState(state)


def shown_state(state: int, state_at: datetime, written_at: datetime | None, now: datetime) -> KfState:
    """Who has a conversation now: nobody tells of one that ended because it lay idle."""
    last = max(state_at, written_at or state_at)
    return KfState.ENDED if now - last > IDLE else KfState(state)


#: What WeCom lets an app change (WeCom doc 94669); its picture draws more ways than its words, and those are tried.
_NEVER: dict[KfState, frozenset[KfState]] = {
    KfState.ENDED: frozenset({KfState.NEW, KfState.BOT, KfState.QUEUED, KfState.PERSON}),
}


def change_problem(state: KfState, wanted: KfState) -> str:
    """Why a conversation cannot be given to somebody else now; empty: WeCom may be asked."""
    if wanted is KfState.NEW:
        return Phrase("会话不能改回“未处理”")
    if wanted in _NEVER.get(state, ()):
        return Phrase("会话已结束，等客户再次发来消息")
    if wanted is state and wanted is not KfState.PERSON:
        return Phrase("会话已经是这个状态")
    return ""


#: `fail_type` of `msg_send_fail`.
FAIL_TYPES: dict[int, Phrase] = {
    0: Phrase("原因不明"),
    1: Phrase("客服账号已删除"),
    2: Phrase("应用已停用"),
    4: Phrase("客户最后一次发来消息已超过 48 小时"),
    5: Phrase("会话已结束"),
    6: Phrase("客户上次发来消息后已发满 5 条"),
    8: Phrase("企业没有认证"),
    10: Phrase("客户拒收"),
    11: Phrase("企业没有成员登录企业微信"),
    12: Phrase("发送的消息类型被禁止"),
    13: Phrase("没有通过内容安全检查"),
}
