"""Customer groups (WeCom doc 92120, 92122)."""

from __future__ import annotations

from typing import Any

from bot.sandbox.calls import Answer, Call, Endpoint
from bot.sandbox.cursors import read_place, write_place
from bot.sandbox.errors import ApiError
from bot.sandbox.records import Group, GroupMember
from bot.sandbox.statistics import DAY, group_messages, read_days

MAX_OWNERS = 100
MAX_TRANSFERRED = 100
#: With more members in sight than this, a list needs an owner_filter.
MAX_MEMBERS_UNFILTERED = 1000


async def list_groups(call: Call) -> Answer:
    params = call.params
    status = params.number("status_filter", 0)
    if status not in (0, 1, 2, 3):
        raise ApiError(40058, "status_filter invalid")
    limit = params.optional_number("limit")
    if limit is None or not 1 <= limit <= 1000:
        raise ApiError(40058, "limit invalid")
    owners = _owners(call)
    found = [
        group
        for group in call.world.groups
        if not group.dismissed
        and (not status or group.status == status)
        and (group.owner in owners if owners else _owner_serves(call, group))
    ]
    offset = read_place(params.text("cursor"))
    page = found[offset : offset + limit]
    cursor = write_place(offset + limit) if offset + limit < len(found) else ""
    return {
        "group_chat_list": [{"chat_id": group.chat_id, "status": group.status} for group in page],
        "next_cursor": cursor,
    }


def _owner_serves(call: Call, group: Group) -> bool:
    member = call.world.directory.find(group.owner)
    return member is not None and call.serves(member)


def _owners(call: Call) -> list[str]:
    owners = call.params.object("owner_filter").texts("userid_list")
    if len(owners) > MAX_OWNERS:
        raise ApiError(40032)
    directory = call.world.directory
    if owners:
        if any(directory.find(owner) is None for owner in owners):
            raise ApiError(40003)
        return owners
    if sum(1 for member in directory if call.serves(member)) > MAX_MEMBERS_UNFILTERED:
        raise ApiError(81017)
    return []


async def get_group(call: Call) -> Answer:
    chat_id = call.params.text("chat_id")
    group = call.world.groups.find(chat_id)
    if group is None:
        raise ApiError(40050)
    if group.dismissed:
        raise ApiError(49008)
    with_names = call.params.number("need_name", 0) == 1
    return {
        "group_chat": {
            "chat_id": group.chat_id,
            "name": group.name,
            "owner": group.owner,
            "create_time": group.create_time,
            "notice": group.notice,
            "member_list": [_member(call, member, with_names) for member in group.members],
            "admin_list": [{"userid": userid} for userid in group.admins],
            "member_version": group.member_version,
        }
    }


def _member(call: Call, member: GroupMember, with_names: bool) -> dict[str, Any]:
    made: dict[str, Any] = {
        "userid": member.userid,
        "type": member.type,
        "join_time": member.join_time,
        "join_scene": member.join_scene,
        "group_nickname": member.group_nickname,
    }
    if member.type == 2:
        customer = call.world.customers.find(member.userid)
        if customer is not None and customer.unionid:
            made["unionid"] = customer.unionid
    if member.invitor:
        made["invitor"] = {"userid": member.invitor}
    if with_names:
        made["name"] = member.name
    if member.state:
        made["state"] = member.state
    return made


async def statistic(call: Call) -> Answer:
    """Counts per owner. What groups say is made up: nobody writes in them here."""
    params = call.params
    days = read_days(params, "day_begin_time", "day_end_time", call.now, needs_last=False)
    owners = params.object("owner_filter").texts("userid_list")
    if not 1 <= len(owners) <= MAX_OWNERS:
        raise ApiError(40058, "missing field owner_filter")
    order_by, offset, limit = params.number("order_by", 1), params.number("offset", 0), params.number("limit", 500)
    if order_by not in (1, 2, 3, 4):
        raise ApiError(40058, "order_by invalid")
    if not 1 <= limit <= 1000 or offset < 0:
        raise ApiError(40058, "limit invalid")
    items = [{"owner": owner, "data": _counts(call, owner, days)} for owner in dict.fromkeys(owners)]
    key = ("new_chat_cnt", "chat_total", "new_member_cnt", "member_total")[order_by - 1]
    items.sort(key=lambda item: item["data"][key], reverse=params.number("order_asc", 0) != 1)  # type: ignore[index]
    page = items[offset : offset + limit]
    return {"total": len(items), "next_offset": offset + len(page), "items": page}


def _counts(call: Call, owner: str, days: range) -> dict[str, int]:
    groups = [group for group in call.world.groups if group.owner == owner and group.create_time < days.stop]
    joined = [member.join_time for group in groups for member in group.members if member.join_time < days.stop]
    return {
        "new_chat_cnt": sum(1 for group in groups if group.create_time >= days.start),
        "chat_total": len(groups),
        "new_member_cnt": sum(1 for at in joined if at >= days.start),
        "member_total": len(joined),
        "migrate_trainee_chat_cnt": 0,
        **group_messages(call.world, groups, days),
    }


async def transfer_groups(call: Call) -> Answer:
    """Groups whose owner has left get a new one."""
    return _transfer(call, resigned=True)


async def transfer_groups_on_the_job(call: Call) -> Answer:
    """Groups whose owner is still there get a new one."""
    return _transfer(call, resigned=False)


def _transfer(call: Call, *, resigned: bool) -> Answer:
    chat_ids, taker = call.params.texts("chat_id_list"), call.world.directory.find(call.params.text("new_owner"))
    if not 1 <= len(chat_ids) <= MAX_TRANSFERRED:
        raise ApiError(40058, "chat_id_list size invalid")
    if taker is None or taker.status != 1:
        raise ApiError(40003)
    if not call.serves(taker):
        raise ApiError(84061)
    failed = []
    for chat_id in dict.fromkeys(chat_ids):
        errcode = _objection(call, chat_id, taker.userid, resigned=resigned)
        if errcode:
            failed.append({"chat_id": chat_id, "errcode": errcode, "errmsg": ""})
            continue
        group = call.world.groups.get(chat_id)
        if all(member.userid != taker.userid for member in group.members):
            group.members.append(GroupMember(taker.userid, 1, call.world.now, 1, name=taker.name))
        group.owner, group.status = taker.userid, 3 if resigned else 0
        call.world.groups.put(group)
    return {"failed_chat_list": failed}


def _objection(call: Call, chat_id: str, new_owner: str, *, resigned: bool) -> int:
    """Why a group cannot be handed on; 0 when nothing stands in the way."""
    group = call.world.groups.find(chat_id)
    if group is None or group.dismissed:
        return 90501
    owner = call.world.directory.find(group.owner)
    has_left = owner is None or owner.status == 5
    if group.owner == new_owner:
        return 90504
    if has_left != resigned:
        return 90502 if has_left else 90500
    return 0


async def statistic_by_day(call: Call) -> Answer:
    """The same counts for each day, of all owners together."""
    params = call.params
    days = read_days(params, "day_begin_time", "day_end_time", call.now, needs_last=False)
    owners = params.object("owner_filter").texts("userid_list")
    if not 1 <= len(owners) <= MAX_OWNERS:
        raise ApiError(40058, "missing field owner_filter")
    items = []
    for day in days:
        counts = [_counts(call, owner, range(day, day + DAY, DAY)) for owner in dict.fromkeys(owners)]
        data = {name: sum(each[name] for each in counts) for name in counts[0]}
        items.append({"stat_time": day, "data": data})
    return {"items": items}


ENDPOINTS = (
    Endpoint("externalcontact/groupchat/list", "POST", list_groups, {"group_chat_list": []}, customer_contact=True),
    Endpoint("externalcontact/groupchat/get", "POST", get_group, customer_contact=True),
    Endpoint("externalcontact/groupchat/statistic", "POST", statistic, {"items": []}, customer_contact=True),
    Endpoint(
        "externalcontact/groupchat/statistic_group_by_day",
        "POST",
        statistic_by_day,
        {"items": []},
        customer_contact=True,
    ),
    Endpoint(
        "externalcontact/groupchat/transfer", "POST", transfer_groups, {"failed_chat_list": []}, customer_contact=True
    ),
    Endpoint(
        "externalcontact/groupchat/onjob_transfer",
        "POST",
        transfer_groups_on_the_job,
        {"failed_chat_list": []},
        customer_contact=True,
    ),
)
