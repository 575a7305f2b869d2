"""Happenings (客户动态): what has just happened to a customer, which journeys listen for it, and whether it is what a
trigger, a goal or a stop asks for.

What a happening's `detail` says, by its kind:

- added: `state` of the channel; `known`: a colleague had the customer before, or it was a hand-over (kept is neither:
  `complete` of `data/queries/happenings.py` reads both from the follow)
- tagged: `tag_id`, and `put` on or off
- group: `chat_id`, and what the customer `did`: joined or left
- ordered: `nth` of the customer's paid orders, `fen`, `source`, names of `products` (kept is `order_id`); `told_as`:
  the same of the payment in a chat as which journeys have heard of it already
- clicked: the `link`'s name; form: its name (`form`); event: its `name`
- lost (no present follow is left), opted_out: nothing
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

from data.models.journeys import EndReason
from data.rules.conditions import Conditions, Occasion
from data.rules.journey_triggers import Added, Clicked, FilledIn, InGroup, Ordered, Tagged, Told
from data.rules.journeys import Journey

ADDED, TAGGED, GROUP, ORDERED = "added", "tagged", "group", "ordered"
CLICKED, FORM, EVENT = "clicked", "form", "event"
LOST, OPTED_OUT = "lost", "opted_out"

#: Whoever was handed over has a new contact by then.
TAKEN_OVER = timedelta(minutes=10)

#: Every journey is over for customers to whom this happens.
ENDS_ALL: Mapping[str, EndReason] = MappingProxyType({LOST: EndReason.LOST, OPTED_OUT: EndReason.OPTED_OUT})
EVERYBODYS = tuple(ENDS_ALL)
#: Of these kinds journeys listen for some only: what of the detail tells which.
_TOLD_APART: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {TAGGED: ("put", "tag_id"), GROUP: ("did",), CLICKED: ("link",), FORM: ("form",), EVENT: ("name",)}
)
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Happened(NamedTuple):
    """Something that happened to a customer; `userid` and their `department_ids` (with those above) where it is about
    one staff member's follow."""

    kind: str
    external_userid: str
    happened_at: datetime
    detail: Mapping[str, Any] = _NOTHING
    userid: str = ""
    department_ids: frozenset[int] = frozenset()
    id: int = 0

    @property
    def ear(self) -> str:
        """What a journey listens for that is to hear it."""
        return ear(self.kind, self.detail)


def ear(kind: str, detail: Mapping[str, Any] = _NOTHING) -> str:
    """A name for what is heard together: a kind, or of it one tag, link, form or event."""
    return ":".join([kind, *(str(detail[name]) for name in _TOLD_APART.get(kind, ()))])


def list_ears(journey: Journey) -> list[str]:
    """What a journey listens for, apart from what ends every journey."""
    asked = (journey.trigger, journey.goal, *journey.stops)
    return sorted({ear(each.on, each.model_dump()) for each in asked if isinstance(each, _HEARD)})


_HEARD = (Added, Tagged, InGroup, Ordered, Clicked, FilledIn, Told)


def is_asked_for(asked: Any, happened: Happened) -> bool:
    """Whether a trigger, a goal or a stop (any of `journey_triggers`) asks for what happened."""
    if not isinstance(asked, _HEARD) or asked.on != happened.kind or ear(asked.on, asked.model_dump()) != happened.ear:
        return False
    detail = happened.detail
    match asked:
        case Added():
            return asked.who in ("all", "known" if detail["known"] else "new") and _is_of(asked, happened)
        case InGroup(chat_ids=chat_ids):
            return not chat_ids or detail["chat_id"] in chat_ids
        case Ordered():
            return _is_such(asked, detail) and not ("told_as" in detail and _is_such(asked, detail["told_as"]))
        case _:  # their ears say it all
            return True


def _is_such(asked: Ordered, order: Mapping[str, Any]) -> bool:
    """Whether an order is one that is asked for."""
    return (
        (asked.nth is None or asked.nth == order["nth"])
        and (asked.min_fen is None or order["fen"] >= asked.min_fen)
        and (not asked.sources or order["source"] in asked.sources)
        and (asked.product is None or any(asked.product in name for name in order["products"]))
    )


def _is_of(added: Added, happened: Happened) -> bool:
    """Whether the add came through one of the channels, to one of the staff and of the departments."""
    conditions = Conditions.model_construct(
        states=added.states, state_prefixes=added.state_prefixes, userids=added.userids,
        department_ids=added.department_ids, windows=(),
    )  # fmt: skip
    occasion = Occasion(
        userid=happened.userid, external_userid=happened.external_userid, at=happened.happened_at, zone=UTC,
        state=happened.detail["state"], department_ids=happened.department_ids,
    )  # fmt: skip
    return not conditions.failed(occasion)


def end_of(
    journey: Journey | None, started_at: datetime, happened: Happened, over_at: datetime | None = None
) -> EndReason | None:
    """Why a journey that a customer began at `started_at` is over with what happened; None: it goes on.

    `over_at`: when it is over by itself, for whom no step is left. Of a journey that cannot be read (None) nobody knows
    the goal.
    """
    if happened.kind in ENDS_ALL:
        return ENDS_ALL[happened.kind]
    if journey is None or happened.happened_at < started_at:
        return None
    if over_at is not None and happened.happened_at > over_at:
        return EndReason.FINISHED
    if journey.goal is not None and is_asked_for(journey.goal, happened):
        return EndReason.GOAL
    return EndReason.STOP if any(is_asked_for(stop, happened) for stop in journey.stops) else None


def begins(journey: Journey, started_at: datetime, happened: Happened) -> bool:
    """Whether what happened begins a journey that was started at `started_at`: nothing from before then does."""
    return happened.happened_at >= started_at and is_asked_for(journey.trigger, happened)


def cause_of(happened: Happened) -> str:
    """What began a journey, in a word or two."""
    told = happened.detail
    match happened.kind:
        case "added":
            return f"added {told['state']}".strip()
        case "group":
            return f"group {told['did']} {told['chat_id']}"
        case "ordered":
            return f"ordered {told['source']} #{told['nth']}"
        case kind:
            return " ".join([kind, *(str(told[name]) for name in _TOLD_APART.get(kind, ()))])
