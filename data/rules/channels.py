"""Channels: what may be wanted of one, who should be on its code at an instant, and which call to WeCom that takes."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from data.rules.conditions import RuleName, UserID
from data.rules.messages import MessageContent
from data.rules.problems import Problem, RuleModel, SortedSet
from data.rules.schedule import TimeWindow, any_holds, read_weekdays
from data.rules.tagging import TagID

#: Of WeCom (doc 92228): a contact way's members all together, its state, and its remark.
MEMBERS_MAX, STATE_MAX_LENGTH, WECOM_NAME_MAX_LENGTH = 100, 30, 30
#: Of a customer-acquisition link.
LINK_MEMBERS_MAX = 500
#: Of WeCom: what a member notes as a customer's name.
REMARK_MAX_LENGTH = 20
#: What stands for the customer's name in the remark.
NAME_IN_REMARK = "{name}"
SHIFTS_MAX = 21
TITLE_MAX_LENGTH = 60

#: A call is given up after this; nobody makes another for the same channel before the claim is over.
CALL_SECONDS, CLAIM_SECONDS = 20.0, 45.0
#: What WeCom's list does not show so long after a call was not made by it.
SETTLE_SECONDS = 120.0
#: WeCom's list is read from so long before the call: clocks differ.
CLOCKS_DIFFER_SECONDS = 600.0
MAX_TRIES = 8


class Shift(RuleModel):
    """Members who are on the code while one of the windows holds."""

    windows: Annotated[tuple[TimeWindow, ...], Field(min_length=1, max_length=7)]
    userids: SortedSet[UserID] = frozenset()
    department_ids: SortedSet[int] = frozenset()


_TIME = "[0-9]{1,2}[:：][0-9]{2}"
_SHIFT = re.compile(rf"(?P<days>\S+)\s+(?P<start>{_TIME})\s*[-–—~～至到]\s*(?P<end>{_TIME})\s+(?P<who>\S.*)", re.DOTALL)


class WrittenShift(NamedTuple):
    """A shift as it is written in one line: its window (a `TimeWindow`), and whom it names."""

    window: dict[str, Any]
    names: list[str]


def read_shift(text: str) -> WrittenShift | None:
    """`1-5 09:00-18:00 ZhangSan、LiSi`, or `周一至周五 9:00-18:00 张三`; None for what is no shift."""
    found = _SHIFT.fullmatch(text.strip())
    weekdays = read_weekdays(found["days"]) if found is not None else None
    if found is None or weekdays is None:
        return None
    start, end = (found[name].replace("：", ":").zfill(5) for name in ("start", "end"))
    names = [each.strip() for each in re.split("[,，、]+", found["who"])]
    return WrittenShift({"weekdays": weekdays, "start": start, "end": end}, [each for each in names if each])


class Poster(RuleModel):
    """What is printed around the code: a title, and a picture of the media library behind it."""

    title: str = Field(default="", max_length=TITLE_MAX_LENGTH)
    background: str = Field(default="", max_length=64)


class ChannelPlanned(RuleModel):
    """What a channel's own row keeps of it.

    `userids` and the members of `department_ids` are always on the code, those of a shift while it holds. `daily_cap`:
    so many may come to one member in a day through this channel. `fallback` takes over where nobody else can. `remark`:
    what the customer's name becomes with the member; `{name}` stands for it.
    """

    userids: SortedSet[UserID] = frozenset()
    department_ids: SortedSet[int] = frozenset()
    shifts: tuple[Shift, ...] = Field(default=(), max_length=SHIFTS_MAX)
    daily_cap: Annotated[int, Field(strict=True, ge=1, le=100_000)] | None = None
    fallback: UserID
    skip_verify: bool = True
    remark: str = Field(default="", max_length=40)
    poster: Poster = Poster()

    @property
    def named_userids(self) -> frozenset[str]:
        """Members that it names by themselves, the fallback not among them."""
        return self.userids.union(*(shift.userids for shift in self.shifts))

    @property
    def named_departments(self) -> frozenset[int]:
        return self.department_ids.union(*(shift.department_ids for shift in self.shifts))


class ChannelDraft(ChannelPlanned):
    """A channel as somebody writes it. Its `state` is made up where none is given; it and `kind` never change."""

    kind: Literal["code", "link"] = "code"
    name: RuleName
    state: str = Field(default="", max_length=STATE_MAX_LENGTH, pattern=r"^[A-Za-z0-9_.-]*$")
    tag_ids: SortedSet[TagID] = frozenset()
    welcome: MessageContent | None = None

    @property
    def planned(self) -> ChannelPlanned:
        """What its own row keeps."""
        return ChannelPlanned.model_validate(self.model_dump(mode="json", include=set(ChannelPlanned.model_fields)))


@dataclass(frozen=True, slots=True)
class Company:
    """The company as it is just now: who can have customers, who is away, who is in which department (or below)."""

    able: Set[str]
    away: Set[str] = frozenset()
    members_of: Mapping[int, Set[str]] = field(default_factory=dict)


class Because(StrEnum):
    """Why these members are on a code."""

    PLANNED = "planned"
    PAUSED = "paused"
    ARCHIVED = "archived"
    #: Everybody whom it names is away, full, or not there any more.
    NOBODY = "nobody"
    #: No shift holds, and nobody is on it always.
    OFF_HOURS = "off_hours"
    #: Not even the fallback can have customers: whoever can, of all that it names, keeps the code alive.
    LAST_RESORT = "last_resort"
    #: Nobody at all can.
    STUCK = "stuck"


class Out(StrEnum):
    """Why a member who should be on a code is not."""

    UNABLE = "unable"
    AWAY = "away"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Duty:
    """Who is to be on a code, why, and why others are not. Without anybody the code stays as it is."""

    userids: tuple[str, ...]
    because: Because
    out: Mapping[str, Out] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"because": self.because.value, "out": {userid: why.value for userid, why in sorted(self.out.items())}}


def named_members(plan: ChannelPlanned, company: Company) -> frozenset[str]:
    """Everybody whom a channel names, departments as their members."""
    none: Set[str] = frozenset()
    return plan.named_userids.union(*(company.members_of.get(each, none) for each in plan.named_departments))


def find_duty(
    plan: ChannelPlanned,
    company: Company,
    at: datetime,
    zone: tzinfo,
    added: Mapping[str, int],
    *,
    paused: bool = False,
    archived: bool = False,
    members_max: int = MEMBERS_MAX,
) -> Duty:
    """Who should be on a code at an instant. `added`: how many came to each member today through this channel.

    A code never points to nobody of its own accord: a paused or archived one is the fallback's.
    """
    none: Set[str] = frozenset()
    out: dict[str, Out] = {}
    because = Because.ARCHIVED if archived else Because.PAUSED
    if not paused and not archived:
        wanted = set(plan.userids).union(*(company.members_of.get(each, none) for each in plan.department_ids))
        is_planned = bool(plan.userids or plan.department_ids)
        for shift in plan.shifts:
            if any_holds(shift.windows, at, zone):
                is_planned = True
                wanted |= shift.userids.union(*(company.members_of.get(each, none) for each in shift.department_ids))
        for userid in wanted:
            if userid not in company.able:
                out[userid] = Out.UNABLE
            elif userid in company.away:
                out[userid] = Out.AWAY
            elif plan.daily_cap is not None and added.get(userid, 0) >= plan.daily_cap:
                out[userid] = Out.FULL
        if on := sorted(wanted - out.keys()):
            return Duty(tuple(on[:members_max]), Because.PLANNED, out)
        # A department of which nobody can have customers any more is not a time without anybody.
        because = Because.NOBODY if is_planned else Because.OFF_HOURS
    if plan.fallback in company.able:
        return Duty((plan.fallback,), because, out)
    rest = sorted(named_members(plan, company) & company.able)
    return Duty(tuple(rest[:members_max]), Because.LAST_RESORT if rest else Because.STUCK, out)


def members_max(kind: str) -> int:
    """How many members WeCom takes on one channel of a kind."""
    return LINK_MEMBERS_MAX if kind == "link" else MEMBERS_MAX


def problems(
    draft: ChannelPlanned, company: Company, known: Set[str], departments: Set[int], kind: str = "code"
) -> list[Problem]:
    """What keeps a channel of a kind from being made. `known`: members of the company among those it names."""
    found = []
    if not draft.named_userids and not draft.named_departments:
        found.append(Problem("userids", "至少选一位员工或一个部门"))
    for path, userids, ids in (
        ("", draft.userids, draft.department_ids),
        *((f"shifts[{number}].", each.userids, each.department_ids) for number, each in enumerate(draft.shifts)),
    ):
        found += [
            Problem(f"{path}userids", f"没有成员 {each}（或还没有从企业微信读到）") for each in sorted(userids - known)
        ]
        found += [Problem(f"{path}department_ids", f"没有编号为 {each} 的部门") for each in sorted(ids - departments)]
    for number, shift in enumerate(draft.shifts):
        if not shift.userids and not shift.department_ids:
            found.append(Problem(f"shifts[{number}].userids", "这一班还没有选员工或部门"))
        found += [
            Problem(f"shifts[{number}].windows[{place}].weekdays", "至少选一天")
            for place, window in enumerate(shift.windows)
            if not window.weekdays
        ]
    count = len(named_members(draft, company))
    if count > (most := members_max(kind)):
        what = "获客链接" if kind == "link" else "码"
        found.append(Problem("userids", f"共有 {count} 位员工，企业微信的一个{what}最多 {most} 位：请分成几个渠道"))
    if draft.fallback not in known:
        found.append(Problem("fallback", f"没有成员 {draft.fallback}（或还没有从企业微信读到）"))
    elif draft.fallback not in company.able:
        found.append(Problem("fallback", "这位成员不能添加客户：请在企业微信管理后台开通客户联系，或换一位"))
    named = NAME_IN_REMARK in draft.remark
    if len(draft.remark.replace(NAME_IN_REMARK, "")) > REMARK_MAX_LENGTH - named:
        found.append(Problem("remark", f"企业微信的备注最多 {REMARK_MAX_LENGTH} 个字，{NAME_IN_REMARK} 也要留位置"))
    return found


def remark_for(template: str, name: str) -> str:
    """What a customer's name becomes, within WeCom's length: of a long name the end is left out."""
    room = REMARK_MAX_LENGTH - len(template.replace(NAME_IN_REMARK, ""))
    return template.replace(NAME_IN_REMARK, name.strip()[:room], 1).replace(NAME_IN_REMARK, "").strip()


def wecom_body(plan: ChannelPlanned, name: str, userids: Collection[str]) -> dict[str, Any]:
    """What may change of a contact way, as WeCom takes it (of a link: `data.rules.acquisition.link_body`)."""
    return {
        "remark": name[:WECOM_NAME_MAX_LENGTH],
        "skip_verify": plan.skip_verify,
        "user": list(userids),
        "party": [],
    }


class Step(StrEnum):
    """The call to WeCom that a channel needs."""

    MAKE = "make"
    LOOK = "look"
    UPDATE = "update"
    DELETE = "delete"


def next_step(status: str, wanted: Mapping[str, Any], written: Mapping[str, Any] | None) -> Step | None:
    """What brings a channel to WeCom as it is wanted; None: nothing, or a person has to look first."""
    match status:
        case "planned":
            return Step.MAKE if wanted.get("user") else None
        case "unknown":
            return Step.LOOK
        case "made":
            return Step.UPDATE if wanted.get("user") and wanted != written else None
        case "deleting":
            return Step.DELETE
        case _:
            return None


def made_up_state(chance: bytes) -> str:
    """A state of our own."""
    return f"ch-{base64.b32encode(chance).decode().rstrip('=').lower()}"


def state_of_row(cells: Mapping[str, Any], repeat: int) -> str:
    """The state of a row of a file: the same row gives the same one, whatever file it is in. `repeat`: how many equal
    rows stand before it."""
    text = json.dumps([cells, repeat], ensure_ascii=False, sort_keys=True)
    return f"im-{base64.b32encode(hashlib.sha256(text.encode()).digest()[:15]).decode().rstrip('=').lower()}"
