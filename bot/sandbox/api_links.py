"""Customer-acquisition links (获客助手, WeCom doc 97297)."""

from __future__ import annotations

from collections.abc import Sequence

from bot.sandbox.calls import Answer, Call, Endpoint, Params
from bot.sandbox.cursors import read_place, write_place
from bot.sandbox.errors import ApiError
from bot.sandbox.receivers import count_receivers
from bot.sandbox.records import AcquisitionLink
from bot.sandbox.statistics import read_days

#: WeCom names no number of links; this is the sandbox's own.
MAX_LINKS, MAX_USERS, NAME_MAX = 2_000, 500, 30
_PAGE_LINKS, _PAGE_CUSTOMERS = 100, 1000


async def list_link(call: Call) -> Answer:
    found = [link.link_id for link in call.world.links if link.agentid == call.app.agentid]
    page, cursor = _page(call, found, _PAGE_LINKS)
    return {"link_id_list": page, "next_cursor": cursor}


async def get_link(call: Call) -> Answer:
    link = _link(call)
    return {
        "link": {
            "link_id": link.link_id,
            "link_name": link.link_name,
            "url": _url(call, link),
            "create_time": link.create_time,
            "skip_verify": link.skip_verify,
            "mark_source": link.mark_source,
        },
        "range": {"user_list": link.user_list, "department_list": link.department_list},
        "priority_option": {"priority_type": link.priority_type, "priority_userid_list": link.priority_userid_list},
    }


async def create_link(call: Call) -> Answer:
    if sum(1 for _ in call.world.links) >= MAX_LINKS:
        raise ApiError(41095)
    if not call.params.has("link_name") or not call.params.has("range"):
        raise ApiError(40058, "missing field link_name or range")
    link = AcquisitionLink("", "", call.world.now, agentid=call.app.agentid)
    _fill(call, link)
    link.link_id = call.world.links.new_id()
    call.world.links.put(link)
    call.world.changes.note("channel.changed", config_id=link.link_id)
    told = {"link_id": link.link_id, "link_name": link.link_name, "url": _url(call, link)}
    return {"link": {**told, "create_time": link.create_time}}


async def update_link(call: Call) -> Answer:
    link = _link(call)
    _fill(call, link)
    call.world.links.put(link)
    call.world.changes.note("channel.changed", config_id=link.link_id)
    return {}


async def delete_link(call: Call) -> Answer:
    link = _link(call)
    link.deleted = True
    call.world.links.put(link)
    call.world.changes.note("channel.changed", config_id=link.link_id)
    return {}


async def list_customers(call: Call) -> Answer:
    customers = [
        {
            "external_userid": each.external_userid,
            "userid": each.userid,
            "chat_status": 1 if each.messages else 0,
            "state": each.state,
        }
        for each in _link(call).customers
    ]
    page, cursor = _page(call, customers, _PAGE_CUSTOMERS)
    return {"customer_list": page, "next_cursor": cursor}


async def statistic(call: Call) -> Answer:
    link = _link(call)
    days = read_days(call.params, "start_time", "end_time", call.now, needs_last=True)
    return {
        "click_link_customer_cnt": sum(link.clicks.get(str(day), 0) for day in days),
        "new_customer_cnt": sum(days.start <= each.at < days.stop for each in link.customers),
    }


async def get_quota(call: Call) -> Answer:
    quota = call.world.links.quota
    return {
        "total": quota.total,
        "balance": quota.balance,
        "quota_list": [{"expire_date": quota.expires_at, "balance": quota.balance}] if quota.balance else [],
    }


async def get_chat_info(call: Call) -> Answer:
    found = call.machine.people.links.chat_keys.get(call.params.text("chat_key"))
    if found is None or found[3] < call.world.now:
        raise ApiError(41201)
    link_id, customer, messages, _ = found
    return {
        "userid": customer.userid,
        "external_userid": customer.external_userid,
        "chat_info": {"recv_msg_cnt": messages, "link_id": link_id, "state": customer.state},
    }


def _url(call: Call, link: AcquisitionLink) -> str:
    """At the sandbox itself, for WeCom's own server knows nothing of it; it leads to the phone page."""
    return f"http://{call.request.host}/ca/{link.link_id}"


def _link(call: Call) -> AcquisitionLink:
    link_id = call.params.text("link_id")
    link = call.world.links.find(link_id)
    if link is None:
        raise ApiError(40058, "invalid link_id" if link_id else "missing field link_id")
    if link.agentid != call.app.agentid:
        raise ApiError(41098)
    return link


def _page(call: Call, rows: Sequence[object], most: int) -> tuple[Sequence[object], str]:
    limit = call.params.number("limit", most)
    if not 1 <= limit <= most:
        raise ApiError(40058, "limit invalid")
    offset = read_place(call.params.text("cursor"))
    page = rows[offset : offset + limit]
    return page, write_place(offset + limit) if offset + limit < len(rows) else ""


def _fill(call: Call, link: AcquisitionLink) -> None:
    """Take over what may also be changed later. Nothing of `link` changes when something is refused."""
    params = call.params
    name = params.text("link_name", link.link_name)
    if not name or len(name) > NAME_MAX:
        raise ApiError(40058, f"link_name exceed max length {NAME_MAX}. invalid Request Parameter")
    users, parties = link.user_list, link.department_list
    if params.has("range"):
        users, parties = _check_range(call, params.object("range"))
    option = params.object("priority_option")
    priority, preferred = link.priority_type, link.priority_userid_list
    if params.has("priority_option"):
        priority, preferred = option.number("priority_type", 1), option.texts("priority_userid_list")
        if priority not in (1, 2) or len(preferred) > 1000:
            raise ApiError(40058, "invalid priority_option")
    link.link_name, link.user_list, link.department_list = name, users, parties
    link.priority_type, link.priority_userid_list = priority, preferred
    link.skip_verify = params.flag("skip_verify", link.skip_verify)
    link.mark_source = params.flag("mark_source", link.mark_source)


def _check_range(call: Call, range_: Params) -> tuple[list[str], list[int]]:
    users, parties = range_.texts("user_list"), range_.numbers("department_list")
    if not users and not parties:
        raise ApiError(40058, "missing field user_list or department_list")
    if count_receivers(call, users, parties) > MAX_USERS:
        raise ApiError(40058, f"range exceed max count {MAX_USERS}. invalid Request Parameter")
    return users, parties


def _endpoints() -> tuple[Endpoint, ...]:
    links = "externalcontact/customer_acquisition/"
    return (
        Endpoint(links + "list_link", "POST", list_link, {"link_id_list": []}, customer_contact=True),
        Endpoint(links + "get", "POST", get_link, customer_contact=True),
        Endpoint(links + "create_link", "POST", create_link, customer_contact=True),
        Endpoint(links + "update_link", "POST", update_link, customer_contact=True),
        Endpoint(links + "delete_link", "POST", delete_link, customer_contact=True),
        Endpoint(links + "customer", "POST", list_customers, {"customer_list": []}, customer_contact=True),
        Endpoint(links + "statistic", "POST", statistic, customer_contact=True),
        Endpoint(links + "get_chat_info", "POST", get_chat_info, customer_contact=True),
        Endpoint("externalcontact/customer_acquisition_quota", "GET", get_quota, customer_contact=True),
    )


ENDPOINTS = _endpoints()
