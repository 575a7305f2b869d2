"""Orders arrive, customers turn up, shops send again, people claim: in whatever order, the end is the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session

from data.db import Database
from data.queries import order_matches as match_rows
from data.queries import orders as rows
from data.rules.orders import WECOM_PAY, Clues
from tests.queries.test_order_rows import AT, match_all, order, save, turn_up

HOUR = timedelta(hours=1)
WHO = ("wm1", "wm2", "wm3")
TRADES = ("420001", "420002")
BUYERS = st.builds(
    Clues,
    st.sampled_from(["", "", "", "", *WHO, "wm9"]),
    st.sampled_from(["", "", "u1", "u2"]),
    st.sampled_from(["", "1380000", "1390000"]),
    st.sampled_from(["", "", *TRADES]),
)


@dataclass(frozen=True)
class Told:
    """A message about an order: the clues it carries, and the shop's time."""

    number: str
    clues: Clues
    hour: int


@dataclass(frozen=True)
class Known:
    """A customer turns up, with what is known of them."""

    external_userid: str
    unionid: str
    mobile: str


@dataclass(frozen=True)
class Claimed:
    """A person says whose an order is; None: takes it back."""

    number: str
    external_userid: str | None


Story = list[Told | Known | Claimed]
End = dict[str, tuple[str | None, str, str, int]]


def ready(story: Story, claim: Claimed) -> int:
    """The first place at which a claim is possible: its order and its customer are known."""
    first = next(place for place, each in enumerate(story) if isinstance(each, Told) and each.number == claim.number)
    known = [
        place
        for place, each in enumerate(story)
        if isinstance(each, Known) and each.external_userid == claim.external_userid
    ]
    return max([first, *known]) + 1


@st.composite
def stories(draw: st.DrawFn) -> tuple[Story, Story]:
    """The same happenings in two orders; claims keep theirs."""
    told: list[Told] = []
    for number in range(draw(st.integers(1, 4))):
        buyer = draw(BUYERS)
        hours = draw(st.lists(st.integers(0, 20), min_size=1, max_size=3, unique=True))
        carried = [Clues(*(draw(st.sampled_from(["", clue])) for clue in buyer)) for _ in hours]
        told += [Told(f"n{number}", clues, hour) for clues, hour in zip(carried, hours, strict=True)]
    for number, trade in enumerate(draw(st.lists(st.sampled_from(TRADES), max_size=2))):
        told.append(Told(f"pay{number}", Clues(draw(st.sampled_from(["", *WHO])), trade_number=trade), 0))
    customers = [
        Known(
            whom, draw(st.sampled_from(["", "", "u1", "u2"])), draw(st.sampled_from(["1380000", "1380000", "1390000"]))
        )
        for whom in draw(st.lists(st.sampled_from(WHO), unique=True))
    ]
    whom = st.sampled_from([None, *(each.external_userid for each in customers)])
    claims = draw(st.lists(st.builds(Claimed, st.sampled_from([each.number for each in told]), whom), max_size=3))
    both: list[Story] = []
    for _ in range(2):
        story: Story = list(draw(st.permutations([*told, *customers])))
        floor = 0
        for claim in claims:
            floor = draw(st.integers(max(floor, ready(story, claim)), len(story)))
            story.insert(floor, claim)
            floor += 1
        both.append(story)
    return both[0], both[1]


class _UndoError(Exception):
    pass


def happen(session: Session, each: Told | Known | Claimed) -> None:
    match each:
        case Told():
            source = WECOM_PAY if each.number.startswith("pay") else "shop"
            told = order(
                each.number, source=source, changed_at=AT + each.hour * HOUR, amount_fen=each.hour,
                **each.clues._asdict(),
            )  # fmt: skip
            save(session, told)
        case Known():
            turn_up(session, each.external_userid, each.unionid, *([each.mobile] if each.mobile else []))
        case Claimed():
            (one,) = rows.list_orders(session, number=each.number)
            assert one.id is not None
            if each.external_userid is not None:
                rows.claim_order(session, one.id, each.external_userid, AT)
            elif one.matched_by == "claim":
                rows.unclaim_order(session, one.id, AT)


def play(session: Session, story: Story, found: End) -> None:
    """Let it happen, with some of what handler and jobs do in between; nothing of it stays in the database."""
    for number, each in enumerate(story):
        happen(session, each)
        if isinstance(each, Known) and number % 2:
            match_rows.match_customer(session, each.external_userid, AT)
        if number % 3 == 0:
            match_all(session)
    match_all(session)
    session.expire_all()
    for one in rows.list_orders(session, limit=100):
        found[one.number] = (one.external_userid, one.matched_by, one.waits_because, one.amount_fen)
        assert (one.external_userid is None) == bool(one.waits_because)
    raise _UndoError


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pair=stories())
async def test_whatever_the_order_of_things_the_end_is_the_same(db: Database, pair: tuple[Story, Story]) -> None:
    ends: list[End] = []
    for story in pair:
        found: End = {}
        with pytest.raises(_UndoError):
            await db.write(play, story, found)
        ends.append(found)
    assert ends[0] == ends[1]
