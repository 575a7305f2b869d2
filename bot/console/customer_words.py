"""What is said of customers in several places, by WeCom's own numbers and ours."""

from __future__ import annotations

from collections.abc import Mapping

from bot.console.painting import N_
from data.models import FollowStatus

FOLLOW_STATUSES: Mapping[str, str] = {
    FollowStatus.PRESENT: N_("好友"),
    FollowStatus.HALF: N_("待同事通过"),
    FollowStatus.DELETED_BY_CUSTOMER: N_("被客户删除"),
    FollowStatus.DELETED_BY_STAFF: N_("被同事删除"),
    FollowStatus.OUT_OF_SIGHT: N_("同事已离职或不可见"),
}
GENDERS: Mapping[str, str] = {"male": N_("男"), "female": N_("女"), "unknown": N_("未知")}
TYPES: Mapping[str, str] = {"wechat": N_("微信"), "wecom": N_("企业微信"), "unknown": N_("未读取")}
ORIGINS: Mapping[str, str] = {
    "new": N_("第一次添加"),
    "known": N_("之前加过别的同事"),
    "inherited": N_("继承而来"),
}
ORDER_STATUSES: Mapping[str, str] = {
    "placed": N_("待付款"),
    "paid": N_("已付款"),
    "finished": N_("已完成"),
    "refunded": N_("已退款"),
    "cancelled": N_("已取消"),
}
WISHES: Mapping[str, str] = {"opted_out": N_("不再接收消息"), "paused": N_("暂停到某天")}
ADD_WAYS: Mapping[str, str] = {
    "1": N_("扫描二维码"),
    "16": N_("获客链接"),
    "2": N_("搜索手机号"),
    "3": N_("名片分享"),
    "4": N_("群聊"),
    "5": N_("手机通讯录"),
    "6": N_("微信联系人"),
    "8": N_("安装第三方应用"),
    "9": N_("搜索邮箱"),
    "10": N_("视频号"),
    "11": N_("日程参与人"),
    "12": N_("会议参与人"),
    "13": N_("微信好友的企业微信"),
    "14": N_("智慧硬件客服"),
    "15": N_("上门服务客服"),
    "17": N_("定制开发"),
    "18": N_("需求回复"),
    "21": N_("第三方售前客服"),
    "22": N_("可能的商务伙伴"),
    "24": N_("接受好友申请"),
    "201": N_("内部成员共享"),
    "202": N_("管理员或负责人分配"),
    "0": N_("未知来源"),
}
