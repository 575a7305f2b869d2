"""Group-sends to customers and groups (WeCom docs 92135, 93338): tasks that members confirm on their phones."""

from __future__ import annotations

from typing import Any

from bot.sandbox.attachments import read_messages
from bot.sandbox.calls import Answer, Call, Endpoint, Params
from bot.sandbox.cursors import read_place, write_place
from bot.sandbox.errors import ApiError
from bot.sandbox.group_send_choice import Choice, choose_groups, choose_named, choose_tagged
from bot.sandbox.group_sends import NOT_SENT, SENT, ChatType, GroupSend
from bot.sandbox.records import Member

MAX_CUSTOMERS = 10_000
MAX_GROUPS = 2000
MAX_TAGS = 100
MAX_REMINDERS = 3
REMINDER_SECONDS = 86_400
#: The longest span of a list.
MAX_SPAN_SECONDS = 31 * 86_400
_CHAT_TYPES: dict[str, ChatType] = {"single": "single", "group": "group"}


async def add_msg_template(call: Call) -> Answer:
    """Makes tasks and sends nothing."""
    params = call.params
    chat_type = _chat_type(params.text("chat_type") or "single")
    content = read_messages(call, empty=40063)
    choice = await _choose_customers(call) if chat_type == "single" else _choose_groups(call)
    if not choice.recipients:
        raise ApiError(40096 if choice.failed and choice.unknown == len(choice.failed) else 41048)
    send = call.world.group_sends.create(
        chat_type,
        content,
        choice.recipients,
        now=call.now,
        agentid=call.app.agentid,
        allow_select=chat_type == "single" and params.flag("allow_select", False),
    )
    call.machine.staff_behaviour.plan(send)
    call.world.changes.note("group_send.created", msgid=send.msgid, tasks=len(choice.recipients))
    return {"fail_list": choice.failed, "msgid": send.msgid}


async def _choose_customers(call: Call) -> Choice:
    params = call.params
    named = params.texts("external_userid")
    wanted = _tag_filter(call)
    if not named and not wanted and not params.text("sender"):
        raise ApiError(41035 if params.has("external_userid") else 40063)
    sender = _sender(call)
    if len(named) > MAX_CUSTOMERS:
        raise ApiError(40058, f"external_userid exceed max size {MAX_CUSTOMERS}. invalid Request Parameter")
    if named:
        return await choose_named(call, named, sender)
    return await choose_tagged(call, wanted, sender)


def _choose_groups(call: Call) -> Choice:
    params = call.params
    if params.has("sender") and not params.text("sender"):
        raise ApiError(40058, "field sender unexpected empty string. invalid Request Parameter")
    named = params.texts("chat_id_list")
    if len(named) > MAX_GROUPS:
        raise ApiError(40058, f"chat_id_list exceed max size {MAX_GROUPS}. invalid Request Parameter")
    sender = _sender(call)
    if sender is None and not named:
        raise ApiError(40063)
    return choose_groups(call, named, sender)


def _sender(call: Call) -> Member | None:
    if not call.params.text("sender"):
        return None
    sender = call.member("sender")
    if not call.serves(sender):
        raise ApiError(84061)
    return sender


def _tag_filter(call: Call) -> list[set[str]]:
    """One set for each of group_list: a customer needs one tag of every set."""
    wanted: list[set[str]] = []
    for group in call.params.object("tag_filter").objects("group_list"):
        tag_ids = group.texts("tag_list")
        if len(tag_ids) > MAX_TAGS:
            raise ApiError(40058, f"tag_list exceed max size {MAX_TAGS}. invalid Request Parameter")
        if any(call.world.tags.find(tag_id) is None for tag_id in tag_ids):
            raise ApiError(40068)
        if tag_ids:
            wanted.append(set(tag_ids))
    return wanted


async def list_group_sends(call: Call) -> Answer:
    """A group-send that is still being handed out is not listed yet."""
    params, sends = call.params, call.world.group_sends
    if not params.text("chat_type"):
        raise ApiError(40058, "missing field chat_type")
    chat_type = _chat_type(params.text("chat_type"))
    start, end = params.optional_number("start_time"), params.optional_number("end_time")
    if start is None or end is None or not 0 <= end - start <= MAX_SPAN_SECONDS:
        raise ApiError(40058, "start_time or end_time invalid")
    filter_type, creator = params.number("filter_type", 2), params.text("creator")
    if filter_type not in (0, 1, 2):
        raise ApiError(40058, "filter_type invalid")
    limit = _limit(params, 50, 100)
    found: list[GroupSend] = []
    cursor = ""
    for place, send in sends.since(read_place(params.text("cursor"))):
        if (
            send.chat_type != chat_type
            or not start <= int(send.created_at) <= end
            or (filter_type == 0 and send.creator)
            or (filter_type == 1 and not send.creator)
            or (creator and send.creator.lower() != creator.lower())
            or not _settled(call, send)
        ):
            continue
        if len(found) == limit:
            cursor = write_place(place)
            break
        found.append(send)
    return {"next_cursor": cursor, "group_msg_list": [_send_json(send) for send in found]}


async def list_tasks(call: Call) -> Answer:
    send = _find(call)
    if send.cancelled_at is not None:
        raise ApiError(41093)
    _wait_until_settled(call, send)
    tasks = list(call.world.group_sends.tasks(send.msgid).values())
    start, limit = read_place(call.params.text("cursor")), _limit(call.params, 500, 1000)
    page = tasks[start : start + limit]
    return {
        "next_cursor": write_place(start + limit) if start + limit < len(tasks) else "",
        "task_list": [
            {"userid": task.userid, "status": 2, "send_time": task.send_time}
            if task.send_time
            else {"userid": task.userid, "status": 0}
            for task in page
        ],
    }


async def list_results(call: Call) -> Answer:
    """Of groups only those are told that the member has dealt with; of customers all."""
    send = _find(call)
    if not call.params.text("userid"):
        raise ApiError(40063)
    member = call.world.directory.find(call.params.text("userid"))
    if member is None:
        raise ApiError(40003)
    _wait_until_settled(call, send)
    task = call.world.group_sends.tasks(send.msgid).get(member.userid)
    start, limit = read_place(call.params.text("cursor")), _limit(call.params, 500, 1000)
    if task is None or (send.chat_type == "group" and not task.send_time):
        return {"next_cursor": "", "send_list": []}
    rows: list[dict[str, Any]] = []
    name = "external_userid" if send.chat_type == "single" else "chat_id"
    for id_, result in task.slice(start, start + limit):
        if send.chat_type == "group" and result == NOT_SENT:
            continue
        row: dict[str, Any] = {name: id_, "userid": task.userid, "status": int(result)}
        if result == SENT:
            row["send_time"] = task.send_time
        rows.append(row)
    return {"next_cursor": write_place(start + limit) if start + limit < len(task) else "", "send_list": rows}


async def remind(call: Call) -> Answer:
    send = _find(call)
    if send.cancelled_at is not None:
        raise ApiError(41093)
    if sum(1 for at in send.reminded_at if 0 <= call.now - at < REMINDER_SECONDS) >= MAX_REMINDERS:
        raise ApiError(41094)
    send.reminded_at.append(call.now)
    call.world.group_sends.put(send)
    call.machine.staff_behaviour.plan(send)
    call.world.changes.note("group_send.reminded", msgid=send.msgid)
    return {}


async def cancel(call: Call) -> Answer:
    """What members have not confirmed yet is never sent; what is sent stays sent."""
    send = _find(call)
    if send.cancelled_at is not None:
        raise ApiError(41093)
    send.cancelled_at = call.now
    call.world.group_sends.put(send)
    call.world.changes.note("group_send.cancelled", msgid=send.msgid)
    return {}


def _find(call: Call) -> GroupSend:
    msgid = call.params.text("msgid")
    if not msgid:
        raise ApiError(41046)
    send = call.world.group_sends.find(msgid)
    if send is None:
        raise ApiError(41047)
    return send


def _settled(call: Call, send: GroupSend) -> bool:
    return send.settled(call.now, call.machine.settings.group_send_settle_seconds)


def _wait_until_settled(call: Call, send: GroupSend) -> None:
    if not _settled(call, send):
        raise ApiError(41063)


def _chat_type(text: str) -> ChatType:
    chat_type = _CHAT_TYPES.get(text)
    if chat_type is None:
        raise ApiError(40058, "chat_type invalid")
    return chat_type


def _limit(params: Params, default: int, most: int) -> int:
    """A limit out of bounds falls back to the default."""
    limit = params.number("limit", default)
    return limit if 1 <= limit <= most else default


def _send_json(send: GroupSend) -> dict[str, Any]:
    texts = [content for msgtype, content in send.content if msgtype == "text"]
    made: dict[str, Any] = {"msgid": send.msgid}
    if send.creator:
        made["creator"] = send.creator
    return made | {
        "create_time": str(int(send.created_at)),
        "create_type": 1 if send.creator else 0,
        "text": texts[0] if texts else {"content": ""},
        "attachments": [
            {"msgtype": msgtype, msgtype: content} for msgtype, content in send.content if msgtype != "text"
        ],
    }


def _endpoints() -> tuple[Endpoint, ...]:
    folder = "externalcontact/"

    def post(path: str, handler: Any, **empty: list[Any]) -> Endpoint:
        return Endpoint(folder + path, "POST", handler, empty, customer_contact=True)

    return (
        post("add_msg_template", add_msg_template, fail_list=[]),
        post("get_groupmsg_list_v2", list_group_sends, group_msg_list=[]),
        post("get_groupmsg_task", list_tasks, task_list=[]),
        post("get_groupmsg_send_result", list_results, send_list=[]),
        post("remind_groupmsg_send", remind),
        post("cancel_groupmsg_send", cancel),
    )


ENDPOINTS = _endpoints()
