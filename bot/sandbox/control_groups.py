"""Control routes that play customer groups."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from bot.sandbox.control import Body, Route
from bot.sandbox.journal import to_dict
from bot.sandbox.machine import Machine


class CreateGroup(Body):
    owner: str
    name: str
    people: list[str] = Field(default_factory=list)


class Join(Body):
    chat_id: str
    people: list[str] = Field(default_factory=list)
    scene: int = 3
    invitor: str = ""
    config_id: str = ""
    name: str = ""


class Leave(Body):
    chat_id: str
    people: list[str]
    kicked: bool = False


class ChangeGroup(Body):
    chat_id: str
    name: str | None = None
    notice: str | None = None
    owner: str | None = None


class OneGroup(Body):
    chat_id: str


def create(machine: Machine, body: CreateGroup) -> Any:
    return to_dict(machine.group_acts.create(body.owner, body.name, body.people))


def join(machine: Machine, body: Join) -> Any:
    values = body.model_dump()
    return to_dict(machine.group_acts.join(values.pop("chat_id"), values.pop("people"), **values))


def leave(machine: Machine, body: Leave) -> Any:
    return to_dict(machine.group_acts.leave(body.chat_id, body.people, kicked=body.kicked))


def change(machine: Machine, body: ChangeGroup) -> Any:
    values = body.model_dump()
    return to_dict(machine.group_acts.change(values.pop("chat_id"), **values))


def dismiss(machine: Machine, body: OneGroup) -> Any:
    return to_dict(machine.group_acts.dismiss(body.chat_id))


ROUTES = (
    Route("POST", "/groups/create", CreateGroup, create),
    Route("POST", "/groups/join", Join, join),
    Route("POST", "/groups/leave", Leave, leave),
    Route("POST", "/groups/change", ChangeGroup, change),
    Route("POST", "/groups/dismiss", OneGroup, dismiss),
)
