"""Moments posts beside the local WeCom: made, published, reacted to, and compared with the world row by row."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlmodel import Session, col, select

from bot import campaigns
from bot.sandbox.faults import Fault
from bot.sandbox.machine import Machine
from bot.sandbox.world import World
from data.models import Batch, Follow, MomentReaction, Publisher, PublisherState, Touch
from data.rules.campaigns import CampaignDraft
from tests.scenarios.conftest import Company

ADD = "externalcontact/add_moment_task"
JOB = "externalcontact/get_moment_task_result"
LIST = "externalcontact/get_moment_list"


def post(**more: Any) -> dict[str, Any]:
    """A post, as a part of a campaign."""
    return {"kind": "moments", "content": {"text": "{{ campaign_name }}：新品到店"}, **more}


async def begin_posts(company: Company, *waves: dict[str, Any]) -> int:
    """A campaign of posts that was started; its number."""
    draft = CampaignDraft.model_validate({"name": "上新", "waves": waves or [post()]})
    made = await campaigns.make_campaign(company.bot.context, draft, "test")
    assert made.id is not None
    await campaigns.start_campaign(company.bot.context, made.id, None)
    return made.id


def is_made(_: Any, batches: list[Batch]) -> bool:
    """All posts are there."""
    return bool(batches) and all(each.msgid for each in batches)


def fault(company: Company, on: str, kind: str, **more: Any) -> Fault:
    """Let WeCom misbehave."""
    return company.sandbox.machine.faults.add(Fault(id=0, target="api", on=on, kind=kind, **more))


def publish(world: World, machine: Machine, *, share: int = 1) -> int:
    """Every so many-th member publishes what they have; how many posts."""
    published = 0
    for number, member in enumerate(world.population.service):
        for moment, task in list(machine.moment_acts.tasks_of(member.userid)):
            if number % share == 0 and not task.published_at and moment.cancelled_at is None:
                machine.moment_acts.publish(member.userid, moment.moment_id)
                published += 1
    return published


def react(world: World, machine: Machine) -> int:
    """Some customers like what they see, others comment, and so do members; how many customers did."""
    reactions = 0
    for moment in world.moments:
        for task in world.moments.tasks(moment.moment_id).values():
            seers = task.seers()[:3]
            if not task.published_at or task.reactions or not seers:
                continue
            for each in seers[:2]:
                machine.moment_acts.react(task.userid, moment.moment_id, each)
            machine.moment_acts.react(task.userid, moment.moment_id, seers[-1], "好看")
            machine.moment_acts.react(task.userid, moment.moment_id, "", "谢谢")
            reactions += len(seers[:2]) + 1
    return reactions


class Ledger(NamedTuple):
    """Ours: the post of each row that has one; members with how far they are; touches; reactions."""

    posts: list[str]
    members: dict[tuple[str, str], tuple[str, int]]
    touches: set[tuple[str, str, str]]
    reactions: set[tuple[str, str, str, str, int]]


def ledger_rows(session: Session) -> Ledger:
    """All that is kept of posts, under their moment_id."""
    batches = session.exec(select(Batch).where(col(Batch.kind) == "moments")).all()
    of_run = {batch.run_id: batch.msgid for batch in batches if batch.msgid}
    members = {
        (of_run[each.run_id], each.userid): (each.state, each.audience)
        for each in session.exec(select(Publisher).where(col(Publisher.state) != PublisherState.REFUSED))
        if each.run_id in of_run
    }
    touches: set[tuple[str, str, str]] = set()
    for each in session.exec(select(Touch).where(col(Touch.kind) == "moment")):
        _, run_id, follow_id = each.origin.split(":")
        assert session.get_one(Follow, int(follow_id)).userid == each.userid
        touches.add((of_run[int(run_id)], each.userid, each.external_userid))
    reactions = {
        (of_run[each.run_id], each.userid, each.external_userid, each.kind, int(each.reacted_at.timestamp()))
        for each in session.exec(select(MomentReaction))
    }
    return Ledger(sorted(of_run.values()), members, touches, reactions)


async def agree(company: Company) -> dict[str, int]:
    """Each run has exactly one post in the world, and the ledger says of it what the world says; states by number."""
    return compare(company.world, await company.read(ledger_rows))


def compare(world: World, ours: Ledger) -> dict[str, int]:
    """The same with the rows at hand."""
    posts = [moment for moment in world.moments if not moment.errcode]
    assert ours.posts == sorted(moment.moment_id for moment in posts), "a post is missing, or was made twice"
    tasks = {(task.moment_id, task.userid): task for moment in posts
             for task in world.moments.tasks(moment.moment_id).values()}  # fmt: skip
    assert ours.members.keys() == tasks.keys()
    counts: dict[str, int] = {}
    for key, (state, audience) in ours.members.items():
        counts[state] = counts.get(state, 0) + 1
        assert (state == PublisherState.PUBLISHED) == bool(tasks[key].published_at)
        assert audience == len(tasks[key].seers())
    assert ours.touches == {(*key, seer) for key, task in tasks.items() for seer in task.seers()}
    assert ours.reactions == {
        (*key, one.external_userid, "comment" if one.comment else "like", one.at)
        for key, task in tasks.items() for one in task.reactions if one.external_userid
    }  # fmt: skip
    return counts
