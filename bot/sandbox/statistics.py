"""What WeCom counts of a day: chats of members, and messages in groups.

What people were made to do here is counted as it was: contacts, deletions, and what was written on the phone page. The
customers whom the sample company has from the beginning never write, and groups hold no messages; for those there are
figures as a company may have them, the same for the same seed, member or group, and day.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from bot.sandbox.calls import Params
from bot.sandbox.errors import ApiError
from bot.sandbox.records import Group, Message
from bot.sandbox.world import CHINA_SECONDS, World

DAY = 86_400
SPAN_DAYS, BACK_DAYS = 31, 181
#: Saturdays and Sundays, by the days since the first of January 1970, which was a Thursday.
WEEKEND = (2, 3)


def midnight_of(at: float) -> int:
    """The last midnight in China."""
    return int(at) - (int(at) + CHINA_SECONDS) % DAY


def read_days(params: Params, first: str, last: str, now: float, *, needs_last: bool) -> range:
    """The midnights of the days that two parameters name, both of them among these.

    Raises ApiError 600018: not from 180 days ago to yesterday, or more than 30 days apart.
    """
    begin = params.optional_number(first)
    end = params.optional_number(last) if needs_last else params.number(last, begin or 0)
    if begin is None or end is None:
        raise ApiError(600018)
    begin, end, today = midnight_of(begin), midnight_of(end) + DAY, midnight_of(now)
    if begin >= end or end - begin > SPAN_DAYS * DAY or end > today or begin < today - BACK_DAYS * DAY:
        raise ApiError(600018, "invalid start endtime")
    return range(begin, end, DAY)


@dataclass(slots=True)
class Counted:
    """What is counted of members on a day. `asked`: chats that a customer began; `minutes` until the first answers of
    those `replied`, together."""

    chats: int = 0
    messages: int = 0
    asked: int = 0
    replied: int = 0
    minutes: float = 0.0
    deletions: int = 0
    applies: int = 0
    contacts: int = 0

    def to_json(self, day: int) -> dict[str, Any]:
        """As WeCom answers: rate and time are missing where no customer began a chat."""
        made: dict[str, Any] = {
            "stat_time": day,
            "chat_cnt": self.chats,
            "message_cnt": self.messages,
            "negative_feedback_cnt": self.deletions,
            "new_apply_cnt": self.applies,
            "new_contact_cnt": self.contacts,
        }
        if self.asked:
            made["reply_percentage"] = round(100 * self.replied / self.asked, 2)
        if self.replied:
            made["avg_reply_time"] = round(self.minutes / self.replied)
        return made


def count_days(world: World, userids: Iterable[str], days: range) -> list[Counted]:
    """What is counted of these members together, day by day."""
    found = [Counted() for _ in days]
    for userid in userids:
        for day, counted in zip(days, found, strict=True):
            _add_usual(world, userid, day, counted)
        _add_contacts(world, userid, days, found)
        _add_chats(world.chats.talks_of(userid), days, found)
    return found


def _add_usual(world: World, userid: str, day: int, counted: Counted) -> None:
    """What the customers from the beginning are taken to have said."""
    customers = world.population.rows(userid)
    rng = random.Random(f"{world.seed}:{userid}:{day}")
    share = 2 if (day + CHINA_SECONDS) // DAY % 7 in WEEKEND else 1
    chats = rng.randint(customers // 50, customers // 20 + 3) // share if customers else 0
    asked = round(chats * rng.uniform(0.5, 0.9))
    replied = round(asked * rng.uniform(0.8, 1.0))
    counted.chats += chats
    counted.messages += chats * rng.randint(2, 6)
    counted.asked += asked
    counted.replied += replied
    counted.minutes += replied * rng.uniform(2, 40)
    counted.applies += rng.randint(0, 2) if customers else 0


def _add_contacts(world: World, userid: str, days: range, found: list[Counted]) -> None:
    for at in world.customers.begun_of(userid):
        if days.start <= at < days.stop:
            found[(at - days.start) // DAY].contacts += 1
    for at in world.customers.deletions_of(userid):
        if days.start <= at < days.stop:
            found[(at - days.start) // DAY].deletions += 1


def _add_chats(talks: Iterable[Message], days: range, found: list[Counted]) -> None:
    def place(message: Message) -> tuple[int, str]:
        return int(message.at - days.start) // DAY, message.external_userid

    within = [each for each in talks if days.start <= each.at < days.stop]
    within.sort(key=lambda each: (*place(each), each.seq))
    for (number, _), messages in groupby(within, key=place):
        _add_chat(list(messages), found[number])


def _add_chat(messages: list[Message], counted: Counted) -> None:
    written = [each.at for each in messages if each.sender == "staff"]
    counted.chats += bool(written)
    counted.messages += len(written)
    if messages[0].sender == "customer":
        counted.asked += 1
        if written:
            counted.replied += 1
            counted.minutes += (written[0] - messages[0].at) / 60


def group_messages(world: World, groups: Iterable[Group], days: range) -> dict[str, int]:
    """What groups are taken to have said: groups in which somebody wrote, members who did, messages."""
    active = members = messages = 0
    for group in groups:
        said = [_said(world, group, day) for day in days if group.create_time < day + DAY]
        active += any(said)
        messages += sum(said)
        members += min(len(group.members), max(said, default=0))
    return {"chat_has_msg": active, "member_has_msg": members, "msg_total": messages}


def _said(world: World, group: Group, day: int) -> int:
    return max(0, random.Random(f"{world.seed}:{group.chat_id}:{day}").randint(-3, 2 * len(group.members)))
