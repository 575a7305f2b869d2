"""What the message templates are for, in words."""

from __future__ import annotations

from collections.abc import Mapping

from bot.console.painting import N_

KINDS = {
    "staff_alert": N_("给员工的通知"), "welcome": N_("欢迎语的样例"), "model_prompt": N_("给语言模型的说明"),
}  # fmt: skip
#: Texts of welcomes are samples: what is sent stands in the rules.
SAMPLES = frozenset({"welcome"})

#: By kind and slug: what it is, and when it is sent.
WORDS: Mapping[str, tuple[str, str]] = {
    "staff_alert/customer_lost": (N_("客户流失"), N_("客户把员工删除后，发给这位员工。")),
    "staff_alert/customer_deleted": (N_("员工删除客户"), N_("员工删除客户后，发给部门负责人。")),
    "staff_alert/welcome_missed": (N_("欢迎语未发出"), N_("欢迎语没能发出时，把原文发给员工自己发送。")),
    "staff_alert/kf_missed": (N_("客服消息没有发出"), N_("客服的欢迎语或结束语没有发出时，发给账号里选择的成员。")),
    "staff_alert/kf_waiting": (N_("客户等待人工"), N_("客户在微信客服里要求人工接待时，发给接待人员。")),
    "staff_alert/kf_draft": (N_("客服答案待发送"), N_("答案由人发送时，客户提了问题就告诉接待人员。")),
    "staff_alert/transfer_failed": (N_("客户接替失败"), N_("客户没有转接成功时，发给接替的员工。")),
    "staff_alert/group_dismissed": (N_("客户群解散"), N_("客户群被解散后，发给负责人。")),
    "staff_alert/link_clicked": (N_("客户点击链接"), N_("客户打开要通知员工的跟踪链接后，发给员工。")),
    "staff_alert/form_answered": (N_("客户填表"), N_("客户填写表单后，发给员工。")),
    "staff_alert/campaign_approval": (N_("群发审批结果"), N_("群发的审批有结果时，发给计划的负责人。")),
    "staff_alert/campaign_paused": (N_("群发暂停"), N_("群发计划暂停时，发给负责人。")),
    "staff_alert/campaign_words_due": (N_("群发待写内容"), N_("快到时间还没有内容时，发给负责人。")),
    "staff_alert/campaign_finished": (N_("群发完成"), N_("群发结束时，发给负责人。")),
    "staff_alert/campaign_failed": (N_("群发未发送"), N_("群发没有发送时，发给负责人。")),
    "staff_alert/campaign_refusals": (N_("群发因被拒绝而暂停"), N_("企业微信拒绝太多时，发给负责人。")),
    "staff_alert/campaign_leaving": (N_("群发因客户流失而暂停"), N_("收到消息的客户删除员工太多时，发给负责人。")),
    "staff_alert/campaign_unconfirmed": (N_("群发待确认"), N_("员工没有确认时，发给他们的上级。")),
    "staff_alert/acquisition_quota": (N_("获客额度提醒"), N_("获客链接的额度不足、用完或将到期时，发给负责人。")),
    "staff_alert/acquisition_link": (
        N_("获客链接失效"),
        N_("获客链接在企业微信里被删除，或者上面没有人能添加客户时，发给负责人。"),
    ),
    "staff_alert/channel_stranded": (
        N_("渠道码没有人接待"),
        N_("渠道码上的员工都不能再添加客户时，发给创建渠道的人和负责人。"),
    ),
    "staff_alert/journey_paused": (N_("旅程暂停"), N_("旅程出错暂停时，发给负责人。")),
    "staff_alert/day_list": (N_("今日待办（客户）"), N_("每天告诉员工有多少客户等着联系。")),
    "staff_alert/weekly_report": (N_("周报"), N_("每周一把上一周的报表发给选定的人。")),
    "staff_alert/daily_tasks": (N_("今日待办（群发）"), N_("每天提醒员工确认群发和朋友圈。")),
    "staff_alert/daily_campaigns": (N_("群发汇总"), N_("每天告诉负责人群发的进度。")),
    "staff_alert/daily_campaign": (N_("群发汇总的一行"), N_("汇总里一个计划的进度。")),
    "staff_alert/daily_waiting": (N_("群发汇总的待办"), N_("汇总里一件等待处理的事。")),
    "staff_alert/reply": (N_("回复"), N_("员工给应用发消息后的回复。")),
    "staff_alert/reply_help": (N_("回复：帮助"), N_("员工发送「帮助」后的回复。")),
    "staff_alert/reply_posts": (N_("回复：朋友圈"), N_("员工发送「朋友圈」后的回复。")),
    "staff_alert/reply_act": (N_("回复：操作结果"), N_("负责人暂停、恢复或取消计划后的回复。")),
    "staff_alert/reply_results": (N_("回复：结果"), N_("负责人询问计划结果后的回复。")),
    "staff_alert/assistant_customer": (N_("助手：客户"), N_("员工在应用里找到一位客户时的回复。")),
    "staff_alert/assistant_choose": (N_("助手：列表"), N_("找到几位客户或几条话术时的回复。")),
    "staff_alert/assistant_said": (N_("助手：一句话"), N_("员工对客户做了什么之后的回复。")),
    "staff_alert/assistant_work": (N_("助手：一句话（其他）"), N_("待办、话术、审批和提醒时间的回复。")),
    "staff_alert/assistant_today": (N_("助手：今天"), N_("员工发送「今天」后的回复。")),
    "staff_alert/assistant_numbers": (N_("助手：数据"), N_("员工发送「数据」或「团队」后的回复。")),
    "staff_alert/daily_day": (N_("早报"), N_("每天告诉员工有什么等着处理。")),
    "staff_alert/daily_brief": (N_("团队简报"), N_("每天告诉部门负责人前一天的数字。")),
    "staff_alert/customers_taken_over": (N_("客户接替"), N_("客户转给员工后，告诉这位员工。")),
    "model_prompt/customer_service": (N_("客服模型提示词"), N_("开启语言模型后，随顾客的问题一起发给模型。")),
    "welcome/default": (N_("通用"), N_("新建欢迎语时可以用它开始。")),
    "welcome/channel": (N_("渠道"), N_("新建欢迎语时可以用它开始。")),
    "welcome/store": (N_("门店"), N_("新建欢迎语时可以用它开始。")),
    "welcome/off_hours": (N_("下班时间"), N_("新建欢迎语时可以用它开始。")),
    "welcome/colleague": (N_("同事的客户"), N_("新建欢迎语时可以用它开始。")),
}


def words_for(kind: str, slug: str) -> tuple[str, str, bool]:
    """What a template is and when it is sent, and whether it is the English one of two."""
    own = f"{kind}/{slug}"
    english = own not in WORDS and own.endswith("_en")
    return (*WORDS.get(own.removesuffix("_en") if english else own, (slug, "")), english)
