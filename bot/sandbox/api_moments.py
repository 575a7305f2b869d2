"""Moments (客户朋友圈, WeCom docs 93333, 93443, 95094): a job makes a post, members publish it on their phones."""

from __future__ import annotations

from typing import Any

from bot.sandbox.attachments import limit_bytes, require
from bot.sandbox.calls import Answer, Call, Endpoint, Params
from bot.sandbox.cursors import read_place, write_place
from bot.sandbox.errors import TEXTS, ApiError
from bot.sandbox.moments import Moment, MomentTask

MAX_TEXT, MAX_TEXT_BYTES = 2000, 4000
MAX_IMAGES = 9
MAX_USERS = 100_000
MAX_SPAN_SECONDS = 30 * 86_400
JOB_LIFE_SECONDS = 86_400
#: More jobs than this at a time answer 41078.
MAX_JOBS = 10
MAX_PER_MONTH = 100_000


async def add_moment_task(call: Call) -> Answer:
    """Begins a job; nothing is published before members do so."""
    world, params = call.world, call.params
    content = _read_content(call)
    if sum(1 for moment in world.moments if moment.ready_at > call.now) >= MAX_JOBS:
        raise ApiError(41078)
    if sum(1 for moment in world.moments if moment.created_at > call.now - 30 * 86_400) >= MAX_PER_MONTH:
        raise ApiError(41210)
    visible = params.object("visible_range")
    tag_list = visible.object("external_contact_list").texts("tag_list")
    tags = [tag_id for tag_id in tag_list if world.tags.find(tag_id) is not None]
    userids, wrong_users, wrong_departments = _senders(call, visible.object("sender_list"))
    if tags:
        userids = [userid for userid in userids if next(world.customers.tagged(userid, [set(tags)]), None)]
    ready_at = call.now + call.machine.settings.moment_job_seconds
    moment = world.moments.create(
        content, userids, now=call.now, ready_at=ready_at, agentid=call.app.agentid, tag_ids=tags
    )
    moment.invalid_users, moment.invalid_departments = wrong_users, wrong_departments
    moment.invalid_tags = [tag_id for tag_id in tag_list if tag_id not in tags]
    moment.errcode = 40068 if tag_list and not tags else 40003 if not userids else 0
    world.moments.put(moment)
    call.machine.staff_behaviour.plan_post(moment)
    world.changes.note("moment.created", moment_id=moment.moment_id, tasks=len(userids))
    return {"jobid": moment.jobid}


def _read_content(call: Call) -> list[tuple[str, dict[str, Any]]]:
    params = call.params
    content: list[tuple[str, dict[str, Any]]] = []
    text = params.object("text").text("content")
    if len(text) > MAX_TEXT or len(text.encode("utf-8", "replace")) > MAX_TEXT_BYTES:
        raise ApiError(40058, "invalid text size")
    if text:
        content.append(("text", {"content": text}))
    attachments = params.objects("attachments")
    kinds = [attachment.text("msgtype") for attachment in attachments]
    if any(kind not in ("image", "video", "link") for kind in kinds) or len(set(kinds)) > 1:
        raise ApiError(41065, "invalid attachments msgtype")
    if len(kinds) > (MAX_IMAGES if "image" in kinds else 1):
        raise ApiError(41064, "invalid attachments size")
    for kind, attachment in zip(kinds, attachments, strict=True):
        body = attachment.object(kind)
        require(f"{kind}.media_id", body.text("media_id"))
        type_ = "video" if kind == "video" else "image"
        call.world.media.usable(body.text("media_id"), call.now, "moments", types=(type_,))
        made = {"media_id": body.text("media_id")}
        if kind == "link":
            require("link.url", body.text("url"))
            limit_bytes("link.title", body.text("title"), 128)
            limit_bytes("link.url", body.text("url"), 2048)
            made |= {"title": body.text("title"), "url": body.text("url")}
        content.append((kind, made))
    if not content:
        raise ApiError(41089)
    return content


def _senders(call: Call, sender_list: Params) -> tuple[list[str], list[str], list[int]]:
    """(members, unknown members, unknown departments); without a list everybody in range who serves customers."""
    directory = call.world.directory
    named, parties = sender_list.texts("user_list"), sender_list.numbers("department_list")
    if len(named) > MAX_USERS:
        raise ApiError(40032)
    if not named and not parties:
        return [member.userid for member in directory if call.serves(member)], [], []
    known = {userid: member for userid in named if (member := directory.find(userid)) and call.serves(member)}
    departments = {
        department.id for party in parties if party in directory.departments for department in directory.below(party)
    }
    inside = [
        member.userid for member in directory if departments.intersection(member.department) and call.serves(member)
    ]
    userids = list(dict.fromkeys([member.userid for member in known.values()] + inside))
    return (
        userids,
        [userid for userid in named if userid not in known],
        [party for party in parties if party not in directory.departments],
    )


async def read_job(call: Call) -> Answer:
    jobid = call.params.text("jobid")
    moment = call.world.moments.job(jobid)
    if moment is None or call.now - moment.created_at >= JOB_LIFE_SECONDS:
        raise ApiError(40058, "invalid jobid")
    if call.now < moment.ready_at:
        begun = moment.created_at + (moment.ready_at - moment.created_at) / 2
        return {"status": 1 if call.now < begun else 2, "type": "add_moment_task"}
    result: dict[str, Any] = {
        "errcode": moment.errcode,
        "errmsg": TEXTS[moment.errcode] if moment.errcode else "ok",
        "invalid_sender_list": {"user_list": moment.invalid_users, "department_list": moment.invalid_departments},
        "invalid_external_contact_list": {"tag_list": moment.invalid_tags},
    }
    if not moment.errcode:
        result["moment_id"] = moment.moment_id
    return {"status": 3, "type": "add_moment_task", "result": result}


async def cancel(call: Call) -> Answer:
    """What members have not published yet never is."""
    moment = _find(call)
    if moment.cancelled_at is None:
        moment.cancelled_at = call.now
        call.world.moments.put(moment)
        call.world.changes.note("moment.cancelled", moment_id=moment.moment_id)
    return {}


async def list_moments(call: Call) -> Answer:
    params = call.params
    start, end = params.optional_number("start_time"), params.optional_number("end_time")
    if start is None or end is None or not 0 <= end - start <= MAX_SPAN_SECONDS:
        raise ApiError(40058, "start_time or end_time invalid")
    filter_type = params.number("filter_type", 2)
    if filter_type not in (0, 1, 2):
        raise ApiError(40058, "filter_type invalid")
    limit = _limit(params, 20, 20)
    found: list[Moment] = []
    cursor = ""
    # every post here is the company's: a creator, or filter_type 1, finds none
    ours = filter_type != 1 and not params.text("creator")
    for place, moment in call.world.moments.since(read_place(params.text("cursor"))):
        if not ours or moment.errcode or call.now < moment.ready_at or not start < int(moment.created_at) < end:
            continue
        if len(found) == limit:
            cursor = write_place(place)
            break
        found.append(moment)
    return {"next_cursor": cursor, "moment_list": [_moment_json(moment) for moment in found]}


async def list_tasks(call: Call) -> Answer:
    moment = _find(call)
    rows = [
        {"userid": task.userid, "publish_status": int(task.published_at > 0)}
        for task in call.world.moments.tasks(moment.moment_id).values()
    ]
    return _page(call, "task_list", rows, 500, 1000)


async def list_customers(call: Call) -> Answer:
    """For whom a member's post is meant."""
    moment, task = _task(call)
    seers = task.seers() if task.published_at else list(call.machine.moment_acts.audience(moment, task.userid))
    rows = [{"userid": task.userid, "external_userid": external_userid} for external_userid in seers]
    return _page(call, "customer_list", rows, 500, 1000)


async def list_sent(call: Call) -> Answer:
    """Who can see what a member has published."""
    _, task = _task(call, published=True)
    rows = [{"external_userid": external_userid} for external_userid in task.seers()]
    return _page(call, "customer_list", rows, 3000, 5000)


async def list_reactions(call: Call) -> Answer:
    _, task = _task(call, published=True)
    comments: list[dict[str, Any]] = []
    likes: list[dict[str, Any]] = []
    for one in task.reactions:
        who = {"external_userid": one.external_userid} if one.external_userid else {"userid": task.userid}
        (comments if one.comment else likes).append({**who, "create_time": one.at})
    return {"comment_list": comments, "like_list": likes}


def _find(call: Call) -> Moment:
    moment_id = call.params.text("moment_id")
    if not moment_id:
        raise ApiError(41059)
    moment = call.world.moments.find(moment_id, call.now)
    if moment is None:
        raise ApiError(41060)
    return moment


def _task(call: Call, *, published: bool = False) -> tuple[Moment, MomentTask]:
    moment = _find(call)
    member = call.world.directory.find(call.params.text("userid"))
    if member is None:
        raise ApiError(40003)
    task = call.world.moments.tasks(moment.moment_id).get(member.userid)
    if task is None:
        raise ApiError(41061)
    if published and not task.published_at:
        raise ApiError(41062)
    return moment, task


def _page(call: Call, name: str, rows: list[dict[str, Any]], default: int, most: int) -> Answer:
    start, limit = read_place(call.params.text("cursor")), _limit(call.params, default, most)
    return {
        "next_cursor": write_place(start + limit) if start + limit < len(rows) else "",
        name: rows[start : start + limit],
    }


def _limit(params: Params, default: int, most: int) -> int:
    limit = params.number("limit", default)
    return limit if 1 <= limit <= most else default


def _moment_json(moment: Moment) -> dict[str, Any]:
    made: dict[str, Any] = {
        "moment_id": moment.moment_id,
        "create_time": int(moment.created_at),
        "create_type": 0,
        "visible_type": 0 if moment.tag_ids else 1,
    }
    for msgtype, content in moment.content:
        if msgtype == "text":
            made["text"] = content
        elif msgtype == "image":
            made.setdefault("image", []).append(content)
        elif msgtype == "video":
            made["video"] = content | {"thumb_media_id": content["media_id"]}
        else:
            made["link"] = {"title": content["title"], "url": content["url"]}
    return made


def _endpoints() -> tuple[Endpoint, ...]:
    folder = "externalcontact/"

    def post(path: str, handler: Any, **empty: list[Any]) -> Endpoint:
        return Endpoint(folder + path, "POST", handler, empty, customer_contact=True)

    return (
        post("add_moment_task", add_moment_task),
        Endpoint(folder + "get_moment_task_result", "GET", read_job, customer_contact=True),
        post("cancel_moment_task", cancel),
        post("get_moment_list", list_moments, moment_list=[]),
        post("get_moment_task", list_tasks, task_list=[]),
        post("get_moment_customer_list", list_customers, customer_list=[]),
        post("get_moment_send_result", list_sent, customer_list=[]),
        post("get_moment_comments", list_reactions, comment_list=[], like_list=[]),
    )


ENDPOINTS = _endpoints()
