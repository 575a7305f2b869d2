"""Payments that staff collect from customers (对外收款, WeCom doc 93667), which wechatpy lacks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable

from bot.wecom.family import Family, Json, given, pages


class ExternalPay(Family):
    """`/externalpay/`: `client.externalpay`. The app must be among those that 对外收款 lets call."""

    def get_bill_list(
        self, begin_time: int, end_time: int, payee_userid: str | None = None, cursor: str = "", limit: int = 1000
    ) -> Awaitable[Json]:
        """`bill_list` of at most a month (epoch seconds), income and refunds; `next_cursor` is absent at the end.

        Records of payees outside the app's range are left out, so a page may be short or empty before the end.
        """
        return self._post(
            "externalpay/get_bill_list",
            data=given(
                begin_time=begin_time,
                end_time=end_time,
                payee_userid=payee_userid,
                cursor=cursor or None,
                limit=limit,
            ),
        )

    def gen_bills(self, begin_time: int, end_time: int, payee_userid: str | None = None) -> AsyncIterator[Json]:
        """Every record of a span, page after page: `async for bill in …`."""
        return pages(lambda cursor: self.get_bill_list(begin_time, end_time, payee_userid, cursor), "bill_list")
