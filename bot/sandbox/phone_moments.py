"""What the phone page reads of Moments: what a member is to publish, and what a customer sees."""

from __future__ import annotations

from typing import Any

from bot.sandbox.control import Body
from bot.sandbox.machine import Machine
from bot.sandbox.moments import Moment
from bot.sandbox.phone_files import files_of
from bot.sandbox.world import World

#: The newest posts; a phone scrolls back no further.
SHOWN = 30


class OfMember(Body):
    userid: str


class OfCustomer(Body):
    external_userid: str


def list_posts(machine: Machine, body: OfMember) -> Any:
    """A member's posts, the newest first, and how many are to be published."""
    world = machine.world
    member = world.directory.get(body.userid)
    posts = [
        {
            "moment_id": moment.moment_id,
            "state": "sent" if task.published_at else "waiting" if moment.cancelled_at is None else "cancelled",
            "created_at": moment.created_at,
            "seen_by": len(task.seers()),
            "likes": sum(1 for one in task.reactions if not one.comment),
            "comments": sum(1 for one in task.reactions if one.comment),
            "messages": _messages(world, moment),
        }
        for moment, task in machine.moment_acts.tasks_of(member.userid)
    ]
    return {"posts": posts[:SHOWN], "waiting": sum(1 for post in posts if post["state"] == "waiting")}


def read_feed(machine: Machine, body: OfCustomer) -> Any:
    """What a customer sees, with who likes it and what is said."""
    world = machine.world
    customer = world.customers.get(body.external_userid)
    posts: list[dict[str, Any]] = []
    for moment, task in machine.moment_acts.feed(customer.external_userid)[:SHOWN]:
        member = world.directory.get(task.userid)
        names = [
            (member.name if not one.external_userid else world.customers.get(one.external_userid).name, one)
            for one in task.reactions
        ]
        posts.append(
            {
                "moment_id": moment.moment_id,
                "userid": task.userid,
                "staff": member.name,
                "published_at": task.published_at,
                "messages": _messages(world, moment),
                "liked": any(
                    one.external_userid == customer.external_userid and not one.comment for one in task.reactions
                ),
                "likes": [name for name, one in names if not one.comment],
                "comments": [{"name": name, "comment": one.comment} for name, one in names if one.comment],
            }
        )
    return {"company": world.company.name, "posts": posts}


def _messages(world: World, moment: Moment) -> list[dict[str, Any]]:
    return [
        {"msgtype": msgtype, "content": content, "files": _files(world, msgtype, content)}
        for msgtype, content in moment.content
    ]


def _files(world: World, msgtype: str, content: dict[str, Any]) -> dict[str, Any]:
    found = files_of(world, content)
    # the picture of a link is its cover
    return {"picurl": found["media_id"]} if msgtype == "link" and "media_id" in found else found
