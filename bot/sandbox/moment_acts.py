"""What members and customers do in Moments on their phones: no app ever hears of it."""

from __future__ import annotations

from collections.abc import Iterator

from bot.sandbox.errors import NotFoundError, WorldError
from bot.sandbox.moments import Moment, MomentTask, Reaction
from bot.sandbox.world import World


class MomentActs:
    """Acts on the posts of one world. Raises WorldError for what cannot be done."""

    def __init__(self, world: World) -> None:
        self.world = world

    def publish(self, userid: str, moment_id: str, at: float | None = None) -> MomentTask:
        """The member publishes a post: who is a friend of the member at that moment (and has the tags) can see it.

        `at` is when, epoch seconds; by default now.
        """
        moment, task = self.find_task(userid, moment_id)
        if task.published_at:
            raise WorldError(f"{task.userid} has published this post already.")
        if moment.cancelled_at is not None:
            raise WorldError("This post was cancelled.")
        if self.world.directory.get(task.userid).status != 1:
            raise WorldError(f"{task.userid} is not an active member.")
        customers = self.world.customers
        task.audience = "".join(
            external_userid
            for external_userid in self.audience(moment, task.userid)
            if customers.changed_friendship(task.userid, external_userid) in (None, "mutual")
        )
        task.published_at = self.world.now if at is None else int(at)
        self.world.moments.put_task(task)
        self.world.changes.note("moment.published", userid=task.userid, moment_id=moment_id)
        return task

    def react(self, userid: str, moment_id: str, external_userid: str, comment: str = "") -> MomentTask:
        """Somebody likes or comments on a published post: a customer who sees it, or ("") the member."""
        _, task = self.find_task(userid, moment_id)
        if not task.published_at:
            raise WorldError(f"{task.userid} has not published this post yet.")
        if external_userid and not task.sees(external_userid):
            raise WorldError(f"{external_userid} cannot see this post.")
        if not comment and any(one.external_userid == external_userid and not one.comment for one in task.reactions):
            raise WorldError("Liked already.")
        task.reactions.append(Reaction(external_userid, self.world.now, comment))
        self.world.moments.put_task(task)
        self.world.changes.note(
            "moment.reacted", userid=task.userid, moment_id=moment_id, external_userid=external_userid
        )
        return task

    def audience(self, moment: Moment, userid: str) -> Iterator[str]:
        """The member's customers for whom a post is meant."""
        return self.world.customers.tagged(userid, [set(moment.tag_ids)] if moment.tag_ids else [])

    def tasks_of(self, userid: str) -> Iterator[tuple[Moment, MomentTask]]:
        """A member's posts as the phone shows them, the newest first."""
        now = self.world.clock.timestamp()
        for moment in reversed(list(self.world.moments)):
            task = self.world.moments.tasks(moment.moment_id).get(userid)
            if task is not None and self.world.moments.find(moment.moment_id, now) is not None:
                yield moment, task

    def feed(self, external_userid: str) -> list[tuple[Moment, MomentTask]]:
        """What a customer sees in Moments, the newest first."""
        userids = [follow.userid for follow in self.world.customers.follows_of(external_userid)]
        found = [
            (moment, task)
            for moment in self.world.moments
            for userid in userids
            if (task := self.world.moments.tasks(moment.moment_id).get(userid)) is not None
            and task.sees(external_userid)
        ]
        return sorted(found, key=lambda pair: -pair[1].published_at)

    def find_task(self, userid: str, moment_id: str) -> tuple[Moment, MomentTask]:
        """A member's task and the post. Raises NotFoundError."""
        member = self.world.directory.get(userid)
        moment = self.world.moments.find(moment_id, self.world.clock.timestamp())
        task = self.world.moments.tasks(moment_id).get(member.userid)
        if moment is None or task is None:
            raise NotFoundError(f"{userid} has no task of post {moment_id!r}.", "GET /sandbox/moments lists them.")
        return moment, task
