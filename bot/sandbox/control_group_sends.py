"""Control routes that play members who see, confirm and make group-sends."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from bot.sandbox.control import Body, Nothing, Route
from bot.sandbox.errors import NotFoundError
from bot.sandbox.group_sends import AT_CAP, NO_FRIEND, NOT_SENT, SENT, GroupSend, SendTask
from bot.sandbox.journal import to_dict
from bot.sandbox.machine import Machine


class OneSend(Body):
    msgid: str


class OfMember(Body):
    """The newest `limit` tasks, or only those that wait for the member."""

    userid: str
    waiting: bool = False
    limit: int = Field(100, gt=0, le=1000)


class OneTask(Body):
    userid: str
    msgid: str
    offset: int = Field(0, ge=0)
    limit: int = Field(1000, gt=0, le=10_000)


class ConfirmTask(Body):
    """`only`: the recipients (external_userids or chat_ids) who are to receive it; none: all."""

    userid: str
    msgid: str
    only: list[str] | None = None


class SendOwn(Body):
    """`ids`: external_userids, or chat_ids with `to_groups`; none: all of the member's."""

    userid: str
    text: str
    ids: list[str] | None = None
    to_groups: bool = False


class OneGroup(Body):
    chat_id: str


def list_sends(machine: Machine, body: Nothing) -> Any:
    sends = machine.world.group_sends
    return {
        "group_sends": [
            to_dict(send) | {"tasks": len(tasks), "recipients": sum(map(len, tasks.values()))}
            for send in sends
            for tasks in (sends.tasks(send.msgid),)
        ]
    }


def read_send(machine: Machine, body: OneSend) -> Any:
    """One group-send with all of its tasks, also while it is being handed out or after it was cancelled."""
    send = machine.world.group_sends.find(body.msgid)
    if send is None:
        raise NotFoundError(f"There is no group-send {body.msgid!r}.", "GET /sandbox/group_sends lists them.")
    tasks = machine.world.group_sends.tasks(send.msgid).values()
    return to_dict(send) | {"tasks": [task_json(send, task) for task in tasks]}


def list_tasks_of(machine: Machine, body: OfMember) -> Any:
    member = machine.world.directory.get(body.userid)
    found: list[dict[str, Any]] = []
    for send, task in machine.group_send_acts.tasks_of(member.userid, waiting=body.waiting):
        if len(found) == body.limit:
            break
        found.append(to_dict(send) | task_json(send, task))
    return {"tasks": found}


def read_task(machine: Machine, body: OneTask) -> Any:
    """One member's task with its recipients and what became of each."""
    send, task = machine.group_send_acts.find_task(body.userid, body.msgid)
    page = task.slice(body.offset, body.offset + body.limit)
    return (
        to_dict(send) | task_json(send, task) | {"page": [{"id": id_, "status": int(result)} for id_, result in page]}
    )


def confirm(machine: Machine, body: ConfirmTask) -> Any:
    task = machine.group_send_acts.confirm(body.userid, body.msgid, only=body.only)
    return task_json(machine.group_send_acts.find_task(task.userid, task.msgid)[0], task)


def send_own(machine: Machine, body: SendOwn) -> Any:
    send = machine.group_send_acts.send_own(body.userid, body.text, body.ids, to_groups=body.to_groups)
    (task,) = machine.world.group_sends.tasks(send.msgid).values()
    return task_json(send, task)


def read_group_messages(machine: Machine, body: OneGroup) -> Any:
    """What group-sends and welcomes brought into a customer group."""
    group = machine.world.groups.get(body.chat_id)
    return {"messages": [to_dict(message) for message in machine.group_send_acts.messages_in(group.chat_id)]}


def task_json(send: GroupSend, task: SendTask) -> dict[str, Any]:
    """A task in numbers; its recipients may be thousands."""
    state = "sent" if task.send_time else "cancelled" if send.cancelled_at is not None else "waiting"
    results = task.results or NOT_SENT * len(task)
    return {
        "msgid": task.msgid,
        "userid": task.userid,
        "state": state,
        "recipients": len(task),
        "send_time": task.send_time,
        "not_sent": results.count(NOT_SENT),
        "sent": results.count(SENT),
        "no_friend": results.count(NO_FRIEND),
        "at_cap": results.count(AT_CAP),
    }


ROUTES = (
    Route("GET", "/group_sends", Nothing, list_sends),
    Route("GET", "/group_sends/{msgid}", OneSend, read_send),
    Route("GET", "/staff/{userid}/group_sends", OfMember, list_tasks_of),
    Route("GET", "/staff/{userid}/group_sends/{msgid}", OneTask, read_task),
    Route("POST", "/staff/confirm_group_send", ConfirmTask, confirm),
    Route("POST", "/staff/group_send", SendOwn, send_own),
    Route("GET", "/groups/{chat_id}/messages", OneGroup, read_group_messages),
)
