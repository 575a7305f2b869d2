"""What the phone page reads of WeChat customer service: the customer's accounts, the servicer's pool, one chat."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from bot.sandbox.api_customers import contact_json
from bot.sandbox.control import Body
from bot.sandbox.journal import to_dict
from bot.sandbox.kf import ENDED, HUMAN, POOL, KfAccount, KfMessage, KfSession
from bot.sandbox.machine import Machine
from bot.sandbox.phone_files import files_of
from bot.sandbox.world import World

#: Sessions of a servicer's list.
SHOWN = 100


class OfCustomer(Body):
    external_userid: str


class OfMember(Body):
    userid: str


class Chat(Body):
    """The latest `limit` lines, or those before number `before`."""

    open_kfid: str
    external_userid: str
    before: int = 0
    limit: int = Field(40, gt=0, le=200)


def list_of_customer(machine: Machine, body: OfCustomer) -> Any:
    """The accounts that a customer can enter."""
    world = machine.world
    customer = world.customers.get(body.external_userid)
    return {"accounts": [_account_json(world, account, customer.external_userid) for account in world.kf.accounts()]}


def _account_json(world: World, account: KfAccount, external_userid: str) -> dict[str, Any]:
    last = _last(world, account.open_kfid, external_userid)
    return {"open_kfid": account.open_kfid, "name": account.name, "last": None if last is None else to_dict(last)}


def list_of_member(machine: Machine, body: OfMember) -> Any:
    """Who waits in the pool, whom the member serves, and what lately ended."""
    world, acts, now = machine.world, machine.kf_acts, machine.world.clock.timestamp()
    member = world.directory.get(body.userid)
    accounts = {one.open_kfid: one for one in world.kf.accounts() if member.userid in acts.servicers(one)}
    found: dict[str, list[KfSession]] = {"pool": [], "mine": [], "ended": []}
    for session in world.kf.sessions():
        state = world.kf.state_of(session, now)
        if session.open_kfid not in accounts:
            continue
        if state == POOL:
            found["pool"].append(session)
        elif state == HUMAN and session.servicer_userid == member.userid:
            found["mine"].append(session)
        elif state == ENDED and session.asked_at:
            found["ended"].append(session)
    found["pool"].sort(key=lambda session: session.asked_at)
    for name in ("mine", "ended"):
        found[name].sort(key=lambda session: -session.active_at)
    return {
        name: [_session_json(world, accounts[one.open_kfid], one, now) for one in sessions[:SHOWN]]
        for name, sessions in found.items()
    } | {
        "accounts": [
            {"open_kfid": one.open_kfid, "name": one.name, "receiving": acts.servicers(one)[member.userid] == 0}
            for one in accounts.values()
        ]
    }


def _session_json(world: World, account: KfAccount, session: KfSession, now: float) -> dict[str, Any]:
    last = _last(world, account.open_kfid, session.external_userid)
    return {
        "open_kfid": account.open_kfid,
        "account": account.name,
        "customer": contact_json(world.customers.get(session.external_userid)),
        "state": world.kf.state_of(session, now),
        "asked_at": session.asked_at,
        "last": None if last is None else to_dict(last),
    }


def read_chat(machine: Machine, body: Chat) -> Any:
    """One chat, the latest lines last, and how it stands."""
    world, now = machine.world, machine.world.clock.timestamp()
    account, customer = world.kf.get_account(body.open_kfid), world.customers.get(body.external_userid)
    session = world.kf.session(account.open_kfid, customer.external_userid)
    lines = [line for line in world.kf.chat(account.open_kfid, customer.external_userid) if _shown(line)]
    if body.before:
        lines = [line for line in lines if line.seq < body.before]
    servicer = world.directory.find(session.servicer_userid) if session.servicer_userid else None
    others = [world.directory.find(userid) for userid in machine.kf_acts.servicers(account)]
    return {
        "account": {"open_kfid": account.open_kfid, "name": account.name},
        "company": world.company.name,
        "customer": contact_json(customer),
        "state": world.kf.state_of(session, now),
        "servicer_userid": session.servicer_userid,
        "servicer": "" if servicer is None else servicer.name,
        "servicers": [{"userid": one.userid, "name": one.name} for one in others if one is not None],
        "messages": [_line_json(world, line) for line in lines[-body.limit :]],
        "more": len(lines) > body.limit,
    }


def _shown(line: KfMessage) -> bool:
    """Of the events a person sees only the changes of the session."""
    return line.msgtype != "event" or line.content["event_type"] == "session_status_change"


def _line_json(world: World, line: KfMessage) -> dict[str, Any]:
    made: dict[str, Any] = {**to_dict(line), "files": files_of(world, line.content)}
    if line.msgtype == "event":
        member = world.directory.find(line.content.get("new_servicer_userid") or "")
        made["name"] = "" if member is None else member.name
    return made


def _last(world: World, open_kfid: str, external_userid: str) -> KfMessage | None:
    for line in reversed(world.kf.chat(open_kfid, external_userid)):
        if line.msgtype != "event" and not line.recalled:
            return line
    return None
