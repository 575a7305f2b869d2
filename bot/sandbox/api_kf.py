"""WeChat customer service: accounts, links, servicers, customers (WeCom docs 94661 to 95159)."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from bot.sandbox.calls import Answer, Call, Endpoint
from bot.sandbox.errors import ApiError
from bot.sandbox.kf import MAX_ACCOUNTS, WINDOW_SECONDS, KfAccount

MAX_NAME, MAX_SERVICERS, MAX_DEPARTMENTS = 16, 2000, 20
_SCENE = re.compile(r"[0-9a-zA-Z_-]{0,32}")


def admit(call: Call) -> None:
    """Raises ApiError 48002 for an app that 微信客服 does not list."""
    if not call.app.kf:
        raise ApiError(48002)


def account_of(call: Call) -> KfAccount:
    """The account that the call names. Raises ApiError 40058 (none), 95000, 95004, 48002, 48007 (not granted)."""
    admit(call)
    open_kfid = call.params.text("open_kfid")
    if not open_kfid:
        raise ApiError(40058, "field `open_kfid` unexpected empty string. invalid Request Parameter")
    if not open_kfid.startswith("wk"):
        raise ApiError(95000)
    account = call.world.kf.find_account(open_kfid)
    if account is None:
        raise ApiError(95004)
    if not account.granted:
        raise ApiError(48007)
    return account


def _read_name(call: Call) -> str:
    name = call.params.text("name")
    if not 1 <= len(name) <= MAX_NAME:
        raise ApiError(95006)
    return name


def _read_picture(call: Call) -> str:
    media_id = call.params.text("media_id")
    if not media_id:
        raise ApiError(41006)
    call.world.media.usable(media_id, call.now, types=("image",))
    return media_id


async def add_account(call: Call) -> Answer:
    admit(call)
    name, media_id = _read_name(call), _read_picture(call)
    if len(call.world.kf.accounts()) >= MAX_ACCOUNTS:
        raise ApiError(95005)
    return {"open_kfid": call.world.kf.add_account(name, media_id).open_kfid}


async def update_account(call: Call) -> Answer:
    account = account_of(call)
    name = _read_name(call) if call.params.has("name") else account.name
    media_id = _read_picture(call) if call.params.has("media_id") else account.media_id
    account.name, account.media_id = name, media_id
    call.world.kf.put_account(account)
    return {}


async def del_account(call: Call) -> Answer:
    account = account_of(call)
    account.deleted = True
    call.world.kf.put_account(account)
    return {}


async def list_accounts(call: Call) -> Answer:
    admit(call)
    offset = max(call.params.number("offset", 0), 0)
    limit = min(max(call.params.number("limit", 100), 1), 100)
    found = [account for account in call.world.kf.accounts() if account.granted][offset : offset + limit]
    avatars = f"http://{call.request.host}/sandbox/media/"
    return {
        "account_list": [
            {
                "open_kfid": account.open_kfid,
                "name": account.name,
                "avatar": avatars + quote(account.media_id) if account.media_id else "",
                "manage_privilege": True,
            }
            for account in found
        ]
    }


async def add_contact_way(call: Call) -> Answer:
    account, scene = account_of(call), call.params.text("scene")
    if not _SCENE.fullmatch(scene):
        raise ApiError(40058, "scene invalid: at most 32 of [0-9a-zA-Z_-]. invalid Request Parameter")
    return {"url": call.world.kf.link_of(account, scene)}


async def add_servicers(call: Call) -> Answer:
    account = account_of(call)
    userids, departments = _read_people(call, MAX_DEPARTMENTS)
    results: list[dict[str, Any]] = []
    for userid in userids:
        member = call.world.directory.find(userid)
        errcode = 0
        if member is None or member.status != 1:
            errcode = 40003
        elif not call.world.directory.in_range(call.app, member):
            errcode = 60030
        elif member.userid not in account.servicers:
            if len(account.servicers) >= MAX_SERVICERS:
                raise ApiError(95020)
            account.servicers[member.userid] = 0
            results.append(_result("userid", userid, 0))
            continue
        results.append(_result("userid", userid, errcode, "ignored"))
    for department_id in departments:
        known = department_id in {one.id for one in call.world.directory.departments_in_range(call.app)}
        fresh = known and department_id not in account.departments
        if fresh:
            if len(account.departments) >= MAX_DEPARTMENTS:
                raise ApiError(95020)
            account.departments.append(department_id)
        results.append(_result("department_id", department_id, 0 if known else 60003, "" if fresh else "ignored"))
    call.world.kf.put_account(account)
    return {"result_list": results}


async def del_servicers(call: Call) -> Answer:
    account = account_of(call)
    userids, departments = _read_people(call, 100)
    results: list[dict[str, Any]] = []
    for userid in userids:
        member = call.world.directory.find(userid)
        known = member is not None and account.servicers.pop(member.userid, None) is not None
        results.append(_result("userid", userid, 0, "" if known else "ignored"))
    for department_id in departments:
        known = department_id in account.departments
        if known:
            account.departments.remove(department_id)
        results.append(_result("department_id", department_id, 0, "" if known else "ignored"))
    call.world.kf.put_account(account)
    return {"result_list": results}


def _read_people(call: Call, most_departments: int) -> tuple[list[str], list[int]]:
    userids, departments = call.params.texts("userid_list"), call.params.numbers("department_id_list")
    if not userids and not departments:
        raise ApiError(40058, "userid_list and department_id_list are both empty. invalid Request Parameter")
    if len(userids) > 100 or len(departments) > most_departments:
        raise ApiError(40058, "userid_list or department_id_list too long. invalid Request Parameter")
    return userids, departments


def _result(name: str, value: str | int, errcode: int, otherwise: str = "") -> dict[str, Any]:
    text = ApiError(errcode).text if errcode else otherwise or "success"
    return {name: value, "errcode": errcode, "errmsg": text}


async def list_servicers(call: Call) -> Answer:
    account = account_of(call)
    people: list[dict[str, Any]] = [
        {"userid": userid, "status": status} for userid, status in account.servicers.items()
    ]
    return {"servicer_list": people + [{"department_id": id_} for id_ in account.departments]}


async def batch_get_customers(call: Call) -> Answer:
    admit(call)
    ids = call.params.texts("external_userid_list")
    if not 1 <= len(ids) <= 100:
        raise ApiError(40058, "external_userid_list size invalid. invalid Request Parameter")
    kf, found, invalid = call.world.kf, [], []
    for external_userid in ids:
        customer = call.world.customers.find(external_userid)
        sessions = [
            session
            for account in kf.accounts()
            if (session := kf.find_session(account.open_kfid, external_userid)) is not None
            and call.now - max(session.active_at, session.entered_at) < WINDOW_SECONDS
        ]
        if customer is None or not sessions:
            invalid.append(external_userid)
            continue
        made: dict[str, Any] = {
            "external_userid": external_userid,
            "nickname": customer.name,
            "avatar": customer.avatar,
            "gender": customer.gender,
        }
        if customer.unionid:
            made["unionid"] = customer.unionid
        latest = max(sessions, key=lambda session: session.entered_at)
        if call.params.flag("need_enter_session_context", False) and latest.entered_at:
            made["enter_session_context"] = {"scene": latest.scene, "scene_param": latest.scene_param}
        found.append(made)
    return {"customer_list": found, "invalid_external_userid": invalid}


ENDPOINTS = (
    Endpoint("kf/account/add", "POST", add_account),
    Endpoint("kf/account/update", "POST", update_account),
    Endpoint("kf/account/del", "POST", del_account),
    Endpoint("kf/account/list", "POST", list_accounts, {"account_list": []}),
    Endpoint("kf/add_contact_way", "POST", add_contact_way),
    Endpoint("kf/servicer/add", "POST", add_servicers, {"result_list": []}),
    Endpoint("kf/servicer/del", "POST", del_servicers, {"result_list": []}),
    Endpoint("kf/servicer/list", "GET", list_servicers, {"servicer_list": []}),
    Endpoint("kf/customer/batchget", "POST", batch_get_customers, {"customer_list": [], "invalid_external_userid": []}),
)
