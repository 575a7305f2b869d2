"""Control routes that play Moments: members publish, customers see, like and comment."""

from __future__ import annotations

from typing import Any

from bot.sandbox.control import Body, Nothing, Route
from bot.sandbox.errors import WorldError
from bot.sandbox.journal import to_dict
from bot.sandbox.machine import Machine
from bot.sandbox.moments import Moment, MomentTask


class OfCustomer(Body):
    external_userid: str


class Publish(Body):
    userid: str
    moment_id: str


class React(Body):
    """Without `external_userid` the member reacts; without `comment` it is a like."""

    userid: str
    moment_id: str
    external_userid: str = ""
    comment: str = ""


def list_moments(machine: Machine, body: Nothing) -> Any:
    """Every post with the task of each member, also those whose job has not ended."""
    moments = machine.world.moments
    return {
        "moments": [
            to_dict(moment) | {"tasks": [_task_json(task) for task in moments.tasks(moment.moment_id).values()]}
            for moment in moments
        ]
    }


def read_feed(machine: Machine, body: OfCustomer) -> Any:
    """What the customer sees in Moments, the newest first."""
    customer = machine.world.customers.get(body.external_userid)
    found = machine.moment_acts.feed(customer.external_userid)
    return {"posts": [_post_json(moment, task) for moment, task in found]}


def publish(machine: Machine, body: Publish) -> Any:
    return _task_json(machine.moment_acts.publish(body.userid, body.moment_id))


def react(machine: Machine, body: React) -> Any:
    if len(body.comment) > 1000:
        raise WorldError("A comment has at most 1,000 characters.")
    return _task_json(machine.moment_acts.react(**body.model_dump()))


def _task_json(task: MomentTask) -> dict[str, Any]:
    return {
        "userid": task.userid,
        "published_at": task.published_at,
        "audience": len(task.seers()),
        "likes": sum(1 for one in task.reactions if not one.comment),
        "comments": sum(1 for one in task.reactions if one.comment),
    }


def _post_json(moment: Moment, task: MomentTask) -> dict[str, Any]:
    reactions = [to_dict(one) for one in task.reactions]
    return _task_json(task) | {"moment_id": moment.moment_id, "content": moment.content, "reactions": reactions}


ROUTES = (
    Route("GET", "/moments", Nothing, list_moments),
    Route("GET", "/customers/{external_userid}/moments", OfCustomer, read_feed),
    Route("POST", "/staff/publish_moment", Publish, publish),
    Route("POST", "/moments/react", React, react),
)
