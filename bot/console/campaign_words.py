"""Campaigns in words: how they stand, whom they are for, when they are sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from bot.campaign_plans import calendar_of
from bot.console.asks import Ask
from bot.console.painting import N_
from data.models import ApprovalStatus, PauseRule, PublisherState, RunStatus
from data.rules.campaign_states import CampaignState
from data.rules.occurrences import list_occurrences, parse_cron
from data.rules.senders import SenderPolicy
from data.rules.timings import Timing

#: So many runs to come are shown.
NEXT = 5

STATES: Mapping[str, str] = {
    CampaignState.DRAFT: N_("草稿"),
    CampaignState.ASKED: N_("等待审批"),
    CampaignState.HELD: N_("等人处理"),
    CampaignState.AHEAD: N_("已排期"),
    CampaignState.SENDING: N_("正在发送"),
    CampaignState.AWAITING: N_("等员工确认"),
    CampaignState.OVER: N_("已结束"),
}
COLOURS: Mapping[str, str] = {
    CampaignState.DRAFT: "secondary", CampaignState.ASKED: "yellow", CampaignState.HELD: "red",
    CampaignState.AHEAD: "blue", CampaignState.SENDING: "azure", CampaignState.AWAITING: "azure",
    CampaignState.OVER: "green",
}  # fmt: skip
RUNS: Mapping[str, str] = {
    RunStatus.WORDS_DUE: N_("等待写内容"),
    RunStatus.DUE: N_("未开始"),
    RunStatus.PLANNING: N_("正在找接收人"),
    RunStatus.SENDING: N_("正在创建任务"),
    RunStatus.AWAITING: N_("等员工确认"),
    RunStatus.FINISHED: N_("已完成"),
    RunStatus.PAUSED: N_("已暂停"),
    RunStatus.CANCELLED: N_("已取消"),
    RunStatus.FAILED: N_("失败"),
    RunStatus.SKIPPED: N_("已跳过"),
}
PAUSES: Mapping[str, str] = {
    PauseRule.LATE: N_("错过了时间，等人决定还发不发：恢复就是现在发"),
    PauseRule.APPROVAL: N_("超出了审批的人数：请重新提交审批，批准后恢复"),
    PauseRule.TEST: N_("等您确认测试客户收到的内容没有问题"),
    PauseRule.LINK: N_("有跟踪链接不能用了：修好后恢复"),
    PauseRule.WECOM: N_("企业微信要求先处理：处理后恢复"),
    PauseRule.REFUSALS: N_("被企业微信拒绝的太多，已自动暂停"),
    PauseRule.LEAVING: N_("流失的客户突然增多，已自动暂停"),
}
RECIPIENTS: Mapping[str, str] = {
    "waiting": N_("还没收到"),
    "sent": N_("已收到"),
    "not_friend": N_("已不是好友"),
    "over_cap": N_("超过企业微信的次数限制"),
    "refused": N_("企业微信没有创建任务"),
    "stopped": N_("到期或取消时员工还没确认"),
    "opted_out": N_("客户不想收到"),
    "paused": N_("客户暂停接收"),
    "capped": N_("超过我们的频率上限"),
    "duplicate": N_("由另一位员工发给同一客户"),
    "sender_unable": N_("员工不能发送"),
    "left": N_("发送时已不是客户"),
    "bought": N_("最近买过"),
    "hold_out": N_("对照组，不发"),
    "sender_excluded": N_("员工被排除"),
    "sender_on_leave": N_("员工休假"),
    "journey_over": N_("旅程已经结束"),
    "unknown": N_("名单里不是任何人的客户"),
    "none": N_("没有客户"),
}
PUBLISHERS: Mapping[str, str] = {
    PublisherState.WAITING: N_("还没发表"),
    PublisherState.PUBLISHED: N_("已发表"),
    PublisherState.REFUSED: N_("企业微信没有给任务"),
    PublisherState.STOPPED: N_("到期或取消时还没发表"),
}
APPROVALS: Mapping[str, str] = {
    ApprovalStatus.PENDING: N_("等待审批"),
    ApprovalStatus.APPROVED: N_("已批准"),
    ApprovalStatus.REJECTED: N_("已驳回"),
    ApprovalStatus.VOID: N_("已作废"),
    ApprovalStatus.EXPIRED: N_("已过期"),
}
KINDS: Mapping[str, str] = {"customers": N_("客户群发"), "groups": N_("客户群群发"), "moments": N_("朋友圈")}
POLICIES: Mapping[str, str] = {
    SenderPolicy.FIRST_ADDED: N_("最早添加客户的员工"),
    SenderPolicy.LAST_ADDED: N_("最近添加客户的员工"),
    SenderPolicy.TAG_OWNER: N_("打了指定标签的员工"),
    SenderPolicy.ALL: N_("每位员工都发"),
}
WEEKDAYS = (N_("周日"), N_("周一"), N_("周二"), N_("周三"), N_("周四"), N_("周五"), N_("周六"))


def cron_words(ask: Ask, line: str) -> str:
    """A cron line as people say it; what is not simple stays as it is."""
    fields = line.split()
    if len(fields) == 5 and fields[0].isdecimal() and fields[1].isdecimal() and fields[3] == "*":
        at = f"{int(fields[1]):02}:{int(fields[0]):02}"
        if fields[2] == fields[4] == "*":
            return ask._("每天 %(at)s", at=at)
        if fields[2] == "*" and fields[4] == "1-5":
            return ask._("每个工作日（周一到周五）%(at)s", at=at)
        days = fields[4].split(",")
        if fields[2] == "*" and all(each in "01234567" and len(each) == 1 for each in days):
            names = ask._("、").join(ask._(WEEKDAYS[int(each) % 7]) for each in days)
            return ask._("每%(days)s %(at)s", days=names, at=at)
        if fields[4] == "*" and all(each.isdecimal() for each in fields[2].split(",")):
            return ask._("每月 %(days)s 日 %(at)s", days=fields[2].replace(",", ask._("、")), at=at)
    return ask._("按 cron：%(line)s", line=line)


def timing_words(ask: Ask, timing: Timing, when: Any) -> str:
    """When a wave is sent."""
    if timing.cron is None:
        return str(when(timing.at)) if timing.at else ask._("开始后立即")
    words = [cron_words(ask, timing.cron)]
    if timing.until:
        words.append(ask._("到 %(day)s 为止", day=timing.until))
    if timing.skip_holidays:
        words.append(ask._("节假日不发"))
    if timing.fresh_words:
        words.append(ask._("每次都要写新的内容"))
    return ask._("，").join(words)


def next_runs(ask: Ask, timing: Timing, after: datetime) -> list[datetime]:
    """The next times at which something like this is sent. It was checked before."""
    calendar = calendar_of(ask.settings)
    if timing.cron is None:
        return [timing.at or after]
    without = calendar.holidays if timing.skip_holidays else ()
    return list(
        islice(
            list_occurrences(parse_cron(timing.cron), after, calendar.zone, until=timing.until, without=without), NEXT
        )
    )


def audience_words(ask: Ask, kind: str, audience: Mapping[str, Any]) -> str:
    """Whom a wave is for, shortly."""
    listed = sum(_length(audience.get(name)) for name in ("pairs", "external_userids"))
    if listed:
        return ask._("名单上的 %(count)s 位客户", count=f"{listed:,}")
    if audience.get("segment"):
        return ask._("符合条件的客户")
    if kind == "customers":
        return ask._("所有客户")
    words = []
    for name, text in (
        ("owners", N_("%(count)s 位群主的群")), ("department_ids", N_("%(count)s 个部门")),
        ("chat_ids", N_("%(count)s 个指定的群")), ("userids", N_("%(count)s 位员工")),
        ("tag_ids", N_("有 %(count)s 个标签之一的客户")),
    ):  # fmt: skip
        if audience.get(name):
            words.append(ask._(text, count=len(audience[name])))
    if audience.get("name_contains"):
        words.append(ask._("群名包含“%(text)s”", text=audience["name_contains"]))
    if audience.get("created_days_ago") is not None:
        words.append(ask._("建群 %(days)s 天的群", days=audience["created_days_ago"]))
    everyone = ask._("所有客户群") if kind == "groups" else ask._("所有有客户的员工")
    return ask._("，").join(words) or everyone


def _length(given: Any) -> int:
    return given if isinstance(given, int) else len(given or ())
