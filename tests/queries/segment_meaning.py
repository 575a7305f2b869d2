"""What a segment means, worked out row by row of a small made-up company."""

from __future__ import annotations

import calendar
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from tests.queries.segment_world import CHATS, DEPARTMENTS, FIELDS, NOW, STAFF, TAGS, TODAY, ZONE, World


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


def _form(asks: Any, follow: Any, world: World) -> bool | None:
    if asks["form"] == "gone":
        return None
    sent = world.of(follow)["forms"].get(asks["form"], [])
    recent = [at for at, _ in sent if days_since(at) <= asks.get("within_days", 99)]
    if "question" not in asks:
        return bool(recent) is (asks.get("did") != "not_answered")
    if not sent or days_since(sent[-1][0]) > asks.get("within_days", 99) or asks["question"] not in sent[-1][1]:
        return False
    said = sent[-1][1][asks["question"]]
    if "ticked" in asks:
        return said is asks["ticked"]
    return "one_of" not in asks or bool({*(said if isinstance(said, list) else [said])} & {*asks["one_of"]})


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
    "form": _form,
    "roster": _roster,
    "orders": _orders,
    "silent": _silent,
    "birthday": _birthday,
    "field": _field,
    "preference": _preference,
}
