"""Control routes that play staff, admins of the company, and transfers of customers."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from bot.sandbox.control import Body, Route
from bot.sandbox.journal import to_dict
from bot.sandbox.machine import Machine


class WriteToApp(Body):
    userid: str
    text: str
    agentid: int | None = None


class AppEvent(Body):
    userid: str
    event: Literal["subscribe", "unsubscribe", "enter_agent", "click", "view", "view_miniprogram"]
    event_key: str = ""
    agentid: int | None = None


class ClickCard(Body):
    userid: str
    msgid: str
    key: str
    selected: dict[str, list[str]] = Field(default_factory=dict)


class JoinCompany(Body):
    name: str
    userid: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$")
    department: list[int] = Field(default_factory=lambda: [1])
    position: str = ""
    customer_contact: bool = True


class ChangeMember(Body):
    userid: str
    name: str | None = None
    department: list[int] | None = None
    position: str | None = None
    customer_contact: bool | None = None
    admin_welcome: bool | None = None
    status: Literal[1, 2, 4] | None = None


class OneMember(Body):
    userid: str


class PutDepartment(Body):
    id: int | None = None
    name: str
    parentid: int = 1


class Inherit(Body):
    handover_userid: str
    takeover_userid: str
    external_userid: str
    #: At once, or after the wait like a transfer through the API.
    now: bool = True


class Refuse(Body):
    external_userid: str
    reason: Literal["customer_refused", "customer_limit_exceed"] = "customer_refused"


class LoginCode(Body):
    userid: str = ""
    external_userid: str = ""


def write_to_app(machine: Machine, body: WriteToApp) -> Any:
    return to_dict(machine.staff_acts.write(body.userid, body.text, body.agentid))


def app_event(machine: Machine, body: AppEvent) -> Any:
    machine.staff_acts.event(body.userid, body.event, body.event_key, body.agentid)
    return {}


def click_card(machine: Machine, body: ClickCard) -> Any:
    return machine.staff_acts.click_card(body.userid, body.msgid, body.key, body.selected)


def join_company(machine: Machine, body: JoinCompany) -> Any:
    return to_dict(machine.staff_acts.join(**body.model_dump()))


def change_member(machine: Machine, body: ChangeMember) -> Any:
    values = body.model_dump()
    return to_dict(machine.staff_acts.change(values.pop("userid"), **values))


def leave_company(machine: Machine, body: OneMember) -> Any:
    return to_dict(machine.staff_acts.leave(body.userid))


def put_department(machine: Machine, body: PutDepartment) -> Any:
    return to_dict(machine.staff_acts.put_department(body.id, body.name, body.parentid))


def inherit(machine: Machine, body: Inherit) -> Any:
    return to_dict(
        machine.people.hand_over(body.handover_userid, body.takeover_userid, body.external_userid, at_once=body.now)
    )


def refuse(machine: Machine, body: Refuse) -> Any:
    return to_dict(machine.people.transfers.refuse(body.external_userid, body.reason))


def login_code(machine: Machine, body: LoginCode) -> Any:
    if body.userid:
        machine.world.directory.get(body.userid)
    if body.external_userid:
        machine.world.customers.get(body.external_userid)
    now = machine.world.clock.timestamp()
    return {"code": machine.logins.issue(now, body.userid, body.external_userid)}


ROUTES = (
    Route("POST", "/staff/write", WriteToApp, write_to_app),
    Route("POST", "/staff/event", AppEvent, app_event),
    Route("POST", "/staff/click_card", ClickCard, click_card),
    Route("POST", "/staff/join", JoinCompany, join_company),
    Route("POST", "/staff/change", ChangeMember, change_member),
    Route("POST", "/staff/leave", OneMember, leave_company),
    Route("POST", "/staff/login_code", LoginCode, login_code),
    Route("POST", "/departments", PutDepartment, put_department),
    Route("POST", "/transfers", Inherit, inherit),
    Route("POST", "/transfers/refuse", Refuse, refuse),
)
