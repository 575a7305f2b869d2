"""Batches: when they are looked at, and which of WeCom's group-sends is one whose answer never came."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import timedelta
from typing import Any, NamedTuple, Protocol, TypeVar

#: A call begins right after its row is written and is over after this.
CALL_SECONDS = 30.0
#: WeCom's clock and ours may differ by this much.
SKEW_SECONDS = 300.0
#: A clock that was put right meanwhile may have dated a call this much too late; how much too early does not matter.
STRAY_SECONDS = 86_400.0
#: What WeCom has made shows in its list within this, with much to spare: before, nothing is taken for absent.
SETTLE_SECONDS = 600.0
#: Between the withdrawal of a task and the last look at its results.
LAST_LOOK_SECONDS = 60.0
#: So long after a member has confirmed, those of whom WeCom tells nothing may still have been sent to.
RESULTS_LAG = timedelta(hours=1)
#: So long after a call WeCom's list of it cannot be asked for in one piece any more: a person has to look.
FORGOTTEN_SECONDS = 30 * 86_400.0


#: WeCom's refusals that are about the member who is to send: outside the app's visible range, not activated, without
#: customer contact or a licence.
_OF_SENDER = frozenset({41054, 48011, 50002, 60011, 60021, 60030, 84074, 92000, 701008})


def is_of_sender(errcode: int | None) -> bool:
    """Whether WeCom refuses a call because of the member who is to send."""
    return errcode in _OF_SENDER


def rest_pause(rests: int) -> float:
    """Seconds for which a run rests that has rested so often without a success between."""
    return (1.0, 5.0, 15.0, 30.0, 60.0)[min(rests, 4)]


def look_pause(age_seconds: float) -> float:
    """Seconds until an unknown batch is looked up again, so long after its call."""
    return 15.0 if age_seconds < 60 else 60.0 if age_seconds < SETTLE_SECONDS else 300.0


def job_pause(age_seconds: float) -> float:
    """Seconds until a job that makes a post is asked about again, so long after its call."""
    return 3.0 if age_seconds < 60 else 15.0 if age_seconds < 600 else 60.0


def pull_pause(age_seconds: float) -> float:
    """Seconds until the results of a batch are read again, so long after it was made: staff confirm soon or late."""
    for age, pause in ((600, 60.0), (7200, 300.0), (86_400, 1800.0)):
        if age_seconds < age:
            return pause
    return 7200.0


Content = tuple[Any, ...]


def content_of(body: Mapping[str, Any]) -> Content:
    """What a group-send says, as far as WeCom tells it back: its text, and its attachments without ids of files."""
    text = str((body.get("text") or {}).get("content") or "").replace("\r\n", "\n").strip()
    return (text, *(_attachment(each) for each in body.get("attachments") or ()))


def _attachment(attachment: Mapping[str, Any]) -> tuple[str, ...]:
    msgtype = str(attachment.get("msgtype") or "")
    inner = attachment.get(msgtype) or {}
    names = {"link": ("title", "url"), "miniprogram": ("title", "appid", "page")}.get(msgtype, ())
    return (msgtype, *(str(inner.get(name) or "") for name in names))


class Asked(NamedTuple):
    """A batch that was asked for; `since` and `until` (epoch seconds) are its first and its last call.

    `to_groups`: WeCom tells only those that were sent to.
    """

    batch_id: int
    userid: str
    content: Content
    recipients: frozenset[str]
    since: float
    until: float
    to_groups: bool = False


class Found(NamedTuple):
    """A group-send of the company that no row of ours owns; `tasks` are the recipients by member."""

    msgid: str
    created_at: float
    content: Content
    tasks: Mapping[str, AbstractSet[str]]

    @property
    def recipients(self) -> frozenset[str]:
        return frozenset().union(*self.tasks.values())

    def without(self, whom: AbstractSet[str]) -> Found:
        """The same without some recipients."""
        return self._replace(tasks={userid: mine - whom for userid, mine in self.tasks.items()})


class Verdict(NamedTuple):
    """What became of a call: made as `msgid`; or `candidates` that may be it; or neither: WeCom has made nothing."""

    msgid: str = ""
    candidates: tuple[str, ...] = ()

    @property
    def is_absent(self) -> bool:
        return not self.msgid and not self.candidates


def in_time(asked: Asked, created_at: float) -> bool:
    """Whether a call can have made what WeCom says was made then."""
    return asked.since - SKEW_SECONDS <= created_at <= asked.until + CALL_SECONDS + SKEW_SECONDS


def may_be(asked: Asked, created_at: float, content: Content) -> bool:
    """Whether more is to be known of what WeCom says was made then: it was in time, or its words make up for that."""
    return in_time(asked, created_at) or (created_at >= asked.since - STRAY_SECONDS and asked.content == content)


def fits(asked: Asked, found: Found) -> bool:
    """Whether all that can be told speaks for it: words, time, sender, and no recipients but those asked for.

    WeCom leaves out whom it cannot send to, so there may be fewer.
    """
    recipients = found.recipients
    return (
        in_time(asked, found.created_at)
        and asked.content == found.content
        and asked.userid in found.tasks
        and (bool(recipients) or asked.to_groups)
        and recipients <= asked.recipients
    )


def resembles(asked: Asked, found: Found) -> bool:
    """Whether it may be the same although it does not fit: for some of the recipients, by the same member or with the
    same words; by the same member with the same words, where it was not in time."""
    words, member = asked.content == found.content, asked.userid in found.tasks
    shares = bool(found.recipients & asked.recipients)
    if not in_time(asked, found.created_at):
        near = may_be(asked, found.created_at, found.content)
        return near and member and (shares or (asked.to_groups and not found.recipients))
    if asked.to_groups and not found.recipients:
        return words
    return (words or member) and shares


def match(asked: Sequence[Asked], found: Sequence[Found]) -> dict[int, Verdict]:
    """What became of each batch, from a complete list of what WeCom has and no row of ours owns."""
    return pair(asked, found, fits, resembles)


class _Row(Protocol):
    @property
    def batch_id(self) -> int: ...


class _Made(Protocol):
    @property
    def msgid(self) -> str: ...


Row = TypeVar("Row", bound=_Row)
Made = TypeVar("Made", bound=_Made)


def pair(
    asked: Sequence[Row],
    found: Sequence[Made],
    fits: Callable[[Row, Made], bool],
    resembles: Callable[[Row, Made], bool],
) -> dict[int, Verdict]:
    """Which row is which of what was found.

    Only where one fits one and no other is it taken; of what fits several, or only resembles, a person decides.
    """
    fitting = {each.msgid: [one for one in asked if fits(one, each)] for each in found}
    verdicts: dict[int, Verdict] = {}
    for one in asked:
        mine = [each for each in found if one in fitting[each.msgid]]
        if len(mine) == 1 and len(fitting[mine[0].msgid]) == 1:
            verdicts[one.batch_id] = Verdict(mine[0].msgid)
    taken = {verdict.msgid for verdict in verdicts.values()}
    rest = [each for each in found if each.msgid not in taken]
    for one in asked:
        if one.batch_id not in verdicts:
            alike = tuple(each.msgid for each in rest if fits(one, each) or resembles(one, each))
            verdicts[one.batch_id] = Verdict(candidates=alike)
    return verdicts
