"""All that is kept about one customer: where it is, how it is shown, how it is erased.

`HELD` names every table that holds anything about one customer, and `NOT_ABOUT_ONE` every other with the reason why it
does not; a test refuses a table that is in neither. Tables of the inbox are in `data/queries/inbox_privacy.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, cast, delete, false, func, literal_column, or_, select, update
from sqlmodel import Session, SQLModel, col

from data.models import (
    AcquisitionCustomer,
    Alert,
    AssistantState,
    AuditEntry,
    BarredBeginning,
    Batch,
    Birthday,
    Customer,
    CustomerField,
    DraftRow,
    Enrolment,
    Follow,
    FollowMobile,
    FollowTag,
    FollowWords,
    FormAnswer,
    GroupMember,
    Happening,
    ImportedId,
    ImportRow,
    JourneyMember,
    KfMessage,
    KfSession,
    LinkClick,
    MarkingItem,
    MomentReaction,
    NextContact,
    Note,
    Order,
    Preference,
    Recipient,
    RecipientState,
    RepeatedRequest,
    RosterMember,
    Run,
    StaffTask,
    StepRecord,
    SyncPart,
    Tag,
    Tester,
    Touch,
    Transfer,
    UnansweredQuestion,
    Unassigned,
    WaveCustomer,
    WebhookCall,
    Welcome,
)
from data.queries import kf_sessions
from data.queries.privacy_none import NOT_ABOUT_ONE as NOT_ABOUT_ONE
from data.queries.step_counts import uncount_customer


@dataclass(frozen=True, slots=True)
class Person:
    """Whose rows are meant, by everything they are known by."""

    external_userid: str
    unionid: str = ""
    mobiles: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def mention(self) -> re.Pattern[str]:
        """Their id where it stands alone in a text."""
        return re.compile(rf"(?<![\w-]){re.escape(self.external_userid)}(?![\w-])")


@dataclass(frozen=True, slots=True)
class Held:
    """The rows of a table that are about one customer.

    `blank`: columns that are emptied where the row is about something else and only names the customer; without it the
    rows go. `also`: columns of other tables that are shown with a row. `hidden`: those that may name others.
    """

    model: type[SQLModel]
    where: Callable[[Person], ColumnElement[bool]]
    blank: Mapping[str, Any] = field(default_factory=dict)
    also: Callable[[Any], Any] | None = None
    hidden: tuple[str, ...] = ()

    @property
    def table(self) -> Any:
        """The table."""
        return self.model.__table__  # type: ignore[attr-defined]


#: The kind of alerts that name some customers of a list.
DAY_LIST = "day_list"
#: Kinds of messages to staff that may name several customers.
TOLD = ("reply", "script", "merged", "digest")
#: Written out, not bound: only then do the databases see that a partial index holds the rows.
EMPTY: Any = literal_column("''")


def _own(model: Any) -> Held:
    return Held(model, lambda person: model.__table__.c.external_userid == person.external_userid)


def _of_follow(model: Any, also: Callable[[Any], Any] | None = None) -> Held:
    def where(person: Person) -> ColumnElement[bool]:
        follows = select(col(Follow.id)).where(col(Follow.external_userid) == person.external_userid)
        found: ColumnElement[bool] = model.__table__.c.follow_id.in_(follows)
        return found

    return Held(model, where, also=also)


def _orders(person: Person) -> ColumnElement[bool]:
    """Theirs, and those that wait unmatched with their unionid or a telephone number that staff noted for them."""
    o: Any = Order.__table__  # type: ignore[attr-defined]
    nobody = o.c.external_userid.is_(None)
    told = and_(o.c.told_external_userid != EMPTY, o.c.told_external_userid == person.external_userid)
    found = [o.c.external_userid == person.external_userid, and_(nobody, told)]
    if person.unionid:
        found.append(and_(nobody, o.c.unionid != EMPTY, o.c.unionid == person.unionid))
    if person.mobiles:
        found.append(and_(nobody, o.c.mobile != EMPTY, o.c.mobile.in_(person.mobiles)))
    return or_(*found)


def _converted(person: Person) -> ColumnElement[bool]:
    """Ids that another provider's app has for them."""
    i: Any = ImportedId.__table__  # type: ignore[attr-defined]
    return and_(i.c.external_userid != EMPTY, i.c.external_userid == person.external_userid)


def _imported(person: Person) -> ColumnElement[bool]:
    """Rows of other tools' tables that are about them, or name them by anything that orders know them by."""
    r: Any = ImportRow.__table__  # type: ignore[attr-defined]
    found = [
        and_(r.c.external_userid != EMPTY, r.c.external_userid == person.external_userid),
        and_(r.c.told_external_userid != EMPTY, r.c.told_external_userid == person.external_userid),
    ]
    if person.unionid:
        found.append(and_(r.c.unionid != EMPTY, r.c.unionid == person.unionid))
    if person.mobiles:
        found.append(and_(r.c.mobile != EMPTY, r.c.mobile.in_(person.mobiles)))
    return or_(*found)


def _received(person: Person) -> ColumnElement[bool]:
    """By the whole key: the runs are few, and nothing else finds a follow in each of them at once."""
    follows = select(col(Follow.id)).where(col(Follow.external_userid) == person.external_userid)
    return and_(col(Recipient.run_id).in_(select(col(Run.id))), col(Recipient.follow_id).in_(follows))


def _named(person: Person) -> ColumnElement[bool]:
    """What staff were told of their lists, with a name that somebody has for them."""
    return and_(col(Alert.kind) == DAY_LIST, _names(person))


def _told(person: Person) -> ColumnElement[bool]:
    """The same of answers, digests and messages that stand for several."""
    return and_(col(Alert.kind).in_(TOLD), _names(person))


def _names(person: Person) -> ColumnElement[bool]:
    named = [col(Alert.words).contains(name, autoescape=True) for name in person.names]
    return or_(false(), *named)


def _enrolled(person: Person) -> ColumnElement[bool]:
    enrolments = select(col(Enrolment.id)).where(col(Enrolment.external_userid) == person.external_userid)
    return col(StepRecord.enrolment_id).in_(enrolments)


def _with_tag(query: Any) -> Any:
    return query.add_columns(col(Tag.tag_id), col(Tag.name)).join(Tag, col(Tag.tag_no) == col(FollowTag.tag_no))


#: In the order in which they are erased: what is found through another row goes before it.
HELD: tuple[Held, ...] = (
    _of_follow(FollowTag, _with_tag),
    _of_follow(FollowMobile),
    _of_follow(FollowWords),
    _of_follow(MarkingItem),
    _of_follow(AssistantState),
    Held(Recipient, _received),
    Held(Order, _orders),
    Held(
        RepeatedRequest,
        lambda person: col(RepeatedRequest.body).contains(person.external_userid, autoescape=True),
        hidden=("body",),
    ),
    Held(ImportRow, _imported),
    Held(ImportedId, _converted),
    Held(StepRecord, _enrolled),
    _own(StaffTask),
    _own(WebhookCall),
    _own(AuditEntry),
    _own(Happening),
    _own(JourneyMember),
    _own(Enrolment),
    _own(BarredBeginning),
    _own(CustomerField),
    _own(Birthday),
    _own(Touch),
    _own(LinkClick),
    _own(FormAnswer),
    _own(WaveCustomer),
    _own(RosterMember),
    _own(Tester),
    _own(MomentReaction),
    _own(AcquisitionCustomer),
    Held(KfMessage, lambda person: kf_sessions.is_of(person.external_userid), hidden=("code",)),
    Held(KfSession, lambda person: kf_sessions.is_whose(person.external_userid)),
    _own(Preference),
    _own(Note),
    _own(NextContact),
    _own(Alert),
    Held(Alert, _named, blank={"words": "【今日待办】"}, hidden=("words",)),
    Held(Alert, _told, blank={"words": "（已删除）"}, hidden=("words",)),
    _own(Welcome),
    _own(Transfer),
    _own(Unassigned),
    _own(UnansweredQuestion),
    _own(DraftRow),
    Held(GroupMember, lambda person: col(GroupMember.userid) == person.external_userid),
    Held(GroupMember, lambda person: col(GroupMember.invitor) == person.external_userid, blank={"invitor": ""}),
    _own(Follow),
    _own(Customer),
)

#: Tables whose rows are about something else and may name customers in a list of texts.
MENTIONS: Mapping[type[SQLModel], str] = MappingProxyType({SyncPart: "problems"})


def find_person(session: Session, external_userid: str) -> Person:
    """A customer with what orders know them by; known or not."""
    customer = session.get(Customer, external_userid)
    mobiles = session.execute(
        select(col(FollowMobile.mobile))
        .join(Follow, col(Follow.id) == col(FollowMobile.follow_id))
        .where(col(Follow.external_userid) == external_userid)
        .distinct()
    ).scalars()
    remarks = select(col(Follow.remark)).where(col(Follow.external_userid) == external_userid)
    names = {*session.execute(remarks).scalars(), customer.name if customer else ""} - {""}
    return Person(external_userid, customer.unionid if customer else "", tuple(sorted(mobiles)), tuple(sorted(names)))


def export_person(session: Session, person: Person) -> dict[str, list[dict[str, Any]]]:
    """Every row about a customer, by table."""
    found: dict[str, list[dict[str, Any]]] = {}
    for held in HELD:
        query = select(held.table).where(held.where(person)).order_by(*held.table.primary_key)
        rows = session.execute(held.also(query) if held.also else query).mappings()
        found.setdefault(held.table.name, []).extend(
            {name: value for name, value in row.items() if name not in held.hidden} for row in rows
        )
    for model, row, texts in _mentions(session, person):
        table: Any = model.__table__  # type: ignore[attr-defined]
        mine = [text for text in texts if person.mention.search(text)]
        key = {column.name: getattr(row, column.name) for column in table.primary_key}
        found.setdefault(table.name, []).append({**key, MENTIONS[model]: mine})
    return found


def erase_person(session: Session, person: Person) -> dict[str, int]:
    """Remove every row about a customer; how many, by table."""
    removed: dict[str, int] = {}
    _wait_no_more(session, person)
    uncount_customer(session, person.external_userid)
    with overwriting(session):
        for held in HELD:
            change: Any = update(held.table).values(**held.blank) if held.blank else delete(held.table)
            done: Any = session.execute(change.where(held.where(person)))
            removed[held.table.name] = removed.get(held.table.name, 0) + int(done.rowcount)
        for model, row, texts in _mentions(session, person):
            setattr(row, MENTIONS[model], [text for text in texts if not person.mention.search(text)])
            session.flush()
    session.expire_all()
    return {name: count for name, count in removed.items() if count}


def _wait_no_more(session: Session, person: Person) -> None:
    """Campaigns of whose message to them nothing is known yet go on without them, and so do their counts."""
    waiting = (
        select(col(Recipient.run_id), col(Recipient.batch_no), func.count())
        .where(
            _received(person), col(Recipient.state) == RecipientState.WAITING, col(Recipient.batch_no).is_not(None)
        )
        .group_by(col(Recipient.run_id), col(Recipient.batch_no))
        .order_by(col(Recipient.run_id), col(Recipient.batch_no))
    )  # fmt: skip
    for run_id, batch_no, number in session.execute(waiting).all():
        mine = (col(Batch.run_id) == run_id, col(Batch.batch_no) == batch_no)
        session.execute(update(Run).where(col(Run.id) == run_id).values(recipients=col(Run.recipients) - number))
        session.execute(update(Batch).where(*mine).values(recipients=col(Batch.recipients) - number))


def _mentions(session: Session, person: Person) -> Iterator[tuple[type[SQLModel], Any, list[str]]]:
    for model, column in MENTIONS.items():
        texts = cast(getattr(model, column), Text)
        rows = session.execute(select(model).where(texts.contains(person.external_userid, autoescape=True))).scalars()
        for row in rows.all():
            if any(person.mention.search(text) for text in getattr(row, column)):
                yield model, row, getattr(row, column)


@contextmanager
def overwriting(session: Session) -> Iterator[None]:
    """On SQLite, what is deleted meanwhile is overwritten with zeros and not only given up."""
    if session.get_bind().dialect.name != "sqlite":
        yield
        return
    connection = session.connection()
    before = connection.exec_driver_sql("PRAGMA secure_delete").scalar_one()
    connection.exec_driver_sql("PRAGMA secure_delete = ON")
    try:
        yield
        session.flush()
    finally:
        connection.exec_driver_sql(f"PRAGMA secure_delete = {('OFF', 'ON', 'FAST')[int(before)]}")
