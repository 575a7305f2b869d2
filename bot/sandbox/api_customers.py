"""Followers and customers (WeCom doc 92114, 92115)."""

from __future__ import annotations

import json
from typing import Any

from bot.sandbox.calls import Answer, Call, Endpoint
from bot.sandbox.cursors import read_place, write_place
from bot.sandbox.errors import ApiError
from bot.sandbox.records import LISTED, Customer, Follow
from bot.sandbox.world import World

FOLLOWERS_PER_PAGE = 500
MAX_USERIDS = 100


async def list_follow_users(call: Call) -> Answer:
    return {"follow_user": [member.userid for member in call.world.directory if call.serves(member)]}


async def list_customers(call: Call) -> Answer:
    if not call.params.text("userid"):
        raise ApiError(60111)
    member = call.member()
    if not call.serves(member):
        raise ApiError(84061)
    found = list(call.world.customers.listed_by(member.userid))
    if not found:
        raise ApiError(84061)
    return {"external_userid": found}


async def get_customer(call: Call) -> Answer:
    external_userid = call.params.text("external_userid")
    if not external_userid:
        raise ApiError(41035)
    customer = call.world.customers.find(external_userid)
    if customer is None:
        raise ApiError(84061 if call.world.groups.has_stranger(external_userid) else 40096)
    follows = [follow for follow in call.world.customers.follows_of(external_userid) if _visible(call, follow)]
    if not follows:
        raise ApiError(84061)
    start = read_place(call.params.text("cursor"))
    page = follows[start : start + FOLLOWERS_PER_PAGE]
    answer: dict[str, Any] = {
        "external_contact": contact_json(customer),
        "follow_user": [follow_user_json(call.world, follow) for follow in page],
    }
    if start + FOLLOWERS_PER_PAGE < len(follows):
        answer["next_cursor"] = write_place(start + FOLLOWERS_PER_PAGE)
    return answer


async def batch_get_customers(call: Call) -> Answer:
    """Written as text: a sync reads a million rows through here."""
    userids = call.params.texts("userid_list")
    if not userids:
        raise ApiError(40058, "missing field userid_list")
    if len(userids) > MAX_USERIDS:
        raise ApiError(40032)
    members = [call.world.directory.find(userid) for userid in userids]
    if any(member is None or not call.world.directory.in_range(call.app, member) for member in members):
        raise ApiError(40003)
    serving = list(dict.fromkeys(member.userid for member in members if member and call.serves(member)))
    if not serving:
        raise ApiError(84061)
    limit = call.params.number("limit", 50)
    rows, cursor = call.world.customers.page(serving, call.params.text("cursor"), min(limit, 100) if limit > 0 else 50)
    written = ",".join(row if isinstance(row, str) else _row(call.world, row) for row in rows)
    errmsg = "ok. Warning: wrong json format. " if call.params.wrong else "ok"
    return (
        f'{{"errcode":0,"errmsg":"{errmsg}","external_contact_list":[{written}],"next_cursor":"{cursor}",'
        '"fail_info":{"unlicensed_userid_list":[]}}'
    ).encode("utf-8", "replace")


async def remark(call: Call) -> Answer:
    params = call.params
    names = ("remark", "description", "remark_company", "remark_mobiles", "remark_pic_mediaid")
    if not any(params.has(name) for name in names):
        raise ApiError(40058, "missing remark, description, remark_company, remark_mobiles or remark_pic_mediaid")
    follow = call.follow()
    text = params.text("remark", follow.remark)
    description = params.text("description", follow.description)
    company = params.text("remark_company", follow.remark_corp_name)
    for name, value, most in (("remark", text, 20), ("description", description, 150), ("remark_company", company, 20)):
        if params.has(name) and len(value) > most:
            raise ApiError(40058, f"{name} exceed max length {most}. invalid Request Parameter")
    if params.has("remark_pic_mediaid"):
        call.world.media.usable(params.text("remark_pic_mediaid"), call.now, types=("image",))
    follow.remark, follow.description = text, description
    customer = call.world.customers.find(follow.external_userid)
    if customer is not None and customer.type == 1:
        follow.remark_corp_name = company
    if params.has("remark_mobiles"):
        follow.remark_mobiles = [mobile for mobile in params.texts("remark_mobiles") if mobile]
    call.world.customers.put_follow(follow)
    call.world.changes.note(
        "follow.changed", userid=follow.userid, external_userid=follow.external_userid, friendship=follow.friendship
    )
    return {}


def contact_json(customer: Customer) -> dict[str, Any]:
    """The `external_contact` of an answer."""
    made: dict[str, Any] = {
        "external_userid": customer.external_userid,
        "name": customer.name,
        "type": customer.type,
        "avatar": customer.avatar,
        "gender": customer.gender,
    }
    if customer.type == 2:
        made |= {
            "position": customer.position,
            "corp_name": customer.corp_name,
            "corp_full_name": customer.corp_full_name,
        }
    elif customer.unionid:
        made["unionid"] = customer.unionid
    return made


def follow_user_json(world: World, follow: Follow) -> dict[str, Any]:
    """One of `follow_user`: tags with names, personal tags without an id."""
    tags: list[dict[str, Any]] = []
    for tag_id in follow.tag_ids:
        found = world.tags.find(tag_id)
        if found is not None:
            group, tag = found
            tags.append({"group_name": group.group_name, "tag_name": tag.name, "tag_id": tag.id, "type": 1})
    tags += [{"group_name": "", "tag_name": name, "type": 2} for name in follow.personal_tags]
    made = _follow_json(follow)
    made["tags"] = tags
    return made


def follow_info_json(follow: Follow) -> dict[str, Any]:
    """The `follow_info` of a batch: tag ids only, personal tags missing."""
    made = _follow_json(follow)
    made["tag_id"] = follow.tag_ids
    return made


def _follow_json(follow: Follow) -> dict[str, Any]:
    made: dict[str, Any] = {
        "userid": follow.userid,
        "remark": follow.remark,
        "description": follow.description,
        "createtime": follow.createtime,
        "remark_mobiles": follow.remark_mobiles,
        "add_way": follow.add_way,
        "oper_userid": follow.oper_userid,
    }
    if follow.remark_corp_name:
        made["remark_corp_name"] = follow.remark_corp_name
    if follow.state:
        made["state"] = follow.state
    return made


def _row(world: World, follow: Follow) -> str:
    customer = world.customers.get(follow.external_userid)
    row = {"external_contact": contact_json(customer), "follow_info": follow_info_json(follow)}
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def _visible(call: Call, follow: Follow) -> bool:
    member = call.world.directory.find(follow.userid)
    return follow.friendship in LISTED and member is not None and call.serves(member)


_FOLLOWERS: dict[str, list[str]] = {"follow_user": []}

ENDPOINTS = (
    Endpoint("externalcontact/get_follow_user_list", "GET", list_follow_users, _FOLLOWERS, customer_contact=True),
    Endpoint("externalcontact/list", "GET", list_customers, {"external_userid": []}, customer_contact=True),
    Endpoint("externalcontact/get", "GET", get_customer, _FOLLOWERS, customer_contact=True),
    Endpoint(
        "externalcontact/batch/get_by_user", "POST", batch_get_customers, {"external_contact_list": []},
        customer_contact=True,
    ),
    Endpoint("externalcontact/remark", "POST", remark, customer_contact=True),
)  # fmt: skip
