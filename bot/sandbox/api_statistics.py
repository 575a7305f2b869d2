"""What WeCom counts of members (聊天数据统计, WeCom doc 92132)."""

from __future__ import annotations

from bot.sandbox.calls import Answer, Call, Endpoint
from bot.sandbox.errors import ApiError
from bot.sandbox.statistics import count_days, read_days

MAX_IDS = 100


async def get_user_behavior_data(call: Call) -> Answer:
    """All that is named is counted together, day by day; a member who is named twice counts once."""
    days = read_days(call.params, "start_time", "end_time", call.now, needs_last=True)
    counted = count_days(call.world, _named(call), days)
    return {"behavior_data": [each.to_json(day) for day, each in zip(days, counted, strict=True)]}


def _named(call: Call) -> list[str]:
    userids, parties = call.params.texts("userid"), call.params.numbers("partyid")
    if not userids and not parties:
        raise ApiError(40058, "missing userid or partyid")
    if len(userids) > MAX_IDS or len(parties) > MAX_IDS:
        raise ApiError(40032)
    directory = call.world.directory
    members = [directory.find(userid) for userid in userids]
    if any(member is None or not directory.in_range(call.app, member) for member in members):
        raise ApiError(40003)
    found = [member.userid for member in members if member is not None]
    if any(party not in directory.departments for party in parties):
        raise ApiError(60123)
    within = {department.id for party in parties for department in directory.below(party)}
    found += [
        member.userid
        for member in directory
        if within.intersection(member.department) and directory.in_range(call.app, member)
    ]
    return list(dict.fromkeys(found))


ENDPOINTS = (
    Endpoint(
        "externalcontact/get_user_behavior_data",
        "POST",
        get_user_behavior_data,
        {"behavior_data": []},
        customer_contact=True,
    ),
)
