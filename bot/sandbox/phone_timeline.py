"""What happened lately, for people: the events that WeCom sent and the calls that the bot made, newest first."""

from __future__ import annotations

from itertools import islice
from typing import Any

from bot.sandbox.callbacks import Delivery
from bot.sandbox.calls import CallRecord
from bot.sandbox.errors import TEXTS
from bot.sandbox.events import value_of
from bot.sandbox.machine import Machine
from bot.sandbox.world import World


def read_timeline(machine: Machine, limit: int) -> Any:
    """Up to `limit` entries; `kind` is event (WeCom told the bot) or call (the bot asked WeCom)."""
    world, calls = machine.world, machine.calls
    events = [_event(world, delivery) for delivery in islice(reversed(machine.callbacks.history), limit)]
    made = [_call(world, record) for record in calls.since(calls.seq - limit)]
    entries = sorted(events + made, key=lambda entry: entry["at"], reverse=True)
    return {"entries": entries[:limit]}


def _event(world: World, delivery: Delivery) -> dict[str, Any]:
    plaintext = delivery.plaintext
    userid, external_userid = value_of(plaintext, "UserID"), value_of(plaintext, "ExternalUserID")
    if not userid and value_of(plaintext, "FromUserName") != "sys":
        userid = value_of(plaintext, "FromUserName")
    group = world.groups.find(value_of(plaintext, "ChatId"))
    attempts = delivery.attempts
    created = value_of(plaintext, "CreateTime")
    return {
        "id": f"e{delivery.seq}",
        "kind": "event",
        "at": attempts[0].at - attempts[0].seconds if attempts else float(created if created.isdigit() else world.now),
        "event": delivery.event,
        "change_type": delivery.change_type,
        "detail": value_of(plaintext, "UpdateDetail"),
        "welcome_code": bool(value_of(plaintext, "WelcomeCode")),
        **_names(world, userid, external_userid),
        "group": "" if group is None else group.name,
        "state": delivery.state,
        "attempts": len(attempts),
        "status": attempts[-1].status if attempts else 0,
        "seconds": attempts[-1].seconds if attempts else 0,
    }


def _call(world: World, record: CallRecord) -> dict[str, Any]:
    return {
        "id": f"c{record.seq}",
        "kind": "call",
        "at": record.at,
        "path": record.path,
        "errcode": record.errcode,
        "errmsg": TEXTS.get(record.errcode, "") if record.errcode else "",
        **_names(world, record.userid, record.external_userid),
        "fault": record.fault,
        "seconds": record.seconds,
    }


def _names(world: World, userid: str, external_userid: str) -> dict[str, str]:
    member = world.directory.find(userid) if userid else None
    customer = world.customers.find(external_userid) if external_userid else None
    return {
        "userid": userid,
        "staff": userid if member is None else member.name,
        "external_userid": external_userid,
        "customer": external_userid if customer is None else customer.name,
    }
