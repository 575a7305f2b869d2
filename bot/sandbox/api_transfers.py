"""Handing customers on (在职继承, 离职继承): in effect a day later."""

from __future__ import annotations

from bot.sandbox.calls import Answer, Call, Endpoint
from bot.sandbox.cursors import read_place, write_place
from bot.sandbox.errors import ApiError
from bot.sandbox.records import LISTED, Member, Transfer

MAX_CUSTOMERS = 100
PAGE = 1000
MAX_TRANSFERS = 2


async def transfer_customer(call: Call) -> Answer:
    handover, takeover = _people(call, resigned=False)
    if len(call.params.text("transfer_success_msg")) > 200:
        raise ApiError(40058, "transfer_success_msg exceed max length 200. invalid Request Parameter")
    return _start(call, handover, takeover, resigned=False)


async def transfer_resigned_customer(call: Call) -> Answer:
    handover, takeover = _people(call, resigned=True)
    return _start(call, handover, takeover, resigned=True)


async def transfer_result(call: Call) -> Answer:
    return _result(call, resigned=False)


async def resigned_transfer_result(call: Call) -> Answer:
    return _result(call, resigned=True)


async def list_unassigned(call: Call) -> Answer:
    """Customers of members who left, whom nobody has taken over."""
    params, world = call.params, call.world
    size = params.number("page_size", PAGE)
    if not 1 <= size <= PAGE:
        raise ApiError(40058, "page_size invalid")
    waiting = {(transfer.handover_userid, transfer.external_userid) for transfer in world.transfers.values()}
    found = [
        {"handover_userid": member.userid, "external_userid": external_userid, "dimission_time": member.left_at}
        for member in world.directory
        if member.status == 5 and member.left_at is not None
        for external_userid in world.customers.listed_by(member.userid)
        if (member.userid, external_userid) not in waiting
    ]
    start = read_place(params.text("cursor")) or params.number("page_id", 0) * size
    page = found[start : start + size]
    last = start + size >= len(found)
    return {"info": page, "is_last": last, "next_cursor": "" if last else write_place(start + size)}


def _people(call: Call, *, resigned: bool) -> tuple[Member, Member]:
    directory = call.world.directory
    handover = directory.find(call.params.text("handover_userid"))
    takeover = directory.find(call.params.text("takeover_userid"))
    if handover is None or takeover is None:
        raise ApiError(40003)
    if resigned and handover.status != 5:
        raise ApiError(40097)
    if not resigned and handover.status == 5:
        raise ApiError(40003)
    if handover is takeover:
        raise ApiError(40130)
    if not call.serves(takeover) or not (resigned or call.serves(handover)):
        raise ApiError(84061)
    return handover, takeover


def _start(call: Call, handover: Member, takeover: Member, *, resigned: bool) -> Answer:
    wanted = call.params.texts("external_userid")
    if not wanted:
        raise ApiError(41035)
    if len(wanted) > MAX_CUSTOMERS:
        raise ApiError(40058, "external_userid size invalid")
    message = "" if resigned else call.params.text("transfer_success_msg")
    results = []
    for external_userid in wanted:
        errcode = _objection(call, handover, external_userid, resigned)
        if errcode == 0:
            call.machine.people.transfers.start(handover.userid, takeover.userid, external_userid, resigned, message)
        results.append({"external_userid": external_userid, "errcode": errcode})
    return {"customer": results}


def _objection(call: Call, handover: Member, external_userid: str, resigned: bool) -> int:
    """Why one customer cannot be handed on; 0 when nothing stands in the way."""
    world, settings = call.world, call.machine.settings
    if world.customers.find(external_userid) is None:
        return 40096
    follow = world.customers.find_follow(handover.userid, external_userid)
    if follow is None or follow.friendship not in LISTED:
        return 40131
    if call.machine.people.transfers.find_waiting(external_userid) is not None:
        return 40100
    since = call.now - settings.transfer_period_days * 86_400
    recent = [
        transfer
        for transfer in world.transfers_of(external_userid)
        if transfer.status == 1 and transfer.started_at > since
    ]
    return 40128 if not resigned and len(recent) >= MAX_TRANSFERS else 0


def _result(call: Call, *, resigned: bool) -> Answer:
    directory = call.world.directory
    handover = directory.find(call.params.text("handover_userid"))
    takeover = directory.find(call.params.text("takeover_userid"))
    if handover is None or takeover is None:
        raise ApiError(40003)
    if resigned and handover.status != 5:
        raise ApiError(40097)
    latest: dict[str, Transfer] = {}
    for transfer in call.world.transfers.values():
        pair = (transfer.handover_userid, transfer.takeover_userid, transfer.resigned)
        if pair == (handover.userid, takeover.userid, resigned):
            latest[transfer.external_userid] = transfer
    start = read_place(call.params.text("cursor"))
    page = list(latest.values())[start : start + PAGE]
    return {
        "customer": [
            {
                "external_userid": transfer.external_userid,
                "status": transfer.status,
                "takeover_time": transfer.takeover_time,
            }
            for transfer in page
        ],
        "next_cursor": write_place(start + PAGE) if start + PAGE < len(latest) else "",
    }


def _endpoints() -> tuple[Endpoint, ...]:
    folder, left = "externalcontact/", "externalcontact/resigned/"
    empty: dict[str, list[str]] = {"customer": []}
    return (
        Endpoint(folder + "transfer_customer", "POST", transfer_customer, empty, customer_contact=True),
        Endpoint(folder + "transfer_result", "POST", transfer_result, empty, customer_contact=True),
        Endpoint(left + "transfer_customer", "POST", transfer_resigned_customer, empty, customer_contact=True),
        Endpoint(left + "transfer_result", "POST", resigned_transfer_result, empty, customer_contact=True),
        Endpoint(folder + "get_unassigned_list", "POST", list_unassigned, {"info": []}, customer_contact=True),
    )


ENDPOINTS = _endpoints()
