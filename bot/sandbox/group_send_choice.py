"""Who receives a group-send, and through which member: WeCom hands every recipient to one member alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from bot.sandbox.calls import Call
from bot.sandbox.records import LISTED, Member
from bot.sandbox.world import World


@dataclass(slots=True)
class Choice:
    """`recipients`: userid → ids of that member's task; `failed`: ids that cannot be sent to, as they were named."""

    recipients: dict[str, list[str]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    #: Of the failed ones so many were never met by this company.
    unknown: int = 0

    def add(self, userid: str, id_: str) -> None:
        self.recipients.setdefault(userid, []).append(id_)


async def choose_named(call: Call, external_userids: Iterable[str], sender: Member | None) -> Choice:
    """Customers named one by one: those of the sender, or without one each by the member who had to do with them last.

    Also a customer who deleted the member is taken: that shows only when the member confirms.
    """
    choice, customers = Choice(), call.world.customers
    serving = _Serving(call)
    for external_userid in dict.fromkeys(external_userids):
        listing = customers.listing(external_userid)
        if listing is None:
            choice.unknown += 1
            choice.failed.append(external_userid)
            continue
        members = [userid for userid in listing if serving(userid)]
        if sender is not None:
            members = [userid for userid in members if userid == sender.userid]
        if members:
            choice.add(latest(call.world, members, external_userid), external_userid)
        else:
            choice.failed.append(external_userid)
    return choice


async def choose_tagged(call: Call, wanted: Sequence[AbstractSet[str]], sender: Member | None) -> Choice:
    """Every customer whose tags meet each set of `wanted` (none: every customer), of the sender or of all in range."""
    choice, world = Choice(), call.world
    serving = _Serving(call)
    members = [sender] if sender is not None else [member for member in world.directory if call.serves(member)]
    for member in members:
        for external_userid in world.customers.tagged(member.userid, wanted):
            if sender is None and len(listing := world.customers.listing(external_userid) or []) > 1:
                others = [
                    userid for userid in listing if serving(userid) and _fits(world, userid, external_userid, wanted)
                ]
                if latest(world, others, external_userid) != member.userid:
                    continue
            choice.add(member.userid, external_userid)
        await asyncio.sleep(0)  # a whole company takes a while, and others are calling
    return choice


def choose_groups(call: Call, chat_ids: Iterable[str], sender: Member | None) -> Choice:
    """Customer groups by their owners; without chat_ids all that the sender owns, of whom the sender may choose."""
    choice, world = Choice(), call.world
    serving = _Serving(call)
    named = list(dict.fromkeys(chat_ids))
    if not named and sender is not None:
        named = [group.chat_id for group in world.groups if group.owner == sender.userid and not group.dismissed]
    for chat_id in named:
        group = world.groups.find(chat_id)
        fits = group is not None and not group.dismissed and serving(group.owner)
        if group is not None and fits and (sender is None or group.owner == sender.userid):
            choice.add(group.owner, chat_id)
        else:
            choice.failed.append(chat_id)
    return choice


def latest(world: World, userids: Sequence[str], external_userid: str) -> str:
    """Of several members the one who had to do with the customer last: by a message, or else by becoming contacts."""
    if len(userids) == 1:
        return userids[0]

    def at(userid: str) -> float:
        messages = world.chats.written(userid, external_userid)
        follow = world.customers.find_follow(userid, external_userid)
        return max(messages[-1].at if messages else 0, follow.createtime if follow is not None else 0)

    return max(userids, key=at)


class _Serving:
    """Whether a member serves customers of the calling app, remembered for the length of one call."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._known: dict[str, bool] = {}

    def __call__(self, userid: str) -> bool:
        known = self._known.get(userid)
        if known is None:
            member = self._call.world.directory.find(userid)
            known = self._known[userid] = member is not None and self._call.serves(member)
        return known


def _fits(world: World, userid: str, external_userid: str, wanted: Sequence[AbstractSet[str]]) -> bool:
    follow = world.customers.find_follow(userid, external_userid)
    if follow is None or follow.friendship not in LISTED:
        return False
    return all(any(tag_id in tags for tag_id in follow.tag_ids) for tags in wanted)
