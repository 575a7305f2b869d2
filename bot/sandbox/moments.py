"""Posts in Moments (客户朋友圈) that the company made, the tasks of the members who publish them, and reactions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.group_sends import ID_CHARS, place_in
from bot.sandbox.journal import Journal
from bot.sandbox.population import token_of


@dataclass(slots=True)
class Moment:
    """One post and the job that makes it. `errcode` is the job's; with an error there is no post."""

    number: int
    jobid: str
    moment_id: str
    agentid: int
    #: When the job began; the post is there when it ends.
    created_at: float
    ready_at: float
    #: (msgtype, content) each.
    content: list[tuple[str, dict[str, Any]]]
    #: Customers need one of these tags of the member; none: everybody sees the post.
    tag_ids: list[str] = field(default_factory=list)
    errcode: int = 0
    invalid_users: list[str] = field(default_factory=list)
    invalid_departments: list[int] = field(default_factory=list)
    invalid_tags: list[str] = field(default_factory=list)
    cancelled_at: float | None = None


@dataclass(slots=True)
class Reaction:
    """`comment` empty: a like. `external_userid` empty: the member's own."""

    external_userid: str
    at: int
    comment: str = ""


@dataclass(slots=True)
class MomentTask:
    """What one member is to publish. `published_at` is 0 until then; afterwards `audience` holds who can see it."""

    moment_id: str
    userid: str
    published_at: int = 0
    audience: str = ""
    reactions: list[Reaction] = field(default_factory=list)

    def sees(self, external_userid: str) -> bool:
        """Whether a customer can see the post."""
        return place_in(self.audience, external_userid) is not None

    def seers(self) -> list[str]:
        """The external_userids that can see the published post."""
        return [self.audience[at : at + ID_CHARS] for at in range(0, len(self.audience), ID_CHARS)]


class Moments:
    """Every post in the order of making, and the tasks by member."""

    def __init__(self, journal: Journal, seed: str) -> None:
        self._journal, self._seed = journal, seed
        self._all: list[Moment] = []
        self._by_id: dict[str, Moment] = {}
        self._by_job: dict[str, Moment] = {}
        self._tasks: dict[str, dict[str, MomentTask]] = {}
        for _, moment in journal.load("moment", Moment):
            self._keep(moment)
        for _, task in journal.load("moment_task", MomentTask):
            self._tasks.setdefault(task.moment_id, {})[task.userid] = task

    def __iter__(self) -> Iterator[Moment]:
        return iter(self._all)

    def since(self, place: int) -> Iterator[tuple[int, Moment]]:
        """(place, post) from a place in the order of making on."""
        for at in range(place, len(self._all)):
            yield at, self._all[at]

    def job(self, jobid: str) -> Moment | None:
        return self._by_job.get(jobid)

    def find(self, moment_id: str, now: float) -> Moment | None:
        """The post, once its job has ended well."""
        moment = self._by_id.get(moment_id)
        return None if moment is None or moment.errcode or now < moment.ready_at else moment

    def tasks(self, moment_id: str) -> Mapping[str, MomentTask]:
        """The tasks of a post by userid."""
        return self._tasks.get(moment_id, {})

    def create(
        self,
        content: Sequence[tuple[str, dict[str, Any]]],
        userids: Iterable[str],
        *,
        now: float,
        ready_at: float,
        agentid: int,
        tag_ids: Iterable[str] = (),
    ) -> Moment:
        """A new post whose job ends at `ready_at`. The caller may add what was wrong and put it again."""
        number = len(self._all) + 1
        jobid, token = token_of(self._seed, "moment_job", number), token_of(self._seed, "moment", number)
        moment = Moment(number, jobid, f"mom{token[:24]}", agentid, now, ready_at, list(content), list(tag_ids))
        self._keep(moment)
        self.put(moment)
        for userid in userids:
            self.put_task(MomentTask(moment.moment_id, userid))
        return moment

    def put(self, moment: Moment) -> None:
        """Keep a post that was changed."""
        self._journal.put("moment", moment.moment_id, moment)

    def put_task(self, task: MomentTask) -> None:
        """Keep a task that is new or was changed."""
        self._tasks.setdefault(task.moment_id, {})[task.userid] = task
        self._journal.put("moment_task", f"{task.moment_id}|{task.userid}", task)

    def _keep(self, moment: Moment) -> None:
        self._all.append(moment)
        self._by_id[moment.moment_id] = moment
        self._by_job[moment.jobid] = moment
