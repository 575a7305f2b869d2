"""The welcome to a new customer (WeCom doc 92137): 20 seconds, one success."""

from __future__ import annotations

import asyncio

from bot.sandbox.attachments import read_messages
from bot.sandbox.calls import Answer, Call, Endpoint
from bot.sandbox.errors import ApiError


async def send_welcome(call: Call) -> Answer:
    world = call.world
    text = call.params.text("welcome_code")
    if not text:
        raise ApiError(41049)
    messages = read_messages(call)
    code = world.welcome_codes.open(text, call.now)
    follow = world.customers.find_follow(code.userid, code.external_userid)
    if follow is None or follow.friendship not in ("half", "mutual"):
        raise ApiError(41050)
    if follow.chatting or code.used:
        raise ApiError(41051)
    if call.machine.settings.welcome_delivery_seconds:
        world.welcome_codes.begin(code)
        try:
            await asyncio.sleep(call.machine.settings.welcome_delivery_seconds)
        finally:
            world.welcome_codes.end(code)
        follow = world.customers.find_follow(code.userid, code.external_userid)
        if follow is None or follow.chatting:
            raise ApiError(41051)
    follow.chatting = code.used = True
    world.customers.put_follow(follow)
    for msgtype, content in messages:
        message = world.chats.write(
            code.userid, code.external_userid, "staff", "welcome", msgtype, content, world.clock.timestamp()
        )
        world.changes.note("message.sent", userid=code.userid, external_userid=code.external_userid, seq=message.seq)
    return {}


ENDPOINTS = (Endpoint("externalcontact/send_welcome_msg", "POST", send_welcome, customer_contact=True),)
