"""What imports are called on pages: how they stand, what columns are, what became of rows."""

from __future__ import annotations

from collections.abc import Mapping

from bot.console.painting import N_

STATUSES: Mapping[str, str] = {
    "reading": N_("正在读取文件"), "draft": N_("等您说明各列"), "checking": N_("正在检查"),
    "ready": N_("检查好了，等您开始"), "running": N_("正在导入"), "paused": N_("已暂停"),
    "done": N_("已完成"), "cancelled": N_("已取消"),
}  # fmt: skip
STATES: Mapping[str, str] = {
    "unread": N_("等待检查"), "found": N_("等待比对"), "ready": N_("将要导入"), "same": N_("不用改"),
    "review": N_("要核对是哪位客户"), "left_out": N_("不导入"), "bad": N_("有错误"), "done": N_("已导入"),
    "failed": N_("没有成功"),
}  # fmt: skip
#: What a column may be, in groups.
GROUPS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        N_("用来找客户"),
        (
            ("external_userid", "external_userid"),
            ("unionid", "unionid"),
            ("mobile", N_("手机号（只用来找客户）")),
            ("name", N_("客户名称")),
            ("staff", N_("所属员工（姓名或账号）")),
        ),
    ),
    (
        N_("要导入的"),
        (
            ("tags", N_("标签")),
            ("remark", N_("备注名")),
            ("description", N_("描述")),
            ("remark_mobile", N_("备注电话（也用来找客户）")),
            ("birthday", N_("生日")),
        ),
    ),
)
ORDERS: tuple[str, tuple[tuple[str, str], ...]] = (
    N_("订单"),
    (
        ("order_number", N_("订单号")),
        ("order_amount", N_("金额（元）")),
        ("order_placed_at", N_("下单时间")),
        ("order_status", N_("订单状态")),
        ("order_item", N_("商品")),
    ),
)
