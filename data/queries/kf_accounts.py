"""Accounts of WeChat customer service: what WeCom says of them, and what is chosen here."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select, update
from sqlmodel import Session, col

from bot.phrases import Phrase
from data.errors import NotFoundError
from data.models import KfAccount
from data.queries.upsert import insert_into
from data.rules.kf import KfChoices
from data.rules.problems import InvalidRuleError, parse


def list_accounts(session: Session) -> list[KfAccount]:
    """All that were ever seen, by name; those that the app may not use any more last."""
    query = select(KfAccount).order_by(col(KfAccount.granted).desc(), col(KfAccount.name), col(KfAccount.open_kfid))
    return list(session.execute(query).scalars())


def find_account(session: Session, open_kfid: str) -> KfAccount | None:
    """One account, if it is known."""
    return session.get(KfAccount, open_kfid)


def get_account(session: Session, open_kfid: str, *, locked: bool = False) -> KfAccount:
    """One account. Raises NotFoundError."""
    account = session.get(KfAccount, open_kfid, with_for_update=locked, populate_existing=locked)
    if account is None:
        raise NotFoundError(
            Phrase("没有客服账号 %(open_kfid)s。", open_kfid=open_kfid),
            Phrase("请先从企业微信读取客服账号（siyu kf accounts --read）。"),
        )
    return account


def see_account(session: Session, open_kfid: str, now: datetime) -> None:
    """An event names an account: it is known from now on, by its id alone until it was read."""
    session.execute(
        insert_into(session, KfAccount)
        .values(
            open_kfid=open_kfid, name="", avatar="", granted=True, choices={}, servicers=[], cursor="", error="",
            seen_at=now,
        )
        .on_conflict_do_nothing(index_elements=["open_kfid"])
    )  # fmt: skip


def write_read(session: Session, told: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """WeCom's whole list of the accounts that the app sees, each with its `servicers` where they were read too."""
    names = set()
    for each in told:
        open_kfid = str(each["open_kfid"])[:64]
        names.add(open_kfid)
        see_account(session, open_kfid, now)
        account = get_account(session, open_kfid)
        account.name = str(each.get("name") or "")[:64]
        account.avatar = str(each.get("avatar") or "")[:512]
        account.granted, account.seen_at = True, now
        if each.get("servicers") is not None:
            known = {one["userid"]: one["receives"] for one in account.servicers}
            account.servicers = [
                one if one["receives"] is not None else {**one, "receives": known.get(one["userid"], True)}
                for one in each["servicers"]
            ]
    gone = update(KfAccount).where(col(KfAccount.open_kfid).not_in(names) if names else col(KfAccount.open_kfid) != "")
    session.execute(gone.values(granted=False))


def grant(session: Session, given: Collection[str], taken: Collection[str], now: datetime) -> None:
    """WeCom tells which accounts were given to the app or taken from it."""
    for open_kfid in given:
        see_account(session, open_kfid, now)
    for open_kfids, granted in ((given, True), (taken, False)):
        if open_kfids:
            change = update(KfAccount).where(col(KfAccount.open_kfid).in_(sorted(open_kfids)))
            session.execute(change.values(granted=granted))


def save_choices(session: Session, open_kfid: str, choices: KfChoices) -> KfAccount:
    """Keep what is chosen of an account. Raises NotFoundError."""
    account = get_account(session, open_kfid, locked=True)
    account.choices = choices.model_dump(mode="json")
    return account


def choices_of(account: KfAccount | None) -> KfChoices:
    """What is chosen of an account; what this program cannot read any more is as if nothing was chosen."""
    try:
        return parse(KfChoices, account.choices if account is not None else {})
    except InvalidRuleError:
        return KfChoices()


def list_unread(session: Session, before: datetime) -> list[str]:
    """Accounts that the app may use and that were not read whole since an instant."""
    query = select(col(KfAccount.open_kfid)).where(
        col(KfAccount.granted), or_(col(KfAccount.read_at).is_(None), col(KfAccount.read_at) < before)
    )
    return list(session.execute(query.order_by(col(KfAccount.open_kfid))).scalars())


def find_cursor(session: Session, open_kfid: str, now: datetime) -> str:
    """Up to where the messages of an account are stored; the account is known from now on."""
    see_account(session, open_kfid, now)
    return get_account(session, open_kfid).cursor


def forget_cursor(session: Session, open_kfid: str, cursor: str) -> str:
    """WeCom does not know a cursor: the account is read from the beginning, unless another has moved it; from where."""
    account = get_account(session, open_kfid, locked=True)
    if account.cursor == cursor:
        account.cursor = ""
    return account.cursor


def note_error(session: Session, open_kfid: str, error: str) -> None:
    """An account could not be read, and why."""
    session.execute(update(KfAccount).where(col(KfAccount.open_kfid) == open_kfid).values(error=error[:500]))


def note_servicer(session: Session, open_kfid: str, userid: str, *, receives: bool) -> None:
    """A servicer begins to take conversations, or stops."""
    account = get_account(session, open_kfid, locked=True)
    others = [each for each in account.servicers if each.get("userid") != userid]
    account.servicers = sorted([*others, {"userid": userid, "receives": receives}], key=lambda each: each["userid"])
