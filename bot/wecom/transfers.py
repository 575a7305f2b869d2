"""Handing customers over to a colleague, on the job or after leaving (WeCom docs 92125, 94081)."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from bot.wecom.family import Family, Json, given


class Transfers(Family):
    """`/externalcontact/transfer…`, `/externalcontact/resigned/…` and who waits for a new owner."""

    def transfer_customer(
        self,
        handover_userid: str,
        takeover_userid: str,
        external_userid: Sequence[str],
        transfer_success_msg: str | None = None,
    ) -> Awaitable[Json]:
        """Begin the handover of up to 100 customers: `customer` with an errcode each, 0 meaning begun.

        It takes effect after 24 hours unless the customer refuses; at most twice in 90 days for one customer.
        """
        return self._post(
            "externalcontact/transfer_customer",
            data=given(
                handover_userid=handover_userid,
                takeover_userid=takeover_userid,
                external_userid=list(external_userid),
                transfer_success_msg=transfer_success_msg,
            ),
        )

    def transfer_result(self, handover_userid: str, takeover_userid: str, cursor: str = "") -> Awaitable[Json]:
        """`customer` with `status` (1 done, 2 waiting, 3 refused, 4 takeover full) and `takeover_time`; 1000 a page."""
        return self._post(
            "externalcontact/transfer_result",
            data=given(handover_userid=handover_userid, takeover_userid=takeover_userid, cursor=cursor or None),
        )

    def resigned_transfer_customer(
        self, handover_userid: str, takeover_userid: str, external_userid: Sequence[str]
    ) -> Awaitable[Json]:
        """Like `transfer_customer`, for a member who left the company less than a year ago."""
        return self._post(
            "externalcontact/resigned/transfer_customer",
            data={
                "handover_userid": handover_userid,
                "takeover_userid": takeover_userid,
                "external_userid": list(external_userid),
            },
        )

    def resigned_transfer_result(self, handover_userid: str, takeover_userid: str, cursor: str = "") -> Awaitable[Json]:
        """Like `transfer_result`, for a member who left."""
        return self._post(
            "externalcontact/resigned/transfer_result",
            data=given(handover_userid=handover_userid, takeover_userid=takeover_userid, cursor=cursor or None),
        )

    def get_unassigned_list(
        self, page_id: int | None = None, page_size: int = 1000, cursor: str | None = None
    ) -> Awaitable[Json]:
        """`info` of customers of members who left: `handover_userid`, `external_userid`, `dimission_time`.

        The end is `is_last` true. `page_id` is WeCom's former way of paging; `cursor` takes its place.
        """
        return self._post(
            "externalcontact/get_unassigned_list",
            data=given(page_id=page_id, page_size=page_size, cursor=cursor or None),
        )
