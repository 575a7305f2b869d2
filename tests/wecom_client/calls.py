"""Calls that the tests make: one that reads, one that creates, and the welcome; and two of WeCom's refusals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bot.wecom.client import WeComClient

BUSY = {"errcode": -1, "errmsg": "system error"}
EXPIRED = {"errcode": 42001, "errmsg": "access_token expired, hint: [1], from ip: 1.2.3.4, more info at https://x"}

Calling = Callable[[WeComClient], Awaitable[Any]]


def read(client: WeComClient) -> Awaitable[Any]:
    return client.external_contact.get("wm1")


def create(client: WeComClient) -> Awaitable[Any]:
    return client.external_contact.add_contact_way(1, 2, user=["zhangsan"])


def welcome(client: WeComClient) -> Awaitable[Any]:
    result: Awaitable[Any] = client.external_contact.send_welcome_msg(
        {"welcome_code": "CODE", "text": {"content": "张三您好"}}
    )
    return result


READ, CREATE, WELCOME = (
    "externalcontact/get",
    "externalcontact/add_contact_way",
    "externalcontact/send_welcome_msg",
)
