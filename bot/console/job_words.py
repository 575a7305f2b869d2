"""What each piece of repeated work does, and how often, in words."""

from __future__ import annotations

from collections.abc import Mapping

from bot.console.asks import Ask
from bot.console.painting import N_

WORDS: Mapping[str, str] = {
    "approvals": N_("把等审批的发给审批人"),
    "backups": N_("到时间就备份"),
    "campaign_lookups": N_("核对结果不明的群发"),
    "campaign_results": N_("读取群发结果"),
    "campaigns": N_("发出到时间的群发"),
    "channels": N_("让活码上的员工与设置一致"),
    "check_group_welcomes": N_("核对入群欢迎语"),
    "count_channel_days": N_("统计每个渠道每天的数字"),
    "count_cohorts": N_("统计关系留存"),
    "day_lists": N_("告诉员工当天的任务"),
    "digests": N_("发每日汇总"),
    "finish_erasures": N_("完成客户信息的删除"),
    "follow_up_answers": N_("处理客户提交的表单"),
    "follow_up_clicks": N_("处理客户点开的链接"),
    "forget_late": N_("把已删除的客户从最近的事件里去掉"),
    "group_welcomes": N_("把入群欢迎语写到企业微信"),
    "handovers": N_("交接客户和客户群"),
    "happenings": N_("让刚发生的事开始旅程"),
    "imports": N_("读取和执行导入"),
    "journey_days": N_("让生日、日期和久未互动的客户开始旅程"),
    "journeys": N_("执行到时间的旅程步骤"),
    "kf_accounts": N_("读取客服账号"),
    "kf_answers": N_("回复还没回复的客服消息"),
    "kf_catch_up": N_("补读漏掉的客服消息"),
    "kf_people": N_("读取客服客户的资料"),
    "markings": N_("执行批量打标签"),
    "match_orders": N_("为订单找到客户"),
    "measure_inbox": N_("统计等待处理的事件"),
    "mend_facts": N_("核对并修正汇总的数据"),
    "moments": N_("发布朋友圈并读取结果"),
    "poll_channels": N_("读取企业微信里的活码"),
    "poll_directory": N_("读取成员和部门"),
    "poll_join_ways": N_("读取企业微信里的群活码"),
    "poll_tags": N_("读取企业标签"),
    "poll_unassigned": N_("读取离职成员待分配的客户"),
    "pull_acquisition": N_("读取获客链接的数字"),
    "pull_behaviour": N_("读取企业微信的行为数据"),
    "pull_own_sends": N_("读取员工自己发的群发"),
    "pull_payments": N_("读取对外收款"),
    "purge_inbox": N_("删除过期的事件"),
    "purge_old": N_("删除过了保存期限的记录"),
    "purge_repeated_requests": N_("删除过期的接口请求记录"),
    "read_settings": N_("读取页面上改过的设置"),
    "read_templates": N_("读取新发布的消息模板"),
    "refresh_statistics": N_("更新数据库的统计信息"),
    "remind_and_tell": N_("提醒没有确认的员工，告诉上级"),
    "renew_media": N_("在素材过期前重新上传"),
    "reports": N_("发每周报表"),
    "review_order_matches": N_("复核订单和客户的对应"),
    "send_alerts": N_("把出错的事告诉管理员"),
    "staff_tasks": N_("整理员工任务"),
    "sync": N_("同步客户数据"),
    "tag_orders": N_("按订单打标签"),
    "watch_campaigns": N_("检查群发，出错太多就暂停"),
    "watch_seats": N_("检查谁还能接待客户"),
    "webhooks": N_("调用对外通知的网址"),
    "write_signs": N_("记下本机还在运行"),
}  # fmt: skip


def every(ask: Ask, seconds: float) -> str:
    """How often something is done."""
    for length, text in ((86_400, N_("%(count)s 天")), (3_600, N_("%(count)s 小时")), (60, N_("%(count)s 分钟"))):
        if seconds >= length:
            return ask._(text, count=f"{seconds / length:g}")
    return ask._(N_("%(count)s 秒"), count=f"{seconds:g}")
