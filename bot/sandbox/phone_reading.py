"""What the phone page reads: views of the world shaped for one screen each, always a page at a time."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from bot.sandbox import phone_groups, phone_kf, phone_moments
from bot.sandbox.api_customers import contact_json, follow_user_json
from bot.sandbox.control import Body, Nothing, Route
from bot.sandbox.journal import to_dict
from bot.sandbox.machine import Machine
from bot.sandbox.phone_contacts import Contacts, waiting_of
from bot.sandbox.phone_files import files_of
from bot.sandbox.phone_group_sends import OneTask, TasksOf, list_tasks, read_task
from bot.sandbox.phone_timeline import read_timeline
from bot.sandbox.records import AcquisitionLink, ContactWay, Follow, Member
from bot.sandbox.world import World

#: Customers shown as waiting for the member; the others follow as these are dealt with.
_WAITING_SHOWN = 50


class Page(Body):
    q: str = Field("", max_length=100)
    offset: int = Field(0, ge=0)
    limit: int = Field(30, gt=0, le=100)


class OneCustomer(Body):
    external_userid: str


class OfMember(Page):
    userid: str


class Chat(Body):
    """The latest `limit` messages, or those before number `before`."""

    userid: str
    external_userid: str
    before: int = 0
    limit: int = Field(40, gt=0, le=200)


class Inbox(Body):
    userid: str
    before: int = 0
    limit: int = Field(40, gt=0, le=200)


class Timeline(Body):
    limit: int = Field(40, gt=0, le=200)


class PhoneReading:
    """The page's reads. `bot_url`: where the bot shows itself to people; empty when not known."""

    def __init__(self, bot_url: str = "") -> None:
        self._bot_url = bot_url
        self._contacts = Contacts()

    def routes(self) -> tuple[Route, ...]:
        """The routes, under /sandbox."""
        return (
            Route("GET", "/phone/state", Nothing, self.read_state),
            Route("GET", "/phone/channels", Page, list_channels),
            Route("GET", "/phone/groups", Page, list_groups),
            Route("GET", "/phone/customers/{external_userid}", OneCustomer, read_customer),
            Route("GET", "/phone/staff", Page, list_staff),
            Route("GET", "/phone/staff/{userid}/customers", OfMember, self.list_customers_of),
            Route("GET", "/phone/staff/{userid}/messages", Inbox, read_inbox),
            Route("GET", "/phone/chats/{userid}/{external_userid}", Chat, read_chat),
            Route("GET", "/phone/staff/{userid}/group_sends", TasksOf, list_tasks),
            Route("GET", "/phone/staff/{userid}/group_sends/{msgid}", OneTask, read_task),
            Route("GET", "/phone/staff/{userid}/moments", phone_moments.OfMember, phone_moments.list_posts),
            Route(
                "GET", "/phone/customers/{external_userid}/moments", phone_moments.OfCustomer, phone_moments.read_feed
            ),
            Route("GET", "/phone/staff/{userid}/groups", phone_groups.OfMember, phone_groups.list_owned),
            Route("GET", "/phone/groups/{chat_id}", phone_groups.OneGroup, phone_groups.read_group),
            Route("GET", "/phone/customers/{external_userid}/kf", phone_kf.OfCustomer, phone_kf.list_of_customer),
            Route("GET", "/phone/staff/{userid}/kf", phone_kf.OfMember, phone_kf.list_of_member),
            Route("GET", "/phone/kf/{open_kfid}/{external_userid}", phone_kf.Chat, phone_kf.read_chat),
            Route("GET", "/phone/group_welcomes", Nothing, phone_groups.list_welcomes),
            Route("GET", "/phone/timeline", Timeline, lambda machine, body: read_timeline(machine, body.limit)),
        )

    def read_state(self, machine: Machine, body: Nothing) -> Any:
        """What stands in the bar at the top."""
        world, callbacks = machine.world, machine.callbacks
        first = next(iter(world.directory), None)
        return {
            "company": world.company.name,
            "app": world.app.name,
            "agentid": world.app.agentid,
            "staff": sum(1 for _ in world.directory),
            "customers": world.customers.count(),
            "first_userid": "" if first is None else first.userid,
            "bot_url": self._bot_url,
            "bot": {
                "connected": bool(world.app.callback_url),
                "delivered": callbacks.delivered,
                "failed": callbacks.failed,
                "waiting": callbacks.waiting,
                "last": callbacks.history[-1].state if callbacks.history else "",
            },
            "timestamp": world.clock.timestamp(),
            "offset_seconds": world.clock.offset.total_seconds(),
            "changes": world.changes.seq,
        }

    async def list_customers_of(self, machine: Machine, body: OfMember) -> Any:
        """A member's customers, newest first, with those who wait for the member's confirmation."""
        world = machine.world
        member = world.directory.get(body.userid)
        listed = await self._contacts.listed(world, member.userid, body.offset, body.limit + 1)
        rows = [_contact_row(world, member.userid, external_userid) for external_userid in listed]
        waiting = waiting_of(world, member.userid)[:_WAITING_SHOWN]
        return {
            "waiting": [_contact_row(world, member.userid, external_userid) for external_userid in waiting],
            "customers": rows[: body.limit],
            "more": len(rows) > body.limit,
        }


def _contact_row(world: World, userid: str, external_userid: str) -> dict[str, Any]:
    """One line of a member's list."""
    customer = world.customers.get(external_userid)
    follow = world.customers.find_follow(userid, external_userid)
    messages = world.chats.of(userid, external_userid)
    return {
        "customer": contact_json(customer),
        "follow": None if follow is None else _follow_json(world, follow),
        "last": to_dict(messages[-1]) if messages else None,
    }


def _follow_json(world: World, follow: Follow) -> dict[str, Any]:
    made = to_dict(follow)
    made["tags"] = follow_user_json(world, follow)["tags"]
    way = world.ways.by_state(follow.state) if follow.state else None
    made["channel"] = way.remark if way is not None else ""
    return made


def _member_json(world: World, member: Member) -> dict[str, Any]:
    departments = [
        world.directory.departments[id_].name for id_ in member.department if id_ in world.directory.departments
    ]
    return {
        "userid": member.userid,
        "name": member.name,
        "position": member.position,
        "departments": departments,
        "status": member.status,
        "customer_contact": member.customer_contact,
    }


def _matches(q: str, *texts: str) -> bool:
    return not q or any(q.casefold() in text.casefold() for text in texts)


def list_staff(machine: Machine, body: Page) -> Any:
    """Staff who can pick up a phone."""
    world = machine.world
    found = [
        member
        for member in world.directory
        if member.status == 1 and _matches(body.q, member.name, member.userid, member.position)
    ]
    page = found[body.offset : body.offset + body.limit]
    return {"staff": [_member_json(world, member) for member in page], "more": len(found) > body.offset + body.limit}


def list_channels(machine: Machine, body: Page) -> Any:
    """Channel codes and customer-acquisition links, with the names of those behind them."""
    world = machine.world
    found: list[ContactWay | AcquisitionLink] = [
        *(link for link in world.links if _matches(body.q, link.link_name, link.link_id)),
        *(way for way in world.ways.contact.values() if _matches(body.q, way.remark, way.state, way.config_id)),
    ]
    page = found[body.offset : body.offset + body.limit]
    return {"channels": [_channel_json(world, each) for each in page], "more": len(found) > body.offset + body.limit}


def _channel_json(world: World, way: ContactWay | AcquisitionLink) -> dict[str, Any]:
    if isinstance(way, AcquisitionLink):
        userids, parties = way.user_list, way.department_list
        shown = {"config_id": way.link_id, "name": way.link_name, "state": "", "is_link": True}
    else:
        userids, parties = way.user, way.party
        shown = {"config_id": way.config_id, "name": way.remark or way.state, "state": way.state, "is_link": False}
    members = [member for userid in userids[:3] if (member := world.directory.find(userid)) is not None]
    return {
        **shown,
        "skip_verify": way.skip_verify,
        "staff": [member.name for member in members],
        "departments": [
            world.directory.departments[id_].name for id_ in parties[:3] if id_ in world.directory.departments
        ],
        "more_staff": max(0, len(userids) - 3),
    }


def list_groups(machine: Machine, body: Page) -> Any:
    """Customer groups that exist."""
    found = [group for group in machine.world.groups if not group.dismissed and _matches(body.q, group.name)]
    page = found[body.offset : body.offset + body.limit]
    return {
        "groups": [{"chat_id": group.chat_id, "name": group.name, "members": len(group.members)} for group in page],
        "more": len(found) > body.offset + body.limit,
    }


def read_customer(machine: Machine, body: OneCustomer) -> Any:
    """A customer's phone: chats with staff and the groups the customer is in."""
    world = machine.world
    customer = world.customers.get(body.external_userid)
    chats: list[dict[str, Any]] = []
    for follow in world.customers.follows_of(body.external_userid):
        member = world.directory.find(follow.userid)
        messages = world.chats.of(follow.userid, body.external_userid)
        if member is None or (follow.friendship in ("left", "gone") and not messages):
            continue
        chats.append(
            {
                "staff": _member_json(world, member),
                "friendship": follow.friendship,
                "createtime": follow.createtime,
                "last": to_dict(messages[-1]) if messages else None,
            }
        )
    chats.sort(key=lambda chat: -(chat["last"]["at"] if chat["last"] else chat["createtime"]))
    groups = [
        {"chat_id": group.chat_id, "name": group.name, "members": len(group.members), "notice": group.notice}
        for group in world.groups
        if not group.dismissed and any(member.userid == body.external_userid for member in group.members)
    ]
    return {"customer": contact_json(customer), "company": world.company.name, "chats": chats, "groups": groups}


def read_chat(machine: Machine, body: Chat) -> Any:
    """The chat of a member and a customer, the latest messages last, and how the two stand to each other."""
    world = machine.world
    member = world.directory.get(body.userid)
    customer = world.customers.get(body.external_userid)
    follow = world.customers.find_follow(member.userid, body.external_userid)
    found = world.chats.of(member.userid, body.external_userid)
    if body.before:
        found = [message for message in found if message.seq < body.before]
    page = found[-body.limit :]
    return {
        "staff": _member_json(world, member),
        "customer": contact_json(customer),
        "company": world.company.name,
        "follow": None if follow is None else _follow_json(world, follow),
        "messages": [to_dict(message) | {"files": files_of(world, message.content)} for message in page],
        "more": len(found) > body.limit,
    }


def read_inbox(machine: Machine, body: Inbox) -> Any:
    """A member's chat with the company's app, the latest messages last."""
    world = machine.world
    member = world.directory.get(body.userid)
    found = world.chats.of_app(world.app.agentid, member.userid)
    if body.before:
        found = [message for message in found if message.seq < body.before]
    page = found[-body.limit :]
    return {
        "staff": _member_json(world, member),
        "app": world.app.name,
        "menu": world.app.menu.get("button", []),
        "messages": [to_dict(message) | {"files": files_of(world, message.content)} for message in page],
        "more": len(found) > body.limit,
    }
