"""Customers who pass from one member to another (在职继承, 离职继承): queued, and in effect a day later."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bot.sandbox.errors import NotFoundError
from bot.sandbox.records import LISTED, Follow, Transfer
from bot.sandbox.settings import Settings

if TYPE_CHECKING:
    from bot.sandbox.people import People
    from bot.sandbox.world import World

#: add_way of a contact that an admin or leader assigned.
ADD_WAY_ASSIGNED = 202


class Transfers:
    """Waits out the transfers of one world."""

    def __init__(self, world: World, people: People, settings: Settings) -> None:
        self._world, self._people, self._settings = world, people, settings
        self.due_at = math.inf
        #: How many customers each who takes over has, while transfers are carried out.
        self._customers: dict[str, int] = {}
        self._look()

    def start(self, handover: str, takeover: str, external_userid: str, resigned: bool, message: str = "") -> Transfer:
        """Begin a transfer whose conditions the caller has checked."""
        now = self._world.now
        due = now + self._settings.transfer_wait_seconds
        transfer = Transfer(handover, takeover, external_userid, now, due, resigned, message=message)
        self._world.put_transfer(transfer)
        self.due_at = min(self.due_at, due)
        if message:
            self._world.chats.write(
                handover,
                external_userid,
                "system",
                "notice",
                "text",
                {"content": message},
                self._world.clock.timestamp(),
            )
        return transfer

    def find_waiting(self, external_userid: str) -> Transfer | None:
        return next((each for each in self._world.transfers_of(external_userid) if each.status == 2), None)

    def refuse(self, external_userid: str, reason: str = "customer_refused") -> Transfer:
        """The customer refuses (or the takeover member is at the cap: `customer_limit_exceed`)."""
        transfer = self.find_waiting(external_userid)
        if transfer is None:
            raise NotFoundError(f"No transfer of {external_userid!r} is waiting.")
        self._fail(transfer, reason)
        self._look()
        return transfer

    def settle(self) -> None:
        """Carry out every transfer that is due."""
        now = self._world.now
        self._customers = {}
        for transfer in list(self._world.transfers.values()):
            if transfer.status == 2 and transfer.takeover_time <= now:
                self._carry_out(transfer)
        self._look()

    def _look(self) -> None:
        waiting = (transfer.takeover_time for transfer in self._world.transfers.values() if transfer.status == 2)
        self.due_at = min(waiting, default=math.inf)

    def _carry_out(self, transfer: Transfer) -> None:
        customers = self._world.customers
        if self._crowded(transfer.takeover_userid):
            self._fail(transfer, "customer_limit_exceed")
            return
        transfer.status = 1
        self._world.put_transfer(transfer)
        old = customers.find_follow(transfer.handover_userid, transfer.external_userid)
        had = customers.find_follow(transfer.takeover_userid, transfer.external_userid)
        if had is None or had.friendship not in LISTED:
            customer = customers.get(transfer.external_userid)
            follow = Follow(
                transfer.takeover_userid, transfer.external_userid, "mutual", self._world.now, remark=customer.name,
                add_way=ADD_WAY_ASSIGNED, oper_userid=transfer.handover_userid,
            )  # fmt: skip
            if old is not None:
                follow.remark, follow.description = old.remark, old.description
                follow.tag_ids, follow.remark_mobiles = list(old.tag_ids), list(old.remark_mobiles)
            self._people.inherit(follow, announce=had is None)
            self._customers[transfer.takeover_userid] += 1
        if old is not None and old.friendship in LISTED:
            if transfer.resigned:
                old.friendship = "gone"
                customers.put_follow(old)
            else:
                self._people.delete_by_staff(
                    transfer.handover_userid, transfer.external_userid, source="DELETE_BY_TRANSFER"
                )

    def _crowded(self, userid: str) -> bool:
        if userid not in self._customers:
            self._customers[userid] = sum(1 for _ in self._world.customers.listed_by(userid))
        return self._customers[userid] >= self._settings.member_customer_cap

    def _fail(self, transfer: Transfer, reason: str) -> None:
        transfer.status = 4 if reason == "customer_limit_exceed" else 3
        transfer.fail_reason = reason
        transfer.takeover_time = 0
        self._world.put_transfer(transfer)
        self._people.tell_contact(
            "transfer_fail", transfer.takeover_userid, transfer.external_userid, FailReason=reason
        )
