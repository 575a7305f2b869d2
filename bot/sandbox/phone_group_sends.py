"""What the phone page reads of group-sends: a member's tasks."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from bot.sandbox.control import Body
from bot.sandbox.control_group_sends import task_json
from bot.sandbox.group_sends import GroupSend
from bot.sandbox.machine import Machine
from bot.sandbox.phone_files import files_of
from bot.sandbox.world import World

#: Up to so many recipients can be chosen among on the page.
CHOOSABLE = 100


class TasksOf(Body):
    userid: str
    offset: int = Field(0, ge=0)
    limit: int = Field(30, gt=0, le=100)


class OneTask(Body):
    userid: str
    msgid: str


def list_tasks(machine: Machine, body: TasksOf) -> Any:
    """A member's tasks, the newest first, and how many wait."""
    world = machine.world
    member = world.directory.get(body.userid)
    tasks = list(machine.group_send_acts.tasks_of(member.userid))
    page = tasks[body.offset : body.offset + body.limit]
    return {
        "tasks": [
            task_json(send, task) | _send_json(send) | {"first": message_json(world, send.content[0], 0)}
            for send, task in page
        ],
        "waiting": sum(1 for send, task in tasks if not task.send_time and send.cancelled_at is None),
        "more": len(tasks) > body.offset + body.limit,
    }


def read_task(machine: Machine, body: OneTask) -> Any:
    """A task with its content and the first of its recipients, by name."""
    world = machine.world
    send, task = machine.group_send_acts.find_task(body.userid, body.msgid)
    choosable = (send.allow_select or send.chat_type == "group") and len(task) <= CHOOSABLE
    return (
        task_json(send, task)
        | _send_json(send)
        | {
            "messages": [message_json(world, part, place) for place, part in enumerate(send.content)],
            "choosable": choosable,
            "people": [
                {"id": id_, "name": _name(world, send, id_), "status": int(result)}
                for id_, result in task.slice(0, CHOOSABLE)
            ],
        }
    )


def _send_json(send: GroupSend) -> dict[str, Any]:
    return {
        "chat_type": send.chat_type,
        "created_at": send.created_at,
        "reminders": len(send.reminded_at),
        "own": bool(send.creator),
    }


def message_json(world: World, part: tuple[str, dict[str, Any]], place: int) -> dict[str, Any]:
    """A part of what is sent, as the page shows it before that."""
    msgtype, content = part
    return {
        "seq": place + 1, "origin": "group_send", "msgtype": msgtype, "content": content,
        "files": files_of(world, content),
    }  # fmt: skip


def _name(world: World, send: GroupSend, id_: str) -> str:
    if send.chat_type == "group":
        group = world.groups.find(id_)
        return "" if group is None else group.name
    customer = world.customers.find(id_)
    return "" if customer is None else customer.name
