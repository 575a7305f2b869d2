"""Channels made, changed, copied, paused and archived: one way for the console, the API, commands and files.

A channel's welcome and tags are rules like all others, whose one condition is its state: there they are asked, tried
and explained. What WeCom is told is written down here and brought there by `bot/channel_calls.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Any

from sqlmodel import Session

from bot.phrases import Phrase
from bot.render import Renderer
from bot.rule_edits import (
    merged,
    save_tag_rule,
    save_welcome_rule,
    tag_problems,
    unwritable,
    welcome_problems,
)
from data.errors import ConflictError, NotFoundError
from data.models import ChannelKind, ChannelPlan
from data.queries import channel_plans as rows
from data.queries import leaves as leave_rows
from data.queries import media as media_rows
from data.queries import rules as rule_rows
from data.queries import staff as staff_rows
from data.queries import tags as tag_rows
from data.queries.channel_days import count_added_today
from data.queries.channel_plans import PlanFilter, Standing
from data.queries.media_uses import hold_these
from data.rules import channels as rules
from data.rules.acquisition import address_of as link_address
from data.rules.channels import (
    ChannelDraft,
    ChannelPlanned,
    Company,
    Duty,
    find_duty,
    members_max,
    named_members,
    wecom_body,
)
from data.rules.media import uploads_of
from data.rules.problems import InvalidRuleError, Problem, parse
from data.rules.schedule import local_datetime
from data.rules.tagging import TagConditions, TagRule, Trigger
from data.rules.welcome import WelcomeConditions, WelcomeRule

#: Of rules that are a channel's own: they go before those for everybody, which have 0.
PRIORITY = 100
#: Of a rule's name, which has to be nobody else's: the channel's state is behind it.
NAME_IN_RULE = 28
#: So many channels are looked at in one reading.
PIECE = 500


@dataclass(frozen=True, slots=True)
class Editing:
    """What making and changing channels needs. `visible`: whom whoever does it sees; None: everybody."""

    renderer: Renderer
    public_url: str
    zone: tzinfo
    now: datetime
    visible: Collection[str] | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """The company, for checking many channels by one reading: members by their userids in lower case, and tags."""

    spelled: Mapping[str, str]
    departments: frozenset[int]
    company: Company
    tag_ids: frozenset[str]


def read_known(session: Session, now: datetime, zone: tzinfo) -> Known:
    """The company as it is just now."""
    departments = frozenset(each.id for each in staff_rows.list_departments(session))
    spelled = {each.userid.casefold(): each.userid for each in staff_rows.list_staff(session)}
    company = read_company(session, departments, now, zone)
    return Known(spelled, departments, company, frozenset(tag_rows.list_live_ids(session)))


def make(
    session: Session,
    draft: ChannelDraft,
    made_by: str,
    editing: Editing,
    *,
    state: str,
    import_id: int | None = None,
    known: Known | None = None,
) -> int:
    """Check and keep one that WeCom is to get; its number. `state`: what is made up where the draft has none.

    Raises InvalidRuleError, ConflictError.
    """
    known = known or read_known(session, editing.now, editing.zone)
    draft = check(session, draft, editing, known)
    row = rows.add_plan(
        session, draft.name, draft.state or state, draft.planned, made_by, editing.now, import_id, draft.kind
    )  # fmt: skip
    _keep_rules(session, row, draft, editing)
    put_on_duty(session, row, editing.now, editing.zone, known.company)
    return row.id or 0


def change(
    session: Session, id_: int, changes: Mapping[str, Any], editing: Editing, version: int | None = None
) -> ChannelPlan:
    """Change one; `changes` as a JSON merge patch, but shifts, members and the welcome as a whole.

    Raises InvalidRuleError, NotFoundError, StaleError, and ConflictError for its state, which is printed.
    """
    row = rows.lock_plan(session, id_)
    refuse_foreign(row, editing.visible)
    before = draft_of(session, row).model_dump(mode="json")
    after = merged(before, changes)
    if "welcome" in changes:
        after["welcome"] = changes["welcome"]
    draft = parse(ChannelDraft, after)
    if draft.state != row.state:
        raise ConflictError("渠道的标识（state）不能修改：已经打印的码和统计都认它。", "请复制成一个新的渠道。")
    if draft.kind != row.kind:
        raise ConflictError(Phrase("渠道活码和获客链接不能互相改成对方。"), Phrase("请新建一个渠道。"))
    draft = check(session, draft, editing, read_known(session, editing.now, editing.zone))
    rows.change_plan(session, row, draft.name, draft.planned, editing.now, version)
    _keep_rules(session, row, draft, editing)
    put_on_duty(session, row, editing.now, editing.zone)
    return row


def switch(session: Session, id_: int, act: str, editing: Editing) -> ChannelPlan:
    """`pause`, `resume`, `archive` or `restore` one (while it rests the code is its fallback's), make it `again`, or
    `delete` a link.

    Raises NotFoundError, ConflictError.
    """
    row = rows.lock_plan(session, id_)
    refuse_foreign(row, editing.visible)
    match act:
        case "pause":
            row.paused_at = row.paused_at or editing.now
        case "resume":
            row.paused_at = None
        case "archive":
            row.archived_at = row.archived_at or editing.now
        case "restore":
            row.archived_at = None
        case "again":
            rows.make_again(session, id_, editing.now)
        case "delete":
            rows.delete_link(session, row, editing.now)
        case _:
            raise NotFoundError(f"没有操作 {act}。", "可以用：pause、resume、archive、restore、again、delete。")
    row.version += 1
    row.changed_at = editing.now
    if row.status not in rows.ENDED:
        put_on_duty(session, row, editing.now, editing.zone)
    return row


def copy_of(session: Session, row: ChannelPlan, name: str) -> ChannelDraft:
    """Another channel like this one, with a state that is yet to be made up."""
    return draft_of(session, row).model_copy(update={"name": name, "state": ""})


def draft_of(session: Session, row: ChannelPlan) -> ChannelDraft:
    """A channel as somebody would write it."""
    welcome, tags = _rules_of(session, row)
    return parse(ChannelDraft, {
        **row.definition, "kind": row.kind, "name": row.name, "state": row.state,
        "tag_ids": sorted(tags.put_on) if tags else [],
        "welcome": welcome.content.model_dump(mode="json") if welcome else None,
    })  # fmt: skip


def to_json(session: Session, row: ChannelPlan) -> dict[str, Any]:
    """One as the API and the commands tell of it."""
    hidden = {"definition", "wanted", "written", "calling_until", "called_at", "tries", "named", "duty", "background"}
    told = row.model_dump(exclude=hidden | {"stranded_as"})
    draft = draft_of(session, row).model_dump(mode="json")
    on_code = (row.written or {}).get("user", [])
    return {
        **told, **draft, "address": address_of(row), "on_code": on_code, "because": row.duty.get("because"),
        "out": row.duty.get("out", {}), "needs_person": row.status in rows.NEEDS_PERSON,
        "is_behind": row.next_at is not None,
    }  # fmt: skip


def address_of(row: ChannelPlan) -> str:
    """What is given to customers of a link, with its state, which WeCom brings back; nothing for a code."""
    return link_address(row.qr_code, row.state) if row.kind == ChannelKind.LINK else ""


def list_told(session: Session, wanted: PlanFilter, limit: int, before_id: int | None = None) -> list[dict[str, Any]]:
    """Channels of ours, the newest first, told in the same way."""
    return [to_json(session, row) for row in rows.list_plans(session, wanted, limit, before_id)]


def refuse_foreign(row: ChannelPlan, visible: Collection[str] | None) -> None:
    """Who does not see all whom a channel names may look at most. Raises NotFoundError where they see nobody of them,
    ConflictError where they see some."""
    if visible is None:
        return
    named = set(row.named) | {row.definition.get("fallback", "")}
    if not named & set(visible):
        raise NotFoundError(f"没有编号为 {row.id} 的渠道。", "请在渠道列表里核对。")
    if not named <= set(visible):
        raise ConflictError(
            "这个渠道里有您看不到的员工，所以不能修改。", "请让管理员修改，或复制成只有您的员工的渠道。"
        )


# -- who is on the code


def read_company(session: Session, departments: Collection[int], now: datetime, zone: tzinfo) -> Company:
    """The company as it is just now, with the members of these departments."""
    able = frozenset(staff_rows.list_able(session))
    away = frozenset(leave_rows.map_substitutes(session, local_datetime(now, zone).date()))
    members: dict[int, set[str]] = {each: set() for each in departments}
    if members:
        for userid, within in staff_rows.map_departments(session).items():
            for each in within & members.keys():
                # Who has no seat is no reason to refuse a department, and WeCom would refuse the member.
                if userid in able:
                    members[each].add(userid)
    return Company(able, away, members)


def put_on_duty(
    session: Session, row: ChannelPlan, now: datetime, zone: tzinfo, company: Company | None = None
) -> None:
    """Work out who is to be on a code now, and write it down."""
    planned = parse(ChannelPlanned, row.definition)
    company = company or read_company(session, planned.named_departments, now, zone)
    added = count_added_today(session, [row.state], now, zone).get(row.state, {}) if planned.daily_cap else {}
    duty = find_duty(
        planned, company, now, zone, added, paused=row.paused_at is not None, archived=row.archived_at is not None,
        members_max=members_max(row.kind),
    )  # fmt: skip
    named = named_members(planned, company)
    rows.write_duty(session, row, duty, named, wecom_body(planned, row.name, duty.userids), now)


@dataclass(frozen=True, slots=True)
class Turn:
    """What is to be written down of a channel: who is on its code from now on."""

    standing: Standing
    duty: Duty
    named: frozenset[str]
    body: dict[str, Any]


def find_turns(session: Session, after: int, now: datetime, zone: tzinfo) -> tuple[list[Turn], int | None]:
    """The channels of the next piece behind a number that need other members than they have, and where it ends."""
    found = rows.list_standings(session, after, PIECE)
    if not found:
        return [], None
    plans = {each.id: _planned(each.definition) for each in found}
    departments = frozenset[int]().union(*(plan.named_departments for plan in plans.values()))
    company = read_company(session, departments, now, zone)
    capped = [each.state for each in found if plans[each.id].daily_cap]
    added = count_added_today(session, capped, now, zone) if capped else {}
    turns = []
    for each in found:
        plan = plans[each.id]
        duty = find_duty(
            plan, company, now, zone, added.get(each.state, {}), paused=each.paused, archived=each.archived,
            members_max=members_max(each.kind),
        )  # fmt: skip
        named, body = named_members(plan, company), wecom_body(plan, each.name, duty.userids)
        same = not duty.userids or body == each.wanted
        if not (same and duty.to_json() == each.duty and sorted(named) == each.named):
            turns.append(Turn(each, duty, named, body))
    return turns, found[-1].id


def write_turns(session: Session, turns: Iterable[Turn], now: datetime) -> None:
    """Write down who is on which code; what somebody has changed meanwhile was worked out by them."""
    for turn in turns:
        row = rows.settle_unchanged(session, turn.standing.id, turn.standing.version)
        if row is not None:
            rows.write_duty(session, row, turn.duty, turn.named, turn.body, now)


@lru_cache(maxsize=8192)
def _planned(definition: str) -> ChannelPlanned:
    """What a definition says: thousands are asked every few seconds, and the same text always says the same."""
    return parse(ChannelPlanned, definition)


# -- checks and rules


def check(session: Session, draft: ChannelDraft, editing: Editing, known: Known) -> ChannelDraft:
    """The draft with members as WeCom writes them, if it can be used. Raises InvalidRuleError."""
    draft = _renamed(draft, known.spelled)
    found = [
        *unwritable(draft.model_dump(mode="json", exclude={"welcome"})),
        *rules.problems(draft, known.company, frozenset(known.spelled.values()), known.departments, draft.kind),
        *_foreign(draft, known.company, editing.visible),
    ]
    if draft.welcome is not None:
        if not draft.welcome.text.strip():
            found.append(Problem("welcome.text", "渠道的欢迎语要有文字"))
        rule = WelcomeRule(name="x", content=draft.welcome)
        found += [_of_channel(each) for each in welcome_problems(session, rule, editing.renderer, editing.public_url)]
    if draft.tag_ids:
        marks = TagRule(name="x", put_on=draft.tag_ids)
        found += [_of_channel(each) for each in tag_problems(session, marks, known.tag_ids)]
    if (background := draft.poster.background) and not media_rows.is_image(session, background):
        found.append(Problem("poster.background", "素材库里没有这张图片"))
    if found:
        raise InvalidRuleError(found)
    return draft


def _of_channel(problem: Problem) -> Problem:
    """A problem of one of its rules, by the field of the channel."""
    path = problem.path.replace("content", "welcome", 1).replace("put_on", "tag_ids", 1)
    return Problem(path, problem.message)


def _renamed(draft: ChannelDraft, known: Mapping[str, str]) -> ChannelDraft:
    """WeCom looks userids up without regard to case: the draft with its own spelling."""

    def spelled(userids: Iterable[str]) -> frozenset[str]:
        return frozenset(known.get(each.casefold(), each) for each in userids)

    shifts = tuple(each.model_copy(update={"userids": spelled(each.userids)}) for each in draft.shifts)
    return draft.model_copy(update={
        "userids": spelled(draft.userids), "shifts": shifts,
        "fallback": known.get(draft.fallback.casefold(), draft.fallback),
    })  # fmt: skip


def _foreign(draft: ChannelDraft, company: Company, visible: Collection[str] | None) -> list[Problem]:
    if visible is None:
        return []
    others = sorted((named_members(draft, company) | draft.named_userids) - set(visible))
    found = [Problem("userids", f"您看不到这些员工的客户：{'、'.join(others[:5])}")] if others else []
    if draft.fallback not in visible:
        found.append(Problem("fallback", f"您看不到 {draft.fallback} 的客户，请选您部门的员工"))
    return found


def _rules_of(session: Session, row: ChannelPlan) -> tuple[WelcomeRule | None, TagRule | None]:
    """The rules of a channel that are still there."""
    return (
        rule_rows.find_welcome_rule(session, row.welcome_rule_id) if row.welcome_rule_id else None,
        rule_rows.find_tag_rule(session, row.tag_rule_id) if row.tag_rule_id else None,
    )


def _keep_rules(session: Session, row: ChannelPlan, draft: ChannelDraft, editing: Editing) -> None:
    """Have the channel's welcome and tags said by rules. What admins have set on these otherwise stays."""
    welcome, tags = _rules_of(session, row)
    name, states = f"渠道 {row.name[:NAME_IN_RULE]} {row.state}", frozenset({row.state})
    if draft.welcome is None and welcome is not None:
        rule_rows.delete_welcome_rule(session, welcome.id)
        row.welcome_rule_id = None
    elif draft.welcome is not None and (welcome is None or welcome.content != draft.welcome):
        new = WelcomeRule(
            name=name, priority=PRIORITY, conditions=WelcomeConditions(states=states), content=draft.welcome
        )  # fmt: skip
        if welcome is None:  # All of it has just been checked.
            saved = rule_rows.save_welcome_rule(session, new, editing.now)
            hold_these(session, {each.media for each in uploads_of(saved.content)})
        else:
            rule = welcome.model_copy(update={"content": draft.welcome})
            saved = save_welcome_rule(session, rule, editing.renderer, editing.public_url, editing.now)
        row.welcome_rule_id = saved.id
        rule_rows.own_by_channel(session, saved, row.state)
    if not draft.tag_ids and tags is not None:
        rule_rows.delete_tag_rule(session, tags.id)
        row.tag_rule_id = None
    elif draft.tag_ids and (tags is None or tags.put_on != draft.tag_ids):
        fresh = TagRule(
            name=name, priority=PRIORITY, triggers=frozenset({Trigger.ADD}), conditions=TagConditions(states=states),
            put_on=draft.tag_ids,
        )  # fmt: skip
        save = rule_rows.save_tag_rule if tags is None else save_tag_rule
        kept = save(session, tags.model_copy(update={"put_on": draft.tag_ids}) if tags else fresh, editing.now)
        row.tag_rule_id = kept.id
        rule_rows.own_by_channel(session, kept, row.state)
    session.flush()
    if draft.poster.background:
        hold_these(session, {draft.poster.background})
