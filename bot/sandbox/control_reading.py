"""Control routes that show the world: everything that a person could see, and what WeCom would not tell an app."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from bot.sandbox.api_customers import contact_json, follow_user_json
from bot.sandbox.control import Body, Nothing, Route
from bot.sandbox.errors import NotFoundError
from bot.sandbox.events import list_fixtures, load_fixture
from bot.sandbox.journal import to_dict
from bot.sandbox.machine import Machine
from bot.sandbox.records import Follow


class Some(Body):
    limit: int = 100


class OneCustomer(Body):
    external_userid: str


class OneMember(Body):
    userid: str
    limit: int = 1000


class Pair(Body):
    userid: str
    external_userid: str
    since: int = 0


class Inbox(Body):
    userid: str
    agentid: int | None = None
    since: int = 0


class OneGroup(Body):
    chat_id: str


class OneFile(Body):
    media_id: str


class OneFixture(Body):
    name: str


def read_world(machine: Machine, body: Nothing) -> Any:
    world = machine.world
    return {
        "company": to_dict(world.company),
        "agentid": world.app.agentid,
        "seed": world.seed,
        "staff": len(list(world.directory)),
        "customers": world.customers.count(),
        "reference": world.reference,
        "now": world.clock.timestamp(),
        "changes": world.changes.seq,
    }


def list_staff(machine: Machine, body: Nothing) -> Any:
    return {"staff": [to_dict(member) for member in machine.world.directory]}


def list_departments(machine: Machine, body: Nothing) -> Any:
    return {"departments": [to_dict(department) for department in machine.world.directory.departments.values()]}


def list_customers(machine: Machine, body: Some) -> Any:
    return {"customers": [to_dict(customer) for customer in machine.world.customers.some(body.limit)]}


def read_customer(machine: Machine, body: OneCustomer) -> Any:
    customer = machine.world.customers.get(body.external_userid)
    follows = machine.world.customers.follows_of(body.external_userid)
    return {"customer": contact_json(customer), "follows": [_follow(machine, follow) for follow in follows]}


def list_customers_of(machine: Machine, body: OneMember) -> Any:
    member = machine.world.directory.get(body.userid)
    found: list[dict[str, Any]] = []
    for external_userid in machine.world.customers.listed_by(member.userid):
        if len(found) >= body.limit:
            break
        customer = machine.world.customers.get(external_userid)
        follow = machine.world.customers.find_follow(member.userid, external_userid)
        if follow is not None:
            found.append({"customer": contact_json(customer), "follow": _follow(machine, follow)})
    return {"customers": found}


def read_chat(machine: Machine, body: Pair) -> Any:
    follow = machine.world.customers.find_follow(body.userid, body.external_userid)
    messages = machine.world.chats.of(body.userid, body.external_userid)
    return {
        "follow": None if follow is None else _follow(machine, follow),
        "messages": [to_dict(message) for message in messages if message.seq > body.since],
    }


def read_inbox(machine: Machine, body: Inbox) -> Any:
    member = machine.world.directory.get(body.userid)
    agentid = machine.world.get_app(body.agentid).agentid
    messages = machine.world.chats.of_app(agentid, member.userid)
    return {"messages": [to_dict(message) for message in messages if message.seq > body.since]}


def list_tags(machine: Machine, body: Nothing) -> Any:
    return {"tag_groups": [to_dict(group) for group in machine.world.tags.groups.values()]}


def list_groups(machine: Machine, body: Nothing) -> Any:
    return {
        "groups": [
            {
                "chat_id": group.chat_id,
                "name": group.name,
                "owner": group.owner,
                "members": len(group.members),
                "status": group.status,
            }
            for group in machine.world.groups
            if not group.dismissed
        ]
    }


def read_group(machine: Machine, body: OneGroup) -> Any:
    return {"group": to_dict(machine.world.groups.get(body.chat_id))}


def list_channels(machine: Machine, body: Nothing) -> Any:
    ways = machine.world.ways
    return {
        "channels": [to_dict(way) for way in ways.contact.values()],
        "join_ways": [to_dict(way) for way in ways.join.values()],
    }


def list_transfers(machine: Machine, body: Nothing) -> Any:
    return {"transfers": [to_dict(transfer) for transfer in machine.world.transfers.values()]}


def read_media(machine: Machine, body: OneFile) -> Any:
    media, data = machine.world.media.find(body.media_id), machine.world.media.data(body.media_id)
    if media is None or data is None:
        raise NotFoundError(f"There is no file {body.media_id!r}.")
    headers = {"Content-Type": media.content_type, "X-Content-Type-Options": "nosniff"}
    if media.type != "image":
        headers["Content-Disposition"] = "attachment"
    return web.Response(body=data, headers=headers)


def list_all_fixtures(machine: Machine, body: Nothing) -> Any:
    return {"fixtures": list_fixtures()}


def read_fixture(machine: Machine, body: OneFixture) -> Any:
    return {"name": body.name, "plaintext": load_fixture(body.name)}


def _follow(machine: Machine, follow: Follow) -> dict[str, Any]:
    made = to_dict(follow)
    made["tags"] = follow_user_json(machine.world, follow)["tags"]
    return made


ROUTES = (
    Route("GET", "/world", Nothing, read_world),
    Route("GET", "/staff", Nothing, list_staff),
    Route("GET", "/staff/{userid}/customers", OneMember, list_customers_of),
    Route("GET", "/staff/{userid}/messages", Inbox, read_inbox),
    Route("GET", "/departments", Nothing, list_departments),
    Route("GET", "/customers", Some, list_customers),
    Route("GET", "/customers/{external_userid}", OneCustomer, read_customer),
    Route("GET", "/chats/{userid}/{external_userid}", Pair, read_chat),
    Route("GET", "/tags", Nothing, list_tags),
    Route("GET", "/groups", Nothing, list_groups),
    Route("GET", "/groups/{chat_id}", OneGroup, read_group),
    Route("GET", "/channels", Nothing, list_channels),
    Route("GET", "/transfers", Nothing, list_transfers),
    Route("GET", "/media/{media_id}", OneFile, read_media),
    Route("GET", "/fixtures", Nothing, list_all_fixtures),
    Route("GET", "/fixtures/{name}", OneFixture, read_fixture),
)
