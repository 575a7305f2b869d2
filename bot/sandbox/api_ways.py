"""Channel codes (联系我) and codes into groups (加入群聊)."""

from __future__ import annotations

from typing import Any

from bot.sandbox.calls import Answer, Call, Endpoint, Params
from bot.sandbox.cursors import read_place, write_place
from bot.sandbox.errors import ApiError
from bot.sandbox.pictures import picture_of
from bot.sandbox.receivers import count_receivers
from bot.sandbox.records import ContactWay, JoinWay

QUOTA = 500_000
MAX_USERS = 100
MAX_GROUPS = 5
_MAX_TEMP_SECONDS = 14 * 86_400


async def add_contact_way(call: Call) -> Answer:
    params = call.params
    type_, scene = params.optional_number("type"), params.optional_number("scene")
    if type_ is None:
        raise ApiError(41037)
    if scene is None:
        raise ApiError(41038)
    if type_ not in (1, 2):
        raise ApiError(41039)
    if scene not in (1, 2):
        raise ApiError(41040)
    _check_quota(call)
    way = ContactWay("", type_, scene, call.world.now, agentid=call.app.agentid)
    way.is_temp, way.is_exclusive = params.flag("is_temp", False), params.flag("is_exclusive", False)
    way.mark_source = params.flag("mark_source", True)
    if way.is_temp and type_ != 1:
        raise ApiError(41039)
    way.expires_in, way.chat_expires_in = (7 * 86_400, 86_400) if way.is_temp else (0, 0)
    _fill(call, way, params)
    way.config_id = call.world.ways.new_id()
    call.world.ways.put(way)
    call.world.changes.note("channel.changed", config_id=way.config_id)
    return {"config_id": way.config_id} | ({"qr_code": picture_of(call, way.config_id)} if scene == 2 else {})


async def get_contact_way(call: Call) -> Answer:
    way = _contact_way(call)
    made: dict[str, Any] = {
        "config_id": way.config_id,
        "type": way.type,
        "scene": way.scene,
        "remark": way.remark,
        "skip_verify": way.skip_verify,
        "state": way.state,
        "user": way.user,
        "party": way.party,
        "is_temp": way.is_temp,
        "mark_source": way.mark_source,
    }
    if way.style:
        made["style"] = way.style
    if way.scene == 2:
        made["qr_code"] = picture_of(call, way.config_id)
    if way.is_temp:
        made |= {
            "expires_in": way.expires_in,
            "chat_expires_in": way.chat_expires_in,
            "unionid": way.unionid,
            "conclusions": way.conclusions,
        }
    return {"contact_way": made}


async def list_contact_ways(call: Call) -> Answer:
    params = call.params
    start = params.number("start_time", call.world.now - 90 * 86_400)
    end = params.number("end_time", call.world.now)
    if start > end:
        raise ApiError(600018)
    limit = params.number("limit", 100)
    if not 1 <= limit <= 1000:
        raise ApiError(40058, "limit invalid")
    found = [
        way.config_id for way in call.world.ways.contact.values() if not way.is_temp and start <= way.create_time <= end
    ]
    offset = read_place(params.text("cursor"))
    page = found[offset : offset + limit]
    cursor = write_place(offset + limit) if offset + limit < len(found) else ""
    return {"contact_way": [{"config_id": config_id} for config_id in page], "next_cursor": cursor}


async def update_contact_way(call: Call) -> Answer:
    way = _contact_way(call)
    if way.is_temp and call.world.now - way.create_time > way.expires_in:
        raise ApiError(41044)
    _fill(call, way, call.params)
    call.world.ways.put(way)
    call.world.changes.note("channel.changed", config_id=way.config_id)
    return {}


async def delete_contact_way(call: Call) -> Answer:
    call.world.ways.delete(_contact_way(call).config_id)
    call.world.changes.note("channel.changed", config_id=call.params.text("config_id"))
    return {}


def _contact_way(call: Call) -> ContactWay:
    config_id = call.params.text("config_id")
    if not config_id:
        raise ApiError(41043)
    way = call.world.ways.contact.get(config_id)
    if way is None:
        raise ApiError(41044)
    return way


def _fill(call: Call, way: ContactWay, params: Params) -> None:
    """Take over what may also be changed later. Nothing of `way` changes when something is refused."""
    remark, state = params.text("remark", way.remark), params.text("state", way.state)
    for name, value in (("remark", remark), ("state", state)):
        if len(value) > 30:
            raise ApiError(40058, f"{name} exceed max length 30. invalid Request Parameter")
    style = params.number("style", way.style)
    if way.scene == 1 and style not in (0, 1, 2, 3):
        raise ApiError(41042)
    users = params.texts("user") if params.has("user") else way.user
    parties = params.numbers("party") if params.has("party") else way.party
    _check_receivers(call, way.type, users, parties)
    expires_in = params.number("expires_in", way.expires_in)
    chat_expires_in = params.number("chat_expires_in", way.chat_expires_in)
    if way.is_temp and not (0 < expires_in <= _MAX_TEMP_SECONDS and 0 < chat_expires_in <= _MAX_TEMP_SECONDS):
        raise ApiError(40058, "expires_in invalid")
    conclusions = params.object("conclusions").values
    way.remark, way.state, way.style = remark, state, style
    way.user, way.party = users, parties
    way.expires_in, way.chat_expires_in = expires_in, chat_expires_in
    way.skip_verify = params.flag("skip_verify", way.skip_verify)
    way.unionid = params.text("unionid", way.unionid)
    if conclusions and way.is_temp:
        way.conclusions = dict(conclusions)


def _check_receivers(call: Call, type_: int, users: list[str], parties: list[int]) -> None:
    if type_ == 1 and (len(users) != 1 or parties):
        raise ApiError(40058, "user of a single contact way must be exactly one")
    if not users and not parties:
        raise ApiError(40058, "missing field user")
    if count_receivers(call, users, parties) > MAX_USERS:
        raise ApiError(41041)


def _check_quota(call: Call) -> None:
    if len(call.world.ways.contact) + len(call.world.ways.join) >= QUOTA:
        raise ApiError(41045)


# -- codes into groups


async def add_join_way(call: Call) -> Answer:
    _check_quota(call)
    way = JoinWay("", 0, [], agentid=call.app.agentid)
    _fill_join(call, way)
    way.config_id = call.world.ways.new_id()
    call.world.ways.put(way)
    return {"config_id": way.config_id}


async def get_join_way(call: Call) -> Answer:
    way = _join_way(call)
    made = {
        "config_id": way.config_id,
        "scene": way.scene,
        "remark": way.remark,
        "auto_create_room": way.auto_create_room,
        "room_base_name": way.room_base_name,
        "room_base_id": way.room_base_id,
        "chat_id_list": way.chat_id_list,
        "qr_code": picture_of(call, way.config_id),
        "state": way.state,
        "mark_source": way.mark_source,
    }
    return {"join_way": made}


async def update_join_way(call: Call) -> Answer:
    way = _join_way(call)
    _fill_join(call, way)
    call.world.ways.put(way)
    return {}


async def delete_join_way(call: Call) -> Answer:
    call.world.ways.delete(_join_way(call).config_id)
    return {}


def _join_way(call: Call) -> JoinWay:
    config_id = call.params.text("config_id")
    if not config_id:
        raise ApiError(41043)
    way = call.world.ways.join.get(config_id)
    if way is None:
        raise ApiError(41044)
    return way


def _fill_join(call: Call, way: JoinWay) -> None:
    """A full overwrite, also on update; the remark is cut, not refused."""
    params = call.params
    scene = params.optional_number("scene")
    if scene is None:
        raise ApiError(41038)
    if scene not in (1, 2):
        raise ApiError(41040)
    chat_ids = params.texts("chat_id_list")
    if not chat_ids:
        raise ApiError(40058, "missing field chat_id_list")
    if len(chat_ids) > MAX_GROUPS:
        raise ApiError(41091)
    for chat_id in chat_ids:
        group = call.world.groups.find(chat_id)
        if group is None or group.dismissed:
            raise ApiError(40050)
    state, base = params.text("state"), params.text("room_base_name")
    if len(state.encode()) > 30:
        raise ApiError(40058, "state exceed max length 30. invalid Request Parameter")
    if len(base) > 40:
        raise ApiError(40058, "room_base_name exceed max length 40. invalid Request Parameter")
    way.scene, way.chat_id_list, way.state, way.room_base_name = scene, chat_ids, state, base
    way.remark = params.text("remark")[:30]
    way.auto_create_room = params.number("auto_create_room", 1)
    way.room_base_id = params.number("room_base_id", 0)
    way.mark_source = params.flag("mark_source", True)


def _endpoints() -> tuple[Endpoint, ...]:
    ways, join = "externalcontact/", "externalcontact/groupchat/"
    return (
        Endpoint(ways + "add_contact_way", "POST", add_contact_way, customer_contact=True),
        Endpoint(ways + "get_contact_way", "POST", get_contact_way, customer_contact=True),
        Endpoint(ways + "list_contact_way", "POST", list_contact_ways, {"contact_way": []}, customer_contact=True),
        Endpoint(ways + "update_contact_way", "POST", update_contact_way, customer_contact=True),
        Endpoint(ways + "del_contact_way", "POST", delete_contact_way, customer_contact=True),
        Endpoint(join + "add_join_way", "POST", add_join_way, customer_contact=True),
        Endpoint(join + "get_join_way", "POST", get_join_way, customer_contact=True),
        Endpoint(join + "update_join_way", "POST", update_join_way, customer_contact=True),
        Endpoint(join + "del_join_way", "POST", delete_join_way, customer_contact=True),
    )


ENDPOINTS = _endpoints()
