"""What the phone page reads of customer groups: whose they are, what was said in them, and what they greet with."""

from __future__ import annotations

from typing import Any

from bot.sandbox.control import Body, Nothing
from bot.sandbox.group_welcomes import GroupWelcome
from bot.sandbox.journal import to_dict
from bot.sandbox.machine import Machine
from bot.sandbox.phone_files import files_of
from bot.sandbox.phone_group_sends import message_json
from bot.sandbox.world import World

#: Groups of a member that are shown; nobody looks for more by hand.
OWNED_SHOWN = 100
MESSAGES_SHOWN = 100


class OfMember(Body):
    userid: str


class OneGroup(Body):
    chat_id: str


def list_owned(machine: Machine, body: OfMember) -> Any:
    """The groups that a member owns, and what each greets with."""
    world = machine.world
    member = world.directory.get(body.userid)
    owned = [group for group in world.groups if group.owner == member.userid and not group.dismissed]
    return {
        "groups": [
            {
                "chat_id": group.chat_id, "name": group.name, "members": len(group.members),
                "welcome": _welcome_json(world, world.group_welcomes.find(group.welcome_id)),
            }
            for group in owned[:OWNED_SHOWN]
        ]
    }  # fmt: skip


def read_group(machine: Machine, body: OneGroup) -> Any:
    """A customer group with what group-sends and welcomes brought into it, and what it greets with."""
    world = machine.world
    group = world.groups.get(body.chat_id)
    messages: list[dict[str, Any]] = []
    for message in machine.group_send_acts.messages_in(group.chat_id)[-MESSAGES_SHOWN:]:
        member = world.directory.find(message.userid)
        name = message.userid if member is None else member.name
        messages.append(to_dict(message) | {"name": name, "files": files_of(world, message.content)})
    welcome = _welcome_json(world, world.group_welcomes.find(group.welcome_id))
    return {"group": to_dict(group), "messages": messages, "welcome": welcome}


def list_welcomes(machine: Machine, body: Nothing) -> Any:
    """The company's group welcomes, for an owner to choose from."""
    world = machine.world
    return {"welcomes": [_welcome_json(world, welcome) for welcome in world.group_welcomes.listed()]}


def _welcome_json(world: World, welcome: GroupWelcome | None) -> dict[str, Any] | None:
    if welcome is None:
        return None
    messages = [message_json(world, part, place) for place, part in enumerate(welcome.content)]
    return {"template_id": welcome.template_id, "messages": messages}
