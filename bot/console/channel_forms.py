"""A channel as fields of a form, and back. What was typed stays as it is, faulty or not."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from sqlmodel import Session

from bot.console.asks import Ask
from bot.console.message_forms import read_message
from bot.console.rule_forms import Option, chosen, whole
from data.models import Account, Role
from data.queries import media as media_rows
from data.queries import staff as staff_rows
from data.queries import tags as tag_rows
from data.rules.channels import SHIFTS_MAX

#: Of the library, the newest pictures are offered for posters.
PICTURES_OFFERED = 100
_SHIFT = re.compile(r"shifts\[([0-9]{1,2})\]\.(?:weekdays|start|end|userids|department_ids)(?:\.more)?", re.ASCII)


class Offered(NamedTuple):
    """What a channel can be put together from: members and departments whom whoever edits sees."""

    staff: tuple[Option, ...]
    departments: tuple[Option, ...]
    tags: tuple[Option, ...]
    pictures: tuple[Option, ...]

    @property
    def names(self) -> Mapping[str, str]:
        """What members are called."""
        return {each.value: each.label for each in self.staff}


def read_offered(session: Session, account: Account, visible: Collection[str] | None) -> Offered:
    """What there is to choose from."""
    staff = [each for each in staff_rows.list_staff(session) if visible is None or each.userid in visible]
    departments = staff_rows.list_departments(session)
    if account.role != Role.ADMIN:
        parents = {each.id: each.parent_id for each in departments}
        own = set(account.department_ids)
        departments = [each for each in departments if _is_within(each.id, own, parents)]
    files = reversed(media_rows.list_media(session))
    return Offered(
        tuple(Option(each.userid, _called(each)) for each in staff),
        tuple(Option(str(each.id), each.name or str(each.id)) for each in departments),
        tuple(Option(each["tag_id"], each["name"], each["group_name"]) for each in tag_rows.list_tags(session)),
        tuple([Option(key, name) for key, kind, name, _ in files if kind == "image"][:PICTURES_OFFERED]),
    )


def _called(member: Any) -> str:
    return (member.name or member.userid) if member.follows_customers else f"{member.name or member.userid} ×"


def _is_within(department_id: int, own: Collection[int], parents: Mapping[int, int]) -> bool:
    seen = set[int]()
    while department_id and department_id not in seen:
        if department_id in own:
            return True
        seen.add(department_id)
        department_id = parents.get(department_id, 0)
    return False


def read_draft(ask: Ask) -> dict[str, Any]:
    """What was typed, as the JSON of a ChannelDraft."""
    welcome = read_message(ask.form, "welcome", "welcome")
    cap = ask.text("daily_cap", 10)
    return {
        "kind": "link" if ask.text("kind") == "link" else "code",
        "name": ask.text("name", 100),
        "state": ask.text("state", 64),
        "userids": chosen(ask, "userids"),
        "department_ids": [whole(each) for each in chosen(ask, "department_ids")],
        "shifts": _shifts(ask),
        "daily_cap": whole(cap) if cap else None,
        "fallback": ask.text("fallback", 64),
        "skip_verify": ask.text("skip_verify") == "yes",
        "remark": ask.text("remark", 80),
        "tag_ids": chosen(ask, "tag_ids"),
        "welcome": welcome if welcome["text"].strip() or welcome["attachments"] else None,
        "poster": {"title": ask.text("poster.title", 200), "background": ask.text("poster.background", 64)},
    }


def _shifts(ask: Ask) -> list[dict[str, Any]]:
    """The shifts; a row in which nothing was chosen is none."""
    numbers = sorted({int(found[1]) for name in ask.form if (found := _SHIFT.fullmatch(name))})
    shifts: list[dict[str, Any]] = []
    for number in numbers[:SHIFTS_MAX]:
        path = f"shifts[{number}]"
        days, start, end = ask.texts(f"{path}.weekdays"), ask.text(f"{path}.start", 5), ask.text(f"{path}.end", 5)
        userids, departments = chosen(ask, f"{path}.userids"), chosen(ask, f"{path}.department_ids")
        if days or start or end or userids or departments:
            window = {"weekdays": [whole(day) for day in days], "start": start or "00:00", "end": end or "00:00"}
            shifts.append({
                "windows": [window], "userids": userids, "department_ids": [whole(each) for each in departments],
            })  # fmt: skip
    return shifts
