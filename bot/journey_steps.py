"""Due steps of journeys decided for many customers at once: what is known is read together, then each is judged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple

from sqlmodel import Session

from bot.campaign_plans import calendar_of
from bot.config import Settings
from bot.journey_books import Book, Key
from bot.phrases import Phrase
from bot.staff_tasks import caps_of
from data.models import RecipientState
from data.queries import journey_dues as rows
from data.queries import kf_sessions as kf_rows
from data.queries import segments
from data.queries import senders as sender_rows
from data.queries.journey_dues import Contact, Due, Known
from data.rules import preferences
from data.rules.caps import DaysCap, WecomCap, wecom_cap
from data.rules.happenings import TAKEN_OVER
from data.rules.journey_caps import is_full, room, since_of
from data.rules.journey_steps import Decision, Facts, decide
from data.rules.journeys import Branch, Journey, SendBroadcast, Step, WriteInService
from data.rules.kf_sessions import Talk, why_closed
from data.rules.preferences import RefusalReason, TouchKind, may_touch
from data.rules.schedule import local_datetime
from data.rules.senders import Candidate, Senders, list_stand_ins
from data.rules.senders import decide as decide_senders
from data.rules.timings import Calendar

NO_SENDER = {
    RecipientState.SENDER_UNABLE: Phrase("没有能联系客户的员工（已离职或没有客户联系权限）"),
    RecipientState.SENDER_EXCLUDED: Phrase("跟进客户的员工不参加这个旅程"),
    RecipientState.SENDER_ON_LEAVE: Phrase("跟进客户的员工休假，没有替班的人"),
}


class Company(NamedTuple):
    """What holds for all journeys. `wecom`: WeCom's own cap on group-sends. `restored_at`: what was due before may have
    been done by a bot whose databases are lost."""

    calendar: Calendar
    caps: tuple[DaysCap, ...]
    wecom: WecomCap
    restored_at: datetime | None = None

    def since(self, journeys: Iterable[Journey], now: datetime) -> datetime | None:
        """From when on messages count for the limits on what these journeys do; None: for none."""
        zone = self.calendar.zone
        sends = any(isinstance(step.action, SendBroadcast) for journey in journeys for step in journey.steps)
        found = [since_of(self.caps, now, zone), wecom_cap(self.wecom, now, zone).since if sends else None]
        return min((each for each in found if each is not None), default=None)


def company_of(settings: Settings, restored_at: datetime | None = None) -> Company:
    """The company's clock and limits, as its settings have them."""
    return Company(calendar_of(settings), caps_of(settings), settings.campaigns.wecom_cap, restored_at)


class Judged(NamedTuple):
    """A due step, what becomes of it, and through whom it is done; None: the customer is lost."""

    due: Due
    step: Step | None
    decision: Decision
    contact: Contact | None


def judge_due(session: Session, book: Book, due: Sequence[Due], now: datetime, company: Company) -> list[Judged]:
    """What becomes of steps that are due: of each customer's the first, for it may leave no room for the others.

    Raises ValueError where a next step is never due, InvalidRuleError.
    """
    book.read(session, {_key(each) for each in due})
    zone = company.calendar.zone
    tomorrow = local_datetime(now, zone).date() + timedelta(days=1)
    until = datetime.combine(tomorrow, time(), zone).astimezone(UTC)
    since = company.since({_key(each): book[_key(each)] for each in due}.values(), now)
    known = rows.read_known(session, {each.external_userid for each in due}, since, until, zone)
    book.read_others(session, {_key(each) for waiting in known.waiting.values() for each in waiting})
    judge = _Judge(session, book, known, now, company)
    judge.read_members(due)
    judge.read_windows(due)
    ordered = sorted(due, key=lambda each: (each.standing.due_at, -book[_key(each)].priority, each.enrolment_id))
    firsts = {each.external_userid: each for each in reversed(ordered)}
    return [judge.judge(each) for each in firsts.values()]


def _key(due: Due) -> Key:
    return due.journey_id, due.version


class _Judge:
    """Judges one customer after the other."""

    def __init__(self, session: Session, book: Book, known: Known, now: datetime, company: Company) -> None:
        self._session = session
        self._book = book
        self._known = known
        self._now = now
        self._company = company
        self._members: dict[tuple[Key, str], frozenset[str]] = {}
        self._senders: dict[Key, Senders] = {}
        self._service: dict[str, list[Talk]] = {}

    def read_members(self, due: Iterable[Due]) -> None:
        """Which of the customers are in the segments that their steps ask about, or those of others that may go
        before."""
        asked: dict[tuple[Key, str], set[int]] = {}
        for each in due:
            follows = {contact.follow_id for contact in self._known.contacts.get(each.external_userid, ())}
            journey = self._book[_key(each)]
            wanted = [(_key(each), path) for path in _paths(journey, each.standing.step)]
            wanted += [
                (_key(other), _only_if(other.standing.step))
                for other, step in self._list_higher(each.external_userid, journey)
                if step.only_if is not None
            ]
            for question in wanted:
                asked.setdefault(question, set()).update(follows)
        zone = self._company.calendar.zone
        for (key, path), follow_ids in asked.items():
            tree = dict(self._book[key].list_trees())[path]
            found = segments.list_members(self._session, tree, self._now, zone, follow_ids)
            self._members[key, path] = found

    def read_windows(self, due: Iterable[Due]) -> None:
        """The conversations of customer service of those for whom a step writes there."""
        asked = {each.external_userid for each in due if _writes_in_service(self._step_of(each))}
        if asked:
            self._service = kf_rows.map_talks(self._session, asked)

    def _step_of(self, due: Due) -> Step | None:
        return _step_at(self._book[_key(due)], due)

    def judge(self, due: Due) -> Judged:
        """What becomes of one step."""
        key, whom = _key(due), due.external_userid
        journey = self._book[key]
        step = self._step_of(due)
        senders = self._senders_of(key)
        contacts = of_members(senders, self._known.contacts.get(whom, []))
        contact, no_sender = through(senders, due.userid, contacts)
        left_at = self._known.left_at.get(whom)
        facts = Facts(
            lambda path: whom in self._members[key, path],
            is_lost=not contacts,
            no_sender=no_sender,
            awaited_until=left_at and left_at + TAKEN_OVER,
            restored_at=self._company.restored_at,
        )
        if step is not None and isinstance(step.action, WriteInService):
            closed = why_closed(self._service.get(whom, ()), step.action.open_kfid, self._now)
            facts = facts._replace(no_window=closed)
        if step is not None and step.disturbs:
            facts = self._with_limits(due, journey, facts)
        elif (wish := self._known.wishes.get(whom)) is not None and wish.opted_out:
            facts = facts._replace(refusal=RefusalReason.OPTED_OUT)
        decision = decide(journey, due.standing, facts, self._now, self._company.calendar)
        # Tags are put on whoever is there to reach the customer.
        return Judged(due, step, decision, contact or next(iter(contacts), None))

    def _with_limits(self, due: Due, journey: Journey, facts: Facts) -> Facts:
        zone, whom = self._company.calendar.zone, due.external_userid
        touched = self._known.touched.get(whom, [])
        verdict = may_touch(
            self._known.wishes.get(whom), [each.at for each in touched], self._now, zone, TouchKind.TASK
        )
        left = room(self._company.caps, [each.at for each in touched if not each.answers], self._now, zone)
        facts = facts._replace(refusal=verdict.reason, has_room=left is None or left > 0)
        if (step := self._step_of(due)) is not None and isinstance(step.action, SendBroadcast):
            cap = wecom_cap(self._company.wecom, self._now, zone)
            facts = facts._replace(wecom_full=is_full(cap, (each.at for each in touched if each.counts)))
        wanted = preferences.room(self._known.wishes.get(whom), [each.at for each in touched], self._now, zone)
        left = min((each for each in (left, wanted) if each is not None), default=None)
        if not left:
            return facts
        before = self._list_before(due, journey)
        return facts._replace(outranked_by=before[left - 1] if len(before) >= left else "")

    def _list_before(self, due: Due, journey: Journey) -> list[str]:
        """The journeys that go before this one and want the customer today as well."""
        found = [
            self._book[_key(other)]
            for other, step in self._list_higher(due.external_userid, journey)
            if step.only_if is None or due.external_userid in self._members[_key(other), _only_if(other.standing.step)]
        ]
        return [each.name for each in sorted(found, key=lambda each: -each.priority)]

    def _list_higher(self, whom: str, journey: Journey) -> Iterator[tuple[Due, Step]]:
        """Steps that would reach a customer today, of journeys of a higher priority. One that is not understood does
        nothing before somebody has mended it."""
        for other in self._known.waiting.get(whom, ()):
            theirs = self._book.find(_key(other))
            if theirs is None or theirs.priority <= journey.priority or other.standing.held_out:
                continue
            step = _step_at(theirs, other)
            if step is not None and step.disturbs:
                yield other, step

    def _senders_of(self, key: Key) -> Senders:
        if key not in self._senders:
            day = local_datetime(self._now, self._company.calendar.zone).date()
            self._senders[key] = sender_rows.read_journey_senders(self._session, self._book[key], day)
        return self._senders[key]


def _step_at(journey: Journey, due: Due) -> Step | None:
    """The step that is due; None behind the last."""
    return journey.steps[due.standing.step] if due.standing.step < len(journey.steps) else None


def _only_if(number: int) -> str:
    """The path of a step's segment."""
    return f"steps[{number}].only_if"


def _writes_in_service(step: Step | None) -> bool:
    return step is not None and isinstance(step.action, WriteInService)


def of_members(senders: Senders, contacts: Sequence[Contact]) -> list[Contact]:
    """Those of a customer's contacts through whom the journey works at all."""
    return [each for each in contacts if senders.only is None or each.userid in senders.only]


def through(senders: Senders, userid: str, contacts: Sequence[Contact]) -> tuple[Contact | None, str]:
    """The contact through whom a customer is reached, or why there is none (empty: the customer is nobody's contact).
    `userid`: through whom it began, where that is known; who took the customer over from them goes before others."""
    if not contacts:
        return None, ""
    mine = [each for each in contacts if each.userid == userid and userid not in senders.unable]
    if userid and not mine:
        mine = [each for each in contacts if each.inherited and each.userid not in senders.unable]
    mine = mine or list(contacts)
    candidates = [_candidate(each, senders) for each in mine]
    follows = [(each.follow_id, each.userid, each.external_userid, "present") for each in contacts]
    if senders.substitutes:
        candidates += list_stand_ins(senders, candidates, follows)
    decisions = decide_senders(senders, candidates)
    chosen = {each.follow_id for each in decisions if each.state is RecipientState.WAITING}
    if not chosen:
        return None, NO_SENDER.get(decisions[0].state, NO_SENDER[RecipientState.SENDER_UNABLE])
    return min((each for each in contacts if each.follow_id in chosen), key=lambda each: each.follow_id), ""


def _candidate(contact: Contact, senders: Senders) -> Candidate:
    places = (n for n, tag_no in enumerate(senders.tag_nos) if f",{tag_no}," in contact.tag_list)
    place = next(places, len(senders.tag_nos))
    return Candidate(contact.follow_id, contact.userid, contact.external_userid, contact.added_at, None, place)


def _paths(journey: Journey, number: int) -> list[str]:
    """The paths of the segments that a step asks about."""
    if number >= len(journey.steps):
        return []
    step, path = journey.steps[number], f"steps[{number}]"
    found = [f"{path}.only_if"] if step.only_if is not None else []
    if isinstance(step.action, Branch):
        found += [f"{path}.action.cases[{index}].segment" for index in range(len(step.action.cases))]
    return found
