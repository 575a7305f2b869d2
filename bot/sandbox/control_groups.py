"""Control routes that play customer groups."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from bot.sandbox.control import Body, Nothing, Route
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


class ChooseWelcome(Body):
    chat_id: str
    template_id: str = ""


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


def choose_welcome(machine: Machine, body: ChooseWelcome) -> Any:
    return to_dict(machine.group_acts.choose_welcome(body.chat_id, body.template_id))


def list_welcomes(machine: Machine, body: Nothing) -> Any:
    """The company's stock of group welcomes."""
    return {"group_welcomes": [to_dict(welcome) for welcome in machine.world.group_welcomes.listed()]}


ROUTES = (
    Route("GET", "/group_welcomes", Nothing, list_welcomes),
    Route("POST", "/groups/welcome", ChooseWelcome, choose_welcome),
    Route("POST", "/groups/create", CreateGroup, create),
    Route("POST", "/groups/join", Join, join),
    Route("POST", "/groups/leave", Leave, leave),
    Route("POST", "/groups/change", ChangeGroup, change),
    Route("POST", "/groups/dismiss", OneGroup, dismiss),
)
