"""A small made-up company as plain rows, random segments about it, and what they mean, worked out row by row."""

from __future__ import annotations

import calendar
from collections.abc import Callable
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


def expected(tree: dict[str, Any], world: World) -> set[int]:
    """The ids of the follows that a tree means."""
    with_status = "'status':" in repr(tree)
    return {
        follow["id"]
        for follow in world.follows
        if (with_status or follow["status"] == "present") and holds(tree, follow, world) is True
    }


def holds(tree: dict[str, Any], follow: dict[str, Any], world: World) -> bool | None:
    """Whether a tree holds for a follow; None: not known."""
    ((key, value),) = tree.items()
    if key in ("all", "any"):
        found = [holds(part, follow, world) for part in value]
        return every(found) if key == "all" else either(found)
    if key == "not":
        return opposite(holds(value, follow, world))
    return LEAVES[key](value, follow, world)


def every(found: list[bool | None]) -> bool | None:
    return False if False in found else None if None in found else True


def either(found: list[bool | None]) -> bool | None:
    return True if True in found else None if None in found else False


def opposite(found: bool | None) -> bool | None:
    return None if found is None else not found


def days_since(at: datetime) -> int:
    return (TODAY - at.astimezone(ZONE).date()).days


def _named(match: str, found: list[bool | None]) -> bool | None:
    return every(found) if match == "all" else either(found) if match == "any" else opposite(either(found))


def _tags(asks: Any, follow: Any, _world: World) -> bool | None:
    return _named(asks["match"], [tag in follow["tag_ids"] if tag in TAGS else None for tag in asks["tag_ids"]])


def _department(asks: Any, follow: Any, _world: World) -> bool | None:
    inside = set[int]()
    for each in STAFF[follow["userid"]]:
        while each in DEPARTMENTS:
            inside.add(each)
            each = DEPARTMENTS[each]
    return either([each in inside if each in DEPARTMENTS else None for each in asks["department_ids"]])


def _channel(asks: Any, follow: Any, _world: World) -> bool:
    state = follow["state"]
    return state in asks.get("states", ()) or any(state.startswith(each) for each in asks.get("state_prefixes", ()))


def _origin(asks: Any, follow: Any, world: World) -> bool:
    def rank(each: Any) -> tuple[Any, ...]:
        return (each["added_at"] is None, each["added_at"] or NOW, each["id"])

    mine = [each for each in world.follows if each["external_userid"] == follow["external_userid"]]
    earlier = any(rank(each) < rank(follow) for each in mine)
    kind = "inherited" if follow["inherited"] else "known" if earlier else "new"
    return kind in asks["origins"]


def _ago(asks: Any, at: datetime, prefix: str = "") -> bool:
    since = days_since(at)
    within, beyond = asks.get(f"{prefix}within_days"), asks.get(f"{prefix}more_than_days_ago")
    return (within is None or since <= within) and (beyond is None or since > beyond)


def _added(asks: Any, follow: Any, _world: World) -> bool:
    if follow["added_at"] is None:
        return False
    day = follow["added_at"].astimezone(ZONE).date().isoformat()
    return asks.get("since", "") <= day <= asks.get("until", "9") and _ago(asks, follow["added_at"])


def _group(asks: Any, follow: Any, world: World) -> bool | None:
    groups = world.of(follow)["groups"]
    if "chat_ids" not in asks:
        return opposite(any(groups.values())) if asks["match"] == "none" else any(groups.values())
    return _named(asks["match"], [groups.get(each, False) if each in CHATS else None for each in asks["chat_ids"]])


def _last_touch(asks: Any, follow: Any, world: World) -> bool:
    found = [each["touched_at"] for each in world.of(follow)["touches"]]
    return not found if asks.get("never") else bool(found) and _ago(asks, max(found))


def _touches(asks: Any, follow: Any, world: World) -> bool:
    found = [
        each for each in world.of(follow)["touches"] if days_since(each["touched_at"]) <= asks.get("within_days", 99)
    ]
    return bool(asks.get("at_least", 0) <= len(found) <= asks.get("at_most", 99))


def _campaign(asks: Any, follow: Any, world: World) -> bool | None:
    # A campaign is known by what it reached.
    everything = [each for customer in world.customers.values() for each in customer["touches"]]
    if not any(each["campaign_id"] == asks["campaign_id"] for each in everything):
        return None
    mine = [each for each in world.of(follow)["touches"] if each["campaign_id"] == asks["campaign_id"]]
    if asks["did"] == "clicked":
        return any(each["clicked_at"] for each in mine)
    return bool(mine) is bool(asks["did"] == "received")


def _link(asks: Any, follow: Any, world: World) -> bool | None:
    if asks["link_id"] == 9:
        return None
    at = world.of(follow)["links"].get(asks["link_id"])
    return at is not None and days_since(at) <= asks.get("within_days", 99)


def _roster(asks: Any, follow: Any, world: World) -> bool | None:
    return None if asks["roster_id"] == 9 else asks["roster_id"] in world.of(follow)["rosters"]


def _orders(asks: Any, follow: Any, world: World) -> bool:
    found = [
        each for each in world.of(follow)["orders"] if each["status"] in asks.get("statuses", ("paid", "finished"))
    ]
    recent = [each for each in found if days_since(each["placed_at"]) <= asks.get("within_days", 99)]
    fen = sum(each["amount_fen"] for each in recent)
    last = {name for name in asks if name.startswith("last_")}
    return (
        asks.get("count_at_least", 0) <= len(recent) <= asks.get("count_at_most", 99)
        and asks.get("yuan_at_least", 0) * 100 <= fen <= asks.get("yuan_at_most", 9999) * 100
        and (not last or (bool(found) and _ago(asks, max(each["placed_at"] for each in found), "last_")))
    )


def acts_of(customer: dict[str, Any]) -> list[datetime]:
    """When a customer did something that the company's own app sees."""
    joined = [customer["joined"]] if customer["joined"] and customer["groups"] else []
    ordered = [order["placed_at"] for order in customer["orders"]]
    return [*joined, *ordered, *customer["links"].values(), *customer["reactions"]]


def _silent(asks: Any, follow: Any, world: World) -> bool:
    if follow["added_at"] is None:
        return False
    return all(days_since(at) >= asks["for_days"] for at in (follow["added_at"], *acts_of(world.of(follow))))


#: The new years of the lunar calendar around TODAY: 2026-02-17 begins a year without a first leap month.
LUNAR_FIRST = date(2026, 2, 17)


def _birthday(asks: Any, follow: Any, world: World) -> bool:
    birthday = world.of(follow)["birthday"]
    if birthday is None:
        return False
    coming = [TODAY + timedelta(days=ahead) for ahead in range(asks["within_days"] + 1)]
    month, day = divmod(birthday["month_day"], 100)
    if birthday["calendar"] == "lunar":  # the coming days are all of the first month, which has 30 days
        return any((1, (each - LUNAR_FIRST).days + 1) == (month, day) for each in coming)
    last = min(day, calendar.monthrange(2026, month)[1])
    return date(2026, month, last) in coming


def _field(asks: Any, follow: Any, world: World) -> bool | None:
    name = asks["name"]
    if name not in FIELDS:
        return None
    value = world.of(follow)["fields"].get(name)
    if "is_set" in asks:
        return (value is not None) is asks["is_set"]
    if value is None:
        return False
    tests: dict[str, Callable[[Any], bool]] = {
        "equals": lambda it: value == it, "one_of": lambda it: value in it, "contains": lambda it: it in value,
        "number_equals": lambda it: value == it, "at_least": lambda it: value >= it, "at_most": lambda it: value <= it,
        "more_than": lambda it: value > it, "less_than": lambda it: value < it, "on": lambda it: str(value) == it,
        "before": lambda it: str(value) < it, "after": lambda it: str(value) > it,
        "next_days": lambda it: 0 <= (value - TODAY).days <= it,
        "last_days": lambda it: 0 <= (TODAY - value).days <= it,
        "flag": lambda it: value is it,
    }  # fmt: skip
    return all(tests[question](it) for question, it in asks.items() if question != "name")


def _preference(asks: Any, follow: Any, world: World) -> bool:
    opted_out, paused_until = world.of(follow)["preference"] or (None, None)
    paused = paused_until is not None and paused_until > NOW
    return (opted_out is not None and "opted_out" in asks["wishes"]) or (paused and "paused" in asks["wishes"])


_GENDERS, _TYPES = ("unknown", "male", "female"), ("unknown", "wechat", "wecom")
LEAVES: dict[str, Callable[[Any, Any, World], bool | None]] = {
    "tags": _tags,
    "staff": lambda asks, follow, _: follow["userid"].lower() in {each.lower() for each in asks["userids"]},
    "department": _department,
    "channel": _channel,
    "add_way": lambda asks, follow, _: follow["add_way"] in asks["add_ways"],
    "gender": lambda asks, follow, world: _GENDERS[world.of(follow)["gender"]] in asks["genders"],
    "type": lambda asks, follow, world: _TYPES[world.of(follow)["type"]] in asks["types"],
    "origin": _origin,
    "added": _added,
    "status": lambda asks, follow, _: follow["status"] in asks["statuses"],
    "group": _group,
    "last_touch": _last_touch,
    "touches": _touches,
    "campaign": _campaign,
    "link": _link,
    "roster": _roster,
    "orders": _orders,
    "silent": _silent,
    "birthday": _birthday,
    "field": _field,
    "preference": _preference,
}
