"""Whom a row of an import is about, and what the rows about one customer would change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bot.phrases import Phrase
from data.rules.fields import BIRTHDAY
from data.rules.imports import Given, Tag
from data.rules.remarks import MOBILES_MAX, Remark
from data.rules.texts import normalised_mobile

#: Candidates that are shown of a row.
CANDIDATES_SHOWN = 10
#: Names of tags that do not exist, as far as they are kept for the preview.
MISSING_TOLD = 200

NOBODY = Phrase("没有找到这位客户：请选一位，或者不导入这一行")
NOT_OURS = Phrase(
    "这个客户编号不是本企业的，也没有找到这位客户：如果是别的服务商的应用导出的，请在选项里填那个应用的 agentid"
)
NOT_CONVERTED = Phrase("企业微信没有把这个编号换成本企业的客户编号，也没有找到这位客户：请选一位，或者不导入这一行")
NOT_YET = Phrase(
    "企业微信已把这个编号换成本企业的客户编号，但系统里还没有这位客户：请先同步客户，再到这里选，或者不导入这一行"
)
SEVERAL = Phrase("有几位客户都符合：请选一位，或者不导入这一行")
LIKELY = Phrase("只有客户名称或备注对得上：请确认是不是这一位，或者不导入这一行")


class Contact(NamedTuple):
    """A customer and a member who has or had them."""

    external_userid: str
    userid: str
    unionid: str = ""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Whom each of a row's clues points to, of those customers that the import may touch."""

    by_id: Sequence[Contact] = ()
    by_unionid: Sequence[Contact] = ()
    by_mobile: Sequence[Contact] = ()
    by_name: Sequence[Contact] = ()

    @property
    def everybody(self) -> list[str]:
        """Each of them once, those of the surest clue first."""
        found = (*self.by_id, *self.by_unionid, *self.by_mobile, *self.by_name)
        return list(dict.fromkeys(each.external_userid for each in found))


def choose(given: Given, found: Candidates, staff: Collection[str]) -> tuple[str, str]:
    """(external_userid, "") of the only customer whom the surest clue points to; else ("", why a person has to look).

    An id of another app points to nobody, and the next clue is asked. One that points to several is not overruled by a
    weaker one; the member whom the row names (`staff`) tells them apart. A name counts only with its member.
    """
    by_mobile = [each for each in found.by_mobile if not (given.unionid and each.unionid not in ("", given.unionid))]
    by_name = [each for each in found.by_name if each.userid in staff]
    for contacts in (found.by_id, found.by_unionid, by_mobile, by_name):
        customers = {each.external_userid for each in contacts}
        if len(customers) > 1:
            customers = {each.external_userid for each in contacts if each.userid in staff}
        if len(customers) == 1:
            return customers.pop(), ""
        if contacts:
            return "", SEVERAL
    everybody = found.everybody
    return "", NOBODY if not everybody else LIKELY if len(everybody) == 1 else SEVERAL


class TagIndex:
    """The company's tags by what files call them."""

    def __init__(self, tags: Iterable[tuple[str, str, str]]) -> None:
        """`tags`: (tag_id, name, name of its group)."""
        self._by_name: dict[str, list[str]] = {}
        self._by_both: dict[tuple[str, str], str] = {}
        for tag_id, name, group in tags:
            self._by_name.setdefault(name, []).append(tag_id)
            self._by_both.setdefault((group, name), tag_id)

    def find(self, tag: Tag) -> str | None:
        """The id of a tag; None: there is none. A name with a colon in it may be that of a tag as it stands."""
        if tag.group:
            whole = self._by_name.get(f"{tag.group}:{tag.name}") or self._by_name.get(f"{tag.group}：{tag.name}")
            return self._by_both.get((tag.group, tag.name)) or (whole[0] if whole else None)
        found = self._by_name.get(tag.name, [])
        return found[0] if found else None

    def fault(self, tag: Tag, *, make: bool) -> str:
        """Why a tag cannot be put on as it is named. `make`: those that do not exist are made."""
        if not tag.group and len(self._by_name.get(tag.name, ())) > 1:
            return Phrase("几个标签组里都有「%(name)s」：请写成 标签组:%(name)s", name=tag.name)
        if not make and self.find(tag) is None:
            return Phrase("没有标签「%(tag)s」：请先新建，或者选择“自动新建缺少的标签”", tag=tag)
        return ""


class FollowNow(NamedTuple):
    """A relation as it is; `tag_ids` are on it."""

    follow_id: int
    userid: str
    remark: str
    description: str
    remark_mobiles: Sequence[str]
    tag_ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class CustomerNow:
    """A customer as they are: relations that are contacts, values of fields, orders by number (status, amount,
    instant)."""

    follows: Sequence[FollowNow] = ()
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Changes:
    """What the rows about one customer change. `kept`: what stays because it is there already and is not replaced."""

    tags: dict[int, set[str]] = field(default_factory=dict)
    missing: list[Tag] = field(default_factory=list)
    remarks: dict[str, Remark] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)
    orders: list[dict[str, Any]] = field(default_factory=list)
    kept: int = 0

    @property
    def is_empty(self) -> bool:
        return not (self.tags or self.missing or self.remarks or self.fields or self.orders)


def named_follows(given: Given, now: CustomerNow, staff: Collection[str]) -> Sequence[FollowNow]:
    """The relations that a row is about: that with the member whom it names, if there is one, else all."""
    return [each for each in now.follows if each.userid in staff] or now.follows


def follow_fault(given: Given, follows: Sequence[FollowNow]) -> str:
    """Why what a row says of a relation cannot be written."""
    if given.needs_follow and not follows:
        return Phrase("这位客户现在不是任何同事的好友（或者不在您能看到的范围内），不能打标签、改备注")
    if given.notes and len(follows) > 1:
        return Phrase("这位客户有几位同事：备注要写清楚是哪一位的，请加一列“所属员工”")
    return ""


def compare(
    rows: Sequence[tuple[Given, Collection[str]]],
    now: CustomerNow,
    orders: Mapping[str, Mapping[str, Any]],
    index: TagIndex,
    *,
    overwrite: bool,
) -> Changes:
    """What rows about one customer (in their order, each with the members whom it names) change; the last one that says
    a thing is right. `orders`: those that are kept already, by number."""
    changes = Changes()
    wanted: dict[str, dict[str, Any]] = {}
    values: dict[str, Any] = {}
    by_userid = {each.userid: each for each in now.follows}
    for given, staff in rows:
        follows = named_follows(given, now, staff)
        for tag in given.tags:
            _want_tag(changes, tag, index, follows)
        if given.notes and len(follows) == 1:
            _want_notes(wanted.setdefault(follows[0].userid, {}), given)
        values |= given.fields
        if given.order is not None:
            known = orders.get(given.order["number"])
            if known is None or (overwrite and _differs(given.order, known)):
                changes.orders.append({**given.order, **_clues(given)})
            elif not overwrite and _differs(given.order, known):
                changes.kept += 1
    for userid, notes in wanted.items():
        _compare_notes(changes, by_userid[userid], notes, overwrite=overwrite)
    for name, value in values.items():
        there = now.values.get(name)
        if _same_value(name, value, there):
            continue
        if there is not None and not overwrite:
            changes.kept += 1
        else:
            changes.fields[name] = value
    return changes


def _want_tag(changes: Changes, tag: Tag, index: TagIndex, follows: Sequence[FollowNow]) -> None:
    tag_id = index.find(tag)
    if tag_id is None:
        if tag not in changes.missing:
            changes.missing.append(tag)
        return
    for follow in follows:
        if tag_id not in follow.tag_ids:
            changes.tags.setdefault(follow.follow_id, set()).add(tag_id)


def _want_notes(notes: dict[str, Any], given: Given) -> None:
    for name in ("remark", "description"):
        if text := getattr(given, name):
            notes[name] = text
    notes["remark_mobiles"] = [*notes.get("remark_mobiles", ()), *given.remark_mobiles]


def _compare_notes(changes: Changes, now: FollowNow, notes: Mapping[str, Any], *, overwrite: bool) -> None:
    after: dict[str, Any] = {}
    for name in ("remark", "description"):
        there, wanted = getattr(now, name), notes.get(name, "")
        replaced = bool(wanted) and wanted != there and (overwrite or not there)
        changes.kept += bool(wanted) and wanted != there and not replaced
        after[name] = wanted if replaced else there
    # Numbers are added to those that are there: one replaces no other.
    known = {normalised_mobile(each) for each in now.remark_mobiles}
    added = [each for each in dict.fromkeys(notes.get("remark_mobiles", ())) if each not in known]
    room = max(0, MOBILES_MAX - len(now.remark_mobiles))
    changes.kept += len(added[room:])
    mobiles = (*now.remark_mobiles, *added[:room])
    if after != {"remark": now.remark, "description": now.description} or len(mobiles) > len(now.remark_mobiles):
        # What WeCom has may be longer than what it takes today.
        changes.remarks[now.userid] = Remark.model_construct(**after, remark_mobiles=mobiles)


def _same_value(name: str, value: Any, there: Any) -> bool:
    if name == BIRTHDAY and there is not None:
        plain = {"leap_month": False, "year": None, **value}
        # A birthday whose year is known says more than one without.
        return bool(plain == there or (plain["year"] is None and {**plain, "year": there["year"]} == there))
    return bool(value == there and isinstance(value, bool) == isinstance(there, bool))


def _clues(given: Given) -> dict[str, str]:
    """Who bought, for an order whose customer is not found; where they are, `external_userid` says so."""
    return {
        "external_userid": given.external_userid,
        "unionid": given.unionid,
        "mobile": given.mobiles[0] if given.mobiles else "",
    }


def _differs(order: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    names = ["status", "amount_fen", "placed_at", *(["item"] if order["items"] else [])]
    told = {**order, "item": order["items"][0]["name"] if order["items"] else ""}
    return any(told[name] != known[name] for name in names)


@dataclass(slots=True)
class Tally:
    """What an import would change, counted by customers and relations; `rows` by what became of them."""

    customers: int = 0
    tagged: int = 0
    gains: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    remarks: int = 0
    fields: Counter[str] = field(default_factory=Counter)
    orders: int = 0
    kept: int = 0

    def note(self, changes: Changes) -> None:
        """Count the changes of one customer."""
        self.customers += not changes.is_empty
        self.tagged += len(changes.tags)
        for tag_ids in changes.tags.values():
            self.gains.update(tag_ids)
        for tag in changes.missing:
            if str(tag) in self.missing or len(self.missing) < MISSING_TOLD:
                self.missing[str(tag)] += 1
        self.remarks += len(changes.remarks)
        self.fields.update(changes.fields.keys())
        self.orders += len(changes.orders)
        self.kept += changes.kept

    def to_json(self) -> dict[str, Any]:
        """As it is kept."""
        return {
            name: dict(value) if isinstance(value := getattr(self, name), Counter) else value
            for name in self.__dataclass_fields__
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Tally:
        """As it was kept."""
        values: dict[str, Any] = {
            name: Counter(value) if isinstance(value, dict) else value for name, value in kept.items()
        }
        return cls(**values)
