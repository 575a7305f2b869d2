"""Control routes that play people: customers, staff, admins."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from bot.sandbox.control import Body, Route
from bot.sandbox.journal import to_dict
from bot.sandbox.machine import Machine
from bot.sandbox.people import Added, Codes, Flow


class Pair(Body):
    userid: str
    external_userid: str


class Scan(Body):
    config_id: str = ""
    state: str = ""
    userid: str = ""
    external_userid: str = ""
    name: str = ""
    gender: int = 0
    flow: Flow = "auto"
    codes: Codes = "auto"


class Add(Body):
    userid: str
    external_userid: str = ""
    name: str = ""
    type: int = 1
    add_way: int = 2
    by_staff: bool = True
    state: str = ""
    flow: Flow = "direct"
    codes: Codes = "auto"


class Confirm(Pair):
    codes: Codes = "auto"


class Edit(Pair):
    remark: str | None = None
    description: str | None = None
    mobiles: list[str] | None = None
    add_tags: list[str] | None = None
    remove_tags: list[str] | None = None
    personal_tags: list[str] | None = None


class Write(Pair):
    sender: Literal["staff", "customer"]
    text: str


class AddTags(Body):
    group_name: str
    names: list[str]


class RenameTag(Body):
    id: str
    name: str


class DeleteTags(Body):
    tag_id: list[str] = Field(default_factory=list)
    group_id: list[str] = Field(default_factory=list)


class ShuffleTags(Body):
    group_id: str = ""


def scan(machine: Machine, body: Scan) -> Any:
    return added_json(machine.people.scan(**body.model_dump()))


def add(machine: Machine, body: Add) -> Any:
    values = body.model_dump()
    return added_json(machine.people.add(values.pop("userid"), type_=values.pop("type"), **values))


def confirm(machine: Machine, body: Confirm) -> Any:
    return added_json(machine.people.confirm(body.userid, body.external_userid, body.codes))


def delete_by_staff(machine: Machine, body: Pair) -> Any:
    return to_dict(machine.people.delete_by_staff(body.userid, body.external_userid))


def delete_by_customer(machine: Machine, body: Pair) -> Any:
    return to_dict(machine.people.delete_by_customer(body.userid, body.external_userid))


def edit(machine: Machine, body: Edit) -> Any:
    return to_dict(machine.people.edit(**body.model_dump()))


def write(machine: Machine, body: Write) -> Any:
    machine.people.write(body.userid, body.external_userid, body.sender, body.text)
    return {}


def add_tags(machine: Machine, body: AddTags) -> Any:
    return to_dict(machine.people.add_tags(body.group_name, body.names))


def rename_tag(machine: Machine, body: RenameTag) -> Any:
    machine.people.rename_tag(body.id, body.name)
    return {}


def delete_tags(machine: Machine, body: DeleteTags) -> Any:
    machine.people.delete_tags(body.tag_id, body.group_id)
    return {}


def shuffle_tags(machine: Machine, body: ShuffleTags) -> Any:
    machine.people.shuffle_tags(body.group_id)
    return {}


def added_json(added: Added) -> dict[str, Any]:
    """What an add answers."""
    return {
        "outcome": added.outcome,
        "userid": added.follow.userid,
        "external_userid": added.follow.external_userid,
        "follow": to_dict(added.follow),
        "customer": to_dict(added.customer),
        "welcome_codes": added.welcome_codes,
    }


ROUTES = (
    Route("POST", "/scan", Scan, scan),
    Route("POST", "/add", Add, add),
    Route("POST", "/confirm", Confirm, confirm),
    Route("POST", "/delete_by_staff", Pair, delete_by_staff),
    Route("POST", "/delete_by_customer", Pair, delete_by_customer),
    Route("POST", "/edit", Edit, edit),
    Route("POST", "/write", Write, write),
    Route("POST", "/tags/add", AddTags, add_tags),
    Route("POST", "/tags/rename", RenameTag, rename_tag),
    Route("POST", "/tags/delete", DeleteTags, delete_tags),
    Route("POST", "/tags/shuffle", ShuffleTags, shuffle_tags),
)
