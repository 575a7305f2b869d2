"""Corp tags and who carries them (WeCom doc 92117, 92118)."""

from __future__ import annotations

from typing import Any

from bot.sandbox.calls import Answer, Call, Endpoint
from bot.sandbox.errors import ApiError
from bot.sandbox.records import Tag, TagGroup

MAX_NAME = 30
MAX_TAGS_PER_FOLLOW = 3000


async def list_tags(call: Call) -> Answer:
    group_ids, tag_ids = call.params.texts("group_id"), call.params.texts("tag_id")
    tags = call.world.tags
    if group_ids:
        if any(group_id not in tags.groups for group_id in group_ids):
            raise ApiError(40068)
        return {"tag_group": [_group(tags.groups[group_id], None) for group_id in dict.fromkeys(group_ids)]}
    if tag_ids:
        chosen: dict[str, set[str]] = {}
        for tag_id in tag_ids:
            found = tags.find(tag_id)
            if found is None:
                raise ApiError(40068)
            chosen.setdefault(found[0].group_id, set()).add(tag_id)
        return {"tag_group": [_group(tags.groups[group_id], ids) for group_id, ids in chosen.items()]}
    groups = sorted(tags.groups.values(), key=lambda group: -group.order)
    return {"tag_group": [_group(group, None) for group in groups]}


async def add_tags(call: Call) -> Answer:
    params, tags = call.params, call.world.tags
    wanted = [(tag.text("name"), tag.number("order", 0)) for tag in params.objects("tag")]
    if not wanted:
        raise ApiError(40058, "missing field tag")
    for name, _ in wanted:
        _check_name(name)
    group_id, group_name = params.text("group_id"), params.text("group_name")
    group: TagGroup | None = None
    if group_id:
        group = tags.groups.get(group_id)
        if group is None:
            raise ApiError(40068)
    else:
        _check_name(group_name)
        group = tags.find_group(group_name)
    group, made, _ = tags.add(group, group_name, params.number("order", 0), wanted, call.world.now, call.app.agentid)
    call.world.changes.note("tags.changed", id=group.group_id, change="create")
    return {"tag_group": _group(group, {tag.id for tag in made})}


async def edit_tag(call: Call) -> Answer:
    id_ = call.params.text("id")
    if not id_:
        raise ApiError(41017)
    name = call.params.text("name")
    if name:
        _check_name(name)
    found = call.world.tags.find(id_)
    group = found[0] if found else call.world.tags.groups.get(id_)
    if group is None:
        raise ApiError(40068)
    _check_owner(call, found[1] if found else group)
    call.world.tags.rename(id_, name or None, call.params.optional_number("order"))
    call.world.changes.note("tags.changed", id=id_, change="update")
    return {}


async def delete_tags(call: Call) -> Answer:
    tag_ids, group_ids = call.params.texts("tag_id"), call.params.texts("group_id")
    if not tag_ids and not group_ids:
        raise ApiError(41017)
    for id_ in (*tag_ids, *group_ids):
        found = call.world.tags.find(id_)
        group = found[0] if found else call.world.tags.groups.get(id_)
        if group is None:
            raise ApiError(40068)
        _check_owner(call, found[1] if found else group)
    gone, _ = call.world.tags.delete(tag_ids, group_ids)
    call.world.customers.forget_tags(gone)
    call.world.changes.note("tags.changed", id="", change="delete")
    return {}


async def mark_tag(call: Call) -> Answer:
    add, remove = call.params.texts("add_tag"), call.params.texts("remove_tag")
    follow = call.follow()
    if not add and not remove:
        raise ApiError(41017)
    if any(call.world.tags.find(tag_id) is None for tag_id in (*add, *remove)):
        raise ApiError(40068)
    kept = [tag_id for tag_id in follow.tag_ids if tag_id not in remove]
    kept += [tag_id for tag_id in dict.fromkeys(add) if tag_id not in kept]
    if len(kept) > MAX_TAGS_PER_FOLLOW:
        raise ApiError(40144)
    follow.tag_ids = kept
    call.world.customers.put_follow(follow)
    call.world.changes.note(
        "follow.changed", userid=follow.userid, external_userid=follow.external_userid, friendship=follow.friendship
    )
    return {}


def _check_name(name: str) -> None:
    if not name:
        raise ApiError(41018)
    if len(name) > MAX_NAME:
        raise ApiError(40072)


def _check_owner(call: Call, made: Tag | TagGroup) -> None:
    """An app may change only the tags and groups that it made (an admin's belong to nobody's app)."""
    if made.agentid != call.app.agentid and not call.machine.settings.apps_edit_all_tags:
        raise ApiError(81011)


def _group(group: TagGroup, only: set[str] | None) -> dict[str, Any]:
    tags = [tag for tag in group.tags if only is None or tag.id in only]
    return {
        "group_id": group.group_id,
        "group_name": group.group_name,
        "create_time": group.create_time,
        "order": group.order,
        "tag": [_tag(tag) for tag in sorted(tags, key=lambda tag: -tag.order)],
    }


def _tag(tag: Tag) -> dict[str, Any]:
    return {"id": tag.id, "name": tag.name, "create_time": tag.create_time, "order": tag.order}


ENDPOINTS = (
    Endpoint("externalcontact/get_corp_tag_list", "POST", list_tags, {"tag_group": []}, customer_contact=True),
    Endpoint("externalcontact/add_corp_tag", "POST", add_tags, customer_contact=True),
    Endpoint("externalcontact/edit_corp_tag", "POST", edit_tag, customer_contact=True),
    Endpoint("externalcontact/del_corp_tag", "POST", delete_tags, customer_contact=True),
    Endpoint("externalcontact/mark_tag", "POST", mark_tag, customer_contact=True),
)
