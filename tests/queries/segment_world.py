"""A small made-up company as plain rows, and random segments about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

NOW = datetime(2026, 2, 27, 17, 30, tzinfo=UTC)
ZONE = ZoneInfo("Asia/Shanghai")  # where it is 01:30 of the 28th
TODAY = date(2026, 2, 28)
TAGS, GONE_TAG = ["t1", "t2", "t3"], "t9"
STAFF = {"Ann": [2], "bo": [3], "cy": [4, 5]}
#: Department and the one above: 3 is below 2; 5 is gone.
DEPARTMENTS = {1: 0, 2: 1, 3: 2, 4: 1}
CHATS, GONE_CHAT = ["c1", "c2"], "c9"
STATES = ["", "web", "web_a", "shop"]
FIELDS = {"city": "text", "level": "number", "due": "date", "vip": "flag"}
STATUSES = ["present", "half", "deleted_by_customer", "deleted_by_staff", "out_of_sight"]


@dataclass
class World:
    """Rows by table; a follow carries the tags on it."""

    follows: list[dict[str, Any]] = field(default_factory=list)
    customers: dict[str, dict[str, Any]] = field(default_factory=dict)

    def of(self, follow: dict[str, Any]) -> dict[str, Any]:
        """The customer of a follow, with what is theirs."""
        return self.customers[follow["external_userid"]]


def instants() -> st.SearchStrategy[datetime]:
    """Around today, and often right at a midnight of the company."""
    midnights = st.integers(-12, 2).map(lambda days: datetime(2026, 2, 27, 16, tzinfo=UTC) + timedelta(days=days))
    return st.one_of(midnights, midnights.map(lambda at: at - timedelta(microseconds=1)),
                     midnights.map(lambda at: at + timedelta(hours=9)))  # fmt: skip


def days() -> st.SearchStrategy[date]:
    return st.integers(-12, 12).map(lambda ahead: TODAY + timedelta(days=ahead))


def answers() -> st.SearchStrategy[tuple[datetime, dict[str, Any]]]:
    """An answer to a form, and when it was sent."""
    tea = st.sampled_from(["红茶", "绿茶"])
    said = {
        "tea": tea, "likes": st.lists(tea, unique=True, min_size=1), "yes": st.booleans(),
        "says": st.sampled_from(["红茶", "a'b", "1", "true"]),
    }  # fmt: skip
    return st.tuples(instants(), st.fixed_dictionaries({}, optional=said))


def customers() -> st.SearchStrategy[dict[str, Any]]:
    order = st.fixed_dictionaries(
        {
            "status": st.sampled_from(["placed", "paid", "finished", "refunded"]),
            "amount_fen": st.sampled_from([0, 1, 9_999, 10_000]),
            "placed_at": instants(),
        }
    )
    touch = st.fixed_dictionaries(
        {"campaign_id": st.sampled_from([None, 1, 2]), "touched_at": instants(),
         "clicked_at": st.sampled_from([None, NOW])}
    )  # fmt: skip
    birthday = st.tuples(
        st.sampled_from(["solar", "lunar"]),
        st.sampled_from([101, 111, 112, 115, 228, 229, 301, 307, 630]),
        st.booleans(),
    ).map(lambda it: {"calendar": it[0], "month_day": it[1], "is_leap_month": it[2] and it[0] == "lunar"})
    fields = st.fixed_dictionaries(
        {},
        optional={
            "city": st.sampled_from(["Bei jing", "bei", "上海", "100%"]), "level": st.sampled_from([0.0, 1.5, 3.0]),
            "due": days(), "vip": st.booleans(),
        },
    )  # fmt: skip
    return st.fixed_dictionaries(
        {
            "gender": st.integers(0, 2),
            "type": st.integers(0, 2),
            "orders": st.lists(order, max_size=3),
            "touches": st.lists(touch, max_size=3),
            "groups": st.dictionaries(st.sampled_from([*CHATS, GONE_CHAT]), st.booleans(), max_size=3),
            "birthday": st.one_of(st.none(), birthday),
            "fields": fields,
            "rosters": st.sets(st.sampled_from([1, 2]), max_size=2),
            "links": st.dictionaries(st.sampled_from([1, 2]), instants(), max_size=2),
            "forms": st.dictionaries(st.sampled_from(["taste", "gift"]), st.lists(answers(), min_size=1, max_size=2)),
            "joined": st.one_of(st.none(), instants()),
            "reactions": st.lists(instants(), max_size=2, unique=True),
            "preference": st.one_of(
                st.none(),
                st.tuples(st.sampled_from([None, NOW]), st.sampled_from([None, NOW, NOW + timedelta(seconds=1)])),
            ),
        }
    )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Up to four customers, each with up to three follows."""
    world = World()
    for number in range(draw(st.integers(1, 4))):
        external_userid = f"wm{number}"
        world.customers[external_userid] = draw(customers())
        for userid in draw(st.lists(st.sampled_from(sorted(STAFF)), unique=True, min_size=1)):
            world.follows.append(
                {
                    "id": len(world.follows) + 1,
                    "userid": userid,
                    "external_userid": external_userid,
                    "status": draw(st.sampled_from([*STATUSES, "present", "present"])),
                    "state": draw(st.sampled_from(STATES)),
                    "add_way": draw(st.sampled_from([None, 1, 2])),
                    "inherited": draw(st.booleans()),
                    "added_at": draw(st.one_of(st.none(), instants())),
                    "tag_ids": draw(st.sets(st.sampled_from(TAGS))),
                }
            )
    return world


def some(values: list[Any], most: int = 3) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), unique=True, min_size=1, max_size=most)


def asked(**questions: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """At least one of these questions."""
    return st.fixed_dictionaries({}, optional=questions).filter(bool)


FORM_NAMES = st.sampled_from(["taste", "gift", "gone"])
WITHIN = {"within_days": st.integers(0, 12)}
AGO = {**WITHIN, "more_than_days_ago": st.integers(0, 12)}
NUMBERS = st.sampled_from([0.0, 1.5, 3.0, 7.0])


def leaves() -> st.SearchStrategy[dict[str, Any]]:
    """Any leaf; some of them contradict themselves, and are refused."""
    iso = days().map(date.isoformat)
    field_questions = st.one_of(
        st.fixed_dictionaries({"name": st.sampled_from([*FIELDS, "gone"]), "is_set": st.booleans()}),
        asked(equals=st.sampled_from(["bei", "上海"]), one_of=some(["bei", "100%"]),
              contains=st.sampled_from(["bei", "%", "海", "_"])).map(lambda it: {"name": "city", **it}),
        asked(number_equals=NUMBERS, at_least=NUMBERS, at_most=NUMBERS, more_than=NUMBERS, less_than=NUMBERS).map(
            lambda it: {"name": "level", **it}),
        asked(on=iso, before=iso, after=iso, next_days=st.integers(0, 12), last_days=st.integers(0, 12)).map(
            lambda it: {"name": "due", **it}),
        st.booleans().map(lambda flag: {"name": "vip", "flag": flag}),
    )  # fmt: skip
    counts = {"at_least": st.integers(0, 3), "at_most": st.integers(0, 3)}
    kinds: dict[str, st.SearchStrategy[dict[str, Any]]] = {
        "tags": st.fixed_dictionaries(
            {"match": st.sampled_from(["any", "all", "none"]), "tag_ids": some([*TAGS, GONE_TAG])}
        ),
        "staff": st.fixed_dictionaries({"userids": some(["Ann", "ANN", "bo", "cy"])}),
        "department": st.fixed_dictionaries({"department_ids": some([1, 2, 3, 4, 5])}),
        "channel": asked(states=some(STATES[1:]), state_prefixes=some(["web", "s"])),
        "add_way": st.fixed_dictionaries({"add_ways": some([1, 2, 3])}),
        "gender": st.fixed_dictionaries({"genders": some(["unknown", "male", "female"])}),
        "type": st.fixed_dictionaries({"types": some(["unknown", "wechat", "wecom"])}),
        "origin": st.fixed_dictionaries({"origins": some(["new", "known", "inherited"])}),
        "added": asked(since=iso, until=iso, **AGO),
        "status": st.fixed_dictionaries({"statuses": some(STATUSES)}),
        "group": st.fixed_dictionaries(
            {"match": st.sampled_from(["any", "all", "none"])}, optional={"chat_ids": some([*CHATS, GONE_CHAT])}
        ),
        "last_touch": st.one_of(st.just({"never": True}), asked(**AGO)),
        "touches": st.tuples(asked(**counts), st.fixed_dictionaries({}, optional=WITHIN)).map(lambda it: it[0] | it[1]),
        "campaign": st.fixed_dictionaries(
            {"campaign_id": st.sampled_from([1, 2, 9]),
             "did": st.sampled_from(["received", "not_received", "clicked"])}
        ),
        "link": st.fixed_dictionaries({"link_id": st.sampled_from([1, 2, 9])}, optional=WITHIN),
        "form": st.one_of(
            st.fixed_dictionaries(
                {"form": FORM_NAMES}, optional={**WITHIN, "did": st.sampled_from(["answered", "not_answered"])}
            ),
            st.fixed_dictionaries(
                {"form": FORM_NAMES, "question": st.sampled_from(["tea", "likes", "yes", "says"])}, optional=WITHIN
            ),
            st.fixed_dictionaries(
                {"form": FORM_NAMES, "question": st.sampled_from(["tea", "likes", "says"]),
                 "one_of": some(["红茶", "绿茶", "a'b"])}, optional=WITHIN
            ),
            st.fixed_dictionaries({"form": FORM_NAMES, "question": st.just("yes"), "ticked": st.booleans()}),
        ),
        "roster": st.fixed_dictionaries({"roster_id": st.sampled_from([1, 2, 9])}),
        "orders": st.tuples(
            asked(count_at_least=st.integers(0, 3), count_at_most=st.integers(0, 3),
                  yuan_at_least=st.sampled_from([0, 0.01, 100, 199.99]), yuan_at_most=st.sampled_from([0, 100]),
                  last_within_days=st.integers(0, 12), last_more_than_days_ago=st.integers(0, 12)),
            st.fixed_dictionaries({}, optional={**WITHIN, "statuses": some(["placed", "paid", "refunded"])}),
        ).map(lambda it: it[0] | it[1]),
        "silent": st.fixed_dictionaries({"for_days": st.integers(1, 12)}),
        "birthday": st.fixed_dictionaries({"within_days": st.integers(0, 9)}),
        "field": field_questions,
        "preference": st.fixed_dictionaries({"wishes": some(["opted_out", "paused"])}),
    }  # fmt: skip
    return st.one_of(*(kind.map(lambda it, name=name: {name: it}) for name, kind in kinds.items()))  # type: ignore[misc]


def trees() -> st.SearchStrategy[dict[str, Any]]:
    """Any tree as JSON."""
    return st.recursive(
        leaves(),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3).map(lambda parts: {"all": parts}),
            st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts}),
            inner.map(lambda part: {"not": part}),
        ),
        max_leaves=6,
    )
