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
    AuditEntry,
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
    named = [col(Alert.words).contains(name, autoescape=True) for name in person.names]
    return and_(col(Alert.kind) == DAY_LIST, or_(false(), *named))


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
    Held(Recipient, _received),
    Held(Order, _orders),
    Held(
        RepeatedRequest,
        lambda person: col(RepeatedRequest.body).contains(person.external_userid, autoescape=True),
        hidden=("body",),
    ),
    Held(ImportRow, _imported),
    Held(StepRecord, _enrolled),
    _own(StaffTask),
    _own(WebhookCall),
    _own(AuditEntry),
    _own(Happening),
    _own(JourneyMember),
    _own(Enrolment),
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

#: Every other table of the main database, and why nothing in it is about one customer.
NOT_ABOUT_ONE: Mapping[str, str] = MappingProxyType(
    {
        "access_tokens": "WeCom's tokens of this app",
        "acquisition_days": "how many came by a link on a day, not who",
        "acquisition_quota": "how many customers may still be added by links",
        "api_tokens": "programs that use the API",
        "call_counts": "how often each API of WeCom was called",
        "call_pauses": "APIs of WeCom that rest",
        "approvals": "a manager's request about a campaign as a whole",
        "group_recipients": "customer groups that a campaign is for",
        "group_transfers": "customer groups that get another owner",
        "group_welcomes": "what groups say to whoever joins",
        "behaviour_days": "what WeCom counts of the company's own people",
        "batches": "calls for many customers at once: who they are is in recipients",
        "callback_health": "times at which callbacks showed a sign of life",
        "campaigns": "what managers plan for many",
        "card_changes": "words in the place of a card's buttons",
        "cards": "what approvers are asked about a campaign as a whole",
        "channels": "contact ways of staff",
        "channel_days": "how many came by a channel on a day, not who",
        "channel_images": "pictures of codes",
        "channel_imports": "channels that were handed in as a file",
        "channel_members": "members of the company whom a channel names",
        "channel_plans": "what is wanted of contact ways of staff",
        "customer_groups": "a group as a whole: its name and notice are what staff wrote for all",
        "departments": "the company's own",
        "cohorts": "how many relations of a time are still there, not whose",
        "digests": "which members of staff were told of a day",
        "erasure_keys": "the key of the tombstones",
        "erasures": "tombstones: keyed hashes, and until an erasure is finished whom it is about",
        "forms": "what customers are asked: their answers are in form_answers",
        "import_pieces": "a file until it is read: its rows are in import_rows",
        "imports": "a file as a whole: its rows are in import_rows",
        "figure_pulls": "when WeCom's figures of staff were read",
        "field_definitions": "which fields there are, not what is in them",
        "own_send_pulls": "how far staff's own group-sends were read",
        "owner_days": "what WeCom counts of groups by who owns them",
        "payment_pulls": "how far payments were read, nothing of them",
        "handovers": "a hand-over as a whole: whose customers it is about is in transfers",
        "join_way_images": "pictures of codes",
        "join_ways": "codes that lead into groups: who joined by one is in group_members",
        "job_states": "how the program's own work went",
        "journey_versions": "what journeys say to everybody",
        "journey_waves": "which broadcasts are of which journey: a list of customers is in wave_customers",
        "journey_scans": "how far all customers were gone through, not who they are",
        "journeys": "what managers plan for many: who is on them is in enrolments",
        "knowledge_grams": "pairs of characters of questions that the company wrote down",
        "knowledge_pairs": "answers for everybody",
        "knowledge_phrasings": "questions that the company wrote down, asked by nobody in particular",
        "knowledge_rarities": "how often pairs of characters are in those questions",
        "kept_values": "settings made in the console, and what a restore left",
        "kf_accounts": "the company's own accounts of customer service",
        "kf_rules": "what is answered to everybody",
        "leases": "which process runs a job",
        "link_other_clicks": "how often others than customers followed a link",
        "links": "addresses that lead on: who followed them is in link_clicks",
        "leaves": "when the company's own people are on leave",
        "marking_changes": "tags that a marking puts on and takes off",
        "markings": "a marking as a whole: whom it marks is in marking_items",
        "media": "files that the company sends",
        "media_uploads": "ids of those files at WeCom",
        "publishers": "members who publish a post, and how many saw it: who reacted is in moment_reactions",
        "report_readers": "accounts of the company's own people",
        "rosters": "a list of customers as a whole: who is on it is in roster_members",
        "runs": "a sending as a whole: whom it reaches is in recipients",
        "scripts": "words for all",
        "script_departments": "whose scripts they are",
        "script_grams": "by what words for all are found",
        "script_favourites": "what the company's own people keep at hand",
        "script_uses": "which of the company's own people use which words",
        "segments": "questions about customers, not who answers to them",
        "staff": "the company's own people",
        "step_counts": "how many customers steps were done for, not who they are",
        "accounts": "who may use the console: the company's own people",
        "account_sessions": "which browser is an account's",
        "invitations": "links for the company's own people",
        "sync_runs": "when syncs ran; what they could not use is in sync_parts",
        "tag_groups": "the company's tags, not who has them",
        "webhooks": "programs of the company's own",
        "tag_rules": "rules for all",
        "template_versions": "words for all",
        "templates": "words for all",
        "tags": "the company's tags, not who has them",
        "waves": "a content for many: a list of customers is in wave_customers",
        "winners": "which variant a manager has chosen, on figures of many",
        "welcome_rules": "rules for all",
    }
)


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
