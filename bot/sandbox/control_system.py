"""Control routes for the machinery: apps and their callbacks, faults, limits, tokens, the clock, the calls received."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pydantic import Field

from bot.sandbox.control import Body, Nothing, Route
from bot.sandbox.errors import WorldError
from bot.sandbox.events import load_fixture, with_values
from bot.sandbox.faults import Fault
from bot.sandbox.journal import to_dict
from bot.sandbox.limits import WINDOWS
from bot.sandbox.machine import Machine
from bot.sandbox.records import App
from bot.sandbox.settings import GroupSendCap


class ChangeApp(Body):
    """Only what is given changes; an unknown agentid makes a new app."""

    agentid: int | None = None
    name: str | None = None
    secret: str | None = None
    callback_url: str | None = None
    callback_token: str | None = None
    encoding_aes_key: str | None = Field(None, pattern=r"^[A-Za-z0-9]{43}$")
    customer_contact: bool | None = None
    change_callback: bool | None = None
    kf: bool | None = None
    trusted_ips: list[str] | None = None
    visible_userids: list[str] | None = None
    visible_parties: list[int] | None = None
    redirect_domain: str | None = None
    enabled: bool | None = None


class OneApp(Body):
    agentid: int | None = None


class Raw(Body):
    """Either `plaintext` or `fixture`; `values` replaces the contents of elements."""

    agentid: int | None = None
    plaintext: str | None = None
    fixture: str | None = None
    values: dict[str, str] = Field(default_factory=dict)
    key: str = ""
    of_app: bool = False


class ChangeCallbackSettings(Body):
    deadline_seconds: float | None = Field(None, gt=0)
    verify_deadline_seconds: float | None = Field(None, gt=0)
    retry_pauses_seconds: tuple[float, ...] | None = None
    ordered: bool | None = None
    fresh_envelope: bool | None = None
    max_waiting: int | None = Field(None, gt=0)


class Since(Body):
    since: int = 0
    limit: int = Field(1000, gt=0, le=20_000)
    path: str = ""


class Wait(Body):
    timeout_seconds: float = Field(30, gt=0)


class NewFault(Body):
    target: Literal["api", "callback"] = "api"
    kind: str
    on: str = "*"
    probability: float = 1.0
    count: int | None = None
    seconds: float = 1.0
    errcode: int = -1
    status: int = Field(502, ge=400, le=599)
    times: int = Field(1, ge=1, le=100)


class OneFault(Body):
    id: int


class ChangeLimits(Body):
    """`path` empty: the limits of every API without limits of its own. `limits`: window → calls."""

    path: str = ""
    limits: dict[str, int] | None = None
    enabled: bool | None = None
    clear: bool = False


class MoveClock(Body):
    advance_seconds: float | None = None
    at: datetime | None = None


class EndTokens(Body):
    agentid: int | None = None
    answer: Literal[42001, 40014] = 42001


class ChangeSettings(Body):
    welcome_delivery_seconds: float | None = Field(None, ge=0)
    edit_event_for_mobiles: bool | None = None
    transfer_wait_seconds: int | None = Field(None, ge=0)
    member_customer_cap: int | None = Field(None, ge=0)
    transfer_period_days: int | None = Field(None, ge=0)
    apps_edit_all_tags: bool | None = None
    staff_messages_per_minute: int | None = Field(None, ge=0)
    staff_messages_per_hour: int | None = Field(None, ge=0)
    group_send_settle_seconds: float | None = Field(None, ge=0)
    group_send_cap: GroupSendCap | None = None
    staff_confirm_share: float | None = Field(None, ge=0, le=1)
    staff_confirm_half_seconds: float | None = Field(None, ge=0)
    moment_job_seconds: float | None = Field(None, ge=0)
    kf_unconfirmed_transitions: bool | None = None
    token_life_seconds: int | None = Field(None, gt=0)
    flat_expires_in: bool | None = None
    wrong_secrets_allowed: int | None = Field(None, ge=0)


# -- apps and callbacks


def list_apps(machine: Machine, body: Nothing) -> Any:
    return {"apps": [to_dict(app) for app in machine.world.apps.values()], "corpid": machine.world.company.corpid}


def change_app(machine: Machine, body: ChangeApp) -> Any:
    world = machine.world
    given = body.model_dump(exclude_unset=True)
    # null opens the visible range to the whole company; elsewhere it means "not given"
    values = {name: value for name, value in given.items() if value is not None or name.startswith("visible_")}
    agentid = values.pop("agentid", None) or world.app.agentid
    app = world.apps.get(agentid)
    if app is None:
        missing = {"name", "secret", "callback_token", "encoding_aes_key"} - values.keys()
        if missing:
            raise WorldError(f"A new app needs {', '.join(sorted(missing))}.")
        app = App(agentid, values["name"], values["secret"], values["callback_token"], values["encoding_aes_key"])
    for name, value in values.items():
        setattr(app, name, value)
    world.put_app(app)
    world.changes.note("app.changed", agentid=agentid)
    return to_dict(app)


async def verify(machine: Machine, body: OneApp) -> Any:
    accepted, why = await machine.callbacks.verify(machine.world.get_app(body.agentid))
    return {"accepted": accepted, "why": why}


def send_raw(machine: Machine, body: Raw) -> Any:
    world = machine.world
    if (body.plaintext is None) == (body.fixture is None):
        raise WorldError("A raw callback is either a plaintext or a fixture.")
    app = world.get_app(body.agentid)
    if not app.callback_url:
        raise WorldError(f"App {app.agentid} has no callback URL.", "POST /sandbox/apps sets it.")
    if body.fixture is not None:
        plaintext = with_values(
            load_fixture(body.fixture),
            {"ToUserName": world.company.corpid, "CreateTime": str(world.now), **body.values},
        )
    else:
        plaintext = with_values(body.plaintext or "", body.values)
    delivery = machine.callbacks.send(app, plaintext, body.key or f"raw:{machine.callbacks.seq}", of_app=body.of_app)
    return {"delivery": None if delivery is None else delivery.seq, "plaintext": plaintext}


def list_deliveries(machine: Machine, body: Since) -> Any:
    callbacks = machine.callbacks
    found = [delivery for delivery in callbacks.history if delivery.seq > body.since]
    return {
        "deliveries": [to_dict(delivery) for delivery in found[: body.limit]],
        "waiting": callbacks.waiting,
        "delivered": callbacks.delivered,
        "failed": callbacks.failed,
    }


def change_callback_settings(machine: Machine, body: ChangeCallbackSettings) -> Any:
    for name, value in body.model_dump(exclude_none=True).items():
        setattr(machine.callbacks.settings, name, value)
    return asdict(machine.callbacks.settings)


async def wait_for_callbacks(machine: Machine, body: Wait) -> Any:
    try:
        await asyncio.wait_for(machine.callbacks.idle(), body.timeout_seconds)
    except TimeoutError:
        return {"idle": False, "waiting": machine.callbacks.waiting}
    return {"idle": True, "waiting": 0}


# -- faults, limits, tokens, settings


def list_faults(machine: Machine, body: Nothing) -> Any:
    return {"faults": [asdict(fault) for fault in machine.faults.all.values()]}


def add_fault(machine: Machine, body: NewFault) -> Any:
    return asdict(machine.faults.add(Fault(id=0, **body.model_dump())))


def clear_faults(machine: Machine, body: Nothing) -> Any:
    return {"cleared": machine.faults.clear()}


def clear_fault(machine: Machine, body: OneFault) -> Any:
    return {"cleared": machine.faults.clear(body.id)}


def read_limits(machine: Machine, body: Nothing) -> Any:
    limits = machine.limits
    return {"enabled": limits.enabled, "default": limits.default, "own": limits.own, "windows_seconds": WINDOWS}


def change_limits(machine: Machine, body: ChangeLimits) -> Any:
    limits = machine.limits
    if body.limits is not None and not body.limits.keys() <= WINDOWS.keys():
        raise WorldError(f"A window is one of {', '.join(WINDOWS)}.")
    if body.enabled is not None:
        limits.enabled = body.enabled
    if body.limits is not None and body.path:
        limits.own[body.path] = dict(body.limits)
    elif body.limits is not None:
        limits.default = dict(body.limits)
    if body.clear or body.limits is not None:
        limits.clear()
    return read_limits(machine, Nothing())


def end_tokens(machine: Machine, body: EndTokens) -> Any:
    end = machine.tokens.expire if body.answer == 42001 else machine.tokens.forget
    return {"ended": end(body.agentid)}


def change_settings(machine: Machine, body: ChangeSettings) -> Any:
    machine.settle()
    values = body.model_dump(exclude_none=True)
    for name, attribute in _TOKEN_SETTINGS.items():
        if name in values:
            setattr(machine.tokens, attribute, values.pop(name))
    for name, value in values.items():
        setattr(machine.settings, name, value)
    machine.staff_behaviour.plan_anew(machine.world.clock.timestamp())
    return read_settings(machine, Nothing())


def read_settings(machine: Machine, body: Nothing) -> Any:
    made = {field.name: getattr(machine.settings, field.name) for field in fields(machine.settings)}
    return made | {name: getattr(machine.tokens, attribute) for name, attribute in _TOKEN_SETTINGS.items()}


_TOKEN_SETTINGS = {
    "token_life_seconds": "life_seconds",
    "flat_expires_in": "flat_expires_in",
    "wrong_secrets_allowed": "wrong_secrets_allowed",
}


# -- clock and calls


def read_clock(machine: Machine, body: Nothing) -> Any:
    clock = machine.world.clock
    return {
        "now": clock.now().isoformat(),
        "timestamp": clock.timestamp(),
        "offset_seconds": clock.offset.total_seconds(),
    }


def move_clock(machine: Machine, body: MoveClock) -> Any:
    clock = machine.world.clock
    if (body.advance_seconds is None) == (body.at is None):
        raise WorldError("Give either advance_seconds or at.")
    if body.advance_seconds is not None:
        clock.advance(timedelta(seconds=body.advance_seconds))
    elif body.at is not None:
        at = body.at if body.at.tzinfo else body.at.replace(tzinfo=UTC)
        clock.advance(at - clock.now())
    machine.world.keep_clock()
    machine.settle()
    machine.world.changes.note("clock.moved", now=clock.timestamp())
    return read_clock(machine, Nothing())


def list_calls(machine: Machine, body: Since) -> Any:
    calls = machine.calls
    counts = [
        {"path": path, "errcode": errcode, "calls": count} for (path, errcode), count in sorted(calls.counts.items())
    ]
    found = calls.since(body.since, body.path, body.limit)
    return {"calls": [asdict(record) for record in found], "last": calls.seq, "counts": counts}


def reset(machine: Machine, body: Nothing) -> Any:
    machine.reset()
    return {}


ROUTES = (
    Route("GET", "/apps", Nothing, list_apps),
    Route("POST", "/apps", ChangeApp, change_app),
    Route("POST", "/callbacks/verify", OneApp, verify),
    Route("POST", "/callbacks/raw", Raw, send_raw),
    Route("GET", "/callbacks", Since, list_deliveries),
    Route("POST", "/callbacks/settings", ChangeCallbackSettings, change_callback_settings),
    Route("POST", "/callbacks/wait", Wait, wait_for_callbacks),
    Route("GET", "/faults", Nothing, list_faults),
    Route("POST", "/faults", NewFault, add_fault),
    Route("DELETE", "/faults", Nothing, clear_faults),
    Route("DELETE", "/faults/{id}", OneFault, clear_fault),
    Route("GET", "/limits", Nothing, read_limits),
    Route("POST", "/limits", ChangeLimits, change_limits),
    Route("POST", "/tokens/end", EndTokens, end_tokens),
    Route("GET", "/settings", Nothing, read_settings),
    Route("POST", "/settings", ChangeSettings, change_settings),
    Route("GET", "/clock", Nothing, read_clock),
    Route("POST", "/clock", MoveClock, move_clock),
    Route("GET", "/calls", Since, list_calls),
    Route("POST", "/reset", Nothing, reset),
)
