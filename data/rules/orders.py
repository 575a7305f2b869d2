"""Orders as shops send them, and whose they are.

An order belongs to the one customer that its clues point to. Strong clues go before weak ones: the customer's own id,
the unionid, a payment in a chat with the same trade number, a telephone number that staff noted. What points to nobody
known, or to several, waits. What a person has said stays said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

from pydantic import AwareDatetime, BeforeValidator, Field, StrictInt

from bot.phrases import Phrase
from data.rules.problems import RuleModel
from data.rules.texts import Line, normalised_mobile

#: A thousand million yuan: more is a mistake of the sender.
AMOUNT_MAX_FEN = 100_000_000_000
ITEMS_MAX = 100
#: One call carries at most so many orders.
BATCH_MAX = 300
#: WeChat Pay's trade numbers have 6 to 32 characters; shorter ones are counters that every shop has.
TRADE_NUMBER_MIN = 6
#: The source of payments that the program reads from WeCom itself.
WECOM_PAY = "wecom_pay"


class OrderStatus(StrEnum):
    """Where an order stands."""

    PLACED = "placed"
    PAID = "paid"
    FINISHED = "finished"
    REFUNDED = "refunded"
    CANCELLED = "cancelled"


#: The customer has paid and kept what was bought.
PAID = frozenset({OrderStatus.PAID, OrderStatus.FINISHED})


class MatchedBy(StrEnum):
    """What an order's customer was found by."""

    EXTERNAL_USERID = "external_userid"
    UNIONID = "unionid"
    NUMBER = "number"
    MOBILE = "mobile"
    CLAIM = "claim"


class Waits(StrEnum):
    """Why an order has no customer yet."""

    NO_CLUE = "no_clue"  # the shop tells nothing of the buyer
    NOBODY_KNOWN = "nobody_known"  # no customer has this unionid, number or telephone
    CUSTOMER_UNKNOWN = "customer_unknown"  # the named external_userid is no customer that we know
    AMBIGUOUS = "ambiguous"  # several customers have it
    CONTRADICTED = "contradicted"  # the only customer with this telephone has another unionid


def _iso_text(value: Any) -> Any:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or "T" not in value:
        raise ValueError(Phrase("应为带时区的 ISO 8601 时间，如 2026-03-04T10:00:00+08:00"))
    return value


#: An instant in ISO 8601 with its offset; a number or a time without a zone is refused.
IsoInstant = Annotated[
    AwareDatetime,
    BeforeValidator(_iso_text),
    Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(2100, 1, 1, tzinfo=UTC)),
]
Fen = Annotated[StrictInt, Field(ge=0, le=AMOUNT_MAX_FEN)]
Name = Annotated[Line, Field(min_length=1, max_length=64)]
Clue = Annotated[Line, Field(max_length=64)]


class OrderItem(RuleModel):
    """One thing that was bought; `amount_fen` is for all `count` of it."""

    sku: Clue = ""
    name: Annotated[Line, Field(max_length=200)] = ""
    count: Annotated[StrictInt, Field(ge=0, le=1_000_000)] = 1
    amount_fen: Fen = 0


class OrderGiven(RuleModel):
    """An order as a shop tells it. `source` is the shop, `number` its number there: together they are the order.

    `amount_fen` is what the customer pays, in hundredths of a yuan, less what was given back. `external_userid`,
    `unionid`, `mobile` and `trade_number` (the merchant's number of the payment; without it `number`) say who bought.
    `changed_at` is the shop's own time of this state: an older one that comes later changes nothing.
    """

    source: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
    number: Name
    status: OrderStatus
    amount_fen: Fen
    placed_at: IsoInstant
    changed_at: IsoInstant | None = None
    external_userid: Clue = ""
    unionid: Clue = ""
    mobile: Annotated[Line, Field(max_length=32)] = ""
    trade_number: Clue = ""
    userid: Clue = ""
    items: Annotated[tuple[OrderItem, ...], Field(max_length=ITEMS_MAX)] = ()

    @property
    def clues(self) -> Clues:
        return Clues(self.external_userid, self.unionid, normalised_mobile(self.mobile), self.trade_number)


class Clues(NamedTuple):
    """What an order says of its buyer; the mobile as `normalised_mobile` writes it."""

    external_userid: str = ""
    unionid: str = ""
    mobile: str = ""
    trade_number: str = ""


def merge_clues(known: Clues, told: Clues, *, stale: bool) -> Clues:
    """Clues after another message about the order. One that is left out stays; a stale message only adds."""
    first, second = (known, told) if stale else (told, known)
    return Clues(*(a or b for a, b in zip(first, second, strict=True)))


def is_stale(known_at: datetime | None, told_at: datetime | None) -> bool:
    """Whether a message is older than what is known. One without the shop's time is news."""
    return known_at is not None and told_at is not None and told_at < known_at


@dataclass(frozen=True, slots=True)
class Candidates:
    """The customers that each clue points to. `by_mobile` has the unionid that each is known to have."""

    named: str | None = None
    by_unionid: Sequence[str] = ()
    by_number: Sequence[str] = ()
    by_mobile: Mapping[str, str] = field(default_factory=dict)


class Match(NamedTuple):
    """Whose an order is and by what, or why it waits."""

    external_userid: str | None
    matched_by: str
    waits_because: str


def waits(because: Waits) -> Match:
    """An order that waits."""
    return Match(None, "", because.value)


def decide(clues: Clues, found: Candidates) -> Match:
    """Whose an order is. A clue that points to several customers is not overruled by a weaker one."""
    if clues.external_userid:
        if found.named is None:
            return waits(Waits.CUSTOMER_UNKNOWN)
        return Match(found.named, MatchedBy.EXTERNAL_USERID.value, "")
    # Somebody else's telephone: the buyer's unionid is another than the one this customer has.
    by_mobile = {
        whom for whom, unionid in found.by_mobile.items() if not (clues.unionid and unionid not in ("", clues.unionid))
    }
    for matched_by, customers in (
        (MatchedBy.UNIONID, set(found.by_unionid)),
        (MatchedBy.NUMBER, set(found.by_number)),
        (MatchedBy.MOBILE, by_mobile),
    ):
        if len(customers) > 1:
            return waits(Waits.AMBIGUOUS)
        if customers:
            return Match(customers.pop(), matched_by.value, "")
    if found.by_mobile:
        return waits(Waits.CONTRADICTED)
    return waits(Waits.NOBODY_KNOWN if any(clues) else Waits.NO_CLUE)


def decide_again(now: Match, fresh: Match, *, clues_changed: bool) -> Match:
    """Whose an order is that had been decided before.

    What a person claimed stays. So does a match that nothing contradicts: a number that staff took away from the
    customer's card does not take the order away. A second customer with the same number does, and another unionid.
    """
    if now.matched_by == MatchedBy.CLAIM:
        return now
    contradicted = fresh.waits_because in (Waits.AMBIGUOUS, Waits.CONTRADICTED)
    forgotten = fresh.external_userid is None and not contradicted
    if now.external_userid is not None and forgotten and not clues_changed:
        return now
    return fresh


def has_been_paid(before: tuple[str | None, str], after: tuple[str | None, str]) -> bool:
    """Whether an order (customer, status) has become one that a known customer has paid."""

    def counts(state: tuple[str | None, str]) -> bool:
        return state[0] is not None and state[1] in PAID

    return counts(after) and (not counts(before) or before[0] != after[0])
