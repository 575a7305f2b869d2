"""What `kf/sync_msg` handed out, stored once, in the transaction that moves the account's cursor.

Whoever stores a page says from which cursor it was read. Where another was faster, nothing is written and the page is
read on from where they are: so two who read the same account lose nothing and store nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import select, update
from sqlmodel import Session, col

from bot.phrases import Phrase
from data.models import KfMessage, KfSession
from data.models.kf import KfOrigin, KfState, KfStatus
from data.queries import kf_accounts as account_rows
from data.queries.erasures import list_erased
from data.queries.follow_facts import Facts, note_facts
from data.queries.upsert import insert_into
from data.rules.kf import KfChoices
from data.rules.kf_messages import Pulled, told_number, told_text
from data.rules.kf_sessions import FAIL_TYPES, LONG_CODE, SHORT_CODE, state_after_message

#: What has a code that lives for seconds is due so long ago: it goes before everything else.
AT_ONCE = timedelta(hours=1)
PER_STATEMENT = 100


class Page(NamedTuple):
    """One page as it was read from `cursor` on. `ahead`: by how much WeCom's clock, by which its codes end, is ahead of
    ours."""

    open_kfid: str
    cursor: str
    next_cursor: str
    has_more: bool
    items: Sequence[Pulled]
    read_at: datetime
    ahead: timedelta = timedelta()


def store_page(session: Session, page: Page, now: datetime) -> int | None:
    """Store a page and move the cursor; how many messages were new. None: another has moved the cursor meanwhile."""
    account = account_rows.get_account(session, page.open_kfid, locked=True)
    if account.cursor != page.cursor:
        return None
    account.cursor = page.next_cursor[:128]
    account.error = ""
    if not page.has_more:
        account.read_at = page.read_at
    session.flush()
    return _store(session, page, account_rows.choices_of(account), now)


def _store(session: Session, page: Page, choices: KfChoices, now: datetime) -> int:
    for item in page.items:
        if item.event == "servicer_status_change":
            userid, status = told_text(item.told, "servicer_userid"), told_number(item.told, "status")
            account_rows.note_servicer(session, page.open_kfid, userid, receives=status == 1)
    items = [item for item in page.items if item.external_userid]
    erased = list_erased(session, {item.external_userid for item in items})
    items = [item for item in items if item.external_userid not in erased]
    if not items:
        return 0
    sessions = _read_sessions(session, page.open_kfid, items, now)
    new = _insert(session, page, items, sessions, choices)
    _Effects(session, page.open_kfid, choices, now).apply(
        [(item, sessions[item.external_userid]) for item in items if item.msgid in new]
    )
    wrote = {
        sessions[item.external_userid].contact_id
        for item in items
        if item.msgid in new and item.origin == KfOrigin.CUSTOMER
    }
    if wrote:
        note_facts(session, wrote, Facts.KF)
    return len(new)


def _read_sessions(session: Session, open_kfid: str, items: Sequence[Pulled], now: datetime) -> dict[str, KfSession]:
    """The conversations of those who are named, locked; by external_userid. Who is new gets one."""
    firsts: dict[str, datetime] = {}
    for item in items:
        firsts.setdefault(item.external_userid, item.sent_at)
    known = _lock_sessions(session, open_kfid, sorted(firsts))
    fresh: list[dict[str, Any]] = [
        {
            "open_kfid": open_kfid, "external_userid": whom, "contact_id": whom, "nickname": "", "avatar": "",
            "gender": 0, "unionid": "", "state": int(KfState.ENDED), "state_at": at, "servicer_userid": "", "scene": "",
            "scene_param": "", "blocked": False, "began_at": at, "replies": 0, "changed_at": now, "claim": "",
        }
        for whom, at in firsts.items()
        if whom not in known
    ]  # fmt: skip
    if fresh:
        insert = insert_into(session, KfSession).on_conflict_do_nothing(index_elements=["open_kfid", "external_userid"])
        session.execute(insert, fresh)
        known |= _lock_sessions(session, open_kfid, [each["external_userid"] for each in fresh])
    return known


def _lock_sessions(session: Session, open_kfid: str, whom: Sequence[str]) -> dict[str, KfSession]:
    found: dict[str, KfSession] = {}
    for start in range(0, len(whom), PER_STATEMENT):
        some = whom[start : start + PER_STATEMENT]
        query = (
            select(KfSession)
            .where(col(KfSession.open_kfid) == open_kfid, col(KfSession.external_userid).in_(some))
            .order_by(col(KfSession.id))
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        found |= {row.external_userid: row for row in session.execute(query).scalars()}
    return found


def _insert(
    session: Session,
    page: Page,
    items: Sequence[Pulled],
    sessions: dict[str, KfSession],
    choices: KfChoices,
) -> set[str]:
    """Insert what is not stored yet; the msgids of what was new."""
    written = {whom: each.written_at for whom, each in sessions.items()}
    rows: list[dict[str, Any]] = []
    for item in items:
        row = sessions[item.external_userid]
        code, until = _code_of(item, choices)
        is_customers = item.origin == KfOrigin.CUSTOMER
        first = is_customers and written[item.external_userid] is None
        if is_customers:
            written[item.external_userid] = item.sent_at
        rows.append({
            "session_id": row.id, "open_kfid": page.open_kfid, "external_userid": item.external_userid,
            "msgid": item.msgid, "origin": int(item.origin), "msgtype": item.event or item.msgtype,
            "content": dict(item.content), "words": item.words, "servicer_userid": item.servicer_userid,
            "made_by": "", "sent_at": item.sent_at,
            "status": (KfStatus.OPEN if is_customers or code else KfStatus.DONE).value, "reason": "",
            "explanation": {"first": True} if first else {}, "code": code,
            "code_until": until - page.ahead if until else None, "attempts": 0,
        })  # fmt: skip
    statement = insert_into(session, KfMessage).on_conflict_do_nothing(index_elements=["open_kfid", "msgid"])
    return set(session.execute(statement.returning(statement.table.c.msgid), rows).scalars())


def _code_of(item: Pulled, choices: KfChoices) -> tuple[str, datetime | None]:
    """The code by which an event may be answered, where it is going to be, and when it ends."""
    if item.event == "enter_session":
        code = told_text(item.told, "welcome_code", 512)
        return code, item.sent_at + SHORT_CODE if code else None
    if item.event == "session_status_change":
        kind, code = told_number(item.told, "change_type"), told_text(item.told, "msg_code", 512)
        if kind == 1 and choices.picked_text:
            return code, item.sent_at + LONG_CODE if code else None
        if kind == 3 and choices.ended_text:
            return code, item.sent_at + SHORT_CODE if code else None
    return "", None


class _Effects:
    """What new messages and events mean for their conversations, in their order."""

    def __init__(self, session: Session, open_kfid: str, choices: KfChoices, now: datetime) -> None:
        self._session = session
        self._open_kfid = open_kfid
        self._choices = choices
        self._now = now

    def apply(self, items: Sequence[tuple[Pulled, KfSession]]) -> None:
        for item, row in items:
            row.changed_at = max(row.changed_at, item.sent_at)
            if item.origin == KfOrigin.CUSTOMER:
                self._on_message(item, row)
            elif item.origin == KfOrigin.SERVICER:
                _change(row, KfState.PERSON, item.sent_at, item.servicer_userid)
            else:
                self._on_event(item, row)
        self._session.flush()

    def _on_message(self, item: Pulled, row: KfSession) -> None:
        state = state_after_message(row.state, row.state_at, row.written_at, item.sent_at)
        if state != row.state:
            _change(row, state, item.sent_at, "")
        if row.written_at is None or item.sent_at >= row.written_at:
            row.written_at, row.replies = item.sent_at, 0
        _make_due(row, self._now)

    def _on_event(self, item: Pulled, row: KfSession) -> None:
        told = item.told
        match item.event:
            case "enter_session":
                row.scene, row.scene_param = told_text(told, "scene"), told_text(told, "scene_param", 256)
            case "msg_send_fail":
                cause = FAIL_TYPES.get(told_number(told, "fail_type"), FAIL_TYPES[0])
                failed = {"status": KfStatus.FAILED.value, "reason": str(cause)}
                self._change_message(told_text(told, "fail_msgid", 128), **failed)
            case "user_recall_msg" | "servicer_recall_msg":
                self._recall(told_text(told, "recall_msgid", 128), item.sent_at)
            case "session_status_change":
                userid = told_text(told, "new_servicer_userid")
                ended = told_number(told, "change_type") == 3
                _change(row, KfState.ENDED if ended else KfState.PERSON, item.sent_at, "" if ended else userid)
            case "reject_customer_msg_switch_change":
                row.blocked = told_number(told, "reject_switch") == 1
            case _:
                pass
        if _code_of(item, self._choices)[0]:
            _make_due(row, self._now - AT_ONCE)

    def _recall(self, msgid: str, at: datetime) -> None:
        self._change_message(msgid, recalled_at=at)
        # What was taken back before anybody looked at it is not answered.
        taken_back = {"status": KfStatus.DONE.value, "reason": str(Phrase("客户已撤回"))}
        change = update(KfMessage).where(
            col(KfMessage.open_kfid) == self._open_kfid, col(KfMessage.msgid) == msgid,
            col(KfMessage.origin) == int(KfOrigin.CUSTOMER), col(KfMessage.status) == KfStatus.OPEN.value,
        )  # fmt: skip
        self._session.execute(change.values(**taken_back))

    def _change_message(self, msgid: str, **values: Any) -> None:
        mine = update(KfMessage).where(col(KfMessage.open_kfid) == self._open_kfid, col(KfMessage.msgid) == msgid)
        self._session.execute(mine.values(**values))


def _change(row: KfSession, state: KfState, at: datetime, servicer_userid: str) -> None:
    """Somebody else has the conversation from `at` on; what is older than what is known changes nothing."""
    if at >= row.state_at:
        row.state, row.state_at, row.servicer_userid = int(state), at, servicer_userid


def _make_due(row: KfSession, at: datetime) -> None:
    if row.due_at is None or at < row.due_at:
        row.due_at = at
