"""Control routes for customer-acquisition links: opened by customers, deleted by admins, and the company's quota."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from bot.sandbox.control import Body, Nothing, Route
from bot.sandbox.control_people import added_json
from bot.sandbox.journal import to_dict
from bot.sandbox.machine import Machine
from bot.sandbox.people import Codes


class OpenLink(Body):
    """`adds` false: the customer only looks. `customer_channel`: what stands in the address behind the link."""

    link_id: str
    customer_channel: str = ""
    external_userid: str = ""
    name: str = ""
    codes: Codes = "auto"
    adds: bool = True


class OneLink(Body):
    link_id: str


class Quota(Body):
    """`expires_in_seconds`: when all of it ends."""

    total: int = Field(ge=0)
    balance: int = Field(ge=0)
    expires_in_seconds: int = Field(default=180 * 86_400, ge=0)


class Acquisition(Body):
    """An event of 获客助手. Only the elements that are given stand in it."""

    change_type: str
    link_id: str = ""
    state: str = ""
    userid: str = ""
    external_userid: str = ""
    chat_key: str = ""


def list_links(machine: Machine, body: Nothing) -> Any:
    return {"links": [to_dict(link) for link in machine.world.links], "quota": to_dict(machine.world.links.quota)}


def open_link(machine: Machine, body: OpenLink) -> Any:
    added = machine.people.links.open(**body.model_dump())
    return added_json(added) if added is not None else {}


def delete_link(machine: Machine, body: OneLink) -> Any:
    machine.people.links.delete(body.link_id)
    return {}


def set_quota(machine: Machine, body: Quota) -> Any:
    machine.people.links.set_quota(body.total, body.balance, machine.world.now + body.expires_in_seconds)
    return to_dict(machine.world.links.quota)


def tell(machine: Machine, body: Acquisition) -> Any:
    plaintext = machine.people.links.tell(
        body.change_type, body.external_userid, UserID=body.userid, ExternalUserID=body.external_userid,
        LinkId=body.link_id, State=body.state, ChatKey=body.chat_key,
    )  # fmt: skip
    return {"plaintext": plaintext}


ROUTES = (
    Route("GET", "/links", Nothing, list_links),
    Route("POST", "/links/open", OpenLink, open_link),
    Route("POST", "/links/delete", OneLink, delete_link),
    Route("POST", "/links/quota", Quota, set_quota),
    Route("POST", "/acquisition", Acquisition, tell),
)
