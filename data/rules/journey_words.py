"""What became of journeys, steps, tasks and broadcasts, in words for managers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo

from bot.phrases import Phrase
from data.models.campaigns import RecipientState
from data.models.journeys import BarReason, EndReason, JourneyStatus, StepOutcome
from data.models.staff_tasks import StaffTaskStatus
from data.rules.enrolments import begins_again_at
from data.rules.schedule import moment_words
from data.rules.staff_tasks import MoveReason

ENDS: Mapping[EndReason, str] = {
    EndReason.FINISHED: Phrase("所有步骤都已走完"),
    EndReason.GOAL: Phrase("客户达成了目标"),
    EndReason.STOP: Phrase("发生了让旅程结束的事"),
    EndReason.LOST: Phrase("客户已不是任何员工的联系人"),
    EndReason.OPTED_OUT: Phrase("客户不希望再收到消息"),
    EndReason.WITHDRAWN: Phrase("被人工移出，或旅程被终止"),
}
OUTCOMES: Mapping[StepOutcome, str] = {
    StepOutcome.DONE: Phrase("已执行"),
    StepOutcome.MOVED: Phrase("顺延"),
    StepOutcome.NOT_FOR: Phrase("客户不在这一步的人群中"),
    StepOutcome.HELD_OUT: Phrase("对照组，不触达"),
    StepOutcome.LATE: Phrase("到时间时程序没有运行，或旅程被暂停，已过期"),
    StepOutcome.CAPPED: Phrase("触达已达上限"),
    StepOutcome.OUTRANKED: Phrase("让位给优先的旅程"),
    StepOutcome.RESTING: Phrase("客户希望暂时不收到消息"),
    StepOutcome.CLOSED: Phrase("客服消息的发送窗口没有打开"),
    StepOutcome.NO_SENDER: Phrase("没有能联系客户的员工"),
    StepOutcome.FAILED: Phrase("执行失败"),
}
TASKS: Mapping[StaffTaskStatus, str] = {
    StaffTaskStatus.OPEN: Phrase("等员工处理"),
    StaffTaskStatus.DONE: Phrase("员工已完成"),
    StaffTaskStatus.REFUSED: Phrase("员工选择了不做"),
    StaffTaskStatus.LAPSED: Phrase("员工没有在有效期内处理"),
    StaffTaskStatus.WITHDRAWN: Phrase("已撤回"),
}
MOVES: Mapping[MoveReason, str] = {
    MoveReason.HANDED_OVER: Phrase("客户已交接"),
    MoveReason.UNABLE: Phrase("员工已离职或没有客户联系权限"),
    MoveReason.NOT_CONTACT: Phrase("客户已不是该员工的联系人"),
}
RECIPIENTS: Mapping[RecipientState, str] = {
    RecipientState.WAITING: Phrase("等员工确认发送"),
    RecipientState.SENT: Phrase("已发送给客户"),
    RecipientState.NOT_FRIEND: Phrase("没有送达：客户已不是好友"),
    RecipientState.OVER_CAP: Phrase("没有送达：客户本期收到的群发已达企业微信的上限"),
    RecipientState.REFUSED: Phrase("企业微信没有为这位客户建立群发"),
    RecipientState.STOPPED: Phrase("员工没有在有效期内确认，或已被取消"),
    RecipientState.OPTED_OUT: Phrase("客户不希望收到消息"),
    RecipientState.PAUSED: Phrase("客户希望暂时不收到消息"),
    RecipientState.CAPPED: Phrase("触达已达上限"),
    RecipientState.DUPLICATE: Phrase("由另一位员工发送"),
    RecipientState.SENDER_UNABLE: Phrase("员工已离职或没有客户联系权限"),
    RecipientState.LEFT: Phrase("发送时客户已不是联系人"),
    RecipientState.BOUGHT: Phrase("客户刚刚购买过"),
    RecipientState.HOLD_OUT: Phrase("对照组，不触达"),
    RecipientState.SENDER_EXCLUDED: Phrase("员工不参加"),
    RecipientState.SENDER_ON_LEAVE: Phrase("员工休假，没有替班的人"),
    RecipientState.JOURNEY_OVER: Phrase("发送之前，旅程对这位客户已经结束"),
}
CALLS: Mapping[str, str] = {
    "waiting": Phrase("等其他程序接收"),
    "taken": Phrase("其他程序已接收"),
    "given_up": Phrase("其他程序一天内没有接收，已放弃"),
}
NOT_SENT_YET = Phrase("等同样内容的群发集齐后一起发送")
NEVER_SENT = Phrase("群发被取消，或过了时间，没有发送")
NOT_PLANNED = Phrase("群发还没有开始")
NOBODY = Phrase("发送时客户已不在名单上")

NO_CONTACT = Phrase("客户不是任何员工的联系人")
WANTS_NOTHING = Phrase("客户不希望收到消息")
NOT_OF_MEMBERS = Phrase("跟进客户的员工都不在这个旅程的范围里")
NOT_IN_AUDIENCE = Phrase("客户不在旅程的人群中")
STANDING: Mapping[JourneyStatus, str] = {
    JourneyStatus.PAUSED: Phrase("旅程暂停了：不为任何人开始，之后也不补"),
    JourneyStatus.CLOSED: Phrase("旅程关闭了：不再为任何人开始"),
}
BARS: Mapping[BarReason, str] = {
    BarReason.ON_IT: Phrase("客户当时正在这个旅程中"),
    BarReason.NOT_AGAIN: Phrase("客户走过这个旅程，当时不能重新开始"),
    BarReason.NO_CONTACT: NO_CONTACT,
    BarReason.NOT_THEIRS: MOVES[MoveReason.NOT_CONTACT],
    BarReason.OPTED_OUT: WANTS_NOTHING,
    BarReason.NOT_OF_MEMBERS: NOT_OF_MEMBERS,
    BarReason.NOT_IN_AUDIENCE: NOT_IN_AUDIENCE,
    BarReason.PAUSED: STANDING[JourneyStatus.PAUSED],
    BarReason.CLOSED: STANDING[JourneyStatus.CLOSED],
}
NOTHING_HAPPENED = Phrase("触发旅程的事还没有发生")


def moved_words(move: Mapping[str, str]) -> str:
    """Why a task went to another member's list (`StaffTask.moves`)."""
    return Phrase(
        "从 %(giver)s 转给 %(taker)s：%(why)s",
        giver=move["from_userid"],
        taker=move["to_userid"],
        why=MOVES[MoveReason(move["why"])],
    )


def barred_words(began_at: datetime, after_days: int | None, zone: tzinfo) -> str:
    """Why a journey does not begin again for a customer who was on it."""
    if after_days is None:
        return Phrase("客户走过这个旅程，它不重复")
    return Phrase(
        "客户走过这个旅程，%(at)s 之后才能重新开始", at=moment_words(begins_again_at(began_at, after_days, zone), zone)
    )
